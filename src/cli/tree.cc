// tree.cc -- commands that look at subtrees: tree, du, count; and what all tree commands share.

#include <vector>

#include "cli/handlers.h"
#include "cli/quantity.h"
#include "cli/trees.h"

namespace zk {

namespace {

// "├── " and so on, for a znode at this depth. `open`: of each depth above, whether siblings come.
std::string branch(const Found& found, std::vector<bool>& open) {
    open.resize(found.depth + 1);
    open[found.depth] = !found.last;
    std::string text;
    for (size_t depth = 1; depth < found.depth; ++depth) text += open[depth] ? "│   " : "    ";
    if (found.depth > 0) text += found.last ? "└── " : "├── ";
    return text;
}

void draw(Shell& shell, const Args& args, const Found& found, std::vector<bool>& open) {
    std::string text = branch(found, open);
    text += found.depth == 0 ? shell.local(found.path) : last_name(found.path);
    if (!args.has("n")) {
        Kind kind = kind_of(found.stat);
        text += "  " + size_text(found.stat.data_length);
        int64_t mtime = found.stat.mtime;  // 0 of what the server began with
        std::string age = mtime == 0 ? "-" : age_text(wall_clock_ms() - mtime);
        text += "  " + (args.has("t") ? utc_text(mtime) : age);
        if (kind != Kind::persistent) text.append("  ").append(kind_name(kind));
    }
    shell.out_line(text);
}

void list(Shell& shell, const Args& args, const Found& found) {
    std::string text(shell.local(found.path));
    if (!args.has("n")) {
        text += "\t" + std::to_string(found.stat.data_length) + "\t" + utc_text(found.stat.mtime);
        text.append("\t").append(kind_name(kind_of(found.stat)));
    }
    shell.out_line(text);
}

void list_json(Shell& shell, const Args& args, const Found& found) {
    Json json = Json::object();
    json.set("path", shell.local(found.path)).set("depth", static_cast<uint64_t>(found.depth));
    if (!args.has("n")) {
        json.set("bytes", found.stat.data_length).set("children", found.stat.num_children);
        json.set("mtime", found.stat.mtime).set("kind", kind_name(kind_of(found.stat)));
    }
    shell.out_line(json);
}

// The sum of a znode and all below it.
struct Sum {
    std::string path;
    int64_t bytes = 0;
    int64_t znodes = 0;
};

void show_sum(Shell& shell, const Args& args, const Sum& sum) {
    if (shell.json()) {
        Json json = Json::object();
        json.set("path", shell.local(sum.path)).set("bytes", sum.bytes).set("znodes", sum.znodes);
        shell.out_line(json);
        return;
    }
    bool short_sizes = args.has("h") || shell.human();
    std::string bytes = short_sizes ? size_text(sum.bytes) : std::to_string(sum.bytes);
    std::string znodes = std::to_string(sum.znodes);
    if (shell.human()) {
        bytes.insert(0, bytes.size() < 7 ? 7 - bytes.size() : 0, ' ');
        znodes.insert(0, znodes.size() < 9 ? 9 - znodes.size() : 0, ' ');
    }
    shell.out_line(bytes + "\t" + znodes + "\t" + std::string(shell.local(sum.path)));
}

Status count_by_walking(Shell& shell, const std::string& path, int64_t& number) {
    Walk walk(shell.session(), path, {});
    Found found;
    Walk::Step step;
    number = -1;  // not the first
    while ((step = walk.next(found)) == Walk::Step::found) ++number;
    return end_of_walk(shell, walk, step, path);
}

}  // namespace

Status op_tree(Shell& shell, const Args& args) {
    std::string path;
    WalkOptions options;
    Status status = tree_path(shell, args, 0, path);
    if (status == Status::ok) status = read_count_option(shell, args, "L", options.depth_max);
    if (status != Status::ok) return status;
    Walk walk(shell.session(), path, std::move(options));
    std::vector<bool> open;
    Found found;
    Walk::Step step;
    while ((step = walk.next(found)) == Walk::Step::found && !no_reader(shell)) {
        if (shell.json()) list_json(shell, args, found);
        else if (shell.human() || args.has("d")) draw(shell, args, found, open);
        else list(shell, args, found);
    }
    return end_of_walk(shell, walk, step, path);
}

Status op_du(Shell& shell, const Args& args) {
    std::string path;
    size_t levels = 1;
    Status status = tree_path(shell, args, 0, path);
    if (status == Status::ok) status = read_count_option(shell, args, "L", levels);
    if (status != Status::ok) return status;
    Walk walk(shell.session(), path, {});
    std::vector<Sum> sums;  // of the path to where we are, down to `levels`
    auto leave = [&] {      // the last is complete
        Sum sum = std::move(sums.back());
        sums.pop_back();
        if (!sums.empty()) {
            sums.back().bytes += sum.bytes;
            sums.back().znodes += sum.znodes;
        }
        show_sum(shell, args, sum);
    };
    Found found;
    Walk::Step step;
    while ((step = walk.next(found)) == Walk::Step::found && !no_reader(shell)) {
        while (sums.size() > found.depth) leave();
        if (found.depth <= levels) sums.push_back({.path = found.path, .bytes = 0, .znodes = 0});
        sums.back().bytes += found.stat.data_length;
        ++sums.back().znodes;
    }
    if (step != Walk::Step::failed)
        while (!sums.empty()) leave();
    return end_of_walk(shell, walk, step, path);
}

Status op_count(Shell& shell, const Args& args) {
    std::string path;
    if (Status bad = tree_path(shell, args, 0, path); bad != Status::ok) return bad;
    int64_t number = 0;
    Status status = Status::ok;
    SyncClient::Reply reply = shell.call(call::get_all_children_number(path));
    if (reply.header.err == Err::ok) {
        std::optional<int32_t> got = decode_number(reply.body);
        if (!got) return shell.malformed();
        number = *got;
    } else if (reply.header.err == Err::unimplemented) {  // before ZooKeeper 3.6
        status = count_by_walking(shell, path, number);
    } else {
        return shell.fail(reply.header.err, shell.local(path));
    }
    if (number < 0) return status;
    if (shell.json()) {
        Json json = Json::object();
        shell.out_line(json.set("path", shell.local(path)).set("znodes", number));
    } else {
        shell.out_line(std::to_string(number));
    }
    return status;
}

// -- shared --------------------------------------------------------------------------------------

Status tree_path(Shell& shell, const Args& args, size_t index, std::string& path) {
    shell.drain(0);  // what earlier lines show comes first
    std::string_view here = shell.directory().empty() ? "/" : std::string_view(shell.directory());
    std::string_view word = index < args.words.size() ? args.word(index) : here;
    if (Status bad = check_path(shell, word); bad != Status::ok) return bad;
    path = shell.full(word);
    return Status::ok;
}

Status read_count_option(Shell& shell, const Args& args, std::string_view name, size_t& number) {
    const std::string* given = args.value(name);
    int64_t parsed = 0;
    if (given == nullptr) return Status::ok;
    if (!parse_number(*given, parsed) || parsed < 0)
        return shell.usage("-" + std::string(name) + " is to be a number");
    number = static_cast<size_t>(parsed);
    return Status::ok;
}

Status end_of_walk(Shell& shell, const Walk& walk, Walk::Step step, const std::string& root) {
    if (walk.malformed()) return shell.malformed();
    if (step == Walk::Step::failed) return shell.fail(walk.err(), shell.local(root));
    return tell_denied(shell, walk);
}

Status tell_hidden(Shell& shell, const std::string& path) {
    std::string shown(shell.local(path));
    return shell.complain("the server hides digests in the ACL of " + shown +
                              " from whom it does not allow to change it (addauth, or --no-acl)",
                          Status::no_auth, shown);
}

Status tell_denied(Shell& shell, const Walk& walk) {
    if (walk.denied() == 0) return Status::ok;
    std::string text = "Insufficient permission : " + std::string(shell.local(walk.first_denied()));
    if (walk.denied() > 1) text += " and " + std::to_string(walk.denied() - 1) + " more";
    text += " (left out, with all below)";
    return shell.complain(text, Status::no_auth, shell.local(walk.first_denied()));
}

}  // namespace zk
