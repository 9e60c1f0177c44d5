// cli_human_test.cc -- how things look to a person.

#include <doctest/doctest.h>

#include <cstdlib>
#include <ctime>

#include "cli/human.h"

using namespace zk;

TEST_CASE("a stat for people is aligned, and says how long ago and whose") {
    setenv("TZ", "UTC", 1);
    tzset();
    Stat stat;
    stat.czxid = 0x1a;
    stat.ctime = 1795233660123;
    stat.mtime = stat.ctime + 60'000;
    stat.ephemeral_owner = 0x100004abcdef0001;
    std::string text = human_stat(stat, stat.mtime + 200'000, false);
    CHECK(text.starts_with("cZxid          = 0x1a\n"
                           "ctime          = 2026-11-21 04:01:00 (4m ago)\n"
                           "mZxid          = 0x0\n"
                           "mtime          = 2026-11-21 04:02:00 (3m ago)\n"));
    CHECK(text.find("ephemeralOwner = 0x100004abcdef0001 (ephemeral)\n") != text.npos);
    // A clock that is behind the server's.
    CHECK(human_stat(stat, stat.ctime - 1, false).find("ago") == text.npos);
    CHECK(human_stat(stat, stat.ctime, true).starts_with("\033[2mcZxid          = \033[0m0x1a\n"));
}

TEST_CASE("names stand in columns, down and then across, by their characters") {
    CHECK(in_columns({}, 80) == "");
    CHECK(in_columns({"a", "b", "c"}, 80) == "a  b  c\n");
    CHECK(in_columns({"a", "bb", "c"}, 8) == "a   c\nbb\n");
    CHECK(in_columns({"h\xc3\xa9", "b"}, 8) == "h\xc3\xa9  b\n");
    CHECK(in_columns({"longer than it", "b"}, 8) == "longer than it\nb\n");
}
