// storage_crash_test.cc -- log, snapshots and recovery on a disk that fails, fills up and forgets.
//
// One seed, one life of a data directory: entries, flushes, snapshots, purges, orderly and other
// ends, processes killed, power lost in the middle of anything. After each start the state must be
// exactly that of a prefix of what was appended, and hold at least all that anybody has heard of:
// what was reported durable, and what an earlier start had found.
//
// Half of them live in an ensemble: entries are committed before or after they are durable here,
// tails that are not are cut, and snapshots come from peers. A start may then find a log as it was
// before a cut, but not once an entry that was appended after the cut was durable; and it applies
// nothing that is not committed. What is committed and was lost here comes again from the others.
//
// A failing seed is printed; SEED=n runs it alone, SEEDS=n the first n.

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

#include "memory_io.h"
#include "state/commands.h"
#include "storage/recovery.h"

using namespace zk;

namespace {

constexpr uint64_t ensemble = 7;
constexpr uint64_t state_seed = 9;
constexpr int64_t session = (1 << 16) | 5;  // made by the first entry; all others are its writes

class Life {
public:
    explicit Life(uint64_t seed) : dice_(seed), member_(seed % 2 == 0) {
        io_.can_crash = true;
        options_ = {.data_directory = "d", .log_directory = "d", .ensemble = ensemble,
                    .seed = state_seed};
        options_.member = member_;
        segment_bytes_ = 512u << random(5);
        start();
    }

    // False: something went wrong, and was reported.
    bool good() const { return good_; }
    uint64_t entries() const { return known_; }

    void step() {
        switch (random(20)) {
        case 0: return restart(random(2) == 0);
        case 1: return end();
        case 2: return snapshot();
        case 3: return purge();
        case 4: io_.room = random(3) == 0 ? 0 : ~uint64_t{0}; return tick();
        case 5:
            if (random(4) == 0) {
                io_.fail_after = static_cast<int>(random(12));
                io_.fail_with = random(2) == 0 ? EIO : ENOSPC;
            }
            return;
        case 6: return member_ && random(3) == 0 ? receive() : tick();
        case 7: return member_ && random(2) == 0 ? truncate() : append();
        case 8: case 9: case 10: append(); return;
        case 11: case 12: case 13: log_->flush(); return;
        default:
            work(Lane::log, random(5));
            if (good_) work(Lane::bulk, random(3));
            return;
        }
    }

private:
    uint64_t random(uint64_t below) { return dice_() % below; }
    void fail(const std::string& what) {
        if (good_) MESSAGE(what);
        good_ = false;
    }

    void work(Lane lane, uint64_t ops) {
        auto done = [this](Lane of, uint64_t ticket, const DiskResult& result) {
            log_->on_disk(of, ticket, result);
        };
        while (ops-- > 0 && io_.step(lane, done)) continue;
        settle();
    }

    // What a node does in its turn.
    void settle() {
        if (log_ == nullptr) return;
        if (log_->fatal() != nullptr) {
            // A sync that failed tells nothing of what is on the disk: only the power knows.
            return restart(true);
        }
        if (log_->cut_needed()) {
            std::vector<Entry> cut;
            log_->cut_back(cut);
            if (log_->last_zxid() < known_) fail("cut back behind what is durable");
            if (log_->last_zxid() < state_->zxid()) fail("cut back what is applied");
            appended_.resize(log_->last_zxid());
        }
        known_ = std::max(known_, log_->durable_zxid());
        if (log_->durable_zxid() > cut_at_) older_.clear();
        uint64_t last = log_->last_zxid();
        commit(member_ ? last - random(last - state_->zxid() + 1) : log_->durable_zxid());
    }

    void commit(uint64_t zxid) {
        Buffer reply;
        if (zxid > committed_.size())
            committed_.insert(committed_.end(),
                              appended_.begin() + static_cast<ptrdiff_t>(committed_.size()),
                              appended_.begin() + static_cast<ptrdiff_t>(zxid));
        log_->set_committed(std::min(committed_.size(), log_->last_zxid()));
        options_.committed = log_->committed_durable();
        for (; state_->zxid() < zxid; reply.clear())
            state_->apply(log_->at(state_->zxid() + 1), reply);
        log_->release(state_->zxid());
    }

    void truncate() {
        uint64_t least = std::min(committed_.size(), log_->last_zxid());
        truncate(least + random(log_->last_zxid() - least + 1));
        if (random(3) > 0) append();
    }

    void truncate(uint64_t zxid) {
        older_.push_back(appended_);
        appended_.resize(zxid);
        known_ = std::min(known_, zxid);
        cut_at_ = zxid;
        ++term_;
        log_->truncate(zxid);
        if (log_->last_zxid() != zxid) fail("cut elsewhere");
    }

    // What the leader does to this log: all that differs from what is committed is cut.
    void reconcile() {
        uint64_t both = same(appended_, committed_);
        if (both < state_->zxid()) return fail("applied what was not committed");
        if (both < std::min(committed_.size(), appended_.size())) truncate(both);
    }

