// client_session_test.cc -- the asynchronous client against a server that does what a test says.
//
// Stage owns a loop, a client in it and servers on ports of the system's choice. A server reads
// frames and writes what it is told; nothing sleeps, the loop runs until a condition holds.

#include <doctest/doctest.h>
#include <uv.h>

#include <deque>
#include <functional>
#include <memory>

#include "client/calls.h"
#include "client/client.h"

using namespace zk;

namespace {

struct Server {
    struct Conn {
        uv_tcp_t tcp = {};
        Server* server = nullptr;
        Buffer in;
        bool greeted = false;
        bool closed = false;
    };
    struct Request {
        Conn* conn;
        RequestHeader header;
        std::string body;
    };

    uv_tcp_t listener = {};
    int port = 0;
    std::deque<std::unique_ptr<Conn>> conns;
    // What it answers to a handshake.
    int32_t timeout_ms = 20'000;
    int64_t session = 0x77;
    bool closes_at_once = false;
    bool answers = true;  // replies to all requests with their own body
    int64_t zxid = 100;
    // What it saw.
    std::vector<ConnectRequest> hellos;
    std::vector<std::string> passwords;
    std::vector<Request> requests;

    void listen(uv_loop_t* loop) {
        uv_tcp_init(loop, &listener);
        listener.data = this;
        sockaddr_in any;
        uv_ip4_addr("127.0.0.1", 0, &any);
        REQUIRE(uv_tcp_bind(&listener, reinterpret_cast<sockaddr*>(&any), 0) == 0);
        REQUIRE(uv_listen(reinterpret_cast<uv_stream_t*>(&listener), 16, on_accept) == 0);
        sockaddr_storage name;
        int size = sizeof name;
        uv_tcp_getsockname(&listener, reinterpret_cast<sockaddr*>(&name), &size);
        port = ntohs(reinterpret_cast<sockaddr_in*>(&name)->sin_port);
    }
    static void on_accept(uv_stream_t* stream, int) {
        auto* server = static_cast<Server*>(stream->data);
        auto& conn = server->conns.emplace_back(std::make_unique<Conn>());
        conn->server = server;
        uv_tcp_init(stream->loop, &conn->tcp);
        conn->tcp.data = conn.get();
        uv_accept(stream, reinterpret_cast<uv_stream_t*>(&conn->tcp));
        uv_read_start(reinterpret_cast<uv_stream_t*>(&conn->tcp), on_alloc, on_read);
        if (server->closes_at_once) server->cut(*conn);
    }
    static void on_alloc(uv_handle_t*, size_t, uv_buf_t* buffer) {
        static char space[65536];
        *buffer = uv_buf_init(space, sizeof space);
    }
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
        auto* conn = static_cast<Conn*>(stream->data);
        if (size < 0) {
            conn->server->cut(*conn);
            return;
        }
        conn->in.append({reinterpret_cast<uint8_t*>(buffer->base), static_cast<size_t>(size)});
        while (conn->in.size() >= 4 && conn->in.size() - 4 >= load_u32(conn->in.data())) {
            size_t length = load_u32(conn->in.data());
            conn->server->take(*conn, conn->in.bytes().subspan(4, length));
            conn->in.consume(4 + length);
        }
    }
    void take(Conn& conn, Bytes frame) {
        Reader in(frame);
        if (!conn.greeted) {
            conn.greeted = true;
            ConnectRequest hello;
            decode(in, hello);
            passwords.emplace_back(as_text(hello.password));
            hello.password = {};
            hellos.push_back(hello);
            greet(conn);
            return;
        }
        RequestHeader header = read_request_header(in);
        requests.push_back({&conn, header, std::string(as_text(in.rest()))});
        if (answers) reply(requests.back(), Err::ok);
    }
    void greet(Conn& conn) {
        Buffer out;
        size_t at = begin_frame(out);
        static const std::string password = "sixteen bytes pw";
        ConnectResponse welcome;
        welcome.timeout_ms = timeout_ms;
        welcome.session = session;
        welcome.password = as_bytes(password);
        encode(out, welcome);
        end_frame(out, at);
        write(conn, out);
    }
    void reply(const Request& request, Err err) {
        Buffer out;
        size_t at = begin_frame(out);
        int32_t op = request.header.op;
        bool ping = op == static_cast<int32_t>(Op::ping);
        write_reply_header(out, {ping ? xid_ping : request.header.xid, zxid, err});
        if (err == Err::ok) out.append(request.body);
        end_frame(out, at);
        write(*request.conn, out);
    }
    void notify(Conn& conn, EventType type, std::string_view path) {
        Buffer out;
        size_t at = begin_frame(out);
        write_reply_header(out, {xid_notification, 5, Err::ok});
        encode(out, WatcherEvent{.type = type, .path = path});
        end_frame(out, at);
        write(conn, out);
    }
    void write(Conn& conn, Buffer& out) {
        uv_buf_t buffer = uv_buf_init(reinterpret_cast<char*>(out.data()),
                                      static_cast<unsigned>(out.size()));
        int sent = uv_try_write(reinterpret_cast<uv_stream_t*>(&conn.tcp), &buffer, 1);
        CHECK(sent == static_cast<int>(out.size()));
    }
    void cut(Conn& conn) {
        if (!conn.closed) uv_close(reinterpret_cast<uv_handle_t*>(&conn.tcp), nullptr);
        conn.closed = true;
    }
    void cut_all() {
        for (auto& conn : conns) cut(*conn);
    }
    // Requests of this kind that came in.
    std::vector<Request> all(Op op) const {
        std::vector<Request> found;
        for (const Request& each : requests)
            if (each.header.op == static_cast<int32_t>(op)) found.push_back(each);
        return found;
    }
};

