// quorum_change_test.cc -- the consensus machine: a case for each rule of quorum.h on who votes and
// who leads, how that changes, and snapshots. The other rules are in quorum_test.cc.

#include <doctest/doctest.h>

#include "quorum_fixture.h"

using namespace zk;
using namespace zk::quorum_test;

// ---- rule 5: the voteless

TEST_CASE("who may have forgotten its vote does not vote, and what it has does not count") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.append(1);
    three.deliver();
    three.wipe(3);
    three.deliver();
    CHECK(three[3].log.size() == 2);
    three.crash(2);
    uint64_t zxid = three.append(1);
    three.deliver();
    CHECK(three[3].log.size() == zxid);
    CHECK(three.at(1).committed() == zxid - 1);
    three.crash(1);
    three.restart(2);
    three.pass(2'000'000);
    CHECK(three.leader() == 0);
    three.restart(1);
    three.pass(1'000'000);
    REQUIRE(three.leader() != 0);
    SUBCASE("until it is admitted again") {
        uint32_t leader = three.leader();
        three.append(leader, {.term = 0, .config = 0, .admits = 3, .life = 1});
        three.pass(200'000);
        CHECK_FALSE(three.at(3).voteless());
        three.crash(leader);
        three.pass(2'000'000);
        CHECK(three.leader() != 0);
    }
    CHECK(three.broken == "");
}

TEST_CASE("a leader that no longer trusts what it has leads no longer") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    three.at(1).forget_votes();
    three.settle();
    CHECK(three.at(1).role() != Role::leader);
    three.pass(1'000'000);
    CHECK(three.leader() > 1);
    CHECK(three.broken == "");
}

// ---- rule 6: pre-votes

TEST_CASE("who hears a leader does not help another to its place") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    three.cut(1, 3);
    three.pass(3'000'000);
    CHECK(three.at(1).role() == Role::leader);
    CHECK(three.at(3).term() == 1);
    three.join(1, 3);
    three.pass(100'000);
    CHECK(three.at(3).leader() == 1);
    CHECK(three.at(1).term() == 1);
}

TEST_CASE("a candidate with an older log is not voted for") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.cut(1, 3);
    three.append(1);
    three.deliver();
    three.crash(1);
    three.stand(3);
    three.deliver();
    CHECK(three.at(3).role() != Role::leader);
    three.pass(1'000'000);
    CHECK(three.leader() == 2);
    CHECK(three.terms(3) == three.terms(2));
    CHECK(three.broken == "");
}

TEST_CASE("a member of a higher term with a shorter log does not stay out") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.cut(1, 3), three.cut(2, 3);
    three.append(1);
    three.deliver();
    three.stand(3);
    CHECK(three.at(3).term() == 2);
    three.heal();
    three.pass(2'000'000);
    REQUIRE(three.leader() != 0);
    CHECK(three.at(3).committed() == three.at(three.leader()).last());
    SUBCASE("nor keeps two from electing a leader") {
        three.crash(three.leader());
        three.pass(2'000'000);
        CHECK(three.leader() != 0);
    }
    CHECK(three.broken == "");
}

