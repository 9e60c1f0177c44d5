// members.cc -- commands about who is in the ensemble: config, reconfig.

#include <algorithm>
#include <cstdio>

#include "cli/handlers.h"
#include "cli/print.h"
#include "cli/source.h"
#include "wire/options.h"

namespace zk {

namespace {

constexpr size_t file_bytes_max = 1u << 20;

// "version host:port,host:port": what a client's own list may be made of.
std::string client_text(std::string_view lines) {
    std::string version;
    std::string servers;
    while (!lines.empty()) {
        size_t end = std::min(lines.find('\n'), lines.size());
        std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 1, lines.size()));
        size_t equals = line.find('=');
        if (equals == line.npos) continue;
        std::string_view key = line.substr(0, equals);
        std::string_view value = line.substr(equals + 1);
        if (key == "version") version = value;
        Member member;
        if (!key.starts_with("server.") || !read_member(value, member).empty()) continue;
        if (!servers.empty()) servers += ',';
        if (member.client_port == 0) continue;
        servers += (member.client_address.empty() ? "0.0.0.0" : member.client_address) + ":" +
                   std::to_string(member.client_port);
    }
    return version + " " + servers;
}

Status show_config_json(Shell& shell, std::string_view text, const Stat& stat) {
    Json servers = Json::array();
    std::string clients = client_text(text);
    size_t blank = clients.find(' ');
    for (std::string_view rest = text; !rest.empty();) {
        size_t end = std::min(rest.find('\n'), rest.size());
        if (rest.starts_with("server.")) servers.add(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    Json json = Json::object();
    json.set("version", std::string_view(clients).substr(0, blank));
    json.set("servers", std::move(servers));
    json.set("clients", std::string_view(clients).substr(blank + 1));
    shell.out_line(json.set_stat(stat));
    return Status::ok;
}

Status show_config(Shell& shell, const Args& args, Bytes body) {
    std::optional<Data> got = decode_data(body);
    if (!got) return shell.malformed();
    std::string_view text = as_text(got->data);
    if (shell.json()) return show_config_json(shell, text, got->stat);
    if (text.empty() && shell.zkcli() && got->data.data() == nullptr) text = "null";
    shell.out_line(args.has("c") ? client_text(text) : std::string(text));
    if (args.has("s")) shell.out_stat(got->stat);
    return Status::ok;
}

Status show_committed(Shell& shell, const Args& args, Bytes body) {
    if (shell.human() || shell.zkcli()) shell.out_line("Committed new configuration:");
    return show_config(shell, args, body);
}

// zkCli.sh has it from Java: the name twice, and the reason in brackets.
Status refuse_file(Shell& shell, const std::string& file, const std::string& why) {
    if (!shell.zkcli()) return shell.complain(why, Status::usage);
    std::string reason = why.substr(std::min(file.size() + 2, why.size()));
    return shell.complain("Error processing " + file + file + " (" + reason + ")", Status::usage);
}

}  // namespace

Status op_config(Shell& shell, const Args& args) {
    return shell.send(args, call::get_data("/zookeeper/config", args.has("w")), show_config);
}

// What it may be joined by is what zkCli.sh allows: all anew, or some more and some less.
Status op_reconfig(Shell& shell, const Args& args) {
    call::Reconfig wanted;
    const std::string* add = args.value("add");
    const std::string* remove = args.value("remove");
    const std::string* members = args.value("members");
    const std::string* file = args.value("file");
    bool whole = members != nullptr || file != nullptr;
    bool some = add != nullptr || remove != nullptr;
    if (!whole && !some)
        return shell.usage(shell.zkcli() ? "too few arguments"
                                         : "one of -add, -remove, -members and -file is needed");
    if (whole && some)
        return shell.usage("Can't use -file or -members together with -add or -remove (mixing "
                           "incremental and non-incremental modes is not allowed)");
    if (members != nullptr && file != nullptr)
        return shell.usage("Can't use -file and -members together (conflicting non-incremental "
                           "modes)");
    std::string lines;
    if (file != nullptr) {
        Result<std::string> read = read_file(*file, file_bytes_max);
        if (!read) return refuse_file(shell, *file, read.error().text);
        lines = std::move(*read);
    } else if (members != nullptr) {
        lines = *members;
    }
    if (const std::string* text = args.value("v")) {
        uint64_t version = 0;
        char rest = 0;
        if (sscanf(text->c_str(), "%16lx%c", &version, &rest) != 1)
            return shell.usage("-v must be followed by a long (configuration version)");
        wanted.version = static_cast<int64_t>(version);
    }
    if (add != nullptr) wanted.joining = *add;
    if (remove != nullptr) wanted.leaving = *remove;
    if (whole) wanted.members = lines;
    return shell.send(args, call::reconfig(wanted), show_committed);
}

}  // namespace zk
