// storage_test.cc -- log, snapshots and recovery together, on a disk in memory.
//
// The rule that all of this serves: what recovery reads is a prefix of what was written, and holds
// at least all that was acknowledged; or it refuses and says where. A bit flipped anywhere, or a
// file cut anywhere, must end in one of the two.

#include <doctest/doctest.h>

#include <chrono>

#include "storage_site.h"

using namespace zk;
using test::ensemble, test::seed;

namespace {

RecoveryOptions places() {
    return {.data_directory = "d", .log_directory = "d", .ensemble = ensemble, .seed = seed};
}

struct Site : test::StorageSite<MemoryIo> {
    explicit Site(uint64_t bytes = 4096) : StorageSite("d", bytes) {}
};

// Hundreds of warnings that are meant to be there.
struct Quiet {
    Quiet() { log_set_level(LogLevel::error); }
    ~Quiet() { log_set_level(LogLevel::info); }
};

using Files = std::map<std::string, std::vector<uint8_t>>;

// Recovers from these files; the zxid reached, or -1 where recovery refuses with a file's name.
int64_t recovered_zxid(const Files& files) {
    MemoryIo io;
    io.files = files;
    Result<Recovered> found = recover(io, places());
    if (found) return static_cast<int64_t>(found->state->zxid());
    CHECK(found.error().text.starts_with("d"));
    return -1;
}

}  // namespace

TEST_CASE("what was durable is there after a restart, in one batch or many") {
    Site site;
    site.batch(1);
    site.batch(5);
    site.batch(3);
    CHECK(site.log->durable_zxid() == 9);
    site.restart();
    CHECK(site.state->zxid() == 9);
    CHECK(site.log->last_zxid() == 9);
    site.batch(2);
    site.restart();
    CHECK(site.state->zxid() == 11);
}

TEST_CASE("a log that ended cleanly goes on in the same segment") {
    Site site;
    site.batch(2);
    site.restart();
    site.batch(2);
    CHECK(site.segments().size() == 1);
    site.log->end_mark();
    site.finish();
    site.restart();
    site.batch(2);
    CHECK(site.segments().size() == 1);
    site.restart();
    CHECK(site.state->zxid() == 6);
}

TEST_CASE("what is appended during a write is the next batch") {
    Site site;
    site.append();
    site.log->flush();
    site.append();
    site.append();
    site.log->flush();
    CHECK(site.io.submitted.size() == 1);
    site.finish();
    CHECK(site.log->durable_zxid() == 1);
    site.log->flush();
    site.finish();
    CHECK(site.log->durable_zxid() == 3);
    CHECK(site.log->idle());
}

TEST_CASE("a log rolls from segment to segment and is read across them") {
    Site site;
    for (int i = 0; i < 40; ++i) site.batch(3, 100);
    CHECK(site.segments().size() > 3);
    site.restart();
    CHECK(site.state->zxid() == 120);
}

