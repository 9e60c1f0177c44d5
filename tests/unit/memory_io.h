// memory_io.h -- a disk in memory, for tests of storage: what is written is there, until a test
// damages it. Submitted work waits until `finish`, so that a test can look in between.

#pragma once

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/io.h"

namespace zk {

class MemoryIo : public Io {
public:
    std::map<std::string, std::vector<uint8_t>> files;
    uint64_t room = ~uint64_t{0};  // bytes that files may have in all
    int fail_sync = 0;             // errno of every sync from now on
    uint64_t clock_us = 1;
    uint8_t chance = 1;

    struct Submitted {
        Lane lane;
        uint64_t ticket;
        std::vector<DiskOp> ops;
    };
    std::vector<Submitted> submitted;

    uint64_t now_us() override { return clock_us; }
    int64_t wall_ms() override { return 1'000'000; }
    void random(std::span<uint8_t> out) override {
        for (uint8_t& byte : out) byte = chance++;
    }
    void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) override {
        submitted.push_back({lane, ticket, std::move(ops)});
    }
    DiskResult run(std::span<const DiskOp> ops) override {
        DiskResult result;
        for (uint32_t i = 0; i < ops.size(); ++i) {
            result.failed_op = i;
            result.error = run_one(ops[i]);
            if (result.error != 0) break;
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

    Result<std::vector<std::string>> list(const std::string& directory) override {
        std::vector<std::string> names;
        for (const auto& [path, bytes] : files)
            if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
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
    size_t send(ClientId, Buffer&) override { return 0; }
    void close(ClientId) override {}
    void pause(ClientId, bool) override {}

private:
    uint64_t used() const {
        uint64_t bytes = 0;
        for (const auto& [path, file] : files) bytes += file.size();
        return bytes;
    }
    int run_one(const DiskOp& op) {
        auto found = files.find(op.path);
        bool there = found != files.end();
        switch (op.kind) {
        case DiskOpKind::create:
            if (used() + op.size > room) return ENOSPC;
            files[op.path].assign(op.size, 0);
            return 0;
        case DiskOpKind::write:
            if (!there) return ENOENT;
            if (op.offset + op.data.size() > found->second.size())
                found->second.resize(op.offset + op.data.size());
            std::copy(op.data.begin(), op.data.end(),
                      found->second.begin() + static_cast<ptrdiff_t>(op.offset));
            return 0;
        case DiskOpKind::sync: return there ? fail_sync : ENOENT;
        case DiskOpKind::rename:
            if (!there) return ENOENT;
            files[op.to] = std::move(found->second);
            files.erase(op.path);
            return 0;
        case DiskOpKind::remove: files.erase(op.path); return 0;
        case DiskOpKind::sync_dir: return 0;
        case DiskOpKind::truncate:
            if (!there) return ENOENT;
            found->second.resize(op.size);
            return 0;
        }
        return EINVAL;
    }
};

}  // namespace zk
