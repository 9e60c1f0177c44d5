// start.cc -- see start.h.

#include "cli/start.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include "cli/command.h"
#include "cli/settings.h"

namespace zk {

namespace {

constexpr std::string_view servers_default = "localhost:2181";
constexpr uint32_t attempt_ms_max = 5000;  // a server that does not answer by then is passed over

struct StartRow {
    std::string_view name;
    std::string_view value;  // what its value is called; empty: it takes none
    std::string_view help;
    Result<void> (*set)(Start& start, std::string_view value);
    bool file_only = false;  // not on the command line, where others would see it
};

Result<void> set_server(Start& start, std::string_view value) {
    Result<ConnectString> parsed = parse_connect_string(value);
    if (!parsed) return parsed.error();
    start.session.client.servers = std::move(parsed->servers);
    start.session.client.chroot = std::move(parsed->chroot);
    return {};
}

Result<void> set_timeout(Start& start, std::string_view value) {
    int32_t timeout_ms = 0;
    if (!parse_number(value, timeout_ms) || timeout_ms <= 0)
        return Error{.text = "-timeout is to be a number of milliseconds, not \"" +
                             std::string(value) + "\""};
    start.session.client.session_timeout_ms = timeout_ms;
    return {};
}

// A flag has no value on the command line, and yes or no in the file.
Result<void> read_flag(bool& flag, std::string_view value) {
    if (parse_yes_no(value, flag)) return {};
    return Error{.text = "yes or no is expected, not \"" + std::string(value) + "\""};
}

template <auto member>
Result<void> set_flag(Start& start, std::string_view value) {
    return read_flag(start.*member, value);
}

Result<void> set_style(Start& start, std::string_view value) {
    if (value != "json" && value != "zkcli" && value != "plain")
        return Error{.text = "the style is json, zkcli or plain, not \"" + std::string(value) +
                             "\""};
    start.json = value == "json";
    start.zkcli = value == "zkcli";
    return {};
}

// One of the styles by its own name: --json, `json yes`.
template <auto member>
Result<void> set_one_style(Start& start, std::string_view value) {
    bool yes = false;
    if (Result<void> read = read_flag(yes, value); !read) return read;
    if (yes) start.json = start.zkcli = false;
    start.*member = yes;
    return {};
}

Result<void> set_auth(Start& start, std::string_view value) {
    Result<Identification> one = parse_identification(value);
    if (!one) return one.error();
    start.session.identities.push_back(std::move(*one));
    return {};
}

Result<void> set_auth_file(Start& start, std::string_view value) {
    Result<std::string> text = read_trusted(std::string(value), true);
    if (!text) return text.error();
    Result<std::vector<Identification>> all = parse_auth_file(*text);
    if (!all) return Error{.text = std::string(value) + ", " + all.error().text};
    for (Identification& one : *all) start.session.identities.push_back(std::move(one));
    return {};
}

Result<void> set_deadline(Start& start, std::string_view value) {
    if (parse_duration(value, start.deadline_ms)) return {};
    return Error{.text = "a deadline is written 500ms, 5s or 2m, not \"" + std::string(value) +
                         "\""};
}

// Of its keys only one matters here; where it asks for what we have not, we do not go on without.
Result<void> set_client_configuration(Start&, std::string_view value) {
    Result<std::string> text = read_trusted(std::string(value), false);
    if (!text) return text.error();
    Result<std::vector<Setting>> settings = parse_settings(*text);
    if (!settings) return settings.error();
    for (const Setting& each : *settings)
        if (each.key == "zookeeper.client.secure" && each.value == "true")
            return Error{.text = std::string(value) + " wants TLS, which zk-cli does not speak"};
    return {};
}

constexpr std::array rows = {
    StartRow{.name = "server",
             .value = "host:port,...[/chroot]",
             .help = "where to connect (localhost:2181)",
             .set = set_server},
    StartRow{.name = "timeout",
             .value = "ms",
             .help = "of the session, and for finding a server (30000)",
             .set = set_timeout},
    StartRow{.name = "r",
             .value = "",
             .help = "a server that is cut off from its ensemble will do, for reading",
             .set = [](Start& start, std::string_view value) -> Result<void> {
                 return read_flag(start.session.client.read_only, value);
             }},
    StartRow{.name = "waitforconnection",
             .value = "",
             .help = "keep trying for the timeout, though no server answers",
             .set = [](Start& start, std::string_view value) -> Result<void> {
                 return read_flag(start.session.patient, value);
             }},
    StartRow{.name = "client-configuration",
             .value = "file",
             .help = "zkCli.sh's properties; TLS is not to be had",
             .set = set_client_configuration},
    StartRow{.name = "deadline",
             .value = "5s",
             .help = "all has to be done by then, or ends with status 8",
             .set = set_deadline},
    StartRow{.name = "auth-file",
             .value = "file",
             .help = "who to be: scheme:auth, one a line; only you may read it",
             .set = set_auth_file},
    StartRow{.name = "auth",
             .value = "scheme:auth",
             .help = "who to be",
             .set = set_auth,
             .file_only = true},
    StartRow{.name = "keep-going",
             .value = "",
             .help = "do not stop at the first line that fails",
             .set = set_flag<&Start::keep_going>},
    StartRow{.name = "pipeline",
             .value = "",
             .help = "send lines without waiting for the replies to earlier ones",
             .set = set_flag<&Start::pipeline>},
    StartRow{.name = "json",
             .value = "",
             .help = "show everything as JSON, a value a line; errors, too",
             .set = set_one_style<&Start::json>},
    StartRow{.name = "zkcli",
             .value = "",
             .help = "texts, streams and exit statuses of Apache's zkCli.sh",
             .set = set_one_style<&Start::zkcli>},
    StartRow{.name = "style",
             .value = "name",
             .help = "json, zkcli or plain",
             .set = set_style},
    StartRow{.name = "man",
             .value = "",
             .help = "show the man page's source: zk-cli --man | man -l -",
             .set = set_flag<&Start::man>},
    StartRow{.name = "completion",
             .value = "shell",
             .help = "show what makes bash or zsh complete words: . <(zk-cli --completion bash)",
             .set = [](Start& start, std::string_view value) -> Result<void> {
                 start.completion = value;
                 return {};
             }},
    StartRow{.name = "complete",
             .value = "line",
             .help = "for those: what the line's last word may become",
             .set = [](Start& start, std::string_view value) -> Result<void> {
                 start.complete = value;
                 return {};
             }},
    StartRow{.name = "help", .value = "", .help = "this text", .set = set_flag<&Start::help>},
    StartRow{.name = "version",
             .value = "",
             .help = "which version this is",
             .set = set_flag<&Start::version>},
};

constexpr std::array variables = {
    StartVariable{.name = "ZK_SERVERS", .help = "stands in for --server where that is missing"},
    StartVariable{.name = "ZK_AUTH", .help = "who you are: scheme:auth"},
    StartVariable{.name = "ZK_AUTH_FILE", .help = "a file of such lines, as --auth-file"},
    StartVariable{.name = "ZK_CLI_STYLE", .help = "json, zkcli or plain"},
    StartVariable{.name = "ZK_CLI_CONFIG", .help = "in place of ~/.zk-cli: a line for each option"},
    StartVariable{.name = "NO_COLOR", .help = "no colours, and no hints, on a terminal"},
};

const StartRow* find_row(std::string_view name) {
    for (const StartRow& row : rows)
        if (row.name == name) return &row;
    return nullptr;
}

Result<void> read_config(Start& start, const std::string& path, bool wanted) {
    Result<std::string> text = read_trusted(path, false);
    if (!text && text.error().code == ENOENT && !wanted) return {};
    if (!text) return text.error();
    Result<std::vector<Setting>> settings = parse_settings(*text);
    if (!settings) return Error{.text = path + ", " + settings.error().text};
    for (const Setting& each : *settings) {
        std::string where = path + ", line " + std::to_string(each.line) + ": ";
        const StartRow* row = find_row(each.key == "servers" ? "server" : each.key);
        if (row == nullptr) return Error{.text = where + "there is no setting " + each.key};
        if (row->file_only)
            if (Result<std::string> secret = read_trusted(path, true); !secret)
                return secret.error();
        if (Result<void> set = row->set(start, each.value); !set)
            return Error{.text = where + set.error().text};
    }
    return {};
}

bool given(const char* variable) { return variable != nullptr && *variable != '\0'; }

Result<void> read_surroundings(Start& start, const Surroundings& around) {
    bool wanted = given(around.config);
    if (wanted || given(around.home)) {
        std::string path = wanted ? around.config : std::string(around.home) + "/.zk-cli";
        if (Result<void> read = read_config(start, path, wanted); !read) return read;
    }
    struct VariableRow {
        const char* name;
        const char* value;
        Result<void> (*set)(Start& start, std::string_view value);
    };
    const std::array rows_given = {
        VariableRow{.name = "ZK_SERVERS", .value = around.servers, .set = set_server},
        VariableRow{.name = "ZK_CLI_STYLE", .value = around.style, .set = set_style},
        VariableRow{.name = "ZK_AUTH", .value = around.auth, .set = set_auth},
        VariableRow{.name = "ZK_AUTH_FILE", .value = around.auth_file, .set = set_auth_file},
    };
    for (const VariableRow& row : rows_given) {
        if (!given(row.value)) continue;
        if (Result<void> set = row.set(start, row.value); !set)
            return Error{.text = std::string(row.name) + ": " + set.error().text};
    }
    return {};
}

// Reads the option at `at` and its value. Where it is no option `unknown` says so.
Result<void> read_option(Start& start, std::span<const char* const> arguments, size_t& at,
                         std::string& unknown) {
    std::string_view text = arguments[at];
    std::string_view name = text.substr(text.starts_with("--") ? 2 : 1);
    size_t equals = name.find('=');
    const StartRow* row = find_row(name.substr(0, equals));
    if (row == nullptr || row->file_only) {
        if (unknown.empty()) unknown = text;
        return {};
    }
    std::string_view value;
    if (row->value.empty()) {
        if (equals != name.npos)
            return Error{.text = std::string(text) + ": this option takes no value"};
    } else if (equals != name.npos) {
        value = name.substr(equals + 1);
    } else {
        if (at + 1 == arguments.size())
            return Error{.text = "no argument found for option " + std::string(text)};
        value = arguments[++at];
    }
    return row->set(start, value);
}

}  // namespace

Surroundings surroundings_of_process() {
    return {.servers = getenv("ZK_SERVERS"),
            .style = getenv("ZK_CLI_STYLE"),
            .auth = getenv("ZK_AUTH"),
            .auth_file = getenv("ZK_AUTH_FILE"),
            .config = getenv("ZK_CLI_CONFIG"),
            .home = getenv("HOME")};
}

Result<Start> read_start(std::span<const char* const> arguments, const Surroundings& around) {
    Start start;
    if (Result<void> read = read_surroundings(start, around); !read) return read.error();
    std::string unknown;
    size_t at = 0;
    for (; at < arguments.size() && arguments[at][0] == '-'; ++at)
        if (Result<void> read = read_option(start, arguments, at, unknown); !read)
            return read.error();
    if (!unknown.empty() && !start.zkcli)  // zkCli.sh does not mind them
        return Error{.text = "unknown option " + unknown + " (see --help)"};
    for (; at < arguments.size(); ++at) start.command.emplace_back(arguments[at]);
    ClientOptions& client = start.session.client;
    if (client.servers.empty())
        if (Result<void> set = set_server(start, servers_default); !set) return set.error();
    size_t share_ms = static_cast<size_t>(client.session_timeout_ms) / client.servers.size();
    client.connect_timeout_ms =
        static_cast<uint32_t>(std::clamp<size_t>(share_ms, 1, attempt_ms_max));
    return start;
}

std::vector<StartOption> start_options() {
    std::vector<StartOption> all;
    for (const StartRow& row : rows)
        all.push_back({.name = row.name, .value = row.value, .help = row.help});
    return all;
}

std::span<const StartVariable> start_variables() { return variables; }

std::string start_help() {
    std::string text =
        "usage: zk-cli [options] [command words...]\n"
        "Without a command: a prompt on a terminal, otherwise a command a line from standard "
        "input.\n\n";
    for (const StartRow& row : rows) {
        if (row.file_only) continue;
        std::string left = row.name.size() == 1 ? "  -" : "  --";
        left.append(row.name);
        if (!row.value.empty()) left.append(" ").append(row.value);
        left.append(left.size() < 34 ? 34 - left.size() : 1, ' ');
        text.append(left).append(row.help).append("\n");
    }
    text +=
        "\nBefore the options ~/.zk-cli is read, or the file $ZK_CLI_CONFIG, where each of them is"
        " a line\nlike `servers zk1,zk2/app`, `json yes` or `auth digest:user:password`; then the"
        " environment:\n"
        "  ZK_SERVERS     as --server            ZK_CLI_STYLE   json, zkcli or plain\n"
        "  ZK_AUTH        scheme:auth            ZK_AUTH_FILE   as --auth-file\n"
        "\nLines of a script: words in '...' or \"...\" as in a shell, with \\n \\xHH and the like"
        " in\n\"...\"; # at the beginning makes a comment. A script ends at the first line that"
        " fails.\n"
        "Data: the word itself, @FILE, or - for standard input (where that is not the script); @@"
        " is a\nliteral @. `get -0` gives back every byte and no more.\n"
        "With --json each command's own help names the members of what it shows; errors are"
        " {\"error\": the\nname of the status, \"message\", \"path\", \"line\", \"write\" of a"
        " multi}, events {\"event\", \"path\",\n\"zxid\"}, both on standard error.\n"
        "Exit status:\n";
    for (const StatusRow& row : status_rows()) {
        std::string number = std::to_string(static_cast<int>(row.status));
        text.append(5 - number.size(), ' ').append(number).append("  ");
        text.append(row.help).append("\n");
    }
    text += "\nCommands:\n";
    return text + help_of_all();
}

}  // namespace zk
