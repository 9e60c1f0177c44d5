// storage_faults_test.cc -- what recovery and the log make of files that are missing, of another
// history, unreadable or read from memory alone, and of room that does not come.

#include <doctest/doctest.h>

#include "storage_site.h"

using namespace zk;
using test::ensemble, test::seed;

namespace {

// A disk that remembers what was asked of it, and cannot read some of its files.
class WatchedIo final : public MemoryIo {
public:
    std::vector<DiskOp> ran;
    std::vector<std::string> written;  // the bytes of each write in `ran`, in order
    std::string unreadable;

    DiskResult run(std::span<const DiskOp> ops) override {
        for (const DiskOp& op : ops) {
            ran.push_back(op);
            if (op.kind == DiskOpKind::write) written.emplace_back(as_text(op.data));
        }
        return MemoryIo::run(ops);
    }
    Result<size_t> read_at(const std::string& path, uint64_t offset,
                           std::span<uint8_t> out) override {
        if (path == unreadable) return Error{.text = path + ": no sector", .code = EIO};
        return MemoryIo::read_at(path, offset, out);
    }
};

struct Site : test::StorageSite<WatchedIo> {
    explicit Site(uint64_t bytes = 4096) : StorageSite("l", bytes) {}

    size_t count(const std::string& prefix) const {
        auto named = [&](const auto& file) { return file.first.starts_with(prefix); };
        return static_cast<size_t>(std::count_if(io.files.begin(), io.files.end(), named));
    }
};

struct Quiet {
    Quiet() {
        told() = 0;
        log_set_sink([](LogLevel, std::string_view) { ++told(); });
    }
    ~Quiet() { log_set_sink(nullptr); }
    static int& told() {
        static int lines = 0;
        return lines;
    }
};

}  // namespace

TEST_CASE("a snapshot without any log is refused: the log's disk may not be mounted") {
    Site site;
    site.batch(3);
    site.snapshot();
    site.batch(2);
    std::erase_if(site.io.files, [](const auto& file) { return file.first.starts_with("l/"); });
    auto before = site.io.files;
    Result<void> started = site.try_restart();
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().text.find("l: ") == 0);
    CHECK(site.io.files == before);
}

TEST_CASE("a snapshot of another history is not believed where a segment starts behind it") {
    Quiet quiet;
    Site site(512);
    while (site.count("l/log.") < 3) site.batch(1, 60);
    uint64_t start = site.state->zxid() - 1;  // of the last segment
    Site other(512);
    other.batch(1, 33);
    while (other.state->zxid() < start) other.batch(1, 60);
    std::string path = other.snapshot();
    site.io.files[path] = other.io.files[path];
    CHECK_FALSE(site.try_restart().has_value());
    // One of this history is.
    Site good(512);
    while (good.state->zxid() < start) good.batch(1, 60);
    path = good.snapshot();
    site.io.files.erase(path);
    good.batch(1, 60);
    REQUIRE(good.count("l/log.") == 3);
    good.restart();
    CHECK(good.state->zxid() == start + 1);
}

TEST_CASE("the last batch is written again before anybody hears of it") {
    // After a sync that failed, memory may hold what the disk does not, and a second sync of it
    // does nothing and reports no error.
    Site site;
    site.batch(2);
    auto before = site.io.files["l/log.0000000000000001"];
    site.batch(3, 50);
    auto after = site.io.files["l/log.0000000000000001"];
    site.io.ran.clear();
    site.io.written.clear();
    site.restart();
    REQUIRE(site.io.written.size() == 1);
    auto write = std::find_if(site.io.ran.begin(), site.io.ran.end(), [](const DiskOp& op) {
        return op.kind == DiskOpKind::write;
    });
    const DiskOp& next = *std::next(write);
    CHECK(next.kind == DiskOpKind::sync);
    CHECK(next.path == write->path);
    // What it writes makes of the file as it was before the batch the one that was after it.
    Bytes bytes = as_bytes(site.io.written[0]);
    std::copy(bytes.begin(), bytes.end(), before.begin() + static_cast<ptrdiff_t>(write->offset));
    CHECK(before == after);
    CHECK(site.state->zxid() == 5);
}

TEST_CASE("a record of who we are that cannot be read does as little harm as a torn one") {
    WatchedIo io;
    StateRecord record{.ensemble = 1, .seed = 2, .node = 3, .term = 4, .vote = 3};
    REQUIRE(store_record(io, "d", record).has_value());
    for (const char* hurt : {"d/vote.1", "d/vote.2"}) {
        io.unreadable = hurt;
        Result<std::optional<StateRecord>> loaded = load_record(io, "d");
        REQUIRE(loaded.has_value());
        REQUIRE(loaded->has_value());
        CHECK(**loaded == record);
    }
    io.files.erase("d/vote.1");
    io.unreadable = "d/vote.2";
    CHECK_FALSE(load_record(io, "d").has_value());
}

TEST_CASE("a next segment that cannot be made is tried again later, and leaves no file behind") {
    Quiet quiet;
    Site site;
    REQUIRE(site.try_restart().has_value());
    REQUIRE(site.io.submitted.size() == 1);
    site.io.fail_after = 1;  // made, but its sync fails
    site.finish();
    CHECK(site.count("l/spare.") == 0);
    CHECK(Quiet::told() == 1);
    for (int i = 0; i < 10; ++i) {
        site.append();
        site.log->flush();
        CHECK(site.io.submitted.size() == 1);  // the batch alone
        site.finish();
    }
    site.log->tick(site.io.clock_us + 2'000'000);
    site.finish();
    CHECK(site.count("l/spare.") == 1);
    CHECK(site.log->durable_zxid() == 10);
}

TEST_CASE("a limit on the size of files is a full disk, not the end") {
    Quiet quiet;
    Site site(1024);
    site.batch(1);
    uint64_t durable = 0;
    for (int i = 0; i < 200 && !site.log->cut_needed() && site.log->fatal() == nullptr; ++i) {
        durable = site.log->durable_zxid();
        site.append(100);
        site.log->flush();
        while (!site.io.submitted.empty()) {
            // Nothing larger than what there is can be made.
            bool create = site.io.submitted.front().ops[0].kind == DiskOpKind::create;
            if (create) {
                site.io.fail_after = 0;
                site.io.fail_with = EFBIG;
            }
            MemoryIo::Submitted next = std::move(site.io.submitted.front());
            site.io.submitted.erase(site.io.submitted.begin());
            site.log->on_disk(next.lane, next.ticket, site.io.run(next.ops));
        }
    }
    CHECK(site.log->fatal() == nullptr);
    CHECK(site.log->full());
    CHECK(site.log->cut_needed());
    CHECK(site.log->durable_zxid() == durable);
}

TEST_CASE("an entry that this version does not know is refused, not run into") {
    Site site;
    site.batch(1);
    site.log->append({.term = 1, .zxid = 0, .time_ms = 5, .origin = {}, .session = 0, .op = 1999,
                      .ids = {}, .body = {}});
    site.log->flush();
    site.finish();
    Result<void> started = site.try_restart();
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().text.find("l/log.0000000000000001: ") == 0);
    CHECK(started.error().text.find("1999") != std::string::npos);
}
