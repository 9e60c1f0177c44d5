// snapshot_fuzz.cc -- snapshots, fed with anything: the file itself, and records behind good
// checksums, which is what a bug of an older version would look like.

#include <cstdlib>

#include "../unit/memory_io.h"
#include "state/commands.h"
#include "storage/snapshot.h"

using namespace zk;

namespace {

void load_records(Bytes input) {
    State state(42);
    Reader in(input);
    while (in.left() > 0) {
        uint32_t section = in.u8() % 6;
        if (!state.load(section, in)) break;
    }
    // Whatever was taken must hold together.
    state.load_end(1, 1, 0);
    Buffer reply;
    Buffer notices;
    Buffer body;
    write_text(body, "/");
    body.boolean(false);
    Identity me{.scheme = "ip", .id = "127.0.0.1"};
    Caller caller{.client = 1, .session = 0, .identities = {&me, 1}};
    state.read(Op::get_children2, body.bytes(), caller, reply, notices);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1) return 0;
    if ((data[0] & 1) != 0) {
        load_records(Bytes(data + 1, size - 1));
        return 0;
    }
    MemoryIo io;
    io.files["s"].assign(data + 1, data + size);
    State state(42);
    load_snapshot(io, "s", 1, state);
    return 0;
}
