// recovery.cc -- see recovery.h.

#include "storage/recovery.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>

#include "base/mutation.h"
#include "state/commands.h"

namespace zk {

namespace {

constexpr size_t tail_batch_bytes = 256u << 10;
constexpr uint64_t page_step = 4u << 20;  // bytes of the log

// A segment as its header tells of it.
struct Found {
    std::string path;
    SegmentHeader header;
    uint64_t size = 0;
};

std::string hex(uint64_t zxid) {
    char text[32];
    snprintf(text, sizeof text, "0x%" PRIx64, zxid);
    return text;
}

Result<std::vector<Found>> find_segments(Io& io, const RecoveryOptions& options) {
    Result<std::vector<std::string>> names = io.list(options.log_directory);
    if (!names) return names.error();
    std::vector<Found> found;
    for (const std::string& name : *names) {
        std::optional<uint64_t> number = segment_number(name);
        if (!number) continue;
        Found segment{.path = options.log_directory + "/" + name, .header = {}, .size = 0};
        Result<uint64_t> size = io.file_size(segment.path);
        if (!size) return size.error();
        segment.size = *size;
        uint8_t head[segment_header_size];
        Result<size_t> got = io.read_at(segment.path, 0, head);
        if (!got) return got.error();
        Result<SegmentHeader> header = decode_segment_header(Bytes(head, *got), segment.path);
        if (!header) return header.error();
        segment.header = *header;
        if (header->ensemble != options.ensemble)
            return Error{.text = segment.path + ": it belongs to another ensemble"};
        if (header->number != *number)
            return damage(segment.path, 0, "its header says it is number " +
                                               std::to_string(header->number));
        found.push_back(std::move(segment));
    }
    std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
        return a.header.number < b.header.number;
    });
    for (size_t i = 1; i < found.size(); ++i)
        if (found[i].header.number != found[i - 1].header.number + 1)
            return Error{.text = options.log_directory + ": between " + found[i - 1].path +
                                 " and " + found[i].path + " a file of the log is missing",
                         .code = EBADMSG};
    return found;
}

// The snapshots that were passed over.
struct PassedOver {
    uint64_t zxid = 0;  // of the newest
    std::string why;
};

Result<void> load_newest(Io& io, const RecoveryOptions& options, Recovered& recovered,
                         PassedOver& passed) {
    Result<std::vector<std::string>> names = io.list(options.data_directory);
    if (!names) return names.error();
    std::vector<uint64_t>& all = recovered.snapshots;
    for (const std::string& name : *names)
        if (std::optional<uint64_t> zxid = snapshot_zxid(name)) all.push_back(*zxid);
    std::sort(all.begin(), all.end());
    for (; !all.empty(); all.pop_back()) {
        uint64_t zxid = all.back();
        std::string path = options.data_directory + "/" + snapshot_name(zxid);
        recovered.state = std::make_unique<State>(options.seed);
        Result<Position> loaded = load_snapshot(io, path, options.ensemble, *recovered.state);
        if (loaded && loaded->zxid != zxid)
            loaded = damage(path, 0, "it is a snapshot of zxid " + hex(loaded->zxid));
        if (loaded) {
            recovered.snapshot_zxid = zxid;
            recovered.snapshot = *loaded;
            return {};
        }
        LOG(warn, "%s; looking for an older snapshot", loaded.error().text.c_str());
        if (passed.why.empty()) passed = {.zxid = zxid, .why = loaded.error().text};
    }
    recovered.state = std::make_unique<State>(options.seed);
    recovered.state->format(options.birth);
    recovered.snapshot.zxid = options.birth;
    return {};
}

FilePart whole(const Found* segment) {
    if (segment == nullptr) return {};
    return {.path = segment->path, .offset = 0, .size = segment->size};
}

// Where each segment must stop: at the earliest start of all that come after it.
std::vector<std::optional<Position>> stops(const std::vector<Found>& segments) {
    std::vector<std::optional<Position>> all(segments.size());
    for (size_t i = segments.size(); i-- > 1;) {
        const Position& start = segments[i].header.start;
        all[i - 1] = all[i] && all[i]->zxid < start.zxid ? all[i] : start;
    }
    return all;
}

// Could a later version have written what this one does not know?
bool known(int32_t op) {
    // Those that only servers make are numbered without a gap.
    if (op >= entry_op::no_op && op <= entry_op::refused) return true;
    if (op == static_cast<int32_t>(Op::create_session) ||
        op == static_cast<int32_t>(Op::close_session))
        return true;
    const Command* command = find_command(op);
    return command != nullptr && command->write != nullptr;
}

