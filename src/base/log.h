// log.h -- the message log and ASSERT, the only two macros of the project.
//
// Layer 0. Owns the one global of the process: where messages go and how many of them. A message is
// one line, `2026-11-21 07:30:01.123 W text`, written to stderr by default; the simulator and the
// tests put a sink of their own in place. Messages are for operators: what happened, which limit,
// which setting. Nothing of a client's making is logged above debug, except once a minute.

#pragma once

#include <cstdint>
#include <string_view>

namespace zk {

enum class LogLevel : uint8_t { debug, info, warn, error };

// Receives a whole message without newline. Never called concurrently with itself.
using LogSink = void (*)(LogLevel level, std::string_view text);

void log_set_sink(LogSink sink);  // nullptr: back to stderr
void log_set_level(LogLevel least);
bool log_enabled(LogLevel level);
void log_write(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));
void log_to_stderr(LogLevel level, std::string_view text);

[[noreturn]] void assert_failed(const char* what, const char* file, int line);

}  // namespace zk

#define LOG(level, ...)                                                        \
    do {                                                                       \
        if (::zk::log_enabled(::zk::LogLevel::level))                          \
            ::zk::log_write(::zk::LogLevel::level, __VA_ARGS__);               \
    } while (0)

// On in every build: what would lose data ends the process, saying where.
#define ASSERT(condition)                                                      \
    do {                                                                       \
        if (!(condition)) [[unlikely]]                                         \
            ::zk::assert_failed(#condition, __FILE__, __LINE__);               \
    } while (0)
