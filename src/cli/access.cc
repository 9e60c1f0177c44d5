// access.cc -- commands about who may do what: addauth, getAcl, setAcl, whoami.

#include <unistd.h>

#include "cli/handlers.h"
#include "cli/print.h"
#include "cli/source.h"
#include "cli/zkcli.h"

namespace zk {

namespace {

Status show_acls(Shell& shell, const Args& args, Bytes body) {
    std::optional<Acls> got = decode_acls(body);
    if (!got) return shell.malformed();
    if (shell.json()) {
        Json list = Json::array();
        for (const Acl& acl : got->acls) {
            Json one = Json::object();
            one.set("scheme", acl.scheme).set("id", acl.id).set("perms", perms_text(acl.perms));
            list.add(std::move(one));
        }
        shell.out_line(path_json(shell, args).set("acl", std::move(list)).set_stat(got->stat));
        return Status::ok;
    }
    shell.out(acls_text(got->acls));
    if (args.has("s")) shell.out_stat(got->stat);
    return Status::ok;
}

Status show_identities(Shell& shell, const Args&, Bytes body) {
    std::optional<std::vector<Identity>> got = decode_identities(body);
    if (!got) return shell.malformed();
    if (shell.json()) {
        Json list = Json::array();
        for (const Identity& each : *got) {
            Json one = Json::object();
            list.add(std::move(one.set("scheme", each.scheme).set("user", each.user)));
        }
        shell.out_line(Json::object().set("identities", std::move(list)));
        return Status::ok;
    }
    if (shell.human() || shell.zkcli()) shell.out_line("Auth scheme: User");
    for (const Identity& one : *got)
        shell.out_line(std::string(one.scheme).append(": ").append(one.user));
    return Status::ok;
}

struct AclWalk {
    std::span<const Acl> acls;
    int32_t version;
};

Status set_one(void* context, Shell& shell, const std::string& path) {
    const auto& walk = *static_cast<const AclWalk*>(context);
    SyncClient::Reply reply = shell.call(call::set_acl(path, walk.acls, walk.version));
    // Gone since it was listed: nothing to protect.
    if (reply.header.err == Err::ok || reply.header.err == Err::no_node) return Status::ok;
    return shell.fail(reply.header.err, shell.local(path));
}

}  // namespace

Status op_addauth(Shell& shell, const Args& args) {
    std::string secret;
    if (args.words.size() > 1) {
        Status bad = read_secret(shell, args.word(1), secret);
        if (bad != Status::ok) return bad;
    } else if (!shell.zkcli()) {
        // Asked for at the terminal itself, unseen.
        if (!shell.human()) return shell.usage("too few arguments");
        const char* typed = getpass("auth (scheme digest: user:password): ");
        if (typed == nullptr) return shell.usage("no auth was given");
        secret = typed;
    }
    SyncClient::Reply reply = shell.session().add_auth(args.word(0), as_bytes(secret));
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, "");
    if (shell.json()) shell.out_line(Json::object().set("scheme", args.word(0)));
    return Status::ok;
}

Status op_get_acl(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    return shell.send(args, call::get_acl(shell.full(args.word(0))), show_acls);
}

Status op_set_acl(Shell& shell, const Args& args) {
    int32_t version = -1;
    Status status = check_path(shell, args.word(0));
    if (status == Status::ok) status = read_version(shell, args, version);
    if (status != Status::ok) return status;
    std::string text(args.word(1));
    if (shell.zkcli()) text = zkcli::clean_acls(shell, text);
    if (shell.zkcli() && text.empty()) return zkcli::refuse_acls(shell, false);
    Result<std::vector<Acl>> acls = parse_acls(text);
    if (!acls) return shell.complain(acls.error().text, Status::usage);
    std::string path = shell.full(args.word(0));
    if (!args.has("R"))
        return shell.send(args, call::set_acl(path, *acls, version), show_stat_if_asked);
    AclWalk walk{.acls = *acls, .version = version};
    status = walk_subtree(shell, path, false, {.context = &walk, .visit = set_one});
    return status == Status::ok ? show_done(shell, args) : status;
}

Status op_whoami(Shell& shell, const Args& args) {
    return shell.send(args, call::who_am_i(), show_identities);
}

}  // namespace zk
