// client_watches_test.cc -- the record of watches, and chroots.

#include <doctest/doctest.h>

#include "client/calls.h"
#include "client/watches.h"

using namespace zk;

namespace {

struct Frame {
    RequestHeader header;
    SetWatches record;
};

std::vector<Frame> frames_of(const Buffer& out) {
    std::vector<Frame> frames;
    Reader in(out.bytes());
    while (in.left() > 0) {
        Reader body(in.bytes(in.u32()));
        Frame frame;
        frame.header = read_request_header(body);
        decode(body, frame.record, frame.header.op == static_cast<int32_t>(Op::set_watches2));
        REQUIRE(body.ok());
        CHECK(body.left() == 0);
        frames.push_back(frame);
    }
    return frames;
}

using Texts = std::vector<std::string_view>;

}  // namespace

TEST_CASE("only a request with the watch flag asks for a watch") {
    std::string_view path;
    Call with = call::get_data("/a", true);
    CHECK(Watches::asked(with.op, with.body.bytes(), path) == Watches::data);
    CHECK(path == "/a");
    Call without = call::get_data("/a", false);
    CHECK(Watches::asked(without.op, without.body.bytes(), path) == Watches::none);
    Call children = call::get_children("/a", true);
    CHECK(Watches::asked(children.op, children.body.bytes(), path) == Watches::child);
    Call add = call::add_watch("/a", AddWatchMode::persistent_recursive);
    CHECK(Watches::asked(add.op, add.body.bytes(), path) == Watches::recursive);
    Call set = call::set_data("/a", {}, 1);
    CHECK(Watches::asked(set.op, set.body.bytes(), path) == Watches::none);
}

TEST_CASE("an exists that found nothing watches for the creation, one that found for changes") {
    Watches watches;
    watches.noted(Watches::exist, "/gone", Err::no_node);
    watches.noted(Watches::exist, "/here", Err::ok);
    watches.noted(Watches::data, "/failed", Err::no_node);
    Buffer out;
    REQUIRE(watches.encode_all(out, 77) == 1);
    std::vector<Frame> frames = frames_of(out);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].header.xid == xid_set_watches);
    CHECK(frames[0].header.op == static_cast<int32_t>(Op::set_watches));
    CHECK(frames[0].record.relative_zxid == 77);
    CHECK(frames[0].record.exist == Texts{"/gone"});
    CHECK(frames[0].record.data == Texts{"/here"});
}

TEST_CASE("a fired one-shot is forgotten, a persistent watch is not") {
    Watches watches;
    watches.noted(Watches::data, "/a", Err::ok);
    watches.noted(Watches::child, "/a", Err::ok);
    watches.noted(Watches::recursive, "/a", Err::ok);
    watches.fired(EventType::data_changed, "/a");
    Buffer out;
    watches.encode_all(out, 1);
    std::vector<Frame> frames = frames_of(out);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].header.op == static_cast<int32_t>(Op::set_watches2));
    CHECK(frames[0].record.data.empty());
    CHECK(frames[0].record.child == Texts{"/a"});
    CHECK(frames[0].record.recursive == Texts{"/a"});
    watches.fired(EventType::deleted, "/a");
    watches.removed("/a", WatcherType::persistent_recursive);
    CHECK(watches.empty());
}

TEST_CASE("many watches are set again by several requests of bounded size") {
    Watches watches;
    std::string stem = "/" + std::string(100, 'x');
    for (int i = 0; i < 5000; ++i)
        watches.noted(Watches::data, stem + std::to_string(i), Err::ok);
    Buffer out;
    uint32_t count = watches.encode_all(out, 1);
    std::vector<Frame> frames = frames_of(out);
    CHECK(frames.size() == count);
    CHECK(count > 1);
    size_t total = 0;
    for (const Frame& frame : frames) total += frame.record.data.size();
    CHECK(total == 5000);
    CHECK(out.size() / count < Watches::frame_bytes + 1024);
}

TEST_CASE("a chroot is put in front of paths and taken off again") {
    CHECK(full_path("", "/a") == "/a");
    CHECK(full_path("/app", "/a") == "/app/a");
    CHECK(full_path("/app", "/") == "/app");
    CHECK(full_path("", "/") == "/");
    CHECK(local_path("/app", "/app/a") == "/a");
    CHECK(local_path("/app", "/app") == "/");
    CHECK(local_path("/app", "/apple") == "/apple");
    CHECK(local_path("", "/a") == "/a");
}
