// part_reader.cc -- see part_reader.h.

#include "edge/part_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/pages.h"
#include "edge/direct_file.h"

namespace zk {

namespace {

constexpr size_t block = DirectFile::block_bytes;
constexpr size_t room_min = 2 * discard_bytes;  // is mapped

size_t whole_blocks(size_t bytes) { return (bytes + block - 1) / block * block; }

// How much was read, and the errno of what ended it. No read begins but at a multiple of `unit`.
std::pair<size_t, int> read_all(int file, uint8_t* to, size_t bytes, uint64_t offset, size_t unit) {
    size_t done = 0;
    while (done < bytes && done % unit == 0) {
        ssize_t n = pread(file, to + done, bytes - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return {done, errno};
        if (n == 0) break;
        done += static_cast<size_t>(n);
    }
    return {done, 0};
}

// Does the page cache have most of it?
bool is_cached(int file, const FilePart& part) {
    void* view = mmap(nullptr, part.size, PROT_READ, MAP_SHARED, file,
                      static_cast<off_t>(part.offset));
    if (view == MAP_FAILED) return true;
    std::vector<uint8_t> there(whole_blocks(part.size) / block);
    bool known = mincore(view, part.size, there.data()) == 0;
    munmap(view, part.size);
    auto pages = std::count_if(there.begin(), there.end(), [](uint8_t one) { return one & 1; });
    return !known || static_cast<size_t>(pages) * 2 > there.size();
}

}  // namespace

Result<Bytes> PartReader::read(const FilePart& part, const FilePart& next) {
    end_thread();
    if (ahead_.part == part) {
        std::swap(now_, ahead_);
    } else {
        now_.part = part;
        fill(now_);
    }
    ahead_.part = next;
    if (next.size > 0) {
        make_room(ahead_, next.size);
        running_ = uv_thread_create(&thread_, fill_ahead, &ahead_) == 0;
        if (!running_) ahead_.part = {};
    }
    if (now_.error != 0) return Error{now_.part.path + ": " + strerror(now_.error), now_.error};
    return Bytes(now_.memory, now_.size);
}

void PartReader::close() {
    end_thread();
    for (Piece* piece : {&now_, &ahead_}) {
        if (piece->memory != nullptr) release_zeroed(piece->memory, piece->room);
        *piece = {};
    }
}

void PartReader::end_thread() {
    if (running_) uv_thread_join(&thread_);
    running_ = false;
}

void PartReader::make_room(Piece& piece, size_t bytes) {
    if (bytes <= piece.room) return;
    if (piece.memory != nullptr) release_zeroed(piece.memory, piece.room);
    piece.room = std::max(whole_blocks(bytes), room_min);
    piece.memory = static_cast<uint8_t*>(allocate_zeroed(piece.room));
}

void PartReader::fill(Piece& piece) {
    const FilePart& part = piece.part;
    make_room(piece, part.size);
    piece.size = 0;
    int file = open(part.path.c_str(), O_RDONLY | O_CLOEXEC);
    piece.error = file < 0 ? errno : 0;
    if (file < 0) return;
    int direct = is_cached(file, part)
                     ? -1
                     : open(part.path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    std::pair<size_t, int> got{0, EINVAL};
    if (direct >= 0) {
        got = read_all(direct, piece.memory, whole_blocks(part.size), part.offset, block);
        ::close(direct);
    }
    // A file system that knows nothing of it says so here at the latest.
    if (got.second == EINVAL) got = read_all(file, piece.memory, part.size, part.offset, 1);
    ::close(file);
    piece.size = std::min(got.first, part.size);
    piece.error = got.second;
}

}  // namespace zk
