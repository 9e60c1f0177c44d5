// node.cc -- see node.h: the outside of Core.

#include "node/node.h"

#include "node/core.h"

namespace zk {

Node::Node(Io& io, const Config& config) : core_(std::make_unique<Core>(io, config)) {}
Node::~Node() = default;

Result<void> Node::start() { return core_->start(); }
bool Node::on_open(ClientId client, const Address& from) { return core_->open(client, from); }
void Node::on_bytes(ClientId client, Bytes bytes) {
    core_->happened({.kind = Happening::Kind::bytes, .client = client, .bytes = bytes});
}
void Node::on_end(ClientId client, bool reset) {
    core_->happened({.kind = reset ? Happening::Kind::reset : Happening::Kind::end,
                     .client = client,
                     .bytes = {}});
}
void Node::on_drained(ClientId client) {
    core_->happened({.kind = Happening::Kind::drained, .client = client, .bytes = {}});
}
void Node::on_disk(Lane lane, uint64_t ticket, const DiskResult& result) {
    core_->disk_done(lane, ticket, result);
}
void Node::on_snapshot(const Result<void>& result) { core_->snapshot_done(result); }
bool Node::on_peer(LinkId link, const Address& from) { return core_->peer_came(link, from); }
void Node::on_dialed(LinkId link) {
    core_->happened({.kind = Happening::Kind::dialed, .client = link, .bytes = {}});
}
bool Node::turn() { return core_->turn(); }
void Node::turn_took(uint64_t us) { core_->turn_took(us); }
uint64_t Node::next_turn_us() const { return core_->next_turn_us(); }
void Node::hand_over() { core_->hand_over(); }
void Node::stop() { core_->stop(); }
bool Node::stopped() const { return core_->stopped(); }
bool Node::begin_again() const { return core_->begin_again(); }
const Error* Node::fatal() const { return core_->fatal(); }
Standing Node::standing() const { return core_->standing(); }

}  // namespace zk
