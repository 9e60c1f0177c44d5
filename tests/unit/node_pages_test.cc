// node_pages_test.cc -- what a node has done to memory beside its turns: before a fork, behind it,
// and after it.

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "child.h"
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

    void work_on_pages(PageWork kind, std::vector<PageRange>& ranges) override {
        if (busy || ranges.empty()) return;
        work.push_back({kind, ranges});
        ranges.clear();
        busy = stuck;
    }
    bool pages_busy() override { return busy; }

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

// Its child writes down what it sees when it is told to.
struct LateServer final : Server {
    std::unique_ptr<LateChild> child;
    std::string path;
    FILE* written = tmpfile();

    ~LateServer() override { fclose(written); }
    Result<void> fork_snapshot(const std::string& to, WriteSnapshot write,
                               const void* job) override {
        path = to;
        child = std::make_unique<LateChild>([this, write, job] {
            auto put = [](void* file, Bytes part) {
                return fwrite(part.data(), 1, part.size(), static_cast<FILE*>(file)) == part.size();
            };
            return write(job, {.context = written, .write = put}) && fflush(written) == 0;
        });
        return {};
    }
    Err set(const std::string& at, size_t size) {
        std::string data(size, 'y');
        Buffer frame;
        frame.i32(++xid);
        frame.i32(static_cast<int32_t>(Op::set_data));
        encode(frame, SetDataRequest{.path = at, .data = as_bytes(data), .version = -1});
        ask(frame);
        return answer();
    }
    std::unique_ptr<State> child_ends() {
        REQUIRE(child->good());
        rewind(written);
        std::vector<uint8_t>& bytes = files[path];
        for (int byte = fgetc(written); byte != EOF; byte = fgetc(written))
            bytes.push_back(static_cast<uint8_t>(byte));
        Result<std::optional<StateRecord>> record = load_record(*this, "d");
        REQUIRE(record.has_value());
        auto seen = std::make_unique<State>((*record)->seed);
        Result<Position> loaded = load_snapshot(*this, path, (*record)->ensemble, *seen);
        REQUIRE_MESSAGE(loaded.has_value(), (loaded ? "" : loaded.error().text));
        node->on_snapshot({});
        return seen;
    }
};

}  // namespace

TEST_CASE("a large tree's pages are made ready before a fork, at leisure") {
    PagesServer server;
    size_t made = server.fill(8'000);
    REQUIRE(server.count(PageWork::at_leisure) > 1);
    CHECK(server.count(PageWork::in_haste) == 0);
    // Those of the last chunks are for the pointers, which will move, and for what is written.
    const auto& before = server.work.back();
    REQUIRE(before.ranges.size() == 1);
    CHECK(before.ranges[0].bytes > made * 8);
    CHECK(before.ranges[0].bytes <= (16u << 20));
}

TEST_CASE("a snapshot is of the moment of its fork, however late the child writes it") {
    LateServer server;
    server.config.snapshot_entries = 50;
    server.start();
    server.connect();
    size_t made = 0;
    while (server.child == nullptr)
        REQUIRE(server.create("/n" + std::to_string(made++), 100) == Err::ok);
    for (size_t i = 0; i < made; ++i) {
        REQUIRE(server.set("/n" + std::to_string(i), 50) == Err::ok);
        if (i % 3 == 0) REQUIRE(server.remove("/n" + std::to_string(i)) == Err::ok);
        REQUIRE(server.create("/late" + std::to_string(i), 100) == Err::ok);
    }
    std::unique_ptr<State> seen = server.child_ends();
    for (size_t i = 0; i < made; ++i) {
        ZnodeId id = seen->tree.find("/n" + std::to_string(i));
        REQUIRE(id != 0);
        CHECK(seen->tree.data(id).size() == 100);
        CHECK(seen->tree.find("/late" + std::to_string(i)) == 0);
    }
}

TEST_CASE("a large log is replayed with pages made ready in haste") {
    PagesServer server;
    size_t made = server.fill(8'000);
    server.promises_kept = 0;
    server.state_on_disk();
    CHECK(server.promises_kept >= 15);  // of a snapshot's 4 MB
    std::erase_if(server.files, [](auto& file) { return file.first.starts_with("d/snapshot."); });
    server.work.clear();
    std::unique_ptr<State> state = server.state_on_disk();
    CHECK(state->tree.count() > made);
    REQUIRE(server.count(PageWork::in_haste) > 1);
    CHECK(server.count(PageWork::at_leisure) == 0);
    size_t bytes = 0;
    for (const PagesServer::Work& work : server.work)
        for (const PageRange& range : work.ranges) bytes += range.bytes;
    // From 64 MB on, what of it was blocks: half of the next 8 MB was there before they came.
    CHECK(bytes >= (8u << 20));
    CHECK(bytes <= (40u << 20));
    CHECK(server.promises_kept > 1000);  // of segments
    CHECK(server.promises_broken == 0);
}

TEST_CASE("a fork waits for its pages, and not for ever") {
    size_t ready = PagesServer().fill(8'000);
    PagesServer server;
    server.stuck = true;
    size_t late = server.fill(8'000);
    CHECK(server.count(PageWork::at_leisure) == 1);
    // Each create takes 0.2 s here.
    CHECK(late >= ready + 8);
    CHECK(late <= ready + 12);
}

TEST_CASE("a small tree is forked at once") {
    PagesServer server;
    server.stuck = true;
    server.fill(100'000);  // of which the heap has nothing
    CHECK(server.work.size() <= 1);
    CHECK(server.count(PageWork::at_leisure) == 0);
}
