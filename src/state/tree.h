// tree.h -- every znode, in a hash table and in a tree at once.
//
// Layer 2. Owns the znodes, their names, data and lists of children, and the numbers that are kept
// over all of them: count, bytes, digest; and how many are below each. Knows nothing of sessions'
// ends, watches, versions asked for or permissions; whoever calls has checked.
//
//     path --xxh3--> index --> number --> Place 8 bytes: parent, and where in its list
//                                |
//                                `-> pointer 8 bytes --> Znode 56 bytes, name, data  (one block)
//                                                          |
//          Extra 48 bytes, only where there is something to say:
//          children, how many are deeper, raw cversion, pzxid, aversion, owner or ttl
//
// One hash of the whole path finds a znode; that it is the right one is proved by comparing names
// up to the root. Its children are an array of numbers; each child knows its place in it, and a
// removed one's place is taken by the last. So their order depends on history alone, which is the
// same on every node.
//
// All that a set changes is in the block, and the block may be replaced by another one: then it is
// the pointer alone that is written to. Blocks and pointers are memory that a forked child has in
// common with us (heap.h, heap_column.h): while it reads the tree, between `freeze` and `thaw`,
// what it looks at stays as it is. Places, extras and lists of children it has a copy of.
//
// The digest is the sum, modulo 2^64, of two terms a znode: one over its stat, one over its data
// and access list, both keyed by its path. It does not depend on the layout.
//
// Between `begin_undo` and `commit_undo` every change is remembered, and `undo` takes all of them
// back: that is how a multi that fails leaves no trace.

#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/heap.h"
#include "base/heap_column.h"
#include "base/prefetch.h"
#include "base/slab.h"
#include "state/acl.h"
#include "state/index.h"
#include "wire/records.h"

namespace zk {

using ZnodeId = uint32_t;  // 0: none

enum class ZnodeKind : uint8_t { persistent, ephemeral, container, ttl };

// The beginning of a znode's block; its name and data follow.
struct Znode {
    int64_t czxid = 0;
    int64_t mzxid = 0;
    int64_t ctime = 0;
    int64_t mtime = 0;
    int32_t version = 0;
    AclId acl = AclTable::open;
    uint32_t extra = 0;      // 0: none
    uint32_t data_size = 0;  // or null_data
    uint32_t watchers = 0;   // Watches' own, and no part of the state
    uint32_t name_size : 30 = 0;
    ZnodeKind kind : 2 = ZnodeKind::persistent;
};
static_assert(sizeof(Znode) == 56);

// As a size: there is none, which is not the same as empty.
inline constexpr uint32_t null_data = ~0u;

// A path and its hash, so that a request hashes it once. Made by Tree::key; good while the path is.
struct PathKey {
    std::string_view path;
    uint64_t hash = 0;
    uint64_t above = 0;  // of its parent's path, where somebody needed that before; else 0
};

// What a leaf that was never more does not have. Absent means: no children ever, pzxid = czxid,
// cversion and aversion 0, no owner.
struct Extra {
    int64_t pzxid;
    int64_t owner;      // ephemeral: session; ttl: milliseconds; else 0
    ZnodeId* children;
    uint32_t child_count;
    uint32_t deeper;   // how many znodes are below the children; of the root not kept
    int32_t cversion;  // raw: how many children were ever created
    int32_t aversion;
    ZnodeId list_prev;  // ephemerals of one session, or the containers and TTL znodes
    ZnodeId list_next;
};

// Heads of the lists above.
struct ZnodeList {
    ZnodeId head = 0;
    uint32_t count = 0;
};

// All there is to say of a new znode, but for its path.
struct ZnodeSeed {
    Bytes data;
    AclId acl = AclTable::open;
    ZnodeKind kind = ZnodeKind::persistent;
    int64_t owner = 0;
    ZnodeList* list = nullptr;  // where it belongs, unless persistent
    int64_t zxid = 0;
    int64_t time_ms = 0;
};

class Tree {
public:
    explicit Tree(uint64_t seed, AclTable& acls);
    ~Tree();
    // Frees the next so many znodes, before the end of a tree that nobody looks at any more. True:
    // all are freed.
    bool take_apart(uint32_t count);
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    static constexpr ZnodeId root = 1;

    PathKey key(std::string_view path) const { return {.path = path, .hash = hash_path(path)}; }
    // "" and "/" are both the root. 0: not there.
    ZnodeId find(const PathKey& key) const;
    ZnodeId find(std::string_view path) const { return find(key(path)); }

    // Starts the memory's way to the processor for a few requests together, all the way to the
    // data: slots first, then pointers, then blocks, so that they are waited for all at once
    // instead of one after the other; where there is no such znode, its parent's, since it may be
    // about to be made. What it fetches is a guess, and nothing hangs on it.
    class Ahead {
    public:
        static constexpr size_t most = 16;

        explicit Ahead(const Tree& tree) : tree_(tree) {}
        void clear() { count_ = 0; }
        void add(std::string_view path);  // no more than `most`
        void fetch();
        // Of those that were added, in their order. None after the last.
        PathKey key(size_t i) const { return i < count_ ? keys_[i] : PathKey(); }

