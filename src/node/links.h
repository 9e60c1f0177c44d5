// links.h -- this node's links to the others: dialing, proving, frames in and out.
//
// Layer 5. Owns every link. Decides nothing about data: whole frames of proven peers go to `Heard`,
// what is to be said is written to a peer's buffer and leaves at the end of the turn. There is one
// link for two nodes. The one with the higher id dials; so does who was just started, and who is
// unknown to the others.
//
//     dial / on_peer --> proving (at most some seconds) --> up(peer) --> frames --> down(peer)
//
// A link ends when its socket does, at a bad frame, when nothing came for a while (both sides send
// pings when they have nothing to say), or when a newer one to the same peer takes its place.
// Bounded: links that did not prove anything yet, what one may leave unread.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/io.h"
#include "quorum/frame.h"

namespace zk {

struct PeerAddress {
    std::string host;
    uint16_t port = 0;

    bool operator==(const PeerAddress&) const = default;
};

class Links {
public:
    struct Heard {
        std::function<void(uint32_t peer)> up;
        std::function<void(uint32_t peer)> down;
        // False: the frame makes no sense; the link is closed.
        std::function<bool(uint32_t peer, const Frame& frame)> frame;
    };

    // Who says nothing for `silence_us` is gone.
    Links(Io& io, uint32_t self, std::string secret, uint64_t silence_us, Heard heard)
        : io_(io),
          self_(self),
          secret_(std::move(secret)),
          silence_us_(silence_us),
          heard_(std::move(heard)) {}

    // The ensemble this node says it is in; 0: in none.
    void set_ensemble(uint64_t ensemble) { ensemble_ = ensemble; }
    // Where the others are; those not named are dialed no more, but may dial.
    void set_peers(std::map<uint32_t, std::vector<PeerAddress>> peers, bool dial_all);

    // Events of Node, in the order of the turn; `mine`: is it a link's number?
    bool mine(LinkId link) const { return link < links_.size() && links_[link] != nullptr; }
    bool came(LinkId link, const Address& from);
    void dialed(LinkId link);
    void bytes(LinkId link, Bytes bytes);
    void ended(LinkId link);
    void drained(LinkId link);
    // Dials, pings, time-outs. Of a clock that stands still while this node does.
    void tick(uint64_t now_us);
    uint64_t next_tick_us() const { return next_tick_us_; }

    bool is_up(uint32_t peer) const { return up_.contains(peer); }
    const std::map<uint32_t, LinkId>& up() const { return up_; }
    // What the peer has not taken yet, this turn's included. Requires: up.
    size_t unsent(uint32_t peer) const;
    // Frames to a peer that is up: begin, write to what it returns, end.
    Buffer& begin(uint32_t peer, FrameKind kind);
    void end(uint32_t peer);
    void close(uint32_t peer, const char* why);
    // One call to Io for each link with something to say.
    void flush();
    // For good: no others take their place.
    void close_all();

    uint64_t refused() const { return refused_; }  // that could not prove themselves

private:
    struct Link {
        LinkId id = 0;
        bool by_us = false;
        bool open = false;      // it stands
        uint32_t dialed_peer = 0;
        uint32_t peer = 0;      // proven
        uint64_t key = 0;
        std::unique_ptr<Handshake> handshake;
        Buffer in;
        Buffer out;
        size_t unsent = 0;
        size_t frame_at = 0;    // of the frame that is being written
        uint64_t opened_us = 0;
        uint64_t heard_us = 0;
        uint64_t said_us = 0;
        Address from;
    };
    struct Target {
        std::vector<PeerAddress> addresses;
        size_t next = 0;
        bool met = false;       // it was linked once
        uint64_t dial_us = 0;   // when, again
        uint64_t wait_us = 0;   // after a failure
        LinkId link = 0;
        bool dialing = false;
    };

    Link& add(LinkId id);
    void drop(Link& link, const char* why);
    void start(Link& link);
    void take_frames(Link& link);
    bool prove(Link& link, const Frame& frame);
    void proven(Link& link);
    void dial(uint32_t peer, Target& target);
    void complain(const Link& link, const char* why);
    uint64_t keyed(const Link& link) const { return link.peer != 0 ? link.key : 0; }

    Io& io_;
    uint32_t self_;
    std::string secret_;
    uint64_t silence_us_;
    Heard heard_;
    uint64_t ensemble_ = 0;
    std::vector<std::unique_ptr<Link>> links_;  // by number, of which clients have most
    std::vector<LinkId> ids_;                   // those that are there
    size_t unproven_ = 0;
    std::map<uint32_t, LinkId> up_;
    std::map<uint32_t, Target> targets_;
    bool dial_all_ = false;
    bool closed_ = false;
    uint64_t now_us_ = 0;
    uint64_t next_tick_us_ = 0;
    uint64_t refused_ = 0;
    uint64_t refused_told_ = 0;
    uint64_t complained_us_ = 0;
};

}  // namespace zk
