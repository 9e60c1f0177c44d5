// disk.cc -- see disk.h.

#include "edge/disk.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace zk {

namespace {

constexpr size_t zeros_bytes = 256 * 1024;
constexpr size_t slice_bytes = 1024 * 1024;
constexpr off_t freed_bytes = 4 * 1024 * 1024;  // of a removed file, at a time
constexpr size_t going_max = 64;
constexpr uint64_t rest_us_max = 50'000;
static_assert(slice_bytes % zeros_bytes == 0);

int write_all(int file, Bytes bytes, uint64_t offset) {
    while (!bytes.empty()) {
        ssize_t n = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) return EIO;
        bytes = bytes.subspan(static_cast<size_t>(n));
        offset += static_cast<size_t>(n);
    }
    return 0;
}

int sync_directory(const std::string& path) {
    int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return errno;
    int error = fsync(directory) == 0 ? 0 : errno;
    close(directory);
    return error;
}

bool no_direct_way(int error) { return error == EINVAL || error == EOPNOTSUPP; }

}  // namespace

DiskResult FileDisk::run(std::span<const DiskOp> ops) {
    uint64_t started_ns = uv_hrtime();
    DiskResult result;
    // Only between lists: within one, a file that was written must be the one that is synced.
    if (names_seen_ != names_.load(std::memory_order_acquire)) close_file();
    synced_ = std::any_of(ops.begin(), ops.end(),
                          [](const DiskOp& op) { return op.kind == DiskOpKind::sync; });
    for (const DiskOp& op : ops) {
        result.error =
            op.kind == DiskOpKind::read ? read_op(op, result.bytes) : run_one(op);
        if (result.error != 0) {
            result.failed_op = static_cast<uint32_t>(&op - ops.data());
            break;
        }
    }
    result.took_us = (uv_hrtime() - started_ns) / 1000;
    return result;
}

int FileDisk::run_one(const DiskOp& op) {
    int error = 0;
    switch (op.kind) {
    case DiskOpKind::create: return create(op);
    case DiskOpKind::write: return write(op);
    case DiskOpKind::sync:
        error = open_file(op.path);
        if (error != 0) return error;
        return fdatasync(file_) == 0 ? 0 : errno;
    case DiskOpKind::rename: return rename_file(op);
    case DiskOpKind::remove: return remove_file(op);
    case DiskOpKind::sync_dir: return sync_directory(op.path);
    case DiskOpKind::truncate:
        error = open_file(op.path);
        if (error != 0) return error;
        if (ftruncate(file_, static_cast<off_t>(op.size)) != 0) return errno;
        if (way_ == Way::direct) direct_.open(path_);  // its size is another
        return 0;
    case DiskOpKind::read: break;  // by read_op
    }
    return EINVAL;
}

int FileDisk::write(const DiskOp& op) {
    int error = open_file(op.path);
    if (error != 0) return error;
    if (synced_ && direct_.takes(op.offset + op.data.size())) {
        error = direct_.write(op.data, op.offset);
        if (!no_direct_way(error)) return error;
        direct_.close();
    }
    direct_.forget();
    return write_all(file_, op.data, op.offset);
}

bool FileDisk::begin(std::span<const DiskOp> ops) {
    if (way_ != Way::direct || ops.size() != 2 || ops[0].kind != DiskOpKind::write ||
        ops[1].kind != DiskOpKind::sync || ops[0].path != path_ || ops[1].path != path_)
        return false;
    if (names_seen_ != names_.load(std::memory_order_acquire)) return false;
    return direct_.begin(ops[0].data, ops[0].offset);
}

int FileDisk::read_op(const DiskOp& op, std::vector<uint8_t>& bytes) {
    size_t before = bytes.size();
    bytes.resize(before + op.size);
    Result<size_t> got = read_at(op.path, op.offset, {bytes.data() + before, op.size});
    bytes.resize(before + (got ? *got : 0));
    return got ? 0 : got.error().code;
}

