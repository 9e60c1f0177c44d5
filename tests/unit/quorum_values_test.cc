// quorum_values_test.cc -- what the consensus machine is made of: terms, electorates, messages.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "quorum/electorate.h"
#include "quorum/message.h"
#include "quorum/terms.h"

using namespace zk;

TEST_CASE("terms are runs, known from the base on") {
    Terms terms(100, 3);
    CHECK(terms.last() == 100);
    CHECK(terms.last_term() == 3);
    for (uint64_t term : {3u, 3u, 5u, 6u, 6u}) terms.append(term);
    CHECK(terms.last() == 105);
    CHECK_FALSE(terms.at(99).has_value());
    CHECK(terms.at(100) == 3);
    CHECK(terms.at(102) == 3);
    CHECK(terms.at(103) == 5);
    CHECK(terms.at(105) == 6);
    CHECK_FALSE(terms.at(106).has_value());
}

TEST_CASE("terms end where they are cut, and go on in another term") {
    Terms terms(100, 3);
    for (uint64_t term : {3u, 5u, 6u, 6u}) terms.append(term);
    terms.cut(200);
    CHECK(terms.last() == 104);
    terms.cut(102);
    CHECK(terms.last() == 102);
    CHECK(terms.last_term() == 5);
    terms.append(7);
    CHECK(terms.at(103) == 7);
    terms.cut(100);
    CHECK(terms.last_term() == 3);
    CHECK(terms == Terms(100, 3));
}

TEST_CASE("the last entry of at most a term") {
    Terms terms(100, 3);
    for (uint64_t term : {3u, 5u, 5u, 8u}) terms.append(term);
    CHECK(terms.last_of(9) == 104);
    CHECK(terms.last_of(8) == 104);
    CHECK(terms.last_of(7) == 103);
    CHECK(terms.last_of(5) == 103);
    CHECK(terms.last_of(4) == 101);
    CHECK(terms.last_of(3) == 101);
    CHECK(terms.last_of(2) == 100);
    CHECK(Terms(7, 1).last_of(0) == 7);
}

TEST_CASE("a majority is more than half of each set that counts") {
    auto among = [](std::vector<uint32_t> ids) {
        return [ids](uint32_t id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
    };
    Electorate three{.voters = {1, 2, 3}, .outgoing = {}};
    CHECK(three.majority(among({1, 3})));
    CHECK_FALSE(three.majority(among({3, 4, 5})));
    Electorate four{.voters = {1, 2, 3, 4}, .outgoing = {}};
    CHECK_FALSE(four.majority(among({1, 2})));
    CHECK(four.majority(among({1, 2, 4})));
    Electorate joint{.voters = {3, 4, 5}, .outgoing = {1, 2, 3}};
    CHECK_FALSE(joint.majority(among({3, 4, 5})));
    CHECK_FALSE(joint.majority(among({1, 2, 3})));
    CHECK(joint.majority(among({1, 3, 4})));
    CHECK_FALSE(Electorate().majority(among({1, 2, 3})));
}

TEST_CASE("what is agreed is what a majority of each set has") {
    auto has = [](uint32_t id) -> uint64_t { return id * 10; };
    CHECK(Electorate{.voters = {1}, .outgoing = {}}.agreed(has) == 10);
    CHECK(Electorate{.voters = {1, 2}, .outgoing = {}}.agreed(has) == 10);
    CHECK(Electorate{.voters = {1, 2, 3}, .outgoing = {}}.agreed(has) == 20);
    CHECK(Electorate{.voters = {1, 2, 3, 4}, .outgoing = {}}.agreed(has) == 20);
    CHECK(Electorate{.voters = {1, 2, 3, 4, 5}, .outgoing = {}}.agreed(has) == 30);
    CHECK(Electorate{.voters = {3, 4, 5}, .outgoing = {1, 2, 3}}.agreed(has) == 20);
    CHECK(Electorate().agreed(has) == 0);
}

TEST_CASE("an electorate names each voter once") {
    std::vector<uint32_t> named;
    Electorate joint{.voters = {2, 3}, .outgoing = {1, 2}};
    joint.each([&](uint32_t id) { named.push_back(id); });
    CHECK(named == std::vector<uint32_t>{2, 3, 1});
    CHECK(joint.votes(1));
    CHECK_FALSE(joint.votes(4));
}

TEST_CASE("a message has these bytes") {
    Message message{.kind = MessageKind::append_refused,
                    .flag = true,
                    .peer = 9,
                    .term = 0x0102030405060708,
                    .zxid = 0x1112131415161718,
                    .zxid_term = 0x2122232425262728,
                    .last = 0x3132333435363738,
                    .commit = 0x4142434445464748,
                    .round = 0x5152535455565758};
    Buffer out;
    encode(out, message);
    std::string golden = "\x05\x01";
    for (int high = 0; high < 6; ++high)
        for (int low = 1; low <= 8; ++low) golden += static_cast<char>(high * 16 + low);
    CHECK(out.size() == message_size);
    CHECK(out.text() == golden);
    Message back;
    Reader in(out.bytes());
    decode(in, back);
    CHECK(in.ok());
    CHECK(in.left() == 0);
    back.peer = 9;  // the link knows
    CHECK(back == message);
}

TEST_CASE("bytes that are no message are refused") {
    Buffer out;
    encode(out, {.kind = MessageKind::barrier});
    for (int kind : {0, message_kind_last + 1, 255}) {
        out.data()[0] = static_cast<uint8_t>(kind);
        Reader in(out.bytes());
        Message message;
        decode(in, message);
        CHECK_FALSE(in.ok());
    }
    out.data()[0] = 1;
    for (size_t size = 0; size < message_size; ++size) {
        Reader in(Bytes(out.data(), size));
        Message message;
        decode(in, message);
        CHECK_FALSE(in.ok());
    }
}
