// quorum_test.cc -- the consensus machine: a case for each rule of quorum.h on votes, logs and
// barriers, and the odd cases that the papers and other machines of the kind are known for.

#include <doctest/doctest.h>

#include "quorum_fixture.h"

using namespace zk;
using namespace zk::quorum_test;

namespace {

using List = std::vector<uint64_t>;

}  // namespace

TEST_CASE("three members elect a leader, and an entry on two disks is committed") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    CHECK(three.at(1).term() == 1);
    CHECK(three.at(2).leader() == 1);
    CHECK(three.at(3).leader() == 1);
    three.isolate(3);
    uint64_t zxid = three.append(1);
    three.deliver();
    CHECK(three.at(1).committed() == zxid);
    CHECK(three.at(2).committed() == zxid);
    three.isolate(2);
    three.append(1);
    three.deliver();
    CHECK(three.at(1).committed() == zxid);
    three.heal();
    three.deliver();
    CHECK(three.at(3).committed() == zxid + 1);
    CHECK(three.terms(3) == three.terms(1));
    CHECK(three.broken == "");
}

TEST_CASE("who is alone leads as soon as its vote is on disk, in the next term") {
    Quorum quorum(QuorumOptions{.self = 1},
                  {.vote = {.term = 4, .member = 1},
                   .terms = Terms(10, 4),
                   .committed = 10,
                   .electorate = {.voters = {1}, .outgoing = {}}});
    quorum.tick(1);
    CHECK(quorum.role() == Role::candidate);
    std::optional<Vote> vote = quorum.vote_to_write();
    REQUIRE(vote.has_value());
    CHECK(vote->term == 5);
    CHECK_FALSE(quorum.vote_to_write().has_value());
    quorum.vote_written(*vote);
    CHECK(quorum.role() == Role::leader);
    CHECK(quorum.term() == 5);
    CHECK(quorum.leader() == 1);
    quorum.appended(11);
    CHECK(quorum.committed() == 10);
    quorum.durable(11);
    CHECK(quorum.committed() == 11);
}

TEST_CASE("one member alone leads at once") {
    Ensemble one(1);
    one.settle();
    CHECK(one.at(1).role() == Role::leader);
    one.append(1);
    CHECK(one.at(1).committed() == 2);
    uint64_t number = one.ask_barrier(1);
    CHECK(one.answered(1, number));
    one.crash(1);
    one.restart(1);
    CHECK(one.at(1).role() == Role::leader);
    CHECK(one.at(1).term() == 2);
    CHECK(one.broken == "");
}

// ---- rule 1

TEST_CASE("nothing is said in a term whose record is not on the disk") {
    Ensemble three(3);
    three.slow_votes = {1, 2};
    three.stand(1);
    CHECK(three.waiting(1, 2) == 0);
    three.write_vote(1);
    CHECK(three.waiting(1, 2) == 1);
    three.deliver(1, 2);
    CHECK(three.at(2).term() == 1);
    CHECK(three.waiting(2, 1) == 0);
    three.write_vote(2);
    CHECK(three.waiting(2, 1) == 1);
    three.deliver(2, 1);
    CHECK(three.at(1).role() == Role::leader);
}

TEST_CASE("a vote that was not written before the crash was not said") {
    Ensemble three(3);
    three.slow_votes = {2};
    three.cut(1, 3);
    three.stand(1);
    three.deliver(1, 2);
    three.crash(2);
    CHECK(three.at(1).role() == Role::candidate);
    three.restart(2);
    CHECK(three.at(2).term() == 0);
    three.slow_votes.clear();
    REQUIRE(three.elect(3));
    CHECK(three.broken == "");
}

TEST_CASE("who voted votes for nobody else in that term, after a restart neither") {
    Ensemble three(3);
    three.cut(1, 3);
    three.stand(1);
    three.stand(3);
    three.deliver(1, 2);
    SUBCASE("without a restart") {}
    SUBCASE("after a restart") {
        three.deliver(2, 1);
        three.crash(2);
        three.restart(2);
        three.cut(1, 2);
        three.at(2).receive({.kind = MessageKind::ask_vote, .peer = 3, .term = 1});
        three.settle();
    }
    three.deliver();
    CHECK(three.at(3).role() != Role::leader);
    CHECK(three.broken == "");
}

