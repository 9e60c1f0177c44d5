// quota.cc -- listquota, setquota, delquota: limits on a znode and all below it.
//
// A quota is two znodes in a tree of its own, which mirrors the tree it is about; that is all a
// server wants, so any client can keep them:
//
//     /zookeeper/quota/a/b/zookeeper_limits count=10,bytes=-1=;byteHardLimit=4096;countHardLimit=-1
//     /zookeeper/quota/a/b/zookeeper_stats    count=3,bytes=120
//
// No quota may lie above or below another. -1 is no limit. Soft limits are logged by the server,
// hard ones refuse (where it is told to enforce quotas).

#include <algorithm>
#include <array>

#include "cli/handlers.h"

namespace zk {

namespace {

constexpr std::string_view quota_root = "/zookeeper/quota";
constexpr std::string_view limits_name = "zookeeper_limits";
constexpr std::string_view stats_name = "zookeeper_stats";

struct Track {
    int64_t count = -1;
    int64_t bytes = -1;
    int64_t byte_hard = -1;
    int64_t count_hard = -1;
    bool has_hard = false;
};

struct KeyRow {
    std::string_view key;  // in the znode
    std::string_view option;
    std::string_view plain;  // in our own output
    int64_t least;
    int64_t Track::*value;
};
constexpr std::array keys = {
    KeyRow{"count", "n", "countLimit", 1, &Track::count},
    KeyRow{"bytes", "b", "byteLimit", 0, &Track::bytes},
    KeyRow{"countHardLimit", "N", "countHardLimit", 1, &Track::count_hard},
    KeyRow{"byteHardLimit", "B", "byteHardLimit", 0, &Track::byte_hard},
};

Track read_track(std::string_view text) {
    Track track;
    while (!text.empty()) {
        size_t end = std::min(text.find_first_of(",;"), text.size());
        std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        size_t equals = pair.find('=');
        if (equals == pair.npos) continue;
        std::string_view value = pair.substr(equals + 1);
        value = value.substr(0, value.find('='));
        for (const KeyRow& row : keys)
            if (row.key == pair.substr(0, equals)) parse_number(value, track.*row.value);
        if (pair.substr(0, equals).ends_with("HardLimit")) track.has_hard = true;
    }
    return track;
}

// The lone `=` makes servers before 3.7 overlook the hard limits, which they do not know.
std::string track_text(const Track& track) {
    std::string text = "count=" + std::to_string(track.count);
    text += ",bytes=" + std::to_string(track.bytes);
    if (!track.has_hard) return text;
    text += "=;byteHardLimit=" + std::to_string(track.byte_hard);
    return text + ";countHardLimit=" + std::to_string(track.count_hard);
}

std::string quota_path(std::string_view path) {
    std::string made(quota_root);
    if (path != "/") made += path;
    return made;
}

std::string under(std::string path, std::string_view name) { return path.append("/").append(name); }

std::string shown(Shell& shell, std::string_view full) { return std::string(shell.local(full)); }

struct Found {
    Track track;
    int32_t version = -1;
    Err err = Err::ok;
    bool malformed = false;
};
Found get_track(Shell& shell, const std::string& path) {
    SyncClient::Reply reply = shell.call(call::get_data(path, false));
    Found found;
    found.err = reply.header.err;
    if (found.err != Err::ok) return found;
    std::optional<Data> data = decode_data(reply.body);
    found.malformed = !data;
    if (!data) return found;
    found.track = read_track(as_text(data->data));
    found.version = data->stat.version;
    return found;
}

Status no_quota(Shell& shell, const Args& args) {
    std::string text = "quota for " + std::string(args.word(0)) + " does not exist.";
    if (!shell.zkcli()) return shell.complain(text, Status::no_node, args.word(0));
    shell.err_line(text);
    return Status::ok;
}

Json limits_json(const Track& track) {
    Json limits = Json::object();
    for (const KeyRow& row : keys)
        if (track.*row.value >= 0) limits.set(row.plain, track.*row.value);
    return limits;
}

void show_quota(Shell& shell, const Args& args, const Track& limits, const Track& usage) {
    std::string path(args.word(0));
    if (shell.zkcli()) {
        shell.out_line("Output quota for " + path + " " + track_text(limits));
        shell.out_line("Output stat for " + path + " " + track_text(usage));
    } else if (shell.json()) {
        Json used = Json::object();
        used.set("count", usage.count).set("bytes", usage.bytes);
        Json json = path_json(shell, args);
        shell.out_line(json.set("limits", limits_json(limits)).set("usage", std::move(used)));
    } else {
        shell.out_line("count=" + std::to_string(usage.count));
        shell.out_line("bytes=" + std::to_string(usage.bytes));
        for (const KeyRow& row : keys)
            if (limits.*row.value >= 0)
                shell.out_line(std::string(row.plain) + "=" + std::to_string(limits.*row.value));
    }
}

// -- setting -------------------------------------------------------------------------------------

// What zkCli.sh refuses with a message, and no more than that.
Status refuse(Shell& shell, const std::string& why) {
    if (!shell.zkcli()) return shell.usage(why);
    shell.err_line(why);
    return Status::ok;
}

Status read_limits(Shell& shell, const Args& args, Track& wanted, bool& good) {
    good = false;
    const Args::Given* first = nullptr;
    for (const Args::Given& given : args.given) {
        if (shell.zkcli() && first != nullptr)
            return shell.usage("org.apache.commons.cli.AlreadySelectedException: The option '" +
                               std::string(given.option->name) +
                               "' was specified but an option "
                               "from this group has already been selected: '" +
                               std::string(first->option->name) + "'");
        first = &given;
    }
    if (first == nullptr)
        return shell.usage(shell.zkcli() ? "org.apache.commons.cli.MissingOptionException: Missing "
                                           "required option: [-n num soft quota, -b bytes soft "
                                           "quota, -N num hard quota, -B bytes hard quota]"
                                         : "one of -n, -b, -N and -B is needed");
    for (const KeyRow& row : keys) {
        const std::string* text = args.value(row.option);
        if (text == nullptr) continue;
        int64_t value = 0;
        int32_t small = 0;
        if (row.least == 1 ? !parse_number(*text, small) : !parse_number(*text, value))
            return refuse(shell, "NumberFormatException happens when parsing the option value");
        if (row.least == 1) value = small;
        if (value < row.least)
            return refuse(shell, row.least == 1 ? "the num quota must be greater than zero"
                                                : "the bytes quota must be greater than or equal "
                                                  "to zero");
        wanted.*row.value = value;
    }
    wanted.has_hard = true;
    good = true;
    return Status::ok;
}

// No quota above...
Status check_above(Shell& shell, const Args& args, const std::string& path) {
    for (size_t slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1)) {
        std::string above = path.substr(0, slash);
        Found found = get_track(shell, under(quota_path(above), limits_name));
        if (found.err == Err::no_node) continue;
        if (found.err != Err::ok) return shell.fail(found.err, args.word(0));
        return shell.complain(std::string(args.word(0)) + " has a parent " + shown(shell, above) +
                                  " which has a quota",
                              Status::node_exists, args.word(0));
    }
    return Status::ok;
}

// ...and none below.
struct Search {
    std::string own;
    std::string found;
};

Status check_below(Shell& shell, const Args& args, const std::string& path) {
    Search search{.own = under(quota_path(path), limits_name), .found = ""};
    SyncClient::Reply reply = shell.call(call::exists(quota_path(path), false));
    if (reply.header.err == Err::no_node) return Status::ok;
    auto look = [](void* context, Shell&, const std::string& at) {
        auto& of = *static_cast<Search*>(context);
        if (at != of.own && at.ends_with("/zookeeper_limits")) of.found = at;
        return Status::ok;
    };
    Status status =
        walk_subtree(shell, quota_path(path), false, {.context = &search, .visit = look});
    if (status != Status::ok || search.found.empty()) return status;
    std::string child = search.found.substr(quota_root.size());
    child.resize(child.size() - limits_name.size() - 1);
    return shell.complain(
        std::string(args.word(0)) + " has a child " + shown(shell, child) + " which has a quota",
        Status::node_exists, args.word(0));
}

Status make_znode(Shell& shell, const Args& args, const std::string& path, Bytes data) {
    const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
    Err err = shell
                  .call(call::create(
                      {.path = path, .data = data, .acls = std::span<const Acl>(&anyone, 1)}))
                  .header.err;
    return err == Err::ok || err == Err::node_exists ? Status::ok : shell.fail(err, args.word(0));
}

Status make_quota(Shell& shell, const Args& args, const std::string& path, const Track& limits) {
    std::string home = quota_path(path);
    Status status = Status::ok;
    for (size_t slash = quota_root.size(); slash < home.size() && status == Status::ok;) {
        slash = std::min(home.find('/', slash + 1), home.size());
        status = make_znode(shell, args, home.substr(0, slash), Bytes());
    }
    const std::string text = track_text(limits);
    // The server counts when the second of them appears, and keeps count because of the first.
    if (status == Status::ok)
        status = make_znode(shell, args, under(home, limits_name), as_bytes(text));
    if (status == Status::ok)
        status = make_znode(shell, args, under(home, stats_name), as_bytes("count=0,bytes=0"));
    return status;
}

Status change_quota(Shell& shell, const Args& args, const std::string& path, const Found& was,
                    const Track& wanted) {
    Track limits = was.track;
    for (const KeyRow& row : keys)
        if (wanted.*row.value >= 0) limits.*row.value = wanted.*row.value;
    limits.has_hard = true;
    std::string text = track_text(limits);
    std::string at = under(quota_path(path), limits_name);
    Err err = shell.call(call::set_data(at, as_bytes(text), was.version)).header.err;
    return err == Err::ok ? Status::ok : shell.fail(err, args.word(0));
}

bool is_less(int64_t limit, int64_t usage) { return limit > -1 && limit < usage; }

void warn_of_excess(Shell& shell, const std::string& path) {
    Found limits = get_track(shell, under(quota_path(path), limits_name));
    Found usage = get_track(shell, under(quota_path(path), stats_name));
    if (limits.err != Err::ok || usage.err != Err::ok) return;
    auto warn = [&shell](const std::string& text) {
        if (shell.zkcli())
            shell.out_line("[Warning]: " + text);
        else
            shell.warn(text);
    };
    const Track& limit = limits.track;
    const Track& used = usage.track;
    if (is_less(limit.count, used.count) || is_less(limit.count_hard, used.count))
        warn("the count quota you create is less than the existing count:" +
             std::to_string(used.count));
    if (is_less(limit.bytes, used.bytes) || is_less(limit.byte_hard, used.bytes))
        warn("the bytes quota you create is less than the existing bytes:" +
             std::to_string(used.bytes));
}

// -- deleting ------------------------------------------------------------------------------------

Status delete_quota(Shell& shell, const Args& args, const std::string& path) {
    std::string home = quota_path(path);
    for (std::string_view name : {limits_name, stats_name}) {
        Err err = shell.call(call::remove(under(home, name), -1)).header.err;
        if (err != Err::ok && err != Err::no_node) return shell.fail(err, args.word(0));
    }
    while (home.size() > quota_root.size()) {  // and what nobody needs above
        Err err = shell.call(call::remove(home, -1)).header.err;
        if (err == Err::not_empty) break;
        if (err != Err::ok && err != Err::no_node) return shell.fail(err, args.word(0));
        home.resize(home.rfind('/'));
    }
    return show_done(shell, args);
}

}  // namespace