TEST_CASE("when the leader's process ends another leads within a few ms") {
    for (uint64_t seed = 1; seed < 50; ++seed) {
        Ensemble three(3, seed);
        REQUIRE(three.elect(1));
        three.pass(100'000);
        three.crash(1);
        uint64_t from_us = three.clock_us;
        while (three.leader() == 0) three.pass(1000);
        CHECK(three.clock_us - from_us <= 60'000);
    }
}

TEST_CASE("a leader that is silent is replaced within its time-outs") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    // Stalled: its links stay, and nothing comes.
    uint64_t from_us = three.clock_us;
    std::unique_ptr<Member> stalled = std::move(three.members[1]);
    three.members.erase(1);
    three.ids = {2, 3};
    while (three.leader() == 0 && three.clock_us - from_us < 2'000'000) three.pass(1000);
    CHECK(three.clock_us - from_us <= 700'000);
    three.members[1] = std::move(stalled);
    three.ids = {1, 2, 3};
    three.append(1);
    three.pass(100'000);
    CHECK(three.at(1).role() == Role::follower);
    CHECK(three.at(1).committed() == three.at(three.leader()).last());
    CHECK(three.broken == "");
}

// ---- rule 7

TEST_CASE("a leader that does not hear from a majority gives up") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    three.isolate(1);
    three.pass(700'000);
    CHECK(three.at(1).role() != Role::leader);
    CHECK(three.at(1).leader() == 0);
    CHECK(three.leader() != 0);
}

// ---- handing over

TEST_CASE("a leader hands over to who has all, and nothing is appended meanwhile") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.cut(1, 3);
    three.append(1);
    CHECK(three.at(1).transfer());
    CHECK_FALSE(three.at(1).may_append());
    three.deliver();
    CHECK(three.at(2).role() == Role::leader);
    CHECK(three.at(2).term() == 2);
    CHECK(three.broken == "");
}

TEST_CASE("a hand-over that comes to nothing is given up") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    three.slow_votes = {2, 3};
    REQUIRE(three.at(1).transfer());
    uint32_t to = 2;
    three.settle();
    SUBCASE("when the link breaks") {
        three.flap(1, 2);
        three.flap(1, 3);
        CHECK(three.at(1).may_append());
    }
    SUBCASE("in time") {
        three.queues[{1, 2}].clear();
        three.queues[{1, 3}].clear();
        three.pass(400'000);
        CHECK(three.at(1).may_append());
    }
    CHECK(to == 2);
    CHECK(three.at(1).role() == Role::leader);
}

TEST_CASE("nobody to hand over to: the leader stays") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.isolate(1);
    CHECK_FALSE(three.at(1).transfer());
    CHECK(three.at(1).may_append());
}

// ---- rule 8: changes of membership

TEST_CASE("in the joint phase both sets are needed, to commit and to elect") {
    Ensemble five(3);
    five.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {1, 2, 3}});
    five.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {}});
    five.add(4);
    five.add(5);
    REQUIRE(five.elect(3));
    five.pass(100'000);
    uint64_t joint = five.append(3, {.term = 0, .config = 1});
    SUBCASE("the new ones alone do not do") {
        five.cut(3, 1), five.cut(3, 2);
        five.deliver();
        CHECK(five.at(4).last() == joint);
        CHECK(five.at(3).committed() == joint - 1);
    }
    SUBCASE("the old ones alone do not do") {
        five.cut(3, 4), five.cut(3, 5);
        five.deliver();
        CHECK(five.at(1).last() == joint);
        CHECK(five.at(3).committed() == joint - 1);
    }
    SUBCASE("nor to elect") {
        five.deliver();
        five.crash(3);
        five.crash(1);
        five.pass(3'000'000);
        CHECK(five.leader() == 0);
        five.restart(1);
        five.pass(1'000'000);
        CHECK(five.leader() != 0);
    }
    SUBCASE("then the new ones are enough") {
        five.deliver();
        CHECK(five.at(3).committed() == joint);
        five.append(3, {.term = 0, .config = 2});
        five.deliver();
        five.crash(1);
        five.crash(2);
        five.crash(3);
        five.pass(1'000'000);
        CHECK(five.leader() >= 4);
    }
    CHECK(five.broken == "");
}

TEST_CASE("a leader that is a member no longer leaves when that is committed, and another leads") {
    Ensemble three(3);
    three.electorates.push_back({.voters = {2, 3}, .outgoing = {1, 2, 3}});
    three.electorates.push_back({.voters = {2, 3}, .outgoing = {}});
    REQUIRE(three.elect(1));
    three.append(1, {.term = 0, .config = 1});
    three.deliver();
    three.append(1, {.term = 0, .config = 2});
    three.deliver();
    CHECK(three.at(1).role() == Role::follower);
    CHECK(three.leader() > 1);
    three.pass(100'000);
    CHECK(three.at(1).leader() == three.leader());
    CHECK(three.at(1).committed() == three.at(2).committed());
    CHECK(three.broken == "");
}

TEST_CASE("who is no voter any more by an entry that only it has helps the others out of that") {
    // 1 and 2 are to leave and have the longer logs; 3, 4 and 5 cannot lead without one of them.
    Ensemble five(3);
    five.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {1, 2, 3}});
    five.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {}});
    five.add(4);
    five.add(5);
    REQUIRE(five.elect(1));
    five.append(1, {.term = 0, .config = 1});
    five.deliver();
    for (uint32_t stays : {3u, 4u, 5u}) five.cut(1, stays), five.cut(2, stays);
    uint64_t last = five.append(1, {.term = 0, .config = 2});
    five.deliver();
    REQUIRE(five.at(2).last() == last);
    REQUIRE(five.at(1).committed() == last - 1);
    five.crash(1);
    SUBCASE("when all are back") { five.restart(1); }
    SUBCASE("when one of the two is") {}
    five.heal();
    five.pass(3'000'000);
    CHECK(five.leader() >= 3);
    CHECK(five.at(3).committed() > last);
    CHECK(five.broken == "");
}

