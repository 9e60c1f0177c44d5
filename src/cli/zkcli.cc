// zkcli.cc -- see zkcli.h.

#include "cli/zkcli.h"

#include <algorithm>
#include <array>

#include "cli/shell.h"

namespace zk::zkcli {

namespace {

struct UsageRow {
    std::string_view name;
    std::string_view words;
    std::string_view table = {};  // of options, for those commands that show one
};
constexpr std::array rows = {
    UsageRow{.name = "addWatch",
             .words = "[-m mode] path # optional mode is one of [PERSISTENT, "
                      "PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE"},
    UsageRow{.name = "addauth", .words = "scheme auth"},
    UsageRow{.name = "close", .words = ""},
    UsageRow{.name = "config", .words = "[-c] [-w] [-s]"},
    UsageRow{.name = "connect", .words = "host:port"},
    UsageRow{.name = "create", .words = "[-s] [-e] [-c] [-t ttl] path [data] [acl]"},
    UsageRow{.name = "delete", .words = "[-v version] path"},
    UsageRow{.name = "deleteall", .words = "path [-b batch size]"},
    UsageRow{.name = "delquota", .words = "[-n|-b|-N|-B] path"},
    UsageRow{.name = "exit", .words = ""},
    UsageRow{.name = "get",
             .words = "[-s] [-w] [-b] [-x] path",
             .table = " -b   Output data in base64 format\n"
                      " -s   Print znode stats additionally\n"
                      " -w   Watch for changes on the znode\n"
                      " -x   Output data in hexdump format\n"},
    UsageRow{.name = "getAcl", .words = "[-s] path"},
    UsageRow{.name = "getAllChildrenNumber", .words = "path"},
    UsageRow{.name = "getEphemerals", .words = "path"},
    UsageRow{.name = "history", .words = ""},
    UsageRow{.name = "listquota", .words = "path"},
    UsageRow{.name = "ls", .words = "[-s] [-w] [-R] path"},
    UsageRow{.name = "printwatches", .words = "on|off"},
    UsageRow{.name = "quit", .words = ""},
    UsageRow{.name = "reconfig",
             .words = "[-s] [-v version] [[-file path] | [-members "
                      "serverID=host:port1:port2;port3[,...]*]] | [-add "
                      "serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]"},
    UsageRow{.name = "redo", .words = "cmdno"},
    UsageRow{.name = "removewatches", .words = "path [-c|-d|-a] [-l]"},
    UsageRow{.name = "set",
             .words = "path data [-s] [-v version] [-b]",
             .table = " -b         Supply data in base64 format\n"
                      " -s         Print znode stats additionally\n"
                      " -v <arg>   Set with an expected version\n"},
    UsageRow{.name = "setAcl", .words = "[-s] [-v version] [-R] path acl"},
    UsageRow{.name = "setquota", .words = "-n|-b|-N|-B val path"},
    UsageRow{.name = "stat", .words = "[-w] path"},
    UsageRow{.name = "sync", .words = "path"},
    UsageRow{.name = "version", .words = ""},
    UsageRow{.name = "whoami", .words = ""},
};
static_assert(std::ranges::is_sorted(rows, {}, &UsageRow::name));

const UsageRow* find_row(std::string_view name) {
    for (const UsageRow& row : rows)
        if (row.name == name) return &row;
    return nullptr;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

Result<std::vector<std::string>> split(std::string_view line) {
    std::vector<std::string> words;
    size_t at = 0;
    while (at < line.size()) {
        char first = line[at];
        if (is_blank(first)) {
            ++at;
            continue;
        }
        if (first != '"' && first != '\'') {
            size_t end = at;
            while (end < line.size() && !is_blank(line[end])) ++end;
            words.emplace_back(line.substr(at, end - at));
            at = end;
            continue;
        }
        size_t close = line.find(first, at + 1);
        if (close != line.npos) words.emplace_back(line.substr(at + 1, close - at - 1));
        at = close == line.npos ? at + 1 : close + 1;  // a quote that is not closed is nothing
    }
    if (words.empty()) words.emplace_back();
    return words;
}

std::string_view usage() {
    static const std::string text = [] {
        std::string made =
            "ZooKeeper -server host:port -client-configuration properties-file cmd args\n";
        for (const UsageRow& row : rows)
            made.append("\t").append(row.name).append(" ").append(row.words).append("\n");
        return made;
    }();
    return text;
}

std::string usage_error(const Command& command, std::string_view why) {
    if (why != "too few arguments") return std::string(why);
    const UsageRow* row = find_row(command.name);
    if (row == nullptr) return usage_of(command);
    std::string text(row->name);
    text.append(" ").append(row->words);
    if (!row->table.empty()) text.append("\n").append(row->table);
    return text;
}

std::string option_error(std::string_view why) {
    std::string text;
    if (why.starts_with(unknown_option)) text = "UnrecognizedOptionException: ";
    if (why.starts_with(missing_value)) text = "MissingArgumentException: ";
    if (!text.empty()) text = "org.apache.commons.cli." + text;
    return text.append(why);
}

std::string event(std::string_view state, std::string_view type, std::string_view path,
                  int64_t zxid) {
    std::string text = "\nWATCHER::\n\nWatchedEvent state:";
    text.append(state).append(" type:").append(type).append(" path:").append(path);
    return text.append(" zxid: ").append(std::to_string(zxid)).append("\n");
}

std::string state_event(ClientState state, bool was) {
    std::string_view name;
    switch (state) {
    case ClientState::connecting: name = was ? "Disconnected" : ""; break;
    case ClientState::connected: name = "SyncConnected"; break;
    case ClientState::connected_read_only: name = "ConnectedReadOnly"; break;
    case ClientState::expired: name = "Expired"; break;
    case ClientState::auth_failed: name = "AuthFailed"; break;
    case ClientState::closed: name = ""; break;
    }
    return name.empty() ? "" : event(name, "None", "null", -1);
}

void drop_surplus(Shell& shell, const Command& command, Args& args) {
    std::string_view old;
    std::string_view now;
    bool watch = true;
    if (command.name == "get") old = "get path [watch]", now = "get [-s] [-w] path";
    if (command.name == "ls") old = "ls path [watch]", now = "ls [-w] path";
    if (command.name == "stat") old = "stat path [watch]", now = "stat [-w] path";
    if (command.name == "delete") {
        old = "delete path [version]", now = "delete [-v version] path";
        watch = false;
    }
    args.words.resize(command.words_max);
    if (old.empty()) return;
    std::string note = "'";
    note.append(old).append("' has been deprecated. Please use '").append(now);
    shell.err_line(note.append("' instead."));
    if (!watch) return;
    for (const OptionRow& option : command.options)
        if (option.name == "w") args.given.push_back({.option = &option, .value = ""});
}

std::string clean_acls(Shell& shell, std::string_view text) {
    std::string clean;
    while (!text.empty()) {
        std::string_view entry = text.substr(0, text.find(','));
        text.remove_prefix(std::min(entry.size() + 1, text.size()));
        size_t last = entry.rfind(':');
        if (entry.find(':') == last) {
            shell.err_line(std::string(entry) + " does not have the form scheme:id:perm");
            continue;
        }
        if (!clean.empty()) clean += ',';
        clean += entry.substr(0, last + 1);
        for (char letter : entry.substr(last + 1)) {
            if (std::string_view("rwcda").find(letter) != std::string_view::npos)
                clean += letter;
            else
                shell.err_line(std::string("Unknown perm type: ") + letter);
        }
    }
    return clean;
}

Status refuse_acls(Shell& shell, bool create) {
    if (create) shell.err_line("KeeperErrorCode = InvalidACL");
    return shell.complain("Acl is not valid : null", Status::failed);
}

std::string removed_events(uint8_t kinds, WatcherType type, std::string_view path) {
    auto wanted = [&](WatcherType one, int bits) {
        return (type == WatcherType::any || type == one) && (kinds & bits) != 0;
    };
    std::string text;
    if (wanted(WatcherType::children, Watches::child))
        text += event("SyncConnected", "ChildWatchRemoved", path, -1);
    if (wanted(WatcherType::data, Watches::data | Watches::exist))
        text += event("SyncConnected", "DataWatchRemoved", path, -1);
    if (wanted(WatcherType::persistent, Watches::persistent) ||
        wanted(WatcherType::persistent_recursive, Watches::recursive))
        text += event("SyncConnected", "PersistentWatchRemoved", path, -1);
    return text;
}

Status simplified(Status status) {
    if (status == Status::ok || status == Status::unknown_command) return status;
    return Status::failed;
}

}  // namespace zk::zkcli
