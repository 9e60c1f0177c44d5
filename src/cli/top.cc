// top.cc -- top: who keeps the server busy, by the server's own words, again and again.
//
// Asks the server of the session. Where `cons` is not among the words it may answer
// (4lw.commands.whitelist), only the server's own rates are shown.

#include "cli/top_words.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "cli/handlers.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/trees.h"

namespace zk {

namespace {

constexpr uint64_t answer_ms_max = 5000;
constexpr size_t lines_around = 5;  // that are no connections

class Top {
public:
    explicit Top(Shell& shell) : shell_(shell) {}
    Status run(const Args& args);

private:
    struct Answer {
        bool here = false;
        std::string text;
    };

    Status ask(std::string_view word, std::string& text);
    Status look(Look& now);
    bool wait(uint64_t until_ms, const bool& done);
    void show(const Look& before, const Look& now);
    void show_json(const Look& before, const Look& now, const std::vector<Rate>& busy);
    void show_screen(const Look& before, const Look& now, const std::vector<Rate>& busy);
    void show_rows(const Look& before, const Look& now, const std::vector<Rate>& busy);

    Shell& shell_;
    Answer answer_;
    bool screen_ = false;
    bool no_cons_ = false;  // told once
    bool shown_ = false;
};

// Serves the session meanwhile. False: Ctrl-C.
bool Top::wait(uint64_t until_ms, const bool& done) {
    SyncClient& session = shell_.session();
    while (!done) {
        SyncClient::Wake wake = session.wait(until_ms);
        if (session.interrupted()) return false;
        if (wake == SyncClient::Wake::deadline) break;
    }
    return true;
}

Status Top::ask(std::string_view word, std::string& text) {
    SyncClient& session = shell_.session();
    if (!session.connect()) return shell_.fail(Err::operation_timeout, "");
    answer_ = Answer();
    auto done = [](void* context, std::string_view got) {
        auto& top = *static_cast<Top*>(context);
        top.answer_ = {.here = true, .text = std::string(got)};
        top.shell_.session().wake();
    };
    session.ask_word(word, done, this);
    if (!wait(session.now_ms() + answer_ms_max, answer_.here))
        return shell_.fail(Err::request_timeout, "");
    if (!answer_.here || answer_.text.empty())
        return shell_.complain(session.server() + " does not answer the word " + std::string(word),
                               Status::timed_out);
    text = std::move(answer_.text);
    return Status::ok;
}

Status Top::look(Look& now) {
    std::string text;
    if (Status status = ask("srvr", text); status != Status::ok) return status;
    now.at_ms = static_cast<int64_t>(shell_.session().now_ms());
    if (!parse_srvr(text, now.state))
        return shell_.complain("srvr: " + text.substr(0, text.find('\n')), Status::failed);
    if (no_cons_) return Status::ok;
    if (Status status = ask("cons", text); status != Status::ok) return status;
    now.at_ms = static_cast<int64_t>(shell_.session().now_ms());
    now.connections = parse_cons(text);
    no_cons_ = now.connections.empty() && text.find("whitelist") != text.npos;
    if (no_cons_)
        shell_.warn("connections are not shown: the server may not answer cons "
                    "(4lw.commands.whitelist)");
    return Status::ok;
}

void Top::show_json(const Look& before, const Look& now, const std::vector<Rate>& busy) {
    int64_t ms = now.at_ms - before.at_ms;
    Json json = Json::object();
    json.set("time", wall_clock_ms()).set("server", shell_.session().server());
    json.set("mode", now.state.mode).set("version", now.state.version);
    json.set("received", per_second(before.state.received, now.state.received, ms));
    json.set("sent", per_second(before.state.sent, now.state.sent, ms));
    json.set("outstanding", now.state.outstanding).set("znodes", now.state.znodes);
    Json list = Json::array();
    for (const Rate& rate : busy) {
        Json one = Json::object();
        one.set("client", rate.now.client).set("session", rate.now.session);
        one.set("received", rate.received).set("sent", rate.sent);
        one.set("queued", rate.now.queued).set("avg_ms", rate.now.latency_avg_ms);
        one.set("max_ms", rate.now.latency_max_ms).set("last", rate.now.last_op);
        list.add(std::move(one));
    }
    shell_.out_line(json.set("connections", std::move(list)));
}

void Top::show_rows(const Look& before, const Look& now, const std::vector<Rate>& busy) {
    int64_t ms = now.at_ms - before.at_ms;
    if (shown_) shell_.out("\n");
    char text[256];
    snprintf(text, sizeof text, "%.1f\t%.1f\t%lld\t-\t-\t-\ttotal\t-",
             per_second(before.state.received, now.state.received, ms),
             per_second(before.state.sent, now.state.sent, ms),
             static_cast<long long>(now.state.outstanding));
    shell_.out_line(text);
    for (const Rate& rate : busy) {
        auto shown = [](const std::string& value) { return value.empty() ? "-" : value.c_str(); };
        snprintf(text, sizeof text, "%.1f\t%.1f\t%lld\t%lld\t%lld\t%s\t%s\t%s", rate.received,
                 rate.sent, static_cast<long long>(rate.now.queued),
                 static_cast<long long>(rate.now.latency_avg_ms),
                 static_cast<long long>(rate.now.latency_max_ms), shown(rate.now.last_op),
                 shown(rate.now.client), shown(rate.now.session));
        shell_.out_line(text);
    }
}

void Top::show_screen(const Look& before, const Look& now, const std::vector<Rate>& busy) {
    int64_t ms = now.at_ms - before.at_ms;
    winsize size = {};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    size_t height = size.ws_row > lines_around ? size.ws_row - lines_around : busy.size();
    if (screen_) shell_.out("\033[H\033[J");
    const ServerState& state = now.state;
    char text[256];
    shell_.out_line(shell_.session().server() + "  " + state.mode + "  " + state.version + "  " +
                    grouped(static_cast<uint64_t>(state.znodes)) + " znodes  " +
                    grouped(static_cast<uint64_t>(state.connections)) + " connections");
    snprintf(text, sizeof text, "%.0f requests/s  %.0f replies/s  %lld outstanding  latency %s ms",
             per_second(before.state.received, state.received, ms),
             per_second(before.state.sent, state.sent, ms),
             static_cast<long long>(state.outstanding), state.latency.c_str());
    shell_.out_line(text);
    if (busy.empty()) return;
    snprintf(text, sizeof text, "\n%9s %9s %7s %7s %7s  %-5s %-22s %s", "IN/S", "OUT/S", "QUEUED",
             "AVG ms", "MAX ms", "LAST", "CLIENT", "SESSION");
    shell_.out_line(text);
    for (size_t i = 0; i < busy.size() && i < height; ++i) {
        const Rate& rate = busy[i];
        snprintf(text, sizeof text, "%9.1f %9.1f %7lld %7lld %7lld  %-5s %-22s %s", rate.received,
                 rate.sent, static_cast<long long>(rate.now.queued),
                 static_cast<long long>(rate.now.latency_avg_ms),
                 static_cast<long long>(rate.now.latency_max_ms), rate.now.last_op.c_str(),
                 rate.now.client.c_str(), rate.now.session.c_str());
        shell_.out_line(text);
    }
}

void Top::show(const Look& before, const Look& now) {
    std::vector<Rate> busy = rates(before, now);
    if (shell_.json()) show_json(before, now, busy);
    else if (shell_.human()) show_screen(before, now, busy);
    else show_rows(before, now, busy);
    shell_.flush();
    shown_ = true;
}

Status Top::run(const Args& args) {
    size_t rounds = shell_.human() ? SIZE_MAX : 1;
    std::optional<int64_t> every_ms = 1000;
    if (Status bad = read_count_option(shell_, args, "n", rounds); bad != Status::ok) return bad;
    if (const std::string* given = args.value("i")) every_ms = parse_age(*given);
    if (!every_ms || *every_ms < 1) return shell_.usage("-i is to be like 2, 0.5 or 1m");
    screen_ = shell_.human() && !args.has("n");
    shell_.drain(0);
    Look before;
    Status status = look(before);
    for (; status == Status::ok && rounds > 0 && !no_reader(shell_); --rounds) {
        if (!wait(static_cast<uint64_t>(before.at_ms + *every_ms), false))
            return shell_.fail(Err::request_timeout, "");
        Look now;
        status = look(now);
        if (status != Status::ok) break;
        show(before, now);
        before = std::move(now);
    }
    return status;
}

}  // namespace

Status op_top(Shell& shell, const Args& args) { return Top(shell).run(args); }

}  // namespace zk
