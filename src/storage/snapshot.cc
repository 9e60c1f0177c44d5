// snapshot.cc -- see snapshot.h.

#include "storage/snapshot.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "base/hash.h"

namespace zk {

namespace {

constexpr std::string_view magic = "ZKDSNAP\n";
constexpr uint32_t snapshot_format = 1;
constexpr size_t header_size = snapshot_header_size;
constexpr size_t load_size = 4u << 20;  // read at a time
constexpr size_t chunk_head_size = 16;
constexpr size_t trailer_size = 16;
constexpr size_t chunk_size = 1u << 20;
constexpr uint32_t section_footer = ~0u;

uint64_t chunk_checksum(uint64_t seed, uint64_t number, uint32_t section, Bytes payload) {
    return hash64(payload, seed ^ (number << 32) ^ section);
}

// The child at work.
struct Writer {
    SnapshotJob& job;
    Sink sink;
    uint64_t seed = 0;
    uint64_t offset = 0;
    uint64_t chunks = 0;
    uint64_t records = 0;
    uint32_t section = 0;
    bool good = true;

    void put(Bytes bytes) {
        good = good && sink.write(sink.context, bytes);
        offset += bytes.size();
    }

    void begin_chunk(uint32_t of) {
        section = of;
        job.chunk.clear();
        job.chunk.grow(chunk_head_size);
    }

    void end_chunk() {
        if (job.chunk.size() <= chunk_head_size) return;
        Bytes payload = job.chunk.bytes().subspan(chunk_head_size);
        uint32_t length = static_cast<uint32_t>(payload.size());
        job.chunk.patch_u32(0, section);
        job.chunk.patch_u32(4, length);
        job.chunk.patch_u64(8, chunk_checksum(seed, chunks, section, payload));
        job.index.u64(offset);
        job.index.u32(section);
        job.index.u32(length);
        put(job.chunk.bytes());
        ++chunks;
        job.chunk.clear();
    }

