// cli_command_test.cc -- options, the table, the program's own command line, completion.

#include <doctest/doctest.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "cli/start.h"

using namespace zk;

namespace {

using Words = std::vector<std::string>;

Result<Args> parse(std::string_view command, const Words& words) {
    const Command* row = find_command(command);
    REQUIRE(row != nullptr);
    return parse_args(row->options, words);
}

Result<Start> start(std::vector<const char*> arguments, const char* servers = nullptr) {
    return read_start(arguments, Surroundings{.servers = servers});
}

}  // namespace

TEST_CASE("options stand anywhere and may be bundled") {
    Result<Args> args = parse("create", {"-es", "/a", "data"});
    REQUIRE(args);
    CHECK(args->has("e"));
    CHECK(args->has("s"));
    CHECK_FALSE(args->has("c"));
    CHECK(args->words == Words{"/a", "data"});

    args = parse("set", {"/a", "x", "-v", "3", "-s"});
    REQUIRE(args);
    CHECK(*args->value("v") == "3");
    CHECK(args->has("s"));
    CHECK(args->words == Words{"/a", "x"});
}

TEST_CASE("an option's value may follow at once, after a blank or after =") {
    for (const Words& words : {Words{"-v3"}, Words{"-v", "3"}, Words{"-v=3"}, Words{"--v", "3"},
                               Words{"-sv3"}, Words{"-sv", "3"}}) {
        Result<Args> args = parse("set", words);
        REQUIRE(args);
        REQUIRE(args->has("v"));
        CHECK(*args->value("v") == "3");
    }
    Result<Args> last = parse("set", {"-v", "1", "-v", "2"});
    CHECK(*last->value("v") == "2");
}

TEST_CASE("negative numbers, a single dash and what follows -- are ordinary words") {
    CHECK(parse("set", {"/a", "-5"})->words == Words{"/a", "-5"});
    CHECK(parse("set", {"/a", "-5.25"})->words == Words{"/a", "-5.25"});
    CHECK(parse("set", {"/a", "-"})->words == Words{"/a", "-"});
    CHECK(parse("set", {"--", "/a", "-s"})->words == Words{"/a", "-s"});
    CHECK(*parse("set", {"-v", "-1", "/a", "x"})->value("v") == "-1");
}

TEST_CASE("unknown options and missing values are told in zkCli's words") {
    CHECK(parse("ls", {"-x", "/"}).error().text == "Unrecognized option: -x");
    CHECK(parse("ls", {"-sx", "/"}).error().text == "Unrecognized option: -sx");
    CHECK(parse("ls", {"--all", "/"}).error().text == "Unrecognized option: --all");
    CHECK(parse("set", {"/a", "x", "-v"}).error().text == "Missing argument for option: v");
}

TEST_CASE("the table has zkCli's names, and each row is whole") {
    for (std::string_view name :
         {"create", "get", "set", "ls", "stat", "exists", "delete", "deleteall", "sync", "addauth",
          "getAcl", "setAcl", "history", "help", "quit", "exit", "close", "version", "whoami",
          "getEphemerals", "getAllChildrenNumber", "addWatch", "removewatches", "printwatches",
          "connect", "redo"}) {
        CAPTURE(name);
        CHECK(find_command(name) != nullptr);
    }
    CHECK(find_command("nonsense") == nullptr);
    CHECK(find_command("") == nullptr);
    for (const Command& command : commands()) {
        CHECK(static_cast<bool>(command.run));
        CHECK_FALSE(command.summary.empty());
        CHECK(command.words_min <= command.words_max);
        // Examples are of this command and can be read.
        std::string examples(command.examples);
        if (!examples.empty()) CHECK(examples.starts_with(command.name));
    }
}

TEST_CASE("usage and help are derived from the row") {
    CHECK(usage_of(*find_command("create")) ==
          "create [-s] [-e] [-c] [-t ttl] [-b] path [data|@file|-] [acl]");
    CHECK(usage_of(*find_command("quit")) == "quit");
    std::string help = help_of(*find_command("delete"));
    CHECK(help ==
          "delete [-v version] path\n"
          "    delete a znode that has no children\n"
          "    -v version  only if this is the version\n"
          "  Examples:\n"
          "    delete -v 3 /config\n"
          "  With --json: path\n");
    CHECK(help_of_all().find("getAllChildrenNumber ") != std::string::npos);
}

TEST_CASE("numbers are read whole or not at all") {
    int32_t number = 0;
    CHECK(parse_number("-12", number));
    CHECK(number == -12);
    CHECK_FALSE(parse_number("12x", number));
    CHECK_FALSE(parse_number("", number));
    CHECK_FALSE(parse_number("2147483648", number));
}

TEST_CASE("the program's options come before the command, with one dash or two") {
    Result<Start> got =
        start({"-server", "a:1,b:2/c", "--timeout", "5000", "-r", "get", "-s", "/"});
    REQUIRE(got);
    CHECK(got->session.client.servers.size() == 2);
    CHECK(got->session.client.chroot == "/c");
    CHECK(got->session.client.session_timeout_ms == 5000);
    CHECK(got->session.client.read_only);
    CHECK(got->command == Words{"get", "-s", "/"});
    CHECK(start({"--server=a:1"})->session.client.servers[0] == ServerName{"a", 1});
    CHECK(start({"--help"})->help);
    CHECK(start({"-version"})->version);
    CHECK(start({"--keep-going"})->keep_going);
}

TEST_CASE("servers come from -server, else ZK_SERVERS, else localhost") {
    CHECK(start({})->session.client.servers[0] == ServerName{"localhost", 2181});
    CHECK(start({}, "")->session.client.servers[0] == ServerName{"localhost", 2181});
    CHECK(start({}, "e:5")->session.client.servers[0] == ServerName{"e", 5});
    CHECK(start({"-server", "o:6"}, "e:5")->session.client.servers[0] == ServerName{"o", 6});
    CHECK(start({}, "e:x").error().text.starts_with("ZK_SERVERS: bad server"));
}

TEST_CASE("options of the program that make no sense are refused") {
    CHECK(start({"-nonsense"}).error().text == "unknown option -nonsense (see --help)");
    CHECK(start({"-server"}).error().text == "no argument found for option -server");
    CHECK_FALSE(start({"-timeout", "soon"}));
    CHECK_FALSE(start({"-timeout", "0"}));
    CHECK_FALSE(start({"-r=1"}));
}

TEST_CASE("completion inserts what all choices share") {
    const Words names = {"getAcl", "get", "getEphemerals", "set"};
    Completion found = complete_from("ge", names, " ");
    CHECK(found.insert == "t");
    CHECK(found.choices == Words{"get", "getAcl", "getEphemerals"});
    found = complete_from("getA", names, " ");
    CHECK(found.insert == "cl ");
    found = complete_from("x", names, " ");
    CHECK(found.insert.empty());
    CHECK(found.choices.empty());
}

TEST_CASE("-0 is an option where there is one, else a number") {
    CHECK(parse("get", {"-0", "/a"})->has("0"));
    CHECK(parse("get", {"-0s", "/a"})->has("s"));
    CHECK(parse("set", {"/a", "-0"})->words == Words{"/a", "-0"});
}

TEST_CASE("every command says what it shows as JSON, or shows nothing") {
    for (std::span<const Command> table : {znode_commands(), write_commands()}) {
        for (const Command& row : table) {
            CAPTURE(row.name);
            bool silent = row.name == "quit" || row.name == "exit" || row.name == "redo";
            CHECK(row.json.empty() == silent);
        }
    }
}