    static uint64_t same(const std::vector<std::string>& one,
                         const std::vector<std::string>& other) {
        uint64_t count = 0;
        uint64_t both = std::min(one.size(), other.size());
        while (count < both && one[count] == other[count]) ++count;
        return count;
    }

    // A snapshot from a peer: what is committed here, and entries that this node never saw.
    void receive() {
        std::vector<std::string> after = committed_;
        for (uint64_t i = random(3); i > 0 && after.size() < appended_.size(); --i)
            after.push_back(appended_[after.size()]);
        ++term_;
        for (uint64_t i = random(5) + 1; i > 0; --i) after.push_back(make_entry(after.size() + 1));
        std::unique_ptr<State> state = state_of(after);
        Position last{.term = term_, .zxid = after.size(), .checksum = dice_()};
        int done = write_file(*state, last);
        committed_ = after;
        if (done == 0) return reconcile();
        if (done < 0) {
            known_ = std::min(known_, same(appended_, after));  // it may have come to be
            older_.push_back(std::move(after));
            ++term_;
            return restart(random(2) == 0);
        }
        snapshots_.push_back(last.zxid);
        appended_ = std::move(after);
        older_.clear();
        known_ = last.zxid;
        ++term_;
        if (random(3) == 0) return restart(random(2) == 0);
        log_->start_anew(last);
        state_ = std::move(state);
        if (log_->last_zxid() != last.zxid) fail("started anew elsewhere");
    }

    std::unique_ptr<State> state_of(const std::vector<std::string>& entries) {
        auto state = std::make_unique<State>(state_seed);
        state->format();
        Buffer reply;
        for (const std::string& bytes : entries) {
            Entry entry;
            decode(as_bytes(bytes), entry);
            reply.clear();
            CHECK(state->apply(entry, reply).err == Err::ok);
        }
        return state;
    }

    std::string make_entry(uint64_t zxid) {
        Entry entry{.term = term_, .zxid = zxid,
                    .time_ms = static_cast<int64_t>(random(uint64_t{1} << 40)), .origin = {},
                    .session = 0, .op = static_cast<int32_t>(Op::create_session), .ids = {},
                    .body = {}};
        Buffer body;
        Buffer encoded;
        if (zxid == 1) {
            std::string password(password_size, static_cast<char>(random(256)));
            password[0] = static_cast<char>(random(256));
            encode(body, NewSession{.timeout_ms = 4000, .chance = 5,
                                    .password = as_bytes(password)});
            entry.body = body.bytes();
            encode(encoded, entry);
            return std::string(encoded.text());
        }
        std::string path = "/n" + std::to_string(zxid);
        std::string data(random(10) == 0 ? random(3000) : random(60),
                         static_cast<char>('a' + random(26)));
        Buffer acls;
        Acl all{.perms = 31, .scheme = "world", .id = "anyone"};
        write_acls(acls, {&all, 1});
        encode(body, CreateRequest{.path = path, .data = as_bytes(data), .acls = acls.bytes()},
               false);
        entry.session = session;
        entry.op = static_cast<int32_t>(Op::create);
        entry.body = body.bytes();
        encode(encoded, entry);
        return std::string(encoded.text());
    }

    void append() {
        for (uint64_t i = random(4) + 1; i > 0; --i) {
            uint64_t last = log_->last_zxid();
            appended_.push_back(last < committed_.size() ? committed_[last]
                                                         : make_entry(last + 1));
            Entry entry;
            decode(as_bytes(appended_.back()), entry);
            if (random(2) == 0)
                log_->append(entry);
            else
                log_->append_as_is(entry);
        }
    }

    void snapshot() {
        if (!log_->sealed(state_->zxid())) return;
        Position last = log_->position_of(state_->zxid());
        if (last.zxid == 0) return;
        int done = write_file(*state_, last);
        if (done > 0) snapshots_.push_back(last.zxid);
        if (done < 0) restart(random(2) == 0);
    }

    // 1: written; 0: nothing came of it; -1: who knows.
    int write_file(const State& state, const Position& last) {
        auto job = make_snapshot_job(state, ensemble, last, 1);
        std::vector<uint8_t> bytes;
        write_snapshot(job.get(), {.context = &bytes, .write = [](void* context, Bytes part) {
                                       auto* to = static_cast<std::vector<uint8_t>*>(context);
                                       to->insert(to->end(), part.begin(), part.end());
                                       return true;
                                   }});
        std::string path = "d/" + snapshot_name(last.zxid);
        std::vector<DiskOp> ops;
        auto add = [&](DiskOpKind kind, const std::string& on, std::string to) {
            ops.push_back({.kind = kind, .path = on, .to = std::move(to), .offset = 0, .size = 0,
                           .data = bytes});
        };
        add(DiskOpKind::create, path + ".tmp", {});
        add(DiskOpKind::write, path + ".tmp", {});
        add(DiskOpKind::sync, path + ".tmp", {});
        add(DiskOpKind::rename, path + ".tmp", path);
        add(DiskOpKind::sync_dir, "d", {});
        ops.resize(random(8) == 0 ? random(ops.size()) : ops.size());
        DiskResult done = io_.run(ops);
        if (ops.size() < 5) return -1;
        if (done.error == 0) return 1;
        return done.failed_op == 4 ? -1 : 0;
    }

