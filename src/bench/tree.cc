// tree.cc -- see tree.h.

#include "bench/tree.h"

#include <algorithm>

namespace zk {

namespace {

constexpr std::string_view mark = "zk-bench: ";
constexpr std::string_view unfinished = "zk-bench: unfinished";
constexpr size_t deletes_at_once = 50;
constexpr int removals_max = 3;

void put_digits(uint8_t* at, size_t digits, uint64_t value) {
    for (size_t i = digits; i-- > 0; value /= 10) at[i] = static_cast<uint8_t>('0' + value % 10);
}

void open_acl(Buffer& out) {
    const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
    write_acls(out, {&anyone, 1});
}

Error failed(std::string_view what, Err err) {
    return {.text = std::string(what) + ": " + std::string(err_name(err))};
}

Error first_error(std::string_view what, const Tally& tally) {
    return tally.codes.empty() ? Error{.text = std::string(what) + ": a wrong reply"}
                               : failed(what, tally.codes.begin()->first);
}

}  // namespace

// -- names ---------------------------------------------------------------------------------------

uint8_t* KeySpace::put_parent(uint8_t* at, uint64_t parent) const {
    memcpy(at, directory_.data(), directory_.size());
    at += directory_.size();
    at[0] = '/';
    at[1] = 'p';
    put_digits(at + 2, parent_bytes - 2, parent);
    return at + parent_bytes;
}

void KeySpace::write_parent(Buffer& out, uint64_t parent) const {
    size_t size = directory_.size() + parent_bytes;
    uint8_t* at = out.grow(4 + size);
    store_u32(at, static_cast<uint32_t>(size));
    put_parent(at + 4, parent);
}

void KeySpace::write_znode(Buffer& out, uint64_t znode) const {
    size_t size = directory_.size() + parent_bytes + 1 + name_bytes_;
    uint8_t* at = out.grow(4 + size);
    store_u32(at, static_cast<uint32_t>(size));
    at = put_parent(at + 4, parent_of(znode));
    at[0] = '/';
    at[1] = 'n';
    put_digits(at + 2, name_bytes_ - 1, znode);
}

std::string KeySpace::parent_path(uint64_t parent) const {
    std::string path(directory_.size() + parent_bytes, '\0');
    put_parent(reinterpret_cast<uint8_t*>(path.data()), parent);
    return path;
}

// Letters that do not repeat much, so that nothing between here and there can compress them well.
std::string make_data(uint32_t size, uint64_t seed) {
    std::string data(size, '\0');
    uint64_t state = seed;
    for (char& c : data) {
        state = state * 6364136223846793005 + 1442695040888963407;
        c = static_cast<char>('a' + (state >> 33) % 26);
    }
    return data;
}

// -- making --------------------------------------------------------------------------------------

// Enough to keep a server busy, whatever the load is going to be.
uint32_t Tree::setup_depth() const {
    size_t each = 1024 / std::max<size_t>(fleet_.size(), 1);
    return std::clamp<uint32_t>(static_cast<uint32_t>(each), 4, 256);
}

std::string Tree::label() const {
    std::string text = std::string(mark) + std::to_string(plan_.znodes) + " znodes of " +
                       std::to_string(plan_.data_size) + " bytes under " +
                       std::to_string(plan_.parents) + " parents, seed " +
                       std::to_string(plan_.data_seed);
    const TreePlan usual;
    if (plan_.large != usual.large) text += ", " + std::to_string(plan_.large) + " under one";
    if (plan_.name_bytes != usual.name_bytes)
        text += ", names of " + std::to_string(plan_.name_bytes) + " bytes";
    if (plan_.empty_percent != usual.empty_percent)
        text += ", " + std::to_string(plan_.empty_percent) + " % of them empty";
    return text;
}

Result<void> Tree::label_root(std::string_view text) {
    auto reply = fleet_.call(call::set_data(plan_.root, as_bytes(text), -1));
    if (!reply) return reply.error();
    if (reply->header.err != Err::ok) return failed(plan_.root, reply->header.err);
    return {};
}

Result<void> Tree::make(const std::string& path) {
    const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
    auto reply = fleet_.call(call::create({.path = path, .data = {}, .acls = {&anyone, 1}}));
    if (!reply) return reply.error();
    Err err = reply->header.err;
    if (err != Err::ok && err != Err::node_exists) return failed("cannot make " + path, err);
    return {};
}

Result<void> Tree::claim(Observer observer) {
    auto reply = fleet_.call(call::get_data(plan_.root, false));
    if (!reply) return reply.error();
    if (reply->header.err == Err::ok) {
        std::optional<Data> found = decode_data(as_bytes(reply->body));
        std::string_view text = found ? as_text(found->data) : "";
        if (!text.starts_with(mark))
            return Error{.text = plan_.root + " is there, and not of zk-bench's making"};
        filled_ = text == label();
        if (filled_) return {};
        if (Result<void> removed = remove(observer); !removed) return removed.error();
    }
    if (Result<void> made = make(plan_.root); !made) return made.error();
    return label_root(unfinished);
}

Result<void> Tree::make_parents(const KeySpace& space) {
    if (Result<void> made = make(space.directory()); !made) return made.error();
    struct Making {
        const KeySpace& space;
        uint64_t next = 0;
    } making{space};
    Feed feed;
    feed.context = &making;
    feed.next = [](void* context, Client& client, uint8_t&) {
        auto* mine = static_cast<Making*>(context);
        if (mine->next == mine->space.parents()) return false;
        Buffer& out = client.begin_request(Op::create);
        mine->space.write_parent(out, mine->next++);
        write_buffer(out, {});
        open_acl(out);
        out.i32(static_cast<int32_t>(CreateMode::persistent));
        return true;
    };
    feed.right = [](void*, uint8_t, const ReplyHeader& header, Bytes) {
        return header.err == Err::ok || header.err == Err::node_exists;
    };
    Tally tally;
    Pump pump(loop_, fleet_, feed, {.depth = setup_depth()}, tally);
    if (Result<void> ran = pump.run({}); !ran) return ran.error();
    if (tally.errors > 0) return first_error("cannot make " + space.directory(), tally);
    return {};
}

Result<void> Tree::fill(Tally& tally, uint32_t depth, Observer observer) {
    if (filled_) return {};
    if (Result<void> made = make_parents(keys_); !made) return made.error();
    struct Filling {
        const KeySpace& keys;
        std::string data;
        uint32_t empty_percent;
        uint64_t next = 0;
        uint64_t end = 0;
    } filling{keys_, make_data(plan_.data_size, plan_.data_seed), plan_.empty_percent, 0,
              plan_.znodes};
    Feed feed;
    feed.context = &filling;
    feed.next = [](void* context, Client& client, uint8_t&) {
        auto* mine = static_cast<Filling*>(context);
        if (mine->next == mine->end) return false;
        Buffer& out = client.begin_request(Op::create);
        bool empty = mine->next % 100 < mine->empty_percent;
        mine->keys.write_znode(out, mine->next++);
        write_text(out, empty ? std::string_view() : mine->data);
        open_acl(out);
        out.i32(static_cast<int32_t>(CreateMode::persistent));
        return true;
    };
    feed.right = [](void*, uint8_t, const ReplyHeader& header, Bytes) {
        return header.err == Err::ok;
    };
    uint32_t used = depth == 0 ? setup_depth() : depth;
    Pump pump(loop_, fleet_, feed, {.depth = used, .operations = plan_.znodes}, tally);
    if (Result<void> ran = pump.run(observer); !ran) return ran.error();
    if (loop_.interrupted()) return {};
    if (tally.errors > 0) return first_error("cannot make the znodes", tally);
    filled_ = true;
    return label_root(label());
}

// -- removing ------------------------------------------------------------------------------------

namespace {

// One level of the tree: its parents' paths, and the names under each.
struct Level {
    std::vector<std::string> parents;
    std::vector<std::vector<std::string>> names;

