// quorum_plausible_test.cc -- what no member that works as it should could say is not let in: it
// must end the link that it came over, not the process.

#include <doctest/doctest.h>

#include <vector>

#include "quorum/frame.h"
#include "quorum_fixture.h"

using namespace zk;
using namespace zk::quorum_test;

namespace {

Message append_of(uint64_t term, uint64_t zxid, uint64_t zxid_term, uint64_t entries) {
    return {.kind = MessageKind::append, .peer = 2, .term = term, .zxid = zxid,
            .zxid_term = zxid_term, .last = zxid + entries};
}

}  // namespace

TEST_CASE("a second leader of a leader's own term is not heard") {
    Ensemble three(3);
    REQUIRE(three.elect(1));
    Quorum& leader = three.at(1);
    CHECK_FALSE(leader.plausible(
        {.kind = MessageKind::heartbeat, .peer = 2, .term = leader.term()}));
    CHECK_FALSE(leader.plausible(append_of(leader.term(), 0, 0, 0)));
    CHECK(leader.plausible({.kind = MessageKind::heartbeat, .peer = 2, .term = leader.term() + 1}));
    CHECK_FALSE(leader.plausible({.kind = MessageKind::vote, .peer = 2, .term = ~uint64_t{0}}));
}

TEST_CASE("entries whose terms fall, or are later than their leader's, are not taken") {
    Quorum quorum(QuorumOptions{.self = 1},
                  {.vote = {.term = 5, .member = 2},
                   .voteless = false,
                   .terms = Terms(10, 4),
                   .committed = 10,
                   .electorate = {.voters = {1, 2, 3}, .outgoing = {}}});
    using List = std::vector<uint64_t>;
    CHECK(quorum.plausible(append_of(5, 10, 4, 2), List{4, 5}));
    CHECK_FALSE(quorum.plausible(append_of(5, 10, 4, 2), List{5, 4}));
    CHECK_FALSE(quorum.plausible(append_of(5, 10, 4, 1), List{6}));
    CHECK_FALSE(quorum.plausible(append_of(5, 10, 4, 1), List{3}));
    // What is committed is passed over, but not what follows it with an earlier term.
    CHECK(quorum.plausible(append_of(5, 8, 3, 3), List{3, 4, 5}));
    CHECK_FALSE(quorum.plausible(append_of(5, 8, 3, 3), List{3, 3, 3}));
    // An old leader is answered, whatever it has.
    CHECK(quorum.plausible(append_of(3, 10, 3, 1), List{3}));
}

TEST_CASE("an id that no server has is turned away before its proof") {
    for (uint32_t id : {uint32_t{0}, uint32_t{256}}) {
        Handshake stranger(Hello{.id = id}, "secret", true);
        Handshake server(Hello{.id = 1}, "secret", false);
        Buffer said;
        stranger.begin(said);
        Frame frame;
        size_t used = 0;
        REQUIRE(cut_frame(said.bytes(), 0, early_frame_max, frame, used) == Cut::frame);
        Buffer answer;
        const char* why = "";
        CHECK_FALSE(server.take(frame, answer, why));
        CHECK(answer.empty());
    }
}
