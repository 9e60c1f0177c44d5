// storage_site.h -- a log at work on a disk in memory, with a state that follows it: what tests of
// storage write to, stop and start again.

#pragma once

#include <doctest/doctest.h>

#include "memory_io.h"
#include "state/commands.h"
#include "storage/recovery.h"

namespace zk::test {

inline constexpr uint64_t ensemble = 77;
inline constexpr uint64_t seed = 99;

template <typename Disk>
struct StorageSite {
    std::string log_directory;
    uint64_t segment_bytes;
    uint64_t kept_bytes = 0;
    Disk io;
    std::unique_ptr<State> state;
    std::unique_ptr<Log> log;

    explicit StorageSite(std::string directory, uint64_t bytes)
        : log_directory(std::move(directory)), segment_bytes(bytes) {
        restart();
    }

    RecoveryOptions places() const {
        return {.data_directory = "d",
                .log_directory = log_directory,
                .ensemble = ensemble,
                .seed = seed};
    }
    Result<void> try_restart() {
        log.reset();
        io.submitted.clear();
        remove_leftovers(io, log_directory);
        Result<Recovered> found = recover(io, places());
        if (!found) return found.error();
        state = std::move(found->state);
        log = std::make_unique<Log>(io,
                                    LogOptions{.directory = log_directory,
                                               .segment_bytes = segment_bytes,
                                               .ensemble = ensemble,
                                               .kept_bytes = kept_bytes},
                                    std::move(found->log));
        return log->open();
    }
    void restart() {
        Result<void> started = try_restart();
        REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().text));
        finish();
    }
    void finish() {
        io.finish([this](Lane lane, uint64_t ticket, const DiskResult& result) {
            log->on_disk(lane, ticket, result);
        });
    }
    uint64_t append(size_t bytes = 10) {
        std::string body(bytes, 'b');
        return log->append({.term = 1,
                            .zxid = 0,
                            .time_ms = 5,
                            .origin = {.node = 1, .client = 2, .request = 3},
                            .session = 0,
                            .op = entry_op::no_op,
                            .ids = {},
                            .body = as_bytes(body)});
    }
    void batch(int entries, size_t bytes = 10) {
        for (int i = 0; i < entries; ++i) append(bytes);
        log->flush();
        finish();
        apply();
    }
    void apply() {
        Buffer reply;
        while (state->zxid() < log->durable_zxid()) state->apply(log->at(state->zxid() + 1), reply);
        log->release(state->zxid());
    }
    std::string snapshot() {
        std::string path = "d/" + snapshot_name(state->zxid());
        auto job = make_snapshot_job(*state, ensemble, log->position_of(state->zxid()), 1);
        REQUIRE(io.fork_snapshot(path, write_snapshot, job.get()).has_value());
        return path;
    }
    std::vector<std::string> segments() const {
        std::vector<std::string> all;
        for (const auto& [path, bytes] : io.files)
            if (path.starts_with(log_directory + "/log.")) all.push_back(path);
        return all;
    }
};

}  // namespace zk::test
