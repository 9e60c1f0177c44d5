// top_words.cc -- see top_words.h.

#include "cli/top_words.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

namespace zk {

namespace {

std::string_view take_line(std::string_view& text) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

int64_t number_of(std::string_view text) {
    int64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

void take_field(Connection& connection, std::string_view name, std::string_view value) {
    if (name == "queued") connection.queued = number_of(value);
    else if (name == "recved") connection.received = number_of(value);
    else if (name == "sent") connection.sent = number_of(value);
    else if (name == "avglat") connection.latency_avg_ms = number_of(value);
    else if (name == "maxlat") connection.latency_max_ms = number_of(value);
    else if (name == "sid") connection.session = value;
    else if (name == "lop") connection.last_op = value;
}

}  // namespace

// " /127.0.0.1:40282[1](queued=0,recved=1,sent=1,sid=0x1,...)"
std::vector<Connection> parse_cons(std::string_view text) {
    std::vector<Connection> found;
    while (!text.empty()) {
        std::string_view line = take_line(text);
        size_t slash = line.find('/');
        size_t fields = line.rfind('(');
        if (slash == line.npos || fields == line.npos || fields < slash) continue;
        Connection connection;
        connection.client = line.substr(slash + 1, line.rfind('[', fields) - slash - 1);
        std::string_view rest = line.substr(fields + 1);
        rest = rest.substr(0, rest.rfind(')'));
        while (!rest.empty()) {
            std::string_view field = rest.substr(0, rest.find(','));
            rest.remove_prefix(std::min(field.size() + 1, rest.size()));
            size_t equals = field.find('=');
            if (equals != field.npos)
                take_field(connection, field.substr(0, equals), field.substr(equals + 1));
        }
        // Those without a session are words being asked, like this one.
        if (!connection.session.empty()) found.push_back(std::move(connection));
    }
    return found;
}

bool parse_srvr(std::string_view text, ServerState& state) {
    state = ServerState();
    while (!text.empty()) {
        std::string_view line = take_line(text);
        size_t colon = line.find(": ");
        if (colon == line.npos) continue;
        std::string_view name = line.substr(0, colon);
        std::string_view value = line.substr(colon + 2);
        if (name == "Zookeeper version") state.version = value.substr(0, value.find(','));
        else if (name == "Latency min/avg/max") state.latency = value;
        else if (name == "Received") state.received = number_of(value);
        else if (name == "Sent") state.sent = number_of(value);
        else if (name == "Connections") state.connections = number_of(value);
        else if (name == "Outstanding") state.outstanding = number_of(value);
        else if (name == "Mode") state.mode = value;
        else if (name == "Node count") state.znodes = number_of(value);
    }
    return !state.version.empty() && !state.mode.empty();
}

double per_second(int64_t before, int64_t now, int64_t ms) {
    if (ms <= 0 || now < before) return 0;  // it was started anew meanwhile
    double rate = static_cast<double>(now - before) * 1000 / static_cast<double>(ms);
    return std::round(rate * 10) / 10;
}

std::vector<Rate> rates(const Look& before, const Look& now) {
    std::unordered_map<std::string_view, const Connection*> then;
    for (const Connection& connection : before.connections)
        then.emplace(connection.client, &connection);
    std::vector<Rate> made;
    int64_t ms = now.at_ms - before.at_ms;
    for (const Connection& connection : now.connections) {
        auto found = then.find(connection.client);
        // One that is new has done all of it since then.
        int64_t received = found == then.end() ? 0 : found->second->received;
        int64_t sent = found == then.end() ? 0 : found->second->sent;
        made.push_back({.now = connection,
                        .received = per_second(received, connection.received, ms),
                        .sent = per_second(sent, connection.sent, ms)});
    }
    std::stable_sort(made.begin(), made.end(), [](const Rate& a, const Rate& b) {
        return a.received + a.sent > b.received + b.sent;
    });
    return made;
}

}  // namespace zk