    private:
        void fetch_parents(std::span<const ZnodeId> found);
        void fetch_notes(std::span<const ZnodeId> found);

        const Tree& tree_;
        size_t count_ = 0;
        PathKey keys_[most];
    };

    // Good until its data change, or any changes are swept up; behind a freeze until anything of it
    // changes.
    const Znode& operator[](ZnodeId id) const { return *znodes_[id]; }
    ZnodeId parent(ZnodeId id) const { return places_[id].parent; }  // the root's is 0
    // For Watches alone. Good as long.
    uint32_t& watchers(ZnodeId id) { return znodes_[id]->watchers; }
    std::string_view name(ZnodeId id) const;
    Bytes data(ZnodeId id) const;  // data() is nullptr for null data
    uint32_t child_count(ZnodeId id) const { return extra(id).child_count; }
    std::span<const ZnodeId> children(ZnodeId id) const {
        return {extra(id).children, extra(id).child_count};
    }
    int32_t raw_cversion(ZnodeId id) const { return extra(id).cversion; }
    int32_t aversion(ZnodeId id) const { return extra(id).aversion; }
    int64_t owner(ZnodeId id) const { return extra(id).owner; }
    int64_t pzxid(ZnodeId id) const;
    // Starts the memory's way to the processor: first that of the pointer, then of what is there,
    // all of a small znode or its name alone.
    void prefetch_pointer(ZnodeId id) const { prefetch(&znodes_[id]); }
    void prefetch_znode(ZnodeId id) const {
        const auto* block = reinterpret_cast<const uint8_t*>(znodes_[id]);
        for (size_t lines = 0; lines < 3; ++lines) prefetch(block + lines * 64);
    }
    void prefetch_name(ZnodeId id) const {
        const auto* name = reinterpret_cast<const uint8_t*>(znodes_[id] + 1);
        prefetch(name - 4);
        prefetch(name + 24);
    }
    Stat stat(ZnodeId id) const;  // as clients see it
    std::string path(ZnodeId id) const;
    ZnodeId next_in_list(ZnodeId id) const { return extra(id).list_next; }

    // Adds a znode. Requires: `above` is the key of its parent's path, `parent` its number, and the
    // path is not there yet. Counts it in the parent's cversion. Takes over the caller's use of the
    // access list.
    ZnodeId create(const PathKey& key, const PathKey& above, ZnodeId parent,
                   const ZnodeSeed& seed);
    // Requires: no children. `above` and `list` as at creation. The number stays taken, and name
    // and parent readable, until `sweep`.
    void remove(const PathKey& key, const PathKey& above, ZnodeId id, int64_t zxid,
                ZnodeList* list);
    // Version + 1, and so on.
    void set_data(const PathKey& key, ZnodeId id, Bytes data, int64_t zxid, int64_t time_ms);
    void set_version(const PathKey& key, ZnodeId id, int32_t version);
    // Nothing of the stat but the length: quota statistics.
    void replace_data(const PathKey& key, ZnodeId id, Bytes data);
    // Takes over a use. Not between begin_undo and commit_undo: ZooKeeper's multi has no setACL.
    void set_acl(const PathKey& key, ZnodeId id, AclId acl);

    // Frees the numbers of those removed. Moves some znodes, too, so that all stay close together:
    // views of them, of names and of data are good until then.
    void sweep();

    // Is the znode the one at this path? Works for removed ones until they are swept.
    bool is_at(ZnodeId id, std::string_view path) const;

    // Maps what will be written to behind a fork, and adds it to `fresh`, for another thread to
    // populate; and what growth will need if it goes on as it did, or the writes behind a fork. The
    // latter ten times a second; it also gives back what is not needed any more.
    void map_for_fork(std::vector<PageRange>& fresh);
    void keep_ahead(std::vector<PageRange>& fresh);
    // The same while a log is replayed, every few megabytes of it: all of what the index grows into
    // is told at once.
    void keep_ahead_of_log(std::vector<PageRange>& fresh);
    // While a child writes this tree down. See heap.h.
    void freeze() {
        heap_.freeze();
        znodes_.freeze();
        index_.keep_from_child();
    }
    void thaw() { heap_.thaw(); }
    // Gives back some of what was held for the last child, a span a step. True: all of it is. Where
    // it was not before the next freeze, that costs memory alone.
    bool settle(uint32_t most);
    bool frozen() const { return heap_.frozen(); }

    // Is it worth to prepare for a fork? A small one is copied before a thread would be there.
    bool large() const { return heap_.used_bytes() >= 64 * 1024 * 1024; }

    void begin_undo();
    void commit_undo();
    void undo();

