// shell.cc -- see shell.h.

#include "cli/shell.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "cli/print.h"
#include "cli/words.h"

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
    Result<std::vector<std::string>> words = split_words(line);
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
    const Command* command = find_command(words[0]);
    if (command == nullptr) {
        std::string why = "Command not found: " + words[0] + " (help lists the commands)";
        return settle(complain(why, Status::unknown_command));
    }
    if (session_lost_ && tell_session_lost() != Status::ok) return Status::expired;
    const Command* outer = running_;  // redo runs a command within a command
    running_ = command;
    Result<Args> args = parse_args(command->options, words.subspan(1), command->runs);
    Status status = Status::ok;
    if (!args) status = usage(args.error().text);
    else if (args->words.size() < command->words_min) status = usage("too few arguments");
    else if (args->words.size() > command->words_max) status = usage("too many arguments");
    else status = command->run(*this, *args);
    running_ = outer;
    return settle(status);
}

Status Shell::settle(Status status) {
    if (status != Status::ok && first_failure_ == Status::ok) first_failure_ = status;
    return status;
}

// A script that goes on in a new session, unaware, would count on ephemerals that are gone.
Status Shell::tell_session_lost() {
    session_lost_ = false;
    if (options_.human) return Status::ok;
    settle(complain("the session has expired; its ephemerals and watches are gone",
                    Status::expired));
    return options_.keep_going ? Status::ok : Status::expired;
}

Status Shell::finish() {
    session_.drain(0);
    line_ = 0;
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
    // Only who owns ephemerals has to wait for them to be gone.
    session_.close(holds_ephemerals_);
    return !out_broken_;
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

void Shell::flush() {
    std::string_view rest = out_;
    while (!rest.empty() && !out_broken_) {
        ssize_t written = write(STDOUT_FILENO, rest.data(), rest.size());
        if (written > 0) rest.remove_prefix(static_cast<size_t>(written));
        else if (written < 0 && errno != EINTR) out_broken_ = true;
    }
    // Nobody is left to read, as in `zk-cli ... | head`: there is no use in going on.
    if (out_broken_) quit_ = true;
    out_.clear();
}

Status Shell::complain(std::string_view text, Status status, std::string_view path) {
    std::string message;
    if (options_.json) {
        Json json = Json::object();
        if (status == Status::ok) json.set("note", text);
        else json.set("error", name_of(status)).set("message", text);
        if (!path.empty()) json.set("path", path);
        if (line_ > 0) json.set("line", static_cast<uint64_t>(line_));
        message = json.text();
    } else {
        if (options_.color) message += "\033[31m";
        if (line_ > 0 && !options_.human) message += "line " + std::to_string(line_) + ": ";
        message += text;
        if (options_.color) message += "\033[0m";
    }
    message += "\n";
    flush();
    fwrite(message.data(), 1, message.size(), stderr);
    return status;
}

Status Shell::fail(Err err, std::string_view path) {
    if (err == Err::request_timeout) return complain("interrupted", Status::interrupted);
    if (err == Err::operation_timeout) return complain(session_.why_not(), Status::no_connection);
    if (err == Err::session_expired) session_lost_ = false;
    std::string text = error_text(err, path);
    // Whether the request was carried out is not known: that is for the user to find out.
    if (err == Err::connection_loss) text += " (" + session_.trouble() + ")";
    return complain(text, status_of(err), path);
}

Status Shell::malformed() {
    return complain(session_.server() + " sent a reply that cannot be read", Status::failed);
}

Status Shell::usage(std::string_view why) {
    ASSERT(running_ != nullptr);
    std::string text(running_->name);
    text.append(": ").append(why).append("\nusage: ").append(usage_of(*running_));
    return complain(text, Status::usage);
}

void Shell::warn(std::string_view text) { complain(text, Status::ok); }

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
    std::string text = event_text(event.type, event.path);
    if (notice_ != nullptr) {
        notice_(notice_context_, text);
        return;
    }
    flush();
    text += "\n";
    fwrite(text.data(), 1, text.size(), stderr);
}

// Programs are not told: a session that goes on elsewhere is as good as before.
void Shell::on_state(ClientState state) {
    bool was = std::exchange(was_connected_, was_connected_ || is_connected(state));
    if (state == ClientState::expired) session_lost_ = true;
    if (listener_.on_state != nullptr) listener_.on_state(listener_.context, state);
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
