// turns.cc -- how long turns take, and what the long ones did.
//
// All clients wait while a turn goes on: the longest is the least that a server's worst latency can
// be. The world measures it, since reading and writing sockets is part of it; what was done is the
// difference of counters that are kept anyhow.

#include "node/core.h"

namespace zk {

namespace {

constexpr uint64_t long_us = 10'000;  // is counted
constexpr uint64_t slow_us = 50'000;  // is logged, too

// `srst` may have begun anew in between.
unsigned long long since(uint64_t before, uint64_t now) {
    return now < before ? now : now - before;
}

}  // namespace

Core::Tally Core::tally() const {
    return {.connections = next_attach_,
            .requests = metrics_.packets_received,
            .appended = log_ == nullptr ? 0 : log_->last_zxid(),
            .applied = state_->zxid(),
            .expired = metrics_.sessions_expired,
            .sent_bytes = metrics_.bytes_sent,
            .snapshot_us = snapshot_started_us_};
}

void Core::turn_took(uint64_t us) {
    metrics_.turn_us.add(us);
    if (us > long_us) ++metrics_.long_turns;
    Tally now = tally();
    bool record = us == metrics_.turn_us.most;
    if (us >= slow_us && (may_complain(Complaint::slow) || record)) tell_slow(us, now);
    if (!replied_ && now.sent_bytes > 0) {
        replied_ = true;
        LOG(info, "the first reply, %llu ms after the start",
            static_cast<unsigned long long>((last_turn_us_ + us - started_us_) / 1000));
    }
    tally_ = now;
}

void Core::tell_slow(uint64_t us, const Tally& now) {
    std::string forked;
    if (now.snapshot_us != tally_.snapshot_us)
        forked = "; a snapshot was begun, its fork took " +
                 std::to_string(io_.vitals().fork_us / 1000) + " ms";
    LOG(warn, "a turn took %llu ms: %llu connections, %llu requests, %llu entries appended and "
              "%llu applied, %llu sessions expired, %llu bytes of replies%s",
        static_cast<unsigned long long>(us / 1000), since(tally_.connections, now.connections),
        since(tally_.requests, now.requests), since(tally_.appended, now.appended),
        since(tally_.applied, now.applied), since(tally_.expired, now.expired),
        since(tally_.sent_bytes, now.sent_bytes), forked.c_str());
}

}  // namespace zk
