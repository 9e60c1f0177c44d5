// report.h -- what people and programs get to read: a table, one line each, or JSON.
//
// Progress is for a terminal only, on standard error; results go to standard output.

#pragma once

#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/pump.h"
#include "bench/server.h"
#include "bench/tally.h"

namespace zk {

class Progress {
public:
    explicit Progress(bool on) : on_(on) {}

    void begin(std::string_view what);
    void end();
    Observer observer();

private:
    void show(const Tally& tally, double part);
    void print(const std::string& line);

    bool on_;
    std::string what_;
    uint64_t began_ns_ = 0;
};

class Report {
public:
    Report(const BenchOptions& options, const ServerProcesses& servers);

    void add(const Tally& tally);  // prints what can be printed already
    void finish();

private:
    void print_row(const Tally& tally);
    void print_brief(const Tally& tally) const;

    const BenchOptions& options_;
    const ServerProcesses& servers_;
    bool headed_ = false;
    std::string json_;  // the results so far
    std::vector<std::string> remarks_;
};

// Parts of the above, for the tests.
double per_second(const Tally& tally);
double cpu_per_100k(double seconds, const Tally& tally);
double bytes_per_item(const Tally& tally);
std::string describe_errors(const Tally& tally);  // "NodeExists 3, wrong 1"; "" if there were none
std::string json_of(const Tally& tally);
std::string json_text(std::string_view text);  // with its quotes

}  // namespace zk
