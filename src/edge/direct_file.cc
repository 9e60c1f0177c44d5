// direct_file.cc -- see direct_file.h.

#include "edge/direct_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace zk {

DirectFile::~DirectFile() {
    close();
    drop_ring();
    if (event_ >= 0) ::close(event_);
    if (stage_ != nullptr) munmap(stage_, stage_bytes);
}

int DirectFile::open_file(const std::string& path) {
    return ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
}

int DirectFile::event() {
    if (event_ >= 0) return event_;
    event_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event_ < 0 || make_ring()) return event_;
    drop_ring();
    ::close(std::exchange(event_, -1));
    return -1;
}

// Room for one request and what became of it, shared with the kernel (io_uring(7)).
bool DirectFile::make_ring() {
    io_uring_params asked = {};
    ring_.file = static_cast<int>(syscall(SYS_io_uring_setup, 1, &asked));
    if (ring_.file < 0) return false;
    ring_.submit_bytes = asked.sq_off.array + asked.sq_entries * sizeof(uint32_t);
    ring_.done_bytes = asked.cq_off.cqes + asked.cq_entries * sizeof(io_uring_cqe);
    auto map = [&](size_t bytes, off_t what) -> uint8_t* {
        void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        ring_.file, what);
        return at == MAP_FAILED ? nullptr : static_cast<uint8_t*>(at);
    };
    ring_.submit = map(ring_.submit_bytes, IORING_OFF_SQ_RING);
    ring_.done = map(ring_.done_bytes, IORING_OFF_CQ_RING);
    ring_.request = map(sizeof(io_uring_sqe), IORING_OFF_SQES);
    if (ring_.submit == nullptr || ring_.done == nullptr || ring_.request == nullptr) return false;
    auto number = [](uint8_t* at) { return reinterpret_cast<uint32_t*>(at); };
    ring_.submit_tail = number(ring_.submit + asked.sq_off.tail);
    ring_.done_head = number(ring_.done + asked.cq_off.head);
    ring_.done_tail = number(ring_.done + asked.cq_off.tail);
    ring_.done_mask = *number(ring_.done + asked.cq_off.ring_mask);
    ring_.ends = ring_.done + asked.cq_off.cqes;
    *number(ring_.submit + asked.sq_off.array) = 0;  // the only request there is
    return syscall(SYS_io_uring_register, ring_.file, IORING_REGISTER_EVENTFD, &event_, 1) == 0;
}

void DirectFile::drop_ring() {
    if (ring_.submit != nullptr) munmap(ring_.submit, ring_.submit_bytes);
    if (ring_.done != nullptr) munmap(ring_.done, ring_.done_bytes);
    if (ring_.request != nullptr) munmap(ring_.request, sizeof(io_uring_sqe));
    if (ring_.file >= 0) ::close(ring_.file);
    ring_ = {};
}

// Not for a snapshot's child: a page that the disk reads at a fork would have to be copied for it.
bool DirectFile::make_stage() {
    if (stage_ != nullptr) return true;
    void* room =
        mmap(nullptr, stage_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return false;
    madvise(room, stage_bytes, MADV_DONTFORK);
    stage_ = static_cast<uint8_t*>(room);
    return true;
}

void DirectFile::open(const std::string& path) {
    close();
    struct stat found = {};
    if (!make_stage()) return;
    file_ = open_file(path);
    if (file_ < 0) return;
    if (fstat(file_, &found) != 0) return close();
    size_ = static_cast<uint64_t>(found.st_size);
    // A disk with bigger blocks says so here, before anything hangs on it.
    if (takes(block_bytes) && read_block_of(1) != 0) return close();
    known_ = false;
}

void DirectFile::close() {
    ASSERT(begun_ == 0);
    if (file_ >= 0) ::close(file_);
    file_ = -1;
    known_ = works_ = false;
    rest_ = rest_left_ = 0;
}

int DirectFile::read_block_of(uint64_t offset) {
    uint64_t head = offset % block_bytes;
    while (head != 0) {
        ssize_t n = pread(file_, stage_, block_bytes, static_cast<off_t>(offset - head));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n != block_bytes) return EIO;
        break;
    }
    end_ = offset;
    known_ = true;
    return 0;
}

// Behind what the stage has of the first block. Returns the bytes of the blocks.
size_t DirectFile::stage(Bytes data, uint64_t offset) {
    size_t head = offset % block_bytes;
    size_t used = head + data.size();
    size_t blocks = whole_blocks(used);
    ASSERT(blocks <= stage_bytes);
    memcpy(stage_ + head, data.data(), data.size());
    memset(stage_ + used, 0, blocks - used);
    return blocks;
}

