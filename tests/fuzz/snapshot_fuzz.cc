// snapshot_fuzz.cc -- snapshots, fed with anything: the file itself; records behind good checksums,
// which is what a bug of an older version would look like; and a good snapshot, damaged as the
// input says, which must be refused.

#include <cstdlib>

#include "../unit/memory_io.h"
#include "state/commands.h"
#include "storage/snapshot.h"

using namespace zk;

namespace {

void load_records(Bytes input) {
    State state(42);
    Reader in(input);
    state.load_begin(input.size(), in.u8());
    while (in.left() > 0) {
        uint32_t section = in.u8() % 6;
        Reader records(in.bytes(std::min<size_t>(in.u8(), in.left())));
        if (!state.load(section, records)) break;
    }
    // Whatever was taken must hold together.
    (void)state.load_end(1, 1, 0);
    Buffer reply;
    Buffer notices;
    Buffer body;
    write_text(body, "/");
    body.boolean(false);
    Identity me{.scheme = "ip", .id = "127.0.0.1"};
    Caller caller{.client = 1, .session = 0, .identities = {&me, 1}};
    state.read(Op::get_children2, body.bytes(), caller, reply, notices);
}

std::vector<uint8_t> good_snapshot() {
    State state(42);
    state.format();
    Buffer body;
    Buffer reply;
    Acl all{.perms = 31, .scheme = "world", .id = "anyone"};
    Buffer acls;
    write_acls(acls, {&all, 1});
    for (uint64_t zxid = 1; zxid <= 5; ++zxid) {
        body.clear();
        std::string path = "/n" + std::to_string(zxid);
        encode(body, CreateRequest{.path = path, .data = as_bytes("data"), .acls = acls.bytes()},
               false);
        state.apply({.term = 1, .zxid = zxid, .time_ms = 1, .origin = {}, .session = 0,
                     .op = static_cast<int32_t>(Op::create), .ids = {}, .body = body.bytes()},
                    reply);
        reply.clear();
    }
    auto job = make_snapshot_job(state, 1, {.term = 1, .zxid = 5, .checksum = 3}, 7);
    MemoryIo io;
    if (!io.fork_snapshot("s", write_snapshot, job.get())) abort();
    return io.files["s"];
}

void damage_and_load(Reader in) {
    static const std::vector<uint8_t> good = good_snapshot();
    MemoryIo io;
    std::vector<uint8_t>& file = io.files["s"];
    file = good;
    if ((in.u8() & 1) != 0) file.resize(in.u16() % (file.size() + 1));
    while (in.left() >= 3 && !file.empty()) {
        size_t at = in.u16() % file.size();
        file[at] = static_cast<uint8_t>(file[at] ^ in.u8());
    }
    State state(42);
    Result<Position> loaded = load_snapshot(io, "s", 1, state);
    if (loaded.has_value() != (file == good)) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) return 0;
    if ((data[0] & 1) != 0) {
        load_records(Bytes(data + 1, size - 1));
        return 0;
    }
    if ((data[0] & 2) != 0) {
        damage_and_load(Reader(Bytes(data + 1, size - 1)));
        return 0;
    }
    MemoryIo io;
    io.files["s"].assign(data + 1, data + size);
    State state(42);
    (void)load_snapshot(io, "s", 1, state);
    return 0;
}
