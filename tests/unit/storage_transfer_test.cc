// storage_transfer_test.cc -- a snapshot's way from one disk to another, and what is done with a
// directory that is damaged.

#include <doctest/doctest.h>

#include "storage/snapshot_transfer.h"
#include "storage_site.h"

using namespace zk;
using test::ensemble, test::seed;

namespace {

constexpr uint64_t ticket = uint64_t{1} << 63 | 9;

// A tree of some megabytes, and its snapshot.
struct Sending {
    MemoryIo io;
    State state{seed};
    uint64_t zxid = 0;
    std::unique_ptr<SnapshotSender> sender;

    explicit Sending(int znodes = 30, size_t bytes = 50'000) {
        state.format();
        Buffer reply;
        Buffer body;
        std::string password(password_size, 'p');
        encode(body, NewSession{.timeout_ms = 4000, .chance = 5, .password = as_bytes(password)});
        apply(static_cast<int32_t>(Op::create_session), 0, body);
        Buffer acls;
        Acl all{.perms = 31, .scheme = "world", .id = "anyone"};
        write_acls(acls, {&all, 1});
        for (int i = 0; i < znodes; ++i) {
            std::string path = "/n" + std::to_string(i);
            std::string data(bytes, static_cast<char>('a' + i % 26));
            body.clear();
            encode(body, CreateRequest{.path = path, .data = as_bytes(data),
                                       .acls = acls.bytes()}, false);
            apply(static_cast<int32_t>(Op::create), (1 << 16) | 5, body);
        }
        auto job = make_snapshot_job(state, ensemble, {.term = 3, .zxid = zxid, .checksum = 4}, 1);
        REQUIRE(io.fork_snapshot("d/" + snapshot_name(zxid), write_snapshot, job.get()));
        open();
    }
    void apply(int32_t op, int64_t session, const Buffer& body) {
        Buffer reply;
        Entry entry{.term = 3, .zxid = ++zxid, .time_ms = 5, .origin = {}, .session = session,
                    .op = op, .ids = {}, .body = body.bytes()};
        CHECK(state.apply(entry, reply).err == Err::ok);
    }
    void open() {
        if (sender != nullptr) finish();
        sender = std::make_unique<SnapshotSender>(io, "d", zxid, ensemble, ticket);
        finish();
        REQUIRE(sender->status() == SnapshotSender::Status::open);
    }
    void finish() {
        io.finish([this](Lane, uint64_t of, const DiskResult& result) {
            DiskResult copy = result;
            CHECK(sender->on_disk(of, copy));
        });
    }
    std::string name() const { return "d/" + snapshot_name(zxid); }
};

struct Receiving {
    MemoryIo io;
    std::unique_ptr<SnapshotReceiver> receiver;

    explicit Receiving(const SnapshotId& id) {
        receiver =
            std::make_unique<SnapshotReceiver>(io, "d", id, ensemble, seed, ticket);
    }
    void finish() {
        io.finish([this](Lane, uint64_t of, const DiskResult& result) {
            CHECK(receiver->on_disk(of, result));
        });
    }
    bool receiving() const { return receiver->status() == SnapshotReceiver::Status::receiving; }
    // From the sender, `most` bytes at a time, up to `end` of the file.
    void pull(Sending& from, size_t most, uint64_t end = ~uint64_t{0}) {
        from.sender->start(receiver->offset());
        while (receiving() && !from.sender->at_end() && receiver->offset() < end) {
            if (!from.sender->ready()) {
                from.finish();
                continue;
            }
            Bytes piece = from.sender->piece();
            for (size_t at = 0; at < piece.size() && receiving(); at += most) {
                if (receiver->room() == 0) finish();
                if (!receiving()) break;
                receiver->take(piece.subspan(at, std::min(most, piece.size() - at)));
            }
            from.sender->pop();
        }
    }
};

}  // namespace

TEST_CASE("a snapshot comes to another disk byte for byte, in pieces of any size, with its state") {
    Sending from;
    for (size_t most : {1u << 20, 1000u, 77u}) {
        if (most != 1u << 20) from.open();
        Receiving to(from.sender->id());
        to.pull(from, most);
        CHECK_FALSE(to.io.files.contains(from.name()));
        to.finish();
        REQUIRE(to.receiver->status() == SnapshotReceiver::Status::done);
        CHECK(to.io.files.size() == 1);
        CHECK(to.io.files[from.name()] == from.io.files[from.name()]);
        CHECK(to.receiver->last() == Position{.term = 3, .zxid = from.zxid, .checksum = 4});
        CHECK(to.receiver->state()->digest() == from.state.digest());
    }
}

