// storage_log_test.cc -- the log of a node in an ensemble: tails that are cut, a window that is
// kept for peers, commits ahead of the disk, and a new beginning behind a peer's snapshot.

#include <doctest/doctest.h>

#include "storage_site.h"

using namespace zk;
using test::ensemble, test::seed;

namespace {

struct Site : test::StorageSite<MemoryIo> {
    explicit Site(uint64_t bytes = 4096, uint64_t kept = 0) : StorageSite("d", bytes) {
        log.reset();
        kept_bytes = kept;
        restart();
    }

    // A follower's, of one letter.
    void follow(uint64_t term, char letter, size_t bytes = 10) {
        std::string body(bytes, letter);
        log->append_as_is({.term = term, .zxid = log->last_zxid() + 1, .time_ms = 5, .origin = {},
                           .session = 0, .op = entry_op::no_op, .ids = {},
                           .body = as_bytes(body)});
    }
    void follow_all(uint64_t term, const char* letters) {
        for (; *letters != 0; ++letters) follow(term, *letters);
    }
    void write() {
        log->flush();
        finish();
    }
    // What the window has: a letter of each entry.
    std::string letters() const {
        std::string all;
        for (uint64_t zxid = log->base().zxid + 1; zxid <= log->last_zxid(); ++zxid)
            all += as_text(log->at(zxid).body)[0];
        return all;
    }
    // What a start would read.
    std::string on_disk() {
        Site other(io.files);
        Result<Recovered> found = recover(other.io, other.places());
        REQUIRE_MESSAGE(found.has_value(), (found ? "" : found.error().text));
        return other.read_all(found->log.segments, found->snapshot_zxid);
    }
    std::string read_all(const std::vector<SegmentFile>& segments, uint64_t after) {
        std::string all;
        for (size_t i = 0; i < segments.size(); ++i) {
            std::string path = "d/" + segment_name(segments[i].number);
            const std::vector<uint8_t>& file = io.files[path];
            Result<SegmentHeader> header = decode_segment_header(file, path);
            REQUIRE(header.has_value());
            all.resize(header->start.zxid > after ? header->start.zxid - after : 0);
            Result<SegmentEnd> end = read_segment(
                file, *header, path, std::nullopt, [&](const Entry& entry, uint64_t, Bytes) {
                    if (entry.zxid > after) all += as_text(entry.body)[0];
                    return Result<void>();
                });
            REQUIRE(end.has_value());
        }
        return all;
    }

private:
    explicit Site(const std::map<std::string, std::vector<uint8_t>>& files)
        : StorageSite("d", 4096) {
        log.reset();
        io.files = files;
    }
};

}  // namespace

TEST_CASE("what is cut is gone at once, and on the disk as soon as something new is there") {
    Site site;
    site.follow_all(1, "abcdef");
    site.write();
    site.log->truncate(4);
    CHECK(site.log->last_zxid() == 4);
    CHECK(site.log->durable_zxid() == 4);
    CHECK(site.letters() == "abcd");
    CHECK_FALSE(site.log->has(5));
    CHECK(site.on_disk() == "abcdef");
    site.follow(2, 'x');
    CHECK(site.log->term_of(5) == 2);
    site.write();
    CHECK(site.log->durable_zxid() == 5);
    CHECK(site.on_disk() == "abcdx");
    CHECK(site.segments().size() == 2);
    site.restart();
    CHECK(site.state->zxid() == 5);
}

TEST_CASE("entries that the disk never saw are cut without a new segment") {
    Site site;
    site.follow_all(1, "ab");
    site.write();
    site.follow_all(1, "cdef");
    site.log->truncate(3);
    site.follow_all(2, "x");
    site.write();
    CHECK(site.segments().size() == 1);
    CHECK(site.on_disk() == "abcx");
}