int FileDisk::create(const DiskOp& op) {
    close_file();
    name_changed();
    file_ = open(op.path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file_ < 0) return errno;
    path_ = op.path;
    int error = fill(op.size);
    if (error == ENOSPC && !going_.empty()) {
        while (free_some(false)) continue;
        error = fill(op.size);
    }
    if (error == 0 && way_ == Way::direct) direct_.open(path_);
    if (error == 0) return 0;
    close_file();
    unlink(op.path.c_str());
    return error;
}

// Asks for all the room first, so that a full disk says so at once. Then real zeros: a later sync
// of what is written over them finds no extent to convert, and has nothing but the data to write.
// They go past the page cache, too: nobody reads them, and there they would be in the way.
int FileDisk::fill(uint64_t size) {
    alignas(DirectFile::block_bytes) static uint8_t zeros[zeros_bytes];  // and so they stay
    if (size > 0 && fallocate(file_, 0, 0, static_cast<off_t>(size)) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS)
        return errno;
    int direct = DirectFile::open_file(path_);
    int error = 0;
    for (uint64_t at = 0; at < size && error == 0;) {
        size_t part = static_cast<size_t>(std::min<uint64_t>(zeros_bytes, size - at));
        bool by_cache = direct < 0 || part % DirectFile::block_bytes != 0;
        error = write_all(by_cache ? file_ : direct, Bytes(zeros, part), at);
        if (no_direct_way(error) && !by_cache) {
            close(std::exchange(direct, -1));
            error = 0;
            continue;
        }
        at += part;
        if (error == 0 && way_ == Way::gentle && at % slice_bytes == 0 && fdatasync(file_) != 0)
            error = errno;
    }
    if (direct >= 0) close(direct);
    return error;
}

int FileDisk::rename_file(const DiskOp& op) {
    if (path_ == op.to) close_file();
    if (rename(op.path.c_str(), op.to.c_str()) != 0) return errno;
    name_changed();
    if (path_ == op.path) path_ = op.to;  // the same file by its new name
    return 0;
}

int FileDisk::remove_file(const DiskOp& op) {
    if (path_ == op.path) close_file();
    int file = way_ == Way::gentle ? open_to_free(op.path) : -1;
    if (unlink(op.path.c_str()) != 0) {
        int error = errno;
        if (file >= 0) close(file);
        return error == ENOENT ? 0 : error;
    }
    name_changed();
    if (file < 0) return 0;
    // Who copies it, or has it by another name, is to have all of it: a lease is given to nobody
    // but the only one who has a file open.
    struct stat found = {};
    bool ours = fstat(file, &found) == 0 && found.st_nlink == 0 &&
                fcntl(file, F_SETLEASE, F_WRLCK) == 0 && fcntl(file, F_SETLEASE, F_UNLCK) == 0;
    if (!ours) {
        close(file);
        return 0;
    }
    going_.push_back(file);
    while (going_.size() > going_max) free_some(false);
    return 0;
}

int FileDisk::open_to_free(const std::string& path) {
    struct stat found = {};
    if (stat(path.c_str(), &found) != 0 || found.st_size <= freed_bytes) return -1;
    return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

bool FileDisk::free_some(bool rest) {
    if (going_.empty()) return false;
    uint64_t started_ns = uv_hrtime();
    struct stat found = {};
    int file = going_.back();
    bool more = fstat(file, &found) == 0 && found.st_size > freed_bytes &&
                ftruncate(file, found.st_size - freed_bytes) == 0;
    if (!more) {
        close(file);
        going_.pop_back();
    }
    uint64_t took_us = (uv_hrtime() - started_ns) / 1000;
    if (rest) usleep(static_cast<useconds_t>(std::min(took_us, rest_us_max)));
    return true;
}

// If another lane's change comes between, its turn to be noticed is the next list, as ever.
void FileDisk::name_changed() {
    uint64_t before = names_.fetch_add(1, std::memory_order_acq_rel);
    if (before == names_seen_) names_seen_ = before + 1;
}

int FileDisk::open_file(const std::string& path) {
    if (file_ >= 0 && path == path_) return 0;
    close_file();
    names_seen_ = names_.load(std::memory_order_acquire);
    file_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file_ < 0) return errno;
    path_ = path;
    if (way_ == Way::direct) direct_.open(path_);
    return 0;
}