TEST_CASE("a log with entries of a term whose record was lost starts in that term, unvoted") {
    Disk disk;
    disk.vote = {.term = 1, .member = 1};
    disk.log = {{.term = 1}, {.term = 2}};
    Ensemble three(3, {disk, disk, disk});
    CHECK(three.at(3).term() == 2);
    CHECK(three[3].vote == Vote{.term = 2, .member = 0});
    three.pass(1'000'000);
    REQUIRE(three.leader() != 0);
    CHECK(three.at(three.leader()).term() > 2);
    CHECK(three.at(3).committed() == three.at(three.leader()).last());
    CHECK(three.broken == "");
}

// ---- rules 2 and 3: logs

TEST_CASE("a tail that conflicts is cut where it begins to, and no further") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.isolate(1);
    for (int i = 0; i < 5; ++i) three.append(1);
    REQUIRE(three.elect(2));
    three.append(2);
    three.deliver();
    three.heal();
    three.deliver();
    CHECK(three.terms(1) == List{1, 2, 2});
    CHECK(three.at(1).role() == Role::follower);
    CHECK(three.at(1).committed() == 3);
    CHECK(three.broken == "");
}

TEST_CASE("a long tail that conflicts is found in a few probes, one for each term at most") {
    // 1 led alone for long, so did 2, in other terms.
    Disk first, second;
    first.vote.term = 5;
    second.vote.term = 6;
    for (int i = 0; i < 100; ++i) {
        first.log.push_back({.term = i < 10 ? 1u : i < 50 ? 2u : 4u});
        second.log.push_back({.term = i < 10 ? 1u : i < 60 ? 3u : 6u});
    }
    Ensemble three(3, {first, second, second});
    three.stand(2);
    three.deliver(2, 3);
    three.deliver(3, 2);
    REQUIRE(three.at(2).role() == Role::leader);
    int probes = 0;
    while (three.terms(1) != three.terms(2) && probes < 100) {
        while (three.deliver(2, 1)) {}
        while (three.deliver(1, 2)) {}
        ++probes;
    }
    CHECK(probes <= 5);
    three.deliver();
    CHECK(three.broken == "");
}

TEST_CASE("figure 8: an entry of an older term is not committed because a majority has it") {
    // (c) 1 wrote its second entry in term 2, and 2 has it; 5 wrote another one in term 3.
    Disk with, without, other;
    with.vote.term = 2;
    with.log = {{.term = 1}, {.term = 2}};
    without.vote = {.term = 3, .member = 5};
    without.log = {{.term = 1}};
    other.vote = {.term = 3, .member = 5};
    other.log = {{.term = 1}, {.term = 3}};
    Ensemble five(5, {with, with, without, without, other});
    five.batch = 1;
    for (uint32_t id : five.ids) five.crash(id), five.restart(id);
    five.slow_log = {1, 2, 3};
    five.crash(5);
    five.cut(1, 4);
    REQUIRE(five.elect(1));
    REQUIRE(five.terms(3) == List{1, 2, 4});
    five[3].make_durable(2);
    five.settle();
    five.deliver();
    CHECK(five.at(1).progress(3)->match == 2);
    CHECK(five.at(1).committed() == 0);
    // (d) 1 crashes, and what it wrote in its new term is lost: 5 may lead and cut the older one.
    five.crash(1);
    for (uint32_t id : {2u, 3u}) five.crash(id), five.restart(id);
    five.slow_log.clear();
    five.restart(5);
    REQUIRE(five.elect(5));
    CHECK(five.terms(2) == List{1, 3, five.at(5).term()});
    CHECK(five.terms(3) == five.terms(2));
    CHECK(five.at(3).committed() == 3);
    CHECK(five.broken == "");
}

TEST_CASE("what a leader's own disk has not is committed by the others'") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.slow_log = {1};
    uint64_t zxid = three.append(1);
    three.deliver();
    CHECK(three.at(1).committed() == zxid);
    CHECK(three[1].durable == zxid - 1);
    three.slow_log = {1, 2};
    uint64_t next = three.append(1);
    three.deliver();
    CHECK(three.at(1).committed() == zxid);
    three.crash(1);
    three.restart(1);
    three.slow_log.clear();
    three.pass(1'000'000);
    CHECK(three.at(three.leader()).committed() >= next);
    CHECK(three.broken == "");
}

