// part_reader.h -- files read from one end to the other, a part while the last one is looked at.
//
// Layer 6, for a start. Owns the room of two parts, and a thread while one is read ahead; a part of
// more than 64 MB is not. One of which the page cache has no more than half is read past it: zkd
// writes that way, so most of its files are not there, and to fill the cache takes a processor
// longer than many a disk.
//
//     read(a, b)   reads a  |  a is looked at  |  read(b, c)   has b  |  b is looked at
//                           |  a thread: b     |                      |  a thread: c

#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/io.h"

namespace zk {

class PartReader {
public:
    PartReader() = default;
    ~PartReader() { close(); }
    PartReader(const PartReader&) = delete;
    PartReader& operator=(const PartReader&) = delete;

    // See Io::read_part.
    Result<Bytes> read(const FilePart& part, const FilePart& next);
    // Gives the room back.
    void close();

private:
    struct Piece {
        FilePart part;
        uint8_t* memory = nullptr;  // whole pages
        size_t room = 0;
        size_t size = 0;  // of what was read
        int error = 0;
    };

    static void fill(Piece& piece);
    static size_t read_direct(const Piece& piece);
    static void fill_ahead(void* piece) { fill(*static_cast<Piece*>(piece)); }
    static void make_room(Piece& piece, size_t bytes);
    void end_thread();

    Piece now_;
    Piece ahead_;  // the thread's while there is one
    uv_thread_t thread_{};
    bool running_ = false;
};

}  // namespace zk
