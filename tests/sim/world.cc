// world.cc -- see world.h: the machine, its process, the order of a run.

#include "world.h"

#include <cerrno>

namespace zk::sim {

namespace {

Plan plan_of(Chance& chance) { return make_plan(chance); }

}  // namespace

World::World(uint64_t seed, Story& story)
    : story_(story),
      chance_(seed),
      plan_(plan_of(chance_)),
      ledger_(story),
      checker_(story, queue_, ledger_),
      network_(queue_, story, plan_, chance_.fork()),
      disk_(chance_.fork()) {
    disk_.on_write = [this](const std::string& path, Bytes bytes) { ledger_.written(path, bytes); };
    disk_.on_sync = [this](const std::string& path) { ledger_.synced(path); };
    disk_.fail_next = [this](const DiskOp& op) { return disk_fault(op); };
    ledger_.on_entry = [this](const Logged& logged) { checker_.entry(logged); };
    network_.on_accepted = [this](Link& link) { checker_.accepted(link); };
    network_.on_arrival = [this](Link& link) { checker_.arrived(link); };
    network_.on_sent = [this](Link& link, Bytes bytes) { checker_.sent(link, bytes); };
    network_.on_server_closed = [this](Link& link) { checker_.server_closed(link); };
}

World::~World() = default;

std::string World::describe() const {
    return std::to_string(plan_.clients) + " clients, " + std::to_string(answers()) +
           " answers, " + std::to_string(crashes_) + " crashes, " +
           std::to_string(ledger_.last()) + " entries, " +
           std::to_string(queue_.now_us() / 1000) + " ms";
}

void World::run() {
    start_process();
    add_clients();
    plan_faults();
    run_until(plan_.length_us);
    if (!story_.failed()) calm_down();
    if (!story_.failed()) silence();
    if (!story_.failed()) audit("in the end");
    if (story_.failed()) return;
    end_process(true);
    start_process();
    audit("after a last loss of power");
    if (!story_.failed()) compare_digests();
}

// False: something is wrong, or `done` did not come true in time.
bool World::run_until(uint64_t until_us, const std::function<bool()>& done) {
    while (!story_.failed()) {
        if (done && done()) return true;
        bool more = queue_.step(until_us);
        story_.at(queue_.now_us());
        if (!more) return !done;
    }
    return false;
}

SimIo::World World::surroundings() {
    return {.queue = queue_,
            .story = story_,
            .plan = plan_,
            .disk = disk_,
            .network = network_,
            .wall_offset_ms = wall_offset_ms_,
            .turned = [this] { checker_.turned(); },
            .log_op = [this](uint64_t takes_us) { log_op(takes_us); },
            .ended = [this](const std::string& why) { process_ended(why); }};
}

void World::start_process() {
    if (process_ != nullptr) return;
    if (faults_ && chance_.percent(plan_.flip_percent)) fault_flip();
    process_ = std::make_unique<SimIo>(surroundings(), chance_.fork());
    stopping_ = false;
    bool dies = faults_ && plan_.crash_every_us > 0 && chance_.percent(15);
    Result<void> started = process_->start(dies ? chance_.between(1, 14) : 0);
    TELL(story_, "the server starts: %s", started ? "well" : started.error().text.c_str());
    if (started && !process_->died_at_start()) return checker_.process_started();
    bool excused = process_->died_at_start() || injected_ ||
                   (faults_ && started.error().code == ENOSPC);
    if (!excused) return story_.fail("it does not start: %s", started.error().text.c_str());
    end_process(chance_.percent(plan_.power_loss_percent));
}

// Told by the process itself, in the middle of its poll: it is taken away a moment later.
void World::process_ended(const std::string& why) {
    TELL(story_, "the server ends: %s", why.empty() ? "as it was told" : why.c_str());
    if (why.empty() && !stopping_) return story_.fail("the server ends by itself");
    if (!why.empty() && !injected_)
        return story_.fail("the server gives up without need: %s", why.c_str());
    SimIo* ended = process_.get();
    queue_.after(0, [this, ended] {
        if (process_.get() == ended) end_process(chance_.percent(plan_.power_loss_percent));
    });
}

void World::end_process(bool power_loss) {
    if (process_ == nullptr) return;
    ++crashes_;
    TELL(story_, "crash: %s", power_loss ? "power is lost" : "the process is killed");
    process_->kill();
    if (power_loss) disk_.lose_power();
    process_.reset();
    checker_.process_ended();
    injected_ = log_error_armed_ = crash_armed_ = false;
    queue_.after(chance_.skewed(1'000, 800'000), [this] { start_process(); });
}

void World::crash() {
    if (process_ == nullptr || stopping_) return;
    if (!chance_.percent(plan_.stop_percent))
        return end_process(chance_.percent(plan_.power_loss_percent));
    TELL(story_, "the server is told to stop");
    stopping_ = true;
    network_.listen(nullptr);
    process_->stop();
}

void World::log_op(uint64_t takes_us) {
    if (!crash_armed_ || !faults_ || !chance_.percent(20)) return;
    crash_armed_ = false;
    queue_.after(chance_.below(takes_us + 1), [this] { crash(); });
}

int World::disk_fault(const DiskOp& op) {
    if (!faults_) return 0;
    std::string name = op.path.substr(op.path.rfind('/') + 1);
    bool of_log = name.starts_with("log.");
    bool changes = op.kind == DiskOpKind::write || op.kind == DiskOpKind::sync;
    if (log_error_armed_ && of_log && changes) {
        log_error_armed_ = false;
        injected_ = true;
        return EIO;
    }
    bool bulk = name.starts_with("spare.") || name.starts_with("snapshot.");
    if (!bulk || !chance_.permille(plan_.bulk_errors_permille)) return 0;
    // A spare that is being made into a segment is the log's already.
    bool of_bulk = op.kind == DiskOpKind::create && name != "spare.next";
    if (name.starts_with("spare.") && !of_bulk) injected_ = true;
    return EIO;
}

}  // namespace zk::sim