void DirectFile::staged_is_written(uint64_t end) {
    uint64_t first = end_ / block_bytes;
    uint64_t last = end / block_bytes;
    if (last > first && end % block_bytes != 0)
        memmove(stage_, stage_ + (last - first) * block_bytes, end % block_bytes);
    end_ = end;
    known_ = true;
}

int DirectFile::write(Bytes data, uint64_t offset) {
    ASSERT(begun_ == 0);
    ASSERT(takes(offset + data.size()));
    // Pages that somebody read are in the way of each begun write.
    posix_fadvise(file_, 0, 0, POSIX_FADV_DONTNEED);
    if (!known_ || end_ != offset)
        if (int error = read_block_of(offset); error != 0) return error;
    known_ = false;
    while (!data.empty()) {
        size_t part = std::min(data.size(), stage_bytes - offset % block_bytes);
        size_t blocks = stage(data.first(part), offset);
        uint64_t at = offset / block_bytes * block_bytes;
        for (size_t done = 0; done < blocks;) {
            ssize_t n = pwrite(file_, stage_ + done, blocks - done, static_cast<off_t>(at + done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return errno;
            if (n < ssize_t{block_bytes}) return n == 0 ? EIO : EINVAL;
            done += static_cast<size_t>(n) / block_bytes * block_bytes;
        }
        offset += part;
        data = data.subspan(part);
        staged_is_written(offset);
    }
    return 0;
}

bool DirectFile::begin(Bytes data, uint64_t offset) {
    ASSERT(begun_ == 0);
    if (ring_.file < 0 || !known_ || end_ != offset) return false;
    if (offset % block_bytes + data.size() > stage_bytes || !takes(offset + data.size()))
        return false;
    if (rest_left_ > 0) {
        --rest_left_;
        return false;
    }
    size_t blocks = stage(data, offset);
    io_uring_sqe request = {};
    request.opcode = IORING_OP_WRITE;
    request.fd = file_;
    request.addr = reinterpret_cast<uintptr_t>(stage_);
    request.len = static_cast<uint32_t>(blocks);
    request.off = offset / block_bytes * block_bytes;
    request.rw_flags = RWF_DSYNC | RWF_NOWAIT;
    memcpy(ring_.request, &request, sizeof request);
    __atomic_store_n(ring_.submit_tail, *ring_.submit_tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring_.file, 1, 0, 0, nullptr, 0) != 1) {
        // It was not taken, and must not be by the next call.
        __atomic_store_n(ring_.submit_tail, *ring_.submit_tail - 1, __ATOMIC_RELEASE);
        have_rest();
        return false;
    }
    begun_ = blocks;
    begun_end_ = offset + data.size();
    return true;
}

// The kernel hands out the end first and then makes the event readable: that may be seen late, when
// nothing is under way any more, and is taken all the same.
std::optional<int> DirectFile::ended(bool wait) {
    uint64_t count = 0;
    [[maybe_unused]] ssize_t taken = read(event_, &count, sizeof count);
    if (begun_ == 0) return {};
    uint32_t head = *ring_.done_head;
    while (head == __atomic_load_n(ring_.done_tail, __ATOMIC_ACQUIRE)) {
        if (!wait) return {};
        syscall(SYS_io_uring_enter, ring_.file, 0, 1, IORING_ENTER_GETEVENTS, nullptr, 0);
    }
    io_uring_cqe event = {};
    memcpy(&event, ring_.ends + (head & ring_.done_mask) * sizeof event, sizeof event);
    __atomic_store_n(ring_.done_head, head + 1, __ATOMIC_RELEASE);
    size_t blocks = std::exchange(begun_, 0);
    if (event.res == static_cast<int64_t>(blocks)) {
        staged_is_written(begun_end_);
        works_ = true;
        rest_ = 0;
        return 0;
    }
    int error = event.res < 0 ? static_cast<int>(-event.res) : 0;
    bool not_here = !works_ && (error == EOPNOTSUPP || error == EINVAL);
    // EFBIG comes before anything is written: write() will say whose fault it is.
    bool again = event.res >= 0 || error == EAGAIN || error == EFBIG || not_here;
    if (!again) return error;
    have_rest();
    return EAGAIN;
}

// Where it was in vain, it is tried again ever more rarely: some file systems always wait.
void DirectFile::have_rest() {
    constexpr uint32_t most = 1000;
    rest_ = std::min(2 * rest_ + 1, most);
    rest_left_ = rest_;
}

}  // namespace zk
