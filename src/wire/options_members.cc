// The lines that say who is in the ensemble:
//
//     server.1=host:2888:3888[:role][|host:2888:3888[:role]]...[;[address:]clientPort]
//     group.1=1:2:3                      refused
//     weight.1=2                         refused, unless it is 1
//
// A line sets or replaces what is known of its member, so the last one counts.

#include <algorithm>
#include <map>
#include <utility>

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

// Made where there is none yet.
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

std::string bracketed(const std::string& host) {
    return host.find(':') == host.npos ? host : "[" + host + "]";
}

bool is_loopback(std::string_view host) {
    std::string name = lower_case(host);
    return name == "localhost" || name == "::1" ||
           (name.starts_with("127.") && name.find_first_not_of("0123456789.") == name.npos);
}

}  // namespace

std::string read_member(std::string_view line, Member& member) {
    std::vector<std::string_view> parts = split(line, ';');
    if (parts.size() > 3) return std::string(server_form);
    member.addresses.clear();
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

std::string member_text(const Member& member) {
    std::string text;
    for (const MemberAddress& address : member.addresses)
        text += (text.empty() ? "" : "|") + bracketed(address.host) + ":" +
                std::to_string(address.peer_port) + ":" + std::to_string(address.election_port);
    text += member.observer ? ":observer" : ":participant";
    if (member.client_port == 0) return text;
    std::string client = member.client_address.empty() ? "0.0.0.0" : member.client_address;
    return text + ";" + bracketed(client) + ":" + std::to_string(member.client_port);
}

std::string set_server(const Option&, std::string_view key, std::string_view value,
                       Settings& settings) {
    int64_t id = id_of(key);
    if (id == 0 || id > 255)
        return std::string(key) + " has no good number; the id of a server is from 1 to 255";
    Member parsed;
    std::string takes = read_member(value, parsed);
    if (!takes.empty()) return bad_value(key, value, takes);
    parsed.id = id;
    member_of(settings.config, id) = parsed;
    return {};
}

std::string set_group(const Option& option, std::string_view key, std::string_view, Settings&) {
    return std::string(key) + ": " + std::string(option.help) + "; remove the line";
}

std::string set_weight(const Option& option, std::string_view key, std::string_view value,
                       Settings&) {
    if (parse_number(value) == 1) return {};
    return std::string(key) + ": " + std::string(option.help) + "; remove the line, or say 1";
}

bool in_ensemble(const Config& config) {
    auto votes = [](const Member& member) { return !member.observer; };
    auto voters = std::count_if(config.members.begin(), config.members.end(), votes);
    return voters > 1 || (!config.standalone_enabled && !config.members.empty());
}

const Member* own_member(const Config& config) {
    for (const Member& member : config.members)
        if (member.id == config.my_id) return &member;
    return nullptr;
}

bool all_loopback(std::span<const Member> members) {
    for (const Member& member : members)
        for (const MemberAddress& address : member.addresses)
            if (!is_loopback(address.host)) return false;
    return true;
}

namespace {

class Judge {
public:
    explicit Judge(Settings& settings) : settings_(settings), config_(settings.config) {}

    void run() {
        if (config_.force_new_ensemble && config_.my_id == 0)
            complain("--force-new-ensemble needs the id of this server: the file " + my_id_file() +
                     ", or --myid");
        roles();
        addresses();
        if (in_ensemble(config_)) ensemble();
        const Member* self = own_member(config_);
        if (self == nullptr && config_.members.size() == 1) self = &config_.members.front();
        if (self != nullptr) client_port(*self);
    }

private:
    void complain(const std::string& what) {
        settings_.errors.push_back((settings_.file.empty() ? "" : settings_.file + ": ") + what);
    }
    void warn(const std::string& what) { settings_.warnings.push_back(what); }
    std::string my_id_file() const { return config_.data_dir + "/myid"; }

    void roles() {
        size_t voters = 0;
        for (const Member& member : config_.members) voters += member.observer ? 0 : 1;
        size_t observers = config_.members.size() - voters;
        if (config_.members.empty()) {
            if (!config_.standalone_enabled)
                complain("standaloneEnabled is false, and there is no server line");
        } else if (voters == 0) {
            complain("there are only observers, and nobody who votes");
        } else if (voters == 1 && observers > 0 && config_.standalone_enabled) {
            complain("observers need an ensemble to observe: more voters, or standaloneEnabled "
                     "false for an ensemble of one");
        } else if (voters == 2) {
            warn("with 2 voters the ensemble stops when either fails; 3 tolerate one failure");
        } else if (voters % 2 == 0) {
            warn(std::to_string(voters) + " voters tolerate no more failures than " +
                 std::to_string(voters - 1) + "; an odd number is better");
        }
    }

    // Those of one server may be the same, as where two names lead to one interface.
    void addresses() {
        std::map<std::pair<std::string, uint16_t>, int64_t> owners;
        for (const Member& member : config_.members) {
            for (const MemberAddress& address : member.addresses) {
                auto [at, fresh] = owners.emplace(
                    std::pair(lower_case(address.host), address.peer_port), member.id);
                if (!fresh && at->second != member.id)
                    complain("server." + std::to_string(at->second) + " and server." +
                             std::to_string(member.id) + " have the same address " +
                             bracketed(address.host) + ":" + std::to_string(address.peer_port));
            }
        }
    }

    void ensemble() {
        if (config_.init_limit_ticks == 0)
            complain("initLimit is not set, which an ensemble needs; 10 is usual");
        if (config_.sync_limit_ticks == 0)
            complain("syncLimit is not set, which an ensemble needs; 5 is usual");
        identity();
        secret();
        if (config_.election_ms < 2 * config_.heartbeat_ms)
            complain("quorum.electionMs is " + std::to_string(config_.election_ms) +
                     ", less than twice quorum.heartbeatMs, which is " +
                     std::to_string(config_.heartbeat_ms));
    }

    void identity() {
        const Member* self = own_member(config_);
        if (config_.my_id == 0) {
            complain("the myid file is missing: the first line of " + my_id_file() +
                     " is the N of this server's own server.N line (or say --myid N)");
        } else if (self == nullptr) {
            complain("this server is number " + std::to_string(config_.my_id) +
                     ", and there is no line server." + std::to_string(config_.my_id));
        } else {
            if (settings_.is_set("peerType") && config_.observer != self->observer)
                warn(settings_.place("peerType") + ": peerType does not agree with the line "
                     "server." + std::to_string(self->id) + ", which counts");
            config_.observer = self->observer;
        }
    }

    void secret() {
        if (settings_.is_set("quorum.secret") && settings_.is_set("quorum.secretFile"))
            complain("quorum.secret and quorum.secretFile are both set; leave one of them out");
        bool secret = settings_.is_set("quorum.secret") || settings_.is_set("quorum.secretFile");
        if (secret || all_loopback(config_.members)) return;
        if (config_.quorum_insecure)
            warn("QUORUM.INSECURE IS YES: WHOEVER REACHES THE QUORUM PORT CAN READ AND CHANGE "
                 "EVERYTHING");
        else
            complain("without a secret whoever reaches the quorum port could read and change "
                     "everything: set quorum.secretFile or quorum.secret, the same on all "
                     "servers, or quorum.insecure yes if nobody else can reach that port");
    }

    void client_port(const Member& self) {
        if (self.client_port == 0) return;
        if (settings_.is_set("clientPort") && config_.client_port != self.client_port)
            return complain("clientPort is " + std::to_string(config_.client_port) +
                            " but the line of server." + std::to_string(self.id) + " says " +
                            std::to_string(self.client_port) + "; leave one of them out");
        config_.client_port = self.client_port;
        if (!self.client_address.empty()) config_.client_address = self.client_address;
    }

    Settings& settings_;
    Config& config_;
};

}  // namespace

void check_members(Settings& settings) {
    Judge(settings).run();
}

}  // namespace zk
