// bytes_test.cc -- Reader, Buffer and Slab: the ground that everything stands on.

#include "base/bytes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "base/slab.h"

using namespace zk;

TEST_CASE("what a buffer writes, a reader reads, in big-endian order") {
    Buffer out;
    out.u8(1);
    out.u16(0x0203);
    out.u32(0x04050607);
    out.u64(0x08090a0b0c0d0e0f);
    out.i32(-2);
    out.i64(-3);
    out.boolean(true);
    out.append("end");
    CHECK(out.size() == 31);
    for (uint8_t i = 0; i < 15; ++i) CHECK(out.data()[i] == i + 1);
    Reader in(out.bytes());
    CHECK(in.u8() == 1);
    CHECK(in.u16() == 0x0203);
    CHECK(in.u32() == 0x04050607);
    CHECK(in.u64() == 0x08090a0b0c0d0e0f);
    CHECK(in.i32() == -2);
    CHECK(in.i64() == -3);
    CHECK(in.boolean());
    CHECK(as_text(in.bytes(3)) == "end");
    CHECK(in.ok());
    CHECK(in.left() == 0);
}

TEST_CASE("any byte but 0 reads as true") {
    const uint8_t bytes[] = {0, 1, 2, 255};
    Reader in(bytes);
    CHECK_FALSE(in.boolean());
    CHECK(in.boolean());
    CHECK(in.boolean());
    CHECK(in.boolean());
}

TEST_CASE("after the first read past the end a reader yields nothing more") {
    const uint8_t bytes[] = {1, 2, 3, 4, 5};
    Reader in(bytes);
    CHECK(in.u32() == 0x01020304);
    CHECK(in.u32() == 0);
    CHECK_FALSE(in.ok());
    CHECK(in.u8() == 0);  // though there is one left
    CHECK(in.bytes(0).empty());
    CHECK_FALSE(in.ok());
}

TEST_CASE("a size near the largest does not wrap around") {
    const uint8_t bytes[] = {1, 2, 3};
    Reader in(bytes);
    CHECK(in.bytes(~size_t{0}).empty());
    CHECK_FALSE(in.ok());
}

TEST_CASE("a reader of nothing has nothing") {
    Reader in{Bytes()};
    CHECK(in.left() == 0);
    CHECK(in.rest().empty());
    CHECK(in.ok());
    CHECK(in.u64() == 0);
    CHECK_FALSE(in.ok());
}

TEST_CASE("a buffer behaves as a queue of bytes, whatever is appended, consumed and cut") {
    std::mt19937 chance(20261121);
    Buffer buffer;
    std::deque<uint8_t> model;
    for (int step = 0; step < 20000; ++step) {
        size_t size = chance() % 300;
        switch (chance() % 4) {
        case 0:
        case 1: {
            uint8_t* at = buffer.grow(size);
            for (size_t i = 0; i < size; ++i) {
                at[i] = static_cast<uint8_t>(chance());
                model.push_back(at[i]);
            }
            break;
        }
        case 2:
            size = std::min(size + 40, model.size());
            buffer.consume(size);
            model.erase(model.begin(), model.begin() + static_cast<long>(size));
            break;
        case 3:
            size = std::min(size / 4, model.size());
            buffer.truncate(model.size() - size);
            model.resize(model.size() - size);
            break;
        }
        REQUIRE(buffer.size() == model.size());
        REQUIRE(std::equal(model.begin(), model.end(), buffer.data()));
    }
}

TEST_CASE("a long queue in a buffer costs no copy of itself with every byte that goes through it") {
    Buffer buffer;
    buffer.grow(60000);
    size_t moves = 0;
    const uint8_t* memory = buffer.data();
    for (int i = 0; i < 10000; ++i) {
        buffer.consume(100);
        buffer.grow(100);
        if (buffer.data() != memory + 100) ++moves;  // the content lies elsewhere
        memory = buffer.data();
    }
    CHECK(moves < 40);  // 10^6 bytes went through; a move for each 60000 or so is fair
    CHECK(buffer.capacity() <= 4 * 65536);
}

TEST_CASE("clear keeps the memory, reset gives it back") {
    Buffer buffer;
    buffer.append("something");
    size_t capacity = buffer.capacity();
    buffer.clear();
    CHECK(buffer.empty());
    CHECK(buffer.capacity() == capacity);
    buffer.reset();
    CHECK(buffer.capacity() == 0);
    buffer.append("again");
    CHECK(buffer.text() == "again");
}