TEST_CASE("a batch larger than a segment gets a segment of its own") {
    Site site;
    site.batch(1);
    site.batch(1, 20'000);
    site.batch(1);
    site.restart();
    CHECK(site.state->zxid() == 3);
}

TEST_CASE("a log cut anywhere is refused or whole, never silently short") {
    Site site(512);
    for (int i = 0; i < 4; ++i) site.batch(2, 20);
    Files files = site.io.files;
    for (const std::string& path : site.segments()) {
        for (size_t size = 0; size < files[path].size(); ++size) {
            Files cut = files;
            cut[path].resize(size);
            CHECK(recovered_zxid(cut) == -1);
        }
    }
    CHECK(recovered_zxid(files) == 8);
}

TEST_CASE("a flipped bit costs at most the last batch, and after an end mark nothing") {
    for (bool marked : {false, true}) {
        CAPTURE(marked);
        Site site(700);
        for (int i = 0; i < 5; ++i) site.batch(2, 20);
        if (marked) {
            site.log->end_mark();
            site.finish();
        }
        Files files = site.io.files;
        REQUIRE(site.segments().size() >= 2);
        for (const std::string& path : site.segments()) {
            for (size_t at = 0; at < files[path].size(); ++at) {
                files[path][at] ^= 0x10;
                int64_t zxid = recovered_zxid(files);
                bool good = zxid == -1 || zxid == 10 || (!marked && zxid >= 8);
                CHECK_MESSAGE(good, path << " at " << at << " gives " << zxid);
                files[path][at] ^= 0x10;
            }
        }
    }
}

TEST_CASE("a torn last batch is cut, what was acknowledged stays, and the log goes on") {
    Site site;
    site.batch(2);
    Files before = site.io.files;
    site.batch(4, 50);
    std::string path = site.segments()[0];
    std::vector<uint8_t> whole = site.io.files[path];
    size_t first = 0;
    while (before[path][first] == whole[first]) ++first;
    size_t last = whole.size();
    while (whole[last - 1] == 0) --last;
    for (size_t torn = first + 1; torn < last; torn += 7) {
        Site again;
        again.io.files = before;
        again.io.files[path] = whole;
        // The disk wrote the batch's end and not its beginning, up to `torn`.
        std::fill(again.io.files[path].begin() + static_cast<ptrdiff_t>(first),
                  again.io.files[path].begin() + static_cast<ptrdiff_t>(torn), uint8_t{0});
        again.restart();
        CHECK(again.state->zxid() == 2);
        again.batch(3);
        again.restart();
        CHECK(again.state->zxid() == 5);
    }
}

TEST_CASE("a batch that was only begun leaves a prefix of its entries, and the log goes on") {
    Site site;
    site.batch(2);
    Files before = site.io.files;
    site.batch(4, 50);
    std::string path = site.segments()[0];
    std::vector<uint8_t> whole = site.io.files[path];
    size_t first = 0;
    while (before[path][first] == whole[first]) ++first;
    for (size_t end = first; end < first + 500; end += 11) {
        Site again;
        again.io.files = before;
        std::copy(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(end),
                  again.io.files[path].begin());
        again.restart();
        uint64_t kept = again.state->zxid();
        CHECK(kept >= 2);
        CHECK(kept <= 6);
        again.batch(3);
        again.restart();
        CHECK(again.state->zxid() == kept + 3);
    }
}

TEST_CASE("a missing file of the log is an error that names its neighbours") {
    Site site(512);
    for (int i = 0; i < 10; ++i) site.batch(2, 60);
    REQUIRE(site.segments().size() > 3);
    site.io.files.erase(site.segments()[1]);
    Result<void> started = site.try_restart();
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().text.find("missing") != std::string::npos);
}

TEST_CASE("a log of another ensemble is refused") {
    Site site;
    site.batch(1);
    RecoveryOptions other = places();
    other.ensemble = 78;
    Result<Recovered> found = recover(site.io, other);
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().text.find("another ensemble") != std::string::npos);
}

TEST_CASE("recovery takes the newest good snapshot and the log behind it") {
    Site site(512);
    for (int i = 0; i < 4; ++i) site.batch(2, 60);
    site.snapshot();
    uint64_t digest = site.state->digest();
    site.batch(2);
    site.io.finish([](Lane, uint64_t, const DiskResult&) {});
    Result<Recovered> found = recover(site.io, places());
    REQUIRE(found.has_value());
    CHECK(found->snapshot_zxid == 8);
    CHECK(found->state->zxid() == 10);
    CHECK(found->state->digest() == digest);
    site.log->purge(8);
    site.finish();
    site.restart();
    CHECK(site.state->zxid() == 10);
}

TEST_CASE("a damaged snapshot is passed over while the log reaches back, else refused") {
    Quiet quiet;
    Site site(512);
    for (int i = 0; i < 4; ++i) site.batch(2, 60);
    site.snapshot();
    std::string path = "d/" + snapshot_name(8);
    Files files = site.io.files;
    for (size_t at = 0; at < files[path].size(); at += 3) {
        Files hurt = files;
        hurt[path][at] ^= 1;
        CHECK(recovered_zxid(hurt) == 8);
    }
    site.log->purge(8);
    site.finish();
    files = site.io.files;
    for (size_t at = 0; at < files[path].size(); at += 3) {
        Files hurt = files;
        hurt[path][at] ^= 1;
        CHECK(recovered_zxid(hurt) == -1);
    }
    for (size_t size = 0; size < files[path].size(); size += 5) {
        Files cut = files;
        cut[path].resize(size);
        CHECK(recovered_zxid(cut) == -1);
    }
}