Status op_listquota(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    std::string home = quota_path(shell.full(args.word(0)));
    if (shell.zkcli()) shell.err_line("absolute path is " + under(home, limits_name));
    Found limits = get_track(shell, under(home, limits_name));
    Found usage;
    if (limits.err == Err::ok) usage = get_track(shell, under(home, stats_name));
    Err err = limits.err != Err::ok ? limits.err : usage.err;
    if (err == Err::no_node) return no_quota(shell, args);
    if (err != Err::ok) return shell.fail(err, args.word(0));
    if (limits.malformed || usage.malformed) return shell.malformed();
    show_quota(shell, args, limits.track, usage.track);
    return Status::ok;
}

Status op_setquota(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    std::string path = shell.full(args.word(0));
    if (path.starts_with(quota_root))
        return refuse(shell, "cannot set a quota under the path: " + std::string(quota_root));
    Track wanted;
    bool good = false;
    if (Status bad = read_limits(shell, args, wanted, good); !good) return bad;
    Err err = shell.call(call::exists(path, false)).header.err;
    if (err == Err::no_node)
        return shell.complain(std::string(args.word(0)) + " does not exist.", Status::no_node,
                              args.word(0));
    if (err != Err::ok) return shell.fail(err, args.word(0));
    Status status = check_below(shell, args, path);
    if (status == Status::ok) status = check_above(shell, args, path);
    if (status != Status::ok) return status;
    Found was = get_track(shell, under(quota_path(path), limits_name));
    if (was.err == Err::ok)
        status = change_quota(shell, args, path, was, wanted);
    else if (was.err == Err::no_node)
        status = make_quota(shell, args, path, wanted);
    else
        status = shell.fail(was.err, args.word(0));
    if (status != Status::ok) return status;
    warn_of_excess(shell, path);
    return show_done(shell, args);
}

Status op_delquota(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    std::string path = shell.full(args.word(0));
    Found was = get_track(shell, under(quota_path(path), limits_name));
    if (was.err == Err::no_node) {
        if (!shell.zkcli()) return no_quota(shell, args);
        shell.out_line("Quota does not exist for " + std::string(args.word(0)));
        return Status::ok;
    }
    if (was.err != Err::ok) return shell.fail(was.err, args.word(0));
    if (args.given.empty()) return delete_quota(shell, args, path);
    Track limits = was.track;
    for (const KeyRow& row : keys)
        if (args.has(row.option)) limits.*row.value = -1;
    limits.has_hard = true;
    std::string text = track_text(limits);
    std::string at = under(quota_path(path), limits_name);
    Err err = shell.call(call::set_data(at, as_bytes(text), was.version)).header.err;
    return err == Err::ok ? show_done(shell, args) : shell.fail(err, args.word(0));
}

}  // namespace zk