    std::vector<std::string> paths() const {
        std::vector<std::string> all;
        for (size_t i = 0; i < parents.size(); ++i)
            for (const std::string& name : names[i]) all.push_back(parents[i] + "/" + name);
        return all;
    }
};

// Deletes what is below `level.parents`, some at a time in one transaction.
struct Deleting {
    const Level& level;
    size_t parent = 0;
    size_t name = 0;

    bool next(Client& client) {
        while (parent < level.parents.size() && name == level.names[parent].size()) {
            ++parent;
            name = 0;
        }
        if (parent == level.parents.size()) return false;
        Buffer& out = client.begin_request(Op::multi);
        const std::vector<std::string>& names = level.names[parent];
        size_t end = std::min(names.size(), name + deletes_at_once);
        for (; name < end; ++name) {
            encode(out, MultiHeader{.type = static_cast<int32_t>(Op::remove), .done = false});
            encode(out, PathVersion{.path = level.parents[parent] + "/" + names[name]});
        }
        encode(out, MultiHeader{});
        return true;
    }
};

// The tree is three levels deep: what lies below the parents has no children.
Result<void> list_levels(Fleet& fleet, const std::string& root, std::vector<Level>& levels) {
    for (std::vector<std::string> parents{root}; levels.size() < 3;) {
        Level level{.parents = std::move(parents), .names = {}};
        level.names.resize(level.parents.size());
        for (size_t i = 0; i < level.parents.size(); ++i) {
            auto reply = fleet.call(call::get_children(level.parents[i], false));
            if (!reply) return reply.error();
            if (reply->header.err == Err::no_node) continue;
            if (reply->header.err != Err::ok) return failed(level.parents[i], reply->header.err);
            std::optional<std::vector<std::string_view>> names =
                decode_texts(as_bytes(reply->body));
            if (!names) return Error{.text = level.parents[i] + ": a reply that cannot be read"};
            level.names[i].assign(names->begin(), names->end());
        }
        parents = level.paths();
        levels.push_back(std::move(level));
    }
    return {};
}

}  // namespace

// False: something is still there. A transaction fails as a whole where one of its znodes is gone
// already, and an ephemeral one may go at any time.
Result<bool> Tree::remove_once(Observer observer) {
    std::vector<Level> levels;
    Result<void> listed = list_levels(fleet_, plan_.root, levels);
    if (!listed) return listed.error();
    for (; !levels.empty(); levels.pop_back()) {
        Deleting deleting{levels.back()};
        Feed feed;
        feed.context = &deleting;
        feed.next = [](void* context, Client& client, uint8_t&) {
            return static_cast<Deleting*>(context)->next(client);
        };
        feed.right = [](void*, uint8_t, const ReplyHeader& header, Bytes) {
            return header.err == Err::ok;
        };
        Tally tally;
        uint32_t depth = std::clamp<uint32_t>(setup_depth() / 16, 1, 16);
        Pump pump(loop_, fleet_, feed, {.depth = depth}, tally);
        if (Result<void> ran = pump.run(observer); !ran) return ran.error();
        if (tally.errors > 0) return first_error("cannot remove " + plan_.root, tally);
    }
    auto reply = fleet_.call(call::remove(plan_.root, -1));
    if (!reply) return reply.error();
    Err err = reply->header.err;
    if (err == Err::not_empty) return false;
    if (err != Err::ok && err != Err::no_node) return failed("cannot remove " + plan_.root, err);
    return true;
}

Result<void> Tree::remove(Observer observer) {
    filled_ = false;
    for (int i = 0; i < removals_max; ++i) {
        Result<bool> removed = remove_once(observer);
        if (!removed) return removed.error();
        if (*removed) return {};
    }
    return Error{.text = "cannot remove all of " + plan_.root};
}

}  // namespace zk
