// frame.h -- how nodes of an ensemble talk over a link: frames, and the proof that comes before.
//
// Layer 3. A frame is
//
//     u32 length of what follows   u32 check   u8 kind   payload
//
// where check is the low half of XXH3 over kind and payload, seeded with the link's key. The first
// frames of a link have key 0 and are these, small and of fixed size:
//
//     who dialed    hello  -->                   version, id, ensemble, a number by chance
//                          <--  hello
//                   proof  -->                   HMAC-SHA256(secret, "dialed" + both hellos)
//                          <--  proof            HMAC-SHA256(secret, "answered" + both hellos)
//
// Nothing else is looked at before the other side's proof is right. Who dialed proves first: a
// stranger learns nothing. The key of the link comes of the same secret and hellos, so that frames
// of another link, or a stranger's, do not pass the check.

#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace zk {

enum class FrameKind : uint8_t {
    hello = 1,
    proof,
    ping,
    status,         // what this node has; see formation.cc
    form,           // the ensemble that forms, or that the other may join
    message,        // of the consensus machines; message.h
    append,         // the same, followed by entries: (u32 size, entry)*
    forward,        // requests for the leader: u64 term, (u32 size, entry)*
    heard,          // sessions whose clients were heard: (i64)*
    ask_snapshot,   // u64 zxid, u64 mark, u64 offset: of a snapshot that was begun; 0: of any
    snapshot,       // u64 zxid, u64 mark, u64 size, u64 offset, bytes
    digests,        // (u64 zxid, u64 digest)*
    differs,        // u64 zxid, u8 alone: the receiver's state is not the majority's there
};
inline constexpr uint8_t frame_kind_last = static_cast<uint8_t>(FrameKind::differs);

inline constexpr uint16_t frame_version = 1;
inline constexpr size_t frame_head_size = 9;
inline constexpr uint32_t link_id_max = 255;
inline constexpr size_t early_frame_max = 128;        // before the proof
inline constexpr size_t frame_max = 320u << 20;       // after it

// Begins a frame and returns where; `end_peer_frame` fills in length and check.
size_t begin_peer_frame(Buffer& out, FrameKind kind);
void end_peer_frame(Buffer& out, size_t at, uint64_t key);

struct Frame {
    FrameKind kind = FrameKind::ping;
    Bytes payload;
};
enum class Cut : uint8_t { frame, more, bad };
// Takes a frame off the front of `in`, if it is whole; `used` says how many bytes that was.
Cut cut_frame(Bytes in, uint64_t key, size_t most, Frame& frame, size_t& used);

// Who a node says it is.
struct Hello {
    uint16_t version = frame_version;
    uint32_t id = 0;
    uint64_t ensemble = 0;  // 0: in none yet
    uint8_t chance[16] = {};
};

// One link's proof, from either side. Made anew for each link.
class Handshake {
public:
    Handshake(const Hello& mine, std::string_view secret, bool dialed)
        : secret_(secret), mine_(mine), dialed_(dialed) {}

    // Who dialed speaks first.
    void begin(Buffer& out);
    // A frame came. False: it is wrong, and `why` says what; the link must be closed.
    bool take(const Frame& frame, Buffer& out, const char*& why);

    bool done() const { return done_; }
    const Hello& other() const { return *other_; }  // Requires: done
    uint64_t key() const { return key_; }

private:
    std::string code(std::string_view what) const;
    void say_hello(Buffer& out) const;
    void prove(Buffer& out) const;

    std::string secret_;
    Hello mine_;
    bool dialed_;
    std::optional<Hello> other_;
    bool done_ = false;
    uint64_t key_ = 0;
};

}  // namespace zk
