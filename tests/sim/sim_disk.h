// sim_disk.h -- a machine's disk: files with what is cached and what would survive a loss of power.
//
// Owns the bytes of one machine; it outlives the processes that run there. Two pictures of it:
//
//     now    what a process reads and writes         safe   what a loss of power leaves for sure
//     names  -> inodes                               names  -> the same inodes
//     bytes, size                                    bytes, size
//
// `sync` makes a file's bytes safe, `sync_dir` a directory's names. A loss of power takes away what
// is not safe, or leaves some of it: of unsynced bytes any set of 512-byte sectors may be there, of
// unsynced names a first part in the order in which they changed. A process that is killed loses
// nothing but what it had not asked for yet.
//
// Fails where it is told to: no room (`capacity`), and `fail_next`. A sync that fails may have
// written any of its sectors and forgets that the others are unwritten, as Linux does: they can be
// read until the power is lost, and a later sync does nothing for them.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/io.h"
#include "chance.h"

namespace zk::sim {

class SimDisk {
public:
    explicit SimDisk(Chance chance) : chance_(chance) {}

    // Runs one op; an errno or 0.
    int run(const DiskOp& op);
    // As much of the op as a crash in the middle of it leaves.
    void run_torn(const DiskOp& op);

    std::vector<std::string> list(const std::string& directory) const;
    const std::vector<uint8_t>* read(const std::string& path) const;  // nullptr: no such file

    // Everything unsynced is in doubt; what is left is safe.
    void lose_power();

    // Bytes that all files may hold together.
    uint64_t capacity = ~uint64_t{0};
    bool copies_on_write = false;  // to write over what is there takes room, too
    uint64_t used() const;
    // The next op for which this says so fails with the errno it gives.
    std::function<int(const DiskOp& op)> fail_next;
    // Told of bytes that were written, wholly or, torn, in part; and of a sync that went well.
    std::function<void(const std::string& path, Bytes bytes)> on_write;
    std::function<void(const std::string& path)> on_sync;

    // A copy to try things on; without the functions.
    SimDisk copy(Chance chance) const;
    // All is gone: another disk, of the same size.
    void wipe();
    // Flips one bit, of what a loss of power leaves, too. Requires: the file has that many bytes.
    void flip(const std::string& path, uint64_t offset, int bit);

private:
    static constexpr uint64_t sector = 512;
    static constexpr uint64_t block = 4096;

    struct Inode {
        std::vector<uint8_t> now;
        std::vector<uint8_t> safe;
        std::map<uint64_t, uint64_t> dirty;  // begin -> end, in bytes; those of `now`
        uint64_t links = 0;                  // names in either picture
    };
    struct NameChange {
        std::string path;
        uint64_t inode;  // 0: the name is gone
    };

    int create(const DiskOp& op);
    int write(const DiskOp& op);
    void zero_behind(const DiskOp& op);
    int sync(const DiskOp& op);
    int rename(const DiskOp& op);
    int remove(const DiskOp& op);
    int truncate(const DiskOp& op);
    void set_name(const std::string& path, uint64_t inode);
    void set_safe_name(const std::string& path, uint64_t inode);
    void drop_link(uint64_t inode);
    void settle(Inode& inode, uint64_t keep_permille);
    Inode* find(const std::string& path);

    Chance chance_;
    std::map<uint64_t, Inode> inodes_;
    uint64_t next_inode_ = 1;
    std::map<std::string, uint64_t> names_;
    std::map<std::string, uint64_t> safe_names_;
    std::map<std::string, std::vector<NameChange>> changes_;  // by directory
};

}  // namespace zk::sim
