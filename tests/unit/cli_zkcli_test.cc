// cli_zkcli_test.cc -- the shape of zkCli.sh: words, messages, events. And multi's encoding.

#include <doctest/doctest.h>

#include "cli/zkcli.h"
#include "client/calls.h"

using namespace zk;

using Words = std::vector<std::string>;

TEST_CASE("zkCli.sh cuts lines at blanks, and quotes count at the beginning of a word only") {
    struct Row {
        const char* line;
        Words words;
    };
    for (const Row& row : {
             Row{"create /a x", {"create", "/a", "x"}},
             Row{"  get\t /a ", {"get", "/a"}},
             Row{"set /a \"two words\"", {"set", "/a", "two words"}},
             Row{"set /a 'it\"s' \"\"", {"set", "/a", "it\"s", ""}},
             Row{"set /a it's", {"set", "/a", "it's"}},
             Row{"set /a \"x\"y", {"set", "/a", "x", "y"}},
             Row{"set /a \"open", {"set", "/a", "open"}},
             Row{"set /a back\\nslash", {"set", "/a", "back\\nslash"}},
         }) {
        CAPTURE(row.line);
        CHECK(*zkcli::split(row.line) == row.words);
    }
}

TEST_CASE("events look as zkCli.sh prints them") {
    CHECK(zkcli::event("SyncConnected", "NodeCreated", "/a", 7) ==
          "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7\n");
    CHECK(zkcli::state_event(ClientState::connecting, false).empty());
    CHECK(zkcli::state_event(ClientState::connecting, true).find("Disconnected") !=
          std::string::npos);
}

TEST_CASE("zkCli.sh knows three exit statuses") {
    CHECK(zkcli::simplified(Status::ok) == Status::ok);
    CHECK(zkcli::simplified(Status::unknown_command) == Status::unknown_command);
    for (Status status : {Status::usage, Status::no_node, Status::no_connection, Status::lost})
        CHECK(zkcli::simplified(status) == Status::failed);
}

TEST_CASE("removing watches tells which kinds there were") {
    uint8_t kinds = Watches::data | Watches::child;
    std::string both = zkcli::removed_events(kinds, WatcherType::any, "/a");
    CHECK(both.find("ChildWatchRemoved") != std::string::npos);
    CHECK(both.find("DataWatchRemoved") != std::string::npos);
    CHECK(both.find("PersistentWatchRemoved") == std::string::npos);
    CHECK(zkcli::removed_events(Watches::data, WatcherType::children, "/a").empty());
}

TEST_CASE("a multi is encoded op by op, with an end marker") {
    call::Multi multi;
    multi.remove("/a", 3);
    multi.check("/b", -1);
    Call call = multi.take();
    CHECK(call.op == Op::multi);
    const uint8_t wanted[] = {
        0, 0, 0, 2,  0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, '/', 'a', 0, 0, 0, 3,
        0, 0, 0, 13, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, '/', 'b', 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff};
    CHECK(as_text(call.body.bytes()) == as_text(Bytes(wanted)));
}

TEST_CASE("a multi's reply is read part by part, or not at all") {
    Buffer body;
    encode(body, MultiHeader{.type = 1, .done = false, .err = 0});
    write_text(body, "/a");
    encode(body, MultiHeader{.type = 5, .done = false, .err = 0});
    encode(body, Stat{.version = 4});
    encode(body, MultiHeader{.type = -1, .done = false, .err = -101});
    body.i32(-101);
    size_t whole = body.size();
    encode(body, MultiHeader{.type = -1, .done = true, .err = -1});
    std::optional<std::vector<Part>> parts = decode_parts(body.bytes());
    REQUIRE(parts);
    REQUIRE(parts->size() == 3);
    CHECK((*parts)[0].path == "/a");
    CHECK((*parts)[1].stat->version == 4);
    CHECK((*parts)[2].err == Err::no_node);
    for (size_t size = 0; size <= whole; ++size)
        CHECK_FALSE(decode_parts(body.bytes().first(size)));
}
