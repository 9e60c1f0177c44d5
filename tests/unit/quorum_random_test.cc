// quorum_random_test.cc -- members, links and disks that do as a die says, and the promises that
// hold nevertheless; at the end all is mended, and they have to agree in bounded time.
//
// A link keeps order, is as slow as it likes, and loses what is on it when it breaks. A crash loses
// what the disk has not: the tail of the log, the record of a vote.

#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "quorum_fixture.h"

using namespace zk;
using namespace zk::quorum_test;

namespace {

// ZKD_SEED=n repeats a run.
uint64_t seed() {
    const char* text = getenv("ZKD_SEED");
    return text ? strtoull(text, nullptr, 10) : std::random_device()();
}

class Storm {
public:
    Storm(uint32_t size, uint64_t from) : all_(size, from), die_(from), size_(size) {
        all_.batch = 1 + die_() % 3;
        if (size == 5) {
            all_.electorates[0].voters = {1, 2, 3};
            all_.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {1, 2, 3}});
            all_.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {}});
            if (die_() % 2 == 0) all_.electorates = {{.voters = {1, 2, 3, 4, 5}, .outgoing = {}}};
            for (uint32_t id : all_.ids) all_.crash(id), all_.restart(id);
        }
        // How often things go wrong differs from storm to storm.
        crashes_ = die_() % 12;
        breaks_ = die_() % 30;
        stalls_ = die_() % 40;
        may_wipe_ = die_() % 3 == 0;
        for (uint32_t id : all_.ids)
            if (die_() % 2 == 0) all_.slow_log.insert(id);
        for (uint32_t id : all_.ids)
            if (die_() % 3 == 0) all_.slow_votes.insert(id);
    }

    const std::string& broken() const { return all_.broken; }
    uint64_t committed() const { return all_.witness.committed.size(); }
    size_t terms() const { return all_.witness.leaders.size(); }

    void rage(int steps) {
        for (int i = 0; i < steps && all_.broken.empty(); ++i) step();
    }

    // Everything is mended: true if they agree soon, and answer barriers.
    bool calm() {
        for (uint32_t id : all_.ids)
            if (!all_.up(id)) all_.restart(id);
        all_.slow_log.clear();
        all_.slow_votes.clear();
        all_.heal();
        uint64_t latest = 0;
        for (uint32_t id : all_.ids) latest = std::max(latest, all_.now(id));
        for (uint32_t id : all_.ids) all_[id].now_us = latest;
        all_.clock_us = latest;
        all_.pass(5'000'000);
        uint32_t leader = all_.leader();
        if (leader == 0 || !all_.broken.empty()) return false;
        for (uint32_t id : all_.ids)
            if (all_.at(id).voteless()) admit(id);
        all_.pass(1'000'000);
        leader = all_.leader();
        if (leader == 0) return false;
        std::map<uint32_t, uint64_t> asked;
        for (uint32_t id : all_.ids) asked[id] = all_.ask_barrier(id);
        all_.pass(1'000'000);
        for (uint32_t id : all_.ids) {
            if (all_.at(id).voteless() || !all_.answered(id, asked[id])) return false;
            if (all_.terms(id) != all_.terms(leader)) return false;
            if (all_.at(id).committed() != all_.at(leader).last()) return false;
        }
        return all_.broken.empty();
    }

private:
    uint32_t any() { return 1 + static_cast<uint32_t>(die_() % size_); }
    bool chance(uint64_t in_thousand) { return die_() % 1000 < in_thousand; }

    void admit(uint32_t id) {
        uint32_t leader = all_.leader();
        if (leader == 0 || !all_.at(leader).may_append()) return;
        all_.append(leader, {.term = 0, .config = 0, .admits = static_cast<uint8_t>(id),
                             .life = all_[id].life});
    }

    void step() {
        uint32_t one = any(), other = any();
        if (chance(crashes_)) {
            if (!all_.up(one)) return all_.restart(one);
            // A second wiping before the first is mended may lose what nobody else has.
            if (may_wipe_ && chance(300) && all_healthy()) return all_.wipe(one);
            return all_.crash(one);
        }
        if (one != other && chance(breaks_)) {
            if (chance(300)) return all_.join(one, other);
            return chance(500) ? all_.flap(one, other) : all_.cut(one, other);
        }
        if (!all_.up(one)) return chance(50) ? all_.restart(one) : void();
        Member& member = all_[one];
        switch (die_() % 16) {
        case 0:
            if (chance(150 + stalls_ * 10)) all_.fire(one);
            break;
        case 1: all_.wait(one, die_() % 40'000); break;
        case 2: propose(one); break;
        case 3: all_.durable(one); break;
        case 4:
            if (member.durable < member.log.size())
                member.make_durable(member.durable + 1), all_.settle();
            break;
        case 5:
            if (member.writing) all_.write_vote(one);
            break;
        case 6:
            if (chance(200)) all_.ask_barrier(one);
            break;
        case 7:
            if (chance(stalls_)) all_.wait(one, 1'000'000);
            if (chance(10)) all_.at(one).transfer(), all_.settle();
            break;
        default:
            if (one == other || !all_.up(other) || !all_.linked(one, other)) break;
            for (uint64_t some = 1 + die_() % 4; some > 0; --some) all_.deliver(one, other);
            break;
        }
    }

    void propose(uint32_t id) {
        Quorum& quorum = all_.at(id);
        if (!quorum.may_append() || quorum.wants_first_entry()) return;
        if (all_[id].log.size() > 60 && !chance(20)) return;
        uint32_t voteless = any();
        if (all_.up(voteless) && all_.at(voteless).voteless() && chance(500))
            return admit(voteless);
        // One change of membership after the other.
        size_t now = 0;
        for (size_t i = 1; i < all_.electorates.size(); ++i)
            if (quorum.electorate() == all_.electorates[i]) now = i;
        if (now + 1 < all_.electorates.size() && chance(50)) {
            for (size_t zxid = quorum.committed(); zxid < all_[id].log.size(); ++zxid)
                if (all_[id].log[zxid].config != 0) return;
            all_.append(id, {.term = 0, .config = static_cast<uint8_t>(now + 1)});
            return;
        }
        all_.append(id);
    }

    bool all_healthy() {
        for (uint32_t id : all_.ids)
            if (!all_.up(id) || all_.at(id).voteless()) return false;
        return true;
    }

    Ensemble all_;
    std::mt19937_64 die_;
    uint32_t size_;
    uint64_t crashes_ = 0, breaks_ = 0, stalls_ = 0;
    bool may_wipe_ = false;
};

void storms(uint32_t size, int count, int steps) {
    uint64_t from = seed();
    bool one = getenv("ZKD_SEED") != nullptr;
    uint64_t committed = 0, terms = 0;
    for (int i = 0; i < (one ? 1 : count); ++i) {
        uint64_t now = from + static_cast<uint64_t>(i);
        Storm storm(size, now);
        storm.rage(steps);
        bool agreed = storm.broken().empty() && storm.calm();
        committed += storm.committed();
        terms += storm.terms();
        INFO("ZKD_SEED=", now, " ", size, " members, storm ", i + 1);
        CHECK(storm.broken() == "");
        CHECK(agreed);
        if (!agreed) return;
    }
    MESSAGE(size << " members from ZKD_SEED=" << from << ": " << committed
                 << " entries committed in " << terms << " terms");
}

}  // namespace

TEST_CASE("three members in a storm break no promise, and agree when it is over") {
    storms(3, 300, 6000);
}

TEST_CASE("five members in a storm, some of which change, break no promise either") {
    storms(5, 150, 15000);
}
