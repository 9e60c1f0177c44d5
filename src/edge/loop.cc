// loop.cc -- see loop.h: the loop, its turn, signals, disk and child.

#include "edge/loop.h"

#include <dirent.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "node/node.h"

namespace zk {

namespace {

constexpr uint64_t stop_us_max = 50'000;  // for what clients were told last

Error os_error(const std::string& path) {
    return Error{.text = path + ": " + strerror(errno), .code = errno};
}

}  // namespace

UvIo::UvIo() {
    // The pool looks up names and nothing else. Half of it may: so many dead name servers at once.
    setenv("UV_THREADPOOL_SIZE", "8", 0);
    int failed = uv_loop_init(&loop_);
    ASSERT(failed == 0);
    uv_prepare_init(&loop_, &prepare_);
    uv_idle_init(&loop_, &idle_);
    uv_timer_init(&loop_, &timer_);
    failed = uv_async_init(&loop_, &disk_event_, [](uv_async_t* handle) {
        static_cast<UvIo*>(handle->data)->disk_done();
    });
    ASSERT(failed == 0);
    if (int event = lanes_[static_cast<size_t>(Lane::log)].event(); event >= 0) {
        failed = uv_poll_init(&loop_, &log_event_, event);
        ASSERT(failed == 0);
    }
    uv_signal_init(&loop_, &term_);
    uv_signal_init(&loop_, &interrupt_);
    uv_signal_init(&loop_, &child_event_);
    uv_signal_init(&loop_, &hand_over_);
    for (uv_handle_t* handle : handles()) handle->data = this;
    for (DiskLane& lane : lanes_) lane.start(&disk_event_);
    if (log_event_.data != nullptr)
        uv_poll_start(&log_event_, UV_READABLE, [](uv_poll_t* handle, int, int) {
            static_cast<UvIo*>(handle->data)->disk_done();
        });
}

std::vector<uv_handle_t*> UvIo::handles() {
    auto any = [](auto* handle) { return reinterpret_cast<uv_handle_t*>(handle); };
    std::vector<uv_handle_t*> all{any(&prepare_), any(&idle_),      any(&timer_),
                                  any(&term_),    any(&interrupt_), any(&child_event_),
                                  any(&hand_over_), any(&disk_event_)};
    if (uv_handle_get_type(any(&log_event_)) == UV_POLL) all.push_back(any(&log_event_));
    return all;
}

UvIo::~UvIo() {
    for (DiskLane& lane : lanes_) lane.stop();
    child_.kill();
    close_loop();
}

Node* UvIo::to(void* context) {
    auto* io = static_cast<UvIo*>(context);
    io->now_us();  // the first event behind the poll is where the turn begins
    return io->node_;
}

NetworkEvents UvIo::events() {
    return {.context = this,
            .on_open =
                [](void* context, ClientId id, const Address& from, bool peer) {
                    return peer ? to(context)->on_peer(id, from) : to(context)->on_open(id, from);
                },
            .on_dialed = [](void* context, LinkId id) { to(context)->on_dialed(id); },
            .on_bytes =
                [](void* context, ClientId id, Bytes bytes) { to(context)->on_bytes(id, bytes); },
            .on_end =
                [](void* context, ClientId id, bool reset) { to(context)->on_end(id, reset); },
            .on_drained = [](void* context, ClientId id) { to(context)->on_drained(id); },
            .on_enough = [](void* context) { static_cast<UvIo*>(context)->turn(); }};
}

// Signals are taken from here on: before, they may end the process as they always do.
Result<void> UvIo::listen(Node& node) {
    node_ = &node;
    uv_signal_start(&term_, on_signal, SIGTERM);
    uv_signal_start(&interrupt_, on_signal, SIGINT);
    uv_signal_start(&child_event_, on_child, SIGCHLD);
    uv_signal_start(&hand_over_, on_hand_over, SIGUSR1);
    return network_.listen(events());
}

int UvIo::run(Node& node) {
    ASSERT(node_ == &node);
    part_reader_.close();
    uv_prepare_start(&prepare_, on_prepare);
    uv_run(&loop_, UV_RUN_DEFAULT);
    child_.kill();
    const Error* fatal = node.fatal();
    if (fatal == nullptr) return 0;
    LOG(error, "%s; what is on the disk is not certain any more, so this process ends",
        fatal->text.c_str());
    return 1;
}

void UvIo::on_prepare(uv_prepare_t* handle) { static_cast<UvIo*>(handle->data)->turn(); }

void UvIo::turn() {
    uint64_t woke_us = now_us();
    network_.before_turn(woke_us);
    in_turn_ = true;
    bool more = node_->turn();
    in_turn_ = false;
    wall_ms_ = 0;
    more = network_.after_turn() || more;
    now_us_ = 0;
    node_->turn_took(now_us() - woke_us);
    if (node_->fatal() != nullptr) return uv_stop(&loop_);
    uint64_t next_us = std::min(node_->next_turn_us(), network_.next_turn_us());
    if (node_->stopped()) {
        if (stop_by_us_ == 0) stop_by_us_ = now_us_ + stop_us_max;
        if (network_.all_sent() || now_us_ >= stop_by_us_) return uv_stop(&loop_);
        next_us = stop_by_us_;
    }
    sleep_until(next_us, more);
    now_us_ = 0;
}

// The timer is left alone where it fires before it must: a turn too early costs less than setting
// it in each.
void UvIo::sleep_until(uint64_t next_us, bool more) {
    if (more || next_us <= now_us_)
        uv_idle_start(&idle_, [](uv_idle_t*) {});
    else
        uv_idle_stop(&idle_);
    if (wake_us_ > now_us_ && wake_us_ <= next_us) return;
    uint64_t wait_ms = next_us <= now_us_ ? 1 : (next_us - now_us_ + 999) / 1000;
    wake_us_ = now_us_ + wait_ms * 1000;
    uv_update_time(&loop_);
    uv_timer_start(&timer_, on_timer, wait_ms, 0);
}

// The turn follows anyhow.
void UvIo::on_timer(uv_timer_t* handle) { static_cast<UvIo*>(handle->data)->wake_us_ = 0; }

void UvIo::on_signal(uv_signal_t* handle, int number) {
    auto* io = static_cast<UvIo*>(handle->data);
    if (io->stopping_) {
        LOG(warn, "a second signal: not waiting any longer");
        _exit(1);
    }
    LOG(info, "%s: stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
    io->stopping_ = true;
    io->network_.stop_listening();
    io->node_->stop();
}

void UvIo::on_hand_over(uv_signal_t* handle, int) {
    static_cast<UvIo*>(handle->data)->node_->hand_over();
}

void UvIo::on_child(uv_signal_t* handle, int) {
    auto* io = static_cast<UvIo*>(handle->data);
    Result<void> result;
    io->now_us();
    if (io->child_.poll(result)) io->node_->on_snapshot(result);
}

void UvIo::disk_done() {
    now_us();
    for (Lane lane : {Lane::log, Lane::vote, Lane::bulk}) {
        done_.clear();
        lanes_[static_cast<size_t>(lane)].take_done(done_);
        for (const DiskLane::Done& done : done_) node_->on_disk(lane, done.ticket, done.result);
    }
}

void UvIo::close_loop() {
    network_.close_all();
    for (uv_handle_t* handle : handles()) uv_close(handle, nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&loop_);
    ASSERT(failed == 0);
}

uint64_t UvIo::now_us() {
    // Before there are turns, a start that takes long has the right to know how long.
    if (node_ == nullptr) return uv_hrtime() / 1000;
    if (now_us_ == 0) now_us_ = uv_hrtime() / 1000;
    return now_us_;
}

int64_t UvIo::wall_ms() {
    if (wall_ms_ != 0) return wall_ms_;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t wall_ms = int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
    if (in_turn_) wall_ms_ = wall_ms;
    return wall_ms;
}

void UvIo::random(std::span<uint8_t> out) {
    while (!out.empty()) {
        ssize_t n = getrandom(out.data(), out.size(), 0);
        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) out = out.subspan(static_cast<size_t>(n));
    }
}

void UvIo::submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) {
    lanes_[static_cast<size_t>(lane)].submit({.ticket = ticket, .ops = std::move(ops)});
}

