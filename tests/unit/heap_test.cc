// heap_test.cc -- blocks of all sizes, kept apart, and packed again when few are left of many.

#include "base/heap.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "child.h"

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
        heap.thaw();
        while (!all.empty()) remove(0);
        while (heap.settling()) heap.settle_some();
        CHECK(heap.held_bytes() == 0);
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
    void move(Block& block) {
        uint8_t* bytes = heap.allocate(block.size);
        memcpy(bytes, block.bytes, block.size);
        heap.release(block.bytes, block.size);
        block.bytes = bytes;
    }
    void pack() {
        for (int round = 0; round < 20 && heap.scattered(); ++round)
            for (Block& block : all)
                if (heap.misplaced(block.bytes, block.size)) move(block);
    }
    // As an owner does whose child looks at it.
    void set(Block& block) {
        if (heap.frozen(block.bytes, block.size)) move(block);
        memset(block.bytes, ++next_mark, block.size);
        block.mark = next_mark;
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

TEST_CASE("blocks come and go in any order, frozen or not") {
    Blocks blocks;
    std::minstd_rand chance(3);
    bool frozen = false;
    for (int step = 0; step < 200'000; ++step) {
        if (chance() % 5'000 == 0) {
            frozen ? blocks.heap.thaw() : blocks.heap.freeze();
            frozen = !frozen;
        }
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

TEST_CASE("a child sees the blocks of the freeze, whatever becomes of them, through many freezes") {
    uint64_t seed = 11;
    if (const char* given = getenv("HEAP_SEED")) seed = strtoull(given, nullptr, 10);
    CAPTURE(seed);
    std::minstd_rand chance(static_cast<uint32_t>(seed));
    Blocks blocks;
    for (int i = 0; i < 20'000; ++i) blocks.add(60 + chance() % 80);
    for (int round = 0; round < 20; ++round) {
        blocks.heap.freeze();
        LateChild child([seen = blocks.all, &blocks] {
            return std::all_of(seen.begin(), seen.end(),
                               [&](const auto& block) { return blocks.whole(block); });
        });
        for (int i = 0; i < 20'000; ++i) {
            auto what = chance() % 10;
            size_t at = chance() % blocks.all.size();
            if (what < 2)
                blocks.remove(at);
            else if (what < 4)
                blocks.add(60 + chance() % 80);
            else
                blocks.set(blocks.all[at]);
            if (what == 9) blocks.heap.settle_some();
        }
        REQUIRE(child.good());
        blocks.heap.thaw();
        for (auto steps = chance() % 200; steps > 0; --steps) blocks.heap.settle_some();
        while (round % 4 == 0 && blocks.heap.settling()) blocks.heap.settle_some();
        if (round % 4 == 0) CHECK(blocks.heap.held_bytes() == 0);
        blocks.pack();
    }
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("behind a freeze a block moves once, and only what was made since is used again") {
    Heap heap;
    std::vector<uint8_t*> old;
    for (int i = 0; i < 1000; ++i) old.push_back(heap.allocate(100));
    CHECK(!heap.frozen(old[0], 100));
    heap.freeze();
    CHECK(heap.frozen(old[0], 100));
    heap.release(old[0], 100);
    CHECK(heap.held_bytes() == 104);
    uint8_t* young = heap.allocate(100);
    CHECK(young != old[0]);
    CHECK(!heap.frozen(young, 100));
    CHECK(heap.frozen(old[1], 100));
    heap.release(young, 100);
    CHECK(heap.held_bytes() == 104);
    CHECK(heap.allocate(100) == young);
    // A large one is malloc's, of which the child has a copy.
    uint8_t* large = heap.allocate(10'000);
    CHECK(!heap.frozen(large, 10'000));
    heap.release(large, 10'000);
    heap.thaw();
    CHECK(!heap.frozen(old[1], 100));
    CHECK(heap.held_bytes() == 104);
    heap.settle_some();
    CHECK(heap.held_bytes() == 0);
    CHECK(!heap.settling());
    CHECK(heap.allocate(100) == old[0]);
    // The next one holds back what the last one made.
    heap.freeze();
    CHECK(heap.frozen(young, 100));
    heap.release(young, 100);
    CHECK(heap.allocate(100) != young);
}

TEST_CASE("what a child held back goes to the system, a span with each step") {
    constexpr size_t chunk = 2 * 1024 * 1024;
    Blocks blocks;
    for (int i = 0; i < 100'000; ++i) blocks.add(96);
    uint8_t* somewhere = blocks.all[50'000].bytes;
    auto there = [&] {
        unsigned char pages[16];
        auto* span = somewhere - reinterpret_cast<uintptr_t>(somewhere) % 65'536;
        return mincore(span, sizeof pages * 4096, pages) == 0 &&
               std::count(pages, pages + sizeof pages, 1) > 0;
    };
    blocks.heap.freeze();
    for (auto& block : blocks.all) blocks.set(block);
    CHECK(blocks.heap.held_bytes() == 100'000 * 96);
    CHECK(blocks.heap.idle_bytes() < chunk);
    CHECK(there());
    blocks.heap.thaw();
    size_t steps = 0;
    for (uint64_t held = blocks.heap.held_bytes(); blocks.heap.settling(); ++steps) {
        blocks.heap.settle_some();
        CHECK(held - blocks.heap.held_bytes() <= 65'536);
        held = blocks.heap.held_bytes();
    }
    CHECK(steps < 160);
    CHECK(!there());
    CHECK(blocks.heap.idle_bytes() < chunk);
}

TEST_CASE("a freeze while blocks of the last one are held back loses none") {
    Blocks blocks;
    for (int i = 0; i < 10'000; ++i) blocks.add(100);
    for (int round = 0; round < 3; ++round) {
        blocks.heap.freeze();
        for (auto& block : blocks.all) blocks.set(block);
        blocks.heap.thaw();
    }
    blocks.heap.freeze();
    CHECK(blocks.heap.held_bytes() > 0);
    while (blocks.heap.settling()) blocks.heap.settle_some();
    CHECK(blocks.heap.held_bytes() == 0);
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("behind a freeze new spans come from chunks mapped ahead; a child has not the notes") {
    constexpr size_t chunk = 2 * 1024 * 1024;
    Heap heap;
    std::vector<uint8_t*> old;
    for (int i = 0; i < 100'000; ++i) old.push_back(heap.allocate(96));
    for (size_t i = 0; i < 90'000; ++i) heap.release(old[i], 96);  // spans are free
    std::vector<PageRange> fresh;
    heap.map_ahead(4 * chunk, fresh);
    REQUIRE(fresh.size() == 1);
    heap.freeze();
    auto* begin = static_cast<uint8_t*>(fresh[0].begin);
    auto ahead = [&](const uint8_t* at) { return at >= begin && at < begin + 4 * chunk; };
    for (size_t i = 0; i < 30'000; ++i) CHECK(ahead(heap.allocate(112 + 16 * (i % 3))));
    void* notes = *reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(old.back()) & ~(chunk - 1));
    auto page = [](void* at) {
        return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095});
    };
    LateChild child([&] {
        unsigned char there = 0;
        return mincore(page(notes), 1, &there) == -1 && mincore(page(old.back()), 1, &there) == 0;
    });
    CHECK(child.good());
    // Behind the next freeze they are of the next ones.
    heap.thaw();
    heap.map_ahead(8 * chunk, fresh);
    REQUIRE(fresh.size() == 2);
    heap.freeze();
    begin = static_cast<uint8_t*>(fresh[1].begin);
    bool next = false;
    for (size_t i = 0; i < 4'000 && !next; ++i) next = heap.allocate(1024) >= begin;
    CHECK(next);
}

TEST_CASE("behind a freeze a chunk that was taken goes when it is empty, and another is taken") {
    Heap heap;
    uint8_t* old = heap.allocate(100);
    std::vector<PageRange> fresh;
    heap.map_ahead(2 * part_bytes, fresh);
    heap.freeze();
    for (int round = 0; round < 3; ++round) {
        uint8_t* block = heap.allocate(8192);
        memset(block, 1, 8192);
        heap.release(block, 8192);
    }
    CHECK(heap.frozen(old, 100));
}

TEST_CASE("a few empty spans stay ready, however many went before") {
    Heap heap;
    heap.allocate(8192);  // the first span of the first chunk
    std::vector<uint8_t*> blocks;
    for (int round = 0; round < 5; ++round) {
        for (int i = 0; i < 20'000; ++i) blocks.push_back(heap.allocate(4096));
        for (uint8_t* block : blocks) heap.release(block, 4096);
        blocks.clear();
    }
    uint8_t* last = nullptr;
    for (int i = 0; i < 1000; ++i) {
        last = heap.allocate(64);
        memset(last, 1, 64);
        heap.release(last, 64);
    }
    unsigned char there = 0;
    auto* page = last - reinterpret_cast<uintptr_t>(last) % 4096;
    CHECK((mincore(page, 1, &there) == 0 && (there & 1) != 0));
}

TEST_CASE("what a child held back counts as free once it is settled") {
    Blocks blocks;
    for (int i = 0; i < 200'000; ++i) blocks.add(96);
    blocks.heap.freeze();
    std::minstd_rand chance(9);
    for (int i = 0; i < 100'000; ++i) blocks.remove(chance() % blocks.all.size());
    blocks.heap.thaw();
    CHECK(!blocks.heap.scattered());
    while (blocks.heap.settling()) blocks.heap.settle_some();
    CHECK(blocks.heap.scattered());
    blocks.pack();
    CHECK(!blocks.heap.scattered());
    CHECK(blocks.heap.idle_bytes() < blocks.heap.used_bytes() / 8);
    for (const auto& block : blocks.all) CHECK(!blocks.heap.misplaced(block.bytes, block.size));
}

TEST_CASE("as long as it grows chunks are kept ahead, in proportion, and go when it does not") {
    constexpr size_t chunk = 2 * 1024 * 1024;
    Heap heap;
    std::vector<PageRange> fresh;
    heap.keep_ahead(true, fresh);
    CHECK(fresh.empty());
    auto grow = [&](size_t bytes) {
        for (size_t done = 0; done < bytes; done += 8192) heap.allocate(8192);
    };
    grow(chunk / 2);
    heap.keep_ahead(true, fresh);
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].bytes == 4 * chunk);
    grow(16 * chunk);
    heap.keep_ahead(true, fresh);
    REQUIRE(fresh.size() == 2);
    CHECK(fresh[1].bytes == Heap::ahead_max);
    auto still_there = [&] {
        unsigned char there = 0;
        size_t count = 0;
        auto* begin = static_cast<uint8_t*>(fresh[1].begin);
        for (size_t at = 0; at < fresh[1].bytes; at += chunk)
            count += mincore(begin + at, 1, &there) == 0;
        return count;
    };
    for (int i = 0; i < 49; ++i) heap.keep_ahead(true, fresh);
    heap.drop_some_ahead();
    CHECK(still_there() == 16);
    heap.keep_ahead(true, fresh);
    heap.drop_some_ahead();
    CHECK(still_there() == 15);
    for (int i = 0; i < 100; ++i) heap.drop_some_ahead();
    CHECK(still_there() == 0);
    heap.freeze();
    heap.keep_ahead(true, fresh);
    REQUIRE(fresh.size() == 3);
    CHECK(fresh[2].bytes == 2 * chunk);  // a sixteenth, or this
    heap.thaw();
    // Whoever is no longer large does not want them.
    for (int i = 0; i < 50; ++i) heap.keep_ahead(false, fresh);
    heap.drop_some_ahead();
    heap.drop_some_ahead();
    unsigned char there = 0;
    CHECK(mincore(fresh[2].begin, 1, &there) == -1);
    // What was mapped for a fork that is to come is not dropped, however idle it was before.
    heap.map_ahead(4 * chunk, fresh);
    heap.drop_some_ahead();
    REQUIRE(fresh.size() == 4);
    for (size_t at = 0; at < 4 * chunk; at += chunk)
        CHECK(mincore(static_cast<uint8_t*>(fresh[3].begin) + at, 1, &there) == 0);
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