// The end of the log, as it must be on the disk.
struct LastBatch {
    uint64_t offset = 0;
    Buffer bytes;
};

// A snapshot that a peer sent supersedes what this log has from there on, if that is of an earlier
// term. Any other difference between the two is a mixture of two histories.
Result<void> match(const Found& segment, const Position& snapshot, const Position& here,
                   bool& superseded) {
    if (here.zxid != snapshot.zxid || here == snapshot) return {};
    superseded = superseded || here.term < snapshot.term;
    if (superseded) return {};
    return Error{.text = segment.path + ": the snapshot of zxid " + hex(snapshot.zxid) +
                         " was not taken of this log",
                 .code = EBADMSG};
}

// The log's entries on their way: into the state as far as they are known to be committed, and into
// the tail behind that.
class Replay {
public:
    Replay(Io& io, Recovered& recovered, uint64_t committed)
        : io_(io),
          recovered_(recovered),
          last_(recovered.snapshot),
          committed_(committed),
          ahead_(recovered.state->tree) {}

    bool superseded() const { return superseded_; }

    // `next` is the segment that will be read then, or nullptr.
    Result<SegmentEnd> read(const Found& segment, const Found* next,
                            const std::optional<Position>& until, LastBatch& last_batch);
    // Applies what turned out to be committed, too.
    void commit(uint64_t zxid);

private:
    Result<void> take(const Found& segment, const Entry& entry, uint64_t checksum, Bytes record);
    void apply(const Entry& entry, const PathKey& known);
    void apply_waiting();
    void keep_pages_ahead();

    Io& io_;
    Recovered& recovered_;
    Position last_;
    uint64_t committed_;
    bool superseded_ = mutated(Mutation::forget_log);
    Buffer reply_;
    std::vector<PageRange> fresh_;  // as long as nobody took them
    uint64_t pages_at_ = page_step;
    // Some entries together, for the memory that they are about is fetched together. They lie in
    // the segment's bytes.
    Tree::Ahead ahead_;
    Entry waiting_[Tree::Ahead::most];
    size_t waiting_count_ = 0;
};

// `last_batch` is filled in if this is the last segment.
Result<SegmentEnd> Replay::read(const Found& segment, const Found* next,
                                const std::optional<Position>& until, LastBatch& last_batch) {
    Result<void> fits =
        match(segment, recovered_.snapshot, segment.header.start, superseded_);
    if (!fits) return fits.error();
    Result<Bytes> bytes = io_.read_part(whole(&segment), whole(next));
    if (!bytes) return bytes.error();
    auto take_entry = [&](const Entry& entry, uint64_t checksum, Bytes record) {
        return take(segment, entry, checksum, record);
    };
    Result<SegmentEnd> end =
        read_segment(*bytes, segment.header, segment.path, until, take_entry);
    apply_waiting();
    if (!end || until) return end;
    last_batch.offset = end->batch_offset;
    last_batch.bytes.append(
        bytes->subspan(end->batch_offset, end->offset - end->batch_offset));
    return end;
}

Result<void> Replay::take(const Found& segment, const Entry& entry, uint64_t checksum,
                          Bytes record) {
    Position here{.term = entry.term, .zxid = entry.zxid, .checksum = checksum};
    Result<void> good = match(segment, recovered_.snapshot, here, superseded_);
    if (!good) return good;
    if (superseded_ || entry.zxid <= last_.zxid) return {};
    if (entry.zxid != last_.zxid + 1)
        return Error{.text = segment.path + ": the log goes on at zxid " + hex(entry.zxid) +
                             ", the state ends at " + hex(last_.zxid),
                     .code = EBADMSG};
    if (!known(entry.op))
        return Error{.text = segment.path + ": the entry of zxid " + hex(entry.zxid) +
                             " is of kind " + std::to_string(entry.op) +
                             ", which this version does not know"};
    if (entry.term != last_.term)
        recovered_.terms.push_back({.zxid = entry.zxid, .term = entry.term});
    recovered_.log.bytes += record.size();
    if (recovered_.log.bytes >= pages_at_) keep_pages_ahead();
    if (entry.zxid <= committed_) {
        waiting_[waiting_count_++] = entry;
        ahead_.add(path_of(entry.body));
        if (waiting_count_ == Tree::Ahead::most) apply_waiting();
    } else {
        std::vector<LogBatch>& tail = recovered_.log.tail;
        if (tail.empty()) recovered_.log.base = last_;
        if (tail.empty() || tail.back().bytes.size() >= tail_batch_bytes) {
            tail.emplace_back();
            tail.back().first_zxid = entry.zxid;
        }
        tail.back().offsets.push_back(static_cast<uint32_t>(tail.back().bytes.size()));
        tail.back().bytes.append(record);
    }
    last_ = here;
    return {};
}

