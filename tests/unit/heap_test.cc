// heap_test.cc -- blocks of all sizes, kept apart, and packed again when few are left of many.

#include "base/heap.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

using namespace zk;

namespace {

// Blocks with something of their own in each byte.
struct Blocks {
    struct Block {
        uint8_t* bytes;
        size_t size;
        uint8_t mark;
    };
    Heap heap;
    std::vector<Block> all;
    uint8_t next_mark = 0;

    ~Blocks() {
        while (!all.empty()) remove(0);
        CHECK(heap.used_bytes() == 0);
        CHECK(heap.idle_bytes() == 0);
    }
    void add(size_t size) {
        uint8_t* bytes = heap.allocate(size);
        memset(bytes, ++next_mark, size);
        all.push_back({bytes, size, next_mark});
    }
    bool whole(const Block& block) const {
        for (size_t i = 0; i < block.size; ++i)
            if (block.bytes[i] != block.mark) return false;
        return true;
    }
    void remove(size_t i) {
        REQUIRE(whole(all[i]));
        heap.release(all[i].bytes, all[i].size);
        all[i] = all.back();
        all.pop_back();
    }
    void pack() {
        for (int round = 0; round < 20 && heap.scattered(); ++round)
            for (Block& block : all) {
                if (!heap.misplaced(block.bytes, block.size)) continue;
                uint8_t* bytes = heap.allocate(block.size);
                memcpy(bytes, block.bytes, block.size);
                heap.release(block.bytes, block.size);
                block.bytes = bytes;
            }
    }
};

}  // namespace

TEST_CASE("a block is as large as asked for, and nobody else's") {
    Blocks blocks;
    for (size_t size = 0; size <= 9000; size += size < 600 ? 1 : 37)
        for (int twice = 0; twice < 2; ++twice) blocks.add(size);
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("a class wastes at most an eighth of a block, eight bytes of a small one") {
    for (size_t size = 1; size <= 8192; ++size) {
        Heap heap;
        uint8_t* block = heap.allocate(size);
        uint64_t held = heap.used_bytes();
        CHECK(held >= size);
        CHECK(held < size + std::max<size_t>(8, size / 8 + 1));
        CHECK(Heap::same_class(size, held));
        CHECK(!Heap::same_class(size, held + 1));
        heap.release(block, size);
    }
}

TEST_CASE("blocks come and go in any order") {
    Blocks blocks;
    std::minstd_rand chance(3);
    for (int step = 0; step < 200'000; ++step) {
        size_t most = step / 40'000 % 2 == 0 ? 20'000 : 500;
        if (blocks.all.empty() || chance() % 100 < (blocks.all.size() < most ? 60u : 40u))
            blocks.add(chance() % (chance() % 50 == 0 ? 12'000 : 300));
        else
            blocks.remove(chance() % blocks.all.size());
    }
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("when few are left of many, packing makes the rest free for other sizes") {
    Blocks blocks;
    std::minstd_rand chance(5);
    for (int i = 0; i < 300'000; ++i) blocks.add(60 + chance() % 20);
    while (blocks.all.size() > 60'000) blocks.remove(chance() % blocks.all.size());
    CHECK(blocks.heap.scattered());
    CHECK(blocks.heap.idle_bytes() > 3 * blocks.heap.used_bytes());
    blocks.pack();
    CHECK(!blocks.heap.scattered());
    CHECK(blocks.heap.idle_bytes() < blocks.heap.used_bytes() / 3);
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("what is mapped ahead is used next, in its order, and mapped again when half is gone") {
    constexpr size_t chunk = 2 * 1024 * 1024;
    Heap heap;
    std::vector<PageRange> fresh;
    std::vector<uint8_t*> blocks;
    auto fill = [&](size_t bytes) {
        for (size_t used = 0; used < bytes; used += 8192) blocks.push_back(heap.allocate(8192));
    };
    auto in_fresh = [&](size_t from, size_t to) {
        auto* begin = static_cast<uint8_t*>(fresh.back().begin);
        return blocks.back() >= begin + from && blocks.back() < begin + to;
    };
    heap.map_ahead(4 * chunk, fresh);
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].bytes == 4 * chunk);
    CHECK(heap.idle_bytes() == 0);
    fill(1);
    CHECK(in_fresh(0, chunk));
    heap.map_ahead(4 * chunk, fresh);
    CHECK(fresh.size() == 1);
    fill(chunk);
    CHECK(in_fresh(chunk, 2 * chunk));
    heap.map_ahead(4 * chunk, fresh);
    REQUIRE(fresh.size() == 2);
    CHECK(fresh[1].bytes == 2 * chunk);
    fill(3 * chunk);
    CHECK(in_fresh(0, chunk));
    auto* last = static_cast<uint8_t*>(fresh[1].begin) + chunk;
    uint8_t there[chunk / 4096];
    CHECK(mincore(last, chunk, there) == 0);
    heap.drop_ahead();
    CHECK(mincore(last, chunk, there) == -1);
    CHECK(errno == ENOMEM);
    for (uint8_t* block : blocks) heap.release(block, 8192);
    CHECK(heap.used_bytes() == 0);
}
