// cli_child_test.cc -- commands that are run, told to stop, and never left alone.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "cli/child.h"
#include "cli/recipe.h"

using namespace zk;

namespace {

Child::Plan shell(const char* script) {
    return {.command = {"sh", "-c", script}, .environment = {{"ANSWER", "42"}}, .input = -1};
}

int end_of(Child& child) {
    siginfo_t found = {};
    while (!child.ended()) waitid(P_ALL, 0, &found, WEXITED | WNOWAIT);
    CHECK_FALSE(child.running());
    return static_cast<int>(child.status());
}

uint64_t now_ms() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

}  // namespace

TEST_CASE("a child's status is what it exits with, or 128 and its signal") {
    Child child;
    REQUIRE(child.start(shell("exit 7")));
    CHECK(end_of(child) == 7);
    REQUIRE(child.start(shell("kill -USR1 $$")));
    CHECK(end_of(child) == 128 + SIGUSR1);
    REQUIRE(child.start(shell("exit $ANSWER")));
    CHECK(end_of(child) == 42);
}

TEST_CASE("what cannot be run is said with the status a shell gives") {
    Child child;
    Result<void> started =
        child.start({.command = {"/no/such/program"}, .environment = {}, .input = -1});
    REQUIRE_FALSE(started);
    CHECK(started.error().text == "cannot run /no/such/program: No such file or directory");
    CHECK(static_cast<int>(child.status()) == 127);
    CHECK_FALSE(child.start({.command = {"/"}, .environment = {}, .input = -1}));
    CHECK(static_cast<int>(child.status()) == 126);
}

TEST_CASE("a child reads what it is given") {
    Child child;
    Child::Plan plan = shell("read -r word; exit \"$word\"");
    plan.input = file_of(as_bytes("9\n"));
    REQUIRE(plan.input >= 0);
    REQUIRE(child.start(plan));
    close(plan.input);
    CHECK(end_of(child) == 9);
}

TEST_CASE("the warden tells a child to stop, and kills it") {
    Child child;
    REQUIRE(child.start(shell("exec sleep 60")));
    child.limit(now_ms(), Child::never);
    CHECK(end_of(child) == 128 + SIGTERM);
    REQUIRE(child.start(shell("exec sleep 60")));
    child.pass_on(SIGSTOP);
    child.limit(Child::never, now_ms() + 20);
    CHECK(end_of(child) == 128 + SIGKILL);
}

TEST_CASE("limits that are put off do not come") {
    Child child;
    REQUIRE(child.start(shell("read -r word; exit 3")));
    child.limit(now_ms() + 60'000, Child::never);
    child.limit(Child::never, Child::never);
    child.pass_on(SIGTERM);
    CHECK(end_of(child) != 128 + SIGKILL);
}

TEST_CASE("numbers of sequential znodes keep their order where they begin again") {
    int32_t number = 0;
    CHECK(parse_sequence("6fd1__lock__0000000004", "__lock__", number));
    CHECK(number == 4);
    CHECK(parse_sequence("6fd1__lock__-2147483648", "__lock__", number));
    CHECK(number == INT32_MIN);
    CHECK_FALSE(parse_sequence("6fd1__rlock__0000000004", "__lock__", number));
    CHECK_FALSE(parse_sequence("6fd1__lock__", "__lock__", number));
    CHECK(precedes(3, 4));
    CHECK_FALSE(precedes(4, 4));
    CHECK(precedes(INT32_MAX, INT32_MIN));
}

TEST_CASE("seconds may have a fraction, and are never cut short") {
    uint64_t ms = 0;
    CHECK(parse_seconds("2", ms));
    CHECK(ms == 2000);
    CHECK(parse_seconds("0.0001", ms));
    CHECK(ms == 1);
    for (const char* bad : {"", "-1", "1s", "nan", "inf", "1e300"})
        CHECK_FALSE(parse_seconds(bad, ms));
}
