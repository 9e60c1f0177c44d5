// subtree.cc -- commands about a znode and all below it: ls -R, deleteall, getAllChildrenNumber.
//
// Trees are walked with many requests under way, since one at a time costs a round trip a znode.
// The whole tree is never asked for at once: only the children of one znode's children.

#include <algorithm>

#include "cli/handlers.h"
#include "cli/print.h"

namespace zk {

namespace {

constexpr size_t listings_max = 256;  // asked for at a time
constexpr int32_t deletes_default = 1000;
constexpr size_t depth_max = 2000;    // of recursion; paths are shorter than that anyway

struct Listing {
    std::string path;
    std::vector<std::string> names;  // sorted
    Err err = Err::ok;
    bool malformed = false;
};

std::string below(const std::string& parent, std::string_view name) {
    std::string path = parent == "/" ? "" : parent;
    return path.append("/").append(name);
}

void take_listing(void* context, uint64_t index, const ReplyHeader& header, Bytes body) {
    Listing& listing = (*static_cast<std::vector<Listing>*>(context))[index];
    listing.err = header.err;
    if (header.err != Err::ok) return;
    std::optional<Children> got = decode_children(body);
    listing.malformed = !got;
    if (!got) return;
    listing.names.assign(got->names.begin(), got->names.end());
    std::sort(listing.names.begin(), listing.names.end());
}

// Fills in the names of all listings, which have only their paths.
Status list_all(Shell& shell, std::vector<Listing>& listings, bool watch) {
    for (size_t i = 0; i < listings.size(); ++i)
        shell.post(call::get_children(listings[i].path, watch),
                   OnReply{.run = take_listing, .context = &listings, .tag = i});
    if (!shell.drain(0)) return shell.fail(Err::request_timeout, "");
    for (Listing& listing : listings) {
        if (listing.err == Err::connection_loss) {  // again, now with patience
            SyncClient::Reply reply = shell.call(call::get_children(listing.path, watch));
            take_listing(&listings, static_cast<uint64_t>(&listing - listings.data()),
                         reply.header, reply.body);
        }
        if (listing.malformed) return shell.malformed();
        if (listing.err != Err::ok && listing.err != Err::no_node)
            return shell.fail(listing.err, shell.local(listing.path));
    }
    return Status::ok;
}

Status walk(Shell& shell, const Listing& of, bool watch, SubtreeVisitor visitor, size_t depth) {
    if (depth > depth_max) return shell.complain("the tree is too deep", Status::failed);
    for (const std::string& name : of.names)
        if (Status status = visitor.visit(visitor.context, shell, below(of.path, name));
            status != Status::ok)
            return status;
    for (size_t first = 0; first < of.names.size(); first += listings_max) {
        size_t end = std::min(first + listings_max, of.names.size());
        std::vector<Listing> children;
        for (size_t i = first; i < end; ++i)
            children.push_back({.path = below(of.path, of.names[i]), .names = {}});
        if (Status status = list_all(shell, children, watch); status != Status::ok) return status;
        for (const Listing& child : children)
            if (Status status = walk(shell, child, watch, visitor, depth + 1);
                status != Status::ok)
                return status;
    }
    return Status::ok;
}

// Deletes that are under way, and what became of them.
struct Deletes {
    size_t refused = 0;
    Err err = Err::ok;  // the first refusal
    std::string path;
    const std::vector<std::string>* paths = nullptr;
};

void take_delete(void* context, uint64_t index, const ReplyHeader& header, Bytes) {
    auto& deletes = *static_cast<Deletes*>(context);
    // Somebody else was faster: what we want is the case.
    if (header.err == Err::ok || header.err == Err::no_node) return;
    if (deletes.refused++ > 0) return;
    deletes.err = header.err;
    deletes.path = (*deletes.paths)[index];
}

// Leaves first: requests of one session are carried out in order.
Status delete_paths(Shell& shell, const std::vector<std::string>& paths, size_t window) {
    Deletes deletes;
    deletes.paths = &paths;
    for (size_t i = paths.size(); i > 0 && deletes.refused == 0; --i) {
        shell.post(call::remove(paths[i - 1], -1),
                   OnReply{.run = take_delete, .context = &deletes, .tag = i - 1});
        if (!shell.drain(window - 1)) return shell.fail(Err::request_timeout, "");
    }
    if (!shell.drain(0)) return shell.fail(Err::request_timeout, "");
    if (deletes.refused == 0) return Status::ok;
    if (shell.zkcli()) {  // where this is no failure
        shell.err_line("Failed to delete some node(s) in the subtree!");
        return Status::ok;
    }
    Status status = shell.fail(deletes.err, shell.local(deletes.path));
    shell.warn("Failed to delete some node(s) in the subtree!");
    return status;
}

Status show_number(Shell& shell, const Args& args, Bytes body) {
    std::optional<int32_t> number = decode_number(body);
    if (!number) return shell.malformed();
    if (shell.json()) shell.out_line(path_json(shell, args).set("count", *number));
    else shell.out_line(std::to_string(*number));
    return Status::ok;
}

}  // namespace

Status walk_subtree(Shell& shell, const std::string& path, bool watch, SubtreeVisitor visitor) {
    SyncClient::Reply reply = shell.call(call::get_children(path, watch));
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, shell.local(path));
    std::vector<Listing> root(1);
    root[0].path = path;
    take_listing(&root, 0, reply.header, reply.body);
    if (root[0].malformed) return shell.malformed();
    Status status = visitor.visit(visitor.context, shell, path);
    return status == Status::ok ? walk(shell, root[0], watch, visitor, 0) : status;
}

Status list_subtree(Shell& shell, const Args& args) {
    bool nul = args.has("0");
    auto print = [](void* ends_in_nul, Shell& to, const std::string& path) {
        std::string_view local = to.local(path);
        if (to.json()) to.out_line(Json::object().set("path", local));
        else to.out(std::string(local) + (*static_cast<bool*>(ends_in_nul) ? '\0' : '\n'));
        return Status::ok;
    };
    return walk_subtree(shell, shell.full(args.word(0)), args.has("w"),
                        {.context = &nul, .visit = print});
}

Status op_deleteall(Shell& shell, const Args& args) {
    int32_t window = deletes_default;
    if (const std::string* given = args.value("b"); given && !parse_number(*given, window))
        return shell.usage("-b argument must be an int value");
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    if (shell.local(shell.full(args.word(0))) == "/")
        return shell.complain("the root cannot be deleted; name what is below it", Status::usage);
    std::vector<std::string> paths;
    auto collect = [](void* context, Shell&, const std::string& path) {
        static_cast<std::vector<std::string>*>(context)->push_back(path);
        return Status::ok;
    };
    Status status = walk_subtree(shell, shell.full(args.word(0)), false,
                                 {.context = &paths, .visit = collect});
    if (status != Status::ok) return status;
    status = delete_paths(shell, paths, window > 0 ? static_cast<size_t>(window) : 1);
    if (status == Status::ok && shell.json())
        shell.out_line(path_json(shell, args).set("deleted", static_cast<uint64_t>(paths.size())));
    return status;
}

Status op_all_children_number(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    return shell.send(args, call::get_all_children_number(shell.full(args.word(0))), show_number);
}

}  // namespace zk
