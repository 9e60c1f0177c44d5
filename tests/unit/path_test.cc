// path_test.cc -- which texts are paths.

#include "state/path.h"

#include <doctest/doctest.h>

#include <string>

using namespace zk;

TEST_CASE("valid paths are valid") {
    const std::string_view paths[] = {
        "/", "/a", "/a/b", "/...", "/.a", "/a.", "/..a/b..", "/a b", "/~", "/ ",
        "/\xc2\xa0",          // U+00A0
        "/\xc3\xa9t\xc3\xa9", // été
        "/\xe2\x82\xac",      // U+20AC
        "/\xed\x9f\xbf",      // U+D7FF, the last before the surrogates
        "/\xef\xa4\x80",      // U+F900, the first after private use
        "/\xef\xbf\xaf",      // U+FFEF
    };
    for (std::string_view path : paths) CHECK_MESSAGE(valid_path(path), path);
}

TEST_CASE("invalid paths are not") {
    using namespace std::string_view_literals;
    const std::string_view paths[] = {
        ""sv, "a"sv, "a/b"sv, "//"sv, "/a/"sv, "/a//b"sv, "//a"sv, "/."sv, "/.."sv, "/a/."sv,
        "/a/.."sv, "/./a"sv, "/../a"sv, "/a/./b"sv, "/a/../b"sv,
        "/\0"sv, "/a\0b"sv, "/\x01"sv, "/\x1f"sv, "/\x7f"sv,
        "/\xc2\x80"sv,          // U+0080
        "/\xc2\x9f"sv,          // U+009F
        "/\xed\xa0\x80"sv,      // a surrogate by itself
        "/\xed\xbf\xbf"sv,      // U+DFFF
        "/\xee\x80\x80"sv,      // U+E000, private use
        "/\xef\xa3\xbf"sv,      // U+F8FF
        "/\xef\xbf\xb0"sv,      // U+FFF0
        "/\xef\xbf\xbd"sv,      // what Java makes of bad UTF-8
        "/\xef\xbf\xbf"sv,      // U+FFFF
        "/\xf0\x9f\x98\x80"sv,  // an emoji
        "/\xf4\x90\x80\x80"sv,  // beyond Unicode
        "/\xff"sv, "/\xc2"sv, "/\xc2/"sv, "/\xe2\x82"sv, "/\x80"sv,
        "/\xc0\xaf"sv,          // '/' written too long
        "/\xe0\x80\xaf"sv, "/\xc1\x81"sv,
        "/\xf0\x82\x82\xac"sv,
    };
    for (std::string_view path : paths) CHECK_MESSAGE(!valid_path(path), path);
}

TEST_CASE("every single byte as a name is judged as the character it is") {
    for (int c = 0; c < 256; ++c) {
        bool good = c >= 0x20 && c < 0x7f && c != '/';
        // Eight are looked at together, and what is left over one by one.
        for (size_t at = 1; at < 12; ++at) {
            std::string name(12, 'x');
            name[at] = static_cast<char>(c);
            if (c != '/') CHECK_MESSAGE(valid_path("/" + name) == good, c << " at " << at);
            CHECK_MESSAGE(valid_name(name) == good, c << " at " << at);
        }
    }
}

TEST_CASE("a name is what may stand between two slashes") {
    for (std::string_view name : {"a", "a b", "...", ".a", "\xe2\x82\xac"})
        CHECK(valid_name(name));
    for (std::string_view name : {"", ".", "..", "/", "a/b", "a/", "\xff"})
        CHECK(!valid_name(name));
}

TEST_CASE("a path is split at its last slash") {
    CHECK(split_path("/a/b").parent == "/a");
    CHECK(split_path("/a/b").name == "b");
    CHECK(split_path("/a").parent.empty());
    CHECK(split_path("/a").name == "a");
    CHECK(split_path("/").parent.empty());
    CHECK(split_path("/").name.empty());
}
