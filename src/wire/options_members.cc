// The lines that say who is in the ensemble (operations.md 1.4):
//
//     server.1=host:2888:3888[:role][|host:2888:3888[:role]]...[;[address:]clientPort]
//     group.1=1:2:3
//     weight.1=2
//
// A line sets or replaces what is known of its member, so the last one counts. group and weight may
// come before the server's line; both meet in `check_members`.

#include <algorithm>

#include "wire/options_fields.h"

namespace zk {

namespace {

constexpr std::string_view server_form =
    "host:port:electionPort[:participant|observer][;[address:]clientPort]";

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        // Colons inside of [..] belong to an IPv6 address.
        size_t end = 0;
        bool bracket = false;
        for (; end < text.size() && (bracket || text[end] != separator); ++end) {
            if (text[end] == '[') bracket = true;
            if (text[end] == ']') bracket = false;
        }
        parts.push_back(trimmed(text.substr(0, end)));
        if (end == text.size()) return parts;
        text.remove_prefix(end + 1);
    }
}

std::string_view without_brackets(std::string_view host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        return host.substr(1, host.size() - 2);
    return host;
}

bool parse_port(std::string_view text, uint16_t& port) {
    std::optional<int64_t> number = parse_number(text);
    if (!number || *number < 1 || *number > 65535) return false;
    port = static_cast<uint16_t>(*number);
    return true;
}

// The number behind "server." and the like; 0 if it is none.
int64_t id_of(std::string_view key) {
    std::optional<int64_t> id = parse_number(key.substr(key.find('.') + 1));
    return id && *id > 0 ? *id : 0;
}

// A member is there from the first line that names it; one without addresses has no server line.
Member& member_of(Config& config, int64_t id) {
    auto at = std::lower_bound(config.members.begin(), config.members.end(), id,
                               [](const Member& member, int64_t wanted) {
                                   return member.id < wanted;
                               });
    if (at == config.members.end() || at->id != id) {
        at = config.members.insert(at, Member{});
        at->id = id;
    }
    return *at;
}

std::string parse_address(std::string_view text, Member& member, bool first) {
    std::vector<std::string_view> parts = split(text, ':');
    MemberAddress address;
    if (parts.size() < 3 || parts.size() > 4) return std::string(server_form);
    address.host = without_brackets(parts[0]);
    if (address.host.empty() || !parse_port(parts[1], address.peer_port) ||
        !parse_port(parts[2], address.election_port))
        return std::string(server_form);
    if (address.peer_port == address.election_port) return "two different ports";
    bool observer = false;
    if (parts.size() == 4) {
        std::string role = lower_case(parts[3]);
        if (role != "participant" && role != "observer")
            return "participant or observer as the role";
        observer = role == "observer";
    }
    if (!first && observer != member.observer) return "one role for all addresses of a server";
    member.observer = observer;
    member.addresses.push_back(address);
    return {};
}

std::string parse_client(std::string_view text, Member& member) {
    if (text.empty()) return {};
    std::vector<std::string_view> parts = split(text, ':');
    if (parts.size() > 2 || !parse_port(parts.back(), member.client_port))
        return std::string(server_form);
    if (parts.size() == 2) member.client_address = without_brackets(parts[0]);
    return {};
}

std::string parse_member(std::string_view value, Member& member) {
    std::vector<std::string_view> parts = split(value, ';');
    if (parts.size() > 3) return std::string(server_form);
    bool first = true;
    for (std::string_view address : split(parts[0], '|')) {
        std::string takes = parse_address(address, member, first);
        if (!takes.empty()) return takes;
        first = false;
    }
    if (parts.size() == 3 && !parts[2].empty())
        return "no secure client port, since TLS is not in this version";
    return parts.size() > 1 ? parse_client(parts[1], member) : std::string();
}

}  // namespace

std::string set_server(const Option&, std::string_view key, std::string_view value,
                       Settings& settings) {
    int64_t id = id_of(key);
    if (id == 0 || id > 255)
        return std::string(key) + " has no good number; the id of a server is from 1 to 255";
    Member parsed;
    std::string takes = parse_member(value, parsed);
    if (!takes.empty()) return bad_value(key, value, takes);
    Member& member = member_of(settings.config, id);
    parsed.id = id;
    parsed.group = member.group;
    parsed.weight = member.weight;
    member = parsed;
    return {};
}

std::string set_group(const Option&, std::string_view key, std::string_view value,
                      Settings& settings) {
    int64_t group = id_of(key);
    if (group == 0) return std::string(key) + " has no good number; a group is from 1 on";
    for (std::string_view text : split(value, ':')) {
        std::optional<int64_t> id = parse_number(text);
        if (!id || *id < 1 || *id > 255) return bad_value(key, value, "ids of servers: 1:2:3");
        Member& member = member_of(settings.config, *id);
        if (member.group != 0 && member.group != group)
            return std::string(key) + " has server " + std::to_string(*id) +
                   ", which is in group " + std::to_string(member.group) + " already";
        member.group = group;
    }
    return {};
}

std::string set_weight(const Option&, std::string_view key, std::string_view value,
                       Settings& settings) {
    int64_t id = id_of(key);
    std::optional<int64_t> weight = parse_number(value);
    if (id == 0 || id > 255)
        return std::string(key) + " has no good number; the id of a server is from 1 to 255";
    if (!weight || *weight < 0 || *weight > 1000000)
        return bad_value(key, value, "a whole number from 0 to 1000000");
    member_of(settings.config, id).weight = static_cast<uint32_t>(*weight);
    return {};
}

void check_members(Settings& settings) {
    Config& config = settings.config;
    auto complain = [&](const std::string& what) {
        settings.errors.push_back((settings.file.empty() ? "" : settings.file + ": ") + what);
    };
    bool groups = false;
    size_t voters = 0;
    for (const Member& member : config.members) {
        groups = groups || member.group != 0;
        voters += !member.addresses.empty() && !member.observer;
    }
    for (const Member& member : config.members) {
        std::string name = "server." + std::to_string(member.id);
        if (member.addresses.empty())
            complain("a group or weight speaks of " + name + ", which has no line");
        else if (groups && member.group == 0 && !member.observer)
            complain(name + " is in no group, though there are groups");
    }
    if (config.members.empty()) return;
    if (config.members.size() > 1 || voters == 0 || !config.standalone_enabled) {
        complain("an ensemble of several servers is not in this version; leave one server line, "
                 "or none, and standaloneEnabled true");
        return;
    }
    const Member& self = config.members.front();
    if (self.client_port == 0) return;
    if (settings.is_set("clientPort") && config.client_port != self.client_port) {
        complain("clientPort is " + std::to_string(config.client_port) +
                 " but the line of server." + std::to_string(self.id) + " says " +
                 std::to_string(self.client_port) + "; leave one of them out");
        return;
    }
    config.client_port = self.client_port;
    if (!self.client_address.empty()) config.client_address = self.client_address;
}

}  // namespace zk
