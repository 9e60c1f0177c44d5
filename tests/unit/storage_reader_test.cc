// storage_reader_test.cc -- old entries, read from the log's files for a peer that lags.

#include <doctest/doctest.h>

#include "storage/log_reader.h"
#include "storage_site.h"

using namespace zk;
using test::ensemble;

namespace {

constexpr uint64_t ticket = uint64_t{1} << 63 | 5;

struct Site : test::StorageSite<MemoryIo> {
    LogReader reader;

    explicit Site(uint64_t bytes = 4096)
        : StorageSite("d", bytes), reader(io, *log, "d", ensemble, ticket) {}

    void run() {
        io.finish([this](Lane lane, uint64_t of, const DiskResult& result) {
            DiskResult copy = result;
            if (!reader.on_disk(of, copy)) log->on_disk(lane, of, result);
        });
    }
    // How many entries came; checks them.
    size_t read(uint64_t from, uint64_t to) {
        reader.want(from, to);
        run();
        if (reader.status() != LogReader::Status::ready) return 0;
        const LogPiece& piece = reader.piece();
        CHECK(piece.before.zxid == from - 1);
        CHECK(piece.entries.first_zxid == from);
        for (uint64_t zxid = from; zxid <= piece.entries.last_zxid(); ++zxid) {
            Entry entry;
            REQUIRE(decode(piece.entries.bytes_of(zxid), entry));
            CHECK(entry.zxid == zxid);
        }
        return piece.entries.offsets.size();
    }
};

}  // namespace

TEST_CASE("old entries are read across segments, from any of them on, one piece after the other") {
    Site site(1024);
    for (int i = 0; i < 30; ++i) site.batch(3, 60);
    REQUIRE(site.segments().size() > 5);
    CHECK(site.read(1, 90) == 90);
    CHECK(site.reader.piece().before.term == 0);
    for (uint64_t from = 1; from <= 90; ++from) CHECK(site.read(from, 90) == 91 - from);
    for (uint64_t from = 1; from <= 90; from += 7) CHECK(site.read(from, from) == 1);
    for (uint64_t from = 90; from > 10; --from) CHECK(site.read(from, from + 0) == 1);
    CHECK(site.reader.piece().before.term == 1);
}

TEST_CASE("a piece is a quarter of a megabyte, or one larger entry, and the next goes on there") {
    Site site(8u << 20);
    for (int i = 0; i < 40; ++i) site.batch(1, 100'000);
    site.batch(1, 3'000'000);
    site.batch(1, 10);
    CHECK(site.read(1, 42) == 2);
    CHECK(site.read(3, 42) == 2);
    site.reader.want(5, 42);
    CHECK(site.io.submitted.size() == 1);  // a piece at most, not the segment again
    CHECK(site.io.submitted[0].ops[0].offset > 390'000);
    site.run();
    CHECK(site.read(39, 42) == 2);
    CHECK(site.read(41, 42) == 1);
    CHECK(site.reader.piece().entries.bytes.size() > 3'000'000);
    CHECK(site.read(42, 42) == 1);
}

TEST_CASE("what was purged is gone, also when that happens in between") {
    Site site(1024);
    for (int i = 0; i < 20; ++i) site.batch(2, 100);
    site.snapshot();
    site.reader.want(1, 40);
    site.log->purge(20);
    std::reverse(site.io.submitted.begin(), site.io.submitted.end());
    site.run();
    CHECK(site.reader.status() == LogReader::Status::gone);
    CHECK(site.read(1, 40) == 0);
    CHECK(site.reader.status() == LogReader::Status::gone);
    CHECK(site.read(30, 40) == 11);
}

TEST_CASE("a wish that is overtaken by another one is forgotten") {
    Site site(1024);
    for (int i = 0; i < 20; ++i) site.batch(2, 100);
    site.reader.want(1, 40);
    site.reader.want(30, 40);
    CHECK(site.io.submitted.size() == 1);
    site.run();
    REQUIRE(site.reader.status() == LogReader::Status::ready);
    CHECK(site.reader.piece().entries.first_zxid == 30);
    CHECK(site.reader.piece().entries.last_zxid() == 40);
}

TEST_CASE("what was cut is never read, however good it is") {
    Site site;
    auto follow = [&](uint64_t term, int count) {
        for (; count > 0; --count)
            site.log->append_as_is({.term = term, .zxid = site.log->last_zxid() + 1, .time_ms = 0,
                                    .origin = {}, .session = 0, .op = entry_op::no_op, .ids = {},
                                    .body = {}});
        site.log->flush();
        site.run();
    };
    follow(1, 10);
    CHECK(site.read(1, 10) == 10);
    site.log->truncate(6);
    follow(2, 3);
    site.log->truncate(5);
    follow(3, 4);
    CHECK(site.read(1, 9) == 9);
    for (uint64_t zxid = 1; zxid <= 9; ++zxid) {
        Entry entry;
        REQUIRE(decode(site.reader.piece().entries.bytes_of(zxid), entry));
        CHECK(entry.term == (zxid > 5 ? 3 : 1));
    }
    CHECK(site.read(6, 9) == 4);
    CHECK(site.reader.piece().before.term == 1);
}

TEST_CASE("a flipped bit or a missing end is found, and said where") {
    Site site(700);
    for (int i = 0; i < 8; ++i) site.batch(2, 20);
    std::map<std::string, std::vector<uint8_t>> files = site.io.files;
    for (const std::string& path : site.segments()) {
        for (size_t at = 0; at < files[path].size(); ++at) {
            site.io.files[path][at] ^= 0x10;
            LogReader reader(site.io, *site.log, "d", ensemble, ticket);
            for (uint64_t from = 1; from <= 16;) {
                reader.want(from, 16);
                site.io.finish([&](Lane, uint64_t of, const DiskResult& result) {
                    DiskResult copy = result;
                    reader.on_disk(of, copy);
                });
                if (reader.status() != LogReader::Status::ready) break;
                from = reader.piece().entries.last_zxid() + 1;
            }
            if (reader.status() != LogReader::Status::ready)
                CHECK(reader.why().find(path) == 0);
            site.io.files[path][at] ^= 0x10;
        }
        site.io.files[path].resize(120);
        CHECK(site.read(1, 16) == 0);
        CHECK(site.reader.status() == LogReader::Status::damaged);
        site.io.files[path] = files[path];
    }
}
