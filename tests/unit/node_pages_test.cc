// node_pages_test.cc -- what a node has done to memory beside its turns: before a fork, behind it,
// and after it.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "one_node.h"

using namespace zk;

namespace {

// In the thread's place: what it is given is done at once, or never.
struct PagesServer final : Server {
    struct Work {
        PageWork kind;
        std::vector<PageRange> ranges;
    };
    std::vector<Work> work;
    bool stuck = false;
    bool busy = false;
    bool generous = false;
    size_t given = 0;  // huge pages
    size_t refused = 0;

    void work_on_pages(PageWork kind, std::vector<PageRange>& ranges) override {
        if (busy || ranges.empty()) return;
        work.push_back({kind, ranges});
        ranges.clear();
        busy = stuck;
    }
    bool pages_busy() override { return busy; }
    void* take_huge_page() override {
        void* page = generous ? find_huge_page() : nullptr;
        given += page != nullptr;
        refused += generous && page == nullptr;
        return page;
    }

    // Makes znodes until a snapshot is taken. How many?
    size_t fill(size_t bytes) {
        config.snapshot_entries = 1'000'000;
        config.snapshot_log_bytes = 80u << 20;
        start();
        connect();
        size_t made = 0;
        for (; taken == 0 && made < 30'000; ++made)
            REQUIRE(create("/n" + std::to_string(made), bytes) == Err::ok);
        REQUIRE(taken == 1);
        return made;
    }
    size_t count(PageWork kind) const {
        return static_cast<size_t>(std::count_if(
            work.begin(), work.end(), [&](const Work& one) { return one.kind == kind; }));
    }
};

}  // namespace

TEST_CASE("a large tree's pages are made ready before a fork, and freed of its traces after it") {
    PagesServer server;
    server.fill(8'000);
    REQUIRE(server.count(PageWork::enlarge) > 1);
    REQUIRE(server.count(PageWork::unshare) == 1);
    CHECK(server.work.back().kind == PageWork::unshare);
    // The pointers' other side, and chunks for what is written behind the fork.
    const auto& before = server.work[server.work.size() - 2];
    CHECK(before.kind == PageWork::enlarge);
    REQUIRE(before.ranges.size() > 0);
    CHECK(before.ranges[0].bytes < (1u << 20));
}

TEST_CASE("a large tree moves to huge pages while there are any, and is what it was") {
    PagesServer server;
    server.generous = true;
    size_t made = server.fill(8'000);
    if (server.given == 0 || server.refused > 0) {
        MESSAGE("a kernel without as many huge pages, or one before 6.7");
        return;
    }
    server.turns(200);  // all of it, and nothing twice
    size_t all = server.given;
    CHECK(all > 30);
    CHECK(all < 80);
    server.turns(200);
    CHECK(server.given == all);
    for (size_t i = 0; i < made; ++i) REQUIRE(server.remove("/n" + std::to_string(i)) == Err::ok);
}

TEST_CASE("a fork waits for its pages, and not for ever") {
    size_t ready = PagesServer().fill(8'000);
    PagesServer server;
    server.stuck = true;
    size_t late = server.fill(8'000);
    CHECK(server.count(PageWork::enlarge) == 1);
    // Each create takes 0.2 s here.
    CHECK(late >= ready + 8);
    CHECK(late <= ready + 12);
}

TEST_CASE("a small tree is forked at once") {
    PagesServer server;
    server.stuck = true;
    server.fill(100'000);  // of which the heap has nothing
    CHECK(server.work.size() <= 1);
    CHECK(server.count(PageWork::enlarge) == 0);
}