TEST_CASE("a damaged snapshot that the log does not reach is refused, never started without") {
    Quiet quiet;
    Site site(512);
    site.batch(3);
    Files before = site.io.files;
    site.batch(3);
    site.snapshot();
    std::string path = "d/" + snapshot_name(6);
    Files hurt = site.io.files;
    hurt[path][70] ^= 1;
    CHECK(recovered_zxid(hurt) == 6);
    // With a log that ends before the snapshot, and with none.
    before[path] = hurt[path];
    CHECK(recovered_zxid(before) == -1);
    Files alone{{path, hurt[path]}};
    CHECK(recovered_zxid(alone) == -1);
}

TEST_CASE("a damaged snapshot is not one that the log may be purged for") {
    Quiet quiet;
    Site site(512);
    for (int i = 0; i < 4; ++i) site.batch(2, 60);
    site.snapshot();
    site.batch(2);
    site.snapshot();
    site.io.files["d/" + snapshot_name(10)][70] ^= 1;
    Result<Recovered> found = recover(site.io, places());
    REQUIRE(found.has_value());
    CHECK(found->snapshots == std::vector<uint64_t>{8});
}

TEST_CASE("a snapshot under a wrong name, or of another log, is not believed") {
    Quiet quiet;
    Site site;
    site.batch(3);
    site.batch(3);
    site.snapshot();
    Files files = site.io.files;
    files["d/" + snapshot_name(7)] = files["d/" + snapshot_name(6)];
    CHECK(recovered_zxid(files) == -1);  // whatever zxid 7 was, it is not here

    Site other;
    other.io.chance = 100;
    other.io.files.clear();
    other.restart();
    other.batch(6);
    other.batch(1);
    files = other.io.files;
    files["d/" + snapshot_name(6)] = site.io.files["d/" + snapshot_name(6)];
    CHECK(recovered_zxid(files) == -1);
}

TEST_CASE("a snapshot newer than the log's end is accepted, and the log goes on behind it") {
    Site site;
    site.batch(2);
    Files before = site.io.files;
    site.batch(3);
    site.snapshot();
    for (auto& [path, bytes] : before) site.io.files[path] = bytes;
    site.restart();
    CHECK(site.state->zxid() == 5);
    CHECK(site.segments().size() == 2);
    site.batch(2);
    site.restart();
    CHECK(site.state->zxid() == 7);
}

TEST_CASE("where the next segment has no room, writes are given back and the log lives on") {
    Site site(1024);
    site.batch(1);
    site.io.room = 0;
    site.log->tick(10'000'000);
    site.finish();
    for (int i = 0; i < 50 && !site.log->cut_needed(); ++i) {
        site.append(100);
        site.log->flush();
        site.finish();
    }
    REQUIRE(site.log->cut_needed());
    CHECK(site.log->full());
    uint64_t durable = site.log->durable_zxid();
    std::vector<Entry> cut;
    site.log->cut_back(cut);
    CHECK(cut.size() == 1);
    CHECK(cut[0].origin.client == 2);
    CHECK(site.log->last_zxid() == durable);
    // What still fits goes into the segment that there is.
    site.append(1);
    site.log->flush();
    site.finish();
    if (site.log->cut_needed()) {
        cut.clear();
        site.log->cut_back(cut);
    }
    site.io.room = ~uint64_t{0};
    site.log->tick(20'000'000);
    site.finish();
    CHECK_FALSE(site.log->full());
    site.apply();
    site.batch(3, 100);
    uint64_t end = site.log->durable_zxid();
    site.restart();
    CHECK(site.state->zxid() == end);
}

TEST_CASE("a purge leaves no gap when a file cannot be removed, and goes on with it later") {
    Quiet quiet;
    Site site(512);
    for (int i = 0; i < 8; ++i) site.batch(2, 60);
    site.snapshot();
    size_t before = site.segments().size();
    REQUIRE(before > 4);
    site.io.fail_after = 2;  // the second file's removal
    site.log->purge(8);
    site.finish();
    CHECK(site.segments().size() == before - 1);
    site.log->purge(site.state->zxid());
    site.finish();
    CHECK(site.segments().size() == 1);
    uint64_t end = site.state->zxid();
    site.restart();
    CHECK(site.state->zxid() == end);
}

TEST_CASE("a purge never takes the segment that goes on if the next one finds no room") {
    Quiet quiet;
    Site site(1024);
    site.batch(3, 60);
    site.snapshot();
    site.append(900);
    site.log->flush();  // needs a new segment, larger than the spare
    site.io.room = 0;
    site.log->purge(3);
    site.finish();
    REQUIRE(site.log->cut_needed());
    std::vector<Entry> cut;
    site.log->cut_back(cut);
    site.batch(1);
    uint64_t end = site.log->durable_zxid();
    CHECK(end == 4);
    site.restart();
    CHECK(site.state->zxid() == end);
}

