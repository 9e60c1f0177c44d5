// client_sync_test.cc -- the client that waits, against a server that breaks connections.
//
// The server is a thread with blocking sockets that plays one act after the other.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "client/sync.h"

using namespace zk;

namespace {

class Theatre {
public:
    Theatre() {
        listener_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in any = {};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
        REQUIRE(listen(listener_, 8) == 0);
        socklen_t size = sizeof any;
        getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size);
        port_ = ntohs(any.sin_port);
    }
    ~Theatre() {
        if (thread_.joinable()) thread_.join();
        close(listener_);
    }
    // For each act one connection: a handshake, then so many requests, of which the last is left
    // without a reply; at the end of the last act it waits for the client to go.
    void play(std::vector<size_t> acts) {
        thread_ = std::thread([this, acts = std::move(acts)] {
            for (size_t act = 0; act < acts.size(); ++act) {
                int conn = accept(listener_, nullptr, nullptr);
                greet(conn);
                bool last = act + 1 == acts.size();
                for (size_t i = 0; i < acts[act] || last; ++i) {
                    std::string request = read_frame(conn);
                    if (request.empty()) break;
                    seen.push_back(request);
                    if (last || i + 1 < acts[act]) answer(conn, request);
                }
                close(conn);
            }
        });
    }
    void end() { thread_.join(); }

    SyncOptions options() const {
        SyncOptions made;
        made.client.servers = {{"127.0.0.1", port_}};
        return made;
    }
    // Opcodes of the requests that came in; to be read after end().
    std::vector<Op> ops() const {
        std::vector<Op> found;
        for (const std::string& request : seen) {
            Reader in(as_bytes(request));
            found.push_back(static_cast<Op>(read_request_header(in).op));
        }
        return found;
    }

    std::vector<std::string> seen;

private:
    static std::string read_frame(int conn) {
        uint8_t size[4];
        if (recv(conn, size, 4, MSG_WAITALL) != 4) return "";
        std::string frame(load_u32(size), '\0');
        recv(conn, frame.data(), frame.size(), MSG_WAITALL);
        return frame;
    }
    static void write_frame(int conn, Buffer& frame) {
        CHECK(send(conn, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
    }
    static void greet(int conn) {
        read_frame(conn);
        Buffer out;
        size_t at = begin_frame(out);
        const std::string password(16, 'p');
        encode(out, ConnectResponse{
                        .timeout_ms = 5000, .session = 9, .password = as_bytes(password)});
        end_frame(out, at);
        write_frame(conn, out);
    }
    static void answer(int conn, const std::string& request) {
        Reader in(as_bytes(request));
        RequestHeader header = read_request_header(in);
        Buffer out;
        size_t at = begin_frame(out);
        write_reply_header(out, {.xid = header.xid, .zxid = 1, .err = Err::ok});
        out.append(in.rest());
        end_frame(out, at);
        write_frame(conn, out);
    }

    int listener_ = -1;
    uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace

TEST_CASE("a read whose connection was lost is asked again") {
    Theatre theatre;
    theatre.play({1, 9});
    SyncClient client(theatre.options());
    SyncClient::Reply reply = client.call(call::sync("/a"));
    CHECK(reply.header.err == Err::ok);
    client.close(true);
    theatre.end();
    CHECK(theatre.ops() == std::vector<Op>{Op::sync, Op::sync, Op::close_session});
}

TEST_CASE("a write whose connection was lost is not sent again") {
    Theatre theatre;
    theatre.play({1, 9});
    SyncClient client(theatre.options());
    SyncClient::Reply reply = client.call(call::remove("/a", -1));
    CHECK(reply.header.err == Err::connection_loss);
    CHECK(client.call(call::sync("/b")).header.err == Err::ok);
    CHECK(client.session() == 9);
    client.close(true);
    theatre.end();
    CHECK(theatre.ops() == std::vector<Op>{Op::remove, Op::sync, Op::close_session});
}

TEST_CASE("who does not wait for the end of the session still asks for it") {
    Theatre theatre;
    theatre.play({9});
    SyncClient client(theatre.options());
    CHECK(client.call(call::sync("/a")).header.err == Err::ok);
    client.close(false);
    CHECK(client.state() == ClientState::closed);
    theatre.end();
    CHECK(theatre.ops() == std::vector<Op>{Op::sync, Op::close_session});
}

TEST_CASE("waiting ends at its deadline, or with a signal that is caught") {
    Theatre theatre;
    theatre.play({9});
    SyncClient client(theatre.options());
    REQUIRE(client.connect());
    while (client.wait(client.now_ms()) != SyncClient::Wake::deadline) continue;
    int caught = 0;
    auto count = [](void* context, int) { ++*static_cast<int*>(context); };
    size_t first = client.catch_signal(SIGUSR1, count, &caught);
    client.catch_signal(SIGUSR1, count, &caught);
    raise(SIGUSR1);
    CHECK(client.wait(SyncClient::never) == SyncClient::Wake::signal);
    CHECK(caught == 2);
    client.forget_signal(first);
    raise(SIGUSR1);
    CHECK(client.wait(SyncClient::never) == SyncClient::Wake::signal);
    CHECK(caught == 3);
    client.wake();
    CHECK(client.wait(SyncClient::never) == SyncClient::Wake::news);
    client.close(true);
    theatre.end();
}

TEST_CASE("a reply proves the session alive at the time its request was made") {
    Theatre theatre;
    theatre.play({9});
    SyncClient client(theatre.options());
    CHECK(client.renewed_ms() == 0);
    REQUIRE(client.connect());
    uint64_t before = client.now_ms();
    CHECK(client.renewed_ms() <= before);
    CHECK(client.call(call::sync("/a")).header.err == Err::ok);
    CHECK(client.renewed_ms() >= before);
    CHECK(client.renewed_ms() <= client.now_ms());
    client.close(true);
    theatre.end();
}

TEST_CASE("a limit ends a call that would wait for a server") {
    Theatre theatre;  // takes connections and says nothing
    SyncClient client(theatre.options());
    client.set_limit({.ended = nullptr, .context = nullptr, .deadline_ms = client.now_ms() + 20});
    CHECK(client.call(call::sync("/a")).header.err == Err::request_timeout);
    bool enough = true;
    auto ended = [](void* context) { return *static_cast<bool*>(context); };
    client.set_limit({.ended = ended, .context = &enough, .deadline_ms = SyncClient::never});
    CHECK(client.call(call::sync("/a")).header.err == Err::request_timeout);
    client.close(false);
}

TEST_CASE("without a server a call says why, and at once") {
    SyncOptions options;
    options.client.servers = {{"127.0.0.1", 1}};
    SyncClient client(options);
    CHECK(client.call(call::sync("/a")).header.err == Err::operation_timeout);
    CHECK(client.why_not() == "cannot connect to 127.0.0.1:1: connection refused");
    options.client.servers.push_back({"127.0.0.1", 1});
    SyncClient other(options);
    CHECK_FALSE(other.connect());
    CHECK(other.why_not() ==
          "none of 2 servers can be used; the last: "
          "cannot connect to 127.0.0.1:1: connection refused");
}