Result<std::vector<std::string>> UvIo::list(const std::string& directory) {
    DIR* folder = opendir(directory.c_str());
    if (folder == nullptr) return os_error(directory);
    std::vector<std::string> names;
    while (const dirent* entry = readdir(folder)) {
        std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(std::move(name));
    }
    closedir(folder);
    std::sort(names.begin(), names.end());
    return names;
}

Result<uint64_t> UvIo::file_size(const std::string& path) {
    struct stat found = {};
    if (stat(path.c_str(), &found) != 0) return os_error(path);
    return static_cast<uint64_t>(found.st_size);
}

Result<size_t> UvIo::read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out) {
    return start_disk_.read_at(path, offset, out);
}

Vitals UvIo::vitals() {
    Vitals vitals{.fork_us = child_.fork_us(), .copied_bytes = child_.copied_bytes()};
    struct stat folder = {};
    rlimit limit = {};
    // A young Linux says how many there are; elsewhere they are counted.
    if (stat("/dev/fd", &folder) == 0 && folder.st_size > 0)
        vitals.open_files = static_cast<uint64_t>(folder.st_size);
    else if (Result<std::vector<std::string>> names = list("/dev/fd"))
        vitals.open_files = names->size();
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) vitals.open_files_max = limit.rlim_cur;
    return vitals;
}

Result<void> UvIo::fork_snapshot(const std::string& path, WriteSnapshot write, const void* job) {
    page_worker_.stop();
    return child_.start(path, write, job);
}

}  // namespace zk
