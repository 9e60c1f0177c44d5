// deadline_test.cc -- when the leader gives a session up: never early, at most a tick late.

#include "state/session.h"
#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

constexpr uint64_t tick_ms = 1000;

// Sessions whose ids are 1, 2, ... and the leader's clock.
struct Leader {
    Sessions sessions;

    SessionSlot add(int64_t id, int32_t timeout_ms) {
        return sessions.create(id, timeout_ms, password, {});
    }
    std::vector<int64_t> expired(uint64_t now_ms, size_t most = 100) {
        std::vector<int64_t> ids;
        sessions.expired(now_ms, most, ids);
        std::sort(ids.begin(), ids.end());
        return ids;
    }
    // The first millisecond at which session `id` is named.
    uint64_t end_of(int64_t id, uint64_t from_ms) {
        for (uint64_t now_ms = from_ms; now_ms < from_ms + 100'000; ++now_ms) {
            std::vector<int64_t> ids = expired(now_ms);
            if (std::find(ids.begin(), ids.end(), id) != ids.end()) return now_ms;
        }
        return 0;
    }
};

using Ids = std::vector<int64_t>;

}  // namespace

TEST_CASE("a session ends no earlier than its time-out and no later than a tick after it") {
    for (uint64_t touched_ms : {0u, 1u, 499u, 999u, 1000u, 1001u, 7777u}) {
        for (int32_t timeout_ms : {1, 999, 1000, 4000, 4001}) {
            Leader leader;
            SessionSlot slot = leader.add(1, timeout_ms);
            leader.sessions.lead(0, tick_ms);
            leader.sessions.touch(slot, touched_ms);
            uint64_t silent_ms = leader.end_of(1, touched_ms) - touched_ms;
            CAPTURE(touched_ms);
            CAPTURE(timeout_ms);
            CHECK(silent_ms >= static_cast<uint64_t>(timeout_ms));
            CHECK(silent_ms <= static_cast<uint64_t>(timeout_ms) + tick_ms);
        }
    }
}

TEST_CASE("every touch puts the end off, and a session that is touched never ends") {
    Leader leader;
    SessionSlot lively = leader.add(1, 4000);
    leader.add(2, 4000);
    leader.sessions.lead(0, tick_ms);
    for (uint64_t now_ms = 0; now_ms < 20'000; now_ms += 1300) {
        leader.sessions.touch(lively, now_ms);
        Ids ids = leader.expired(now_ms);
        CHECK(std::find(ids.begin(), ids.end(), 1) == ids.end());
    }
    CHECK(leader.expired(20'000) == Ids{2});
}

TEST_CASE("a session that has ended is named until it is removed") {
    Leader leader;
    SessionSlot slot = leader.add(1, 2000);
    leader.sessions.lead(0, tick_ms);
    CHECK(leader.expired(2999).empty());
    CHECK(leader.expired(3000) == Ids{1});
    CHECK(leader.expired(50'000) == Ids{1});
    leader.sessions.remove(slot);
    CHECK(leader.expired(50'000).empty());
    CHECK(leader.sessions.buckets().empty());
    CHECK(leader.sessions.count() == 0);
}

TEST_CASE("a suspended session is not named again until somebody touches it") {
    Leader leader;
    SessionSlot slot = leader.add(1, 2000);
    leader.sessions.lead(0, tick_ms);
    leader.sessions.suspend(slot);
    CHECK(leader.expired(50'000).empty());
    leader.sessions.touch(slot, 50'000);
    CHECK(leader.expired(52'999).empty());
    CHECK(leader.expired(53'000) == Ids{1});
}

TEST_CASE("a new leader gives everybody a full time-out, a follower ends nobody") {
    Leader leader;
    leader.add(1, 2000);
    SessionSlot second = leader.add(2, 4000);
    CHECK(leader.expired(1'000'000).empty());
    leader.sessions.touch(second, 1000);  // does nothing: who follows keeps no deadlines
    CHECK(leader.sessions.buckets().empty());
    leader.sessions.lead(100'000, tick_ms);
    CHECK(leader.expired(102'000).empty());
    CHECK(leader.expired(103'000) == Ids{1});
    CHECK(leader.expired(105'000) == Ids{1, 2});
    leader.sessions.follow();
    CHECK(leader.expired(1'000'000).empty());
    leader.sessions.lead(200'000, tick_ms);
    CHECK(leader.expired(204'999) == Ids{1});
}

TEST_CASE("no more sessions are named at once than asked for, the longest silent first") {
    Leader leader;
    for (int64_t id = 1; id <= 10; ++id) leader.add(id, static_cast<int32_t>(id) * 1000);
    leader.sessions.lead(0, tick_ms);
    CHECK(leader.expired(50'000, 3) == Ids{1, 2, 3});
    CHECK(leader.expired(50'000, 0).empty());
    CHECK(leader.expired(50'000).size() == 10);
}

TEST_CASE("sessions of one bucket leave it from the front, the middle and the end") {
    for (size_t first : {0u, 1u, 2u}) {
        Leader leader;
        std::vector<SessionSlot> slots;
        for (int64_t id = 1; id <= 3; ++id) slots.push_back(leader.add(id, 2000));
        leader.sessions.lead(0, tick_ms);
        CHECK(leader.sessions.buckets().size() == 1);
        leader.sessions.touch(slots[first], 5000);
        CHECK(leader.sessions.buckets().size() == 2);
        Ids left = {1, 2, 3};
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(first));
        CHECK(leader.expired(3000) == left);
        leader.sessions.remove(slots[(first + 1) % 3]);
        CHECK(leader.expired(3000).size() == 1);
        leader.sessions.remove(slots[(first + 2) % 3]);
        CHECK(leader.sessions.buckets().size() == 1);
        CHECK(leader.expired(8000) == Ids{static_cast<int64_t>(first) + 1});
    }
}

TEST_CASE("sessions are found by their ids, negative ones as well, and 0 is none") {
    Leader leader;
    for (int64_t id : {int64_t{1}, int64_t{-1}, INT64_MAX, INT64_MIN + 1}) {
        SessionSlot slot = leader.add(id, 1000);
        CHECK(leader.sessions.find(id) == slot);
        CHECK(leader.sessions[slot].id == id);
    }
    CHECK(leader.sessions.find(0) == 0);
    CHECK(leader.sessions.find(2) == 0);
    leader.sessions.remove(leader.sessions.find(-1));
    CHECK(leader.sessions.find(-1) == 0);
    CHECK(leader.sessions.count() == 3);
}