TEST_CASE("a batch that is cut while it is written never becomes durable") {
    Site site;
    site.follow_all(1, "ab");
    site.write();
    site.follow_all(1, "cd");
    site.log->flush();
    site.log->truncate(2);
    site.follow_all(2, "xyz");
    site.log->flush();
    CHECK(site.io.submitted.size() == 1);  // nothing new before it is back
    site.finish();
    CHECK(site.log->durable_zxid() == 2);
    CHECK(site.letters() == "abxyz");
    site.write();
    CHECK(site.log->durable_zxid() == 5);
    CHECK(site.on_disk() == "abxyz");
}

TEST_CASE("of a batch that is cut in its middle the rest becomes durable") {
    Site site;
    site.follow_all(1, "abcd");
    site.log->flush();
    site.follow_all(1, "ef");
    site.log->truncate(2);
    CHECK(site.log->durable_zxid() == 0);
    site.follow_all(2, "x");
    site.finish();
    CHECK(site.log->durable_zxid() == 2);
    CHECK(site.on_disk() == "abcd");
    site.write();
    CHECK(site.on_disk() == "abx");
    site.restart();
    CHECK(site.state->zxid() == 3);
}

TEST_CASE("two cuts, the second behind the first or before it, leave what both left") {
    for (uint64_t second : {2u, 4u, 5u}) {
        CAPTURE(second);
        for (bool written : {false, true}) {
            Site site;
            site.follow_all(1, "abcdef");
            site.write();
            site.log->truncate(4);
            site.follow_all(2, "xy");
            if (written) site.write();
            site.log->truncate(second);
            site.follow_all(3, "z");
            site.write();
            std::string expected = std::string("abcdxy").substr(0, second) + "z";
            CHECK(site.letters() == expected);
            CHECK(site.on_disk() == expected);
            site.restart();
            site.follow_all(3, "pq");
            site.write();
            site.restart();
            CHECK(site.state->zxid() == second + 3);
        }
    }
}

TEST_CASE("a cut while a new segment is on its way, whether that finds room or not") {
    for (bool room : {false, true}) {
        for (uint64_t cut : {2u, 3u, 4u, 5u}) {
            CAPTURE(room);
            CAPTURE(cut);
            Site site(1024);
            site.follow_all(1, "abc");
            site.write();
            site.follow(1, 'd', 700);
            site.follow(1, 'e', 300);
            site.log->flush();  // does not fit
            REQUIRE(site.log->segments().size() == 2);
            site.log->truncate(cut);
            site.follow(2, 'x');
            if (!room) {
                site.io.fail_after = 0;
                site.io.fail_with = ENOSPC;
            }
            site.finish();
            CHECK(site.log->fatal() == nullptr);
            std::vector<Entry> taken;
            CHECK(site.log->cut_needed() == (!room && cut > 3));
            if (site.log->cut_needed()) site.log->cut_back(taken);
            site.log->tick(10'000'000);
            site.write();
            std::string expected = std::string("abcde").substr(0, cut) + "x";
            if (!taken.empty()) expected = "abc";
            CHECK(site.letters() == expected);
            CHECK(site.on_disk() == (cut > 3 && !room ? "abc" : expected));
            site.follow(3, 'y');
            site.write();
            CHECK(site.on_disk() == expected + "y");
            CHECK(site.log->durable_zxid() == expected.size() + 1);
        }
    }
}

TEST_CASE("where the segment after a cut finds no room, only what is new is taken back") {
    Site site(1024);
    site.follow_all(1, "abcd");
    site.write();
    site.log->truncate(2);
    site.follow_all(2, "xy");
    site.io.fail_after = 0;
    site.io.fail_with = ENOSPC;
    site.write();
    REQUIRE(site.log->cut_needed());
    std::vector<Entry> taken;
    site.log->cut_back(taken);
    CHECK(taken.size() == 2);
    CHECK(site.letters() == "ab");
    site.log->tick(10'000'000);
    site.finish();
    site.follow_all(3, "z");
    site.write();
    CHECK(site.on_disk() == "abz");
}

