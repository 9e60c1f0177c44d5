// shell.cc -- see shell.h.

#include "cli/shell.h"

#include <poll.h>
#include <unistd.h>

#include <sys/time.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "cli/human.h"
#include "cli/print.h"
#include "cli/quantity.h"
#include "cli/words.h"
#include "cli/zkcli.h"

namespace zk {

namespace {

constexpr size_t out_bytes_max = 64 * 1024;  // held back before it is written
constexpr size_t history_max = 1000;
constexpr size_t pipeline_max = 1024;        // requests on their way

Status status_of(Err err) {
    switch (err) {
    case Err::no_node: return Status::no_node;
    case Err::node_exists: return Status::node_exists;
    case Err::bad_version: return Status::bad_version;
    case Err::not_empty: return Status::not_empty;
    case Err::no_auth:
    case Err::auth_failed: return Status::no_auth;
    case Err::connection_loss: return Status::lost;
    case Err::session_expired: return Status::expired;
    default: return Status::failed;
    }
}

SyncOptions with_events(SyncOptions options, ClientEvents events) {
    options.client.events = events;
    return options;
}

}  // namespace

Shell::Shell(SyncOptions session, ShellOptions options)
    : session_(with_events(
          std::move(session),
          ClientEvents{.context = this,
                       .on_state = [](void* of, ClientState state) {
                           static_cast<Shell*>(of)->on_state(state);
                       },
                       .on_watch = [](void* of, const WatcherEvent& event, int64_t zxid) {
                           static_cast<Shell*>(of)->on_watch(event, zxid);
                       }})),
      options_(options) {}

Shell::~Shell() = default;

// -- running -------------------------------------------------------------------------------------

Status Shell::run_line(std::string_view line, size_t number) {
    if (is_idle_line(line)) return Status::ok;
    line_ = number;
    Result<std::vector<std::string>> words = zkcli() ? zkcli::split(line) : split_words(line);
    if (!words) return settle(complain(words.error().text, Status::usage));
    history_.emplace_back(line);
    if (history_.size() > history_max) {
        history_.pop_front();
        ++history_base_;
    }
    return run_words(*words);
}

Status Shell::run_words(std::span<const std::string> words) {
    ASSERT(!words.empty());
    if (session_lost_ && tell_session_lost() != Status::ok) return Status::expired;
    const Command* command = find_command(words[0]);
    if (transaction_.open && (command == nullptr || !ends_transaction(*command)))
        return settle(add_to_transaction(*this, words));
    if (command == nullptr) return settle(command_not_found(words[0]));
    const Command* outer = running_;  // redo runs a command within a command
    running_ = command;
    Args args;
    Status status = Status::ok;
    if (read_args(*command, words.subspan(1), args, status)) status = command->run(*this, args);
    running_ = outer;
    return settle(status);
}

void Shell::greet(bool lines) {
    out_line("Connecting to " + session_.servers());
    if (lines) out("Welcome to ZooKeeper!\nJLine support is disabled\n");
}

Status Shell::command_not_found(const std::string& name) {
    if (!zkcli())
        return complain("Command not found: " + name + " (help lists the commands)",
                        Status::unknown_command);
    return complain(std::string(zkcli::usage()) + "Command not found: Command not found " + name,
                    Status::unknown_command);
}

// False: there is nothing to run, and `status` is how that ends.
bool Shell::read_args(const Command& command, std::span<const std::string> words, Args& args,
                      Status& status) {
    if (command.raw) {
        args.words.assign(words.begin(), words.end());
        return true;
    }
    for (const std::string& word : words) {
        if (word == "--") break;
        if (word != "--help" && word != "-?") continue;
        out(help_of(command));
        return false;
    }
    Result<Args> read = parse_args(command.options, words, command.runs);
    if (!read) {
        status = zkcli() ? complain(zkcli::option_error(read.error().text), Status::usage)
                         : usage(read.error().text);
        return false;
    }
    args = std::move(*read);
    if (command.here && args.words.empty() && !directory_.empty()) args.words.emplace_back(".");
    if (zkcli() && args.words.size() > command.words_max)
        zkcli::drop_surplus(*this, command, args);
    if (args.words.size() < command.words_min) status = usage("too few arguments");
    else if (args.words.size() > command.words_max) status = usage("too many arguments");
    return status == Status::ok;
}

Status Shell::settle(Status status) {
    last_status_ = status;
    if (status != Status::ok && first_failure_ == Status::ok) first_failure_ = status;
    return status;
}

// A script that goes on in a new session, unaware, would count on ephemerals that are gone.
Status Shell::tell_session_lost() {
    session_lost_ = false;
    if (options_.human || options_.zkcli) return Status::ok;
    settle(complain("the session has expired; its ephemerals and watches are gone",
                    Status::expired));
    return options_.keep_going ? Status::ok : Status::expired;
}

Status Shell::finish() {
    if (deadline_passed_) {
        if (!deadline_told_) tell_deadline("");
        return zkcli() ? last_status_ : first_failure_;
    }
    session_.drain(0);
    line_ = 0;
    if (transaction_.open && first_failure_ == Status::ok)
        settle(complain("multi without a commit: nothing of it was sent",
                                           Status::usage));
    transaction_ = {};
    if (zkcli()) return last_status_;
    if (later_lines_ > 0)
        complain(std::to_string(later_lines_) + " later lines had been sent already; " +
                     std::to_string(later_failures_) + " of them failed too",
                 Status::failed);
    later_lines_ = later_failures_ = 0;
    return first_failure_;
}

bool Shell::close() {
    finish();
    flush();
    // Who leaves is told no more: it may be of a watch that only a recipe knew about.
    if (!zkcli()) print_watches_ = false;
    // Only who owns ephemerals has to wait for them to be gone.
    session_.close(holds_ephemerals_ && !deadline_passed_);
    flush();
    return !out_broken_;
}

void Shell::set_deadline(int64_t ms) {
    deadline_ms_ = ms;
    auto passed = [](void* of, int) { static_cast<Shell*>(of)->on_deadline(); };
    session_.catch_signal(SIGALRM, passed, this);
    itimerval timer = {};
    timer.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setitimer(ITIMER_REAL, &timer, nullptr);
}

Status Shell::tell_deadline(std::string_view path) {
    deadline_told_ = true;
    return complain("not done after " + std::to_string(deadline_ms_) + " ms", Status::timed_out,
                    path);
}

// What waits gives up by itself: see SyncClient::catch_signal.
void Shell::on_deadline() {
    deadline_passed_ = true;
    quit_ = true;
    settle(Status::timed_out);
}

// -- requests ------------------------------------------------------------------------------------

Status Shell::send(const Args& args, Call call, Show show) {
    if (!options_.pipeline) {
        SyncClient::Reply reply = session_.call(call);
        return show_reply(args, show, reply.header, reply.body);
    }
    if (!session_.connect()) return fail(Err::operation_timeout, args.word(0));
    piped_.push_back({.args = args, .show = show, .command = running_, .line = line_});
    auto done = [](void* of, uint64_t, const ReplyHeader& header, Bytes body) {
        static_cast<Shell*>(of)->on_piped(header, body);
    };
    session_.send(call, OnReply{.run = done, .context = this, .tag = 0});
    if (session_.outstanding() >= pipeline_max) session_.drain(pipeline_max / 2);
    return Status::ok;
}

void Shell::on_piped(const ReplyHeader& header, Bytes body) {
    Shown shown = std::move(piped_.front());
    piped_.pop_front();
    if (first_failure_ != Status::ok && !options_.keep_going) {
        ++later_lines_;
        if (header.err != Err::ok) {
            ++later_failures_;
            return;
        }
    }
    size_t line = std::exchange(line_, shown.line);
    const Command* command = std::exchange(running_, shown.command);
    settle(show_reply(shown.args, shown.show, header, body));
    line_ = line;
    running_ = command;
}

Status Shell::show_reply(const Args& args, Show show, const ReplyHeader& header, Bytes body) {
    if (header.err != Err::ok) return fail(header.err, args.word(0));
    return show(*this, args, body);
}

SyncClient::Reply Shell::call(const Call& call) {
    session_.drain(0);
    return session_.call(call);
}

void Shell::post(Call call, OnReply done) {
    if (!session_.connect()) {
        done.run(done.context, done.tag, ReplyHeader{.err = Err::operation_timeout}, {});
        return;
    }
    session_.send(call, done);
}

// -- telling -------------------------------------------------------------------------------------

void Shell::out(std::string_view data) {
    out_ += data;
    if (out_.size() >= out_bytes_max) flush();
}

void Shell::out_line(std::string_view data) {
    out(data);
    out("\n");
}

void Shell::err_line(std::string_view text) {
    flush();
    std::string line(text);
    line += "\n";
    fwrite(line.data(), 1, line.size(), stderr);
}

void Shell::out_stat(const Stat& stat) {
    out(human() ? human_stat(stat, wall_clock_ms(), options_.color) : stat_text(stat));
}

void Shell::flush() {
    std::string_view rest = out_;
    while (!rest.empty() && !out_broken_) {
        ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
        if (written > 0) {
            rest.remove_prefix(static_cast<size_t>(written));
        } else if (errno == EAGAIN) {
            // Somebody who shares it, ssh for one, has made it non-blocking.
            pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
            poll(&output, 1, -1);
        } else if (errno != EINTR) {
            out_broken_ = true;
            // A reader that went away knows; a full disk is news.
            if (errno != EPIPE)
                complain(std::string("standard output: ") + strerror(errno), Status::failed);
        }
    }
    // Nobody is left to read, as in `zk-cli ... | head`: there is no use in going on.
    if (out_broken_) quit_ = true;
    out_.clear();
}

Status Shell::complain(std::string_view text, Status status, std::string_view path,
                       size_t write) {
    std::string message;
    if (options_.json) {
        Json json = Json::object();
        if (status == Status::ok) json.set("note", text);
        else json.set("error", name_of(status)).set("message", text);
        if (!path.empty()) json.set("path", path);
        if (write > 0) json.set("write", static_cast<uint64_t>(write));
        if (line_ > 0) json.set("line", static_cast<uint64_t>(line_));
        message = json.text();
    } else {
        if (options_.color) message += "\033[31m";
        bool numbered = line_ > 0 && !options_.human && !zkcli();
        if (numbered) message += "line " + std::to_string(line_) + ": ";
        message += text;
        if (options_.color) message += "\033[0m";
    }
    err_line(message);
    return status;
}

Status Shell::fail(Err err, std::string_view path) {
    if (err == Err::request_timeout && deadline_passed_) return tell_deadline(path);
    if (err == Err::request_timeout) return complain("interrupted", Status::interrupted);
    if (err == Err::operation_timeout && zkcli()) err = Err::connection_loss;
    if (err == Err::operation_timeout) return complain(session_.why_not(), Status::no_connection);
    if (err == Err::session_expired) session_lost_ = false;
    std::string text = error_text(err, path);
    // Whether the request was carried out is not known: that is for the user to find out.
    if (err == Err::connection_loss && !zkcli()) text += " (" + session_.trouble() + ")";
    return complain(text, status_of(err), path);
}

Status Shell::fail_part(Err err, std::string_view path, size_t number, std::string_view name) {
    std::string text = error_text(err, path);
    if (!zkcli())
        text = "multi: write " + std::to_string(number) + ", " + std::string(name) + ": " + text +
               "; nothing was done";
    return complain(text, status_of(err), path, number);
}

Status Shell::malformed() {
    return complain(session_.server() + " sent a reply that cannot be read", Status::failed);
}

Status Shell::usage(std::string_view why) {
    ASSERT(running_ != nullptr);
    if (zkcli()) return complain(zkcli::usage_error(*running_, why), Status::usage);
    std::string text(running_->name);
    text.append(": ").append(why).append("\nusage: ").append(usage_of(*running_));
    return complain(text, Status::usage);
}

void Shell::warn(std::string_view text) { complain(text, Status::ok); }

std::string Shell::resolved(std::string_view path, bool prefix) const {
    if (directory_.empty()) return std::string(path);
    std::string made = path_from(directory_, path);
    if (prefix && path.ends_with('/') && made != "/") made += '/';
    return made;
}

void Shell::set_notice(void (*notice)(void* context, std::string_view text), void* context) {
    notice_ = notice;
    notice_context_ = context;
}

void Shell::on_watch(const WatcherEvent& event, int64_t zxid) {
    if (listener_.on_watch != nullptr) {
        listener_.on_watch(listener_.context, event, zxid);
        return;
    }
    if (!print_watches_) return;
    if (zkcli()) {
        tell_event(zkcli::event("SyncConnected", event_name(event.type), event.path, zxid));
        return;
    }
    std::string text = event_text(event.type, event.path);
    if (notice_ != nullptr) {
        notice_(notice_context_, text);
        return;
    }
    if (json()) {
        Json told = Json::object();
        told.set("event", event_name(event.type)).set("path", event.path);
        told.set("zxid", zxid);
        text = told.text();
    }
    err_line(text);
}

// zkCli.sh's events are a part of standard output, or stand between the lines that are typed.
void Shell::tell_event(std::string_view text) {
    if (notice_ != nullptr) {
        while (text.ends_with('\n')) text.remove_suffix(1);
        notice_(notice_context_, text);
        return;
    }
    out(text);
    flush();
}

// Programs are not told: a session that goes on elsewhere is as good as before.
void Shell::on_state(ClientState state) {
    bool was = std::exchange(was_connected_, was_connected_ || is_connected(state));
    if (state == ClientState::expired) session_lost_ = true;
    if (listener_.on_state != nullptr) listener_.on_state(listener_.context, state);
    if (zkcli()) {
        if (print_watches_) tell_event(zkcli::state_event(state, was));
        return;
    }
    if (notice_ == nullptr) return;
    if (!was) {
        notice_(notice_context_, "");  // no news, but a prompt that shows it
        return;
    }
    switch (state) {
    case ClientState::connecting:
        notice_(notice_context_, "connection lost: " + session_.trouble() + "; reconnecting");
        return;
    case ClientState::connected:
    case ClientState::connected_read_only:
        notice_(notice_context_, "connected to " + session_.server());
        return;
    case ClientState::expired:
        notice_(notice_context_, "session expired; its ephemerals and watches are gone");
        return;
    case ClientState::auth_failed:
        notice_(notice_context_, "authentication failed; the session is lost");
        return;
    case ClientState::closed: return;
    }
}

const std::string* Shell::history(size_t number) const {
    if (number < history_base_ || number >= lines_run()) return nullptr;
    return &history_[number - history_base_];
}

}  // namespace zk
