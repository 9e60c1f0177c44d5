// loop.cc -- see loop.h: the loop, its turn, signals, disk and child. Connections are in net.cc.

#include "edge/loop.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "node/node.h"

namespace zk {

namespace {

Error os_error(const std::string& path) {
    return Error{.text = path + ": " + strerror(errno), .code = errno};
}

}  // namespace

UvIo::UvIo() {
    ASSERT(uv_loop_init(&loop_) == 0);
    uv_prepare_init(&loop_, &prepare_);
    uv_idle_init(&loop_, &idle_);
    uv_timer_init(&loop_, &timer_);
    uv_async_init(&loop_, &disk_event_, on_disk);
    uv_signal_init(&loop_, &term_);
    uv_signal_init(&loop_, &interrupt_);
    uv_signal_init(&loop_, &child_event_);
    for (uv_handle_t* handle : {reinterpret_cast<uv_handle_t*>(&prepare_),
                                reinterpret_cast<uv_handle_t*>(&disk_event_),
                                reinterpret_cast<uv_handle_t*>(&term_),
                                reinterpret_cast<uv_handle_t*>(&interrupt_),
                                reinterpret_cast<uv_handle_t*>(&child_event_)})
        handle->data = this;
    for (DiskLane& lane : lanes_) lane.start(&disk_event_);
    arena_.reset(new uint8_t[arena_size]);
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    now_us_ = uv_hrtime() / 1000;
}

UvIo::~UvIo() {
    for (DiskLane& lane : lanes_) lane.stop();
    child_.kill();
    close_loop();
    if (spare_file_ >= 0) ::close(spare_file_);
}

int UvIo::run(Node& node) {
    node_ = &node;
    uv_prepare_start(&prepare_, on_prepare);
    uv_signal_start(&term_, on_signal, SIGTERM);
    uv_signal_start(&interrupt_, on_signal, SIGINT);
    uv_signal_start(&child_event_, on_child, SIGCHLD);
    uv_run(&loop_, UV_RUN_DEFAULT);
    if (const Error* fatal = node.fatal()) {
        LOG(error, "%s; nobody knows what is on the disk now, so this process ends",
            fatal->text.c_str());
        return 1;
    }
    return 0;
}

void UvIo::on_prepare(uv_prepare_t* handle) { static_cast<UvIo*>(handle->data)->turn(); }

void UvIo::turn() {
    now_us_ = uv_hrtime() / 1000;
    uint64_t started_us = now_us_;
    bool more = node_->turn();
    arena_used_ = 0;
    more_arenas_.clear();
    free_ids_.insert(free_ids_.end(), freed_ids_.begin(), freed_ids_.end());
    freed_ids_.clear();
    if (!lingering_.empty()) close_late();
    if (node_->fatal() != nullptr || (node_->stopped() && lingering_.empty())) {
        uv_stop(&loop_);
        return;
    }
    if (more && !uv_is_active(reinterpret_cast<uv_handle_t*>(&idle_)))
        uv_idle_start(&idle_, [](uv_idle_t*) {});
    if (!more) uv_idle_stop(&idle_);
    uint64_t next_us = node_->next_turn_us();
    uint64_t wait_ms = next_us <= now_us_ ? 0 : (next_us - now_us_ + 999) / 1000;
    uv_timer_start(&timer_, [](uv_timer_t*) {}, wait_ms, 0);
    longest_turn_us_ = std::max(longest_turn_us_, uv_hrtime() / 1000 - started_us);
}

void UvIo::on_signal(uv_signal_t* handle, int number) {
    auto* io = static_cast<UvIo*>(handle->data);
    if (io->stopping_) {
        LOG(warn, "second signal: not waiting any longer");
        _exit(1);
    }
    LOG(info, "%s: stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
    io->stopping_ = true;
    io->stop_listening();
    io->node_->stop();
}

void UvIo::on_child(uv_signal_t* handle, int) {
    auto* io = static_cast<UvIo*>(handle->data);
    Result<void> result;
    if (io->child_.poll(result)) io->node_->on_snapshot(result);
}

void UvIo::on_disk(uv_async_t* handle) {
    auto* io = static_cast<UvIo*>(handle->data);
    for (Lane lane : {Lane::log, Lane::bulk})
        for (const DiskLane::Done& done : io->lanes_[static_cast<size_t>(lane)].take_done())
            io->node_->on_disk(lane, done.ticket, done.result);
}

void UvIo::close_loop() {
    stop_listening();
    uv_walk(
        &loop_,
        [](uv_handle_t* handle, void* self) {
            if (uv_is_closing(handle)) return;
            bool connection = handle->type == UV_TCP && handle->data != self;
            uv_close(handle, connection ? on_closed : nullptr);
        },
        this);
    uv_run(&loop_, UV_RUN_DEFAULT);
    ASSERT(uv_loop_close(&loop_) == 0);
}

uint64_t UvIo::now_us() { return now_us_; }

int64_t UvIo::wall_ms() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
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
    struct stat found{};
    if (stat(path.c_str(), &found) != 0) return os_error(path);
    return static_cast<uint64_t>(found.st_size);
}

Result<size_t> UvIo::read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out) {
    int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return os_error(path);
    size_t done = 0;
    while (done < out.size()) {
        ssize_t n = pread(file, out.data() + done, out.size() - done,
                          static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            Error error = os_error(path);
            ::close(file);
            return error;
        }
        if (n == 0) break;
        done += static_cast<size_t>(n);
    }
    ::close(file);
    return done;
}

Result<void> UvIo::fork_snapshot(const std::string& path, WriteSnapshot write,
                                 const void* job) {
    return child_.start(path, write, job);
}

}  // namespace zk