    uint32_t count() const { return index_.count(); }
    uint64_t data_bytes() const { return data_bytes_; }  // of all paths and all data
    uint32_t ephemeral_count() const { return ephemeral_count_; }
    // What it takes, by kind.
    struct Sizes {
        uint64_t znodes;  // pointers, places and extras, free ones too
        uint64_t index;
        uint64_t blocks;  // all else of them, rounded up
        uint64_t idle;    // between the blocks, or held back for a child
    };
    Sizes sizes() const;
    uint32_t extra_count() const { return extras_.count(); }
    uint64_t digest() const { return digest_; }
    uint32_t descendants(ZnodeId id) const;  // all that is below, however deep; O(1)

    // Puts back a znode from a snapshot, as the last child of `parent`; 0 as parent: the root,
    // which is there already. `list` as at creation.
    struct Saved {
        Znode znode;  // but for extra, watchers and the sizes
        Extra extra;  // but for children, what is deeper, and lists
        std::string_view name;
        Bytes data;
    };
    ZnodeId restore(std::string_view path, ZnodeId parent, const Saved& saved, ZnodeList* list);

    // The same in steps, for millions of them: who puts them back keeps the hashes of their paths,
    // says of each, once, when all that is below it has been put back and said so of, for only
    // then it counts in the digest and for those above it (`descendants`); and has them placed in
    // the index: many together, in the order of its memory. In an index of a hundred megabytes half
    // a million find half of what they need in the pages and lines of those before them. `place`
    // says false if a parent has two children of one name.
    //
    // `map_ahead`, called now and then, maps what those that are expected will need next, and adds
    // it to `fresh`, for another thread to populate. Besides the index that is 40 MB at most.
    void expect(uint32_t count) {
        index_.reserve(count);
        expected_ = count;
    }
    void map_ahead(std::vector<PageRange>& fresh);
    uint64_t hash_path(std::string_view path) const;
    ZnodeId put_back(uint64_t hash, size_t path_size, ZnodeId parent, const Saved& saved,
                     ZnodeList* list);
    size_t unplaced() const { return unplaced_.size(); }
    bool place();
    bool place_rest();  // in the end; what was mapped and not used goes back
    void complete(uint64_t hash, ZnodeId id);

    // Walks all znodes, parents before children, without allocating. `depth` follows: + 1 into
    // a child, less on the way back up; a subtree ends where it is back at what it was at its top.
    ZnodeId next_in_walk(ZnodeId id, int64_t& depth) const;

private:
    struct Place {
        ZnodeId parent;
        uint32_t place;  // in the parent's children
    };

    struct Undo {
        enum class Kind : uint8_t { create, remove, data };
        Kind kind;
        ZnodeId id;
        uint64_t hash;
        ZnodeList* list;
        Znode* before;        // data: the block that was replaced, still alive
        int32_t cversion;     // create: the parent's
        int64_t pzxid;        // create, remove: the parent's
        uint64_t path_size;
    };

    const Extra& extra(ZnodeId id) const;
    Extra& need_extra(ZnodeId id);
    Znode& edit(ZnodeId id);
    Znode& move_block(ZnodeId id);
    bool is_frozen(const Znode& znode) const;
    uint64_t stat_term(uint64_t hash, ZnodeId id) const;
    uint64_t data_term(uint64_t hash, ZnodeId id) const;
    uint64_t acl_term(uint64_t hash, ZnodeId id) const;
    void add_terms(uint64_t hash, ZnodeId id);
    void drop_terms(uint64_t hash, ZnodeId id);
    static size_t block_size(const Znode& znode);
    Znode* make_block(const Znode& head, std::string_view name, Bytes data);
    void adopt(ZnodeId parent, ZnodeId child);
    void disown(ZnodeId parent, ZnodeId child);
    void count_below(ZnodeId parent, uint32_t more);
    void enlist(ZnodeList* list, ZnodeId id);
    void delist(ZnodeList* list, ZnodeId id);
    void free_znode(ZnodeId id);
    void release_block(Znode* znode);
    void pack_some();
    void tell_index(std::vector<PageRange>& fresh);
    void take_back(const Undo& undo);

    uint64_t seed_;
    AclTable& acls_;
    Slab<Place> places_;
    Slab<Extra> extras_;
    Index index_;
    Heap heap_;  // of the blocks, and of the pointers to them
    HeapColumn<Znode*> znodes_{heap_};  // of free numbers nullptr
    ZnodeId packing_ = 0;  // the last one that `pack_some` looked at
    uint32_t made_ = 0;    // blocks since the last sweep
    uint64_t data_bytes_ = 0;
    uint32_t apart_ = 1;  // the first that `take_apart` did not free
    uint64_t digest_ = 0;
    uint32_t ephemeral_count_ = 0;
    bool undoing_ = false;
    uint64_t digest_before_ = 0;
    std::vector<Undo> undos_;
    std::vector<ZnodeId> removed_;  // since the last sweep
    struct Unplaced {
        uint32_t hash;  // as much of it as the index keeps
        ZnodeId id;
    };
    std::vector<Unplaced> unplaced_;  // put back, but not in the index yet
    std::vector<Unplaced> in_order_;
    uint32_t expected_ = 0;  // all in all; 0: no longer
    const void* index_told_ = nullptr;  // to be populated: the index's memory of then
};

}  // namespace zk