TEST_CASE("a leader whose disk is always a little behind keeps its place") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.slow_log = {1};
    for (int i = 0; i < 100; ++i) {
        uint64_t zxid = three.append(1);
        three.deliver();
        REQUIRE(three.at(1).committed() == zxid);
        three[1].make_durable(zxid - 1);
        three.pass(20'000);
        REQUIRE(three.at(1).role() == Role::leader);
    }
    CHECK(three.broken == "");
}

TEST_CASE("a leader whose disk stays behind hands over") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.slow_log = {1};
    three.append(1);
    three.deliver();
    three.pass(1'000'000);
    CHECK(three.leader() != 1);
    CHECK(three.leader() != 0);
    CHECK(three.broken == "");
}

TEST_CASE("a follower acknowledges what its disk has, not what it was sent") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.cut(1, 3);
    three.slow_log = {2};
    uint64_t zxid = three.append(1);
    three.deliver();
    CHECK(three.at(1).committed() == zxid - 1);
    three.durable(2);
    three.deliver();
    CHECK(three.at(1).committed() == zxid);
}

TEST_CASE("an acknowledgement is not lost on a follower that lost patience meanwhile") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.crash(3);
    three.slow_log = {2};
    uint64_t zxid = three.append(1);
    three.deliver();
    three.fire(2);  // stalled, it thinks that its leader is gone
    REQUIRE(three.at(2).role() == Role::candidate);
    three.deliver();
    three.durable(2);
    three.pass(200'000);
    CHECK(three.at(1).role() == Role::leader);
    CHECK(three.at(1).committed() == zxid);
    CHECK(three.at(2).committed() == zxid);
    CHECK(three.broken == "");
}

TEST_CASE("a peer is sent no more than the window, until it acknowledges") {
    Ensemble two(2);
    two.options.window_bytes = 300;
    two.crash(2);
    two.restart(2);
    two.crash(1);
    two.restart(1);
    two.batch = 1;
    two[1].batch = 1;
    REQUIRE(two.elect(1));
    two.slow_log = {2};
    for (int i = 0; i < 10; ++i) two.append(1);
    two.deliver();
    CHECK(two[2].log.size() == 4);
    two.durable(2);
    two.deliver();
    CHECK(two[2].log.size() == 7);
    two.slow_log.clear();
    two.settle();
    two.deliver();
    CHECK(two.at(2).committed() == 11);
}

TEST_CASE("a link that breaks loses what was on it, and a probe finds where to go on") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    for (int i = 0; i < 3; ++i) three.append(1);
    CHECK(three.waiting(1, 2) > 0);
    three.flap(1, 2);
    CHECK(three.at(1).progress(2)->state == Quorum::Stream::probe);
    three.deliver();
    three.pass(100'000);
    CHECK(three.at(2).committed() == 4);
    CHECK(three.at(1).role() == Role::leader);
    CHECK(three.broken == "");
}

TEST_CASE("what peers once had of a tail since cut does not confuse who leads again") {
    Ensemble five(5);
    REQUIRE(five.elect(1));
    five.cut(1, 3), five.cut(1, 4), five.cut(1, 5);
    for (int i = 0; i < 5; ++i) five.append(1);
    five.deliver();
    CHECK(five.at(1).progress(2)->match == 6);
    REQUIRE(five.elect(3));
    five.heal();
    five.pass(500'000);
    CHECK(five.terms(1) == List{1, 2});
    five.crash(3);
    REQUIRE(five.elect(1));
    five.pass(500'000);
    CHECK(five.at(2).committed() == five.at(five.leader()).last());
    CHECK(five.broken == "");
}

TEST_CASE("an append of a leader whose term is over is refused, and it learns of the new one") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.cut(1, 2);
    three.append(1);
    REQUIRE(three.waiting(1, 3) == 1);
    three.stand(2);
    three.deliver(2, 3);
    three.deliver(3, 2);
    REQUIRE(three.at(2).role() == Role::leader);
    three.deliver(1, 3);
    CHECK(three[3].log.size() == 1);
    three.deliver(3, 1);
    three.deliver(3, 1);
    CHECK(three.at(1).role() != Role::leader);
    CHECK(three.at(1).term() == 2);
    CHECK(three.broken == "");
}

// ---- rule 4: barriers

TEST_CASE("a barrier costs three members one round trip") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    SUBCASE("of the leader: one answer is enough") {
        uint64_t number = three.ask_barrier(1);
        CHECK_FALSE(three.answered(1, number));
        CHECK(three.deliver(1, 3));
        CHECK(three.deliver(3, 1));
        CHECK(three.answered(1, number));
    }
    SUBCASE("of a follower: who asks says by it that this leader leads") {
        uint64_t number = three.ask_barrier(2);
        CHECK(three.deliver(2, 1));
        CHECK(three.deliver(1, 2));
        CHECK(three.answered(2, number));
    }
    CHECK(three.broken == "");
}