struct Got {
    uint64_t tag;
    Err err;
    std::string body;
};

class Stage {
public:
    Stage() { uv_loop_init(&loop); }
    ~Stage() {
        if (client != nullptr && client->state() != ClientState::closed) {
            client->abandon();
            until([&] { return client->state() == ClientState::closed && closed; });
        }
        client.reset();
        for (auto& server : servers) {
            server->cut_all();
            uv_close(reinterpret_cast<uv_handle_t*>(&server->listener), nullptr);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        CHECK(uv_loop_close(&loop) == 0);
    }

    Server& add_server() {
        Server& made = *servers.emplace_back(std::make_unique<Server>());
        made.listen(&loop);
        options.servers.push_back({"127.0.0.1", static_cast<uint16_t>(made.port)});
        return made;
    }
    void start() {
        options.shuffle = false;
        options.events.context = this;
        options.events.on_state = [](void* of, ClientState state) {
            auto* stage = static_cast<Stage*>(of);
            stage->states.push_back(state);
            if (state == ClientState::closed) stage->closed = true;
        };
        options.events.on_watch = [](void* of, const WatcherEvent& event, int64_t) {
            static_cast<Stage*>(of)->events.push_back(std::string(event_name(event.type)) + " " +
                                                      std::string(event.path));
        };
        options.events.on_trouble = [](void* of, std::string_view why) {
            static_cast<Stage*>(of)->troubles.emplace_back(why);
        };
        client = std::make_unique<Client>(&loop, options);
    }
    void connect() {
        start();
        until([&] { return is_connected(client->state()); });
    }
    void ask(const Call& call, uint64_t tag = 0) {
        client->request(call.op, call.body.bytes(), on_reply(tag));
    }
    OnReply on_reply(uint64_t tag) {
        auto take = [](void* of, uint64_t number, const ReplyHeader& header, Bytes body) {
            static_cast<Stage*>(of)->got.push_back(
                {number, header.err, std::string(as_text(body))});
        };
        return {.run = take, .context = this, .tag = tag};
    }
    void until(const std::function<bool()>& done) {
        uint64_t deadline = uv_hrtime() + 10'000'000'000;
        uv_timer_t tick;
        uv_timer_init(&loop, &tick);
        uv_timer_start(&tick, [](uv_timer_t*) {}, 100, 100);
        while (!done()) {
            REQUIRE(uv_hrtime() < deadline);
            uv_run(&loop, UV_RUN_ONCE);
        }
        uv_close(reinterpret_cast<uv_handle_t*>(&tick), nullptr);
        uv_run(&loop, UV_RUN_NOWAIT);
    }

    uv_loop_t loop = {};
    ClientOptions options;
    std::unique_ptr<Client> client;
    std::vector<std::unique_ptr<Server>> servers;
    std::vector<ClientState> states;
    std::vector<std::string> events;
    std::vector<std::string> troubles;
    std::vector<Got> got;
    bool closed = false;
};

}  // namespace

