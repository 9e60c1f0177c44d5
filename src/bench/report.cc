// report.cc -- see report.h.

#include "bench/report.h"

#include <cstdarg>
#include <cstdio>

#include "base/version.h"

namespace zk {

namespace {

__attribute__((format(printf, 1, 2))) std::string format(const char* pattern, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, pattern);
    int size = vsnprintf(text, sizeof text, pattern, arguments);
    va_end(arguments);
    size_t kept = size < 0 ? 0 : static_cast<size_t>(size);
    return std::string(text, kept < sizeof text ? kept : sizeof text - 1);
}

double to_ms(uint64_t ns) { return static_cast<double>(ns) / 1e6; }
double to_mb(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }
double to_seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Four digits say enough, at 0.0123 as at 1234.
std::string short_ms(uint64_t ns) {
    double ms = to_ms(ns);
    return format(ms < 10 ? "%.3f" : ms < 100 ? "%.2f" : ms < 1000 ? "%.1f" : "%.0f", ms);
}

std::string grouped(double number) {
    std::string text = format("%.0f", number);
    for (size_t i = text.size(); i > 3;) {
        i -= 3;
        text.insert(i, 1, ' ');
    }
    return text;
}

}  // namespace

double per_second(const Tally& tally) {
    if (tally.elapsed_ns == 0) return 0;
    return static_cast<double>(tally.total()) / to_seconds(tally.elapsed_ns);
}

double cpu_per_100k(double seconds, const Tally& tally) {
    if (tally.total() == 0) return 0;
    return seconds * 1e5 / static_cast<double>(tally.total());
}

double bytes_per_item(const Tally& tally) {
    if (tally.done == 0) return 0;
    double grown =
        static_cast<double>(tally.resident_after) - static_cast<double>(tally.resident_before);
    return grown / static_cast<double>(tally.done);
}

std::string describe_errors(const Tally& tally) {
    std::string text;
    for (const auto& [err, count] : tally.codes) {
        if (!text.empty()) text += ", ";
        text += std::string(err_name(err)) + " " + std::to_string(count);
    }
    if (tally.wrong > 0) {
        if (!text.empty()) text += ", ";
        text += "wrong answers " + std::to_string(tally.wrong);
    }
    return text;
}

// -- progress ------------------------------------------------------------------------------------

void Progress::print(const std::string& line) {
    fprintf(stderr, "\r\033[K%s", line.c_str());
    fflush(stderr);
}

void Progress::begin(std::string_view what) {
    what_ = what;
    began_ns_ = Loop::now_ns();
    if (on_) print(what_ + " ...");
}

void Progress::end() {
    if (on_) print("");
}

Observer Progress::observer() {
    auto show_it = [](void* context, const Tally& tally, double part) {
        static_cast<Progress*>(context)->show(tally, part);
    };
    return {.context = this, .run = show_it};
}

void Progress::show(const Tally& tally, double part) {
    if (!on_) return;
    double seconds = to_seconds(Loop::now_ns() - began_ns_);
    double rate = seconds > 0 ? static_cast<double>(tally.total()) / seconds : 0;
    std::string line = what_ + ":";
    if (part > 0) line += format(" %3.0f %%", part * 100);
    line += format(" %10s ops/s", grouped(rate).c_str());
    line += "  p50 " + short_ms(tally.latency.percentile(50)) + " ms";
    line += "  p99 " + short_ms(tally.latency.percentile(99)) + " ms";
    if (tally.errors > 0) line += "  errors: " + describe_errors(tally);
    print(line);
}

// -- results -------------------------------------------------------------------------------------

Report::Report(const BenchOptions& options, const ServerProcesses& servers)
    : options_(options), servers_(servers) {}

void Report::add(const Tally& tally) {
    if (options_.json) {
        if (!json_.empty()) json_ += ",\n  ";
        json_ += json_of(tally);
    } else if (options_.quiet) {
        print_brief(tally);
    } else {
        print_row(tally);
    }
    fflush(stdout);
}

void Report::print_brief(const Tally& tally) const {
    printf("%s: %.0f ops/s, p50 %s ms, p99 %s ms", tally.workload.c_str(), per_second(tally),
           short_ms(tally.latency.percentile(50)).c_str(),
           short_ms(tally.latency.percentile(99)).c_str());
    if (tally.servers_known)
        printf(", server CPU %.3f s/100k", cpu_per_100k(tally.server_cpu_seconds, tally));
    if (tally.servers_known && !tally.item.empty())
        printf(", %.0f bytes a %s", bytes_per_item(tally), std::string(tally.item).c_str());
    printf(", errors %s\n", tally.errors == 0 ? "0" : describe_errors(tally).c_str());
}

