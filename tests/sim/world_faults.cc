// world_faults.cc -- see world.h: what goes wrong, and when.

#include "storage/recovery.h"
#include "world.h"

namespace zk::sim {

void World::every(uint64_t mean_us, void (World::*what)()) {
    if (mean_us == 0) return;
    queue_.after(chance_.between(mean_us / 5, mean_us * 2), [this, mean_us, what] {
        if (!faults_) return;
        (this->*what)();
        every(mean_us, what);
    });
}

void World::plan_faults() {
    every(plan_.crash_every_us, &World::fault_crash);
    every(plan_.full_every_us, &World::fault_full);
    every(plan_.log_error_every_us, &World::fault_log_error);
    every(plan_.stall_every_us, &World::fault_stall);
    every(plan_.wall_jump_every_us, &World::fault_wall_jump);
    if (plan_.hostile) every(300'000, &World::fault_noise);
}

// Most crashes hit the log at work, where they hurt.
void World::fault_crash() {
    if (chance_.percent(30)) return crash();
    crash_armed_ = true;
}

void World::fault_full() {
    disk_.capacity = disk_.used() + chance_.below(2 * plan_.config.segment_bytes);
    TELL(story_, "the disk has room for %llu bytes more",
         static_cast<unsigned long long>(disk_.capacity - disk_.used()));
    disk_.copies_on_write = chance_.percent(30);
    checker_.disk_full();
    queue_.after(chance_.between(500'000, 4'000'000), [this] {
        TELL(story_, "the disk has room again");
        disk_.capacity = ~uint64_t{0};
    });
}

void World::fault_log_error() { log_error_armed_ = true; }

void World::fault_stall() {
    if (process_ == nullptr || process_->stands(queue_.now_us())) return;
    uint64_t stall_us = chance_.skewed(1'000, 4'000'000);
    TELL(story_, "the server stands still for %llu ms",
         static_cast<unsigned long long>(stall_us / 1000));
    process_->stall(queue_.now_us() + stall_us);
    checker_.server_stands(stall_us);
}

void World::fault_wall_jump() {
    wall_offset_ms_ += static_cast<int64_t>(chance_.below(20'000)) - 10'000;
    TELL(story_, "the wall clock jumps, %lld ms off now", static_cast<long long>(wall_offset_ms_));
}

// Connections that speak something else, or nothing.
void World::fault_noise() {
    Address from;
    from.ip[10] = from.ip[11] = 0xff;
    from.ip[12] = 10;
    from.ip[15] = 9;
    Link& link = network_.connect(from);
    checker_.connecting_raw(link);
    std::string bytes;
    switch (chance_.below(6)) {
    case 0: bytes = chance_.pick({"ruok", "srvr", "stat", "mntr", "cons", "conf", "envi", "dump",
                                  "wchs", "wchc", "wchp", "dirs", "crst", "srst", "isro"});
        break;
    case 1: bytes = "GET / HTTP/1.1\r\n\r\n"; break;
    case 2: bytes = std::string("\x00\x00\x00\x00", 4); break;
    case 3: bytes = std::string("\x7f\xff\xff\xff", 4); break;
    case 4: break;
    case 5:
        for (uint64_t i = chance_.below(200); i > 0; --i)
            bytes += static_cast<char>(chance_.below(256));
        // No session by accident.
        if (bytes.size() > 2) bytes[0] = '\0', bytes[1] = '\0', bytes[2] = '\0';
        break;
    }
    TELL(story_, "link %u makes noise: %s", link.number, shown(as_bytes(bytes), 20).c_str());
    network_.client_send(link, as_bytes(bytes));
    // Nobody may keep such a connection for ever.
    uint64_t patience_us = static_cast<uint64_t>(plan_.config.handshake_timeout_ms) * 1000;
    queue_.after(2 * patience_us + 10'000'000, [this, &link] {
        if (link.server != nullptr)
            story_.fail("link %u never said who it is and is still open", link.number);
    });
}

// A bit of some file is flipped, on a copy of the disk. Recovery must refuse, or find all that was
// acknowledged, the last batch excepted: its end may look torn.
void World::fault_flip() {
    std::vector<std::string> names = disk_.list(plan_.config.data_dir);
    if (names.empty() || ledger_.acknowledged() == 0) return;
    std::string path = plan_.config.data_dir + "/" + chance_.pick(names);
    uint64_t size = disk_.read(path)->size();
    if (size == 0) return;
    // Near the front, where there are bytes.
    uint64_t offset = chance_.percent(70) ? chance_.below(std::min<uint64_t>(size, 3000))
                                          : chance_.below(size);
    flip_and_recover(path, offset, static_cast<int>(chance_.below(8)));
}

namespace {

Result<Recovered> try_recovery(SimIo& io, const std::string& directory) {
    Result<std::optional<StateRecord>> record = load_record(io, directory);
    if (!record) return record.error();
    if (!record->has_value()) return Error{.text = "there is no record"};
    return recover(io, {.data_directory = directory,
                        .log_directory = directory,
                        .ensemble = (*record)->ensemble,
                        .seed = (*record)->seed});
}

}  // namespace

void World::flip_and_recover(const std::string& path, uint64_t offset, int bit) {
    SimDisk copy = disk_.copy(chance_.fork());
    SimIo io({.queue = queue_,
              .story = story_,
              .plan = plan_,
              .disk = copy,
              .network = network_,
              .wall_offset_ms = wall_offset_ms_,
              .turned = nullptr,
              .log_op = nullptr,
              .ended = nullptr},
             chance_.fork());
    Result<Recovered> whole = try_recovery(io, plan_.config.data_dir);
    if (!whole) return;  // a start that was cut short; the next one will tell
    const Logged* last = ledger_.find(whole->state->zxid());
    if (last == nullptr) return;
    copy.flip(path, offset, bit);
    Result<Recovered> found = try_recovery(io, plan_.config.data_dir);
    TELL(story_, "on a copy, bit %d of byte %llu of %s is flipped: %s", bit,
         static_cast<unsigned long long>(offset), path.c_str(),
         found ? "recovered" : found.error().text.c_str());
    if (!found) return;
    uint64_t zxid = found->state->zxid();
    if (zxid + 1 < last->batch)
        story_.fail("with bit %d of byte %llu of %s flipped, recovery ends at zxid %llu and does "
                    "not complain; without it at %llu, of a batch that began at %llu",
                    bit, static_cast<unsigned long long>(offset), path.c_str(),
                    static_cast<unsigned long long>(zxid),
                    static_cast<unsigned long long>(whole->state->zxid()),
                    static_cast<unsigned long long>(last->batch));
}

}  // namespace zk::sim