void Replay::apply_waiting() {
    ahead_.fetch();
    for (size_t i = 0; i < waiting_count_; ++i) apply(waiting_[i], ahead_.key(i));
    ahead_.clear();
    waiting_count_ = 0;
}

void Replay::apply(const Entry& entry, const PathKey& known) {
    reply_.clear();
    recovered_.state->apply(entry, reply_, known);
    ++recovered_.entries;
}

void Replay::keep_pages_ahead() {
    pages_at_ = recovered_.log.bytes + page_step;
    recovered_.state->tree.keep_ahead_of_log(fresh_);
    if (!fresh_.empty()) io_.work_on_pages(PageWork::in_haste, fresh_);
}

void Replay::commit(uint64_t zxid) {
    for (const LogBatch& batch : recovered_.log.tail) {
        for (uint64_t at = batch.first_zxid; at <= std::min(zxid, batch.last_zxid()); ++at) {
            Entry entry;
            bool good = decode(batch.bytes_of(at), entry);
            ASSERT(good);
            apply(entry, {});
        }
    }
    recovered_.log.applied = recovered_.state->zxid();
}

// Up to where a member's entries are known to be committed before its log is read; a lone node's
// all are.
uint64_t known_committed(const RecoveryOptions& options, const std::vector<Found>& segments) {
    if (!options.member) return ~uint64_t{0};
    uint64_t committed = options.committed;
    for (const Found& segment : segments)
        committed = std::max(committed, segment.header.committed);
    return committed;
}

// The log's part of recovery.
Result<void> read_log(Io& io, const RecoveryOptions& options, const std::vector<Found>& segments,
                      Recovered& recovered, LastBatch& last_batch) {
    LogStart& log = recovered.log;
    const Position& last = recovered.snapshot;
    log.last = last;
    log.applied = last.zxid;
    if (segments.empty()) {
        if (last.zxid == options.birth) return {};
        return Error{.text = options.log_directory + ": there is no log here, but a snapshot in " +
                             options.data_directory + "; without the log, what was written after "
                             "the snapshot would be lost: is dataLogDir right, and its disk "
                             "mounted?",
                     .code = ENOENT};
    }
    if (segments[0].header.start.zxid > last.zxid)
        return Error{.text = segments[0].path + ": the log begins after zxid " +
                             hex(segments[0].header.start.zxid) +
                             ", but the newest good snapshot is of zxid " + hex(last.zxid),
                     .code = EBADMSG};
    std::vector<std::optional<Position>> until = stops(segments);
    SegmentEnd end;
    Replay replay(io, recovered, known_committed(options, segments));
    std::vector<size_t> needed;
    for (size_t i = 0; i < segments.size(); ++i) {
        const SegmentHeader& header = segments[i].header;
        log.segments.push_back({.number = header.number,
                                .start_zxid = header.start.zxid,
                                .size = segments[i].size});
        // Wholly before the snapshot, or wholly superseded: nothing in it is needed.
        bool skip = until[i] &&
                    (until[i]->zxid <= last.zxid || until[i]->zxid <= header.start.zxid);
        if (!skip) needed.push_back(i);
    }
    for (size_t n = 0; n < needed.size(); ++n) {
        size_t i = needed[n];
        const Found* next = n + 1 < needed.size() ? &segments[needed[n + 1]] : nullptr;
        Result<SegmentEnd> read = replay.read(segments[i], next, until[i], last_batch);
        if (!read) return read.error();
        end = *read;
    }
    replay.commit(end.committed);
    // A snapshot may be newer than the log's end, which then starts anew behind it.
    bool snapshot_newer = end.last.zxid < last.zxid || replay.superseded();
    if (!snapshot_newer) log.last = end.last;
    log.batch = end.batch;
    recovered.torn_bytes = end.torn_bytes;
    log.go_on = !snapshot_newer && end.torn_bytes == 0 && end.batch_ended;
    log.offset = end.offset;
    log.chain = end.chain;
    log.seed = segments.back().header.checksum;
    return {};
}

