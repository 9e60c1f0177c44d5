// options.cc -- see options.h.

#include "client/options.h"

#include <charconv>

namespace zk {

namespace {

Error bad_server(std::string_view text, const char* why) {
    return Error{.text = "bad server \"" + std::string(text) + "\": " + why};
}

Result<uint16_t> parse_port(std::string_view server, std::string_view digits) {
    unsigned port = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    bool whole = error == std::errc() && end == digits.data() + digits.size();
    if (!whole || port == 0 || port > 65535)
        return bad_server(server, "the port is to be a number from 1 to 65535");
    return static_cast<uint16_t>(port);
}

Result<ServerName> parse_server(std::string_view text) {
    if (text.empty()) return Error{.text = "empty server name; expected host:port[,host:port...]"};
    ServerName server;
    std::string_view port;
    bool has_port = false;
    if (text.front() == '[') {
        size_t close = text.find(']');
        if (close == text.npos) return bad_server(text, "missing ]");
        server.host = text.substr(1, close - 1);
        std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':')
            return bad_server(text, "expected :port after the ]");
        has_port = !rest.empty();
        if (has_port) port = rest.substr(1);
    } else {
        size_t colon = text.find(':');
        if (colon != text.rfind(':'))
            return bad_server(text, "an IPv6 address is written in brackets, [::1]:2181");
        has_port = colon != text.npos;
        server.host = text.substr(0, colon);
        if (has_port) port = text.substr(colon + 1);
    }
    if (server.host.empty()) return bad_server(text, "no host");
    for (char c : server.host)
        if (static_cast<unsigned char>(c) <= ' ') return bad_server(text, "blanks in the host");
    if (!has_port) return server;
    Result<uint16_t> number = parse_port(text, port);
    if (!number) return number.error();
    server.port = *number;
    return server;
}

// ZooKeeper's rules for a path, as far as a chroot can break them.
Result<std::string> parse_chroot(std::string_view text) {
    while (text.size() > 1 && text.back() == '/') text.remove_suffix(1);
    if (text == "/") return std::string();
    std::string path(text);
    std::string_view rest = text;
    while (!rest.empty()) {
        rest.remove_prefix(1);
        std::string_view name = rest.substr(0, rest.find('/'));
        if (name.empty()) return Error{.text = "bad chroot \"" + path + "\": an empty name"};
        if (name == "." || name == "..")
            return Error{.text = "bad chroot \"" + path + "\": relative names are not allowed"};
        rest.remove_prefix(name.size());
    }
    return path;
}

}  // namespace

std::string to_text(const ServerName& server) {
    bool v6 = server.host.find(':') != server.host.npos;
    std::string port = std::to_string(server.port);
    return v6 ? "[" + server.host + "]:" + port : server.host + ":" + port;
}

Result<ConnectString> parse_connect_string(std::string_view text) {
    ConnectString parsed;
    size_t slash = text.find('/');
    if (slash != text.npos) {
        Result<std::string> chroot = parse_chroot(text.substr(slash));
        if (!chroot) return chroot.error();
        parsed.chroot = std::move(*chroot);
    }
    std::string_view list = text.substr(0, slash);
    for (;;) {
        size_t comma = list.find(',');
        Result<ServerName> server = parse_server(list.substr(0, comma));
        if (!server) return server.error();
        parsed.servers.push_back(std::move(*server));
        if (parsed.servers.size() > servers_max)
            return Error{.text = "more than " + std::to_string(servers_max) + " servers"};
        if (comma == list.npos) return parsed;
        list.remove_prefix(comma + 1);
    }
}

std::string_view state_name(ClientState state) {
    switch (state) {
    case ClientState::connecting: return "CONNECTING";
    case ClientState::connected: return "CONNECTED";
    case ClientState::connected_read_only: return "CONNECTEDREADONLY";
    case ClientState::expired: return "EXPIRED";
    case ClientState::auth_failed: return "AUTH_FAILED";
    case ClientState::closed: return "CLOSED";
    }
    return "UNKNOWN";
}

}  // namespace zk