FileDisk::~FileDisk() {
    close_file();
    for (int file : going_) close(file);
}

void FileDisk::close_file() {
    direct_.close();
    if (file_ >= 0) close(file_);
    file_ = -1;
    path_.clear();
}

Result<size_t> FileDisk::read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out) {
    auto failed = [&](int error) { return Error{path + ": " + strerror(error), error}; };
    if (names_seen_ != names_.load(std::memory_order_acquire)) close_file();
    int error = open_file(path);
    if (error != 0) return failed(error);
    size_t done = 0;
    while (done < out.size()) {
        ssize_t n =
            pread(file_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return failed(errno);
        if (n == 0) break;
        done += static_cast<size_t>(n);
    }
    return done;
}

void DiskLane::start(uv_async_t* finished) {
    finished_ = finished;
    int failed = uv_mutex_init(&mutex_) | uv_sem_init(&jobs_, 0);
    ASSERT(failed == 0);
    // Signals are for the loop's thread: here one would only interrupt a write.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = uv_thread_create(&thread_, work, this);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ASSERT(failed == 0);
    started_ = true;
}

void DiskLane::stop() {
    if (!started_) return;
    uv_mutex_lock(&mutex_);
    stopping_ = true;
    uv_mutex_unlock(&mutex_);
    uv_sem_post(&jobs_);
    uv_thread_join(&thread_);
    uv_sem_destroy(&jobs_);
    uv_mutex_destroy(&mutex_);
    if (begun_) disk_.ended(true);
    started_ = false;
}

void DiskLane::submit(Job job) {
    ASSERT(started_);
    ASSERT(!begun_);
    if (owed_ == 0 && disk_.begin(job.ops)) {
        begun_ = std::move(job);
        begun_ns_ = uv_hrtime();
    } else {
        to_thread(std::move(job));
    }
}

void DiskLane::to_thread(Job job) {
    ++owed_;
    uv_mutex_lock(&mutex_);
    queue_.push_back(std::move(job));
    uv_mutex_unlock(&mutex_);
    uv_sem_post(&jobs_);
}

void DiskLane::take_done(std::vector<Done>& done) {
    if (owed_ > 0) {
        uv_mutex_lock(&mutex_);
        owed_ -= done_.size();
        done.insert(done.end(), std::move_iterator(done_.begin()), std::move_iterator(done_.end()));
        done_.clear();
        uv_mutex_unlock(&mutex_);
    }
    std::optional<int> error = disk_.ended(false);
    if (!error) return;
    Job job = std::move(*begun_);
    begun_.reset();
    // Write and sync were one: if it failed, the sync may have.
    if (*error == EAGAIN)
        to_thread(std::move(job));
    else
        done.push_back({.ticket = job.ticket,
                        .result = {.error = *error,
                                   .failed_op = 1,
                                   .took_us = (uv_hrtime() - begun_ns_) / 1000}});
}

void DiskLane::work(void* lane) { static_cast<DiskLane*>(lane)->work_loop(); }

void DiskLane::wait_for_job() {
    while (uv_sem_trywait(&jobs_) != 0) {
        if (disk_.free_some()) continue;
        uv_sem_wait(&jobs_);
        return;
    }
}

void DiskLane::work_loop() {
    std::vector<Job> jobs;
    size_t next = 0;
    for (;;) {
        wait_for_job();
        uv_mutex_lock(&mutex_);
        bool stopping = stopping_;
        if (next == jobs.size()) {
            jobs.clear();
            next = 0;
            std::swap(jobs, queue_);
        }
        uv_mutex_unlock(&mutex_);
        if (stopping) return;
        ASSERT(next < jobs.size());
        Job job = std::move(jobs[next++]);
        Done done{.ticket = job.ticket, .result = disk_.run(job.ops)};
        uv_mutex_lock(&mutex_);
        done_.push_back(std::move(done));
        uv_mutex_unlock(&mutex_);
        uv_async_send(finished_);
    }
}

}  // namespace zk
