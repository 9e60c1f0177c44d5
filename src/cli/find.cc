// find.cc -- find: the znodes of a subtree that satisfy all that is asked.

#include <optional>

#include "cli/handlers.h"
#include "cli/quantity.h"
#include "cli/trees.h"

namespace zk {

namespace {

struct Wanted {
    std::optional<std::string> name;
    std::optional<std::string> path;
    std::optional<std::string> contains;
    std::optional<Bound> size;
    std::optional<Bound> children;
    std::optional<Bound> changed_ms;  // how long ago
    std::optional<Bound> created_ms;
    std::optional<Kind> kind;
    std::optional<int64_t> owner;

    bool holds(const Found& found, std::string_view local, int64_t now_ms) const {
        const Stat& stat = found.stat;
        if (name && !matches(*name, last_name(local))) return false;
        if (path && !matches(*path, local)) return false;
        if (size && !size->holds(stat.data_length)) return false;
        if (children && !children->holds(stat.num_children)) return false;
        if (changed_ms && !changed_ms->holds(now_ms - stat.mtime)) return false;
        if (created_ms && !created_ms->holds(now_ms - stat.ctime)) return false;
        if (kind && *kind != kind_of(stat)) return false;
        if (owner && *owner != stat.ephemeral_owner) return false;
        return !contains || found.data.find(*contains) != std::string::npos;
    }
};

std::optional<int64_t> parse_count(std::string_view text) {
    int64_t number = 0;
    if (!parse_number(text, number) || number < 0) return std::nullopt;
    return number;
}

// A session as servers and logs write it: hexadecimal, with 0x or without.
std::optional<int64_t> parse_session(const std::string& text) {
    char* end = nullptr;
    errno = 0;
    uint64_t number = std::strtoull(text.c_str(), &end, 16);
    if (text.empty() || *end != '\0' || errno != 0 || text.front() == '-') return std::nullopt;
    return static_cast<int64_t>(number);
}

// One option that is a bound. False: it is there and cannot be read.
bool read_bound(const Args& args, std::string_view name, std::optional<Bound>& bound,
                std::optional<int64_t> (*parse)(std::string_view text)) {
    const std::string* given = args.value(name);
    if (given == nullptr) return true;
    bound = parse_bound(*given, parse);
    return bound.has_value();
}

Status read_wanted(Shell& shell, const Args& args, Wanted& wanted) {
    auto text = [&](std::string_view name, std::optional<std::string>& to) {
        if (const std::string* given = args.value(name)) to = *given;
    };
    text("name", wanted.name);
    text("path", wanted.path);
    text("contains", wanted.contains);
    if (!read_bound(args, "size", wanted.size, parse_size))
        return shell.usage("-size is to be like +1k, -100 or 0");
    if (!read_bound(args, "children", wanted.children, parse_count))
        return shell.usage("-children is to be like +10, -5 or 0");
    auto signed_age = [](const std::optional<Bound>& bound) {
        return !bound || bound->side != Bound::Side::exactly;
    };
    for (auto [name, bound] : {std::pair{"mtime", &wanted.changed_ms},
                               std::pair{"ctime", &wanted.created_ms}})
        if (!read_bound(args, name, *bound, parse_age) || !signed_age(*bound))
            return shell.usage(std::string("-") + name +
                               " is to be like +5m (longer ago) or -1h (since then)");
    if (const std::string* given = args.value("kind")) {
        wanted.kind = parse_kind(*given);
        if (!wanted.kind)
            return shell.usage("-kind is to be persistent or ephemeral");
    }
    if (const std::string* given = args.value("owner")) {
        wanted.owner = parse_session(*given);
        if (!wanted.owner) return shell.usage("-owner is to be a session, like 0x100000a3b");
    }
    return Status::ok;
}

}  // namespace

Status op_find(Shell& shell, const Args& args) {
    std::string path;
    Wanted wanted;
    WalkOptions options;
    Status status = tree_path(shell, args, 0, path);
    if (status == Status::ok) status = read_wanted(shell, args, wanted);
    if (status == Status::ok) status = read_count_option(shell, args, "L", options.depth_max);
    if (status != Status::ok) return status;
    options.data = wanted.contains.has_value();
    Walk walk(shell.session(), path, std::move(options));
    int64_t now_ms = wall_clock_ms();
    Found found;
    Walk::Step step;
    while ((step = walk.next(found)) == Walk::Step::found && !no_reader(shell)) {
        std::string_view local = shell.local(found.path);
        if (!wanted.holds(found, local, now_ms)) continue;
        if (shell.json()) {
            Json json = Json::object();
            json.set("path", local).set_stat(found.stat);
            shell.out_line(json);
        } else if (args.has("0")) {
            shell.out(local);
            shell.out({"\0", 1});
        } else {
            shell.out_line(local);
        }
    }
    return end_of_walk(shell, walk, step, path);
}

}  // namespace zk