TEST_CASE("a barrier of five members needs a third voice") {
    Ensemble five(5);
    REQUIRE(five.elect(1));
    five.pass(100'000);
    uint64_t number = five.ask_barrier(2);
    CHECK(five.deliver(2, 1));
    five.deliver(1, 2);
    CHECK_FALSE(five.answered(2, number));
    CHECK(five.deliver(1, 4));
    CHECK(five.deliver(4, 1));
    five.deliver(1, 2);
    CHECK(five.answered(2, number));
    CHECK(five.broken == "");
}

TEST_CASE("a new leader answers no barrier before its first entry is committed") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.append(1);
    three.deliver();
    three.crash(1);
    three.slow_log = {2, 3};
    REQUIRE(three.elect(2));
    uint64_t number = three.ask_barrier(2);
    three.pass(200'000);
    CHECK_FALSE(three.answered(2, number));
    three.durable(2);
    three.durable(3);
    three.pass(10'000);
    CHECK(three.answered(2, number));
    CHECK(three.broken == "");
}

TEST_CASE("a leader that is cut off answers no barrier") {
    Ensemble five(5);
    REQUIRE(five.elect(1));
    five.pass(100'000);
    for (uint32_t far : {3u, 4u, 5u}) five.cut(1, far), five.cut(2, far);
    REQUIRE(five.elect(3));
    five.append(3);
    five.deliver();
    uint64_t own = five.ask_barrier(1), asked = five.ask_barrier(2);
    five.deliver();
    CHECK(five.at(1).role() == Role::leader);
    CHECK_FALSE(five.answered(1, own));
    CHECK_FALSE(five.answered(2, asked));
    five.heal();
    five.pass(1'000'000);
    CHECK(five.answered(1, own));
    CHECK(five.answered(2, asked));
    CHECK(five.broken == "");
}

TEST_CASE("a barrier that a voteless member asks for is not confirmed by its asking") {
    // 3 helped 2 to lead and to commit, and forgot it; 1 leads still as far as it knows.
    Ensemble three(3);
    REQUIRE(three.elect(1));
    three.isolate(1);
    REQUIRE(three.elect(2));
    three.append(2);
    three.deliver();
    three.wipe(3);
    three.cut(2, 3);
    three.join(1, 3);
    three.deliver();
    REQUIRE(three.at(3).leader() == 1);
    uint64_t number = three.ask_barrier(3);
    three.deliver();
    CHECK_FALSE(three.answered(3, number));
    CHECK(three.broken == "");
}

TEST_CASE("a barrier asked for before a crash is not answered to who comes back") {
    Ensemble five(5);
    REQUIRE(five.elect(1));
    five.pass(100'000);
    for (uint32_t far : {3u, 4u, 5u}) five.cut(1, far);
    for (int i = 0; i < 3; ++i) five.ask_barrier(2);
    five.deliver(2, 1), five.deliver(2, 1), five.deliver(2, 1);
    five.crash(2);
    five.restart(2);
    five.heal();
    // The old one is confirmed by 3; the new one was not asked for yet.
    five.deliver(1, 2);
    five.deliver(1, 3);
    five.deliver(3, 1);
    uint64_t number = five.ask_barrier(2);
    while (five.waiting(1, 2) > 0) five.deliver(1, 2);
    CHECK_FALSE(five.answered(2, number));
    five.deliver();
    five.pass(100'000);
    CHECK(five.answered(2, number));
    CHECK(five.broken == "");
}

TEST_CASE("a barrier outlives the term it was asked in, for who does not vote too") {
    Ensemble three(3);
    three.add(4);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    three.cut(1, 2), three.cut(1, 3);
    uint64_t number = three.ask_barrier(4);
    three.deliver();
    CHECK_FALSE(three.answered(4, number));
    three.wait(1, 3 * three.options.election_us);
    CHECK(three.at(1).role() != Role::leader);
    three.join(1, 2), three.join(1, 3);
    REQUIRE(three.elect(1));
    three.pass(100'000);
    CHECK(three.at(4).leader() == 1);
    CHECK(three.answered(4, number));
    CHECK(three.broken == "");
}
