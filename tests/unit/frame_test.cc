// frame_test.cc -- frames between nodes, and the proof of the secret before them.

#include <doctest/doctest.h>

#include <cstring>

#include "quorum/frame.h"

using namespace zk;

namespace {

Buffer frame_of(FrameKind kind, std::string_view payload, uint64_t key) {
    Buffer out;
    size_t at = begin_peer_frame(out, kind);
    out.append(payload);
    end_peer_frame(out, at, key);
    return out;
}

Hello hello_of(uint32_t id, uint64_t ensemble, uint8_t chance) {
    Hello hello{.id = id, .ensemble = ensemble};
    memset(hello.chance, chance, sizeof hello.chance);
    return hello;
}

// Two ends of a link, and what is on its way from one to the other.
struct Pair {
    Handshake dialer;
    Handshake answerer;
    const char* why = "";

    Pair(const Hello& from, std::string_view secret, const Hello& to, std::string_view other)
        : dialer(from, secret, true), answerer(to, other, false) {}

    // Hands over what was said; false: the taker refuses it.
    bool pass(Handshake& taker, Buffer& said, Buffer& out) {
        while (!said.empty()) {
            Frame frame;
            size_t used = 0;
            REQUIRE(cut_frame(said.bytes(), 0, early_frame_max, frame, used) == Cut::frame);
            bool good = taker.take(frame, out, why);
            said.consume(used);
            if (!good) return false;
        }
        return true;
    }
    bool shake() {
        Buffer to_answerer;
        Buffer to_dialer;
        dialer.begin(to_answerer);
        answerer.begin(to_dialer);
        while (!to_answerer.empty() || !to_dialer.empty()) {
            if (!pass(answerer, to_answerer, to_dialer)) return false;
            if (!pass(dialer, to_dialer, to_answerer)) return false;
        }
        return dialer.done() && answerer.done();
    }
};

}  // namespace

TEST_CASE("a frame comes out as it went in, however it is cut into pieces") {
    Buffer whole = frame_of(FrameKind::message, "payload", 77);
    for (size_t size = 0; size < whole.size(); ++size) {
        Frame frame;
        size_t used = 0;
        CHECK(cut_frame(whole.bytes().first(size), 77, 1000, frame, used) == Cut::more);
    }
    Frame frame;
    size_t used = 0;
    REQUIRE(cut_frame(whole.bytes(), 77, 1000, frame, used) == Cut::frame);
    CHECK(frame.kind == FrameKind::message);
    CHECK(as_text(frame.payload) == "payload");
    CHECK(used == whole.size());
}

TEST_CASE("a frame with a byte turned over, of another link, too long or of no kind is bad") {
    Buffer whole = frame_of(FrameKind::append, "some entries", 77);
    Frame frame;
    size_t used = 0;
    for (size_t at = 4; at < whole.size(); ++at) {
        whole.data()[at] ^= 1;
        CHECK(cut_frame(whole.bytes(), 77, 1000, frame, used) == Cut::bad);
        whole.data()[at] ^= 1;
    }
    CHECK(cut_frame(whole.bytes(), 78, 1000, frame, used) == Cut::bad);
    CHECK(cut_frame(whole.bytes(), 77, 10, frame, used) == Cut::bad);
    Buffer unknown = frame_of(static_cast<FrameKind>(frame_kind_last + 1), "", 77);
    CHECK(cut_frame(unknown.bytes(), 77, 1000, frame, used) == Cut::bad);
    Buffer none = frame_of(static_cast<FrameKind>(0), "", 77);
    CHECK(cut_frame(none.bytes(), 77, 1000, frame, used) == Cut::bad);
}

TEST_CASE("who shares the secret is proven on both sides, and both have the same key") {
    Pair pair(hello_of(2, 9, 1), "a secret", hello_of(1, 9, 2), "a secret");
    REQUIRE(pair.shake());
    CHECK(pair.dialer.other().id == 1);
    CHECK(pair.answerer.other().id == 2);
    CHECK(pair.dialer.key() == pair.answerer.key());
    CHECK(pair.dialer.key() != 0);
}

TEST_CASE("another link has another key") {
    Pair one(hello_of(2, 9, 1), "a secret", hello_of(1, 9, 2), "a secret");
    Pair other(hello_of(2, 9, 1), "a secret", hello_of(1, 9, 3), "a secret");
    REQUIRE(one.shake());
    REQUIRE(other.shake());
    CHECK(one.dialer.key() != other.dialer.key());
}

TEST_CASE("who dialed and does not know the secret hears no proof") {
    Pair pair(hello_of(2, 9, 1), "guessed", hello_of(1, 9, 2), "a secret");
    CHECK_FALSE(pair.shake());
    CHECK_FALSE(pair.answerer.done());
    CHECK_FALSE(pair.dialer.done());
    CHECK(std::string_view(pair.why).find("secret") != std::string_view::npos);
}

TEST_CASE("a proof that was overheard is worth nothing on another link") {
    // The stranger says what server 2 said on an earlier link, to a server that draws anew.
    Pair good(hello_of(2, 9, 1), "a secret", hello_of(1, 9, 2), "a secret");
    Buffer hello;
    good.dialer.begin(hello);
    Buffer proof;
    Buffer answer;
    Buffer first;
    first.append(hello.bytes());
    REQUIRE(good.pass(good.answerer, first, answer));
    REQUIRE(good.pass(good.dialer, answer, proof));
    Handshake again(hello_of(1, 9, 3), "a secret", false);
    Buffer out;
    REQUIRE(good.pass(again, hello, out));
    CHECK_FALSE(good.pass(again, proof, out));
    CHECK_FALSE(again.done());
}

TEST_CASE("an answerer's proof cannot be had by sending its hello back to it") {
    Hello mine = hello_of(1, 9, 2);
    Handshake answerer(mine, "a secret", false);
    Buffer out;
    const char* why = "";
    Handshake mirror(mine, "no matter", true);
    Buffer hello;
    mirror.begin(hello);
    Frame frame;
    size_t used = 0;
    REQUIRE(cut_frame(hello.bytes(), 0, early_frame_max, frame, used) == Cut::frame);
    CHECK_FALSE(answerer.take(frame, out, why));
}

TEST_CASE("other ensembles, other versions and other protocols are told apart") {
    Pair other_ensemble(hello_of(2, 9, 1), "s", hello_of(1, 8, 2), "s");
    CHECK_FALSE(other_ensemble.shake());
    Pair blank(hello_of(2, 0, 1), "s", hello_of(1, 8, 2), "s");
    CHECK(blank.shake());
    Hello newer = hello_of(2, 9, 1);
    newer.version = frame_version + 1;
    Pair other_version(newer, "s", hello_of(1, 9, 2), "s");
    CHECK_FALSE(other_version.shake());
    Handshake answerer(hello_of(1, 9, 2), "s", false);
    Buffer out;
    const char* why = "";
    Frame ping{.kind = FrameKind::ping, .payload = {}};
    CHECK_FALSE(answerer.take(ping, out, why));
    CHECK(out.empty());
}