TEST_CASE("a transfer whose link is lost goes on where it stopped") {
    Sending from;
    Receiving to(from.sender->id());
    to.pull(from, 4096, 600'000);
    CHECK(to.receiver->offset() >= 600'000);
    CHECK(to.receiver->offset() < from.sender->id().size);
    from.open();  // another link, the same file
    CHECK(from.sender->id() == to.receiver->id());
    to.pull(from, 4096);
    to.finish();
    REQUIRE(to.receiver->status() == SnapshotReceiver::Status::done);
    CHECK(to.io.files[from.name()] == from.io.files[from.name()]);
}

TEST_CASE("no more than a megabyte waits for the disk") {
    Sending from;
    Receiving to(from.sender->id());
    from.sender->start(0);
    size_t taken = 0;
    while (to.receiver->room() > 0) {
        if (!from.sender->ready()) {
            from.finish();
            continue;
        }
        to.receiver->take(from.sender->piece());
        taken += from.sender->piece().size();
        from.sender->pop();
    }
    CHECK(taken <= (1u << 20) + (256u << 10));
    CHECK(to.io.submitted.size() == 1);
}

TEST_CASE("no damaged snapshot is taken, and nothing of it stays") {
    Sending from(3, 100);
    std::vector<uint8_t> whole = from.io.files[from.name()];
    SnapshotId id = from.sender->id();
    for (size_t at = 0; at < whole.size(); ++at) {
        std::vector<uint8_t> hurt = whole;
        hurt[at] ^= 4;
        Receiving to(id);
        for (size_t i = 0; i < hurt.size() && to.receiving(); i += 50)
            to.receiver->take(Bytes(hurt).subspan(i, std::min<size_t>(50, hurt.size() - i)));
        to.finish();
        CHECK(to.receiver->status() == SnapshotReceiver::Status::failed);
        CHECK_FALSE(to.receiver->why().text.empty());
        CHECK(to.io.files.empty());
    }
}

TEST_CASE("a disk without room for a snapshot is said, and what was begun goes") {
    Sending from;
    for (int ops = 0; ops < 8; ++ops) {
        CAPTURE(ops);
        Receiving to(from.sender->id());
        to.io.fail_after = ops;
        to.io.fail_with = ENOSPC;
        to.pull(from, 100'000);
        to.finish();
        from.open();
        if (to.receiver->status() == SnapshotReceiver::Status::done) continue;
        CHECK(to.receiver->status() == SnapshotReceiver::Status::failed);
        CHECK(to.receiver->why().code == ENOSPC);
        if (!to.receiver->fatal()) CHECK(to.io.files.empty());
    }
}

TEST_CASE("a sender whose file is gone or cut says so") {
    Sending from;
    from.sender->start(0);
    from.finish();
    from.io.files.erase(from.name());
    from.sender->pop();
    from.sender->pop();
    from.finish();
    CHECK(from.sender->status() == SnapshotSender::Status::failed);
    SnapshotSender none(from.io, "d", from.zxid, ensemble, ticket);
    CHECK(none.status() == SnapshotSender::Status::failed);
}

TEST_CASE("a member applies only what is committed, and all of it after an orderly stop") {
    for (bool orderly : {false, true}) {
        test::StorageSite<MemoryIo> site("d", 4096);
        for (int i = 0; i < 10; ++i) site.append();
        site.log->flush();
        site.finish();
        site.log->set_committed(7);
        if (orderly) {
            site.log->end_mark();
            site.finish();
        }
        RecoveryOptions options = site.places();
        options.member = true;
        options.committed = 4;
        Result<Recovered> found = recover(site.io, options);
        REQUIRE(found.has_value());
        CHECK(found->state->zxid() == (orderly ? 7 : 4));
        CHECK(found->terms == std::vector<TermStart>{{.zxid = 1, .term = 1}});
        Log log(site.io, {.directory = "d", .segment_bytes = 4096, .ensemble = ensemble},
                std::move(found->log));
        REQUIRE(log.open().has_value());
        CHECK(log.durable_zxid() == 10);
        CHECK(log.released_zxid() == (orderly ? 7 : 4));
        for (uint64_t zxid = 8; zxid <= 10; ++zxid) CHECK(log.at(zxid).zxid == zxid);
        log.truncate(8);
        CHECK(log.last_zxid() == 8);
    }
}

TEST_CASE("damage is told from what only an operator can mend") {
    test::StorageSite<MemoryIo> site("d", 700);
    for (int i = 0; i < 5; ++i) site.batch(2, 20);
    auto files = site.io.files;
    site.io.files[site.segments()[0]][200] ^= 1;
    CHECK(site.try_restart().error().code == EBADMSG);
    site.io.files = files;
    site.io.files.erase(site.segments()[1]);
    CHECK(site.try_restart().error().code == EBADMSG);
    site.io.files = files;
    RecoveryOptions other = site.places();
    other.ensemble = 1;
    CHECK(recover(site.io, other).error().code == 0);
}

TEST_CASE("what is damaged is set aside, one set of it, and the directory is blank") {
    test::StorageSite<MemoryIo> site("d", 700);
    for (int i = 0; i < 5; ++i) site.batch(2, 20);
    site.snapshot();
    site.io.files["d/vote.1"] = {1};
    site.io.files["d/damaged.log.0000000000000009"] = {2};
    std::vector<uint8_t> first = site.io.files["d/log.0000000000000001"];
    REQUIRE(set_aside(site.io, "d", "d").has_value());
    CHECK(site.segments().empty());
    CHECK_FALSE(site.io.files.contains("d/damaged.log.0000000000000009"));
    CHECK(site.io.files["d/damaged.log.0000000000000001"] == first);
    CHECK(site.io.files.contains("d/damaged." + snapshot_name(10)));
    CHECK(site.io.files.contains("d/vote.1"));
    CHECK_FALSE(*anything_there(site.io, "d", "d"));
    site.restart();
    CHECK(site.state->zxid() == 0);
}
