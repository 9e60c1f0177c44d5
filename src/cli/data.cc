// data.cc -- commands about one znode: create, get, set, ls, stat, exists, delete, sync.

#include <algorithm>

#include "cli/handlers.h"
#include "cli/human.h"
#include "cli/print.h"
#include "cli/source.h"
#include "cli/words.h"
#include "cli/zkcli.h"

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
        return shell.usage("ttl must be positive and cannot be larger than: " +
                           std::to_string(ttl_ms_max));
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
    std::string made(shell.local(*path));
    if (shell.zkcli()) {
        shell.err_line("Created " + made);
        return Status::ok;
    }
    if (shell.json()) {
        shell.out_line(std::move(Json::object().set("path", made)));
        return Status::ok;
    }
    if (shell.human()) shell.out("Created ");
    shell.out_line(made);
    return Status::ok;
}

Status show_data_json(Shell& shell, const Args& args, const Data& got) {
    Json json = path_json(shell, args);
    if (args.has("b") && got.data.data() != nullptr) json.set("base64", to_base64(got.data));
    else json.set_data(got.data);
    shell.out_line(json.set_stat(got.stat));
    return Status::ok;
}

Status show_data(Shell& shell, const Args& args, Bytes body) {
    std::optional<Data> got = decode_data(body);
    if (!got) return shell.malformed();
    if (shell.json()) return show_data_json(shell, args, *got);
    bool null = got->data.data() == nullptr;
    Bytes data = null && shell.zkcli() ? as_bytes("null") : got->data;
    // A terminal is not for every byte.
    if (args.has("x") || (shell.human() && !args.has("0") && !args.has("b") && !is_text(data)))
        shell.out(hex_dump(data));
    else if (args.has("b")) shell.out(to_base64(data));
    else if (null && shell.human()) shell.out("null");
    else shell.out(as_text(data));
    if (!args.has("0")) shell.out("\n");
    if (args.has("s")) shell.out_stat(got->stat);
    return Status::ok;
}

Status show_children(Shell& shell, const Args& args, Bytes body) {
    std::optional<Children> got = decode_children(body);
    if (!got) return shell.malformed();
    std::sort(got->names.begin(), got->names.end());
    if (shell.json()) {
        Json names = Json::array();
        for (std::string_view name : got->names) names.add(name);
        Json json = path_json(shell, args);
        shell.out_line(json.set("children", std::move(names)).set_stat(got->stat));
        return Status::ok;
    }
    if (args.has("0")) {
        for (std::string_view name : got->names) shell.out(std::string(name) + '\0');
        return Status::ok;
    }
    show_names(shell, std::move(got->names));
    if (args.has("s")) shell.out_stat(got->stat);
    return Status::ok;
}

Status show_stat(Shell& shell, const Args& args, Bytes body) {
    std::optional<Stat> stat = decode_stat(body);
    if (!stat) return shell.malformed();
    if (shell.json()) shell.out_line(path_json(shell, args).set_stat(*stat));
    else shell.out_stat(*stat);
    return Status::ok;
}

Status show_synced(Shell& shell, const Args& args, Bytes) {
    if (shell.human() || shell.zkcli()) shell.out_line("Sync is OK");
    return show_done(shell, args);
}

}  // namespace

Status check_path(Shell& shell, std::string_view path, bool sequential) {
    std::string fault = path_fault(shell.resolved(path, sequential), sequential);
    return fault.empty() ? Status::ok : shell.complain(fault, Status::usage);
}

Status read_version(Shell& shell, const Args& args, int32_t& version) {
    version = -1;
    const std::string* text = args.value("v");
    if (text == nullptr) return Status::ok;
    if (parse_number(*text, version)) return Status::ok;
    return shell.usage("-v argument must be an int value");
}

void show_names(Shell& shell, std::vector<std::string_view> names) {
    std::sort(names.begin(), names.end());
    if (shell.zkcli()) return shell.out_line(names_text(names));
    if (shell.human()) {
        std::vector<std::string> shown;
        for (std::string_view name : names) shown.push_back(escaped(name));
        return shell.out(in_columns(shown, terminal_width()));
    }
    for (std::string_view name : names) shell.out_line(name);
}

Json path_json(Shell& shell, const Args& args) {
    Json json = Json::object();
    json.set("path", shell.local(shell.full(args.word(0))));
    return json;
}

Status show_done(Shell& shell, const Args& args) {
    if (shell.json()) shell.out_line(path_json(shell, args));
    return Status::ok;
}

Status show_nothing(Shell& shell, const Args& args, Bytes) { return show_done(shell, args); }

Status show_stat_if_asked(Shell& shell, const Args& args, Bytes body) {
    return args.has("s") || shell.json() ? show_stat(shell, args, body) : Status::ok;
}

Status read_create(Shell& shell, const Args& args, CreateWords& words) {
    Status status = read_mode(shell, args, words.mode, words.ttl_ms);
    if (status == Status::ok)
        status = check_path(shell, args.word(0), is_sequential(words.mode));
    if (status != Status::ok) return status;
    words.path = shell.full(args.word(0), is_sequential(words.mode));
    words.has_data = args.words.size() > 1;
    if (words.has_data) status = read_data(shell, args.word(1), args.has("b"), words.data);
    if (status != Status::ok || args.words.size() < 3) return status;
    words.acls = args.word(2);
    if (shell.zkcli()) words.acls = zkcli::clean_acls(shell, words.acls);
    if (shell.zkcli() && words.acls.empty()) return zkcli::refuse_acls(shell, true);
    if (Result<std::vector<Acl>> given = parse_acls(words.acls); !given)
        return shell.complain(given.error().text, Status::usage);
    return Status::ok;
}

call::Create create_of(const CreateWords& words, std::vector<Acl>& acls) {
    acls = {anyone};
    if (!words.acls.empty()) acls = *parse_acls(words.acls);
    return {.path = words.path,
            .data = words.has_data ? as_bytes(words.data) : Bytes(),
            .acls = acls,
            .mode = words.mode,
            .ttl_ms = words.ttl_ms};
}

Status op_create(Shell& shell, const Args& args) {
    CreateWords words;
    if (Status bad = read_create(shell, args, words); bad != Status::ok) return bad;
    std::vector<Acl> acls;
    if (is_ephemeral(words.mode)) shell.hold_ephemerals();
    return shell.send(args, call::create(create_of(words, acls)), show_created);
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
    std::string data;
    status = read_data(shell, args.word(1), args.has("b"), data);
    if (status != Status::ok) return status;
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
    bool there = reply.header.err == Err::ok;
    if (!there && reply.header.err != Err::no_node)
        return shell.fail(reply.header.err, args.word(0));
    if (shell.json()) {
        Json json = path_json(shell, args);
        json.set("exists", there);
        std::optional<Stat> stat;
        if (there) stat = decode_stat(reply.body);
        if (stat) json.set_stat(*stat);
        shell.out_line(json);
    } else {
        shell.out_line(there ? "true" : "false");
    }
    if (there) return Status::ok;
    return shell.human() ? Status::no_node : shell.fail(reply.header.err, args.word(0));
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
