// cli_complete_test.cc -- what a line being typed may become, as far as no server is needed.

#include <doctest/doctest.h>

#include "cli/complete.h"
#include "cli/words.h"

using namespace zk;

TEST_CASE("a hint names what is still to come") {
    CHECK(hint_for("cas", 80) == "");
    CHECK(hint_for("cas ", 80) == "[-s] [-b] path old|@file new|@file");
    CHECK(hint_for("cas /a", 80) == " old|@file new|@file");
    CHECK(hint_for("cas /a ", 80) == "old|@file new|@file");
    CHECK(hint_for("cas -s /a x ", 80) == "new|@file");
    CHECK(hint_for("cas /a b c", 80) == "");
    CHECK(hint_for("nonsense ", 80) == "");
    // Where there is no room for the options, the words alone.
    CHECK(hint_for("cas ", 25) == "path old|@file new|@file");
    CHECK(hint_for("cas ", 5) == "");
}

TEST_CASE("of many names what all share is inserted, and the first are shown") {
    std::vector<std::string> names;
    for (int i = 0; i < 1000; ++i) names.push_back("n ode-" + std::to_string(10000 - i));
    std::vector<std::string_view> views(names.begin(), names.end());
    Completion found = complete_paths("n", views);
    CHECK(found.insert == "\\ ode-");
    CHECK(found.count == 1000);
    REQUIRE(found.choices.size() == choices_max);
    CHECK(found.choices.front() == "n\\ ode-10000");
    CHECK(found.choices.back() == "n\\ ode-9199");
    std::vector<std::string_view> none;
    CHECK(complete_paths("n", none).count == 0);
}

TEST_CASE("no half of a character is inserted") {
    std::vector<std::string_view> names = {"caf\u00e9", "caf\u00e8"};
    CHECK(complete_paths("c", names).insert == "af");
    names = {"\u00e9", "\u00e8"};
    CHECK(complete_paths("", names).insert == "");
    names = {"\u00e9t\u00e9"};
    CHECK(complete_paths("\u00e9", names).insert == "t\u00e9");
}

TEST_CASE("within quotes only what has a meaning there is escaped") {
    std::vector<std::string_view> names = {"a b\"c\\d'e"};
    CHECK(complete_paths("a", names).insert == "\\ b\\\"c\\\\d\\'e");
    CHECK(complete_paths("a", names, '"').insert == " b\\\"c\\\\d'e");
    CHECK(complete_paths("a", names, '\'').insert == "");
    names = {"a b"};
    CHECK(complete_paths("a", names, '\'').insert == " b");
}

TEST_CASE("a path is seen from where one is") {
    CHECK(path_from("/a/b", "c") == "/a/b/c");
    CHECK(path_from("/a/b", "..") == "/a");
    CHECK(path_from("/a/b", "../..") == "/");
    CHECK(path_from("/a/b", "../../..") == "/");
    CHECK(path_from("/a/b", "./c/../d/") == "/a/b/d");
    CHECK(path_from("/a/b", "/x//y") == "/x/y");
    CHECK(path_from("/", ".") == "/");
    CHECK(path_from("/", "..a") == "/..a");
    CHECK(path_from("/a", "") == "");
}

TEST_CASE("a command goes on where a quote is open, or behind a backslash") {
    auto on = [](std::string line, const char* then) { return goes_on(line) && line == then; };
    CHECK(on("set /a 'x", "set /a 'x\n"));
    CHECK(on("set /a \"x", "set /a \"x\n"));
    CHECK(on("set /a \\", "set /a "));
    CHECK_FALSE(on("set /a x", ""));
    CHECK_FALSE(on("set /a \\\\", ""));
    CHECK_FALSE(on("set /a 'x\\'", ""));
    CHECK_FALSE(on("# it's nothing", ""));
}
