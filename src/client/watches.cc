// watches.cc -- see watches.h.

#include "client/watches.h"

namespace zk {

Watches::Kind Watches::asked(Op op, Bytes body, std::string_view& path) {
    Kind kind = none;
    switch (op) {
    case Op::get_data: kind = data; break;
    case Op::exists: kind = exist; break;
    case Op::get_children:
    case Op::get_children2: kind = child; break;
    case Op::add_watch: kind = persistent; break;
    default: return none;
    }
    // The flag comes last: most requests are done with here.
    if (op != Op::add_watch && (body.empty() || body.back() == 0)) return none;
    Reader in(body);
    if (op == Op::add_watch) {
        PathNumber record;
        decode(in, record);
        path = record.path;
        if (record.number == static_cast<int32_t>(AddWatchMode::persistent_recursive))
            kind = recursive;
    } else {
        PathWatch record;
        decode(in, record);
        path = record.path;
        if (!record.watch) return none;
    }
    return in.ok() ? kind : none;
}

void Watches::noted(Kind kind, std::string_view path, Err err) {
    if (kind == exist && err == Err::ok) kind = data;
    if (err != Err::ok && !(kind == exist && err == Err::no_node)) return;
    auto at = kinds_.find(path);
    if (at == kinds_.end()) at = kinds_.emplace(path, uint8_t{0}).first;
    at->second = static_cast<uint8_t>(at->second | kind);
}

void Watches::removed(std::string_view path, WatcherType type) {
    switch (type) {
    case WatcherType::children: drop(path, child); return;
    case WatcherType::data: drop(path, data | exist); return;
    case WatcherType::any: drop(path, 0xff); return;
    case WatcherType::persistent: drop(path, persistent); return;
    case WatcherType::persistent_recursive: drop(path, recursive); return;
    }
}

void Watches::fired(EventType type, std::string_view path) {
    switch (type) {
    case EventType::none: return;
    case EventType::created:
    case EventType::data_changed: drop(path, data | exist); return;
    case EventType::deleted: drop(path, data | exist | child); return;
    case EventType::children_changed: drop(path, child); return;
    }
}

uint8_t Watches::kinds(std::string_view path) const {
    auto found = kinds_.find(path);
    return found == kinds_.end() ? uint8_t{none} : found->second;
}

void Watches::drop(std::string_view path, int kinds) {
    auto at = kinds_.find(path);
    if (at == kinds_.end()) return;
    at->second = static_cast<uint8_t>(at->second & ~kinds);
    if (at->second == none) kinds_.erase(at);
}

uint32_t Watches::encode_all(Buffer& out, int64_t relative_zxid) const {
    uint32_t frames = 0;
    auto at = kinds_.begin();
    while (at != kinds_.end()) {
        SetWatches record;
        record.relative_zxid = relative_zxid;
        size_t bytes = 0;
        for (; at != kinds_.end() && bytes < frame_bytes; ++at) {
            const auto& [path, kinds] = *at;
            if ((kinds & data) != 0) record.data.push_back(path);
            if ((kinds & exist) != 0) record.exist.push_back(path);
            if ((kinds & child) != 0) record.child.push_back(path);
            if ((kinds & persistent) != 0) record.persistent.push_back(path);
            if ((kinds & recursive) != 0) record.recursive.push_back(path);
            bytes += static_cast<size_t>(__builtin_popcount(kinds)) * (path.size() + 4);
        }
        // The older opcode where it suffices: servers before 3.6 know only that.
        bool second = !record.persistent.empty() || !record.recursive.empty();
        size_t frame = begin_frame(out);
        write_request_header(out, xid_set_watches, second ? Op::set_watches2 : Op::set_watches);
        encode(out, record, second);
        end_frame(out, frame);
        ++frames;
    }
    return frames;
}

}  // namespace zk
