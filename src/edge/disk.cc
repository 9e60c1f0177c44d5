// disk.cc -- see disk.h.

#include "edge/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace zk {

namespace {

constexpr size_t zero_slice = 256 * 1024;

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

// Real zeros, so that a later fdatasync finds no extent to convert and has less to write.
int fill(int file, uint64_t size) {
    int error = posix_fallocate(file, 0, static_cast<off_t>(size));
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) return error;
    static const uint8_t zeros[zero_slice] = {};
    for (uint64_t at = 0; at < size; at += zero_slice) {
        size_t part = static_cast<size_t>(std::min<uint64_t>(zero_slice, size - at));
        error = write_all(file, Bytes(zeros, part), at);
        if (error != 0) return error;
    }
    return 0;
}

}  // namespace

FileDisk::~FileDisk() { close_file(); }

void FileDisk::close_file() {
    if (file_ >= 0) close(file_);
    file_ = -1;
    path_.clear();
}

int FileDisk::open_file(const std::string& path, int flags) {
    if (file_ >= 0 && path == path_ && (flags & O_CREAT) == 0) return 0;
    close_file();
    file_ = open(path.c_str(), flags | O_RDWR | O_CLOEXEC, 0644);
    if (file_ < 0) return errno;
    path_ = path;
    return 0;
}

DiskResult FileDisk::run(std::span<const DiskOp> ops) {
    uint64_t start = uv_hrtime();
    DiskResult result;
    for (uint32_t i = 0; i < ops.size(); ++i) {
        result.error = run_one(ops[i]);
        result.failed_op = i;
        if (result.error != 0) break;
    }
    result.took_us = (uv_hrtime() - start) / 1000;
    return result;
}

int FileDisk::run_one(const DiskOp& op) {
    switch (op.kind) {
    case DiskOpKind::create: {
        int error = open_file(op.path, O_CREAT | O_TRUNC);
        if (error == 0) error = fill(file_, op.size);
        if (error == 0) return 0;
        close_file();
        unlink(op.path.c_str());
        return error;
    }
    case DiskOpKind::write: {
        int error = open_file(op.path, 0);
        return error != 0 ? error : write_all(file_, op.data, op.offset);
    }
    case DiskOpKind::sync: {
        int error = open_file(op.path, 0);
        if (error != 0) return error;
        return fdatasync(file_) == 0 ? 0 : errno;
    }
    case DiskOpKind::rename: {
        int error = rename(op.path.c_str(), op.to.c_str()) == 0 ? 0 : errno;
        if (error == 0 && path_ == op.path)
            path_ = op.to;  // the same file by its new name
        else if (path_ == op.to)
            close_file();
        return error;
    }
    case DiskOpKind::remove: {
        if (path_ == op.path) close_file();
        if (unlink(op.path.c_str()) == 0 || errno == ENOENT) return 0;
        return errno;
    }
    case DiskOpKind::sync_dir: return sync_directory(op.path);
    case DiskOpKind::truncate: {
        int error = open_file(op.path, 0);
        if (error != 0) return error;
        return ftruncate(file_, static_cast<off_t>(op.size)) == 0 ? 0 : errno;
    }
    }
    return EINVAL;
}

void DiskLane::start(uv_async_t* finished) {
    finished_ = finished;
    ASSERT(uv_mutex_init(&mutex_) == 0);
    ASSERT(uv_cond_init(&wake_) == 0);
    ASSERT(uv_thread_create(&thread_, work, this) == 0);
    started_ = true;
}

void DiskLane::stop() {
    if (!started_) return;
    uv_mutex_lock(&mutex_);
    stopping_ = true;
    queue_.clear();
    uv_cond_signal(&wake_);
    uv_mutex_unlock(&mutex_);
    uv_thread_join(&thread_);
    uv_cond_destroy(&wake_);
    uv_mutex_destroy(&mutex_);
    started_ = false;
}

void DiskLane::submit(Job job) {
    uv_mutex_lock(&mutex_);
    queue_.push_back(std::move(job));
    uv_cond_signal(&wake_);
    uv_mutex_unlock(&mutex_);
}

std::vector<DiskLane::Done> DiskLane::take_done() {
    std::vector<Done> done;
    uv_mutex_lock(&mutex_);
    std::swap(done, done_);
    uv_mutex_unlock(&mutex_);
    return done;
}

void DiskLane::work(void* lane) { static_cast<DiskLane*>(lane)->work_loop(); }

void DiskLane::work_loop() {
    FileDisk disk;
    std::vector<Job> jobs;
    for (;;) {
        uv_mutex_lock(&mutex_);
        while (queue_.empty() && !stopping_) uv_cond_wait(&wake_, &mutex_);
        if (stopping_) {
            uv_mutex_unlock(&mutex_);
            return;
        }
        std::swap(jobs, queue_);
        uv_mutex_unlock(&mutex_);
        for (const Job& job : jobs) {
            Done done{.ticket = job.ticket, .result = disk.run(job.ops)};
            uv_mutex_lock(&mutex_);
            done_.push_back(done);
            uv_mutex_unlock(&mutex_);
            uv_async_send(finished_);
        }
        jobs.clear();
    }
}

}  // namespace zk
