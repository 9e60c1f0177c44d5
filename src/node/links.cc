// links.cc -- see links.h.

#include "node/links.h"

#include <algorithm>

#include "base/log.h"

namespace zk {

namespace {

constexpr uint64_t prove_us_max = 3'000'000;
constexpr uint64_t ping_us = 500'000;
constexpr uint64_t redial_us_least = 10'000;
constexpr uint64_t redial_us_most = 500'000;
constexpr uint64_t lived_us = 1'000'000;
constexpr size_t unproven_max = 64;
constexpr size_t unsent_max = 256u << 20;
constexpr uint64_t complain_us = 60'000'000;

std::string text_of(const Address& from) {
    char text[64];
    const uint8_t* ip = from.ip;
    snprintf(text, sizeof text, "%u.%u.%u.%u:%u", ip[12], ip[13], ip[14], ip[15], from.port);
    return text;
}

}  // namespace

void Links::set_peers(std::map<uint32_t, std::vector<PeerAddress>> peers, bool dial_all) {
    dial_all_ = dial_all;
    std::erase_if(targets_, [&](const auto& target) { return !peers.contains(target.first); });
    for (auto& [id, addresses] : peers) {
        if (id == self_ || addresses.empty()) continue;
        Target& target = targets_[id];
        if (target.addresses == addresses) continue;
        target.addresses = std::move(addresses);
        target.next = 0;
        target.dial_us = target.wait_us = 0;
    }
    next_tick_us_ = 0;
}

Links::Link& Links::add(LinkId id) {
    if (id >= links_.size()) links_.resize(id + 1);
    ASSERT(links_[id] == nullptr);
    links_[id] = std::make_unique<Link>();
    ids_.push_back(id);
    Link& link = *links_[id];
    link.id = id;
    link.opened_us = link.heard_us = link.said_us = now_us_;
    ++unproven_;
    return link;
}

bool Links::came(LinkId id, const Address& from) {
    if (closed_) return false;
    if (unproven_ >= unproven_max) {
        ++refused_;
        // A stranger who keeps many open keeps nobody out: the one goes that had the most time.
        auto oldest = std::find_if(ids_.begin(), ids_.end(), [&](LinkId each) {
            return links_[each]->peer == 0 && !links_[each]->by_us;
        });
        if (oldest == ids_.end()) return false;
        drop(*links_[*oldest], "too many that did not prove anything");
    }
    Link& link = add(id);
    link.from = from;
    start(link);
    return true;
}

void Links::dial(uint32_t peer, Target& target) {
    const PeerAddress& address = target.addresses[target.next++ % target.addresses.size()];
    LinkId id = io_.dial(address.host, address.port);
    Link& link = add(id);
    link.by_us = true;
    link.dialed_peer = peer;
    target.dialing = true;
    target.link = id;
    target.wait_us = std::clamp(target.wait_us * 2, redial_us_least, redial_us_most);
    target.dial_us = now_us_ + target.wait_us;
}

void Links::dialed(LinkId id) {
    if (mine(id)) start(*links_[id]);
}

void Links::start(Link& link) {
    Hello hello{.id = self_, .ensemble = ensemble_};
    io_.random(hello.chance);
    link.open = true;
    link.handshake = std::make_unique<Handshake>(hello, secret_, link.by_us);
    link.handshake->begin(link.out);
}

void Links::bytes(LinkId id, Bytes bytes) {
    Link& link = *links_[id];
    link.heard_us = now_us_;
    link.in.append(bytes);
    take_frames(link);
}

void Links::take_frames(Link& link) {
    LinkId id = link.id;
    size_t done = 0;
    while (mine(id) && links_[id].get() == &link) {
        Frame frame;
        size_t used = 0;
        size_t most = link.peer != 0 ? frame_max : early_frame_max;
        Cut cut = cut_frame(link.in.bytes().subspan(done), keyed(link), most, frame, used);
        if (cut == Cut::more) break;
        if (cut == Cut::bad) {
            if (link.peer == 0) complain(link, "it does not speak zkd's quorum protocol");
            return drop(link, "a bad frame");
        }
        done += used;
        bool good = link.peer == 0                    ? prove(link, frame)
                    : frame.kind == FrameKind::ping ? true
                                                      : heard_.frame(link.peer, frame);
        if (!mine(id)) return;
        if (!good) return drop(link, "a frame that makes no sense");
    }
    link.in.consume(done);
    if (link.in.empty()) link.in.reset();
}

bool Links::prove(Link& link, const Frame& frame) {
    const char* why = "";
    if (!link.handshake->take(frame, link.out, why)) {
        complain(link, why);
        return false;
    }
    if (!link.handshake->done()) return true;
    proven(link);
    return true;
}

// Of two links to one peer the one stays that the higher id dialed; of two of those, the newer.
void Links::proven(Link& link) {
    uint32_t peer = link.handshake->other().id;
    bool high = link.by_us == (self_ > peer);
    if (auto other = up_.find(peer); other != up_.end()) {
        Link& old = *links_[other->second];
        bool old_high = old.by_us == (self_ > peer);
        if (old_high && !high) return drop(link, "there is a link already");
        drop(old, "a newer link takes its place");
    }
    if (link.by_us && link.dialed_peer != peer)
        LOG(warn, "server.%u answers at the address of server.%u", peer, link.dialed_peer);
    link.peer = peer;
    link.key = link.handshake->key();
    link.handshake.reset();
    --unproven_;
    up_[peer] = link.id;
    if (auto target = targets_.find(peer); target != targets_.end()) {
        target->second.met = true;
    }
    LOG(debug, "linked to server.%u", peer);
    heard_.up(peer);
}

void Links::complain(const Link& link, const char* why) {
    ++refused_;
    if (complained_us_ != 0 && now_us_ - complained_us_ < complain_us) return;
    complained_us_ = now_us_;
    std::string whom = link.by_us ? "server." + std::to_string(link.dialed_peer)
                                  : text_of(link.from);
    LOG(warn, "quorum port: %s is turned away: %s (%llu since the last time this was said)",
        whom.c_str(), why, static_cast<unsigned long long>(refused_ - refused_told_));
    refused_told_ = refused_;
}

void Links::ended(LinkId id) {
    if (mine(id)) drop(*links_[id], "the connection ended");
}

void Links::drained(LinkId id) { links_[id]->unsent = 0; }

void Links::drop(Link& link, const char* why) {
    uint32_t peer = link.peer;
    LinkId id = link.id;
    if (peer == 0) --unproven_;
    if (link.by_us) {
        auto target = targets_.find(link.dialed_peer);
        if (target != targets_.end() && target->second.link == id) {
            target->second.dialing = false;
            // What stands and soon ends again, and again, is not dialed as fast as it goes.
            if (peer != 0 && now_us_ - link.opened_us > lived_us) target->second.wait_us = 0;
        }
    }
    if (peer != 0) LOG(debug, "link to server.%u ends: %s", peer, why);
    // What was said last may be the reason, and the other side's to know.
    if (link.open && !link.out.empty()) io_.send(id, link.out);
    io_.close(id);
    links_[id].reset();
    std::erase(ids_, id);
    next_tick_us_ = 0;
    if (peer == 0) return;
    up_.erase(peer);
    heard_.down(peer);
}

void Links::tick(uint64_t now_us) {
    now_us_ = now_us;
    if (now_us < next_tick_us_) return;
    next_tick_us_ = now_us + ping_us / 2;
    // From the end: a link that is dropped leaves the list.
    for (size_t i = ids_.size(); i-- > 0;) {
        if (i >= ids_.size()) continue;
        Link& link = *links_[ids_[i]];
        bool late = link.peer == 0 ? now_us - link.opened_us > prove_us_max
                                   : now_us - link.heard_us > silence_us_;
        if (late) {
            drop(link, "nothing is heard");
            continue;
        }
        if (link.peer != 0 && now_us - link.said_us >= ping_us) {
            begin(link.peer, FrameKind::ping);
            end(link.peer);
        }
    }
    for (auto& [peer, target] : targets_) {
        if (closed_) break;
        bool ours = dial_all_ || peer < self_ || !target.met;
        if (!ours || target.dialing || is_up(peer)) continue;
        if (now_us >= target.dial_us) dial(peer, target);
        if (!target.dialing) next_tick_us_ = std::min(next_tick_us_, target.dial_us);
    }
}

size_t Links::unsent(uint32_t peer) const {
    const Link& link = *links_[up_.at(peer)];
    return link.unsent + link.out.size();
}

Buffer& Links::begin(uint32_t peer, FrameKind kind) {
    Link& link = *links_[up_.at(peer)];
    link.frame_at = begin_peer_frame(link.out, kind);
    return link.out;
}

void Links::end(uint32_t peer) {
    Link& link = *links_[up_.at(peer)];
    end_peer_frame(link.out, link.frame_at, link.key);
}

void Links::close(uint32_t peer, const char* why) {
    if (is_up(peer)) drop(*links_[up_.at(peer)], why);
}

void Links::flush() {
    for (size_t i = ids_.size(); i-- > 0;) {
        if (i >= ids_.size()) continue;
        Link* link = links_[ids_[i]].get();
        if (!link->open || link->out.empty()) continue;
        link->said_us = now_us_;
        link->unsent = io_.send(link->id, link->out);
        link->out.clear();
        if (link->out.capacity() > (1u << 20) || link->unsent > 0) link->out.reset();
        if (link->unsent > unsent_max) drop(*link, "it does not read");
    }
}

void Links::close_all() {
    closed_ = true;
    while (!ids_.empty()) drop(*links_[ids_.back()], "the server stops");
}

}  // namespace zk
