// sim_disk.cc -- see sim_disk.h.

#include "sim_disk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace zk::sim {

namespace {

std::string directory_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == path.npos ? "." : path.substr(0, slash);
}

}  // namespace

int SimDisk::run(const DiskOp& op) {
    if (fail_next) {
        if (int error = fail_next(op); error != 0) {
            // What a failed sync leaves is anybody's guess.
            Inode* inode = op.kind == DiskOpKind::sync ? find(op.path) : nullptr;
            if (inode != nullptr) settle(*inode, chance_.below(1001));
            if (op.kind == DiskOpKind::write && chance_.percent(50)) run_torn(op);
            return error;
        }
    }
    switch (op.kind) {
    case DiskOpKind::create: return create(op);
    case DiskOpKind::write: {
        int error = write(op);
        if (error == 0) zero_behind(op);
        return error;
    }
    case DiskOpKind::sync: return sync(op);
    case DiskOpKind::rename: return rename(op);
    case DiskOpKind::remove: return remove(op);
    case DiskOpKind::sync_dir: {
        for (const NameChange& change : changes_[op.path]) set_safe_name(change.path, change.inode);
        changes_[op.path].clear();
        return 0;
    }
    case DiskOpKind::truncate: return truncate(op);
    case DiskOpKind::read: return read(op.path) != nullptr ? 0 : ENOENT;
    }
    return EINVAL;
}

void SimDisk::run_torn(const DiskOp& op) {
    if (op.kind != DiskOpKind::write) {
        if (op.kind != DiskOpKind::sync && chance_.percent(50)) run(op);
        return;
    }
    if (on_write) on_write(op.path, op.data);
    DiskOp part = op;
    uint64_t size = op.data.size();
    part.data = op.data.first(chance_.percent(30) ? size : chance_.below(size + 1));
    auto told = std::move(on_write);
    on_write = nullptr;
    write(part);
    on_write = std::move(told);
}

int SimDisk::create(const DiskOp& op) {
    uint64_t freed = 0;
    if (Inode* old = find(op.path)) freed = old->now.size();
    uint64_t in_use = used() - freed;
    bool fits = capacity >= in_use && capacity - in_use >= op.size;
    if (!fits) {
        remove(op);
        return ENOSPC;
    }
    if (Inode* old = find(op.path)) {
        // Opened with O_TRUNC: the same file, emptied.
        old->now.assign(op.size, 0);
        old->dirty.clear();
        old->dirty[0] = op.size;
        return 0;
    }
    uint64_t number = next_inode_++;
    Inode& inode = inodes_[number];
    inode.now.assign(op.size, 0);
    inode.dirty[0] = op.size;
    set_name(op.path, number);
    return 0;
}

// Some writes take whole blocks, as the edge's direct ones do. Which, is no matter of chance, so
// that seeds keep their meaning.
void SimDisk::zero_behind(const DiskOp& op) {
    std::vector<uint8_t>& bytes = find(op.path)->now;
    uint64_t end = op.offset + op.data.size();
    uint64_t block_end = std::min((end + block - 1) / block * block, bytes.size());
    if ((end * 0x9e3779b97f4a7c15u) >> 63 != 0 || end == block_end) return;
    memset(bytes.data() + end, 0, block_end - end);
    uint64_t& dirty_end = find(op.path)->dirty[end];
    dirty_end = std::max(dirty_end, block_end);
}

int SimDisk::write(const DiskOp& op) {
    Inode* inode = find(op.path);
    if (inode == nullptr) return ENOENT;
    uint64_t begin = op.offset;
    uint64_t end = begin + op.data.size();
    int error = 0;
    if (end > inode->now.size()) {
        uint64_t in_use = used();
        uint64_t room = capacity > in_use ? capacity - in_use : 0;
        if (end - inode->now.size() > room) {
            error = ENOSPC;
            end = std::max(begin, inode->now.size() + room);
        }
        if (end > inode->now.size()) inode->now.resize(end, 0);
    } else if (copies_on_write && capacity < used() + op.data.size()) {
        error = ENOSPC;
        end = begin + chance_.below(op.data.size());
    }
    Bytes bytes = op.data.first(end - begin);
    if (!bytes.empty()) {
        memcpy(inode->now.data() + begin, bytes.data(), bytes.size());
        uint64_t& dirty_end = inode->dirty[begin];
        dirty_end = std::max(dirty_end, end);
    }
    if (error == 0 && on_write) on_write(op.path, op.data);
    return error;
}

int SimDisk::sync(const DiskOp& op) {
    Inode* inode = find(op.path);
    if (inode == nullptr) return ENOENT;
    inode->safe.resize(inode->now.size(), 0);
    for (auto [begin, end] : inode->dirty) {
        end = std::min<uint64_t>(end, inode->now.size());
        if (begin < end) memcpy(inode->safe.data() + begin, inode->now.data() + begin, end - begin);
    }
    inode->dirty.clear();
    if (on_sync) on_sync(op.path);
    return 0;
}

int SimDisk::rename(const DiskOp& op) {
    auto found = names_.find(op.path);
    if (found == names_.end()) return ENOENT;
    uint64_t inode = found->second;
    ++inodes_[inode].links;  // held while it has no name
    set_name(op.path, 0);
    set_name(op.to, inode);
    drop_link(inode);
    return 0;
}

