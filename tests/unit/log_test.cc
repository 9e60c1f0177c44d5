// log_test.cc -- what reaches the message log, whoever had a part in the text.

#include <doctest/doctest.h>

#include <string>

#include "base/log.h"

using namespace zk;

namespace {

std::string& told() {
    static std::string text;
    return text;
}

}  // namespace

TEST_CASE("a message stays one line, and commands to a terminal do not get through") {
    log_set_sink([](LogLevel, std::string_view text) { told() = text; });
    LOG(info, "scheme %s failed", "x\n2026-01-01 E forged\x1b[31m\r\t\x7f");
    log_set_sink(nullptr);
    CHECK(told() == "scheme x?2026-01-01 E forged?[31m??? failed");
}

TEST_CASE("a message keeps what is not ASCII") {
    log_set_sink([](LogLevel, std::string_view text) { told() = text; });
    LOG(info, "%s", "/d\xc3\xa9j\xc3\xa0");
    log_set_sink(nullptr);
    CHECK(told() == "/d\xc3\xa9j\xc3\xa0");
}
