// start.cc -- see start.h.

#include "cli/start.h"

#include <algorithm>
#include <array>

#include "cli/command.h"

namespace zk {

namespace {

constexpr std::string_view servers_default = "localhost:2181";
constexpr uint32_t attempt_ms_max = 5000;  // a server that does not answer by then is passed over

struct StartRow {
    std::string_view name;
    std::string_view value;  // what its value is called; empty: it takes none
    std::string_view help;
    Result<void> (*set)(Start& start, std::string_view value);
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

template <auto member>
Result<void> set_flag(Start& start, std::string_view) {
    start.*member = true;
    return {};
}

constexpr std::array rows = {
    StartRow{.name = "server",
             .value = "host:port,...[/chroot]",
             .help = "where to connect; else $ZK_SERVERS, else localhost:2181",
             .set = set_server},
    StartRow{.name = "timeout",
             .value = "ms",
             .help = "of the session, and for finding a server (30000)",
             .set = set_timeout},
    StartRow{.name = "r",
             .value = "",
             .help = "a server that is cut off from its ensemble will do, for reading",
             .set = [](Start& start, std::string_view) -> Result<void> {
                 start.session.client.read_only = true;
                 return {};
             }},
    StartRow{.name = "waitforconnection",
             .value = "",
             .help = "keep trying for the timeout, though no server answers",
             .set = [](Start& start, std::string_view) -> Result<void> {
                 start.session.patient = true;
                 return {};
             }},
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
             .set = set_flag<&Start::json>},
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
    StartVariable{.name = "NO_COLOR", .help = "no colours, and no hints, on a terminal"},
};

const StartRow* find_row(std::string_view name) {
    for (const StartRow& row : rows)
        if (row.name == name) return &row;
    return nullptr;
}

}  // namespace

Result<Start> read_start(std::span<const char* const> arguments, const char* servers) {
    Start start;
    size_t at = 0;
    for (; at < arguments.size() && arguments[at][0] == '-'; ++at) {
        std::string_view text = arguments[at];
        std::string_view name = text.substr(text.starts_with("--") ? 2 : 1);
        size_t equals = name.find('=');
        const StartRow* row = find_row(name.substr(0, equals));
        if (row == nullptr)
            return Error{.text = "unknown option " + std::string(text) + " (see --help)"};
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
        if (Result<void> set = row->set(start, value); !set) return set.error();
    }
    for (; at < arguments.size(); ++at) start.command.emplace_back(arguments[at]);
    ClientOptions& client = start.session.client;
    if (client.servers.empty()) {
        bool given = servers != nullptr && *servers != '\0';
        if (Result<void> set = set_server(start, given ? servers : servers_default); !set)
            return Error{.text = (given ? "ZK_SERVERS: " : "") + set.error().text};
    }
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
        std::string left = row.name.size() == 1 ? "  -" : "  --";
        left.append(row.name);
        if (!row.value.empty()) left.append(" ").append(row.value);
        left.append(left.size() < 34 ? 34 - left.size() : 1, ' ');
        text.append(left).append(row.help).append("\n");
    }
    text +=
        "\nLines of a script: words in '...' or \"...\" as in a shell, with \\n \\xHH and the like"
        " in\n\"...\"; # at the beginning makes a comment. A script ends at the first line that"
        " fails.\n"
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