int SimDisk::remove(const DiskOp& op) {
    if (names_.count(op.path) > 0) set_name(op.path, 0);
    return 0;
}

int SimDisk::truncate(const DiskOp& op) {
    Inode* inode = find(op.path);
    if (inode == nullptr) return ENOENT;
    uint64_t old_size = inode->now.size();
    inode->now.resize(op.size, 0);
    if (op.size > old_size) inode->dirty[old_size] = std::max(inode->dirty[old_size], op.size);
    return 0;
}

void SimDisk::set_name(const std::string& path, uint64_t inode) {
    auto old = names_.find(path);
    if (inode != 0) ++inodes_[inode].links;
    // A change that is not safe yet keeps the file's bytes too.
    if (inode != 0) ++inodes_[inode].links;
    if (old != names_.end()) {
        uint64_t before = old->second;
        names_.erase(old);
        drop_link(before);
    }
    if (inode != 0) names_[path] = inode;
    changes_[directory_of(path)].push_back({.path = path, .inode = inode});
}

void SimDisk::set_safe_name(const std::string& path, uint64_t inode) {
    auto old = safe_names_.find(path);
    uint64_t before = old == safe_names_.end() ? 0 : old->second;
    // The link that the unsafe change held becomes that of the safe name.
    if (inode != 0)
        safe_names_[path] = inode;
    else if (before != 0)
        safe_names_.erase(old);
    if (before != 0) drop_link(before);
}

void SimDisk::drop_link(uint64_t inode) {
    auto found = inodes_.find(inode);
    ASSERT(found != inodes_.end());
    ASSERT(found->second.links > 0);
    if (--found->second.links == 0) inodes_.erase(found);
}

SimDisk::Inode* SimDisk::find(const std::string& path) {
    auto found = names_.find(path);
    return found == names_.end() ? nullptr : &inodes_[found->second];
}

// Decides for each unsynced sector whether it reached the disk, and takes all for written.
void SimDisk::settle(Inode& inode, uint64_t keep_permille) {
    bool keep_size = inode.now.size() == inode.safe.size() || chance_.permille(keep_permille);
    if (keep_size) inode.safe.resize(inode.now.size(), 0);
    for (auto [begin, end] : inode.dirty) {
        end = std::min<uint64_t>(end, std::min(inode.now.size(), inode.safe.size()));
        for (uint64_t at = begin; at < end;) {
            uint64_t next = std::min(end, (at / sector + 1) * sector);
            if (chance_.permille(keep_permille))
                memcpy(inode.safe.data() + at, inode.now.data() + at, next - at);
            at = next;
        }
    }
    inode.dirty.clear();
}

void SimDisk::lose_power() {
    uint64_t keep_permille = chance_.percent(30) ? 0 : chance_.percent(30) ? 1000
                                                                          : chance_.below(1001);
    for (auto& [directory, changes] : changes_) {
        size_t kept = chance_.percent(40) ? 0 : chance_.below(changes.size() + 1);
        for (size_t i = 0; i < changes.size(); ++i) {
            if (i < kept)
                set_safe_name(changes[i].path, changes[i].inode);
            else if (changes[i].inode != 0)
                drop_link(changes[i].inode);
        }
        changes.clear();
    }
    for (const auto& [path, inode] : names_) drop_link(inode);
    names_ = safe_names_;
    for (const auto& [path, inode] : names_) ++inodes_[inode].links;
    for (auto& [number, inode] : inodes_) {
        settle(inode, keep_permille);
        inode.now = inode.safe;
    }
}

uint64_t SimDisk::used() const {
    uint64_t bytes = 0;
    for (const auto& [path, inode] : names_) bytes += inodes_.at(inode).now.size();
    return bytes;
}

std::vector<std::string> SimDisk::list(const std::string& directory) const {
    std::vector<std::string> found;
    std::string prefix = directory + "/";
    for (auto at = names_.lower_bound(prefix); at != names_.end(); ++at) {
        if (at->first.compare(0, prefix.size(), prefix) != 0) break;
        std::string name = at->first.substr(prefix.size());
        if (name.find('/') == name.npos) found.push_back(name);
    }
    return found;
}

const std::vector<uint8_t>* SimDisk::read(const std::string& path) const {
    auto found = names_.find(path);
    return found == names_.end() ? nullptr : &inodes_.at(found->second).now;
}

SimDisk SimDisk::copy(Chance chance) const {
    SimDisk other(chance);
    other.inodes_ = inodes_;
    other.next_inode_ = next_inode_;
    other.names_ = names_;
    other.safe_names_ = safe_names_;
    other.changes_ = changes_;
    return other;
}

void SimDisk::wipe() {
    inodes_.clear();
    names_.clear();
    safe_names_.clear();
    changes_.clear();
}

void SimDisk::flip(const std::string& path, uint64_t offset, int bit) {
    Inode* inode = find(path);
    ASSERT(inode != nullptr);
    ASSERT(offset < inode->now.size());
    inode->now[offset] = static_cast<uint8_t>(inode->now[offset] ^ (1 << bit));
    if (offset < inode->safe.size())
        inode->safe[offset] = static_cast<uint8_t>(inode->safe[offset] ^ (1 << bit));
}

}  // namespace zk::sim