void Report::print_row(const Tally& tally) {
    if (!headed_) {
        printf("%u connections, depth %u, %u bytes of data, %llu znodes under %u parents\n",
               options_.connections, options_.depth, options_.data_size,
               static_cast<unsigned long long>(options_.znodes), options_.parents);
        printf("%-9s %11s %10s %9s %9s %9s %9s %9s %11s %9s %8s\n", "", "operations", "ops/s",
               "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "server CPU", "own CPU",
               "errors");
        printf("%-9s %11s %10s %9s %9s %9s %9s %9s %11s %9s\n", "", "", "", "", "", "", "", "",
               "s/100k ops", "s/100k");
    }
    headed_ = true;
    printf("%-9s %11s %10s", tally.workload.c_str(),
           grouped(static_cast<double>(tally.total())).c_str(), grouped(per_second(tally)).c_str());
    bool timed = tally.latency.count() > 0;
    for (double percent : {50.0, 90.0, 99.0, 99.9, 100.0})
        printf(" %9s", timed ? short_ms(tally.latency.percentile(percent)).c_str() : "-");
    std::string cpu =
        tally.servers_known ? format("%.3f", cpu_per_100k(tally.server_cpu_seconds, tally)) : "-";
    printf(" %11s %9.3f %8llu\n", cpu.c_str(), cpu_per_100k(tally.own_cpu_seconds, tally),
           static_cast<unsigned long long>(tally.errors));
    if (tally.errors > 0) remarks_.push_back(tally.workload + ": " + describe_errors(tally));
    if (!tally.note.empty()) remarks_.push_back(tally.workload + ": " + tally.note);
    if (tally.servers_known && !tally.item.empty() && tally.done > 0)
        remarks_.push_back(
            tally.workload +
            format(": %.0f bytes of resident memory a %s (%.1f MB before, %.1f MB after)",
                   bytes_per_item(tally), std::string(tally.item).c_str(),
                   to_mb(tally.resident_before), to_mb(tally.resident_after)));
}

void Report::finish() {
    if (options_.json) {
        std::string pids;
        for (int pid : servers_.pids()) pids += (pids.empty() ? "" : ",") + std::to_string(pid);
        std::string servers;
        for (const ServerName& server : options_.servers.servers)
            servers += (servers.empty() ? "" : ",") + to_text(server);
        printf(
            "{\"zk_bench\":%s,\"servers\":%s,\"pids\":[%s],\"connections\":%u,\"depth\":%u,"
            "\"data_size\":%u,\"znodes\":%llu,\"parents\":%u,\"seed\":%llu,\n \"results\":[\n"
            "  %s]}\n",
            json_text(ZKD_VERSION).c_str(), json_text(servers).c_str(), pids.c_str(),
            options_.connections, options_.depth, options_.data_size,
            static_cast<unsigned long long>(options_.znodes), options_.parents,
            static_cast<unsigned long long>(options_.seed), json_.c_str());
    }
    if (!options_.json && !options_.quiet) {
        for (const std::string& remark : remarks_) printf("%s\n", remark.c_str());
        if (headed_ && !servers_.known())
            printf(
                "No server process was found on this machine: name it by --pid for its CPU "
                "time and memory.\n");
    }
    fflush(stdout);
}

// -- JSON ----------------------------------------------------------------------------------------

std::string json_text(std::string_view text) {
    std::string quoted = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            quoted += format("\\u%04x", static_cast<unsigned>(c));
        else
            quoted += c;
    }
    return quoted + '"';
}

namespace {

std::string slices_of(const Tally& tally) {
    std::string text = format(",\"started\":%.6f,\"slices\":[", to_seconds(tally.started_ns));
    bool first = true;
    for (const Tally::Slice& slice : tally.slices) {
        text += format("%s{\"operations\":%llu,\"p50\":%.6f,\"p99.9\":%.6f,\"max\":%.6f}",
                       first ? "" : ",", static_cast<unsigned long long>(slice.done),
                       to_ms(slice.p50_ns), to_ms(slice.p999_ns), to_ms(slice.max_ns));
        first = false;
    }
    return text + "]";
}

}  // namespace

std::string json_of(const Tally& tally) {
    const Histogram& latency = tally.latency;
    std::string text = "{\"workload\":" + json_text(tally.workload);
    text += format(",\"operations\":%llu,\"seconds\":%.6f,\"operations_per_second\":%.1f",
                   static_cast<unsigned long long>(tally.total()), to_seconds(tally.elapsed_ns),
                   per_second(tally));
    text += format(
        ",\"latency_ms\":{\"mean\":%.6f,\"p50\":%.6f,\"p90\":%.6f,\"p99\":%.6f,"
        "\"p99.9\":%.6f,\"max\":%.6f}",
        latency.mean() / 1e6, to_ms(latency.percentile(50)), to_ms(latency.percentile(90)),
        to_ms(latency.percentile(99)), to_ms(latency.percentile(99.9)), to_ms(latency.max()));
    text += format(",\"own_cpu_seconds\":%.6f,\"own_cpu_seconds_per_100k\":%.6f",
                   tally.own_cpu_seconds, cpu_per_100k(tally.own_cpu_seconds, tally));
    if (tally.servers_known) {
        text += format(",\"server_cpu_seconds\":%.6f,\"server_cpu_seconds_per_100k\":%.6f",
                       tally.server_cpu_seconds, cpu_per_100k(tally.server_cpu_seconds, tally));
        text += format(",\"server_resident_before\":%llu,\"server_resident_after\":%llu",
                       static_cast<unsigned long long>(tally.resident_before),
                       static_cast<unsigned long long>(tally.resident_after));
        if (!tally.item.empty())
            text += ",\"item\":" + json_text(tally.item) +
                    format(",\"resident_bytes_per_item\":%.1f", bytes_per_item(tally));
    }
    if (!tally.slices.empty()) text += slices_of(tally);
    text +=
        format(",\"errors\":%llu,\"error_codes\":{", static_cast<unsigned long long>(tally.errors));
    bool first = true;
    for (const auto& [err, count] : tally.codes) {
        text += (first ? "" : ",") + json_text(err_name(err)) + ":" + std::to_string(count);
        first = false;
    }
    if (tally.wrong > 0)
        text += (first ? "" : ",") + json_text("wrong answer") + ":" + std::to_string(tally.wrong);
    text += "}";
    if (!tally.note.empty()) text += ",\"note\":" + json_text(tally.note);
    return text + "}";
}

}  // namespace zk
