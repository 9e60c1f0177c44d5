// watch.h -- which of this node's clients wait for which change.
//
// Layer 2. Owns every watch of the clients connected here; not replicated. A watch is a (path,
// client) pair with a set of modes. ZooKeeper keeps a data table and a child table; here one record
// holds the bits of both:
//
//     exists, getData     data one-shot                     \  data table: data, persistent,
//     getChildren         child one-shot                     } recursive
//     addWatch            persistent (both tables), or      /  child table: child, persistent
//                         recursive (data table only)
//
// A path with watches has a key; the key of a znode that exists holds the znode's number instead
// of the text, which is what makes a million watches small:
//
//     index --hash--> Key 16 bytes --> Watch 28 bytes --> Watch ...   (of this key)
//                                      and doubly linked per client, to forget a client quickly
//
// The path "" is the root to reads, but a watch on it is a watch on nothing, as in ZooKeeper.
//
// Invariant: a key has at least one watch; a path has at most one key; a key with a number names a
// znode that exists or was not swept yet (`deleted` turns the number into text before that).

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/io.h"
#include "base/slab.h"
#include "state/acl.h"
#include "state/index.h"
#include "state/tree.h"
#include "wire/protocol.h"

namespace zk {

namespace watch_mode {
inline constexpr uint8_t data = 1;
inline constexpr uint8_t child = 2;
inline constexpr uint8_t persistent = 4;
inline constexpr uint8_t recursive = 8;
inline constexpr uint8_t data_table = data | persistent | recursive;
inline constexpr uint8_t child_table = child | persistent;
inline constexpr uint8_t any = data_table | child_table;
}  // namespace watch_mode

// What a client is to be told, unless it may not read the znode that triggered it (`acl`).
// `path` is the path of the change, good while the Change that it came from is.
struct Event {
    ClientId client = 0;
    EventType type = EventType::none;
    AclId acl = AclTable::open;
    std::string_view path;
};

class Watches {
public:
    Watches(uint64_t seed, const Tree& tree) : seed_(seed), tree_(tree) {}
    ~Watches();
    Watches(const Watches&) = delete;
    Watches& operator=(const Watches&) = delete;

    void add(std::string_view path, ClientId client, uint8_t modes);
    // The modes that the client has there.
    uint8_t modes(std::string_view path, ClientId client) const;
    void remove(std::string_view path, ClientId client, uint8_t modes);
    // Takes away at most `most` watches of the client; false: there are more. The client must get
    // no events meanwhile that it could still see.
    bool forget(ClientId client, uint32_t most);

    // A change was made: adds to `out` whom to tell, in ZooKeeper's order, and takes away what was
    // one-shot. To be called before Tree::sweep: a removed znode's number must not be in use again.
    void created(std::string_view path, AclId acl, AclId parent_acl, std::vector<Event>& out);
    void deleted(std::string_view path, AclId acl, AclId parent_acl, std::vector<Event>& out);
    void data_changed(std::string_view path, AclId acl, std::vector<Event>& out);

    // For the operators' eyes. A watch of both tables counts twice in `count`, once in
    // `data_count`.
    uint64_t count() const { return data_count_ + child_count_; }
    uint64_t data_count() const { return data_count_; }
    uint32_t path_count() const { return path_count_; }      // with watches of the data table
    uint32_t client_count() const { return client_count_; }  // with such watches
    uint64_t bytes() const;
    void list(void* context,
              void (*row)(void* context, std::string_view path, ClientId client, uint8_t modes))
        const;

private:
    // A path, behind it; and what Key has no room for.
    struct Text {
        uint32_t data_count;
        uint32_t size;

        std::string_view path() const { return {reinterpret_cast<const char*>(this + 1), size}; }
    };
    struct Key {
        union {
            Text* text;           // the path if znode is 0, else
            uint32_t data_count;  // how many of its watches are of the data table
        };
        ZnodeId znode;
        uint32_t first;  // its watches
    };
    struct Watch {
        uint32_t key;
        ClientId client;
        uint32_t key_prev;
        uint32_t key_next;
        uint32_t client_prev;
        uint32_t client_next;
        uint8_t modes;
    };
    struct Owner {
        uint32_t first = 0;
        uint32_t data_count = 0;
        uint32_t told = 0;  // the last round that told this client something
    };

    uint64_t hash_of(std::string_view path) const;
    uint32_t find_key(std::string_view path) const;
    uint32_t find_watch(uint32_t key, ClientId client) const;
    void set_modes(uint32_t watch, uint8_t modes);
    void drop(uint32_t watch);
    void drop_key(uint32_t key);
    static Text* make_text(std::string_view path, uint32_t data_count);
    uint32_t& data_count(Key& key) {
        return key.znode != 0 ? key.data_count : key.text->data_count;
    }
    std::string key_path(uint32_t key) const;
    void fire(std::string_view path, EventType type, AclId acl, uint8_t table,
              std::vector<Event>& out);
    void fire_recursive(std::string_view path, EventType type, AclId acl,
                        std::vector<Event>& out);

    uint64_t seed_;
    const Tree& tree_;
    uint32_t round_ = 0;  // one event about one path; nobody is told twice in it
    Slab<Key> keys_;
    Slab<Watch> watches_;
    std::vector<Owner> owners_;  // by client
    Index index_;
    uint32_t path_count_ = 0;
    uint32_t client_count_ = 0;
    uint64_t data_count_ = 0;
    uint64_t child_count_ = 0;
    uint64_t recursive_count_ = 0;
};

}  // namespace zk