TEST_CASE("what no room was found for leaves nothing on the full disk") {
    Quiet quiet;
    Site site(1024);
    site.batch(3, 60);
    site.io.fail_after = 0;  // the header's write into the spare
    site.io.fail_with = ENOSPC;
    site.append(700);
    site.log->flush();
    site.finish();
    REQUIRE(site.log->cut_needed());
    size_t spares = 0;
    for (const auto& [path, bytes] : site.io.files)
        if (path.starts_with("d/spare.")) ++spares;
    CHECK(spares == 1);  // the one that is made anew
    CHECK_FALSE(site.io.files.contains("d/spare.1"));
}

TEST_CASE("a failed sync of the log is fatal") {
    Site site;
    site.batch(1);
    site.io.fail_sync = EIO;
    site.append();
    site.log->flush();
    site.finish();
    REQUIRE(site.log->fatal() != nullptr);
    CHECK(site.log->durable_zxid() == 1);
}

TEST_CASE("the record of term and vote survives the loss of either of its files") {
    MemoryIo io;
    StateRecord record{.ensemble = 1, .seed = 2, .node = 3, .term = 4, .vote = 3};
    REQUIRE(store_record(io, "d", record).has_value());
    record.term = 5;
    REQUIRE(store_record(io, "d", record).has_value());
    for (const char* hurt : {"d/vote.1", "d/vote.2"}) {
        for (size_t at = 0; at < 72; ++at) {
            MemoryIo one;
            one.files = io.files;
            one.files[hurt][at] ^= 4;
            Result<std::optional<StateRecord>> loaded = load_record(one, "d");
            REQUIRE(loaded.has_value());
            REQUIRE(loaded->has_value());
            CHECK(**loaded == record);
        }
    }
    // Either is brought up to the other when it is loaded.
    MemoryIo one;
    one.files = io.files;
    one.files["d/vote.1"][30] ^= 1;
    one.files.erase("d/vote.2");
    CHECK_FALSE(load_record(one, "d").has_value());
    one.files["d/vote.2"] = io.files["d/vote.2"];
    REQUIRE(load_record(one, "d").has_value());
    CHECK(one.files == io.files);
    one.files.erase("d/vote.2");
    REQUIRE(load_record(one, "d").has_value());
    CHECK(one.files == io.files);
    io.files["d/vote.1"][9] ^= 1;
    io.files["d/vote.2"][9] ^= 1;
    CHECK_FALSE(load_record(io, "d").has_value());
    MemoryIo blank;
    Result<std::optional<StateRecord>> nothing = load_record(blank, "d");
    REQUIRE(nothing.has_value());
    CHECK_FALSE(nothing->has_value());
}

TEST_CASE("a vote that is written while nobody waits is whole after any crash") {
    MemoryIo io;
    StateRecord before{.ensemble = 1, .seed = 2, .node = 3, .term = 4, .vote = 3};
    REQUIRE(store_record(io, "d", before).has_value());
    StateRecord after = before;
    after.term = 5;
    after.vote = 0;
    after.voteless = true;
    after.committed = 77;
    Buffer bytes;
    std::vector<DiskOp> ops = record_ops("d", after, bytes);
    CHECK(after.sequence == before.sequence + 1);
    for (size_t done = 0; done <= ops.size(); ++done) {
        for (uint64_t taste = 0; taste < 3; ++taste) {
            MemoryIo one;
            one.files = io.files;
            one.can_crash = true;
            CHECK(one.run(std::span(ops).first(done)).error == 0);
            one.lose_power([&](uint64_t below) { return taste % below; });
            Result<std::optional<StateRecord>> loaded = load_record(one, "d");
            REQUIRE(loaded.has_value());
            REQUIRE(loaded->has_value());
            CHECK((**loaded == after || (done < 3 && **loaded == before)));
            if (done >= 2) CHECK(**loaded == after);
        }
    }
}

TEST_CASE("the data of an Apache ZooKeeper is not taken for a blank directory") {
    MemoryIo io;
    for (const char* name : {"d/version-2", "d/log.1", "d/snapshot.10000004f"}) {
        io.files = {{name, {}}};
        CHECK_FALSE(anything_there(io, "d", "d").has_value());
    }
    io.files["d/log.0000000000000001"] = {};
    CHECK(anything_there(io, "d", "d").has_value());
}

