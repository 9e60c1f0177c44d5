// walk.h -- a znode and all below it, one after the other, with many requests under way.
//
// Owns what is known of the znodes that come next. The order is that of `ls -R` with sorted names:
// parents before children. A path list of the whole tree is never kept; what is kept is a window
// of items in the order of the walk, and of each directory that was entered the names to come:
//
//     /a (asked)  /a/b (here, waits for /a)  [names of /a/b, 3 to come]  [names of /a, 900 to come]
//     ^ given by next()                      ^ opened into items while there is room
//
// Replies that come out of turn are dropped when too many bytes wait, and asked for again, so that
// memory is bounded whatever the tree looks like: window_max items for each level, held_bytes_max.
//
// A znode that has gone meanwhile is passed over; one that may not be read is counted (`denied`).
// A lost connection is waited for, since reading twice does no harm.

#pragma once

#include <list>
#include <string>

#include "cli/names.h"
#include "client/sync.h"

namespace zk {

struct WalkOptions {
    bool data = false;  // otherwise only the stat
    bool acls = false;
    size_t depth_max = SIZE_MAX;
    std::string except;  // a full path that is passed over, with all below it
};

struct Found {
    std::string path;  // the full one
    size_t depth = 0;  // of the first: 0
    bool last = false;  // no sibling comes after it
    bool is_null = false;
    Stat stat;
    std::string data;
    std::string acls;  // as on the wire; read_acls reads them
};

class Walk {
public:
    Walk(SyncClient& session, std::string root, WalkOptions options);
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;
    ~Walk();

    enum class Step : uint8_t { found, end, failed };
    Step next(Found& found);
    // After `failed`: request_timeout where Ctrl-C ended it, operation_timeout without a server.
    Err err() const { return err_; }
    bool malformed() const { return malformed_; }

    // Znodes that could not be read or listed for lack of permission.
    size_t denied() const { return denied_; }
    const std::string& first_denied() const { return first_denied_; }

private:
    enum class State : uint8_t { idle, asked, here };
    struct Item {
        Walk* walk = nullptr;
        bool names = false;   // the children of found.path; otherwise that znode
        bool opened = false;  // of names: the first was read, so that the list has to stay
        State state = State::idle;
        uint8_t pending = 0;  // replies to come
        Err err = Err::ok;
        Found found;
        NameList list;
        std::list<Item>::iterator place;
    };
    using Items = std::list<Item>;

    void ask(Item& item);
    void fill();
    Item& open(Item& names);
    void drop_if_too_much(Item& item);
    void took(Item& item, Err err);
    void take_stat(Item& item, Bytes body);
    void take_data(Item& item, Bytes body);
    void take_acls(Item& item, Bytes body);
    void take_names(Item& item, Bytes body);
    bool pass_front(Found& found, bool& given);
    bool front_is_here() const;
    bool wait();
    void deny(const std::string& path);

    SyncClient& session_;
    WalkOptions options_;
    Items items_;
    size_t znodes_ = 0;       // items that are znodes
    size_t under_way_ = 0;    // requests without a reply
    size_t held_ = 0;         // bytes in items that are here
    size_t large_ = 0;        // the size of recent replies, at the most
    size_t since_fill_ = 0;
    bool retry_ = false;      // a connection was lost; somebody is idle
    Err err_ = Err::ok;
    bool malformed_ = false;
    size_t denied_ = 0;
    std::string first_denied_;
};

}  // namespace zk