TEST_CASE("a client shakes hands, and its session is what the server says") {
    Stage stage;
    Server& server = stage.add_server();
    stage.options.session_timeout_ms = 12'345;
    stage.connect();
    REQUIRE(server.hellos.size() == 1);
    CHECK(server.hellos[0].timeout_ms == 12'345);
    CHECK(server.hellos[0].session == 0);
    CHECK(server.passwords[0] == std::string(16, '\0'));
    CHECK(stage.client->session() == 0x77);
    CHECK(stage.client->session_timeout_ms() == 20'000);
    CHECK(stage.client->password() == "sixteen bytes pw");
}

TEST_CASE("pipelined requests are answered in order, each with its own reply") {
    Stage stage;
    stage.add_server();
    stage.connect();
    for (uint64_t i = 0; i < 10'000; ++i) stage.ask(call::sync("/" + std::to_string(i)), i);
    stage.until([&] { return stage.got.size() == 10'000; });
    for (uint64_t i = 0; i < 10'000; ++i) {
        REQUIRE(stage.got[i].tag == i);
        Reader in(as_bytes(stage.got[i].body));
        REQUIRE(read_text(in) == "/" + std::to_string(i));
    }
    CHECK(stage.client->outstanding() == 0);
    CHECK(stage.client->last_zxid() == 100);
}

TEST_CASE("requests made while connecting wait for the connection") {
    Stage stage;
    Server& server = stage.add_server();
    stage.start();
    stage.ask(call::sync("/a"), 1);
    CHECK(stage.got.empty());
    stage.until([&] { return stage.got.size() == 1; });
    CHECK(stage.got[0].err == Err::ok);
    CHECK(server.requests.size() == 1);
}

TEST_CASE("a client passes over servers that refuse, hang up or talk nonsense") {
    Stage stage;
    stage.options.servers.push_back({"127.0.0.1", 1});
    stage.add_server().closes_at_once = true;
    Server& good = stage.add_server();
    stage.connect();
    CHECK(good.hellos.size() == 1);
    REQUIRE(stage.troubles.size() == 2);
    CHECK(stage.troubles[0] == "cannot connect to 127.0.0.1:1: connection refused");
    CHECK(stage.troubles[1].find("closed the connection") != std::string::npos);
    CHECK(stage.client->failed_rounds() == 0);
}

TEST_CASE("a lost connection fails what is under way, and the session moves on") {
    Stage stage;
    Server& first = stage.add_server();
    Server& second = stage.add_server();
    stage.connect();
    stage.ask(call::sync("/a"));
    stage.until([&] { return stage.got.size() == 1; });
    first.answers = false;
    stage.ask(call::sync("/b"), 1);
    stage.ask(call::sync("/c"), 2);
    stage.until([&] { return first.requests.size() == 3; });
    first.cut_all();
    stage.until([&] { return stage.got.size() == 3; });
    CHECK(stage.got[1].err == Err::connection_loss);
    CHECK(stage.got[2].err == Err::connection_loss);
    stage.until([&] { return is_connected(stage.client->state()); });
    REQUIRE(second.hellos.size() == 1);
    CHECK(second.hellos[0].session == 0x77);
    CHECK(second.hellos[0].last_zxid_seen == 100);
    CHECK(second.passwords[0] == "sixteen bytes pw");
    CHECK(second.requests.empty());
    CHECK(stage.states == std::vector<ClientState>{ClientState::connected, ClientState::connecting,
                                                   ClientState::connected});
}

TEST_CASE("identities and watches are told to the next server before anything else") {
    Stage stage;
    Server& first = stage.add_server();
    Server& second = stage.add_server();
    stage.connect();
    stage.client->add_auth("digest", as_bytes("bob:secret"), stage.on_reply(7));
    stage.ask(call::get_data("/data", true));
    stage.ask(call::get_children("/child", true));
    stage.ask(call::get_data("/fired", true));
    stage.until([&] { return stage.got.size() == 4; });
    CHECK(stage.got[0].tag == 7);
    first.notify(*first.conns[0], EventType::data_changed, "/fired");
    stage.until([&] { return stage.events.size() == 1; });
    CHECK(stage.events[0] == "NodeDataChanged /fired");

    first.cut_all();
    stage.until([&] { return stage.client->state() == ClientState::connecting; });
    stage.ask(call::sync("/later"));
    stage.until([&] { return stage.got.size() == 5; });
    REQUIRE(second.requests.size() == 3);
    CHECK(second.requests[0].header.op == static_cast<int32_t>(Op::auth));
    CHECK(second.requests[1].header.op == static_cast<int32_t>(Op::set_watches));
    CHECK(second.requests[2].header.op == static_cast<int32_t>(Op::sync));
    Reader in(as_bytes(second.requests[1].body));
    SetWatches watches;
    decode(in, watches, false);
    CHECK(watches.relative_zxid == 100);
    CHECK(watches.data == std::vector<std::string_view>{"/data"});
    CHECK(watches.child == std::vector<std::string_view>{"/child"});
}

TEST_CASE("a reply that is not next in order costs the server its connection") {
    Stage stage;
    Server& first = stage.add_server();
    stage.add_server();
    stage.connect();
    first.answers = false;
    stage.ask(call::sync("/a"), 1);
    stage.ask(call::sync("/b"), 2);
    stage.until([&] { return first.requests.size() == 2; });
    first.reply(first.requests[1], Err::ok);
    stage.until([&] { return stage.got.size() == 2; });
    CHECK(stage.got[0].err == Err::connection_loss);
    CHECK(stage.troubles[0].find("not next in order") != std::string::npos);
}

TEST_CASE("a silent client pings, and a silent server is given up") {
    Stage stage;
    Server& first = stage.add_server();
    Server& second = stage.add_server();
    first.timeout_ms = 600;  // on a busy machine we may not run for a good part of that
    stage.connect();
    stage.until([&] { return first.all(Op::ping).size() == 2; });
    CHECK(stage.troubles.empty());
    first.answers = false;
    stage.until([&] { return second.hellos.size() == 1; });
    CHECK(stage.troubles[0].find("has not answered for") != std::string::npos);
}

TEST_CASE("a server that accepts and says nothing is given up after the connect timeout") {
    Stage stage;
    uv_tcp_t mute;  // the system accepts, nobody answers
    uv_tcp_init(&stage.loop, &mute);
    sockaddr_in any;
    uv_ip4_addr("127.0.0.1", 0, &any);
    uv_tcp_bind(&mute, reinterpret_cast<sockaddr*>(&any), 0);
    uv_listen(
        reinterpret_cast<uv_stream_t*>(&mute), 16, [](uv_stream_t*, int) {});
    sockaddr_storage name;
    int size = sizeof name;
    uv_tcp_getsockname(&mute, reinterpret_cast<sockaddr*>(&name), &size);
    uint16_t port = ntohs(reinterpret_cast<sockaddr_in*>(&name)->sin_port);
    stage.options.servers.push_back({"127.0.0.1", port});
    stage.add_server();
    stage.options.connect_timeout_ms = 50;
    stage.connect();
    REQUIRE(stage.troubles.size() == 1);
    CHECK(stage.troubles[0] == "127.0.0.1:" + std::to_string(port) +
                                   " accepts connections but does not answer");
    uv_close(reinterpret_cast<uv_handle_t*>(&mute), nullptr);
}

TEST_CASE("an expired session is final, and fails whatever is asked") {
    Stage stage;
    Server& server = stage.add_server();
    server.timeout_ms = 0;
    stage.options.session = 0x55;
    stage.options.password = "of another life!";
    stage.start();
    stage.ask(call::sync("/a"), 1);
    stage.until([&] { return stage.client->state() == ClientState::expired; });
    CHECK(server.hellos[0].session == 0x55);
    CHECK(server.passwords[0] == "of another life!");
    stage.ask(call::sync("/b"), 2);
    stage.until([&] { return stage.got.size() == 2; });
    CHECK(stage.got[0].err == Err::session_expired);
    CHECK(stage.got[1].err == Err::session_expired);
}

TEST_CASE("a refused identity ends the session") {
    Stage stage;
    Server& server = stage.add_server();
    stage.connect();
    server.answers = false;
    stage.client->add_auth("nonsense", as_bytes("x"), stage.on_reply(1));
    stage.until([&] { return server.requests.size() == 1; });
    server.reply(server.requests[0], Err::auth_failed);
    stage.until([&] { return stage.got.size() == 1; });
    CHECK(stage.got[0].err == Err::auth_failed);
    CHECK(stage.client->state() == ClientState::auth_failed);
}

TEST_CASE("close follows what was asked before, and reports at the end") {
    Stage stage;
    Server& server = stage.add_server();
    stage.connect();
    stage.ask(call::sync("/a"), 1);
    stage.client->close();
    stage.until([&] { return stage.closed; });
    REQUIRE(server.requests.size() == 2);
    CHECK(server.requests[1].header.op == static_cast<int32_t>(Op::close_session));
    REQUIRE(stage.got.size() == 1);
    CHECK(stage.got[0].err == Err::ok);
    CHECK(stage.states.back() == ClientState::closed);
}

TEST_CASE("abandon leaves the session to others") {
    Stage stage;
    Server& server = stage.add_server();
    stage.connect();
    stage.client->abandon();
    stage.until([&] { return stage.closed; });
    CHECK(server.requests.empty());
}

TEST_CASE("a connection that is given up takes the session to the next server") {
    Stage stage;
    Server& first = stage.add_server();
    Server& second = stage.add_server();
    stage.connect();
    first.answers = false;
    stage.ask(call::sync("/a"), 1);
    stage.client->reconnect();
    REQUIRE(stage.got.size() == 1);
    CHECK(stage.got[0].err == Err::connection_loss);
    stage.until([&] { return is_connected(stage.client->state()); });
    REQUIRE(second.hellos.size() == 1);
    CHECK(second.hellos[0].session == 0x77);
}

TEST_CASE("events lose the chroot") {
    Stage stage;
    Server& server = stage.add_server();
    stage.options.chroot = "/app";
    stage.connect();
    server.notify(*server.conns[0], EventType::created, "/app/x");
    server.notify(*server.conns[0], EventType::children_changed, "/app");
    stage.until([&] { return stage.events.size() == 2; });
    CHECK(stage.events ==
          std::vector<std::string>{"NodeCreated /x", "NodeChildrenChanged /"});
}

TEST_CASE("a frame beyond the limit is not waited for") {
    Stage stage;
    Server& server = stage.add_server();
    stage.options.reply_bytes_max = 1000;
    stage.connect();
    Buffer out;
    out.u32(1001);
    server.write(*server.conns[0], out);
    stage.until([&] { return !stage.troubles.empty(); });
    CHECK(stage.troubles[0].find("more than 1000") != std::string::npos);
}
