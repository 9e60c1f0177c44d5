// founding.cc -- see founding.h.

#include "storage/founding.h"

#include <cstring>

#include "storage/segment.h"

namespace zk {

namespace {

std::string path_in(const std::string& directory) { return directory + "/founding"; }

DiskOp op_of(DiskOpKind kind, const std::string& path, std::string to = {}) {
    return {.kind = kind, .path = path, .to = std::move(to), .offset = 0, .size = 0, .data = {}};
}

Result<void> run(Io& io, const std::vector<DiskOp>& ops) {
    DiskResult done = io.run(ops);
    if (done.error == 0) return {};
    return Error{.text = ops[done.failed_op].path + ": " + strerror(done.error),
                 .code = done.error};
}

// A file that grows as the snapshot is made.
struct Growing {
    Io& io;
    std::string path;
    uint64_t size = 0;
    int error = 0;

    static bool write(void* context, Bytes bytes) {
        auto& file = *static_cast<Growing*>(context);
        DiskOp op = op_of(DiskOpKind::write, file.path);
        op.offset = file.size;
        op.data = bytes;
        file.error = file.io.run({&op, 1}).error;
        file.size += bytes.size();
        return file.error == 0;
    }
};

}  // namespace

Result<void> write_founding(Io& io, const std::string& data_directory, const State& state,
                            uint64_t ensemble, const Position& last) {
    Growing file{.io = io, .path = path_in(data_directory)};
    Result<void> made = run(io, {op_of(DiskOpKind::remove, file.path),
                                 op_of(DiskOpKind::create, file.path)});
    if (!made) return made;
    auto job = make_snapshot_job(state, ensemble, last, io.wall_ms());
    if (!write_snapshot(job.get(), {.context = &file, .write = Growing::write}))
        return Error{.text = file.path + ": " + strerror(file.error), .code = file.error};
    return run(io, {op_of(DiskOpKind::sync, file.path),
                    op_of(DiskOpKind::sync_dir, data_directory)});
}

Result<void> finish_founding(Io& io, const std::string& data_directory,
                             const std::string& log_directory, uint64_t ensemble) {
    std::string path = path_in(data_directory);
    Result<std::vector<std::string>> names = io.list(data_directory);
    if (!names) return names.error();
    bool there = false;
    for (const std::string& name : *names) there = there || name == "founding";
    if (!there) return {};
    uint8_t head[snapshot_header_size];
    Result<size_t> got = io.read_at(path, 0, head);
    if (!got) return got.error();
    Result<SnapshotHeader> header = Error{.text = "too short", .code = 0};
    if (*got == sizeof head) header = decode_snapshot_header(head, path, ensemble);
    if (!header)
        return run(io, {op_of(DiskOpKind::remove, path),
                        op_of(DiskOpKind::sync_dir, data_directory)});
    std::vector<DiskOp> ops;
    auto replace = [&](const std::string& directory) -> Result<void> {
        Result<std::vector<std::string>> all = io.list(directory);
        if (!all) return all.error();
        for (const std::string& name : *all)
            if (segment_number(name) || snapshot_zxid(name))
                ops.push_back(op_of(DiskOpKind::rename, directory + "/" + name,
                                    directory + "/replaced." + name));
        ops.push_back(op_of(DiskOpKind::sync_dir, directory));
        return {};
    };
    // The log first: snapshots without a log are not taken for a whole node.
    if (Result<void> done = replace(log_directory); !done) return done;
    if (data_directory != log_directory)
        if (Result<void> done = replace(data_directory); !done) return done;
    ops.push_back(op_of(DiskOpKind::rename, path,
                        data_directory + "/" + snapshot_name(header->last.zxid)));
    ops.push_back(op_of(DiskOpKind::sync_dir, data_directory));
    return run(io, ops);
}

}  // namespace zk
