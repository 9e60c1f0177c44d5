// cli_settings_test.cc -- settings before the command line: file, environment, who to be.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "cli/settings.h"
#include "cli/start.h"

using namespace zk;

namespace {

// A file of its own for each case.
class File {
public:
    explicit File(std::string_view text, unsigned mode = 0600) {
        int fd = mkstemp(path_);
        REQUIRE(fd >= 0);
        REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        REQUIRE(fchmod(fd, mode) == 0);
        close(fd);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { unlink(path_); }
    const char* path() const { return path_; }

private:
    char path_[40] = "/tmp/zk-cli-settings.XXXXXX";
};

Result<Start> start(const Surroundings& around, std::vector<const char*> arguments = {}) {
    return read_start(arguments, around);
}

}  // namespace

TEST_CASE("settings are a key a line, with a blank or = before the value") {
    Result<std::vector<Setting>> read =
        parse_settings("# mine\nservers zk1,zk2/app\n\n  timeout = 5000\njson\n"
                       "auth=digest:a:b=c\n");
    REQUIRE(read);
    REQUIRE(read->size() == 4);
    CHECK((*read)[0].key == "servers");
    CHECK((*read)[0].value == "zk1,zk2/app");
    CHECK((*read)[1].key == "timeout");
    CHECK((*read)[1].value == "5000");
    CHECK((*read)[1].line == 4);
    CHECK((*read)[2].value == "");
    CHECK((*read)[3].value == "digest:a:b=c");
    CHECK_FALSE(parse_settings("= 3\n"));
}

TEST_CASE("an identity keeps the colons of its auth") {
    Result<Identification> one = parse_identification("digest:bob:secret");
    REQUIRE(one);
    CHECK(one->scheme == "digest");
    CHECK(one->auth == "bob:secret");
    CHECK_FALSE(parse_identification("secret"));
    CHECK_FALSE(parse_identification(":secret"));
    CHECK(parse_identification("secret").error().text.find("secret") == std::string::npos);
}

TEST_CASE("an auth file has an identity a line, with a colon or a blank behind the scheme") {
    Result<std::vector<Identification>> all =
        parse_auth_file("# who\ndigest:bob:a b\nsuper   x:y\r\n");
    REQUIRE(all);
    REQUIRE(all->size() == 2);
    CHECK((*all)[0].auth == "bob:a b");
    CHECK((*all)[1].scheme == "super");
    CHECK((*all)[1].auth == "x:y");
    CHECK(parse_auth_file("digest:a:b\nnonsense\n").error().text.starts_with("line 2: "));
}

TEST_CASE("durations have units, and seconds where they have none") {
    struct Row {
        const char* text;
        int64_t ms;
    };
    for (const Row& row : {Row{"500ms", 500}, Row{"5s", 5000}, Row{"5", 5000}, Row{"0.5s", 500},
                           Row{"2m", 120'000}, Row{"1h", 3'600'000}}) {
        int64_t ms = 0;
        CAPTURE(row.text);
        CHECK(parse_duration(row.text, ms));
        CHECK(ms == row.ms);
    }
    for (const char* text : {"", "s", "5x", "-1", "0", "nan", "1e99", "0.1ms"}) {
        int64_t ms = 0;
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text, ms));
    }
}

TEST_CASE("what is said later wins: file, environment, command line") {
    File config("servers one\ntimeout 1000\njson yes\nkeep-going no\n");
    Surroundings around{.config = config.path()};
    Result<Start> made = start(around);
    REQUIRE(made);
    CHECK(made->session.client.servers.front().host == "one");
    CHECK(made->session.client.session_timeout_ms == 1000);
    CHECK(made->json);
    CHECK_FALSE(made->keep_going);

    around.servers = "two";
    around.style = "zkcli";
    made = start(around);
    REQUIRE(made);
    CHECK(made->session.client.servers.front().host == "two");
    CHECK(made->zkcli);
    CHECK_FALSE(made->json);

    made = start(around, {"-server", "three", "--json", "get", "/a"});
    REQUIRE(made);
    CHECK(made->session.client.servers.front().host == "three");
    CHECK(made->json);
    CHECK_FALSE(made->zkcli);
    CHECK(made->command.size() == 2);
}

TEST_CASE("identities of all sources add up") {
    File config("auth digest:a:1\n");
    File auth("digest:c:3\n");
    Result<Start> made = start(
        {.auth = "digest:b:2", .auth_file = auth.path(), .config = config.path()}, {"ls", "/"});
    REQUIRE(made);
    REQUIRE(made->session.identities.size() == 3);
    CHECK(made->session.identities[0].auth == "a:1");
    CHECK(made->session.identities[1].auth == "b:2");
    CHECK(made->session.identities[2].auth == "c:3");
}

TEST_CASE("files with secrets are only read where nobody else can read them") {
    File open("digest:a:1\n", 0644);
    CHECK_FALSE(start({.auth_file = open.path()}));
    File config("auth digest:a:1\n", 0640);
    CHECK_FALSE(start({.config = config.path()}));
    File plain("servers one\n", 0644);
    CHECK(start({.config = plain.path()}));
    File changeable("servers one\n", 0620);
    CHECK_FALSE(start({.config = changeable.path()}));
}

TEST_CASE("errors in a config file name it and the line") {
    File config("servers one\ntimeout soon\n");
    Result<Start> made = start({.config = config.path()});
    REQUIRE_FALSE(made);
    CHECK(made.error().text.starts_with(std::string(config.path()) + ", line 2: "));
    CHECK_FALSE(start({.config = "/no/such/file"}));
    CHECK(start({.home = "/no/such/home"}));
    File odd("json perhaps\n");
    CHECK_FALSE(start({.config = odd.path()}));
}

TEST_CASE("secrets have no option, and unknown options are only zkCli.sh's not to mind") {
    CHECK_FALSE(start({}, {"--auth", "digest:a:b", "ls", "/"}));
    CHECK_FALSE(start({}, {"-nonsense", "ls", "/"}));
    Result<Start> made = start({}, {"-nonsense", "--zkcli", "ls", "/"});
    REQUIRE(made);
    CHECK(made->command.front() == "ls");
}
