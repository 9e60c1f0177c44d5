// io.h -- what the world must offer to a node: time, chance, files, clients, peers.
//
// Layer 0. `Io` is the only virtual interface of the project. The edge implements it with libuv,
// threads and a real disk; the simulator with one seed. A node calls Io from its turn and at its
// start; what comes back later (bytes, finished disk work) arrives through Node's `on_*` events,
// which only queue.
//
// Disk work is a list of DiskOps, run strictly in order on a lane; the first failure ends the list.
// The log lane does nothing but write and sync the log, and the vote lane nothing but the record of
// term and vote; everything else goes by the bulk lane. The same ops, run at once by `run`, serve
// the start of a node, when nothing else is going on.
//
// On the log lane a write may turn what lies behind it into zeros, as far as its 4 kB block goes.

#pragma once

#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/pages.h"
#include "base/result.h"

namespace zk {

// A connection, from on_open until the node calls close(). A small number, used again afterwards.
using ClientId = uint32_t;
// The same for a connection to another node of the ensemble; both are numbers of one series.
using LinkId = uint32_t;

struct Address {
    uint8_t ip[16] = {};  // IPv4 as ::ffff:a.b.c.d
    uint16_t port = 0;

    bool operator==(const Address&) const = default;
};

enum class DiskOpKind : uint8_t {
    create,    // a new file of `size` bytes whose blocks are allocated (or as good as); zero-filled
    write,     // `data` at `offset`; never makes a file longer unless the file was not preallocated
    sync,      // fdatasync of the file
    rename,    // `path` becomes `to`, replacing it
    remove,    // no error if it is not there
    sync_dir,  // fsync of the directory `path`
    truncate,  // to `size`
    read,      // `size` bytes at `offset`, or what there is of them, into the result
};

struct DiskOp {
    DiskOpKind kind = DiskOpKind::sync;
    std::string path = {};
    std::string to = {};  // rename
    uint64_t offset = 0;  // write
    uint64_t size = 0;    // create, truncate, read
    Bytes data = {};      // write; the caller keeps the bytes unchanged until the list is done
};

// Is it for lack of room? A file that may not grow so large is as good as none.
inline bool no_room(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

struct DiskResult {
    int error = 0;           // errno of the op that failed, 0 if all went well
    uint32_t failed_op = 0;  // which of the list
    uint64_t took_us = 0;    // until the world took note
    std::vector<uint8_t> bytes = {};  // of all that was read, one behind the other
};

// Of size 0: none.
struct FilePart {
    std::string path = {};
    uint64_t offset = 0;
    size_t size = 0;

    bool operator==(const FilePart&) const = default;
};

// What an operator wants to know of the process and its loop.
struct Vitals {
    uint64_t open_files = 0;
    uint64_t open_files_max = 0;   // the limit
    uint64_t fork_us = 0;          // how long the last snapshot's fork held the loop up
    uint64_t copied_bytes = 0;     // because pages changed while that child lived
};

enum class Lane : uint8_t { log, bulk, vote };

// Where a snapshot's bytes go, in order. False: the disk refused; nothing more need be written.
struct Sink {
    void* context = nullptr;
    bool (*write)(void* context, Bytes bytes) = nullptr;
};
using WriteSnapshot = bool (*)(const void* job, Sink sink);

class Io {
public:
    Io() = default;
    Io(const Io&) = delete;
    Io& operator=(const Io&) = delete;
    virtual ~Io() = default;

    // Time. Monotonic microseconds, read once a turn, and milliseconds since 1970.
    virtual uint64_t now_us() = 0;
    virtual int64_t wall_ms() = 0;
    // Unpredictable bytes: passwords, ids, seeds.
    virtual void random(std::span<uint8_t> out) = 0;

    // Runs the list on its lane; Node::on_disk(lane, ticket, result) tells when it is done.
    virtual void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) = 0;

    // At start only: the caller waits.
    virtual DiskResult run(std::span<const DiskOp> ops) = 0;
    // Names, sorted.
    virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
    virtual Result<uint64_t> file_size(const std::string& path) = 0;
    // Fills `out` from `offset` on; returns how much there was.
    virtual Result<size_t> read_at(const std::string& path, uint64_t offset,
                                   std::span<uint8_t> out) = 0;
    // What there is of that part, good until the next call. `next` is what will be asked for then,
    // if it has a size: a world with threads reads it meanwhile.
    virtual Result<Bytes> read_part(const FilePart& part, const FilePart& next) = 0;

    // Forks; the child writes `path` by way of a temporary file: write(job, sink), sync, rename,
    // sync of the directory. Node::on_snapshot tells how it ended. One at a time.
    virtual Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                                       const void* job) = 0;

    // Works on the pages of these ranges beside the turns, one after the other (pages.h). They may
    // go out of use meanwhile. What comes while it is busy is not taken: `ranges` is as it was. A
    // world without such pages does nothing.
    virtual void work_on_pages(PageWork, std::vector<PageRange>& ranges) { ranges.clear(); }
    virtual bool pages_busy() { return false; }
    virtual Vitals vitals() = 0;

    // Clients. `send` takes all of `bytes` and returns how much is not on its way yet; on_drained
    // tells when that is nothing again. `close` is called exactly once for every client ever
    // opened, whoever ended it: what was sent still goes out (for a short while), no event comes
    // after it, and the number may be used again. A paused client is not read.
    virtual size_t send(ClientId client, Buffer& bytes) = 0;
    virtual void close(ClientId client) = 0;
    // Both, of one who is done: whatever he says behind this need not be taken in.
    virtual void send_and_close(ClientId client, Buffer& bytes) {
        if (!bytes.empty()) send(client, bytes);
        close(client);
    }
    virtual void pause(ClientId client, bool paused) = 0;

    // Peers. A link is used as a client is: send, close exactly once, pause, and the same events.
    // `dial` looks the name up anew each time; Node::on_dialed tells when the link stands, or
    // on_end that it does not. Those that others dialed come by Node::on_peer.
    virtual LinkId dial(const std::string& host, uint16_t port) = 0;
};

}  // namespace zk
