// recipe.h -- what the recipes share: patience, signals, deadlines, events, and paths to be made.
//
// A Recipe is what one command does while it waits for things to happen. As long as it lives
// signals come to it instead of ending the program (--deadline is one: SIGALRM), and events are its
// own instead of being shown.
//
//     Recipe recipe(shell);
//     status = recipe.begin(args);                  connects, reads --timeout
//     reply = recipe.call(...); recipe.wait();      outlast lost connections
//     recipe.release();                             from here on signals and deadline do not count
//
// Once a signal came or the deadline has passed, waiting ends, and calls give up (request_timeout),
// at the deadline a little later: so --timeout 0 looks once. `fail` then says which it was.
// Calls never cross sessions unnoticed: what counts on its session compares session() with the one
// it began in.

#pragma once

#include <string>
#include <vector>

#include "cli/child.h"
#include "cli/shell.h"

namespace zk {

class Recipe {
public:
    struct Event {
        EventType type;
        std::string path;  // without the chroot
        int64_t zxid;      // 0 where the server does not say
    };
    static constexpr uint64_t never = SyncClient::never;

    explicit Recipe(Shell& shell);
    Recipe(const Recipe&) = delete;
    Recipe& operator=(const Recipe&) = delete;
    ~Recipe();

    Status begin(const Args& args);
    // Waits for a server as long as it takes. Reads are asked again, a write that was on its way
    // when the connection was lost is answered by connection_loss.
    SyncClient::Reply call(const Call& call);
    // Until an event, another state of the session, a signal (a child's end is one) or that time.
    // Not ok: why there is nothing more to wait for, which has been told.
    Status wait(uint64_t until_ms = never);
    // Until there is reason to look again: an event, a new connection, the end of the session.
    // `seen`: connections() before what was looked at last, and events were taken before that, too.
    Status wait_change(size_t seen);
    // As Shell::fail, but knows why a call was given up.
    Status fail(Err err, std::string_view path);

    // Signals and deadline no longer end calls and waits; with a time, that does.
    void release(uint64_t until_ms = never);
    // For cleaning up: as long as there is something to clean up in this session.
    void release_while_alive();
    // The reverse: from now on until `deadline_ms`.
    void resume(uint64_t deadline_ms);
    int signal() const { return signal_; }  // the last that came, or 0
    void forget_signal() { signal_ = 0; }  // calls and waits go on
    int take_signal() { return std::exchange(to_pass_on_, 0); }
    bool over() const { return stopped() || session_.now_ms() >= deadline_ms_; }
    // Does a child's end end calls and waits as well? It counts from now on.
    void heed_children(bool on);
    uint64_t deadline_ms() const { return deadline_ms_; }
    std::vector<Event> take_events() { return std::exchange(events_, {}); }

    // The session that is in use, 0 once it has ended.
    int64_t session() const { return is_final(session_.state()) ? 0 : session_.session(); }
    // How often a connection was made: watches of an earlier one may have missed something.
    size_t connections() const { return connections_; }

    // Makes it and what is above, where it is not there; the znode itself in this mode.
    Status ensure(std::string_view path, CreateMode mode);
    // Runs a command to its end, without anything that could be lost. Signals are passed on.
    Status run(const Child::Plan& plan);
    // Starts it, or says why not.
    Status start(Child& child, const Child::Plan& plan);

private:
    bool stopped() const { return signal_ != 0 || (heeds_children_ && child_news_); }
    Status verdict();
    Status make(std::string_view path, CreateMode mode);
    void on_signal(int signal);

    Shell& shell_;
    SyncClient& session_;
    std::vector<size_t> caught_;
    std::vector<Event> events_;
    uint64_t deadline_ms_ = never;
    size_t connections_ = 0;
    int signal_ = 0;
    int to_pass_on_ = 0;
    bool heeds_children_ = false;
    bool child_news_ = false;
    bool stirred_ = false;
    bool warned_ = false;
};

// Seconds, as people write them: 2, 0.5. False: something else.
bool parse_seconds(std::string_view text, uint64_t& ms);
std::string hex_text(int64_t number);  // 0x1a
std::string new_guid();                // 32 hexadecimal digits
// The znode's data, ready for a call: never absent.
Call create_call(std::string_view path, Bytes data, CreateMode mode);
// A file without a name that holds these bytes, to be read from its beginning; -1: no such thing.
int file_of(Bytes bytes);
// The number that a sequential znode has behind `tag`, as in "…__lock__0000000007".
bool parse_sequence(std::string_view name, std::string_view tag, int32_t& number);
// Numbers are given out in this order, also where they begin again after the largest.
inline bool precedes(int32_t one, int32_t other) {
    return static_cast<int32_t>(static_cast<uint32_t>(one) - static_cast<uint32_t>(other)) < 0;
}

}  // namespace zk
