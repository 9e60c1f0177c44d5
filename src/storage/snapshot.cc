// snapshot.cc -- see snapshot.h.

#include "storage/snapshot.h"

#include <cinttypes>
#include <cstdio>

#include "base/hash.h"

namespace zk {

namespace {

constexpr std::string_view magic = "ZKDSNAP\n";
constexpr uint32_t snapshot_format = 1;
constexpr size_t header_size = 64;
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

// A file being read, and what its header said.
struct Source {
    Io& io;
    const std::string& path;
    uint64_t size = 0;
    uint64_t seed = 0;
    Position last;
    Buffer bytes;

    Result<void> read(uint64_t offset, size_t count) {
        bytes.clear();
        Result<size_t> got = io.read_at(path, offset, {bytes.grow(count), count});
        if (!got) return got.error();
        if (*got != count) return damage(path, offset + *got, "the file ends too early");
        return {};
    }
};

Result<void> read_header(Source& from, uint64_t ensemble) {
    if (from.size < header_size + chunk_head_size + trailer_size)
        return damage(from.path, from.size, "too short for a snapshot");
    if (Result<void> got = from.read(0, header_size); !got) return got;
    Reader in(from.bytes.bytes());
    if (as_text(in.bytes(magic.size())) != magic)
        return damage(from.path, 0, "it does not begin as a snapshot does");
    uint32_t format = in.u32();
    if (format != snapshot_format)
        return Error{.text = from.path + ": format " + std::to_string(format) +
                             "; this version reads format " + std::to_string(snapshot_format)};
    in.u32();
    uint64_t whose = in.u64();
    from.last.zxid = in.u64();
    from.last.term = in.u64();
    from.last.checksum = in.u64();
    in.u64();
    from.seed = in.u64();
    if (from.seed != hash64(from.bytes.bytes().first(header_size - 8)))
        return damage(from.path, 0, "the header's checksum does not hold");
    if (whose != ensemble)
        return Error{.text = from.path + ": it belongs to another ensemble than this directory"};
    return {};
}

struct Footer {
    uint64_t offset = 0;
    uint64_t chunks = 0;
    uint64_t records = 0;
    uint64_t digest = 0;
};

Result<Footer> read_footer(Source& from) {
    Footer footer;
    uint64_t trailer = from.size - trailer_size;
    if (Result<void> got = from.read(trailer, trailer_size); !got) return got.error();
    footer.offset = load_u64(from.bytes.data());
    bool good = hash64(from.bytes.bytes().first(8), from.seed) == load_u64(from.bytes.data() + 8);
    if (!good || footer.offset < header_size || footer.offset + chunk_head_size > trailer)
        return damage(from.path, trailer, "no good trailer: the file is not whole");
    size_t size = trailer - footer.offset;
    if (Result<void> got = from.read(footer.offset, size); !got) return got.error();
    Reader in(from.bytes.bytes());
    uint32_t section = in.u32();
    uint32_t length = in.u32();
    uint64_t checksum = in.u64();
    Bytes payload = in.rest();
    footer.chunks = in.u64();
    footer.records = in.u64();
    footer.digest = in.u64();
    if (section != section_footer || length != payload.size() || !in.ok() ||
        chunk_checksum(from.seed, footer.chunks, section, payload) != checksum)
        return damage(from.path, footer.offset, "the footer's checksum does not hold");
    return footer;
}

Result<uint64_t> load_chunk(Source& from, uint64_t offset, uint64_t number, uint64_t end,
                            State& state, uint64_t& records) {
    if (end - offset < chunk_head_size)
        return damage(from.path, offset, "no room for a chunk");
    if (Result<void> got = from.read(offset, chunk_head_size); !got) return got.error();
    uint32_t section = load_u32(from.bytes.data());
    uint32_t length = load_u32(from.bytes.data() + 4);
    uint64_t checksum = load_u64(from.bytes.data() + 8);
    if (length > end - offset - chunk_head_size)
        return damage(from.path, offset, "a chunk longer than the file");
    if (Result<void> got = from.read(offset + chunk_head_size, length); !got) return got.error();
    if (chunk_checksum(from.seed, number, section, from.bytes.bytes()) != checksum)
        return damage(from.path, offset, "a chunk's checksum does not hold");
    Reader in(from.bytes.bytes());
    for (; in.left() > 0; ++records)
        if (Result<void> loaded = state.load(section, in); !loaded)
            return damage(from.path, offset, loaded.error().text);
    return offset + chunk_head_size + length;
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

Result<Position> load_snapshot(Io& io, const std::string& path, uint64_t ensemble,
                               State& state) {
    Result<uint64_t> size = io.file_size(path);
    if (!size) return size.error();
    Source from{.io = io, .path = path, .size = *size, .seed = 0, .last = {}, .bytes = {}};
    if (Result<void> header = read_header(from, ensemble); !header) return header.error();
    Result<Footer> footer = read_footer(from);
    if (!footer) return footer.error();
    uint64_t offset = header_size;
    uint64_t records = 0;
    for (uint64_t number = 0; number < footer->chunks; ++number) {
        Result<uint64_t> next = load_chunk(from, offset, number, footer->offset, state, records);
        if (!next) return next.error();
        offset = *next;
    }
    if (offset != footer->offset || records != footer->records)
        return damage(path, offset, "chunks and footer do not agree");
    Result<void> whole = state.load_end(from.last.zxid, from.last.term, footer->digest);
    if (!whole) return damage(path, footer->offset, whole.error().text);
    return from.last;
}

}  // namespace zk
