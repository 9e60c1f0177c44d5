// recipe.cc -- see recipe.h.

#include "cli/recipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <random>

#include "cli/handlers.h"

namespace zk {

namespace {

constexpr uint64_t call_ms_min = 1000;  // that a call may take past a deadline: to look just once
constexpr double seconds_max = 1e9;
// Servers are not as strict with the end of a session, least of all one that starts just now.
constexpr uint64_t clean_up_ms_min = 2000;
constexpr Acl anyone[] = {{.perms = perm::all, .scheme = "world", .id = "anyone"}};

}  // namespace

Recipe::Recipe(Shell& shell) : shell_(shell), session_(shell.session()) {
    bool drained = shell.drain(0);
    auto caught = [](void* of, int signal) { static_cast<Recipe*>(of)->on_signal(signal); };
    struct sigaction hangup = {};
    sigaction(SIGHUP, nullptr, &hangup);
    bool nohup = hangup.sa_handler == SIG_IGN;
    for (int number : {SIGINT, SIGTERM, SIGCHLD, SIGHUP, SIGALRM})
        if (number != SIGHUP || !nohup)
            caught_.push_back(session_.catch_signal(number, caught, this));
    // One that came before them, while a line was taken or drained, is not passed to them.
    if (!drained || !session_.poll()) on_signal(SIGINT);
    ShellListener listener;
    listener.context = this;
    listener.on_watch = [](void* of, const WatcherEvent& event, int64_t zxid) {
        auto* recipe = static_cast<Recipe*>(of);
        recipe->events_.push_back({.type = event.type,
                                   .path = std::string(event.path),
                                   .zxid = std::max<int64_t>(zxid, 0)});
        recipe->stirred_ = true;
    };
    listener.on_state = [](void* of, ClientState state) {
        auto* recipe = static_cast<Recipe*>(of);
        if (is_connected(state)) ++recipe->connections_;
        recipe->stirred_ = true;
    };
    shell.set_listener(listener);
    resume(never);
}

Recipe::~Recipe() {
    for (size_t each : caught_) session_.forget_signal(each);
    session_.set_limit({});
    session_.watchful(false);
    shell_.set_listener({});
}

Status Recipe::begin(const Args& args) {
    uint64_t ms = 0;
    if (const std::string* text = args.value("timeout")) {
        if (!parse_seconds(*text, ms)) return shell_.usage("--timeout is to be in seconds");
        resume(session_.now_ms() + ms);
    }
    shell_.flush();
    if (session_.connect() && !stopped()) {
        if (args.has("timeout")) resume(session_.now_ms() + ms);
        return Status::ok;
    }
    return over() ? verdict() : shell_.fail(Err::operation_timeout, args.word(0));
}

// A server that asks to come again later has not carried the request out.
SyncClient::Reply Recipe::call(const Call& call) {
    for (;;) {
        SyncClient::Reply reply = session_.call(call);
        Err err = reply.header.err;
        if (err == Err::session_moved) continue;
        if (err != Err::operation_timeout) return reply;
        if (!warned_) shell_.warn(session_.why_not() + "; still trying");
        warned_ = true;
    }
}

Status Recipe::wait(uint64_t until_ms) {
    shell_.flush();
    for (;;) {
        if (over()) return verdict();
        if (std::exchange(stirred_, false) || session_.now_ms() >= until_ms) return Status::ok;
        session_.wait(until_ms);
    }
}

Status Recipe::wait_change(size_t seen) {
    while (events_.empty() && connections_ == seen && session() != 0)
        if (Status status = wait(); status != Status::ok) return status;
    return Status::ok;
}

Status Recipe::fail(Err err, std::string_view path) {
    return err == Err::request_timeout ? verdict() : shell_.fail(err, path);
}

Status Recipe::verdict() {
    if (signal_ == SIGINT || signal_ == SIGALRM) return shell_.fail(Err::request_timeout, "");
    if (signal_ != 0)
        return shell_.complain("ended by a signal", static_cast<Status>(128 + signal_));
    return shell_.complain("timed out", Status::timed_out);
}

void Recipe::release(uint64_t until_ms) {
    deadline_ms_ = never;
    session_.set_limit({.ended = nullptr, .context = nullptr, .deadline_ms = until_ms});
}

void Recipe::release_while_alive() {
    uint64_t timeout_ms = static_cast<uint64_t>(session_.session_timeout_ms());
    release(std::max(session_.renewed_ms() + timeout_ms, session_.now_ms() + clean_up_ms_min));
}

void Recipe::resume(uint64_t deadline_ms) {
    deadline_ms_ = deadline_ms;
    auto ended = [](void* of) { return static_cast<Recipe*>(of)->stopped(); };
    uint64_t calls_end_ms = deadline_ms == never ? never : deadline_ms + call_ms_min;
    session_.set_limit({.ended = ended, .context = this, .deadline_ms = calls_end_ms});
}

void Recipe::heed_children(bool on) {
    heeds_children_ = on;
    child_news_ = false;
}

void Recipe::on_signal(int signal) {
    stirred_ = true;
    if (signal == SIGCHLD) child_news_ = true;
    else signal_ = to_pass_on_ = signal;
    // Our --deadline means nothing to a child: it is told to end.
    if (signal == SIGALRM) to_pass_on_ = SIGTERM;
}

// -- paths ---------------------------------------------------------------------------------------

Status Recipe::ensure(std::string_view path, CreateMode mode) {
    for (size_t end = path.find('/', 1); end != path.npos; end = path.find('/', end + 1))
        if (Status made = make(path.substr(0, end), CreateMode::persistent); made != Status::ok)
            return made;
    return make(path, mode);
}

Status Recipe::make(std::string_view path, CreateMode mode) {
    if (path == "/") return Status::ok;
    std::string full = shell_.full(path);
    for (;;) {
        Err err = call(create_call(full, as_bytes(""), mode)).header.err;
        switch (err) {
        case Err::ok:
        case Err::node_exists: return Status::ok;
        case Err::connection_loss:
        case Err::session_expired: continue;
        case Err::unimplemented:  // before 3.5 there were no containers
            if (mode == CreateMode::persistent) return fail(err, path);
            mode = CreateMode::persistent;
            continue;
        default: {
            // Who may not create here may still find it there.
            if (err == Err::no_auth && call(call::exists(full, false)).header.err == Err::ok)
                return Status::ok;
            return fail(err, path);
        }
        }
    }
}

// -- commands ------------------------------------------------------------------------------------

// What is read by a script's command line is the rest of the script: not for children.
Status Recipe::start(Child& child, const Child::Plan& plan) {
    shell_.flush();
    Child::Plan mine = plan;
    int nothing = -1;
    if (mine.input < 0 && shell_.line_number() > 0)
        mine.input = nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    Result<void> started = child.start(mine);
    if (nothing >= 0) close(nothing);
    return started ? Status::ok : shell_.complain(started.error().text, child.status());
}

Status Recipe::run(const Child::Plan& plan) {
    uint64_t deadline = deadline_ms_;
    Child child;
    if (Status status = start(child, plan); status != Status::ok) return status;
    release();
    while (!child.ended()) {
        if (int number = take_signal()) child.pass_on(number);
        session_.wait(never);
    }
    resume(deadline);
    return child.status();
}

// -- texts ---------------------------------------------------------------------------------------

bool parse_seconds(std::string_view text, uint64_t& ms) {
    double seconds = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    if (!(seconds >= 0) || seconds > seconds_max) return false;
    ms = static_cast<uint64_t>(std::ceil(seconds * 1000));
    return true;
}

std::string hex_text(int64_t number) {
    char digits[16];
    auto end = std::to_chars(digits, digits + sizeof digits, static_cast<uint64_t>(number), 16).ptr;
    return "0x" + std::string(digits, end);
}

std::string new_guid() {
    std::random_device random;
    std::string guid;
    while (guid.size() < 32) {
        std::string part = hex_text(random());
        part = std::string(8, '0') + part.substr(2);
        guid += part.substr(part.size() - 8);
    }
    return guid;
}

Call create_call(std::string_view path, Bytes data, CreateMode mode) {
    call::Create wanted;
    wanted.path = path;
    wanted.data = data.data() == nullptr ? as_bytes("") : data;
    wanted.acls = anyone;
    wanted.mode = mode;
    return call::create(wanted);
}

int file_of(Bytes bytes) {
    char name[] = "/tmp/zk-cli.XXXXXX";
    int file = mkostemp(name, O_CLOEXEC);
    if (file < 0) return -1;
    unlink(name);
    std::string_view rest = as_text(bytes);
    while (!rest.empty()) {
        ssize_t written = write(file, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            close(file);
            return -1;
        }
        rest.remove_prefix(static_cast<size_t>(written));
    }
    lseek(file, 0, SEEK_SET);
    return file;
}

bool parse_sequence(std::string_view name, std::string_view tag, int32_t& number) {
    size_t at = name.rfind(tag);
    return at != name.npos && parse_number(name.substr(at + tag.size()), number);
}

}  // namespace zk
