// sync.cc -- see sync.h.

#include "client/sync.h"

#include <poll.h>
#include <uv.h>

#include <algorithm>
#include <csignal>
#include <list>

#include "client/client.h"
#include "client/word.h"

namespace zk {

struct SyncClient::Inside {
    struct Signal {
        uv_signal_t handle;
        Inside* inside;
        OnSignal on_signal;
        void* context;
        size_t number;
        bool closed;
    };

    uv_loop_t loop = {};
    uv_timer_t alarm = {};    // wakes the loop at a deadline
    std::list<Signal> signals;
    SyncOptions options;
    std::unique_ptr<Client> client;
    std::unique_ptr<Word> word;
    bool client_closed = false;
    bool was_connected = false;  // once, by this or an earlier session
    bool signalled = false;
    bool interrupted = false;
    bool news = false;
    bool watchful = false;
    size_t signals_caught = 0;
    uint64_t renewed_seen_ms = 0;
    Limit limit;
    std::string trouble;
    std::string why_not;

    std::vector<Identification> auths;  // those of the options, and accepted ones

    uint64_t call_tag = 0;  // of the call that is waited for; replies to abandoned ones are dropped
    bool replied = false;
    ReplyHeader header;
    Buffer body;

    void start_client();
    enum class End : uint8_t { wait, hurry, abandon };
    void end_client(End end);
    bool usable() const;
    std::string connect_error() const;
    Err unsent() const;
    template <typename Done>
    void run_until(Done done, uint64_t deadline_ms);
    bool at_limit() const;
    bool renewed() const { return client != nullptr && client->renewed_at_ms() > renewed_seen_ms; }
    OnReply expect_reply();
    uint64_t now_ms() const { return uv_now(&loop); }
    uint64_t deadline_ms() {
        uv_update_time(&loop);
        return now_ms() + static_cast<uint64_t>(options.client.session_timeout_ms);
    }
};

namespace {

constexpr uint64_t no_deadline = UINT64_MAX;
constexpr uint64_t lookup_ms_max = 100;  // that the end waits for a lookup under way

template <typename T>
void close_handle(T& handle) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
}

}  // namespace

// -- the client within ---------------------------------------------------------------------------

void SyncClient::Inside::start_client() {
    ClientOptions made = options.client;
    made.events.context = this;
    made.events.on_state = [](void* context, ClientState state) {
        auto* inside = static_cast<Inside*>(context);
        inside->news = true;
        if (state == ClientState::closed) inside->client_closed = true;
        if (is_connected(state)) inside->was_connected = true;
        const ClientEvents& outer = inside->options.client.events;
        if (outer.on_state != nullptr) outer.on_state(outer.context, state);
    };
    made.events.on_watch = [](void* context, const WatcherEvent& event, int64_t zxid) {
        auto* inside = static_cast<Inside*>(context);
        inside->news = true;
        const ClientEvents& outer = inside->options.client.events;
        if (outer.on_watch != nullptr) outer.on_watch(outer.context, event, zxid);
    };
    made.events.on_trouble = [](void* context, std::string_view why) {
        static_cast<Inside*>(context)->trouble = why;
    };
    client_closed = false;
    client = std::make_unique<Client>(&loop, std::move(made));
    if (watchful) client->watchful(true);
    for (const Identification& auth : auths)
        client->add_auth(auth.scheme, as_bytes(auth.auth), OnReply());
}

void SyncClient::Inside::end_client(End end) {
    if (client == nullptr) return;
    if (end != End::abandon) client->close();
    if (end != End::wait) client->abandon();
    while (!client_closed) uv_run(&loop, UV_RUN_ONCE);
    client.reset();
}

bool SyncClient::Inside::usable() const {
    return client != nullptr && !is_final(client->state());
}

