// traffic.cc -- see traffic.h.

#include "traffic.h"

#include <cstdio>

#include "quorum/message.h"

namespace zk::sim {

namespace {

constexpr size_t length_size = 4;
constexpr std::array<const char*, frame_kind_last + 1> names = {
    "",       "hello",   "proof", "ping",         "status",   "form",    "message",
    "append", "forward", "heard", "ask_snapshot", "snapshot", "digests", "differs"};

// (u32 size, entry)* begin there.
size_t entries_at(FrameKind kind) {
    if (kind == FrameKind::append) return frame_head_size + message_size;
    if (kind == FrameKind::forward) return frame_head_size + sizeof(uint64_t);
    return SIZE_MAX;
}

}  // namespace

void Traffic::sent(const Link& link, int from, Bytes bytes) {
    std::string& stream = unfinished_[{link.number, from}];
    stream += as_text(bytes);
    size_t at = 0;
    while (stream.size() - at >= length_size) {
        size_t size = length_size + Reader(as_bytes(stream).subspan(at)).u32();
        if (stream.size() - at < size) break;
        frame(as_bytes(stream).subspan(at, size));
        at += size;
    }
    stream.erase(0, at);
}

void Traffic::frame(Bytes whole) {
    uint8_t kind = whole[frame_head_size - 1];
    ASSERT(kind <= frame_kind_last);
    Count& count = counts_[kind];
    ++count.frames;
    count.bytes += whole.size();
    size_t at = entries_at(static_cast<FrameKind>(kind));
    while (at < whole.size()) {
        size_t size = Reader(whole.subspan(at)).u32();
        ++count.entries;
        count.entry_bytes += size;
        at += sizeof(uint32_t) + size;
    }
}

std::string Traffic::table(uint64_t entries, uint32_t nodes) const {
    std::string text;
    double each = static_cast<double>(entries) * (nodes > 1 ? nodes - 1 : 1);
    for (size_t kind = 1; kind < counts_.size(); ++kind) {
        const Count& count = counts_[kind];
        if (count.frames == 0) continue;
        char line[200];
        snprintf(line, sizeof line,
                 "%-12s %8llu frames %10llu bytes %8llu entries of %8llu bytes; "
                 "an entry and peer: %.3f frames, %.3f entries\n",
                 names[kind], static_cast<unsigned long long>(count.frames),
                 static_cast<unsigned long long>(count.bytes),
                 static_cast<unsigned long long>(count.entries),
                 static_cast<unsigned long long>(count.entry_bytes),
                 static_cast<double>(count.frames) / each,
                 static_cast<double>(count.entries) / each);
        text += line;
    }
    return text;
}

}  // namespace zk::sim