    void add(uint32_t of, Bytes record) {
        if (!good) return;
        bool room = of == section && job.chunk.size() + record.size() <= chunk_size;
        if (!room || job.chunk.empty()) {
            end_chunk();
            begin_chunk(of);
        }
        job.chunk.append(record);
        ++records;
    }
};

void write_header(Writer& out, const SnapshotJob& job) {
    Buffer header;
    header.append(magic);
    header.u32(snapshot_format);
    header.u32(header_size);
    header.u64(job.ensemble);
    header.u64(job.last.zxid);
    header.u64(job.last.term);
    header.u64(job.last.checksum);
    header.i64(job.wall_ms);
    out.seed = hash64(header.bytes());
    header.u64(out.seed);
    out.put(header.bytes());
}

void write_footer(Writer& out, const SnapshotJob& job) {
    out.end_chunk();
    Buffer payload;
    payload.u64(out.chunks);
    payload.u64(out.records);
    payload.u64(job.state->digest());
    payload.append(job.index.bytes());
    uint64_t at = out.offset;
    Buffer footer;
    footer.u32(section_footer);
    footer.u32(static_cast<uint32_t>(payload.size()));
    footer.u64(chunk_checksum(out.seed, out.chunks, section_footer, payload.bytes()));
    footer.append(payload.bytes());
    size_t trailer_at = footer.size();
    footer.u64(at);
    footer.u64(hash64(footer.bytes().subspan(trailer_at), out.seed));
    out.put(footer.bytes());
}

}  // namespace

std::string snapshot_name(uint64_t zxid) {
    char name[32];
    snprintf(name, sizeof name, "snapshot.%016" PRIx64, zxid);
    return name;
}

std::optional<uint64_t> snapshot_zxid(const std::string& name) {
    uint64_t zxid = 0;
    char rest = 0;
    if (name.size() != 25 || sscanf(name.c_str(), "snapshot.%16" SCNx64 "%c", &zxid, &rest) != 1)
        return std::nullopt;
    return zxid;
}

std::unique_ptr<SnapshotJob> make_snapshot_job(const State& state, uint64_t ensemble,
                                               Position last, int64_t wall_ms) {
    auto job = std::make_unique<SnapshotJob>();
    job->state = &state;
    job->ensemble = ensemble;
    job->last = last;
    job->wall_ms = wall_ms;
    job->chunk.reserve(chunk_size + chunk_head_size);
    return job;
}

bool write_snapshot(const void* job_given, Sink sink) {
    // The child's memory is its own; the job is const only for the parent.
    auto& job = *static_cast<SnapshotJob*>(const_cast<void*>(job_given));
    job.chunk.clear();
    job.index.clear();
    Writer out{.job = job, .sink = sink};
    write_header(out, job);
    job.state->save(&out, [](void* context, uint32_t section, Bytes record) {
        static_cast<Writer*>(context)->add(section, record);
    });
    write_footer(out, job);
    return out.good;
}

Result<SnapshotHeader> decode_snapshot_header(Bytes bytes, const std::string& path,
                                              uint64_t ensemble) {
    ASSERT(bytes.size() >= header_size);
    Reader in(bytes);
    if (as_text(in.bytes(magic.size())) != magic)
        return damage(path, 0, "it does not begin as a snapshot does");
    uint32_t format = in.u32();
    if (format != snapshot_format)
        return Error{.text = path + ": format " + std::to_string(format) +
                             "; this version reads format " + std::to_string(snapshot_format)};
    in.u32();
    uint64_t whose = in.u64();
    SnapshotHeader header;
    header.last.zxid = in.u64();
    header.last.term = in.u64();
    header.last.checksum = in.u64();
    in.u64();
    header.checksum = in.u64();
    if (header.checksum != hash64(bytes.first(header_size - 8)))
        return damage(path, 0, "the header's checksum does not hold");
    if (whose != ensemble)
        return Error{.text = path + ": it belongs to another ensemble than this directory"};
    return header;
}

SnapshotParser::SnapshotParser(std::string path, uint64_t size, uint64_t ensemble, State& state,
                               Pace pace)
    : path_(std::move(path)), size_(size), ensemble_(ensemble), state_(state) {
    state_.load_begin(size, pace == Pace::at_once ? 512 * 1024 : 1);
}

size_t SnapshotParser::wanted() const {
    switch (expect_) {
    case Expect::header: return header_size;
    case Expect::head: return chunk_head_size;
    case Expect::payload: return length_;
    case Expect::trailer: return trailer_size;
    case Expect::nothing: return 1;
    }
    return 0;
}

Result<void> SnapshotParser::feed(Bytes bytes) {
    for (;;) {
        size_t size = wanted();
        Bytes next;
        if (rest_.empty() && bytes.size() >= size) {
            next = bytes.first(size);
            bytes = bytes.subspan(size);
        } else {
            size_t take = std::min(size - rest_.size(), bytes.size());
            rest_.append(bytes.first(take));
            bytes = bytes.subspan(take);
            if (rest_.size() < size) return {};
            next = rest_.bytes();
        }
        if (Result<void> good = step(next); !good) return good;
        offset_ += size;
        rest_.clear();
    }
}

Result<void> SnapshotParser::step(Bytes bytes) {
    switch (expect_) {
    case Expect::header: {
        Result<SnapshotHeader> header = decode_snapshot_header(bytes, path_, ensemble_);
        if (!header) return header.error();
        header_ = *header;
        expect_ = Expect::head;
        return {};
    }
    case Expect::head: return take_head(bytes);
    case Expect::payload:
        if (chunk_checksum(header_->checksum, chunks_, section_, bytes) != checksum_)
            return damage(path_, chunk_offset_, "a chunk's checksum does not hold");
        return section_ == section_footer ? take_footer(bytes) : take_chunk(bytes);
    case Expect::trailer: return take_trailer(bytes);
    case Expect::nothing: break;
    }
    return damage(path_, offset_, "more than there should be");
}

Result<void> SnapshotParser::take_head(Bytes bytes) {
    section_ = load_u32(bytes.data());
    length_ = load_u32(bytes.data() + 4);
    checksum_ = load_u64(bytes.data() + 8);
    chunk_offset_ = offset_;
    if (size_ < offset_ + chunk_head_size + trailer_size ||
        length_ > size_ - offset_ - chunk_head_size - trailer_size)
        return damage(path_, offset_, "a chunk longer than the file");
    expect_ = Expect::payload;
    return {};
}

Result<void> SnapshotParser::take_chunk(Bytes payload) {
    Reader in(payload);
    Result<uint64_t> loaded = state_.load(section_, in);
    if (!loaded) return damage(path_, chunk_offset_, loaded.error().text);
    records_ += *loaded;
    ++chunks_;
    expect_ = Expect::head;
    return {};
}

Result<void> SnapshotParser::take_footer(Bytes payload) {
    Reader in(payload);
    uint64_t chunks = in.u64();
    uint64_t records = in.u64();
    uint64_t digest = in.u64();
    if (!in.ok() || chunks != chunks_ || records != records_)
        return damage(path_, chunk_offset_, "chunks and footer do not agree");
    const Position& last = header_->last;
    if (Result<void> whole = state_.load_end(last.zxid, last.term, digest); !whole)
        return damage(path_, chunk_offset_, whole.error().text);
    expect_ = Expect::trailer;
    return {};
}

Result<void> SnapshotParser::take_trailer(Bytes bytes) {
    bool good = hash64(bytes.first(8), header_->checksum) == load_u64(bytes.data() + 8);
    if (!good || load_u64(bytes.data()) != chunk_offset_ || offset_ + trailer_size != size_)
        return damage(path_, offset_, "no good trailer: the file is not whole");
    expect_ = Expect::nothing;
    return {};
}

Result<Position> load_snapshot(Io& io, const std::string& path, uint64_t ensemble,
                               State& state) {
    Result<uint64_t> size = io.file_size(path);
    if (!size) return size.error();
    SnapshotParser parser(path, *size, ensemble, state, SnapshotParser::Pace::at_once);
    std::vector<PageRange> fresh;
    auto part_at = [&](uint64_t offset) {
        return FilePart{.path = path, .offset = offset,
                        .size = std::min<uint64_t>(load_size, *size - std::min(*size, offset))};
    };
    for (uint64_t offset = 0; offset < *size;) {
        Result<Bytes> got = io.read_part(part_at(offset), part_at(offset + load_size));
        if (!got) return got.error();
        if (got->empty()) break;
        if (Result<void> good = parser.feed(*got); !good) return good.error();
        offset += got->size();
        state.tree.map_ahead(fresh);
        if (!fresh.empty() && !parser.done()) io.work_on_pages(PageWork::in_haste, fresh);
    }
    if (!parser.done()) return damage(path, *size, "the file ends too early");
    return parser.header()->last;
}

}  // namespace zk