template <typename Done>
void SyncClient::Inside::run_until(Done done, uint64_t deadline_ms) {
    interrupted = false;
    deadline_ms = std::min(deadline_ms, limit.deadline_ms);
    if (deadline_ms != no_deadline) {
        uint64_t wait = deadline_ms > now_ms() ? deadline_ms - now_ms() : 0;
        uv_timer_start(&alarm, [](uv_timer_t*) {}, wait, 0);
    }
    while (!done() && !interrupted && now_ms() < deadline_ms) {
        if (at_limit()) interrupted = true;
        else uv_run(&loop, UV_RUN_ONCE);
    }
    if (!done() && at_limit()) interrupted = true;
    if (deadline_ms != no_deadline) uv_timer_stop(&alarm);
}

bool SyncClient::Inside::at_limit() const {
    if (now_ms() >= limit.deadline_ms) return true;
    return limit.ended != nullptr && limit.ended(limit.context);
}

// -- waiting -------------------------------------------------------------------------------------

SyncClient::SyncClient(SyncOptions options) : in_(std::make_unique<Inside>()) {
    in_->options = std::move(options);
    in_->auths = in_->options.identities;
    int failed = uv_loop_init(&in_->loop);
    ASSERT(failed == 0);
    uv_timer_init(&in_->loop, &in_->alarm);
}

SyncClient::~SyncClient() {
    Inside& in = *in_;
    in.word.reset();
    in.end_client(Inside::End::abandon);
    for (Inside::Signal& each : in.signals)
        if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&each.handle)) == 0)
            close_handle(each.handle);
    uv_unref(reinterpret_cast<uv_handle_t*>(&in.alarm));
    in.run_until([&] { return uv_loop_alive(&in.loop) == 0; }, in.now_ms() + lookup_ms_max);
    if (uv_loop_alive(&in.loop) != 0) {
        // A name that is still being looked up, which nothing can stop: it keeps its memory.
        static_cast<void>(in_.release());
        return;
    }
    close_handle(in.alarm);
    uv_run(&in.loop, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&in.loop);
    ASSERT(failed == 0);
}

void SyncClient::start() {
    if (in_->usable()) return;
    in_->end_client(Inside::End::abandon);
    in_->start_client();
}

Result<void> SyncClient::connect() {
    start();
    if (is_connected(in_->client->state())) return {};
    Inside& in = *in_;
    bool patient = in.options.patient || in.was_connected;
    auto done = [&] {
        return is_connected(in.client->state()) || is_final(in.client->state()) ||
               (!patient && in.client->failed_rounds() > 0);
    };
    in.run_until(done, in.deadline_ms());
    if (is_connected(in.client->state())) return {};
    in.why_not = in.connect_error();
    return Error{.text = in.why_not};
}

std::string SyncClient::Inside::connect_error() const {
    if (interrupted) return "interrupted";
    if (client->state() == ClientState::expired) return "session expired";
    if (client->state() == ClientState::auth_failed) return "authentication failed";
    if (trouble.empty()) return client->server() + " does not answer";
    size_t servers = options.client.servers.size();
    if (servers == 1) return trouble;
    return "none of " + std::to_string(servers) + " servers can be used; the last: " + trouble;
}

// What a call gets that found no server.
Err SyncClient::Inside::unsent() const {
    if (interrupted) return Err::request_timeout;
    if (client->state() == ClientState::expired) return Err::session_expired;
    if (client->state() == ClientState::auth_failed) return Err::auth_failed;
    return Err::operation_timeout;
}

OnReply SyncClient::Inside::expect_reply() {
    replied = false;
    body.clear();
    auto take = [](void* context, uint64_t tag, const ReplyHeader& got, Bytes bytes) {
        auto* inside = static_cast<Inside*>(context);
        if (tag != inside->call_tag) return;
        inside->header = got;
        inside->body.append(bytes);
        inside->replied = true;
    };
    return OnReply{.run = take, .context = this, .tag = ++call_tag};
}

