// quorum_test.cc -- the rules of quorum.h, a machine at a time.

#include <doctest/doctest.h>

#include "quorum/quorum.h"

using namespace zk;

TEST_CASE("who is alone leads as soon as its vote is on disk, in the next term") {
    Quorum quorum({.self = 1},
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