// Only the last batch was perhaps never synced; but with forceSync=no, until now, none was.
Result<void> sync_what_was_read(Io& io, const RecoveryOptions& options,
                                const std::vector<Found>& segments, const LastBatch& last_batch) {
    std::vector<DiskOp> ops;
    auto add = [&](DiskOpKind kind, const std::string& path) {
        ops.push_back({.kind = kind, .path = path, .to = {}, .offset = 0, .size = 0, .data = {}});
    };
    for (const Found& segment : segments) {
        if (&segment == &segments.back() && !last_batch.bytes.empty()) {
            add(DiskOpKind::write, segment.path);
            ops.back().offset = last_batch.offset;
            ops.back().data = last_batch.bytes.bytes();
        }
        add(DiskOpKind::sync, segment.path);
    }
    add(DiskOpKind::sync_dir, options.log_directory);
    if (options.data_directory != options.log_directory)
        add(DiskOpKind::sync_dir, options.data_directory);
    DiskResult done = io.run(ops);
    if (done.error == 0) return {};
    return Error{.text = ops[done.failed_op].path + ": " + strerror(done.error),
                 .code = done.error};
}

// `log.1` or `snapshot.100000002`: the names of an Apache ZooKeeper, which does not fill them up.
bool apache_name(const std::string& name) {
    if (name == "version-2") return true;
    size_t dot = name.find('.');
    if (dot == std::string::npos) return false;
    std::string head = name.substr(0, dot);
    std::string tail = name.substr(dot + 1);
    return (head == "log" || head == "snapshot") && !tail.empty() && tail.size() < 16 &&
           tail.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

Result<Recovered> recover(Io& io, const RecoveryOptions& options) {
    Recovered recovered;
    PassedOver passed;
    if (Result<void> loaded = load_newest(io, options, recovered, passed); !loaded)
        return loaded.error();
    Result<std::vector<Found>> found = find_segments(io, options);
    if (!found) return found.error();
    LastBatch last_batch;
    Result<void> read = read_log(io, options, *found, recovered, last_batch);
    if (!read) return read.error();
    // A snapshot is taken of what is durable: the log alone must get there too.
    if (passed.zxid > recovered.log.last.zxid)
        return Error{.text = passed.why + "; without it there is nothing after zxid " +
                             hex(recovered.log.last.zxid),
                     .code = EBADMSG};
    if (Result<void> synced = sync_what_was_read(io, options, *found, last_batch);
        !synced)
        return synced.error();
    return recovered;
}

Result<bool> anything_there(Io& io, const std::string& data_directory,
                            const std::string& log_directory) {
    bool ours = false;
    bool apache = false;
    for (const std::string& directory : {data_directory, log_directory}) {
        Result<std::vector<std::string>> names = io.list(directory);
        if (!names) return names.error();
        for (const std::string& name : *names) {
            ours = ours || segment_number(name) || snapshot_zxid(name);
            apache = apache || apache_name(name);
        }
    }
    if (apache && !ours)
        return Error{.text = data_directory + ": this is the data of an Apache ZooKeeper, which "
                                              "zkd does not read; give it a directory of its own"};
    return ours;
}

Result<void> set_aside(Io& io, const std::string& data_directory,
                       const std::string& log_directory) {
    std::vector<std::string> directories{log_directory};
    if (data_directory != log_directory) directories.push_back(data_directory);
    for (const std::string& directory : directories) {
        Result<std::vector<std::string>> names = io.list(directory);
        if (!names) return names.error();
        std::vector<DiskOp> ops;
        auto add = [&](DiskOpKind kind, const std::string& path, std::string to) {
            ops.push_back({.kind = kind, .path = path, .to = std::move(to), .offset = 0,
                           .size = 0, .data = {}});
        };
        for (const std::string& name : *names)
            if (name.starts_with("damaged.")) add(DiskOpKind::remove, directory + "/" + name, {});
        // The log before the snapshots, and its oldest part first: what a crash leaves of them does
        // not look whole.
        for (const std::string& name : *names)
            if (segment_number(name) || snapshot_zxid(name))
                add(DiskOpKind::rename, directory + "/" + name, directory + "/damaged." + name);
        add(DiskOpKind::sync_dir, directory, {});
        DiskResult done = io.run(ops);
        if (done.error != 0)
            return Error{.text = ops[done.failed_op].path + ": " + strerror(done.error),
                         .code = done.error};
    }
    return {};
}

void remove_leftovers(Io& io, const std::string& directory) {
    Result<std::vector<std::string>> names = io.list(directory);
    if (!names) return;
    for (const std::string& name : *names) {
        bool made_by_us = name.starts_with("snapshot.") || name.starts_with("vote.") ||
                          name.starts_with("received.");
        if (!name.starts_with("spare.") && !(made_by_us && name.ends_with(".tmp"))) continue;
        DiskOp op{.kind = DiskOpKind::remove, .path = directory + "/" + name, .to = {},
                  .offset = 0, .size = 0, .data = {}};
        io.run({&op, 1});
    }
}

}  // namespace zk