SyncClient::Reply SyncClient::call(const Call& call) {
    Inside& in = *in_;
    for (;;) {
        if (!connect()) return {.header = {.err = in.unsent()}, .body = {}};
        in.client->request(call.op, call.body.bytes(), in.expect_reply());
        in.run_until([&] { return in.replied; }, no_deadline);
        if (!in.replied) {
            ++in.call_tag;
            return {.header = {.err = Err::request_timeout}, .body = {}};
        }
        if (in.header.err == Err::connection_loss && is_read(call.op)) continue;
        return {.header = in.header, .body = in.body.bytes()};
    }
}

SyncClient::Reply SyncClient::add_auth(std::string_view scheme, Bytes auth) {
    Inside& in = *in_;
    if (!connect()) return {.header = {.err = in.unsent()}, .body = {}};
    in.client->add_auth(scheme, auth, in.expect_reply());
    in.run_until([&] { return in.replied; }, no_deadline);
    if (!in.replied) in.header.err = Err::request_timeout;
    if (in.header.err == Err::ok)
        in.auths.push_back({.scheme = std::string(scheme), .auth = std::string(as_text(auth))});
    return {.header = in.header, .body = {}};
}

void SyncClient::send(const Call& call, OnReply done) {
    start();
    in_->client->request(call.op, call.body.bytes(), done);
}

bool SyncClient::drain(size_t outstanding_max) {
    if (outstanding() <= outstanding_max) return true;
    in_->run_until([&] { return outstanding() <= outstanding_max; }, no_deadline);
    // Also where the replies came together with the signal: whoever pressed Ctrl-C meant it.
    if (!in_->interrupted) return true;
    if (in_->client != nullptr) in_->client->reconnect();
    return false;
}

// poll(2) and not a handle of the loop: that would make the descriptor non-blocking, and with it
// the terminal of whoever started us; and a plain file or /dev/null could not be waited for.
SyncClient::Wake SyncClient::wait_input(int fd) {
    Inside& in = *in_;
    in.signalled = false;
    in.interrupted = false;
    for (;;) {
        uv_run(&in.loop, UV_RUN_NOWAIT);
        if (in.signalled) return Wake::signal;
        uv_update_time(&in.loop);
        pollfd waiting[2] = {{.fd = fd, .events = POLLIN, .revents = 0},
                             {.fd = uv_backend_fd(&in.loop), .events = POLLIN, .revents = 0}};
        // Without a client nothing is due, which libuv expresses as "at once".
        int wait_ms = uv_loop_alive(&in.loop) != 0 ? uv_backend_timeout(&in.loop) : -1;
        int count = ::poll(waiting, 2, wait_ms);
        if (count > 0 && waiting[0].revents != 0) return Wake::readable;
    }
}

SyncClient::Wake SyncClient::wait(uint64_t deadline_ms) {
    Inside& in = *in_;
    uv_update_time(&in.loop);
    in.run_until([&] { return in.news || in.signalled || in.renewed(); }, deadline_ms);
    if (in.renewed()) in.renewed_seen_ms = in.client->renewed_at_ms();
    else if (!in.news && !in.signalled) return Wake::deadline;
    in.news = false;
    return std::exchange(in.signalled, false) ? Wake::signal : Wake::news;
}

void SyncClient::wake() { in_->news = true; }

void SyncClient::set_limit(Limit limit) { in_->limit = limit; }

bool SyncClient::poll() {
    in_->interrupted = false;
    uv_run(&in_->loop, UV_RUN_NOWAIT);
    return !in_->interrupted;
}

bool SyncClient::interrupted() const { return in_->interrupted; }

