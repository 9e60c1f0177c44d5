// memory_io.h -- a disk in memory, for tests of storage: what is written is there, until a test
// damages it. Submitted work waits until `finish`, so that a test can look in between.
//
// With `can_crash` it also knows what is not synced. `lose_power` then takes any set of unsynced
// sectors of 512 bytes away, and of unsynced names all from some change on. A process that is
// merely killed loses nothing but what is still submitted.
//
//     files    what a process reads          before   per file: its bytes when last synced
//                                            undo     per change of a name: how to take it back

#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/io.h"

namespace zk {

class MemoryIo : public Io {
public:
    std::map<std::string, std::vector<uint8_t>> files;
    uint64_t room = ~uint64_t{0};  // bytes that files may have in all
    int fail_sync = 0;             // errno of every sync from now on
    int fail_after = -1;           // that many ops still go well, then one fails, with
    int fail_with = EIO;
    bool can_crash = false;
    uint64_t clock_us = 1;
    uint8_t chance = 1;
    int promises_kept = 0;  // of what will be read next
    int promises_broken = 0;

    struct Submitted {
        Lane lane;
        uint64_t ticket;
        std::vector<DiskOp> ops;
        uint32_t at = 0;
    };
    std::vector<Submitted> submitted;

    uint64_t now_us() override { return clock_us; }
    int64_t wall_ms() override { return 1'000'000; }
    void random(std::span<uint8_t> out) override {
        for (uint8_t& byte : out) byte = chance++;
    }
    void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) override {
        submitted.push_back({lane, ticket, std::move(ops), 0});
    }
    DiskResult run(std::span<const DiskOp> ops) override {
        DiskResult result;
        for (uint32_t i = 0; i < ops.size(); ++i) {
            result.failed_op = i;
            result.error = run_one(ops[i]);
            if (result.error != 0) break;
            if (ops[i].kind == DiskOpKind::read) read_op(ops[i], result.bytes);
        }
        return result;
    }
    // Does all that was submitted; `done` is told of each.
    void finish(const std::function<void(Lane, uint64_t, const DiskResult&)>& done) {
        while (!submitted.empty()) {
            Submitted next = std::move(submitted.front());
            submitted.erase(submitted.begin());
            done(next.lane, next.ticket, run(next.ops));
        }
    }

    // Runs one op of one lane; false: there is none. The lanes do not wait for each other.
    bool step(Lane lane, const std::function<void(Lane, uint64_t, const DiskResult&)>& done) {
        auto next = std::find_if(submitted.begin(), submitted.end(),
                                 [&](const Submitted& work) { return work.lane == lane; });
        if (next == submitted.end()) return false;
        DiskResult result{.error = run_one(next->ops[next->at]), .failed_op = next->at};
        if (next->ops[next->at].kind == DiskOpKind::read)
            read_op(next->ops[next->at], result.bytes);
        if (result.error == 0 && ++next->at < next->ops.size()) return true;
        uint64_t ticket = next->ticket;
        submitted.erase(next);
        done(lane, ticket, result);
        return true;
    }
    // `random(n)` is below n.
    void lose_power(const std::function<uint64_t(uint64_t)>& random) {
        submitted.clear();
        for (auto& [path, was] : before_) settle(files[path], was, random);
        before_.clear();
        size_t keep = undo_.empty() ? 0 : random(undo_.size() + 1);
        for (; undo_.size() > keep; undo_.pop_back()) undo_.back()();
        undo_.clear();
    }

    Result<std::vector<std::string>> list(const std::string& directory) override {
        std::vector<std::string> names;
        for (const auto& [path, bytes] : files)
            if (path.starts_with(directory + "/"))
                names.push_back(path.substr(directory.size() + 1));
        return names;
    }
    Result<uint64_t> file_size(const std::string& path) override {
        auto found = files.find(path);
        if (found == files.end()) return Error{.text = path + ": not there", .code = ENOENT};
        return uint64_t{found->second.size()};
    }
    Result<size_t> read_at(const std::string& path, uint64_t offset,
                           std::span<uint8_t> out) override {
        auto found = files.find(path);
        if (found == files.end()) return Error{.text = path + ": not there", .code = ENOENT};
        const std::vector<uint8_t>& file = found->second;
        if (offset >= file.size()) return size_t{0};
        size_t size = std::min<size_t>(out.size(), file.size() - offset);
        if (size > 0) memcpy(out.data(), file.data() + offset, size);
        return size;
    }
    // In memory of its own each time: a view that is kept too long is found.
    Result<Bytes> read_part(const FilePart& part, const FilePart& next) override {
        if (promised_.size > 0) ++(part == promised_ ? promises_kept : promises_broken);
        promised_ = next;
        part_ = std::make_unique<uint8_t[]>(part.size);
        Result<size_t> got = read_at(part.path, part.offset, {part_.get(), part.size});
        if (!got) return got.error();
        return Bytes(part_.get(), *got);
    }
    Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                               const void* job) override {
        std::vector<uint8_t> bytes;
        bool good = write(job, {.context = &bytes, .write = [](void* context, Bytes part) {
                                    auto* to = static_cast<std::vector<uint8_t>*>(context);
                                    to->insert(to->end(), part.begin(), part.end());
                                    return true;
                                }});
        if (!good) return Error{.text = "not written"};
        files[path] = std::move(bytes);
        return {};
    }
    Vitals vitals() override { return {}; }
    size_t send(ClientId, Buffer&) override { return 0; }
    void close(ClientId) override {}
    void pause(ClientId, bool) override {}
    LinkId dial(const std::string&, uint16_t) override { return 0; }

