// recipe_watch.cc -- watch: a line, or a run of a command, for each change.
//
// Owns what is known of each znode watched. Events only say where to look: what is told comes from
// comparing what is read with what was known, so nothing is told twice. After a new connection or a
// new session everything is read again, and so what changed meanwhile is told, too. Of several
// changes between two looks the last is seen; the version says how many there were.
//
//     one znode      exists and getData with a watch each; with --children also getChildren
//     --recursive    one persistent recursive watch, and a walk over the tree after each connect
//
// What may not be listed hides what is below it: whether that is there or gone can't be known, so
// nothing is told of it. An event from there is reason to try again; once it may be listed, what
// is below is told as after a new connection.

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/handlers.h"
#include "cli/names.h"
#include "cli/print.h"
#include "cli/recipe.h"
#include "cli/recipe_handlers.h"

namespace zk {

namespace {

class Watcher {
public:
    Watcher(Shell& shell, Recipe& recipe, const Args& args)
        : shell_(shell), recipe_(recipe), args_(args), root_(shell.resolved(args.word(0))) {}

    Status run();

private:
    struct Known {
        int64_t czxid = 0;  // 0: it was created, but we never saw it
        int64_t mzxid = 0;
        int32_t version = -1;
    };
    struct Seen {
        Err err = Err::ok;
        Stat stat;
        std::string data;
        bool has_data = false;
    };

    Status look_at_all();
    Status look_at_event(const Recipe::Event& event);
    Status look_below(const std::string& top);
    Status look_at(const std::string& path, EventType event, int64_t zxid, bool watch);
    Status look_at_children();
    Status walk(const std::string& path, std::set<std::string>& found);
    Status forget_all_but(const std::set<std::string>& found, std::string_view top);
    Seen read(const std::string& path, bool watch);
    Status tell(std::string_view kind, const std::string& path, int64_t zxid, int32_t version,
                const Seen* seen);
    Status run_command(std::string_view kind, const std::string& path, int64_t zxid,
                       int32_t version, const Seen* seen);
    void hide(const std::string& path);
    std::string_view hidden_above(std::string_view path) const;
    bool finished() const { return count_ > 0 && told_ >= count_; }
    std::string child_path(std::string_view parent, std::string_view name) const {
        return std::string(parent == "/" ? "" : parent) + "/" + std::string(name);
    }