TEST_CASE("what is committed is not taken back for want of room, but waits for it") {
    Site site(1024);
    site.follow_all(1, "ab");
    site.write();
    site.follow(1, 'c', 900);
    site.follow(1, 'd');
    site.follow(1, 'e');
    site.log->release(3);
    site.log->set_committed(4);  // by the others' disks
    site.io.room = 0;
    site.write();
    REQUIRE(site.log->cut_needed());
    std::vector<Entry> taken;
    site.log->cut_back(taken);
    REQUIRE(taken.size() == 1);
    CHECK(site.log->last_zxid() == 4);
    CHECK_FALSE(site.log->sealed(3));
    site.log->flush();
    CHECK(site.io.submitted.size() <= 1);  // not at once again
    site.finish();
    site.io.room = ~uint64_t{0};
    site.log->tick(10'000'000);
    site.finish();
    site.write();
    CHECK(site.log->durable_zxid() == 4);
    CHECK(site.on_disk() == "abcd");
}

TEST_CASE("released entries stay for peers, the newest of them, and do not count as a burden") {
    Site site(1u << 20, 4000);
    for (int i = 0; i < 100; ++i) site.batch(2, 50);
    CHECK(site.log->window_bytes() == 0);
    uint64_t first = site.log->base().zxid + 1;
    CHECK(first > 100);
    CHECK(first < 195);
    for (uint64_t zxid = first; zxid <= 200; ++zxid) {
        CHECK(site.log->has(zxid));
        CHECK(site.log->at(zxid).zxid == zxid);
        Entry entry;
        REQUIRE(decode(site.log->bytes_of(zxid), entry));
        CHECK(entry.zxid == zxid);
        CHECK(site.log->term_of(zxid) == 1);
    }
    CHECK(site.log->term_of(first - 1) == 1);
    CHECK_FALSE(site.log->has(first - 1));
    CHECK_FALSE(site.log->has(201));
    CHECK(site.log->position_of(150 < first ? first : 150).zxid >= 150);
}

TEST_CASE("what was applied ahead of this disk leaves the window when it is durable") {
    Site site;
    site.follow_all(1, "abc");
    site.log->release(3);
    CHECK(site.log->window_bytes() > 0);
    CHECK_FALSE(site.log->sealed(3));
    site.log->flush();
    CHECK(site.log->writing());
    CHECK(site.log->writing_since_us() == site.io.clock_us);
    CHECK_FALSE(site.log->sealed(3));
    site.finish();
    CHECK_FALSE(site.log->writing());
    CHECK(site.log->window_bytes() == 0);
    CHECK(site.log->sealed(3));
    CHECK(site.log->position_of(3).zxid == 3);
}

TEST_CASE("behind a peer's snapshot the log starts anew, also with a batch on its way") {
    for (bool in_flight : {false, true}) {
        Site site;
        site.follow_all(1, "abc");
        site.write();
        site.follow_all(1, "de");
        if (in_flight) site.log->flush();
        Position last{.term = 2, .zxid = 4, .checksum = 4711};
        State other(seed);
        other.format();
        Buffer reply;
        for (uint64_t zxid = 1; zxid <= 4; ++zxid)
            other.apply({.term = zxid == 4 ? 2u : 1u, .zxid = zxid, .time_ms = 5, .origin = {},
                         .session = 0, .op = entry_op::no_op, .ids = {}, .body = {}}, reply);
        auto job = make_snapshot_job(other, ensemble, last, 1);
        REQUIRE(site.io.fork_snapshot("d/" + snapshot_name(4), write_snapshot, job.get()));
        site.log->start_anew(last);
        CHECK(site.log->last_zxid() == 4);
        CHECK(site.log->durable_zxid() == 4);
        CHECK(site.log->position_of(4) == last);
        site.finish();
        CHECK(site.log->durable_zxid() == 4);
        CHECK(site.on_disk().empty() != in_flight);  // only the old tail, which nobody reads
        Site before;
        before.io.files = site.io.files;
        before.restart();
        CHECK(before.state->zxid() == 4);
        CHECK(before.log->last_zxid() == 4);
        site.follow_all(2, "xy");
        site.write();
        CHECK(site.on_disk() == "xy");
        site.restart();
        CHECK(site.state->zxid() == 6);
        CHECK(site.state->term() == 2);
    }
}
