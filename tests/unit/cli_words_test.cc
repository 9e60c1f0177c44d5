// cli_words_test.cc -- lines cut into words.

#include <doctest/doctest.h>

#include "cli/words.h"

using namespace zk;
using namespace std::string_literals;

using Words = std::vector<std::string>;

TEST_CASE("a line is cut into words as a shell would") {
    struct Row {
        std::string line;
        Words words;
    };
    const Row rows[] = {
        {"", {}},
        {"  \t ", {}},
        {"get /a", {"get", "/a"}},
        {"  set   /a\tb  ", {"set", "/a", "b"}},
        {"set /a 'two words'", {"set", "/a", "two words"}},
        {"set /a \"two words\"", {"set", "/a", "two words"}},
        {"set /a \"\"", {"set", "/a", ""}},
        {"set /a ''", {"set", "/a", ""}},
        {"a'b c'd\"e f\"g", {"ab cde fg"}},
        {"'a\\nb'", {"a\\nb"}},
        {"\"a\\nb\\t\\r\\\"\\\\\"", {"a\nb\t\r\"\\"}},
        {"\"\\x00\\xff\\0\"", {"\0\xff\0"s}},
        {"\"\\xg1\\q\"", {"xg1q"}},
        {"a\\ b \\' \\\\", {"a b", "'", "\\"}},
        {"get /a\r", {"get", "/a"}},
        {"a\0b"s, {"a\0b"s}},
        {"create /# x#y", {"create", "/#", "x#y"}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.line);
        Result<Words> words = split_words(row.line);
        REQUIRE(words);
        CHECK(*words == row.words);
    }
}

TEST_CASE("a quote that is not closed is an error") {
    CHECK(split_words("set /a \"b").error().text == "missing closing \"");
    CHECK(split_words("set /a 'b").error().text == "missing closing '");
    CHECK_FALSE(split_words("set /a \"b\\\""));
}

TEST_CASE("blank lines and comments say nothing") {
    CHECK(is_idle_line(""));
    CHECK(is_idle_line("  \r"));
    CHECK(is_idle_line("  # get /a"));
    CHECK_FALSE(is_idle_line("get /a # b"));
}

TEST_CASE("the word being typed is known with those before it") {
    Typing typing = words_typed("get -s /a");
    CHECK(typing.before == Words{"get", "-s"});
    CHECK(typing.begin == 7);
    typing = words_typed("get ");
    CHECK(typing.before == Words{"get"});
    CHECK(typing.begin == 4);
    typing = words_typed("");
    CHECK(typing.before.empty());
    CHECK(typing.begin == 0);
    typing = words_typed("set '/a b");
    CHECK(typing.before == Words{"set"});
    CHECK(typing.begin == 4);
}
