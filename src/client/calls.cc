// calls.cc -- see calls.h.

#include "client/calls.h"

namespace zk {

namespace {

Call path_watch(Op op, std::string_view path, bool watch) {
    Call made{.op = op, .body = {}};
    encode(made.body, PathWatch{.path = path, .watch = watch});
    return made;
}

Call path_number(Op op, std::string_view path, int32_t number) {
    Call made{.op = op, .body = {}};
    encode(made.body, PathNumber{.path = path, .number = number});
    return made;
}

Call path_only(Op op, std::string_view path) {
    Call made{.op = op, .body = {}};
    write_text(made.body, path);
    return made;
}

template <typename T>
std::optional<T> if_ok(const Reader& in, T&& decoded) {
    if (!in.ok()) return std::nullopt;
    return std::forward<T>(decoded);
}

Op create_op(CreateMode mode) {
    if (mode == CreateMode::container) return Op::create_container;
    // The oldest that does: servers before 3.5 know no other.
    return is_ttl(mode) ? Op::create_ttl : Op::create;
}

void encode_create(Buffer& out, const call::Create& wanted) {
    Buffer acls;
    write_acls(acls, wanted.acls);
    CreateRequest record;
    record.path = wanted.path;
    record.data = wanted.data;
    record.acls = acls.bytes();
    record.flags = static_cast<int32_t>(wanted.mode);
    record.ttl_ms = wanted.ttl_ms;
    encode(out, record, is_ttl(wanted.mode));
}

// The result of one part, behind its header.
Part read_part(Reader& in, const MultiHeader& header) {
    Part part{.op = static_cast<Op>(header.type), .err = Err::ok, .path = {}, .stat = {}};
    auto read_stat = [&] {
        Stat stat;
        decode(in, stat);
        part.stat = stat;
    };
    switch (part.op) {
    case Op::create: part.path = read_text(in); break;
    case Op::create2:
        part.path = read_text(in);
        read_stat();
        break;
    case Op::set_data: read_stat(); break;
    case Op::remove:
    case Op::check: break;
    case Op::error: part.err = static_cast<Err>(in.i32()); break;
    default: in.fail();
    }
    return part;
}

}  // namespace

std::string full_path(std::string_view chroot, std::string_view path) {
    std::string full(chroot);
    if (chroot.empty() || path != "/") full += path;
    return full;
}

std::string_view local_path(std::string_view chroot, std::string_view path) {
    if (chroot.empty() || !path.starts_with(chroot)) return path;
    if (path.size() == chroot.size()) return "/";
    if (path[chroot.size()] == '/') path.remove_prefix(chroot.size());
    return path;
}

bool is_read(Op op) {
    switch (op) {
    case Op::exists:
    case Op::get_data:
    case Op::get_acl:
    case Op::get_children:
    case Op::get_children2:
    case Op::sync:
    case Op::get_ephemerals:
    case Op::get_all_children_number:
    case Op::add_watch:
    case Op::check_watches:
    case Op::multi_read:
    case Op::who_am_i: return true;
    default: return false;
    }
}

namespace call {

Call create(const Create& wanted) {
    Call made{.op = create_op(wanted.mode), .body = {}};
    encode_create(made.body, wanted);
    return made;
}

Call remove(std::string_view path, int32_t version) {
    Call made{.op = Op::remove, .body = {}};
    encode(made.body, PathVersion{.path = path, .version = version});
    return made;
}

Call set_data(std::string_view path, Bytes data, int32_t version) {
    Call made{.op = Op::set_data, .body = {}};
    encode(made.body, SetDataRequest{.path = path, .data = data, .version = version});
    return made;
}

Call set_acl(std::string_view path, std::span<const Acl> acls, int32_t version) {
    Buffer list;
    write_acls(list, acls);
    Call made{.op = Op::set_acl, .body = {}};
    encode(made.body, SetAclRequest{.path = path, .acls = list.bytes(), .version = version});
    return made;
}

Call exists(std::string_view path, bool watch) { return path_watch(Op::exists, path, watch); }
Call get_data(std::string_view path, bool watch) { return path_watch(Op::get_data, path, watch); }
Call get_children(std::string_view path, bool watch) {
    return path_watch(Op::get_children2, path, watch);
}
Call get_acl(std::string_view path) { return path_only(Op::get_acl, path); }
Call sync(std::string_view path) { return path_only(Op::sync, path); }
Call get_ephemerals(std::string_view prefix) { return path_only(Op::get_ephemerals, prefix); }
Call get_all_children_number(std::string_view path) {
    return path_only(Op::get_all_children_number, path);
}
Call add_watch(std::string_view path, AddWatchMode mode) {
    return path_number(Op::add_watch, path, static_cast<int32_t>(mode));
}
Call remove_watches(std::string_view path, WatcherType type) {
    return path_number(Op::remove_watches, path, static_cast<int32_t>(type));
}
Call reconfig(const Reconfig& wanted) {
    Call made{.op = Op::reconfig, .body = {}};
    encode(made.body, ReconfigRequest{.joining = wanted.joining,
                                      .leaving = wanted.leaving,
                                      .members = wanted.members,
                                      .config_version = wanted.version});
    return made;
}
Call who_am_i() { return Call{.op = Op::who_am_i, .body = {}}; }

void Multi::add(Op op) {
    encode(body_, MultiHeader{.type = static_cast<int32_t>(op), .done = false, .err = -1});
}

void Multi::create(const Create& wanted) {
    add(create_op(wanted.mode));
    encode_create(body_, wanted);
}

void Multi::remove(std::string_view path, int32_t version) {
    add(Op::remove);
    encode(body_, PathVersion{.path = path, .version = version});
}

void Multi::set_data(std::string_view path, Bytes data, int32_t version) {
    add(Op::set_data);
    encode(body_, SetDataRequest{.path = path, .data = data, .version = version});
}

void Multi::check(std::string_view path, int32_t version) {
    add(Op::check);
    encode(body_, PathVersion{.path = path, .version = version});
}

Call Multi::take() {
    encode(body_, MultiHeader{.type = -1, .done = true, .err = -1});
    return Call{.op = Op::multi, .body = std::exchange(body_, {})};
}

}  // namespace call

std::optional<std::string_view> decode_created(Bytes body) {
    Reader in(body);
    return if_ok(in, read_text(in));
}

std::optional<Stat> decode_stat(Bytes body) {
    Reader in(body);
    Stat stat;
    decode(in, stat);
    return if_ok(in, std::move(stat));
}

std::optional<Data> decode_data(Bytes body) {
    Reader in(body);
    Data got;
    got.data = read_buffer(in);
    decode(in, got.stat);
    return if_ok(in, std::move(got));
}

std::optional<Children> decode_children(Bytes body) {
    Reader in(body);
    Children got;
    got.names = read_texts(in);
    decode(in, got.stat);
    return if_ok(in, std::move(got));
}

std::optional<Acls> decode_acls(Bytes body) {
    Reader in(body);
    Acls got;
    got.acls = read_acls(in);
    decode(in, got.stat);
    return if_ok(in, std::move(got));
}

std::optional<std::vector<std::string_view>> decode_texts(Bytes body) {
    Reader in(body);
    return if_ok(in, read_texts(in));
}

std::optional<int32_t> decode_number(Bytes body) {
    Reader in(body);
    return if_ok(in, in.i32());
}

std::optional<std::vector<Identity>> decode_identities(Bytes body) {
    Reader in(body);
    std::vector<Identity> got;
    Count count = read_count(in, 8);
    for (uint32_t i = 0; i < count.count; ++i) {
        Identity one;
        one.scheme = read_text(in);
        one.user = read_text(in);
        got.push_back(one);
    }
    return if_ok(in, std::move(got));
}

std::optional<std::vector<Part>> decode_parts(Bytes body) {
    Reader in(body);
    std::vector<Part> parts;
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (!in.ok()) return std::nullopt;
        if (header.done) return parts;
        parts.push_back(read_part(in, header));
    }
}

}  // namespace zk
