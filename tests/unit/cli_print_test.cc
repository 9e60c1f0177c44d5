// cli_print_test.cc -- how things look, and what is read from arguments.

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

#include "cli/print.h"

using namespace zk;
using namespace std::string_literals;

TEST_CASE("a stat has eleven lines in zkCli's order") {
    setenv("TZ", "UTC", 1);
    tzset();
    Stat stat;
    stat.czxid = 0x1a;
    stat.mzxid = -1;
    stat.ctime = 1795233660123;
    stat.mtime = 0;
    stat.version = 3;
    stat.cversion = 2;
    stat.aversion = 1;
    stat.ephemeral_owner = 0x100004abcdef0001;
    stat.data_length = 11;
    stat.num_children = 4;
    stat.pzxid = 0x200000001;
    CHECK(stat_text(stat) ==
          "cZxid = 0x1a\n"
          "ctime = Sat Nov 21 04:01:00 UTC 2026\n"
          "mZxid = 0xffffffffffffffff\n"
          "mtime = Thu Jan 01 00:00:00 UTC 1970\n"
          "pZxid = 0x200000001\n"
          "cversion = 2\n"
          "dataVersion = 3\n"
          "aclVersion = 1\n"
          "ephemeralOwner = 0x100004abcdef0001\n"
          "dataLength = 11\n"
          "numChildren = 4\n");
}

TEST_CASE("lists of names look like Java's") {
    CHECK(names_text({}) == "[]");
    std::vector<std::string_view> names = {"a", "b c"};
    CHECK(names_text(names) == "[a, b c]");
}

TEST_CASE("access lists are read and shown") {
    Result<std::vector<Acl>> acls = parse_acls("world:anyone:r,digest:bob:ab=:cdrwa,ip:::1:w");
    REQUIRE(acls);
    CHECK(*acls == std::vector<Acl>{{1, "world", "anyone"}, {31, "digest", "bob:ab="},
                                    {2, "ip", "::1"}});
    CHECK(acls_text(*acls) ==
          "'world,'anyone\n: r\n'digest,'bob:ab=\n: cdrwa\n'ip,'::1\n: w\n");
    std::vector<Acl> odd = {{5, "x", "a,b%\n}"}};
    CHECK(acls_text(odd) == "'x,'a%2Cb%25%0A%7D\n: cr\n");
}

TEST_CASE("an access list that cannot be read is refused as a whole") {
    CHECK(parse_acls("world").error().text == "world does not have the form scheme:id:perm");
    CHECK(parse_acls("a:b").error().text == "a:b does not have the form scheme:id:perm");
    CHECK(parse_acls("world:anyone:rz").error().text == "Unknown perm type: z");
    CHECK_FALSE(parse_acls("world:anyone:r,"));
}

TEST_CASE("errors are told in zkCli's words") {
    CHECK(error_text(Err::no_node, "/a") == "Node does not exist: /a");
    CHECK(error_text(Err::node_exists, "/a") == "Node already exists: /a");
    CHECK(error_text(Err::not_empty, "/a") == "Node not empty: /a");
    CHECK(error_text(Err::bad_version, "/a") == "version No is not valid : /a");
    CHECK(error_text(Err::no_auth, "/a") == "Insufficient permission : /a");
    CHECK(error_text(Err::connection_loss, "/a") == "KeeperErrorCode = ConnectionLoss for /a");
    CHECK(error_text(Err::auth_failed, "") == "KeeperErrorCode = AuthFailed");
}

TEST_CASE("events are told in zkCli's words") {
    CHECK(event_text(EventType::children_changed, "/a") ==
          "WatchedEvent state:SyncConnected type:NodeChildrenChanged path:/a");
}

TEST_CASE("base64 goes both ways") {
    const std::pair<std::string, std::string> rows[] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\0\xff\x10"s, "AP8Q"}};
    for (const auto& [bytes, text] : rows) {
        CHECK(to_base64(as_bytes(bytes)) == text);
        CHECK(from_base64(text).value() == bytes);
    }
    for (const char* bad : {"Z", "Zg=", "Z===", "Zm9v!", "Zg==Zg=="})
        CHECK_FALSE(from_base64(bad));
}

TEST_CASE("a hex dump shows offsets, bytes and characters") {
    CHECK(hex_dump({}) == "");
    CHECK(hex_dump(as_bytes("v1\n")) ==
          "         +-------------------------------------------------+\n"
          "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n"
          "+--------+-------------------------------------------------+----------------+\n"
          "|00000000| 76 31 0a                                        |v1.             |\n"
          "+--------+-------------------------------------------------+----------------+");
}

TEST_CASE("paths that no server would take are refused in zkCli's words") {
    CHECK(path_fault("/") == "");
    CHECK(path_fault("/a/b.c/...") == "");
    CHECK(path_fault("") == "Path length must be > 0");
    CHECK(path_fault("a") == "Path must start with / character");
    CHECK(path_fault("/a/") == "Path must not end with / character");
    CHECK(path_fault("/a/", true) == "");
    CHECK(path_fault("/a/.", true) == "");
    CHECK(path_fault("//a") ==
          "Invalid path string \"//a\" caused by empty node name specified @1");
    CHECK(path_fault("/a/../b") ==
          "Invalid path string \"/a/../b\" caused by relative paths not allowed @4");
    CHECK(path_fault("/a\0b"s) ==
          "Invalid path string \"/a\0b\" caused by null character not allowed @2"s);
}