private:
    using File = std::vector<uint8_t>;

    FilePart promised_;
    std::unique_ptr<uint8_t[]> part_;

    void read_op(const DiskOp& op, std::vector<uint8_t>& bytes) {
        size_t before = bytes.size();
        bytes.resize(before + op.size);
        bytes.resize(before + *read_at(op.path, op.offset, {bytes.data() + before, op.size}));
    }

    uint64_t used() const {
        uint64_t bytes = 0;
        for (const auto& [path, file] : files) bytes += file.size();
        return bytes;
    }
    // What a loss of power leaves of a file: of each sector the new bytes or the old ones.
    static void settle(File& now, const File& was,
                       const std::function<uint64_t(uint64_t)>& random) {
        constexpr size_t sector = 512;
        if (now.size() != was.size() && random(2) == 0) now.resize(was.size());
        uint64_t taste = random(3);  // all of it, none of it, or by chance
        for (size_t at = 0; at < now.size(); at += sector) {
            if (taste == 0 || (taste == 2 && random(2) == 0)) continue;
            for (size_t i = at; i < std::min(at + sector, now.size()); ++i)
                now[i] = i < was.size() ? was[i] : uint8_t{0};
        }
    }
    void touch(const std::string& path) {
        if (can_crash && !before_.contains(path)) before_[path] = files[path];
    }
    // Before a change to a name: how to take it back.
    void note(const std::string& path) {
        if (!can_crash) return;
        bool there = files.contains(path);
        File file = there ? files[path] : File();
        undo_.push_back([this, path, there, file = std::move(file)] {
            if (there)
                files[path] = file;
            else
                files.erase(path);
        });
    }
    int rename(const DiskOp& op) {
        auto found = files.find(op.path);
        if (found == files.end()) return ENOENT;
        if (can_crash) {
            note(op.to);
            undo_.back() = [this, restore = std::move(undo_.back()), from = op.path, to = op.to] {
                files[from] = std::move(files[to]);
                restore();
            };
        }
        if (auto was = before_.extract(op.path)) {
            was.key() = op.to;
            before_.erase(op.to);
            before_.insert(std::move(was));
        }
        File file = std::move(found->second);
        files.erase(found);
        files[op.to] = std::move(file);
        return 0;
    }
    int run_one(const DiskOp& op) {
        if (fail_after == 0) {
            fail_after = -1;
            return fail_with;
        }
        if (fail_after > 0) --fail_after;
        auto found = files.find(op.path);
        bool there = found != files.end();
        switch (op.kind) {
        case DiskOpKind::create:
            if (used() + op.size > room) return ENOSPC;
            note(op.path);
            files[op.path].clear();
            touch(op.path);
            files[op.path].assign(op.size, 0);
            return 0;
        case DiskOpKind::write:
            if (!there) return ENOENT;
            touch(op.path);
            if (op.offset + op.data.size() > found->second.size())
                found->second.resize(op.offset + op.data.size());
            std::copy(op.data.begin(), op.data.end(),
                      found->second.begin() + static_cast<ptrdiff_t>(op.offset));
            return 0;
        case DiskOpKind::sync:
            if (there && fail_sync == 0) before_.erase(op.path);
            return there ? fail_sync : ENOENT;
        case DiskOpKind::rename: return rename(op);
        case DiskOpKind::remove:
            note(op.path);
            before_.erase(op.path);
            files.erase(op.path);
            return 0;
        case DiskOpKind::sync_dir: undo_.clear(); return 0;
        case DiskOpKind::truncate:
            if (!there) return ENOENT;
            touch(op.path);
            found->second.resize(op.size);
            return 0;
        case DiskOpKind::read: return there ? 0 : ENOENT;
        }
        return EINVAL;
    }

    std::map<std::string, File> before_;
    std::vector<std::function<void()>> undo_;
};

}  // namespace zk