size_t SyncClient::catch_signal(int signal, OnSignal on_signal, void* context) {
    // Those that were forgotten and that libuv has let go of meanwhile.
    in_->signals.remove_if([](const Inside::Signal& each) { return each.closed; });
    Inside::Signal& made = in_->signals.emplace_back();
    made.inside = in_.get();
    made.on_signal = on_signal;
    made.context = context;
    made.number = ++in_->signals_caught;
    made.closed = false;
    uv_signal_init(&in_->loop, &made.handle);
    made.handle.data = &made;
    auto caught = [](uv_signal_t* handle, int number) {
        auto* of = static_cast<Inside::Signal*>(handle->data);
        of->inside->signalled = true;
        if (number == SIGINT || number == SIGALRM) of->inside->interrupted = true;
        of->on_signal(of->context, number);
    };
    uv_signal_start(&made.handle, caught, signal);
    return made.number;
}

void SyncClient::forget_signal(size_t caught) {
    auto on_closed = [](uv_handle_t* handle) {
        static_cast<Inside::Signal*>(handle->data)->closed = true;
    };
    for (Inside::Signal& each : in_->signals)
        if (each.number == caught)
            uv_close(reinterpret_cast<uv_handle_t*>(&each.handle), on_closed);
}

// -- ends ----------------------------------------------------------------------------------------

void SyncClient::ask_word(std::string_view word,
                          void (*done)(void* context, std::string_view answer), void* context) {
    Result<ConnectString> at = parse_connect_string(server());
    ASSERT(at.has_value());
    in_->word = std::make_unique<Word>(&in_->loop, at->servers.front(), word, done, context);
}

void SyncClient::close(bool wait) {
    in_->end_client(wait ? Inside::End::wait : Inside::End::hurry);
}

void SyncClient::use_servers(std::vector<ServerName> servers, std::string chroot) {
    close(true);
    in_->options.client.servers = std::move(servers);
    in_->options.client.chroot = std::move(chroot);
    in_->was_connected = false;
}

std::unique_ptr<SyncClient> SyncClient::another(std::vector<ServerName> servers) const {
    SyncOptions options = in_->options;
    options.client.servers = std::move(servers);
    options.client.chroot.clear();
    options.client.events = {};
    auto made = std::make_unique<SyncClient>(std::move(options));
    made->in_->auths = in_->auths;
    for (const Inside::Signal& each : in_->signals)
        if (each.handle.signum == SIGINT || each.handle.signum == SIGALRM)
            made->catch_signal(each.handle.signum, [](void*, int) {}, nullptr);
    return made;
}

ClientState SyncClient::state() const {
    return in_->client == nullptr ? ClientState::closed : in_->client->state();
}

int64_t SyncClient::session() const {
    return in_->client == nullptr ? 0 : in_->client->session();
}

std::string SyncClient::server() const {
    return in_->client == nullptr ? to_text(in_->options.client.servers.front())
                                  : in_->client->server();
}

std::string SyncClient::servers() const {
    std::string text;
    for (const ServerName& server : in_->options.client.servers)
        text += (text.empty() ? "" : ",") + to_text(server);
    return text + in_->options.client.chroot;
}

void SyncClient::watchful(bool on) {
    in_->watchful = on;
    if (in_->usable()) in_->client->watchful(on);
}

int32_t SyncClient::session_timeout_ms() const {
    return in_->client == nullptr ? in_->options.client.session_timeout_ms
                                  : in_->client->session_timeout_ms();
}

uint64_t SyncClient::now_ms() const {
    uv_update_time(&in_->loop);
    return in_->now_ms();
}

uint64_t SyncClient::renewed_ms() const {
    return in_->client == nullptr ? 0 : in_->client->renewed_at_ms();
}

const std::string& SyncClient::chroot() const { return in_->options.client.chroot; }
const std::string& SyncClient::trouble() const { return in_->trouble; }
const std::string& SyncClient::why_not() const { return in_->why_not; }
uint8_t SyncClient::watches(std::string_view path) const {
    return in_->client == nullptr ? uint8_t{0} : in_->client->watches().kinds(path);
}
size_t SyncClient::outstanding() const {
    return in_->client == nullptr ? 0 : in_->client->outstanding();
}

}  // namespace zk
