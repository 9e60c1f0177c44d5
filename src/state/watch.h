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
// A watch is written down twice, four bytes each: where its path is, to find whom to tell, and with
// its client, to forget a client quickly. A path has a key: the znode's number, or that of a text
// where there is no znode. A key's watchers hang on one word:
//
//     key --> Tree::watchers or Text::watchers
//               0                       nobody
//               client << 4 | modes     one watch, the usual case, needs nothing more
//               group << 4              --> Group of two to four such words, 16 bytes, or of
//                                           many: a hash table of them
//     client --> Owner --> a hash table of keys
//
// The path "" is the root to reads, but a watch on it is a watch on nothing, as in ZooKeeper.
//
// Invariant: a watch is in both places or in neither; a text has at least one watch, and its path
// no znode: `created` and `deleted` move the watches, so each change must be told, in order, before
// Tree::sweep frees the numbers.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/hash_table.h"
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
    Watches(uint64_t seed, Tree& tree) : seed_(seed), tree_(tree) {}
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

    // A change was made to znode `id`, which is or was at `path`: adds to `out` whom to tell, in
    // ZooKeeper's order, and takes away what was one-shot.
    void created(std::string_view path, ZnodeId id, AclId acl, AclId parent_acl,
                 std::vector<Event>& out);
    void deleted(std::string_view path, ZnodeId id, AclId acl, AclId parent_acl,
                 std::vector<Event>& out);
    void data_changed(std::string_view path, ZnodeId id, AclId acl, std::vector<Event>& out);

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
    using KeyId = uint32_t;  // a znode's number, or is_text | a text's number; 0: none
    static constexpr KeyId is_text = 1u << 31;

    struct Word {
        uint32_t bits = 0;  // client << 4 | modes; no modes: see above

        ClientId client() const { return bits >> 4; }
        uint8_t modes() const { return bits & 15; }
        uint32_t hash() const { return spread(client()); }
        bool free() const { return bits == 0; }
    };
    struct Key {
        KeyId id = 0;

        uint32_t hash() const { return spread(id); }
        bool free() const { return id == 0; }
    };
    using Crowd = HashTable<Word>;
    using Group = union {
        uint32_t few[4];  // words, those in use first
        struct {
            uint32_t none;  // 0: the others of this struct count
            uint32_t crowd;
            uint32_t data_count;  // of its watches, those of the data table
        } many;
    };
    struct Text {
        char* path;
        uint32_t path_size;
        uint32_t watchers;
    };
    struct Owner {
        HashTable<Key> keys;
        uint32_t data_count;
        uint32_t told;  // the last round that told this client something

        void drop(KeyId key);
    };

    static uint32_t spread(uint32_t number);
    uint64_t hash_of(std::string_view path) const;
    Owner* find_owner(ClientId client) const;
    Owner& need_owner(ClientId client);
    KeyId find_key(std::string_view path) const;
    KeyId find_text(std::string_view path) const;
    KeyId make_text(std::string_view path);
    void drop_text(KeyId key);
    uint32_t& watchers(KeyId key);
    uint32_t watchers(KeyId key) const { return const_cast<Watches*>(this)->watchers(key); }
    std::string key_path(KeyId key) const;

    uint8_t modes_at(uint32_t watchers, ClientId client) const;
    uint32_t data_count_at(uint32_t watchers) const;
    template <typename What>
    void each(uint32_t watchers, What what) const;
    void put(uint32_t& watchers, ClientId client, uint8_t before, uint8_t modes);
    void put_few(uint32_t& watchers, Word word, uint8_t before);
    void put_many(uint32_t& watchers, Word word, uint8_t before);
    void make_many(Group& group);

    void set_modes(KeyId key, ClientId client, uint8_t before, uint8_t modes);
    void change(KeyId key, Owner& owner, ClientId client, uint8_t before, uint8_t modes);
    void move(KeyId from, KeyId to);
    void tell(ClientId client, const Event& event, std::vector<Event>& out);
    void fire(KeyId key, const Event& event, uint8_t table, std::vector<Event>& out);
    void fire_recursive(ZnodeId id, const Event& event, std::vector<Event>& out);
    void children_changed(ZnodeId id, std::string_view path, AclId parent_acl,
                          std::vector<Event>& out);

    uint64_t seed_;
    Tree& tree_;
    uint32_t round_ = 0;  // one event about one path; nobody is told twice in it
    Slab<Group> groups_;
    Slab<Crowd, 8> crowds_;
    Slab<Text> texts_;
    Index text_index_;
    std::vector<Owner*> owners_;  // by client / owners_together
    std::vector<Word> spent_;     // of `fire`
    uint64_t crowd_bytes_ = 0;
    uint32_t path_count_ = 0;
    uint32_t client_count_ = 0;
    uint64_t data_count_ = 0;
    uint64_t child_count_ = 0;
    uint64_t recursive_count_ = 0;
};

}  // namespace zk