    void purge() {
        if (snapshots_.empty()) return;
        log_->purge(snapshots_[random(snapshots_.size())]);
    }

    void tick() {
        io_.clock_us += 2'000'000;
        log_->tick(io_.clock_us);
    }

    void end() {
        for (int i = 0; i < 50 && good_ && !log_->idle(); ++i) {
            log_->flush();
            work(Lane::log, 10);
        }
        if (!good_ || !log_->idle()) return;
        log_->end_mark();
        bool marked = !log_->idle();
        bool whole = random(2) == 0;
        work(Lane::log, whole ? 2 : random(2));
        if (!good_) return;
        uint64_t applied = whole && io_.fail_after < 0 ? state_->zxid() : 0;
        restart(random(2) == 0);
        if (good_ && state_->zxid() < applied && marked) fail("the end mark's word does not count");
    }

    void restart(bool power_lost) {
        io_.submitted.clear();
        io_.fail_after = -1;
        if (power_lost) io_.lose_power([this](uint64_t below) { return random(below); });
        io_.room = ~uint64_t{0};
        start();
    }

    void start() {
        log_.reset();
        io_.submitted.clear();
        remove_leftovers(io_, "d");
        Result<Recovered> found = recover(io_, options_);
        if (!found) return fail("refused: " + found.error().text);
        state_ = std::move(found->state);
        snapshots_ = found->snapshots;
        ++term_;
        log_ = std::make_unique<Log>(io_,
                                     LogOptions{.directory = "d", .segment_bytes = segment_bytes_,
                                                .ensemble = ensemble,
                                                .kept_bytes = random(2) * random(4000)},
                                     std::move(found->log));
        if (!member_ && log_->last_zxid() != state_->zxid())
            fail("log and state differ in their end");
        check();
        if (Result<void> opened = log_->open(); !opened) fail("refused: " + opened.error().text);
        if (member_ && good_) reconcile();
    }

    // Is it this log that was found?
    bool found(const std::vector<std::string>& entries) {
        if (entries.size() < log_->last_zxid()) return false;
        appended_.assign(entries.begin(),
                         entries.begin() + static_cast<ptrdiff_t>(state_->zxid()));
        if (state_of(appended_)->digest() != state_->digest()) return false;
        for (uint64_t zxid = state_->zxid() + 1; zxid <= log_->last_zxid(); ++zxid) {
            if (as_text(log_->bytes_of(zxid)) != entries[zxid - 1]) return false;
            appended_.push_back(entries[zxid - 1]);
        }
        return true;
    }

    void check() {
        uint64_t zxid = log_->last_zxid();
        if (zxid < known_) return fail("lost: knew " + std::to_string(known_) + ", found " +
                                       std::to_string(zxid));
        if (state_->zxid() < std::min(options_.committed, zxid))
            fail("not all is applied that is known to be committed");
        if (member_ && state_->zxid() > committed_.size()) fail("applied too much");
        older_.push_back(std::move(appended_));
        if (std::none_of(older_.begin(), older_.end(), [&](auto& log) { return found(log); }))
            return fail("another log than was appended");
        older_.clear();
        known_ = zxid;
    }

    std::mt19937_64 dice_;
    bool member_;
    MemoryIo io_;
    RecoveryOptions options_;
    uint64_t segment_bytes_ = 0;
    std::unique_ptr<State> state_;
    std::unique_ptr<Log> log_;
    std::vector<std::string> appended_;  // by zxid, from 1 on
    std::vector<std::vector<std::string>> older_;  // logs that a start may find, too
    uint64_t cut_at_ = 0;
    std::vector<std::string> committed_;  // by the ensemble
    std::vector<uint64_t> snapshots_;
    uint64_t known_ = 0;  // somebody has heard of all up to here
    uint64_t term_ = 0;
    bool good_ = true;
};

}  // namespace

TEST_CASE("whatever happens to process and disk, a start finds all that anybody has heard of") {
    log_set_sink([](LogLevel, std::string_view) {});
    const char* given = std::getenv("SEED");
    uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
    const char* count = std::getenv("SEEDS");
    uint64_t many = count != nullptr ? std::strtoull(count, nullptr, 10) : 300;
    uint64_t last = given != nullptr ? first : many;
    uint64_t entries = 0;
    for (uint64_t seed = first; seed <= last; ++seed) {
        CAPTURE(seed);
        Life life(seed);
        for (int i = 0; i < 300 && life.good(); ++i) life.step();
        entries += life.entries();
        CHECK_MESSAGE(life.good(), "SEED=" << seed);
        if (!life.good()) break;
    }
    CHECK(entries > 0);
    log_set_sink(nullptr);
}