// Neither of the members that may stand can win: the voteless 3 has no voice, 1 is refused by 4
// and 2 by 1.
TEST_CASE("who has no vote leads for a moment when nobody else can") {
    Entry first, joint, later;
    first.term = joint.term = 1, later.term = 2;
    joint.config = 1;
    Ensemble five(0);
    five.electorates[0].voters = {1, 2, 3};
    five.electorates.push_back({.voters = {3, 4, 5}, .outgoing = {1, 2, 3}});
    five.add(1, {.vote = {2, 2}, .log = {first, joint}});
    five.add(2, {.vote = {2, 2}, .log = {first}});
    five.add(3, {.vote = {}, .log = {}, .voteless = true, .life = 1});
    five.add(4, {.vote = {2, 0}, .log = {first, later}});
    five.add(5, {.vote = {1, 0}, .log = {first}});
    five.pass(20'000'000);
    REQUIRE(five.leader() != 0);
    CHECK(five.leader() <= 2);
    CHECK(five.terms(1) == five.terms(4));
    CHECK(five.broken == "");
}

TEST_CASE("an electorate whose entry is cut is none") {
    Ensemble three(3);
    three.electorates.push_back({.voters = {1}, .outgoing = {1, 2, 3}});
    REQUIRE(three.elect(1));
    three.isolate(1);
    three.append(1, {.term = 0, .config = 1});
    CHECK(three.at(1).electorate() == three.electorates[1]);
    SUBCASE("by another leader") {
        REQUIRE(three.elect(2));
        three.heal();
        three.deliver();
    }
    SUBCASE("for want of room on the disk") {
        three.slow_log = {1};
        uint64_t zxid = three.append(1);
        three[1].log.pop_back();
        three.at(1).cut_back(zxid - 1);
        three.append(1);
        three.crash(1);
        three.restart(1);
        CHECK(three.at(1).electorate() == three.electorates[1]);
        return;
    }
    CHECK(three.at(1).electorate() == three.electorates[0]);
    CHECK(three.broken == "");
}

TEST_CASE("what finds no room on the leader's disk is cut, its electorate with it") {
    Ensemble three(3);
    three.electorates.push_back({.voters = {1}, .outgoing = {1, 2, 3}});
    REQUIRE(three.elect(1));
    three.isolate(1);
    three.slow_log = {1};
    three.append(1, {.term = 0, .config = 1});
    three.join(1, 2);  // probed at the end of a log that is not to stay
    three[1].log.pop_back();
    three.at(1).cut_back(1);
    three.settle();
    CHECK(three.at(1).electorate() == three.electorates[0]);
    three.slow_log.clear();
    three.append(1, {.term = 0, .config = 1});
    three.pass(200'000);
    CHECK(three.at(2).last() == 2);
    CHECK(three.broken == "");
}

// ---- snapshots

TEST_CASE("a peer that needs a snapshot is sent no appends until it has it") {
    QuorumOptions options;
    options.self = 1;
    Electorate both{.voters = {1, 2}, .outgoing = {}};
    Quorum leader(options, {.vote = {.term = 3, .member = 0},
                            .voteless = false,
                            .terms = Terms(100, 3),
                            .committed = 100,
                            .electorate = both});
    options.self = 2;
    Quorum blank(options, {.vote = {}, .voteless = false, .terms = {}, .committed = 0,
                           .electorate = both});
    auto hand = [](Quorum& from, Quorum& to, uint32_t sender) {
        Message message;
        from.end_turn();
        if (auto vote = from.vote_to_write()) from.vote_written(*vote);
        while (from.next_message(message)) {
            message.peer = sender;
            to.receive(message);
        }
    };
    leader.tick(1);
    blank.tick(1);
    leader.connected(2);
    blank.connected(1);
    leader.receive({.kind = MessageKind::campaign, .peer = 2, .term = 3});
    hand(leader, blank, 1), hand(blank, leader, 2);
    REQUIRE(leader.role() == Role::leader);
    leader.appended(101);
    REQUIRE(leader.wants_append(2));
    Message probe = leader.make_append(2, leader.progress(2)->next - 1, 0);
    probe.peer = 1;
    CHECK_FALSE(blank.accept(probe, {}).good);
    hand(blank, leader, 2);
    CHECK(leader.progress(2)->next == 1);
    leader.needs_snapshot(2);
    CHECK_FALSE(leader.wants_append(2));
    hand(leader, blank, 1), hand(blank, leader, 2);
    CHECK_FALSE(leader.wants_append(2));
    blank.installed(100, 3, both);
    CHECK(blank.committed() == 100);
    hand(blank, leader, 2);
    CHECK(leader.progress(2)->state == Quorum::Stream::stream);
    CHECK(leader.progress(2)->next == 101);
    CHECK(leader.wants_append(2));
    leader.lost(2);
    leader.needs_snapshot(2);
    leader.lost(2);
    CHECK(leader.progress(2)->state == Quorum::Stream::probe);
}
