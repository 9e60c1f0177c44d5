// tree.cc -- see tree.h.

#include "state/tree.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <utility>

#include "base/hash.h"
#include "state/path.h"

namespace zk {

namespace {

constexpr Extra no_extra = {};
constexpr uint32_t minus_one = ~0u;  // to add it

uint32_t size_of(Bytes data) {
    return data.data() == nullptr ? null_data : static_cast<uint32_t>(data.size());
}
size_t bytes_of(uint32_t data_size) { return data_size == null_data ? 0 : data_size; }

uint8_t* name_of(Znode* znode) { return reinterpret_cast<uint8_t*>(znode + 1); }
const uint8_t* name_of(const Znode* znode) { return reinterpret_cast<const uint8_t*>(znode + 1); }

size_t name_size_of(const Znode& znode) { return uint32_t{znode.name_size}; }

// Java's int arithmetic, which every client sees.
int32_t wrapping_add(int32_t a, int32_t b) {
    return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

// A list of children has room for 6, 8, 12, 16, 24, 32 and so on. Nobody keeps for how many: one
// that has grown or shrunk to just one of these numbers is given room for the next, and so there is
// always room up to the next of them at least; behind a removal maybe for one step more. Six are
// what malloc's smallest block has room for.
constexpr uint32_t smallest_room = 6;
bool fills_its_room(uint32_t count) {
    return count == 0 || (count >= smallest_room && count >> std::countr_zero(count) <= 3);
}
uint32_t room_above(uint32_t count) {
    if (count == 0) return smallest_room;
    return std::has_single_bit(count) ? count / 2 * 3 : count / 3 * 4;
}

}  // namespace

Tree::Tree(uint64_t seed, AclTable& acls) : seed_(seed), acls_(acls) {
    ZnodeId id = places_.allocate();
    ASSERT(id == root);
    znodes_.reach(id);
    znodes_.edit(id) = make_block(Znode(), "", as_bytes(""));
    index_.insert(hash_path(""), id);
    add_terms(hash_path(""), id);
}

Tree::~Tree() {
    while (!take_apart(places_.end())) continue;
}

// What takes the most time is to give an empty span back.
bool Tree::take_apart(uint32_t count) {
    constexpr uint32_t spans_at_once = 64;
    heap_.thaw();
    bool settled = settle(spans_at_once);
    uint32_t spans = heap_.span_count();
    uint32_t end = apart_ + std::min(count, places_.end() - apart_);
    for (; apart_ < end && heap_.span_count() + spans_at_once > spans; ++apart_) {
        Znode* znode = znodes_[apart_];
        if (znode == nullptr) continue;
        if (znode->extra != 0) free(extras_[znode->extra].children);
        release_block(znode);
    }
    znodes_.drop(apart_);
    return apart_ == places_.end() && settled && heap_.drop_ahead(4);
}

bool Tree::settle(uint32_t most) {
    for (; most > 0 && heap_.settling(); --most) heap_.settle_some();
    return !heap_.settling();
}

uint64_t Tree::hash_path(std::string_view path) const {
    return hash64(path == "/" ? std::string_view() : path, seed_);
}

const Extra& Tree::extra(ZnodeId id) const {
    uint32_t number = znodes_[id]->extra;
    return number == 0 ? no_extra : extras_[number];
}

Extra& Tree::need_extra(ZnodeId id) {
    uint32_t number = znodes_[id]->extra;
    if (number == 0) {
        number = extras_.allocate();
        Znode& znode = edit(id);
        znode.extra = number;
        extras_[number].pzxid = znode.czxid;
    }
    return extras_[number];
}

// For a field of it to be written to: where a child looks at it, elsewhere from now on.
Znode& Tree::edit(ZnodeId id) {
    Znode* znode = znodes_[id];
    return is_frozen(*znode) ? move_block(id) : *znode;
}

bool Tree::is_frozen(const Znode& znode) const {
    return heap_.frozen(reinterpret_cast<const uint8_t*>(&znode), block_size(znode));
}

Znode& Tree::move_block(ZnodeId id) {
    Znode* before = znodes_[id];
    size_t size = block_size(*before);
    uint8_t* block = heap_.allocate(size);
    memcpy(block, before, size);
    release_block(before);
    znodes_.edit(id) = reinterpret_cast<Znode*>(block);
    return *znodes_[id];
}

int64_t Tree::pzxid(ZnodeId id) const {
    const Znode& znode = *znodes_[id];
    return znode.extra == 0 ? znode.czxid : extras_[znode.extra].pzxid;
}

std::string_view Tree::name(ZnodeId id) const {
    const Znode* znode = znodes_[id];
    return {reinterpret_cast<const char*>(name_of(znode)), name_size_of(*znode)};
}

Bytes Tree::data(ZnodeId id) const {
    const Znode* znode = znodes_[id];
    if (znode->data_size == null_data) return {};
    return {name_of(znode) + name_size_of(*znode), znode->data_size};
}

bool Tree::is_at(ZnodeId id, std::string_view path) const {
    if (path == "/") path = {};
    while (id != root) {
        std::string_view mine = name(id);
        if (path.size() <= mine.size() || !path.ends_with(mine)) return false;
        path.remove_suffix(mine.size());
        if (path.back() != '/') return false;
        path.remove_suffix(1);
        id = places_[id].parent;
    }
    return path.empty();
}

ZnodeId Tree::find(const PathKey& key) const {
    if (key.path.size() <= 1 && (key.path.empty() || key.path[0] == '/')) return root;
    return index_.find(key.hash, [&](ZnodeId id) { return is_at(id, key.path); });
}

void Tree::Ahead::add(std::string_view path) {
    ASSERT(count_ < most);
    keys_[count_] = tree_.key(path);
    tree_.index_.prefetch(keys_[count_].hash);
    ++count_;
}

void Tree::Ahead::fetch() {
    ZnodeId found[most];
    for (size_t i = 0; i < count_; ++i) {
        found[i] = tree_.index_.guess(keys_[i].hash);
        if (found[i] != 0) continue;
        keys_[i].above = tree_.hash_path(split_path(keys_[i].path).parent);
        tree_.index_.prefetch(keys_[i].above);
    }
    for (size_t i = 0; i < count_; ++i) {
        if (found[i] == 0) found[i] = tree_.index_.guess(keys_[i].above);
        if (found[i] == 0) continue;
        tree_.prefetch_pointer(found[i]);
        prefetch(&tree_.places_[found[i]]);
    }
    for (size_t i = 0; i < count_; ++i)
        if (found[i] != 0) tree_.prefetch_znode(found[i]);
    if (tree_.large()) fetch_parents({found, count_});
    if (tree_.frozen()) fetch_notes({found, count_});
}

// Whose names are compared, too. Of a small tree they are near.
void Tree::Ahead::fetch_parents(std::span<const ZnodeId> found) {
    for (ZnodeId id : found)
        if (id != 0) tree_.prefetch_pointer(tree_.parent(id));
    for (ZnodeId id : found)
        if (id != 0 && id != root) tree_.prefetch_name(tree_.parent(id));
}

void Tree::Ahead::fetch_notes(std::span<const ZnodeId> found) {
    for (ZnodeId id : found) {
        if (id == 0) continue;
        tree_.znodes_.prefetch_head(id);
        Heap::prefetch_head(reinterpret_cast<const uint8_t*>(tree_.znodes_[id]));
    }
    for (ZnodeId id : found) {
        if (id == 0) continue;
        tree_.znodes_.prefetch_notes(id);
        const Znode* znode = tree_.znodes_[id];
        Heap::prefetch_notes(reinterpret_cast<const uint8_t*>(znode), block_size(*znode));
    }
}

Stat Tree::stat(ZnodeId id) const {
    const Znode& znode = *znodes_[id];
    const Extra& more = extra(id);
    return {
        .czxid = znode.czxid,
        .mzxid = znode.mzxid,
        .ctime = znode.ctime,
        .mtime = znode.mtime,
        .version = znode.version,
        .cversion = wrapping_add(wrapping_add(more.cversion, more.cversion),
                                 -static_cast<int32_t>(more.child_count)),
        .aversion = more.aversion,
        .ephemeral_owner = znode.kind == ZnodeKind::ephemeral ? more.owner : 0,
        .data_length = static_cast<int32_t>(bytes_of(znode.data_size)),
        .num_children = static_cast<int32_t>(more.child_count),
        .pzxid = pzxid(id),
    };
}

std::string Tree::path(ZnodeId id) const {
    if (id == root) return "/";
    size_t size = 0;
    for (ZnodeId at = id; at != root; at = places_[at].parent) size += 1 + name(at).size();
    std::string path(size, '/');
    for (ZnodeId at = id; at != root; at = places_[at].parent) {
        std::string_view part = name(at);
        size -= part.size();
        path.replace(size, part.size(), part);
        --size;
    }
    return path;
}

uint64_t Tree::stat_term(uint64_t hash, ZnodeId id) const {
    const Znode& znode = *znodes_[id];
    const Extra& more = extra(id);
    uint64_t fields[] = {
        hash,
        static_cast<uint64_t>(znode.czxid),
        static_cast<uint64_t>(znode.mzxid),
        static_cast<uint64_t>(znode.ctime),
        static_cast<uint64_t>(znode.mtime),
        static_cast<uint64_t>(pzxid(id)),
        static_cast<uint64_t>(more.owner),
        static_cast<uint32_t>(znode.version) | uint64_t{static_cast<uint32_t>(more.cversion)} << 32,
        static_cast<uint32_t>(more.aversion) | uint64_t{more.child_count} << 32,
        static_cast<uint64_t>(znode.kind),
    };
    return hash64(Bytes(reinterpret_cast<const uint8_t*>(fields), sizeof fields));
}

uint64_t Tree::data_term(uint64_t hash, ZnodeId id) const {
    uint64_t kept = znodes_[id]->data_size == null_data ? 2 : 3;
    return hash64(data(id), hash ^ kept);
}

uint64_t Tree::acl_term(uint64_t hash, ZnodeId id) const {
    return acls_.hash(znodes_[id]->acl) * ~(hash << 1);
}

void Tree::add_terms(uint64_t hash, ZnodeId id) {
    digest_ += stat_term(hash, id) + data_term(hash, id) + acl_term(hash, id);
}

void Tree::drop_terms(uint64_t hash, ZnodeId id) {
    digest_ -= stat_term(hash, id) + data_term(hash, id) + acl_term(hash, id);
}

size_t Tree::block_size(const Znode& znode) {
    return sizeof(Znode) + name_size_of(znode) + bytes_of(znode.data_size);
}

// `head` but for the sizes.
Znode* Tree::make_block(const Znode& head, std::string_view name, Bytes data) {
    ASSERT(name.size() < (1u << 30));
    ++made_;
    uint8_t* block = heap_.allocate(sizeof(Znode) + name.size() + data.size());
    auto* znode = reinterpret_cast<Znode*>(block);
    *znode = head;
    znode->name_size = static_cast<uint32_t>(name.size()) & ((1u << 30) - 1);
    znode->data_size = size_of(data);
    if (!name.empty()) memcpy(name_of(znode), name.data(), name.size());
    if (!data.empty()) memcpy(name_of(znode) + name.size(), data.data(), data.size());
    return znode;
}

void Tree::adopt(ZnodeId parent, ZnodeId child) {
    Extra& family = need_extra(parent);
    if (fills_its_room(family.child_count)) {
        ASSERT(family.child_count < (1u << 31));
        // Large arrays are moved by the kernel without copying (mremap).
        auto* children = static_cast<ZnodeId*>(
            realloc(family.children, room_above(family.child_count) * sizeof(ZnodeId)));
        ASSERT(children != nullptr);
        family.children = children;
    }
    places_[child] = {.parent = parent, .place = family.child_count};
    family.children[family.child_count++] = child;
}

void Tree::disown(ZnodeId parent, ZnodeId child) {
    Extra& family = extras_[znodes_[parent]->extra];
    uint32_t place = places_[child].place;
    ASSERT(family.children[place] == child);
    ZnodeId last = family.children[--family.child_count];
    family.children[place] = last;
    places_[last].place = place;
    if (family.child_count == 0) {
        free(family.children);
        family.children = nullptr;
    } else if (fills_its_room(family.child_count)) {
        // At most this much is in use: where it cannot be cut, it stays larger.
        auto* children = static_cast<ZnodeId*>(
            realloc(family.children, room_above(family.child_count) * sizeof(ZnodeId)));
        if (children != nullptr) family.children = children;
    }
}

// The root's is not kept: everything is below it.
void Tree::count_below(ZnodeId parent, uint32_t more) {
    if (parent == root) return;
    for (ZnodeId above = places_[parent].parent; above != root; above = places_[above].parent)
        extras_[znodes_[above]->extra].deeper += more;
}

void Tree::enlist(ZnodeList* list, ZnodeId id) {
    if (list == nullptr) return;
    Extra& mine = need_extra(id);
    mine.list_prev = 0;
    mine.list_next = list->head;
    if (list->head != 0) need_extra(list->head).list_prev = id;
    list->head = id;
    ++list->count;
}

void Tree::delist(ZnodeList* list, ZnodeId id) {
    if (list == nullptr) return;
    Extra& mine = need_extra(id);
    if (mine.list_prev != 0)
        need_extra(mine.list_prev).list_next = mine.list_next;
    else
        list->head = mine.list_next;
    if (mine.list_next != 0) need_extra(mine.list_next).list_prev = mine.list_prev;
    mine.list_prev = mine.list_next = 0;
    --list->count;
}

ZnodeId Tree::create(const PathKey& key, const PathKey& above, ZnodeId parent,
                     const ZnodeSeed& seed) {
    if (undoing_)
        undos_.push_back({.kind = Undo::Kind::create, .id = 0, .hash = key.hash, .list = seed.list,
                          .before = nullptr, .cversion = raw_cversion(parent),
                          .pzxid = pzxid(parent), .path_size = key.path.size()});
    digest_ -= stat_term(above.hash, parent);
    ZnodeId id = places_.allocate();
    znodes_.reach(id);
    Znode head{.czxid = seed.zxid, .mzxid = seed.zxid, .ctime = seed.time_ms,
               .mtime = seed.time_ms, .acl = seed.acl, .kind = seed.kind};
    znodes_.edit(id) = make_block(head, split_path(key.path).name, seed.data);
    if (seed.kind != ZnodeKind::persistent) need_extra(id).owner = seed.owner;
    enlist(seed.list, id);
    adopt(parent, id);
    count_below(parent, 1);
    Extra& family = need_extra(parent);
    // The counter sticks at its end, and pzxid with it: ZooKeeper raises both only together.
    if (family.cversion < INT_MAX) {
        ++family.cversion;
        family.pzxid = seed.zxid;
    }
    index_.insert(key.hash, id);
    digest_ += stat_term(above.hash, parent);
    add_terms(key.hash, id);
    data_bytes_ += key.path.size() + seed.data.size();
    if (seed.kind == ZnodeKind::ephemeral) ++ephemeral_count_;
    if (undoing_) undos_.back().id = id;
    return id;
}

void Tree::remove(const PathKey& key, const PathKey& above, ZnodeId id, int64_t zxid,
                  ZnodeList* list) {
    ASSERT(id != root);
    ASSERT(child_count(id) == 0);
    ZnodeId parent = places_[id].parent;
    if (undoing_)
        undos_.push_back({.kind = Undo::Kind::remove, .id = id, .hash = key.hash, .list = list,
                          .before = nullptr, .cversion = 0, .pzxid = pzxid(parent),
                          .path_size = key.path.size()});
    digest_ -= stat_term(above.hash, parent);
    drop_terms(key.hash, id);
    index_.erase(key.hash, id);
    disown(parent, id);
    count_below(parent, minus_one);
    delist(list, id);
    Extra& family = need_extra(parent);
    family.pzxid = std::max(family.pzxid, zxid);
    digest_ += stat_term(above.hash, parent);
    data_bytes_ -= key.path.size() + data(id).size();
    if (znodes_[id]->kind == ZnodeKind::ephemeral) --ephemeral_count_;
    if (!undoing_) removed_.push_back(id);
}

void Tree::sweep() {
    for (ZnodeId id : removed_) free_znode(id);
    removed_.clear();
    for (uint32_t left = std::max(made_, 1u); left > 0; --left) {
        if (heap_.scattered()) pack_some();
        heap_.settle_some();
    }
    made_ = 0;
    heap_.drop_some_ahead();
}

void Tree::release_block(Znode* znode) {
    heap_.release(reinterpret_cast<uint8_t*>(znode), block_size(*znode));
}

// Each change packs for a few others, so that the time it takes is as bounded as they are: for more
// of them where more lies idle.
void Tree::pack_some() {
    uint32_t looks = heap_.disorder();
    for (uint32_t i = 0; i < looks; ++i) {
        if (++packing_ >= places_.end()) packing_ = 0;
        znodes_.pack(packing_);
        const Znode* znode = znodes_[packing_];
        if (znode == nullptr) continue;
        if (heap_.misplaced(reinterpret_cast<const uint8_t*>(znode), block_size(*znode)))
            move_block(packing_);
    }
    for (ZnodeId id = packing_ + 1; id <= packing_ + looks && id < places_.end(); ++id)
        prefetch(znodes_[id]);
}

void Tree::free_znode(ZnodeId id) {
    Znode* znode = znodes_[id];
    ASSERT(znode->watchers == 0);
    acls_.drop_user(znode->acl);
    if (znode->extra != 0) {
        free(extras_[znode->extra].children);
        extras_.release(znode->extra);
    }
    release_block(znode);
    znodes_.edit(id) = nullptr;
    places_.release(id);
}

void Tree::set_data(const PathKey& key, ZnodeId id, Bytes data, int64_t zxid,
                    int64_t time_ms) {
    digest_ -= stat_term(key.hash, id);
    replace_data(key, id, data);
    Znode& znode = *znodes_[id];
    znode.mzxid = zxid;
    znode.mtime = time_ms;
    znode.version = wrapping_add(znode.version, 1);
    digest_ += stat_term(key.hash, id);
}

void Tree::set_version(const PathKey& key, ZnodeId id, int32_t version) {
    ASSERT(!undoing_);
    digest_ -= stat_term(key.hash, id);
    edit(id).version = version;
    digest_ += stat_term(key.hash, id);
}

void Tree::replace_data(const PathKey& key, ZnodeId id, Bytes data) {
    Znode* znode = znodes_[id];
    if (undoing_)
        undos_.push_back({.kind = Undo::Kind::data, .id = id, .hash = key.hash, .list = nullptr,
                          .before = znode, .cversion = 0, .pzxid = 0, .path_size = 0});
    digest_ -= data_term(key.hash, id);
    data_bytes_ += data.size();
    data_bytes_ -= bytes_of(znode->data_size);
    size_t before = block_size(*znode);
    size_t after = before - bytes_of(znode->data_size) + data.size();
    bool fits = before == after || Heap::same_class(before, after);
    if (fits && !undoing_ && !is_frozen(*znode)) {
        if (!data.empty()) memcpy(name_of(znode) + name_size_of(*znode), data.data(), data.size());
        znode->data_size = size_of(data);
    } else {
        znodes_.edit(id) = make_block(*znode, name(id), data);
        if (!undoing_) release_block(znode);
    }
    digest_ += data_term(key.hash, id);
}

void Tree::set_acl(const PathKey& key, ZnodeId id, AclId acl) {
    ASSERT(!undoing_);
    drop_terms(key.hash, id);
    Znode& znode = edit(id);
    acls_.drop_user(znode.acl);
    znode.acl = acl;
    Extra& more = need_extra(id);
    more.aversion = wrapping_add(more.aversion, 1);
    add_terms(key.hash, id);
}

void Tree::begin_undo() {
    ASSERT(!undoing_);
    undoing_ = true;
    digest_before_ = digest_;
}

void Tree::commit_undo() {
    undoing_ = false;
    for (const Undo& undo : undos_) {
        switch (undo.kind) {
        case Undo::Kind::create: break;
        case Undo::Kind::remove: removed_.push_back(undo.id); break;
        case Undo::Kind::data: release_block(undo.before); break;
        }
    }
    undos_.clear();
}

void Tree::undo() {
    undoing_ = false;
    while (!undos_.empty()) {
        take_back(undos_.back());
        undos_.pop_back();
    }
    digest_ = digest_before_;
}

void Tree::take_back(const Undo& undo) {
    Znode& znode = *znodes_[undo.id];
    ZnodeId parent = places_[undo.id].parent;
    switch (undo.kind) {
    case Undo::Kind::create: {
        Extra& family = need_extra(parent);
        index_.erase(undo.hash, undo.id);
        disown(parent, undo.id);
        count_below(parent, minus_one);
        delist(undo.list, undo.id);
        family.cversion = undo.cversion;
        family.pzxid = undo.pzxid;
        data_bytes_ -= undo.path_size + bytes_of(znode.data_size);
        if (znode.kind == ZnodeKind::ephemeral) --ephemeral_count_;
        free_znode(undo.id);
        break;
    }
    case Undo::Kind::remove:
        index_.insert(undo.hash, undo.id);
        adopt(parent, undo.id);
        count_below(parent, 1);
        enlist(undo.list, undo.id);
        need_extra(parent).pzxid = undo.pzxid;
        data_bytes_ += undo.path_size + bytes_of(znode.data_size);
        if (znode.kind == ZnodeKind::ephemeral) ++ephemeral_count_;
        break;
    case Undo::Kind::data: {
        data_bytes_ += bytes_of(undo.before->data_size);
        data_bytes_ -= bytes_of(znode.data_size);
        uint32_t extra = znode.extra;  // if it has got one since
        release_block(&znode);
        znodes_.edit(undo.id) = undo.before;
        if (undo.before->extra != extra) edit(undo.id).extra = extra;
        break;
    }
    }
}

Tree::Sizes Tree::sizes() const {
    return {.znodes = uint64_t{places_.end()} * sizeof(Place) + znodes_.size() +
                      uint64_t{extras_.end()} * sizeof(Extra),
            .index = index_.bytes(),
            .blocks = heap_.used_bytes() - znodes_.size(),
            .idle = heap_.idle_bytes() + heap_.held_bytes()};
}

ZnodeId Tree::restore(std::string_view path, ZnodeId parent, const Saved& saved,
                      ZnodeList* list) {
    uint64_t parent_hash = parent == 0 ? 0 : hash_path(split_path(path).parent);
    if (parent != 0) digest_ -= stat_term(parent_hash, parent);
    ZnodeId id = put_back(hash_path(path), path.size(), parent, saved, list);
    bool good = place();
    ASSERT(good);
    if (parent != 0) {
        count_below(parent, 1);
        digest_ += stat_term(parent_hash, parent);
    }
    complete(hash_path(path), id);
    return id;
}

ZnodeId Tree::put_back(uint64_t hash, size_t path_size, ZnodeId parent, const Saved& saved,
                       ZnodeList* list) {
    ZnodeId id = root;
    if (parent == 0) {
        drop_terms(hash, root);
    } else {
        id = places_.allocate();
        znodes_.reach(id);
        unplaced_.push_back({static_cast<uint32_t>(hash), id});
    }
    Znode* before = znodes_[id];
    znodes_.edit(id) = make_block(saved.znode, saved.name, saved.data);
    Znode& znode = *znodes_[id];
    znode.extra = before == nullptr ? 0 : before->extra;
    znode.watchers = 0;
    if (before != nullptr) release_block(before);
    acls_.add_user(znode.acl);
    const Extra& from = saved.extra;
    if (from.pzxid != znode.czxid || from.owner != 0 || from.cversion != 0 || from.aversion != 0) {
        Extra& more = need_extra(id);
        more.pzxid = from.pzxid;
        more.owner = from.owner;
        more.cversion = from.cversion;
        more.aversion = from.aversion;
    }
    enlist(list, id);
    if (parent != 0) {
        adopt(parent, id);
        data_bytes_ += path_size;
    }
    data_bytes_ += saved.data.size();
    if (znode.kind == ZnodeKind::ephemeral) ++ephemeral_count_;
    return id;
}

void Tree::complete(uint64_t hash, ZnodeId id) {
    const Extra& mine = extra(id);
    ZnodeId parent = places_[id].parent;
    if (mine.child_count > 0 && id != root && parent != root)
        extras_[znodes_[parent]->extra].deeper += mine.child_count + mine.deeper;
    add_terms(hash, id);
}

// A table of a hundred megabytes is many times slower to write to at random than from one end to
// the other.
bool Tree::place() {
    constexpr uint32_t parts = 1024;
    uint32_t begin[parts + 1] = {};
    for (const Unplaced& one : unplaced_) ++begin[Index::part_of(one.hash, parts) + 1];
    for (uint32_t part = 1; part < parts; ++part) begin[part] += begin[part - 1];
    in_order_.resize(unplaced_.size());
    for (const Unplaced& one : unplaced_)
        in_order_[begin[Index::part_of(one.hash, parts)]++] = one;
    unplaced_.clear();
    constexpr size_t ahead = 16;
    for (size_t i = 0; i < in_order_.size(); ++i) {
        if (i + ahead < in_order_.size()) index_.prefetch(in_order_[i + ahead].hash);
        auto [hash, id] = in_order_[i];
        auto twin = [&, id = id](ZnodeId other) {
            return places_[other].parent == places_[id].parent && name(other) == name(id);
        };
        if (index_.find(hash, twin) != 0) return false;
        index_.insert(hash, id);
    }
    return true;
}

bool Tree::place_rest() {
    bool good = place();
    unplaced_ = std::vector<Unplaced>();
    in_order_ = std::vector<Unplaced>();
    heap_.drop_ahead();
    expected_ = 0;
    return good;
}

// Not for a small tree: that is there before the thread is.
void Tree::map_ahead(std::vector<PageRange>& fresh) {
    constexpr uint32_t many = 500'000;
    if (expected_ < many) return;
    tell_index(fresh);
    places_.map_ahead(expected_ + 1, fresh);
    heap_.map_ahead(Heap::ahead_max, fresh);
}

void Tree::tell_index(std::vector<PageRange>& fresh) {
    PageRange range = index_.range();
    if (range.begin != index_told_) fresh.push_back(range);
    index_told_ = range.begin;
}

// All groups of pointers move behind a fork, if the child lives long enough.
void Tree::map_for_fork(std::vector<PageRange>& fresh) {
    if (large()) heap_.map_ahead(heap_.ahead_for_fork() + znodes_.size(), fresh);
}

void Tree::keep_ahead(std::vector<PageRange>& fresh) {
    constexpr uint32_t idle_steps = 32;
    heap_.keep_ahead(large(), fresh);
    heap_.drop_some_ahead();
    settle(idle_steps);
}

void Tree::keep_ahead_of_log(std::vector<PageRange>& fresh) {
    if (!large()) return;
    tell_index(fresh);
    heap_.keep_ahead(true, fresh);
}

ZnodeId Tree::next_in_walk(ZnodeId id, int64_t& depth) const {
    const Extra& more = extra(id);
    if (more.child_count > 0) {
        ++depth;
        return more.children[0];
    }
    while (id != root) {
        const auto& [parent, place] = places_[id];
        const Extra& family = extra(parent);
        if (place + 1 < family.child_count) return family.children[place + 1];
        id = parent;
        --depth;
    }
    return 0;
}

uint32_t Tree::descendants(ZnodeId id) const {
    if (id == root) return index_.count() - 1;
    const Extra& more = extra(id);
    return more.child_count + more.deeper;
}

}  // namespace zk
