// watches.h -- which watches a session holds, so that they can be set again after a reconnect.
//
// Owns the paths. A server forgets a client's watches with its connection, so the client keeps this
// record: noted when a reply says that a watch was set, dropped when its event comes or it is
// removed. Paths are the server's, chroot included.

#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "base/bytes.h"
#include "wire/records.h"

namespace zk {

class Watches {
public:
    enum Kind : uint8_t {
        none = 0,
        data = 1,
        exist = 2,
        child = 4,
        persistent = 8,
        recursive = 16,
    };

    // What a request asks to watch, were it to succeed: none for requests without a watch. `body`
    // is the request's record. exists is told apart only by its reply: see `noted`.
    static Kind asked(Op op, Bytes body, std::string_view& path);
    // The reply to such a request has come.
    void noted(Kind kind, std::string_view path, Err err);
    // A removeWatches with this type has succeeded.
    void removed(std::string_view path, WatcherType type);
    void fired(EventType type, std::string_view path);

    bool empty() const { return kinds_.empty(); }
    size_t size() const { return kinds_.size(); }
    uint8_t kinds(std::string_view path) const;  // bits of Kind
    // Appends whole request frames that set all of this again, each with about frame_bytes of
    // paths at the most. Returns how many.
    uint32_t encode_all(Buffer& out, int64_t relative_zxid) const;

    static constexpr size_t frame_bytes = 128 * 1024;

private:
    void drop(std::string_view path, int kinds);

    struct Hash {
        using is_transparent = void;
        size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>()(text);
        }
    };
    std::unordered_map<std::string, uint8_t, Hash, std::equal_to<>> kinds_;
};

}  // namespace zk