TEST_CASE("a moved buffer takes the bytes along") {
    Buffer one;
    one.append("content");
    Buffer two(std::move(one));
    CHECK(two.text() == "content");
    Buffer three;
    three.append("old");
    three = std::move(two);
    CHECK(three.text() == "content");
}

TEST_CASE("patches go where the content is, not where the memory begins") {
    Buffer buffer;
    buffer.append("xxxx");
    buffer.u32(0);
    buffer.u64(0);
    buffer.consume(4);
    buffer.patch_u32(0, 7);
    buffer.patch_u64(4, 8);
    Reader in(buffer.bytes());
    CHECK(in.u32() == 7);
    CHECK(in.u64() == 8);
}

namespace {

struct Record {
    uint32_t a;
    uint32_t b;
};

}  // namespace

TEST_CASE("a slab gives zeroed records, never number 0, and uses freed numbers again") {
    Slab<Record, 2> slab;
    uint32_t first = slab.allocate();
    uint32_t second = slab.allocate();
    CHECK(first == 1);
    CHECK(second == 2);
    slab[first] = {.a = 5, .b = 6};
    slab.release(first);
    CHECK(slab.count() == 1);
    CHECK(slab.allocate() == first);
    CHECK(slab[first].a == 0);
    CHECK(slab[first].b == 0);
}

TEST_CASE("freed numbers of a slab come back as neighbours, in whatever order they went") {
    constexpr uint32_t many = 20'000;
    std::mt19937 chance(20261123);
    Slab<Record> slab;
    std::vector<uint32_t> ids(many);
    for (uint32_t& id : ids) id = slab.allocate();
    std::shuffle(ids.begin(), ids.end(), chance);
    for (size_t i = 0; i < many / 2; ++i) slab.release(ids[i]);
    std::vector<uint32_t> freed(ids.begin(), ids.begin() + many / 2);
    std::sort(freed.begin(), freed.end());
    std::vector<uint32_t> again(many / 2);
    for (uint32_t& id : again) id = slab.allocate();
    uint32_t runs = 1;
    for (size_t i = 1; i < again.size(); ++i) runs += again[i] < again[i - 1];
    CHECK(runs <= 5);  // blocks of 4096
    std::sort(again.begin(), again.end());
    CHECK(again == freed);
    CHECK(slab.end() == many + 1);
    CHECK(slab.allocate() == many + 1);
}

TEST_CASE("records of a slab stay where they are while it grows, and are never shared") {
    std::mt19937 chance(20261121);
    Slab<Record, 4> slab;
    std::map<uint32_t, std::pair<uint32_t, Record*>> model;
    for (int step = 0; step < 5000; ++step) {
        if (chance() % 3 != 0 || model.empty()) {
            uint32_t id = slab.allocate();
            REQUIRE(id != 0);
            REQUIRE(model.count(id) == 0);
            slab[id].b = id * 7;
            model[id] = {id * 7, &slab[id]};
        } else {
            auto at = std::next(model.begin(), static_cast<long>(chance() % model.size()));
            slab.release(at->first);
            model.erase(at);
        }
        REQUIRE(slab.count() == model.size());
    }
    for (const auto& [id, expected] : model) {
        CHECK(&slab[id] == expected.second);
        CHECK(slab[id].b == expected.first);
        CHECK(id < slab.end());
    }
}

TEST_CASE("a slab maps one run ahead, as far as records are expected") {
    Slab<Record> slab;
    constexpr size_t run = 64 * 4096;  // records
    std::vector<PageRange> fresh;
    slab.allocate();
    slab.map_ahead(run + 100, fresh);
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].bytes == 100 * sizeof(Record));
    slab.map_ahead(2 * run + 1, fresh);
    CHECK(fresh.size() == 1);
    while (slab.end() <= run) slab.allocate();
    CHECK(&slab[run] == fresh[0].begin);
    slab.map_ahead(2 * run, fresh);
    CHECK(fresh.size() == 1);
    slab.map_ahead(9 * run, fresh);
    REQUIRE(fresh.size() == 2);
    CHECK(fresh[1].bytes == run * sizeof(Record));
}
