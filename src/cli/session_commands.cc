// session_commands.cc -- commands about the session, its watches, and the shell itself.

#include <algorithm>
#include <cstdio>

#include "cli/handlers.h"
#include "cli/zkcli.h"

namespace zk {

namespace {

constexpr size_t history_shown = 11;

std::string upper(std::string_view text) {
    std::string made(text);
    for (char& c : made)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return made;
}

struct WatcherTypeRow {
    std::string_view option;
    WatcherType type;
};
constexpr WatcherTypeRow watcher_types[] = {
    {.option = "c", .type = WatcherType::children},
    {.option = "d", .type = WatcherType::data},
    {.option = "a", .type = WatcherType::any},
    {.option = "p", .type = WatcherType::persistent},
    {.option = "r", .type = WatcherType::persistent_recursive},
};

Status show_paths(Shell& shell, const Args& args, Bytes body) {
    std::optional<std::vector<std::string_view>> paths = decode_texts(body);
    if (!paths) return shell.malformed();
    for (std::string_view& path : *paths) path = shell.local(path);
    if (!shell.json()) {
        show_names(shell, std::move(*paths));
        return Status::ok;
    }
    Json list = Json::array();
    std::sort(paths->begin(), paths->end());
    for (std::string_view path : *paths) list.add(path);
    Json json = Json::object();
    json.set("path", args.words.empty() ? "/" : args.word(0));
    shell.out_line(json.set("ephemerals", std::move(list)));
    return Status::ok;
}

Json command_json(const Command& command) {
    Json json = Json::object();
    json.set("name", command.name).set("usage", usage_of(command));
    json.set("summary", command.summary);
    return json;
}

void help_json(Shell& shell, const Command& command) {
    Json options = Json::array();
    for (const OptionRow& option : command.options) {
        Json one = Json::object();
        one.set("name", option.name).set("value", option.value).set("help", option.help);
        options.add(std::move(one));
    }
    Json examples = Json::array();
    for (std::string_view rest = command.examples; !rest.empty();) {
        size_t end = std::min(rest.find('\n'), rest.size());
        examples.add(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    Json json = command_json(command);
    json.set("options", std::move(options)).set("examples", std::move(examples));
    shell.out_line(json.set("json", command.json));
}

}  // namespace

Status op_add_watch(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    AddWatchMode mode = AddWatchMode::persistent_recursive;
    if (const std::string* given = args.value("m")) {
        std::string name = upper(*given);
        if (name == "PERSISTENT") mode = AddWatchMode::persistent;
        else if (name != "PERSISTENT_RECURSIVE")
            return shell.usage(shell.zkcli() ? "too few arguments"
                                             : "the mode is PERSISTENT or PERSISTENT_RECURSIVE");
    }
    return shell.send(args, call::add_watch(shell.full(args.word(0)), mode), show_nothing);
}

Status op_remove_watches(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    WatcherType type = WatcherType::any;
    for (const WatcherTypeRow& row : watcher_types)
        if (args.has(row.option)) type = row.type;
    std::string path = shell.full(args.word(0));
    if (!shell.zkcli()) return shell.send(args, call::remove_watches(path, type), show_nothing);
    uint8_t kinds = shell.session().watches(path);
    Err err = shell.call(call::remove_watches(path, type)).header.err;
    if (err != Err::ok) return shell.fail(err, args.word(0));
    if (shell.prints_watches()) shell.out(zkcli::removed_events(kinds, type, args.word(0)));
    return Status::ok;
}

Status op_printwatches(Shell& shell, const Args& args) {
    bool asked = args.words.empty();
    if (!asked && !shell.zkcli() && args.word(0) != "on" && args.word(0) != "off")
        return shell.usage("it is on or off");
    if (!asked) shell.print_watches(args.word(0) == "on");
    if (shell.json())
        shell.out_line(Json::object().set("printwatches", shell.prints_watches()));
    else if (asked)
        shell.out_line(shell.prints_watches() ? "printwatches is on" : "printwatches is off");
    return Status::ok;
}

Status op_ephemerals(Shell& shell, const Args& args) {
    std::string_view prefix = args.words.empty() ? "/" : args.word(0);
    if (Status bad = check_path(shell, prefix); bad != Status::ok) return bad;
    return shell.send(args, call::get_ephemerals(shell.full(prefix)), show_paths);
}

Status op_connect(Shell& shell, const Args& args) {
    shell.drain(0);
    if (args.words.empty()) {
        shell.session().close(true);
    } else {
        Result<ConnectString> parsed = parse_connect_string(args.word(0));
        if (!parsed) return shell.complain(parsed.error().text, Status::usage);
        shell.session().use_servers(std::move(parsed->servers), std::move(parsed->chroot));
    }
    Result<void> connected = shell.session().connect();
    if (connected && shell.json()) {
        char id[24];
        snprintf(id, sizeof id, "0x%llx",
                 static_cast<unsigned long long>(shell.session().session()));
        shell.out_line(Json::object().set("server", shell.session().server()).set("session", id));
    }
    if (connected) return Status::ok;
    return shell.complain(connected.error().text, Status::no_connection);
}

Status op_close(Shell& shell, const Args&) {
    shell.drain(0);
    shell.session().close(true);
    if (shell.zkcli() && shell.prints_watches())
        shell.out(zkcli::event("Closed", "None", "null", -1));
    if (shell.json()) shell.out_line(Json::object().set("closed", true));
    return Status::ok;
}

Status op_quit(Shell& shell, const Args&) {
    shell.quit();
    return shell.zkcli() ? shell.last_status() : Status::ok;
}

Status op_help(Shell& shell, const Args& args) {
    if (args.words.empty()) {
        if (!shell.json()) shell.out(help_of_all());
        else
            for (const Command& each : commands()) shell.out_line(command_json(each));
        return Status::ok;
    }
    const Command* command = find_command(args.word(0));
    if (command == nullptr)
        return shell.complain("Command not found: " + std::string(args.word(0)), Status::failed);
    if (shell.json()) help_json(shell, *command);
    else shell.out(help_of(*command));
    return Status::ok;
}

Status op_history(Shell& shell, const Args&) {
    size_t end = shell.lines_run();
    for (size_t n = end > history_shown ? end - history_shown : 0; n < end; ++n)
        if (const std::string* line = shell.history(n)) {
            if (shell.json())
                shell.out_line(
                    Json::object().set("number", static_cast<uint64_t>(n)).set("line", *line));
            else shell.out_line(std::to_string(n) + " - " + *line);
        }
    return Status::ok;
}

Status op_redo(Shell& shell, const Args& args) {
    int32_t number = 0;
    if (!parse_number(args.word(0), number)) return shell.usage("cmdno is to be a number");
    const std::string* found = number < 0 ? nullptr : shell.history(static_cast<size_t>(number));
    if (found == nullptr) return shell.complain("Command index out of range", Status::usage);
    std::string line = *found;  // the history moves
    if (line.find("redo") == line.find_first_not_of(" \t"))
        return shell.complain("No redoing redos", Status::usage);
    return shell.run_line(line, shell.line_number());
}

Status op_version(Shell& shell, const Args&) {
    if (shell.json()) shell.out_line(Json::object().set("version", cli_version));
    else shell.out_line("ZooKeeper CLI version: zk-cli " + std::string(cli_version));
    return Status::ok;
}

}  // namespace zk
