// frame_fuzz.cc -- a whole node behind one connection that sends anything, in any chunks.
//
// The input is a list of chunks: a byte of control, a byte of length, the bytes. The node lives on
// a disk in memory; what it asks of the disk is done at once after each turn.

#include <cstdlib>

#include "../unit/memory_io.h"
#include "node/node.h"

using namespace zk;

namespace {

class World : public MemoryIo {
public:
    std::vector<ClientId> closed;
    size_t sent = 0;

    size_t send(ClientId, Buffer& bytes) override {
        sent += bytes.size();
        bytes.clear();
        return 0;
    }
    void close(ClientId client) override { closed.push_back(client); }
};

void settle(World& world, Node& node) {
    for (int i = 0; i < 8; ++i) {
        node.turn();
        world.finish([&](Lane lane, uint64_t ticket, const DiskResult& result) {
            node.on_disk(lane, ticket, result);
        });
        world.clock_us += 1000;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    log_set_level(LogLevel::error);
    Config config;
    config.data_dir = "d";
    config.segment_bytes = 1u << 16;
    World world;
    Node node(world, config);
    if (!node.start()) abort();
    settle(world, node);
    ClientId client = 0;
    bool open = node.on_open(client, Address{});
    Reader in(Bytes(data, size));
    while (in.left() > 2) {
        uint8_t control = in.u8();
        size_t length = std::min<size_t>(in.u8(), in.left());
        Bytes chunk = in.bytes(length);
        if (!open) open = node.on_open(++client, Address{});
        node.on_bytes(client, chunk);
        if ((control & 1) != 0) node.turn();
        if ((control & 2) != 0) settle(world, node);
        if ((control & 4) != 0) node.on_end(client, (control & 8) != 0);
        if ((control & 16) != 0) world.clock_us += 10'000'000;
        settle(world, node);
        if (!world.closed.empty()) {
            world.closed.clear();
            open = false;
        }
    }
    node.stop();
    for (int i = 0; i < 10 && !node.stopped(); ++i) settle(world, node);
    if (!node.stopped()) abort();
    return 0;
}
