// client_options_test.cc -- connect strings.

#include <doctest/doctest.h>

#include "client/options.h"

using namespace zk;

TEST_CASE("a connect string names servers, ports and a chroot") {
    struct Row {
        const char* text;
        std::vector<ServerName> servers;
        const char* chroot;
    };
    const Row rows[] = {
        {"localhost", {{"localhost", 2181}}, ""},
        {"a:1,b:2,c", {{"a", 1}, {"b", 2}, {"c", 2181}}, ""},
        {"a:1/", {{"a", 1}}, ""},
        {"a:1/app", {{"a", 1}}, "/app"},
        {"a:1,b:2/app/x/", {{"a", 1}, {"b", 2}}, "/app/x"},
        {"[::1]:7", {{"::1", 7}}, ""},
        {"[fe80::2],[::1]:7/c", {{"fe80::2", 2181}, {"::1", 7}}, "/c"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.text);
        Result<ConnectString> parsed = parse_connect_string(row.text);
        REQUIRE(parsed);
        CHECK(parsed->servers == row.servers);
        CHECK(parsed->chroot == row.chroot);
    }
}

TEST_CASE("a bad connect string is refused with what is wrong about it") {
    struct Row {
        const char* text;
        const char* why;
    };
    const Row rows[] = {
        {"", "empty server name; expected host:port[,host:port...]"},
        {"a:1,,b:2", "empty server name; expected host:port[,host:port...]"},
        {"a:", "bad server \"a:\": the port is to be a number from 1 to 65535"},
        {"a:0", "bad server \"a:0\": the port is to be a number from 1 to 65535"},
        {"a:65536", "bad server \"a:65536\": the port is to be a number from 1 to 65535"},
        {"a:2x", "bad server \"a:2x\": the port is to be a number from 1 to 65535"},
        {":2181", "bad server \":2181\": no host"},
        {"::1", "bad server \"::1\": an IPv6 address is written in brackets, [::1]:2181"},
        {"[::1", "bad server \"[::1\": missing ]"},
        {"[::1]x", "bad server \"[::1]x\": expected :port after the ]"},
        {"a b:1", "bad server \"a b:1\": blanks in the host"},
        {"a:1/x//y", "bad chroot \"/x//y\": an empty name"},
        {"a:1/../y", "bad chroot \"/../y\": relative names are not allowed"},
    };
    for (const Row& row : rows) {
        Result<ConnectString> parsed = parse_connect_string(row.text);
        CAPTURE(row.text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().text == row.why);
    }
}

TEST_CASE("a connect string with too many servers is refused") {
    std::string text = "a";
    for (size_t i = 1; i <= servers_max; ++i) text += ",a";
    CHECK_FALSE(parse_connect_string(text));
}

TEST_CASE("servers are written as they are read") {
    CHECK(to_text(ServerName{.host = "zk1", .port = 5}) == "zk1:5");
    CHECK(to_text(ServerName{.host = "::1", .port = 5}) == "[::1]:5");
}
