// catch_up.cc -- for a peer that lags: entries from old segments, and, where those are purged, a
// snapshot.
//
// The leader's side of a snapshot: the newest one is offered; the peer says from which offset on it
// wants the bytes, and says so again as it gets on, which is what lets the leader send more. The
// peer keeps what it has when the link breaks. What it receives it proves chunk by chunk, makes a
// state of, and swaps that in when the file is durable; its log then goes on behind the snapshot.
//
//     leader                          peer
//     snapshot (offer)      -->
//                           <--      ask_snapshot: offset
//     snapshot: bytes       -->
//     snapshot: bytes       -->
//                           <--      ask_snapshot: offset       all is there: append_ack
//
// While a snapshot is being sent nothing is purged.

#include <algorithm>
#include <utility>

#include "node/core.h"

namespace zk {

namespace {

constexpr uint64_t foreign = uint64_t{1} << 63;
constexpr uint64_t offer = ~uint64_t{0};          // in place of an offset: no bytes yet
constexpr uint64_t sent_ahead_max = 1u << 20;     // of what the peer has said that it has
constexpr size_t piece_max = 256u << 10;
constexpr uint32_t freed_per_turn = 20'000;       // znodes of a state that was replaced
constexpr uint64_t patience_us = 30'000'000;      // with a peer that asks for nothing more;
                                                  // where initLimit is not set

}  // namespace

uint64_t Core::next_foreign_ticket() { return foreign | ++foreign_tickets_ << 8; }

// Entries that are not in memory any more. False: they must be read first, or a snapshot is needed.
const LogPiece* Core::older_entries(uint32_t peer, uint64_t first) {
    std::unique_ptr<LogReader>& reader = readers_[peer];
    if (reader == nullptr)
        reader = std::make_unique<LogReader>(io_, *log_, log_directory(), record_.ensemble,
                                             next_foreign_ticket());
    switch (reader->status()) {
    case LogReader::Status::reading: return nullptr;
    case LogReader::Status::ready: {
        const LogPiece& piece = reader->piece();
        if (piece.before.zxid + 1 == first) return &piece;
        break;
    }
    case LogReader::Status::damaged:
    case LogReader::Status::gone:
        // One that ends before what the peer lacks is of no use to it, and it would not take it.
        if (snapshots_.empty() || snapshots_.back() < first) {
            snapshot_wanted_ = true;
            return nullptr;
        }
        if (reader->status() == LogReader::Status::damaged)
            LOG(error, "%s; server.%u gets a snapshot instead", reader->why().c_str(), peer);
        readers_.erase(peer);
        offer_snapshot(peer);
        return nullptr;
    case LogReader::Status::idle: break;
    }
    reader->want(first, log_->base().zxid);
    return nullptr;
}

// ---- the leader's side

void Core::offer_snapshot(uint32_t peer) {
    quorum_->needs_snapshot(peer);
    Outgoing& outgoing = outgoing_[peer];
    if (outgoing.sender != nullptr) return;
    uint64_t zxid = snapshots_.back();
    LOG(info, "server.%u lags behind what the log has; it gets the snapshot of zxid 0x%llx", peer,
        static_cast<unsigned long long>(zxid));
    outgoing = {.sender = std::make_unique<SnapshotSender>(io_, config_.data_dir, zxid,
                                                           record_.ensemble,
                                                           next_foreign_ticket()),
                .offered = false,
                .asked = false,
                .acked = 0,
                .heard_us = clock_us_};
}

void Core::send_snapshots() {
    for (auto at = outgoing_.begin(); at != outgoing_.end();) {
        auto& [peer, outgoing] = *at;
        const Quorum::Progress* progress = quorum_->progress(peer);
        bool wanted = quorum_->role() == Role::leader && links_->is_up(peer) &&
                      progress != nullptr && progress->state == Quorum::Stream::snapshot;
        bool late = clock_us_ - outgoing.heard_us > ticks_us(config_.init_limit_ticks, patience_us);
        if (wanted && late) links_->close(peer, "it does not take its snapshot");
        if (!wanted || late) {
            at = outgoing_.erase(at);
            continue;
        }
        send_pieces(peer, outgoing);
        ++at;
    }
}

void Core::send_pieces(uint32_t peer, Outgoing& outgoing) {
    SnapshotSender& sender = *outgoing.sender;
    if (sender.status() == SnapshotSender::Status::failed) {
        LOG(error, "%s; a new snapshot is taken for server.%u", sender.why().c_str(), peer);
        // Not this one again.
        std::erase(snapshots_, sender.id().zxid);
        snapshot_wanted_ = true;
        return links_->close(peer, "its snapshot cannot be read");
    }
    auto head = [&](uint64_t offset) -> Buffer& {
        Buffer& out = links_->begin(peer, FrameKind::snapshot);
        out.u64(sender.id().zxid);
        out.u64(sender.id().checksum);
        out.u64(sender.id().size);
        out.u64(offset);
        return out;
    };
    if (sender.status() == SnapshotSender::Status::open && !outgoing.offered) {
        outgoing.offered = true;
        head(offer);
        links_->end(peer);
    }
    while (outgoing.asked && sender.ready() && sender.offset() < outgoing.acked + sent_ahead_max &&
           links_->unsent(peer) < sent_ahead_max) {
        head(sender.offset()).append(sender.piece());
        links_->end(peer);
        sender.pop();
    }
}

bool Core::take_ask_snapshot(uint32_t peer, Bytes payload) {
    Reader in(payload);
    SnapshotId id{.zxid = in.u64(), .checksum = in.u64()};
    uint64_t offset = in.u64();
    if (!in.ok()) return false;
    auto found = outgoing_.find(peer);
    if (found == outgoing_.end() || found->second.sender == nullptr) return true;
    Outgoing& outgoing = found->second;
    const SnapshotId& mine = outgoing.sender->id();
    if (mine.zxid != id.zxid || mine.checksum != id.checksum || offset > mine.size) return true;
    outgoing.heard_us = clock_us_;
    outgoing.acked = offset;
    if (outgoing.asked) return true;
    outgoing.asked = true;
    outgoing.sender->start(offset);
    return true;
}

// ---- the peer's side

bool Core::take_snapshot(uint32_t peer, Bytes payload) {
    Reader in(payload);
    SnapshotId id{.zxid = in.u64(), .checksum = in.u64(), .size = in.u64()};
    uint64_t offset = in.u64();
    Bytes bytes = in.rest();
    if (!in.ok()) return false;
    if (peer != quorum_->leader() || id.zxid <= state_->zxid()) return true;
    if (receiver_ != nullptr && !(receiver_->id() == id)) {
        if (receiver_->busy()) return true;  // the offer comes again with the next link
        receiver_->abandon();
        old_receivers_.push_back(std::move(receiver_));
    }
    if (receiver_ == nullptr || receiver_->status() == SnapshotReceiver::Status::failed) {
        if (receiver_ != nullptr) old_receivers_.push_back(std::move(receiver_));
        LOG(info, "this node lags behind; it gets the snapshot of zxid 0x%llx, %llu bytes, from "
                  "server.%u",
            static_cast<unsigned long long>(id.zxid), static_cast<unsigned long long>(id.size),
            peer);
        receiver_ = std::make_unique<SnapshotReceiver>(io_, config_.data_dir, id, record_.ensemble,
                                                       record_.seed, next_foreign_ticket());
    }
    if (offset == offer) {
        ask_for_more(peer);
    } else if (offset == receiver_->offset() &&
               receiver_->status() == SnapshotReceiver::Status::receiving) {
        receiver_->take(bytes);
        asking_ = true;
    }
    return true;
}

void Core::ask_for_more(uint32_t leader) {
    asking_ = false;
    Buffer& out = links_->begin(leader, FrameKind::ask_snapshot);
    out.u64(receiver_->id().zxid);
    out.u64(receiver_->id().checksum);
    out.u64(receiver_->offset());
    links_->end(leader);
}

// Not while a child reads them: nothing would go back to the system.
void Core::free_old_states() {
    if (old_states_.empty()) return;
    Tree& tree = old_states_.back()->tree;
    if (snapshot_running_ && tree.frozen()) return;
    if (tree.take_apart(freed_per_turn)) old_states_.pop_back();
}

// Once a turn.
void Core::receive_snapshot() {
    std::erase_if(old_receivers_, [](const auto& old) { return !old->busy(); });
    free_old_states();
    if (receiver_ == nullptr) return;
    switch (receiver_->status()) {
    case SnapshotReceiver::Status::receiving:
        if (!asking_ || receiver_->room() < piece_max || !links_->is_up(quorum_->leader())) return;
        return ask_for_more(quorum_->leader());
    case SnapshotReceiver::Status::failed:
        LOG(error, "the snapshot from the leader: %s", receiver_->why().text.c_str());
        if (receiver_->fatal()) failure_ = receiver_->why();
        found_no_room(receiver_->why());
        links_->close(quorum_->leader(), "its snapshot could not be used");
        old_receivers_.push_back(std::move(receiver_));
        return;
    case SnapshotReceiver::Status::done: break;
    }
    // Where the log has come to have that entry meanwhile, what follows it may be acknowledged.
    Position last = receiver_->last();
    bool newer = last.zxid > std::max(quorum_->committed(), state_->zxid()) &&
                 quorum_->terms().at(last.zxid) != last.term;
    if (newer && quorum_->role() != Role::leader) install(*receiver_);
    old_receivers_.push_back(std::move(receiver_));
}

// The clients of this node are cut: they know more, or less, than its watches would tell them.
void Core::install(SnapshotReceiver& receiver) {
    Position last = receiver.last();
    for (auto& client : clients_)
        if (client != nullptr && !client->gone) drop(*client, "its server's state is replaced");
    // Nobody's watches are left to be forgotten in what goes now.
    old_states_.push_back(std::exchange(state_, receiver.state()));
    snapshot_due_ = false;
    prepare_until_us_ = 0;
    to_populate_.clear();
    state_->limits.reply_bytes_max = config_.response_bytes_max;
    log_->start_anew(last);
    quorum_->installed(last.zxid, last.term, configured_electorate());
    snapshot_zxid_ = last.zxid;
    no_room_ = false;
    log_bytes_at_snapshot_ = log_->appended_bytes();
    snapshots_.push_back(last.zxid);
    std::sort(snapshots_.begin(), snapshots_.end());
    LOG(info, "the snapshot of zxid 0x%llx is here; %u znodes",
        static_cast<unsigned long long>(last.zxid), state_->tree.count());
}

bool Core::catch_up_done(uint64_t ticket, const DiskResult& result) {
    DiskResult mine = result;
    for (auto& [peer, reader] : readers_)
        if (reader->on_disk(ticket, mine)) return true;
    for (auto& [peer, outgoing] : outgoing_)
        if (outgoing.sender != nullptr && outgoing.sender->on_disk(ticket, mine)) return true;
    if (receiver_ != nullptr && receiver_->on_disk(ticket, mine)) return true;
    for (auto& old : old_receivers_)
        if (old->on_disk(ticket, mine)) return true;
    return false;
}

}  // namespace zk
