// cli_trees_test.cc -- the pure parts of the tree commands: names, patterns, quantities, records,
// differences, a server's words.

#include <doctest/doctest.h>

#include <algorithm>

#include "cli/line_diff.h"
#include "cli/names.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/top_words.h"

using namespace zk;
using namespace std::string_literals;

namespace {

std::vector<std::string> through_list(const std::vector<std::string>& names) {
    Buffer reply;
    std::vector<std::string_view> views(names.begin(), names.end());
    write_texts(reply, views);
    NameList list;
    REQUIRE(list.take(reply.bytes()));
    CHECK(list.left() == names.size());
    std::vector<std::string> got;
    while (list.left() > 0) got.push_back(list.next());
    return got;
}

std::optional<Bound> size_bound(std::string_view text) { return parse_bound(text, parse_size); }

Connection connection(const char* client, int64_t received) {
    Connection made;
    made.client = client;
    made.received = received;
    return made;
}

Record read_back(const std::string& path, const Found& found) {
    Result<Record> record = parse_record(to_json(path, found, true, true).text());
    REQUIRE(record.has_value());
    return *record;
}

}  // namespace

TEST_CASE("a list gives the names that it was given, sorted") {
    CHECK(through_list({}).empty());
    CHECK(through_list({"b", "a", "ab", "", "abc"}) ==
          std::vector<std::string>{"", "a", "ab", "abc", "b"});
    std::string large(100'000, 'x');
    CHECK(through_list({large + "2", large + "1"}) ==
          std::vector<std::string>{large + "1", large + "2"});
}

TEST_CASE("names that share little are no different, though they wait in a file") {
    std::vector<std::string> names;
    uint64_t seed = 1;
    for (size_t i = 0; i < 400'000; ++i) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        names.push_back(std::to_string(seed) + "-" + std::string(i % 40, 'n'));
    }
    std::vector<std::string> got = through_list(names);
    std::sort(names.begin(), names.end());
    CHECK(got == names);
}

TEST_CASE("names that share much take little memory") {
    Buffer reply;
    std::vector<std::string> names;
    for (size_t i = 0; i < 100'000; ++i) names.push_back("item-" + std::to_string(1'000'000 + i));
    std::vector<std::string_view> views(names.begin(), names.end());
    write_texts(reply, views);
    NameList list;
    REQUIRE(list.take(reply.bytes()));
    CHECK(list.bytes() < 1'000'000);
    CHECK_FALSE(list.take(reply.bytes().first(1000)));
}

TEST_CASE("the order of a walk is not that of the bytes") {
    const std::vector<std::string> walk = {"/", "/a", "/a/b", "/a/b/c", "/a!", "/a-b", "/ab", "/b"};
    for (size_t i = 0; i < walk.size(); ++i)
        for (size_t j = 0; j < walk.size(); ++j) {
            CAPTURE(walk[i]);
            CAPTURE(walk[j]);
            CHECK(path_before(walk[i], walk[j]) == (i < j));
        }
}

TEST_CASE("paths are taken apart and put together") {
    CHECK(path_below("/", "a") == "/a");
    CHECK(path_below("/a", "b") == "/a/b");
    CHECK(last_name("/a/bc") == "bc");
    CHECK(parent_path("/a/b") == "/a");
    CHECK(parent_path("/a") == "/");
    CHECK(is_within("/a/b", "/a"));
    CHECK(is_within("/a", "/a"));
    CHECK(is_within("/a", "/"));
    CHECK_FALSE(is_within("/ab", "/a"));
    CHECK(relative_path("/a", "/a") == "/");
    CHECK(relative_path("/a", "/a/b") == "/b");
    CHECK(relative_path("/", "/a") == "/a");
    CHECK(join_paths("/x", "/") == "/x");
    CHECK(join_paths("/", "/b") == "/b");
    CHECK(join_paths("/x", "/b") == "/x/b");
}

TEST_CASE("patterns are those of a shell") {
    for (auto [pattern, text] : {std::pair{"*", ""}, {"*", "abc"}, {"a*c", "abbc"}, {"a*c", "ac"},
                                 {"lock-*", "lock-01"}, {"?", "x"}, {"?", "é"}, {"[a-c]x", "bx"},
                                 {"[!a-c]x", "dx"}, {"[]]", "]"}, {"[a-]", "-"}, {"\\*", "*"},
                                 {"*a*b*c", "xaxbxc"}, {"a[", "a["}, {"**", "a"}, {"", ""}}) {
        CAPTURE(pattern);
        CAPTURE(text);
        CHECK(matches(pattern, text));
    }
    for (auto [pattern, text] : {std::pair{"a", "ab"}, {"?", ""}, {"a*c", "abd"}, {"[a-c]", "d"},
                                 {"[!a-c]", "b"}, {"\\*", "a"}, {"*a", "ab"}, {"", "a"}}) {
        CAPTURE(pattern);
        CAPTURE(text);
        CHECK_FALSE(matches(pattern, text));
    }
}

TEST_CASE("a pattern full of stars takes no longer for it") {
    CHECK_FALSE(matches("*a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(2000, 'a')));
}

TEST_CASE("sizes and ages are read as they are written") {
    CHECK(parse_size("0") == 0);
    CHECK(parse_size("10") == 10);
    CHECK(parse_size("4k") == 4096);
    CHECK(parse_size("1.5M") == 3 * 512 * 1024);
    CHECK(parse_size("1G") == int64_t{1} << 30);
    CHECK(parse_age("90") == 90'000);
    CHECK(parse_age("90s") == 90'000);
    CHECK(parse_age("1.5h") == 5'400'000);
    CHECK(parse_age("2w") == int64_t{14} * 24 * 3600 * 1000);
    for (const char* text : {"", "k", "-1", "1x", "1kk", "nan", "inf", "1e30", " 1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
        CHECK_FALSE(parse_age(text));
    }
}

TEST_CASE("a bound is more, less or exactly") {
    CHECK(size_bound("+1k")->holds(1025));
    CHECK_FALSE(size_bound("+1k")->holds(1024));
    CHECK(size_bound("-1k")->holds(1023));
    CHECK_FALSE(size_bound("-1k")->holds(1024));
    CHECK(size_bound("1k")->holds(1024));
    CHECK_FALSE(size_bound("+"));
    CHECK_FALSE(size_bound("+-1"));
}

TEST_CASE("sizes and ages are short where people read them") {
    CHECK(size_text(0) == "0");
    CHECK(size_text(1023) == "1023");
    CHECK(size_text(1024) == "1.0K");
    CHECK(size_text(10 * 1024) == "10K");
    CHECK(size_text(1024 * 1024 - 1) == "1.0M");
    CHECK(age_text(-5) == "now");
    CHECK(age_text(59'999) == "59s");
    CHECK(age_text(3'600'000) == "1h");
    CHECK(age_text(int64_t{27} * 24 * 3'600'000) == "27d");
    CHECK(age_text(int64_t{28} * 24 * 3'600'000) == "4w");
    CHECK(utc_text(0) == "1970-01-01T00:00:00.000Z");
    CHECK(utc_text(1'795'283'639'288) == "2026-11-21T17:53:59.288Z");
    CHECK(grouped(0) == "0");
    CHECK(grouped(123) == "123");
    CHECK(grouped(1234567) == "1,234,567");
}

TEST_CASE("a record comes back as it went") {
    Acl acls[] = {{.perms = perm::read, .scheme = "digest", .id = "bob:a,b\"c="},
                  {.perms = perm::all, .scheme = "ip", .id = "::1"}};
    Found found;
    found.acls = wire_of(acls);
    for (const std::string& data : {""s, "text"s, "\0\xff"s, "line\nline\n"s}) {
        found.data = data;
        Record record = read_back("/a b/\"c\"", found);
        CHECK(record.path == "/a b/\"c\"");
        CHECK(record.data == data);
        CHECK_FALSE(record.is_null);
        CHECK(record.acls == found.acls);
        CHECK_FALSE(record.ephemeral);
    }
    found.data.clear();
    found.is_null = true;
    found.acls = open_acls();
    found.stat.ephemeral_owner = 1;
    Record record = read_back("/\xff", found);  // a path that is no text
    CHECK(record.path == "/\xff");
    CHECK(record.is_null);
    CHECK(record.acls == open_acls());
    CHECK(record.ephemeral);
}

TEST_CASE("what goes without saying is not written") {
    Found found;
    found.data = "x";
    found.acls = open_acls();
    CHECK(to_json("/", found, false, true).text() == R"({"path":"/","data":"x"})");
}

TEST_CASE("lines that are no records are refused, with the reason") {
    for (const char* line :
         {"", "[]", "{}", "{\"path\":1}", "{\"path\":\"a\"}", "{\"path\":\"/a/\"}",
          "{\"path\":\"/a\",\"data\":1}", "{\"path\":\"/a\",\"base64\":\"*\"}",
          "{\"path\":\"/a\",\"acl\":[]}", "{\"path\":\"/a\",\"acl\":[{\"scheme\":\"world\"}]}",
          "{\"path\":\"/a\",\"acl\":[{\"scheme\":\"ip\",\"id\":\"::1\",\"perms\":\"r,a:b:c\"}]}",
          "{\"path\":\"/a\",\"acl\":[{\"scheme\":\"world\",\"id\":\"anyone\",\"perms\":\"z\"}]}"}) {
        CAPTURE(line);
        Result<Record> record = parse_record(line);
        CHECK_FALSE(record.has_value());
        if (!record) CHECK_FALSE(record.error().text.empty());
    }
}

TEST_CASE("texts differ in lines, and a few around them are shown") {
    CHECK(line_diff("a\nb", "a\nb").empty());
    CHECK(line_diff("a", "b") == "-a\n+b\n");
    CHECK(line_diff("1\n2\n3\n4\nold\n5\n6\n7\n8", "1\n2\n3\n4\nnew\n5\n6\n7\n8") ==
          " 2\n 3\n 4\n-old\n+new\n 5\n 6\n 7\n");
    CHECK(line_diff("a\nb\nc\nd", "a\nc\nx\nd") == " a\n-b\n c\n+x\n d\n");
    CHECK(line_diff("", "a") == "-\n+a\n");
    CHECK(line_diff("a", "a\n") == " a\n+\n");
    CHECK(marked_lines('+', "a\nb") == "+a\n+b\n");
}

TEST_CASE("texts of many lines are shown as replaced") {
    std::string from, to;
    for (int i = 0; i < 5000; ++i) {
        from += "a" + std::to_string(i) + "\n";
        to += "b" + std::to_string(i) + "\n";
    }
    std::string diff = line_diff(from, to);
    CHECK(diff.starts_with("-a0\n-a1\n"));
    CHECK(std::count(diff.begin(), diff.end(), '\n') == 10'001);
}

TEST_CASE("a server's connections are read from its word") {
    std::vector<Connection> found = parse_cons(
        " /127.0.0.1:40282[1](queued=2,recved=31,sent=30,sid=0x1000001,lop=GETD,est=1700000000000,"
        "to=30000,lcxid=0x1,lzxid=0xffffffffffffffff,lresp=5,llat=0,minlat=0,avglat=1,maxlat=7)\n"
        " /0:0:0:0:0:0:0:1:40284[1](queued=0,recved=4,sent=4,sid=0x2)\n"
        " /127.0.0.1:40286[0](queued=0,recved=1,sent=0)\n\n");
    REQUIRE(found.size() == 2);  // the third is the one that asks
    CHECK(found[0].client == "127.0.0.1:40282");
    CHECK(found[0].session == "0x1000001");
    CHECK(found[0].last_op == "GETD");
    CHECK(found[0].queued == 2);
    CHECK(found[0].received == 31);
    CHECK(found[0].sent == 30);
    CHECK(found[0].latency_avg_ms == 1);
    CHECK(found[0].latency_max_ms == 7);
    CHECK(found[1].client == "0:0:0:0:0:0:0:1:40284");
    CHECK(parse_cons("cons is not executed because it is not in the whitelist.\n").empty());
}

TEST_CASE("a server's state is read from its word") {
    ServerState state;
    REQUIRE(parse_srvr("Zookeeper version: 3.8.0-x, built on 2024\nLatency min/avg/max: 0/0.5/10\n"
                       "Received: 251\nSent: 221\nConnections: 1\nOutstanding: 3\nZxid: 0x5e\n"
                       "Mode: follower\nNode count: 10\n",
                       state));
    CHECK(state.version == "3.8.0-x");
    CHECK(state.mode == "follower");
    CHECK(state.latency == "0/0.5/10");
    CHECK(state.received == 251);
    CHECK(state.sent == 221);
    CHECK(state.outstanding == 3);
    CHECK(state.znodes == 10);
    CHECK_FALSE(parse_srvr("This ZooKeeper instance is not currently serving requests\n", state));
}

TEST_CASE("rates are of the time between two looks, the busiest first") {
    auto look = [](int64_t at_ms, int64_t a, int64_t b) {
        Look made{.at_ms = at_ms, .state = {}, .connections = {}};
        made.connections.push_back(connection("a", a));
        made.connections.push_back(connection("b", b));
        return made;
    };
    Look now = look(3000, 30, 300);
    now.connections.push_back(connection("new", 50));
    std::vector<Rate> found = rates(look(1000, 10, 100), now);
    REQUIRE(found.size() == 3);
    CHECK(found[0].now.client == "b");
    CHECK(found[0].received == doctest::Approx(100));
    CHECK(found[1].received == doctest::Approx(25));
    CHECK(found[2].received == doctest::Approx(10));
    // The server has begun anew: nothing is known.
    CHECK(rates(look(1000, 100, 100), look(2000, 5, 5))[0].received == 0.0);
}
