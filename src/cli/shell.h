// shell.h -- runs command lines: finds the row, reads the words, talks to the service, tells.
//
// Owns the session and what is waiting to be written to standard output. Data goes to standard
// output, everything else to standard error. How things look depends on who reads: `human` is a
// person at a terminal, otherwise a program, which gets data and nothing else.
//
//     line -> split_words -> row -> parse_args -> handler -> send ... show -> out
//
// A handler that needs one reply hands `send` a function which shows it. Normally that happens at
// once; with `pipeline` replies are shown as they come in, in the order of the lines, while later
// lines are already on their way. Handlers that `call` wait for all of those first.

#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/version.h"
#include "cli/command.h"
#include "cli/json.h"
#include "cli/transaction.h"
#include "client/sync.h"

namespace zk {

inline constexpr std::string_view cli_version = ZKD_VERSION;

struct ShellOptions {
    bool human = false;
    bool color = false;
    bool pipeline = false;
    bool keep_going = false;  // tell all failures of pipelined lines, not only the first
    bool json = false;        // what is shown, and what goes wrong, as JSON, a value a line
    bool zkcli = false;       // texts, streams and exit statuses are zkCli.sh's
    bool script = false;      // commands come from standard input, so data cannot
};

// Takes events and changes of state for a command that waits for them; events are not shown then.
struct ShellListener {
    void* context = nullptr;
    void (*on_watch)(void* context, const WatcherEvent& event, int64_t zxid) = nullptr;
    void (*on_state)(void* context, ClientState state) = nullptr;
};

class Shell {
public:
    Shell(SyncOptions session, ShellOptions options);
    Shell(const Shell&) = delete;
    Shell& operator=(const Shell&) = delete;
    ~Shell();

    // One line, which is remembered for `history`. `number` stands before messages; 0: none.
    Status run_line(std::string_view line, size_t number);
    void greet(bool lines);  // as zkCli.sh does
    Status run_words(std::span<const std::string> words);
    // Waits for replies that are still to come; the first failure among all pipelined lines.
    Status finish();
    Status first_failure() const { return first_failure_; }
    Status last_status() const { return last_status_; }
    // Everything has to be done in so many milliseconds from now; what is not ends as timed_out.
    void set_deadline(int64_t ms);
    // Ends the session and writes what is left. False: standard output could not be written.
    bool close();

    SyncClient& session() { return session_; }
    bool human() const { return options_.human && !options_.json && !options_.zkcli; }
    bool json() const { return options_.json; }
    bool color() const { return options_.color; }
    bool zkcli() const { return options_.zkcli; }
    bool scripted() const { return options_.script; }
    bool wants_quit() const { return quit_; }
    size_t lines_run() const { return history_base_ + history_.size(); }
    // Where events and changes of state are told; by default events go to standard error. The REPL
    // puts them between the lines. An empty text: only the state has changed.
    void set_notice(void (*notice)(void* context, std::string_view text), void* context);
    void set_listener(ShellListener listener) { listener_ = listener; }
    void flush();

    // For handlers.
    using Show = Status (*)(Shell& shell, const Args& args, Bytes body);
    Status send(const Args& args, Call call, Show show);
    SyncClient::Reply call(const Call& call);
    // Sends without waiting; `done` comes during this or the next `call`, `send` or `drain`.
    void post(Call call, OnReply done);
    bool drain(size_t outstanding_max) { return session_.drain(outstanding_max); }

    void out(std::string_view data);
    void out_line(std::string_view data);
    void out_stat(const Stat& stat);
    void out_line(const Json& value) { out_line(value.text()); }
    // To standard error, behind what was shown before. For zkCli.sh's sake: see warn and complain.
    void err_line(std::string_view text);
    // A message about what went wrong; the result is `status`. `write`: which of a multi's, from 1.
    Status complain(std::string_view text, Status status, std::string_view path = {},
                    size_t write = 0);
    Status fail(Err err, std::string_view path);
    // Of a multi: its write of that number (from 1) and name was refused.
    Status fail_part(Err err, std::string_view path, size_t number, std::string_view name);
    Status malformed();
    Status usage(std::string_view why);  // of the command that is run
    void warn(std::string_view text);

    // Whose usage is shown next; the one before, to be put back.
    const Command* run_as(const Command* command) { return std::exchange(running_, command); }

    // A path as it was typed, from the root: `cd` has said what relative ones begin with, and . and
    // .. are as in a shell, and a slash at the end goes. Before a `cd` it stays what it is, and
    // paths have to begin with /. `prefix`: a number is put behind it, so its last slash stays.
    std::string resolved(std::string_view path, bool prefix = false) const;
    std::string full(std::string_view path, bool prefix = false) const {
        return full_path(session_.chroot(), resolved(path, prefix));
    }
    std::string_view local(std::string_view path) const {
        return local_path(session_.chroot(), path);
    }

    const std::string& directory() const { return directory_; }
    const std::string& last_directory() const { return last_directory_; }
    void set_directory(std::string path) {
        last_directory_ = std::exchange(directory_, std::move(path));
    }
    Transaction& transaction() { return transaction_; }
    void quit() { quit_ = true; }
    void print_watches(bool on) { print_watches_ = on; }
    bool prints_watches() const { return print_watches_; }
    void hold_ephemerals() { holds_ephemerals_ = true; }
    // Lines as they were given, by number; nullptr: forgotten or not there yet.
    const std::string* history(size_t number) const;
    size_t line_number() const { return line_; }

private:
    struct Shown {  // a line whose reply is to come
        Args args;
        Show show;
        const Command* command;
        size_t line;
    };

    Status settle(Status status);
    Status tell_deadline(std::string_view path);
    Status command_not_found(const std::string& name);
    bool read_args(const Command& command, std::span<const std::string> words, Args& args,
                   Status& status);
    Status tell_session_lost();
    Status show_reply(const Args& args, Show show, const ReplyHeader& header, Bytes body);
    void on_piped(const ReplyHeader& header, Bytes body);
    void on_state(ClientState state);
    void on_watch(const WatcherEvent& event, int64_t zxid);
    void tell_event(std::string_view text);
    void on_deadline();

    SyncClient session_;
    ShellOptions options_;
    std::string out_;
    bool out_broken_ = false;
    bool quit_ = false;
    std::string directory_;       // what `cd` has said; "": nothing
    std::string last_directory_;  // what it had said before
    bool print_watches_ = true;
    bool holds_ephemerals_ = false;
    bool was_connected_ = false;
    bool session_lost_ = false;  // and nobody was told yet
    void (*notice_)(void* context, std::string_view text) = nullptr;
    void* notice_context_ = nullptr;
    ShellListener listener_;

    Transaction transaction_;
    const Command* running_ = nullptr;
    size_t line_ = 0;
    std::deque<Shown> piped_;
    Status first_failure_ = Status::ok;
    Status last_status_ = Status::ok;
    int64_t deadline_ms_ = 0;      // 0: none
    bool deadline_passed_ = false;
    bool deadline_told_ = false;
    size_t later_lines_ = 0;     // pipelined ones whose replies came after a failure
    size_t later_failures_ = 0;  // and were failures too
    size_t history_base_ = 0;  // the number of history_.front()
    std::deque<std::string> history_;
};

}  // namespace zk
