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
constexpr size_t ahead_max = 64 * 1024 * 1024;

size_t whole_blocks(size_t bytes) { return (bytes + block - 1) / block * block; }

// How much was read, and the errno of what ended it.
std::pair<size_t, int> read_all(int file, uint8_t* to, size_t bytes, uint64_t offset) {
    size_t done = 0;
    while (done < bytes) {
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
    if (part.size > 0 && ahead_.part == part) {
        std::swap(now_, ahead_);
    } else {
        now_.part = part;
        fill(now_);
    }
    ahead_.part = {};
    if (next.size > 0 && next.size <= ahead_max) {
        ahead_.part = next;
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
    if (!is_cached(file, part)) piece.size = read_direct(piece);
    // Whatever ended that, the end of the file or a file system that does not know it.
    auto [more, error] = read_all(file, piece.memory + piece.size, part.size - piece.size,
                                  part.offset + piece.size);
    ::close(file);
    piece.size += more;
    piece.error = error;
}

size_t PartReader::read_direct(const Piece& piece) {
    const FilePart& part = piece.part;
    int file = open(part.path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (file < 0) return 0;
    size_t done = read_all(file, piece.memory, whole_blocks(part.size), part.offset).first;
    ::close(file);
    return std::min(done, part.size);
}

}  // namespace zk