    Shell& shell_;
    Recipe& recipe_;
    const Args& args_;
    std::string root_;
    std::map<std::string, Known, std::less<>> known_;
    std::map<std::string, uint64_t, std::less<>> hidden_;  // and the last look that found it so
    uint64_t look_ = 0;  // at a subtree
    int32_t count_ = 0;  // 0: without end
    int32_t told_ = 0;
    int64_t watched_in_ = 0;  // the session with the recursive watch
    bool quiet_ = true;       // the first look, without --initial
    bool first_ = true;
    Status failure_ = Status::ok;  // of the first command that failed
};

Status Watcher::run() {
    const std::string* count = args_.value("count");
    if (count != nullptr && (!parse_number(*count, count_) || count_ < 1))
        return shell_.usage("--count is to be a number from 1");
    quiet_ = !args_.has("initial");
    size_t seen = SIZE_MAX;
    while (!finished()) {
        Status status = Status::ok;
        std::vector<Recipe::Event> events = recipe_.take_events();
        bool anew = seen != recipe_.connections() || recipe_.session() == 0;
        if (anew || !args_.has("recursive")) {
            seen = recipe_.connections();
            status = look_at_all();
        } else {
            for (const Recipe::Event& event : events)
                if (status == Status::ok && !finished()) status = look_at_event(event);
        }
        if (status == Status::expired) continue;
        if (status != Status::ok) return status;
        if (finished()) break;
        quiet_ = first_ = false;
        status = recipe_.wait_change(seen);
        if (status != Status::ok) return status;
    }
    return failure_;
}

// Status::expired: begin again, in another session.
Status Watcher::look_at_all() {
    if (!args_.has("recursive")) {
        Status status = look_at(root_, EventType::none, 0, true);
        if (status != Status::ok || !args_.has("children") || finished()) return status;
        return look_at_children();
    }
    if (recipe_.session() == 0 || watched_in_ != recipe_.session()) {
        Err err = recipe_.call(call::add_watch(shell_.full(root_),
                                               AddWatchMode::persistent_recursive)).header.err;
        if (err == Err::session_expired) return Status::expired;
        if (err != Err::ok) return recipe_.fail(err, root_);
        watched_in_ = recipe_.session();
    }
    return look_below(root_);
}

Status Watcher::look_at_event(const Recipe::Event& event) {
    if (std::string_view above = hidden_above(event.path); !above.empty())
        return look_below(std::string(above));
    bool was_hidden = hidden_.contains(event.path);
    Status status = look_at(event.path, event.type, event.zxid, false);
    return status == Status::ok && was_hidden && !finished() ? look_below(event.path) : status;
}

// At all of a subtree, and at what is hidden there as if for the first time.
Status Watcher::look_below(const std::string& top) {
    ++look_;
    std::set<std::string> found;
    Status status = walk(top, found);
    if (status != Status::ok || finished()) return status;
    std::erase_if(hidden_, [&](const auto& hidden) {
        return hidden.second != look_ && is_within(hidden.first, top);
    });
    return forget_all_but(found, top);
}

Status Watcher::walk(const std::string& path, std::set<std::string>& found) {
    // Parents before their children, with a list instead of the stack.
    std::vector<std::string> todo = {path};
    while (!todo.empty() && !finished()) {
        std::string at = std::move(todo.back());
        todo.pop_back();
        Status status = look_at(at, EventType::none, 0, false);
        if (status != Status::ok) return status;
        if (!known_.contains(at)) continue;
        found.insert(at);
        SyncClient::Reply reply = recipe_.call(call::get_children(shell_.full(at), false));
        Err err = reply.header.err;
        if (err == Err::no_auth && at != root_) hide(at);
        if (err == Err::no_node || (err == Err::no_auth && at != root_)) continue;
        if (err == Err::session_expired) return Status::expired;
        if (err != Err::ok) return recipe_.fail(err, at);
        hidden_.erase(at);
        std::optional<Children> got = decode_children(reply.body);
        if (!got) return shell_.malformed();
        std::sort(got->names.rbegin(), got->names.rend());
        for (std::string_view name : got->names) todo.push_back(child_path(at, name));
    }
    return Status::ok;
}

Status Watcher::forget_all_but(const std::set<std::string>& found, std::string_view top) {
    auto at = top == "/" ? known_.end() : known_.lower_bound(std::string(top) + '0');  // behind '/'
    while (at != known_.lower_bound(top) && !finished()) {
        --at;
        if (!is_within(at->first, top) || found.contains(at->first)) continue;
        if (!hidden_above(at->first).empty()) continue;
        auto [path, was] = *at;
        at = known_.erase(at);
        Status status = tell("deleted", path, 0, was.version, nullptr);
        if (status != Status::ok) return status;
    }
    return Status::ok;
}

void Watcher::hide(const std::string& path) {
    if (hidden_.insert_or_assign(path, look_).second)
        shell_.warn(error_text(Err::no_auth, path) + " (left out, with all below)");
}

// The first hidden znode on the way to this one; empty if there is none.
std::string_view Watcher::hidden_above(std::string_view path) const {
    if (hidden_.empty()) return {};
    for (size_t end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1))
        if (hidden_.contains(path.substr(0, end))) return path.substr(0, end);
    return {};
}

Status Watcher::look_at_children() {
    SyncClient::Reply reply = recipe_.call(call::get_children(shell_.full(root_), true));
    Err err = reply.header.err;
    if (err == Err::session_expired) return Status::expired;
    if (err != Err::ok && err != Err::no_node) return recipe_.fail(err, root_);
    std::set<std::string> found = {root_};
    int64_t pzxid = 0;
    if (err == Err::ok) {
        std::optional<Children> got = decode_children(reply.body);
        if (!got) return shell_.malformed();
        pzxid = got->stat.pzxid;
        for (std::string_view name : got->names) found.insert(child_path(root_, name));
    }
    for (const std::string& path : found) {
        if (path == root_ || known_.contains(path) || finished()) continue;
        // One that is gone by now is told nevertheless, and its end at the next look.
        Status status = look_at(path, EventType::created, pzxid, false);
        if (status != Status::ok) return status;
    }
    if (!known_.contains(root_)) found.clear();
    return forget_all_but(found, root_);
}

Watcher::Seen Watcher::read(const std::string& path, bool watch) {
    Seen seen;
    std::string full = shell_.full(path);
    SyncClient::Reply reply = recipe_.call(call::get_data(full, watch));
    seen.err = reply.header.err;
    if (std::optional<Data> got; seen.err == Err::ok && (got = decode_data(reply.body))) {
        seen.stat = got->stat;
        seen.data = as_text(got->data);
        seen.has_data = got->data.data() != nullptr;
        return seen;
    }
    // Who may not read it may yet know about it; and who waits for it has to watch it, too.
    if (seen.err != Err::no_auth && !(watch && seen.err == Err::no_node)) return seen;
    reply = recipe_.call(call::exists(full, watch));
    if (seen.err == Err::no_node && reply.header.err == Err::ok) return read(path, watch);
    seen.err = reply.header.err;
    if (seen.err == Err::ok) seen.stat = decode_stat(reply.body).value_or(Stat());
    return seen;
}

// Compares it with what is known, and tells the difference. `event` is why we look, if it is known.
Status Watcher::look_at(const std::string& path, EventType event, int64_t zxid, bool watch) {
    Seen seen = read(path, watch);
    if (seen.err == Err::session_expired) return Status::expired;
    if (seen.err == Err::no_auth && path != root_) {
        hide(path);
        return Status::ok;
    }
    if (seen.err != Err::ok && seen.err != Err::no_node) return recipe_.fail(seen.err, path);
    auto at = known_.find(path);
    if (seen.err == Err::no_node) {
        hidden_.erase(path);
        if (at != known_.end()) {
            int32_t version = at->second.version;
            known_.erase(at);
            return tell("deleted", path, event == EventType::deleted ? zxid : 0, version, nullptr);
        }
        if (event != EventType::created) return Status::ok;
        known_[path] = {};
        return tell("created", path, zxid, -1, nullptr);
    }
    const Stat& stat = seen.stat;
    Known now{.czxid = stat.czxid, .mzxid = stat.mzxid, .version = stat.version};
    if (at == known_.end()) {
        known_[path] = now;
        return tell(first_ ? "present" : "created", path, stat.mzxid, stat.version, &seen);
    }
    Known was = std::exchange(at->second, now);
    if (was.czxid != now.czxid) {
        Status status = tell("deleted", path, 0, was.version, nullptr);
        if (status != Status::ok || finished()) return status;
        return tell("created", path, stat.mzxid, stat.version, &seen);
    }
    if (was.mzxid == now.mzxid) return Status::ok;
    return tell("changed", path, stat.mzxid, stat.version, &seen);
}

// -- telling -------------------------------------------------------------------------------------

Status Watcher::tell(std::string_view kind, const std::string& path, int64_t zxid, int32_t version,
                     const Seen* seen) {
    if (quiet_) return Status::ok;
    ++told_;
    if (!args_.command.empty()) return run_command(kind, path, zxid, version, seen);
    if (shell_.json()) {
        Json json = Json::object();
        json.set("event", kind).set("path", path);
        if (zxid > 0) json.set("zxid", zxid);
        if (version >= 0) json.set("version", version);
        if (seen != nullptr)
            json.set_data(seen->has_data ? as_bytes(seen->data) : Bytes());
        shell_.out_line(json);
    } else if (shell_.human()) {
        std::string text(kind);
        text.append(" ").append(path);
        if (version >= 0) text += "  version " + std::to_string(version);
        if (zxid > 0) text += "  zxid " + hex_text(zxid);
        shell_.out_line(text);
    } else {
        std::string text(kind);
        text.append("\t").append(path).append("\t");
        shell_.out_line(text + std::to_string(zxid) + "\t" + std::to_string(version));
    }
    shell_.flush();
    return shell_.wants_quit() ? Status::failed : Status::ok;  // nobody reads it any more
}

Status Watcher::run_command(std::string_view kind, const std::string& path, int64_t zxid,
                            int32_t version, const Seen* seen) {
    Child::Plan plan;
    plan.command = args_.command;
    plan.environment = {{"ZK_EVENT", std::string(kind)},
                        {"ZK_PATH", path},
                        {"ZK_ZXID", std::to_string(zxid)},
                        {"ZK_VERSION", std::to_string(version)}};
    plan.input = file_of(seen != nullptr ? as_bytes(seen->data) : Bytes());
    if (plan.input < 0)
        return shell_.complain("no file can be made for the command's input", Status::failed);
    Status status = recipe_.run(plan);
    close(plan.input);
    if (status != Status::ok && failure_ == Status::ok) failure_ = status;
    bool cannot_run = status == Status::unknown_command || status == static_cast<Status>(126);
    return cannot_run ? status : Status::ok;
}

}  // namespace

Status op_watch(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    return Watcher(shell, recipe, args).run();
}

}  // namespace zk
