// agreement.cc -- the nodes prove to each other that they have computed the same.
//
// Every `digest_every` entries each node notes the digest of its state and reports it to the
// leader, which compares at equal zxid. Whoever is alone against a majority is told so: its state
// cannot be trusted, whatever the reason (a bug, a bit that flipped in memory). It says at which
// zxid, stops, and begins anew without a vote, with the data of the others. A leader that is alone
// stops as well. Where there is no majority everybody says so and goes on: nobody knows who is
// right.

#include "node/core.h"

namespace zk {

namespace {

constexpr uint64_t digest_every = 256;
constexpr size_t digests_kept = 256;

}  // namespace

// After each entry.
void Core::note_digest() {
    uint64_t zxid = state_->zxid();
    if (links_ == nullptr || zxid % digest_every != 0) return;
    uint64_t digest = state_->digest();
    if (quorum_->role() == Role::leader)
        compare_digest(node_number_, zxid, digest);
    digests_.emplace_back(zxid, digest);
    if (digests_.size() > digests_kept) digests_.pop_front();
}

// With the ticks, to whoever leads then: what it has been told already does no harm.
void Core::tell_digests() {
    uint32_t leader = quorum_->leader();
    if (digests_.empty() || leader == 0 || leader == node_number_ || !links_->is_up(leader))
        return;
    Buffer& out = links_->begin(leader, FrameKind::digests);
    for (const auto& [zxid, digest] : digests_) {
        out.u64(zxid);
        out.u64(digest);
    }
    links_->end(leader);
    digests_.clear();
}

bool Core::take_digests(uint32_t peer, Bytes payload) {
    if (payload.size() % 16 != 0) return false;
    Reader in(payload);
    while (in.left() > 0) {
        uint64_t zxid = in.u64();
        uint64_t digest = in.u64();
        if (quorum_->role() == Role::leader) compare_digest(peer, zxid, digest);
    }
    return true;
}

void Core::compare_digest(uint32_t member, uint64_t zxid, uint64_t digest) {
    // Too long ago, and perhaps everybody's word was heard already.
    bool full = compared_.size() >= digests_kept;
    if (full && zxid < compared_.begin()->first) return;
    if (full && !compared_.contains(zxid)) compared_.erase(compared_.begin());
    auto& said = compared_[zxid];
    said[member] = digest;
    bool alike = true;
    for (const auto& [id, other] : said) alike = alike && other == digest;
    if (alike) return;
    size_t voters = 0;
    size_t heard = 0;
    std::map<uint64_t, size_t> votes;
    quorum_->electorate().each([&](uint32_t id) {
        ++voters;
        auto found = said.find(id);
        if (found == said.end()) return;
        ++heard;
        ++votes[found->second];
    });
    for (const auto& [value, count] : votes) {
        if (count <= voters / 2) continue;
        std::map<uint32_t, uint64_t> all = said;
        for (const auto& [id, other] : all)
            if (other != value) tell_differs(id, zxid, true);
        return;
    }
    if (heard < voters) return;
    for (const auto& [id, other] : said) tell_differs(id, zxid, false);
}

void Core::tell_differs(uint32_t member, uint64_t zxid, bool alone) {
    if (alone) compared_[zxid].erase(member);
    if (member == node_number_) return differ(zxid, alone);
    if (!links_->is_up(member)) return;
    Buffer& out = links_->begin(member, FrameKind::differs);
    out.u64(zxid);
    out.boolean(alone);
    links_->end(member);
}

bool Core::take_differs(uint32_t peer, Bytes payload) {
    Reader in(payload);
    uint64_t zxid = in.u64();
    bool alone = in.boolean();
    // Of one who leads no longer nobody knows what it compared.
    if (in.ok() && peer == quorum_->leader()) differ(zxid, alone);
    return in.ok();
}

void Core::differ(uint64_t zxid, bool alone) {
    ++metrics_.digest_mismatches;
    if (!alone) {
        LOG(error, "the servers' states differ at zxid 0x%llx, and no majority has the same: "
                   "nobody knows who is right; compare them, and restore one",
            static_cast<unsigned long long>(zxid));
        return;
    }
    if (differs_at_ != 0) return;
    LOG(error, "this server's state differs from that of the majority at zxid 0x%llx: it stops, "
               "and begins anew with the data of the others",
        static_cast<unsigned long long>(zxid));
    differs_at_ = zxid;
    quorum_->forget_votes();
    for (auto& client : clients_)
        if (client != nullptr && !client->gone) drop(*client, "its server is not to be trusted");
}

}  // namespace zk
