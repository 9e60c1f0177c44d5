// data.cc -- commands about one znode: create, get, set, ls, stat, exists, delete, sync.

#include <algorithm>

#include "cli/handlers.h"
#include "cli/print.h"

namespace zk {

namespace {

constexpr Acl anyone = {.perms = perm::all, .scheme = "world", .id = "anyone"};

// The mode that -s, -e, -c and -t ask for.
Status read_mode(Shell& shell, const Args& args, CreateMode& mode, int64_t& ttl_ms) {
    bool sequential = args.has("s");
    bool ephemeral = args.has("e");
    bool container = args.has("c");
    const std::string* ttl = args.value("t");
    if (container && (sequential || ephemeral))
        return shell.usage("-c cannot be combined with -s or -e. Containers cannot be ephemeral or "
                           "sequential.");
    if (ttl != nullptr && ephemeral)
        return shell.usage("TTLs cannot be used with Ephemeral znodes");
    if (ttl != nullptr && container)
        return shell.usage("TTLs cannot be used with Container znodes");
    if (ttl != nullptr && !parse_number(*ttl, ttl_ms))
        return shell.usage("-t argument must be a long value");
    if (ttl != nullptr && (ttl_ms < 1 || ttl_ms > ttl_ms_max))
        return shell.usage("the ttl is to be from 1 to " + std::to_string(ttl_ms_max) + " ms");
    if (container) mode = CreateMode::container;
    else if (ttl != nullptr)
        mode = sequential ? CreateMode::persistent_sequential_with_ttl
                          : CreateMode::persistent_with_ttl;
    else if (ephemeral)
        mode = sequential ? CreateMode::ephemeral_sequential : CreateMode::ephemeral;
    else mode = sequential ? CreateMode::persistent_sequential : CreateMode::persistent;
    return Status::ok;
}

Status show_created(Shell& shell, const Args&, Bytes body) {
    std::optional<std::string_view> path = decode_created(body);
    if (!path) return shell.malformed();
    if (shell.human()) shell.out("Created ");
    shell.out_line(shell.local(*path));
    return Status::ok;
}

Status show_data(Shell& shell, const Args& args, Bytes body) {
    std::optional<Data> got = decode_data(body);
    if (!got) return shell.malformed();
    bool null = got->data.data() == nullptr;
    if (args.has("x")) shell.out(hex_dump(got->data));
    else if (args.has("b")) shell.out(to_base64(got->data));
    else if (null && shell.human()) shell.out("null");
    else shell.out(as_text(got->data));
    shell.out("\n");
    if (args.has("s")) shell.out(stat_text(got->stat));
    return Status::ok;
}

Status show_children(Shell& shell, const Args& args, Bytes body) {
    std::optional<Children> got = decode_children(body);
    if (!got) return shell.malformed();
    show_names(shell, std::move(got->names));
    if (args.has("s")) shell.out(stat_text(got->stat));
    return Status::ok;
}

Status show_stat(Shell& shell, const Args&, Bytes body) {
    std::optional<Stat> stat = decode_stat(body);
    if (!stat) return shell.malformed();
    shell.out(stat_text(*stat));
    return Status::ok;
}

Status show_synced(Shell& shell, const Args&, Bytes) {
    if (shell.human()) shell.out_line("Sync is OK");
    return Status::ok;
}

}  // namespace

Status check_path(Shell& shell, std::string_view path, bool sequential) {
    std::string fault = path_fault(shell.resolved(path, sequential), sequential);
    return fault.empty() ? Status::ok : shell.complain(fault, Status::usage);
}

Status read_version(Shell& shell, const Args& args, int32_t& version) {
    version = -1;
    const std::string* text = args.value("v");
    if (text == nullptr || parse_number(*text, version)) return Status::ok;
    return shell.usage("-v argument must be an int value");
}

void show_names(Shell& shell, std::vector<std::string_view> names) {
    std::sort(names.begin(), names.end());
    if (shell.human()) {
        shell.out_line(names_text(names));
        return;
    }
    for (std::string_view name : names) shell.out_line(name);
}

Status show_nothing(Shell&, const Args&, Bytes) { return Status::ok; }

Status show_stat_if_asked(Shell& shell, const Args& args, Bytes body) {
    return args.has("s") ? show_stat(shell, args, body) : Status::ok;
}

Status op_create(Shell& shell, const Args& args) {
    call::Create wanted;
    Status status = read_mode(shell, args, wanted.mode, wanted.ttl_ms);
    if (status == Status::ok)
        status = check_path(shell, args.word(0), is_sequential(wanted.mode));
    if (status != Status::ok) return status;
    std::vector<Acl> acls = {anyone};
    if (args.words.size() > 2) {
        Result<std::vector<Acl>> given = parse_acls(args.word(2));
        if (!given) return shell.complain(given.error().text, Status::usage);
        acls = std::move(*given);
    }
    std::string path = shell.full(args.word(0), is_sequential(wanted.mode));
    wanted.path = path;
    if (args.words.size() > 1) wanted.data = as_bytes(args.word(1));
    wanted.acls = acls;
    if (is_ephemeral(wanted.mode)) shell.hold_ephemerals();
    return shell.send(args, call::create(wanted), show_created);
}

Status op_get(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    return shell.send(args, call::get_data(shell.full(args.word(0)), args.has("w")), show_data);
}

Status op_set(Shell& shell, const Args& args) {
    int32_t version = -1;
    Status status = check_path(shell, args.word(0));
    if (status == Status::ok) status = read_version(shell, args, version);
    if (status != Status::ok) return status;
    std::string data(args.word(1));
    if (args.has("b")) {
        Result<std::string> bytes = from_base64(data);
        if (!bytes) return shell.complain(bytes.error().text, Status::usage);
        data = std::move(*bytes);
    }
    return shell.send(args, call::set_data(shell.full(args.word(0)), as_bytes(data), version),
                      show_stat_if_asked);
}

Status op_ls(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    if (args.has("R")) return list_subtree(shell, args);
    return shell.send(args, call::get_children(shell.full(args.word(0)), args.has("w")),
                      show_children);
}

Status op_stat(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    return shell.send(args, call::exists(shell.full(args.word(0)), args.has("w")), show_stat);
}

Status op_exists(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    SyncClient::Reply reply = shell.call(call::exists(shell.full(args.word(0)), args.has("w")));
    if (reply.header.err == Err::ok || reply.header.err == Err::no_node)
        shell.out_line(reply.header.err == Err::ok ? "true" : "false");
    if (reply.header.err == Err::ok) return Status::ok;
    if (reply.header.err == Err::no_node && shell.human()) return Status::no_node;
    return shell.fail(reply.header.err, args.word(0));
}

Status op_delete(Shell& shell, const Args& args) {
    int32_t version = -1;
    Status status = check_path(shell, args.word(0));
    if (status == Status::ok) status = read_version(shell, args, version);
    if (status != Status::ok) return status;
    return shell.send(args, call::remove(shell.full(args.word(0)), version), show_nothing);
}

Status op_sync(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    return shell.send(args, call::sync(shell.full(args.word(0))), show_synced);
}

}  // namespace zk
