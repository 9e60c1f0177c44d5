// heap_test.cc -- blocks of all sizes, kept apart, and packed again when few are left of many.

#include "base/heap.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>
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

TEST_CASE("behind a freeze no page that a block lies in is written to, until a fifth is free") {
    constexpr size_t page = 4096;
    auto page_of = [](const uint8_t* at) { return reinterpret_cast<uintptr_t>(at) / page; };
    Blocks blocks;
    for (int i = 0; i < 100'000; ++i) blocks.add(100);
    for (int i = 0; i < 1000; ++i) blocks.remove(static_cast<size_t>(i) * 91);  // room in many
    std::set<uintptr_t> pages;
    for (const auto& block : blocks.all) pages.insert(page_of(block.bytes));
    blocks.heap.freeze();
    auto old = blocks.all;
    std::vector<uint8_t> seen;
    for (const auto& block : old) seen.insert(seen.end(), block.bytes, block.bytes + block.size);
    size_t in_old_pages = 0;
    for (size_t i = 0; i < 90'000; i += 6) {  // some of each span, all of none
        REQUIRE(blocks.heap.frozen(old[i].bytes, 100));
        blocks.add(100);
        auto& made = blocks.all.back();
        CHECK(!blocks.heap.frozen(made.bytes, 100));
        in_old_pages += pages.count(page_of(made.bytes));
        blocks.heap.release(blocks.all[i].bytes, 100);
        blocks.all[i] = made;
        blocks.all.pop_back();
    }
    CHECK(in_old_pages == 0);
    size_t at = 0;
    bool same = true;
    for (const auto& block : old)
        for (size_t i = 0; i < block.size; ++i) same &= block.bytes[i] == seen[at++];
    CHECK(same);
    // Past a fifth the emptiest span is used on: here the one that loses most.
    auto move = [&](size_t i) {
        auto& block = blocks.all[i];
        if (!blocks.heap.frozen(block.bytes, 100)) return;
        uint8_t* bytes = blocks.heap.allocate(100);
        memcpy(bytes, block.bytes, 100);
        blocks.heap.release(block.bytes, 100);
        block.bytes = bytes;
    };
    std::set<uint8_t*> emptiest;
    for (size_t i = 3'000; i < 3'600; ++i) {
        emptiest.insert(old[i].bytes);
        if (i % 3 != 0) move(i);
    }
    size_t in_emptiest = 0;
    for (size_t i = 4'000; i < 28'000; i += 2) {  // half of each of them
        move(i);
        in_emptiest += emptiest.count(blocks.all[i].bytes);
    }
    CHECK(in_emptiest > 200);
    blocks.heap.thaw();
    CHECK(!blocks.heap.frozen(blocks.all[1].bytes, 100));
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("however often it is frozen and all is replaced, no more than a part lies idle") {
    Blocks blocks;
    std::minstd_rand chance(7);
    for (int i = 0; i < 100'000; ++i) blocks.add(60 + chance() % 80);
    for (int round = 0; round < 10; ++round) {
        blocks.heap.freeze();
        for (int i = 0; i < 50'000; ++i) {
            auto& block = blocks.all[chance() % blocks.all.size()];
            if (!blocks.heap.frozen(block.bytes, block.size)) continue;
            uint8_t* bytes = blocks.heap.allocate(block.size);
            memcpy(bytes, block.bytes, block.size);
            blocks.heap.release(block.bytes, block.size);
            block.bytes = bytes;
        }
        CHECK(blocks.heap.idle_bytes() < blocks.heap.used_bytes() / 4);
        blocks.heap.thaw();
    }
    blocks.pack();
    CHECK(!blocks.heap.scattered());
    for (const auto& block : blocks.all) REQUIRE(blocks.whole(block));
}

TEST_CASE("behind a freeze blocks come from chunks mapped ahead, which a child does not have") {
    constexpr size_t chunk = 2 * 1024 * 1024;
    Heap heap;
    std::vector<uint8_t*> old;
    for (int i = 0; i < 100'000; ++i) old.push_back(heap.allocate(100));
    for (size_t i = 0; i < 90'000; ++i) heap.release(old[i], 100);  // much is free
    std::vector<PageRange> fresh;
    heap.map_ahead(4 * chunk, fresh);
    REQUIRE(fresh.size() == 1);
    heap.freeze();
    auto* begin = static_cast<uint8_t*>(fresh[0].begin);
    auto ahead = [&](const uint8_t* at) { return at >= begin && at < begin + 4 * chunk; };
    for (size_t i = 0; i < 30'000; ++i) CHECK(ahead(heap.allocate(100 + 10 * (i % 3))));
    void* notes = *reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(old.back()) & ~(chunk - 1));
    auto page = [](void* at) {
        return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095});
    };
    pid_t child = fork();
    if (child == 0) {
        unsigned char there = 0;
        _exit(mincore(begin, 1, &there) == -1 && mincore(page(notes), 1, &there) == -1 &&
                      mincore(page(old.back()), 1, &there) == 0
                  ? 0
                  : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    // Once they are like all others, the next child has them.
    heap.thaw();
    heap.freeze();
    child = fork();
    if (child == 0) {
        unsigned char there = 0;
        _exit(mincore(begin, 1, &there) == 0 ? 0 : 1);
    }
    status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
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
