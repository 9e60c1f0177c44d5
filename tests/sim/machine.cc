// machine.cc -- see machine.h.

#include "machine.h"

#include <cerrno>

namespace zk::sim {

namespace {

constexpr uint32_t first_address = 10u << 24 | 9u << 16;

}  // namespace

Machine::Machine(World world, Config config, uint32_t number, Chance chance)
    : world_(std::move(world)),
      config_(std::move(config)),
      number_(number),
      chance_(chance),
      disk_(chance_.fork()),
      ledger_(world_.story, world_.truth, disk_) {
    disk_.on_write = [this](const std::string& path, Bytes bytes) { ledger_.written(path, bytes); };
    disk_.on_sync = [this](const std::string& path) { ledger_.synced(path); };
    disk_.fail_next = [this](const DiskOp& op) { return disk_fault(op); };
    world_.network.address(number_, first_address | number_);
    world_.network.name("n" + std::to_string(number_), first_address | number_);
}

SimIo::World Machine::surroundings(SimDisk& disk) {
    return {.queue = world_.queue,
            .story = world_.story,
            .plan = world_.plan,
            .config = config_,
            .node = number_,
            .disk = disk,
            .network = world_.network,
            .clock = clock_,
            .turned = [this] { world_.turned(*this); },
            .log_op = [this](uint64_t takes_us) { log_op(takes_us); },
            .ended = [this](const std::string& why) { process_ended(why); }};
}

void Machine::start() {
    if (process_ != nullptr || stays_down_) return;
    world_.story.node(number_);
    if (world_.faults && chance_.percent(world_.plan.flip_percent)) flip_bit();
    world_.network.power(number_, true);
    clock_.drift_ppm = next_drift_ppm_;
    process_ = std::make_unique<SimIo>(surroundings(disk_), chance_.fork());
    stopping_ = false;
    bool dies = world_.faults && world_.plan.crash_every_us > 0 && chance_.percent(15);
    Result<void> started = process_->start(dies ? chance_.between(1, 14) : 0);
    TELL(world_.story, "the server starts: %s", started ? "well" : started.error().text.c_str());
    if (started && !process_->died_at_start()) {
        ledger_.recovered(process_->standing().last_zxid);
        return world_.started(*this);
    }
    bool excused = process_->died_at_start() || injected_ ||
                   (world_.faults && started.error().code == ENOSPC);
    if (!excused) return world_.story.fail("n%u does not start: %s", number_,
                                           started.error().text.c_str());
    end(chance_.percent(world_.plan.power_loss_percent));
}

// Told by the process itself, in the middle of its poll: it is taken away a moment later.
void Machine::process_ended(const std::string& why) {
    TELL(world_.story, "the server ends: %s", why.empty() ? "as it was told" : why.c_str());
    if (why.empty() && !stopping_) return world_.story.fail("n%u ends by itself", number_);
    // Who is blank and finds no room for its first log cannot begin.
    bool blank_and_full = why.find("spare.next: No space left") != why.npos ||
                          why.find("vote.1: No space left") != why.npos;
    if (!why.empty() && !injected_ && !blank_and_full)
        return world_.story.fail("n%u gives up without need: %s", number_, why.c_str());
    SimIo* ended = process_.get();
    world_.queue.after(0, [this, ended] {
        if (process_.get() == ended) end(chance_.percent(world_.plan.power_loss_percent));
    });
}

void Machine::end(bool power_loss) { end(power_loss, chance_.skewed(1'000, 800'000)); }

void Machine::end(bool power_loss, uint64_t down_us) {
    if (process_ == nullptr) return;
    ++crashes_;
    world_.story.node(number_);
    TELL(world_.story, "crash: %s", power_loss ? "power is lost" : "the process is killed");
    process_->kill(power_loss);
    if (power_loss) {
        disk_.lose_power();
        world_.network.power(number_, false);
    }
    process_.reset();
    world_.ended(*this);
    injected_ = log_error_armed_ = crash_armed_ = false;
    world_.queue.after(down_us, [this, mine = ++starts_] {
        if (mine == starts_) start();
    });
}

void Machine::crash() {
    if (process_ == nullptr || stopping_) return;
    if (!chance_.percent(world_.plan.stop_percent))
        return end(chance_.percent(world_.plan.power_loss_percent));
    world_.story.node(number_);
    TELL(world_.story, "the server is told to stop");
    stopping_ = true;
    world_.network.listen(number_, nullptr);
    process_->stop();
}

void Machine::log_op(uint64_t takes_us) {
    if (!crash_armed_ || !world_.faults || !chance_.percent(20)) return;
    crash_armed_ = false;
    world_.queue.after(chance_.below(takes_us + 1), [this] { crash(); });
}

void Machine::fill_disk() {
    disk_.capacity = disk_.used() + chance_.below(2 * config_.segment_bytes);
    disk_.copies_on_write = chance_.percent(30);
    world_.story.node(number_);
    TELL(world_.story, "the disk has room for %llu bytes more",
         static_cast<unsigned long long>(disk_.capacity - disk_.used()));
}

void Machine::empty_disk() {
    world_.story.node(number_);
    TELL(world_.story, "the disk has room again");
    disk_.capacity = ~uint64_t{0};
}

bool Machine::stall(uint64_t for_us) {
    if (process_ == nullptr || process_->stands(world_.queue.now_us())) return false;
    world_.story.node(number_);
    TELL(world_.story, "the server stands still for %llu ms",
         static_cast<unsigned long long>(for_us / 1000));
    process_->stall(world_.queue.now_us() + for_us);
    return true;
}

void Machine::jump_wall(int64_t by_ms) {
    clock_.wall_offset_ms += by_ms;
    world_.story.node(number_);
    TELL(world_.story, "the wall clock jumps, %lld ms off now",
         static_cast<long long>(clock_.wall_offset_ms));
}

// Requires: no process.
void Machine::move() {
    uint32_t address = first_address | ++moves_ << 8 | number_;
    TELL(world_.story, "n%u has a new address", number_);
    world_.network.address(number_, address);
    world_.queue.after(chance_.skewed(1'000, 3'000'000), [this, address, mine = moves_] {
        if (mine == moves_) world_.network.name("n" + std::to_string(number_), address);
    });
}

void Machine::end_faults() {
    log_error_armed_ = crash_armed_ = false;
    disk_.capacity = ~uint64_t{0};
}

int Machine::disk_fault(const DiskOp& op) {
    if (!world_.faults) return 0;
    std::string name = op.path.substr(op.path.rfind('/') + 1);
    bool of_log = name.starts_with("log.");
    bool changes = op.kind == DiskOpKind::write || op.kind == DiskOpKind::sync;
    if (log_error_armed_ && of_log && changes) {
        log_error_armed_ = false;
        injected_ = true;
        return EIO;
    }
    bool bulk = name.starts_with("spare.") || name.starts_with("snapshot.");
    if (!bulk || !chance_.permille(world_.plan.bulk_errors_permille)) return 0;
    // A spare that is being made into a segment is the log's already.
    bool of_bulk = op.kind == DiskOpKind::create && name != "spare.next";
    if (name.starts_with("spare.") && !of_bulk) injected_ = true;
    // Put aside at a start, as it is of no use.
    if (op.to.find("/damaged.") != op.to.npos) injected_ = true;
    return EIO;
}

// A bit of some file is flipped, on a copy of the disk. Recovery must refuse, or find all that was
// acknowledged, the last batch excepted: its end may look torn.
void Machine::flip_bit() {
    std::vector<std::string> names = disk_.list(config_.data_dir);
    if (names.empty() || world_.truth.committed() == 0) return;
    std::string path = config_.data_dir + "/" + chance_.pick(names);
    uint64_t size = disk_.read(path)->size();
    if (size == 0) return;
    // Near the front, where there are bytes.
    uint64_t offset = chance_.percent(70) ? chance_.below(std::min<uint64_t>(size, 3000))
                                          : chance_.below(size);
    flip_and_recover(path, offset, static_cast<int>(chance_.below(8)));
}

// Requires: no process.
void Machine::wipe() {
    world_.story.node(number_);
    TELL(world_.story, "the disk is lost");
    ledger_.lost(number_);
    disk_.wipe();
    ++losses_;
    lacking_ = true;
    damaged_ = false;
}

// Some bits of one file of the log or of a snapshot are flipped. Not where that cannot be told from
// a write that a crash tore: no server can know then that something is missing. Requires: no
// process.
void Machine::damage() {
    std::vector<std::string> names = disk_.list(config_.data_dir);
    std::erase_if(names, [](const std::string& name) {
        return (!segment_number(name) && !snapshot_zxid(name)) || name.ends_with(".tmp");
    });
    if (names.empty()) return;
    std::string path = config_.data_dir + "/" + chance_.pick(names);
    uint64_t size = disk_.read(path)->size();
    if (size == 0) return;
    SimDisk damaged = disk_.copy(chance_.fork());
    SimIo io(surroundings(damaged), chance_.fork());
    Result<Recovered> whole = try_recovery(io, config_);
    if (!whole) return;
    struct Flip {
        uint64_t offset;
        int bit;
    };
    std::vector<Flip> flips(chance_.between(1, 8));
    for (Flip& flip : flips) {
        uint64_t within = chance_.percent(70) ? std::min<uint64_t>(size, 3000) : size;
        flip = {.offset = chance_.below(within),
                .bit = static_cast<int>(chance_.below(8))};
        damaged.flip(path, flip.offset, flip.bit);
    }
    Result<Recovered> found = try_recovery(io, config_);
    if (found && found->log.last.zxid < whole->log.last.zxid) return;
    world_.story.node(number_);
    TELL(world_.story, "bits of %s are flipped: %s", path.c_str(),
         found ? "no harm" : found.error().text.c_str());
    for (const Flip& flip : flips) disk_.flip(path, flip.offset, flip.bit);
    ++losses_;
    damaged_ = true;
    if (found) return;
    ledger_.lost(number_);
    lacking_ = true;
}

Result<Recovered> try_recovery(SimIo& io, const Config& config) {
    const std::string& directory = config.data_dir;
    Result<std::optional<StateRecord>> record = load_record(io, directory);
    if (!record) return record.error();
    if (!record->has_value()) return Error{.text = "there is no record"};
    return recover(io, {.data_directory = directory,
                        .log_directory = directory,
                        .ensemble = (*record)->ensemble,
                        .seed = (*record)->seed,
                        .birth = (*record)->birth,
                        .member = in_ensemble(config),
                        .committed = (*record)->committed});
}

void Machine::flip_and_recover(const std::string& path, uint64_t offset, int bit) {
    SimDisk copy = disk_.copy(chance_.fork());
    SimIo io(surroundings(copy), chance_.fork());
    Result<Recovered> whole = try_recovery(io, config_);
    if (!whole) return;  // a start that was cut short; the next one will tell
    uint64_t batch = ledger_.batch_of(whole->log.last.zxid);
    if (batch == 0) return;
    copy.flip(path, offset, bit);
    Result<Recovered> found = try_recovery(io, config_);
    TELL(world_.story, "on a copy, bit %d of byte %llu of %s is flipped: %s", bit,
         static_cast<unsigned long long>(offset), path.c_str(),
         found ? "recovered" : found.error().text.c_str());
    if (!found) return;
    uint64_t zxid = found->log.last.zxid;
    if (zxid + 1 < batch)
        world_.story.fail("with bit %d of byte %llu of %s flipped, recovery ends at zxid %llu and "
                          "does not complain; without it at %llu, of a batch that began at %llu",
                          bit, static_cast<unsigned long long>(offset), path.c_str(),
                          static_cast<unsigned long long>(zxid),
                          static_cast<unsigned long long>(whole->log.last.zxid),
                          static_cast<unsigned long long>(batch));
}

}  // namespace zk::sim
