// requests.cc -- see requests.h.

#include "requests.h"

#include "state/acl.h"

namespace zk::sim {

namespace {

std::string random_path(Chance& chance, bool wrong) {
    if (wrong && chance.percent(10))
        return chance.pick({"a", "/a//b", "/a/", "/a/./b", "/..", "", "/zookeeper", "/\x01",
                            "/zookeeper/config"});
    std::string path;
    uint64_t depth = 1 + chance.skewed(0, 2);
    if (chance.percent(40)) depth = 2;
    for (uint64_t i = 0; i < depth; ++i) path += chance.pick({"/a", "/b", "/c", "/d", "/\xc3\xa9"});
    if (chance.percent(2)) return "/";
    return path;
}

std::string random_data(Chance& chance, const Taste& taste) {
    size_t most = chance.percent(2) ? 20 * taste.data_max : taste.data_max;
    return std::string(chance.below(most + 1), static_cast<char>('a' + chance.below(26)));
}

std::string random_user(Chance& chance) { return chance.pick({"ann:1", "bob:2", "cy:"}); }

std::string random_acls(Chance& chance, bool wrong) {
    std::vector<Acl> acls;
    std::string ids[3];
    uint64_t roll = chance.below(100);
    if (roll < 75) {
        acls = {{31, "world", "anyone"}};
    } else if (wrong && roll < 80) {
        if (chance.percent(70))
            acls = {{31, chance.pick({"world", "digest", "ip", "nobody", "super"}),
                     chance.pick({"", "all", "a:b:c", "10.0.0.256", "10.0.0.0/33"})}};
    } else {
        for (size_t i = 0; i < 1 + chance.below(3); ++i) {
            int32_t perms = static_cast<int32_t>(chance.below(32));
            switch (chance.below(4)) {
            case 0: acls.push_back({perms | 1, "world", "anyone"}); break;
            case 1: acls.push_back({31, "auth", ""}); break;
            case 2:
                ids[i] = digest_id(random_user(chance));
                acls.push_back({perms, "digest", ids[i]});
                break;
            case 3:
                acls.push_back({perms, "ip", chance.pick({"10.0.0.1", "10.0.0.0/30", "10.0.0.3"})});
                break;
            }
        }
    }
    Buffer out;
    write_acls(out, acls);
    return std::string(out.text());
}

int32_t random_version(Chance& chance) {
    return chance.percent(60) ? -1 : static_cast<int32_t>(chance.below(4));
}

Op random_create_op(Chance& chance, bool in_multi) {
    uint64_t roll = chance.below(100);
    if (roll < 60) return Op::create;
    if (roll < 80) return Op::create2;
    if (roll < 90) return Op::create_container;
    return in_multi && chance.percent(50) ? Op::create : Op::create_ttl;
}

void write_create(Buffer& out, Chance& chance, const Taste& taste, Op op, bool in_multi) {
    std::string path = random_path(chance, taste.wrong);
    std::string data = random_data(chance, taste);
    std::string acls = random_acls(chance, taste.wrong);
    int32_t flags = chance.pick({0, 0, 0, 1, 1, 2, 3});
    if (op == Op::create_container) flags = in_multi || chance.percent(80) ? 4 : 2;
    if (op == Op::create_ttl) flags = chance.pick({5, 5, 6, in_multi ? 5 : 0});
    bool odd = taste.wrong && chance.percent(5);
    if (odd) flags = static_cast<int32_t>(chance.below(in_multi ? 5 : 9)) - (in_multi ? 0 : 1);
    bool null = chance.percent(5);
    int64_t ttl_ms = chance.percent(90) ? static_cast<int64_t>(chance.between(100, 4000)) : 0;
    encode(out,
           CreateRequest{.path = path,
                         .data = null ? Bytes() : as_bytes(data),
                         .acls = as_bytes(acls),
                         .flags = flags,
                         .ttl_ms = ttl_ms},
           op == Op::create_ttl);
}

void write_one(Buffer& out, Chance& chance, const Taste& taste, Op op) {
    std::string path = random_path(chance, taste.wrong);
    if (op == Op::set_data) {
        std::string data = random_data(chance, taste);
        bool null = chance.percent(3);
        encode(out, SetDataRequest{.path = path,
                                   .data = null ? Bytes() : as_bytes(data),
                                   .version = random_version(chance)});
    } else {
        encode(out, PathVersion{.path = path, .version = random_version(chance)});
    }
}

std::string random_multi(Chance& chance, const Taste& taste) {
    Buffer out;
    uint64_t count = chance.percent(3) ? 0 : chance.between(1, 4);
    for (uint64_t i = 0; i < count; ++i) {
        uint64_t roll = chance.below(100);
        Op op = roll < 50   ? random_create_op(chance, true)
                : roll < 70 ? Op::set_data
                : roll < 85 ? Op::remove
                            : Op::check;
        encode(out, MultiHeader{.type = static_cast<int32_t>(op), .done = false, .err = -1});
        if (roll < 50)
            write_create(out, chance, taste, op, true);
        else
            write_one(out, chance, taste, op);
    }
    encode(out, MultiHeader{});
    return std::string(out.text());
}

std::string random_multi_read(Chance& chance, const Taste& taste) {
    Buffer out;
    for (uint64_t i = chance.below(4); i > 0; --i) {
        Op op = chance.percent(50) ? Op::get_data : Op::get_children;
        encode(out, MultiHeader{.type = static_cast<int32_t>(op), .done = false, .err = -1});
        std::string path = random_path(chance, taste.wrong);
        encode(out, PathWatch{.path = path, .watch = chance.percent(30)});
    }
    encode(out, MultiHeader{});
    return std::string(out.text());
}

Draft random_write(Chance& chance, const Taste& taste) {
    Draft draft{.kind = RequestKind::write, .body = {}, .path = {}, .proof = {}};
    Buffer out;
    uint64_t roll = chance.below(100);
    if (roll < 40) {
        draft.op = random_create_op(chance, false);
        write_create(out, chance, taste, draft.op, false);
    } else if (roll < 65) {
        draft.op = Op::set_data;
        write_one(out, chance, taste, draft.op);
    } else if (roll < 82) {
        draft.op = Op::remove;
        write_one(out, chance, taste, draft.op);
    } else if (roll < 87) {
        draft.op = Op::set_acl;
        std::string path = random_path(chance, taste.wrong);
        std::string acls = random_acls(chance, taste.wrong);
        encode(out, SetAclRequest{.path = path,
                                  .acls = as_bytes(acls),
                                  .version = random_version(chance)});
    } else if (roll < 99) {
        draft.op = Op::multi;
        draft.body = random_multi(chance, taste);
        return draft;
    } else {
        draft.op = Op::reconfig;
        encode(out, ReconfigRequest{});
    }
    draft.body = out.text();
    return draft;
}

Draft watch_draft(Op op, const std::string& path, bool watch) {
    Buffer out;
    encode(out, PathWatch{.path = path, .watch = watch});
    return {.kind = RequestKind::read,
            .op = op,
            .body = std::string(out.text()),
            .path = path,
            .watch = watch,
            .proof = {}};
}

Draft random_read(Chance& chance, const Taste& taste) {
    std::string path = random_path(chance, taste.wrong);
    Draft draft{.body = {}, .path = path, .proof = {}};
    Buffer out;
    uint64_t roll = chance.below(100);
    if (roll < 60) {
        Op op = chance.pick({Op::exists, Op::get_data, Op::get_children, Op::get_children2});
        return watch_draft(op, path, chance.percent(taste.watches_percent));
    }
    if (roll < 78) {
        return path_draft(chance.pick({Op::get_acl, Op::sync, Op::get_ephemerals,
                                       Op::get_all_children_number}),
                          path);
    }
    if (roll < 84) {
        draft.op = Op::multi_read;
        draft.body = random_multi_read(chance, taste);
        return draft;
    }
    if (roll < 88) {
        draft.op = chance.percent(50) ? Op::ping : Op::who_am_i;
        return draft;
    }
    draft.op = chance.pick({Op::add_watch, Op::remove_watches, Op::check_watches});
    int32_t number = static_cast<int32_t>(chance.between(1, 5));
    if (draft.op == Op::add_watch) number = static_cast<int32_t>(chance.below(2));
    if (taste.wrong && chance.percent(5)) number = 9;
    encode(out, PathNumber{.path = path, .number = number});
    draft.body = out.text();
    draft.watch = draft.op == Op::add_watch;
    return draft;
}

Draft random_auth(Chance& chance, bool wrong) {
    std::string user = random_user(chance);
    std::string scheme = wrong && chance.percent(10) ? "sesame" : "digest";
    Buffer out;
    encode(out, AuthPacket{.type = 0, .scheme = scheme, .auth = as_bytes(user)});
    return {.kind = RequestKind::auth,
            .op = Op::auth,
            .body = std::string(out.text()),
            .path = {},
            .watch = false,
            .proof = scheme == "digest" ? digest_id(user) : ""};
}

// What a decoder must refuse: a good record cut short.
Draft spoil(Chance& chance, Draft draft) {
    // Some records may end early and still be whole.
    bool can = (draft.kind == RequestKind::write && draft.op != Op::reconfig) ||
               draft.op == Op::get_data || draft.op == Op::get_children;
    if (!can || draft.body.empty()) return draft;
    draft.body.resize(chance.below(draft.body.size()));
    draft.kind = RequestKind::bad;
    draft.watch = false;
    return draft;
}

}  // namespace

Draft reconfig_draft(Chance& chance, uint32_t nodes) {
    std::string joining;
    std::string leaving;
    std::string all;
    auto line = [&](uint32_t id) {
        std::string number = std::to_string(id);
        return "server." + number + "=n" + number + ":2888:3888:" +
               (chance.percent(70) ? "participant" : "observer") + ";2181";
    };
    uint32_t one = static_cast<uint32_t>(chance.between(1, nodes));
    uint32_t other = static_cast<uint32_t>(chance.between(1, nodes));
    uint64_t roll = chance.below(100);
    if (roll < 35) {
        joining = line(one);
    } else if (roll < 60) {
        leaving = std::to_string(one);
    } else if (roll < 75) {
        joining = line(one) + "," + line(other);
    } else if (roll < 85) {
        leaving = std::to_string(one), joining = line(other);
    } else {
        for (uint32_t id = 1; id <= nodes; ++id)
            if (chance.percent(70)) all += (all.empty() ? "" : ",") + line(id);
    }
    auto or_null = [](const std::string& text) {
        return text.empty() ? std::string_view() : std::string_view(text);
    };
    Buffer out;
    encode(out, ReconfigRequest{.joining = or_null(joining),
                                .leaving = or_null(leaving),
                                .members = or_null(all),
                                .config_version = chance.percent(90) ? -1 : 0x100000002});
    Draft draft{
        .kind = RequestKind::write, .op = Op::reconfig, .body = {}, .path = {}, .proof = {}};
    draft.body = out.text();
    return draft;
}

Draft ping_draft() { return {.body = {}, .path = {}, .proof = {}}; }

Draft close_draft() {
    return {.kind = RequestKind::close, .op = Op::close_session, .body = {}, .path = {},
            .proof = {}};
}

Draft create_draft(const std::string& path) {
    Acl open{31, "world", "anyone"};
    Buffer acls;
    write_acls(acls, {&open, 1});
    Buffer out;
    encode(out,
           CreateRequest{.path = path, .data = as_bytes("x"), .acls = acls.bytes(), .flags = 0},
           false);
    return {.kind = RequestKind::write,
            .op = Op::create,
            .body = std::string(out.text()),
            .path = {},
            .proof = {}};
}

Draft path_draft(Op op, const std::string& path) {
    if (op == Op::get_data || op == Op::get_children2 || op == Op::exists)
        return watch_draft(op, path, false);
    Buffer out;
    write_text(out, path);
    return {.kind = RequestKind::read,
            .op = op,
            .body = std::string(out.text()),
            .path = path,
            .proof = {}};
}

Draft random_draft(Chance& chance, const Taste& taste) {
    if (chance.percent(1)) return random_auth(chance, taste.wrong);
    if (taste.wrong && chance.permille(3)) {
        Op op = chance.pick({Op::check, Op::delete_container, Op::create_session, Op::notification,
                             static_cast<Op>(99), static_cast<Op>(-7)});
        return {.kind = RequestKind::unknown, .op = op, .body = {}, .path = {}, .proof = {}};
    }
    Draft draft = chance.percent(taste.writes_percent) ? random_write(chance, taste)
                                                       : random_read(chance, taste);
    if (taste.wrong && chance.percent(2)) draft = spoil(chance, std::move(draft));
    return draft;
}

std::string frame_of(const Draft& draft, int32_t xid) {
    Buffer out;
    size_t at = begin_frame(out);
    write_request_header(out, xid, draft.op);
    out.append(draft.body);
    end_frame(out, at);
    return std::string(out.text());
}

}  // namespace zk::sim
