// log.cc -- see log.h.

#include "base/log.h"

#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace zk {

namespace {

struct Log {
    LogSink sink = log_to_stderr;
    LogLevel least = LogLevel::info;
    unsigned long dropped = 0;  // lines that stderr had no room for
};

Log the_log;

}  // namespace

void log_set_sink(LogSink sink) { the_log.sink = sink ? sink : log_to_stderr; }

void log_set_level(LogLevel least) { the_log.least = least; }

bool log_enabled(LogLevel level) { return level >= the_log.least; }

void log_write(LogLevel level, const char* format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0) return;
    size_t size = static_cast<size_t>(length);
    if (size >= sizeof text) size = sizeof text - 1;
    // What clients say may be in it: a line stays one line, and a terminal a terminal.
    for (size_t i = 0; i < size; ++i)
        if (static_cast<unsigned char>(text[i]) < 32 || text[i] == 127) text[i] = '?';
    the_log.sink(level, std::string_view(text, size));
}

void log_to_stderr(LogLevel level, std::string_view text) {
    timeval now{};
    gettimeofday(&now, nullptr);
    tm parts{};
    localtime_r(&now.tv_sec, &parts);
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", &parts);
    // A pipe that nobody reads must not stop the server.
    pollfd room{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (poll(&room, 1, 0) == 0) {
        ++the_log.dropped;
        return;
    }
    char missing[64] = "";
    if (the_log.dropped > 0)
        snprintf(missing, sizeof missing, " (%lu messages before it were lost)", the_log.dropped);
    the_log.dropped = 0;
    char line[1200];
    int length = snprintf(line, sizeof line, "%s.%03d %c %.*s%s\n", stamp,
                          static_cast<int>(now.tv_usec / 1000),
                          "DIWE"[static_cast<size_t>(level)], static_cast<int>(text.size()),
                          text.data(), missing);
    if (length < 0) return;
    // One call for one line, so that lines of several processes do not mix. Nobody to tell if it
    // fails.
    ssize_t written = write(STDERR_FILENO, line, static_cast<size_t>(length));
    (void)written;
}

void assert_failed(const char* what, const char* file, int line) {
    log_write(LogLevel::error, "assertion failed at %s:%d: %s", file, line, what);
    abort();
}

}  // namespace zk
