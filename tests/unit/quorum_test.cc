// quorum_test.cc -- the rules of quorum.h, as far as one member can show them.

#include <doctest/doctest.h>

#include "quorum/quorum.h"

using namespace zk;

namespace {

Quorum leader(uint64_t last_zxid) {
    Quorum quorum(1, {.term = 4, .member = 1}, last_zxid);
    quorum.start();
    quorum.vote_to_write();
    quorum.vote_written();
    return quorum;
}

}  // namespace

TEST_CASE("a lone member leads only after its vote for a new term is on disk") {
    Quorum quorum(1, {.term = 4, .member = 1}, 10);
    quorum.start();
    CHECK(quorum.role() == Role::candidate);
    std::optional<Vote> vote = quorum.vote_to_write();
    REQUIRE(vote.has_value());
    CHECK(*vote == Vote{.term = 5, .member = 1});
    CHECK_FALSE(quorum.vote_to_write().has_value());
    CHECK(quorum.role() == Role::candidate);
    quorum.vote_written();
    CHECK(quorum.role() == Role::leader);
    CHECK(quorum.term() == 5);
    CHECK(quorum.leader() == 1);
}

TEST_CASE("nothing is committed before an entry of the leader's own term is durable") {
    Quorum quorum = leader(10);
    CHECK(quorum.committed() == 0);
    CHECK_FALSE(quorum.read_barrier().has_value());
    quorum.appended(11);
    CHECK(quorum.committed() == 0);
    quorum.durable(11);
    CHECK(quorum.committed() == 11);
    CHECK(quorum.read_barrier() == 11);
}

TEST_CASE("an entry that is appended but not durable is not committed") {
    Quorum quorum = leader(0);
    quorum.appended(1);
    quorum.durable(1);
    quorum.appended(2);
    quorum.appended(3);
    CHECK(quorum.committed() == 1);
    quorum.durable(2);
    CHECK(quorum.committed() == 2);
}

TEST_CASE("what is cut back was never committed, and its zxid is used again") {
    Quorum quorum = leader(0);
    quorum.appended(1);
    quorum.durable(1);
    quorum.appended(2);
    quorum.appended(3);
    quorum.cut_back(1);
    CHECK(quorum.committed() == 1);
    quorum.appended(2);
    quorum.durable(2);
    CHECK(quorum.committed() == 2);
}