TEST_CASE("the header of a segment and a record keep their bytes") {
    SegmentHeader header{.ensemble = 1,
                         .number = 2,
                         .salt = 3,
                         .start = {.term = 4, .zxid = 5, .checksum = 6},
                         .batch_before = 7,
                         .size = 8,
                         .committed = 5,
                         .checksum = 0};
    Buffer bytes;
    encode(bytes, header);
    Result<SegmentHeader> back = decode_segment_header(bytes.bytes(), "x");
    REQUIRE(back.has_value());
    CHECK(back->start == header.start);
    CHECK(back->size == 8);
    CHECK(back->committed == 5);
    CHECK(bytes.size() == segment_header_size);
    CHECK(bytes.text().substr(0, 8) == "ZKDLOG\r\n");
    CHECK(header.checksum == 3405360848358254094u);

    Entry entry{.term = 4, .zxid = 6, .time_ms = 7,
                .origin = {.node = 8, .client = 9, .request = 10}, .session = 11, .op = 12,
                .ids = as_bytes("ids"), .body = as_bytes("body")};
    Buffer record;
    memset(record.grow(record_head_size), 0, record_head_size);
    record.patch_u32(8, static_cast<uint32_t>(encoded_size(entry)));
    encode(record, entry);
    uint64_t checksum = seal_record(record.data(), record_entry | record_last_of_batch, 13, 14,
                                    header.checksum);
    std::string hex;
    for (uint8_t byte : record.bytes()) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    CHECK(hex == "334c7c187e20932a000000432f420101000000000000000d000000000000000e"
                 "000000000000000400000000000000060000000000000007000000080000000c0000000000"
                 "000009000000000000000a000000000000000b00000003696473626f6479");
    CHECK(load_u64(record.data()) == checksum);
}

TEST_CASE("a tail that was superseded is not read, however good its records are") {
    Site site;
    site.batch(2);
    std::string path = site.segments()[0];
    Files before = site.io.files;
    site.batch(3);  // whole on the disk, but the next segment starts behind the second entry
    Result<SegmentHeader> first = decode_segment_header(before[path], path);
    REQUIRE(first.has_value());
    Position second;
    Result<SegmentEnd> end =
        read_segment(before[path], *first, path, std::nullopt,
                     [](const Entry&, uint64_t, Bytes) { return Result<void>(); });
    REQUIRE(end.has_value());
    second = end->last;
    SegmentHeader next{.ensemble = ensemble, .number = 2, .salt = 5, .start = second,
                       .batch_before = end->batch, .size = 1024, .committed = 0,
                       .checksum = 0};
    Buffer bytes;
    encode(bytes, next);
    std::vector<uint8_t>& file = site.io.files["d/" + segment_name(2)];
    file.assign(1024, 0);
    memcpy(file.data(), bytes.data(), bytes.size());
    site.restart();
    CHECK(site.state->zxid() == 2);
    site.batch(4);
    site.restart();
    CHECK(site.state->zxid() == 6);
    // One that starts at the right zxid of another history is damage.
    next.start.checksum ^= 1;
    bytes.clear();
    encode(bytes, next);
    file.assign(1024, 0);
    memcpy(file.data(), bytes.data(), bytes.size());
    CHECK(recovered_zxid(site.io.files) == -1);
}

TEST_CASE("records that a client planted in a torn batch do not make a start slow") {
    // Every sixteenth byte looks like the head of a record of a later batch, three megabytes long.
    Buffer planted;
    for (int i = 0; i < 250'000; ++i) {
        planted.u64(3);
        planted.u32(3'000'000);
        planted.u32(record_entry | record_last_of_batch);
    }
    Site site(8u << 20);
    site.batch(1);
    site.log->append({.term = 1, .zxid = 0, .time_ms = 0, .origin = {}, .session = 0,
                      .op = entry_op::no_op, .ids = {}, .body = planted.bytes()});
    site.log->flush();
    site.finish();
    std::vector<uint8_t>& file = site.io.files[site.segments().back()];
    size_t at = file.size() - 1;
    while (file[at] == 0) --at;
    file[at] ^= 1;
    auto before = std::chrono::steady_clock::now();
    CHECK(recovered_zxid(site.io.files) == 1);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(3));
}
