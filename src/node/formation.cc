// formation.cc -- how a node comes to its ensemble: who is there, who has what, who is blank.
//
// A node alone formats its blank directory at once. Several blank nodes form an ensemble only
// together: none of them may forget that it was a member once, and then vote as if it had not been.
//
//     blank    no record: never was in an ensemble, or lost its disk
//     fresh    it has the ensemble's record, and nothing happened in it yet
//     living   it took part
//
//     all voters linked, none living --> the lowest id names the ensemble: `form` --> all fresh
//     all voters fresh, or one of them living already --> this node takes part
//     somebody living, this node blank --> it joins, voteless: its vote does not count until an
//                                          entry admits it (quorum.h, rule 5)
//
// Each link begins with a `status` of either side, and there is another when something changes.

#include <algorithm>

#include "node/core.h"

namespace zk {

namespace {

constexpr uint64_t silence_us = 10'000'000;  // where syncLimit is not set
constexpr uint64_t several_first_zxid = uint64_t{1} << 32;  // the one before the first

uint64_t chance64(Io& io) {
    uint8_t bytes[8];
    io.random(bytes);
    return load_u64(bytes) | 1;
}

}  // namespace

bool Core::several() const { return in_ensemble(config_); }

// A limit in ticks, as syncLimit; not less than what a busy machine may need.
uint64_t Core::ticks_us(int32_t ticks, uint64_t unset_us) const {
    if (ticks <= 0) return unset_us;
    uint64_t us = static_cast<uint64_t>(ticks) * static_cast<uint64_t>(config_.tick_ms) * 1000;
    return std::max<uint64_t>(us, 2'000'000);
}

// Where the empty state stands that the log of an ensemble started from: that of a node that was
// alone once has zxids from 1 on. What a record says may be later, where --force-new-ensemble wrote
// it: the state there is not empty.
uint64_t Core::empty_zxid(uint64_t birth) {
    return birth < several_first_zxid ? 0 : several_first_zxid;
}

// Of a record that is made anew. It may not be this node's first: the one that a lost disk took
// along must not have counted the same numbers, for entries in the log tell by them whose they are.
uint64_t Core::first_sequence() { return chance64(io_) >> 33; }

void Core::open_links() {
    links_ = std::make_unique<Links>(
        io_, node_number_, config_.quorum_secret, ticks_us(config_.sync_limit_ticks, silence_us),
        Links::Heard{.up = [this](uint32_t peer) { peer_up(peer); },
                     .down = [this](uint32_t peer) { peer_down(peer); },
                     .frame = [this](uint32_t peer, const Frame& frame) {
                         return peer_frame(peer, frame);
                     }});
    follow_members();
    if (record_.ensemble != 0 && living()) links_->set_ensemble(record_.ensemble);
}

// Did anything happen in the ensemble that this node knows of?
bool Core::living() const {
    return record_.ensemble != 0 && log_ != nullptr &&
           (record_.term > 0 || quorum_->term() > 0 || log_->last_zxid() > record_.birth);
}

// Takes this node into the ensemble. Only where there was nothing: it waits for the disk.
Result<void> Core::join(uint64_t ensemble, uint64_t seed, uint64_t birth, bool voteless) {
    bool anew = log_ != nullptr;
    // Nothing ever happened in it, but there are files.
    if (anew)
        if (Result<void> done = set_aside(io_, config_.data_dir, log_directory()); !done)
            return done;
    record_ = {.ensemble = ensemble, .seed = seed, .node = node_number_};
    record_.birth = birth;
    record_.voteless = voteless && !mutated(Mutation::admit_at_once);
    record_.sequence = first_sequence();
    if (Result<void> stored = store_record(io_, config_.data_dir, record_); !stored) return stored;
    if (anew) {
        begin_again_ = true;
        return Error{.text = "this server was to take part in another ensemble; it begins anew"};
    }
    boot_ = record_.sequence;
    next_attach_ = boot_ << 32 | 1;
    if (Result<void> done = recover(false); !done) return done;
    quorum_->tick(clock_us_);
    for (const auto& [peer, status] : statuses_) consider(peer);
    tell_status();
    return {};
}

void Core::tell_status() {
    for (const auto& [peer, link] : links_->up()) tell_status(peer);
}

void Core::tell_status(uint32_t peer) {
    Buffer& out = links_->begin(peer, FrameKind::status);
    out.u64(record_.ensemble);
    out.u64(record_.seed);
    out.u64(boot_);
    out.boolean(living());
    out.boolean(log_ != nullptr && log_->full());
    out.u64(record_.birth);
    links_->end(peer);
}

bool Core::take_status(uint32_t peer, Bytes payload) {
    Reader in(payload);
    PeerStatus status{.ensemble = in.u64(),
                      .seed = in.u64(),
                      .boot = in.u64(),
                      .living = in.boolean(),
                      .full = in.boolean(),
                      .birth = in.u64()};
    if (!in.ok()) return false;
    statuses_[peer] = status;
    consider(peer);
    form();
    return true;
}

// May this node's machine talk to the peer's?
void Core::consider(uint32_t peer) {
    const PeerStatus& status = statuses_[peer];
    bool same = record_.ensemble != 0 && status.ensemble == record_.ensemble;
    if (same && !allies_.contains(peer)) {
        allies_.insert(peer);
        quorum_->connected(peer);
    }
    if (same || !living() || !status.living) return;
    if (may_complain(Complaint::stranger))
        LOG(error, "server.%u belongs to another ensemble (%016llx, this one is %016llx)", peer,
            static_cast<unsigned long long>(status.ensemble),
            static_cast<unsigned long long>(record_.ensemble));
    links_->close(peer, "another ensemble");
}

void Core::form() {
    if (taking_part_) return;
    for (const auto& [peer, status] : statuses_) {
        if (!status.living || !links_->is_up(peer)) continue;
        if (status.ensemble == record_.ensemble) return take_part();
        LOG(info, "this node is blank and joins the ensemble of server.%u; it does not vote until "
                  "it has been admitted", peer);
        if (Result<void> done = join(status.ensemble, status.seed, empty_zxid(status.birth), true);
            !done) {
            failure_ = done.error();
            return;
        }
        return take_part();
    }
    Electorate voters = electorate();
    bool all_here = voters.votes(node_number_);
    bool all_fresh = record_.ensemble != 0 && all_here;
    voters.each([&](uint32_t id) {
        if (id == node_number_) return;
        auto found = statuses_.find(id);
        bool here = found != statuses_.end() && links_->is_up(id);
        all_here = all_here && here;
        all_fresh = all_fresh && here && found->second.ensemble == record_.ensemble;
    });
    if (all_fresh) return take_part();
    if (!all_here || voters.voters.front() != node_number_) return;
    if (record_.ensemble == 0) {
        Result<void> done = join(chance64(io_), chance64(io_), several_first_zxid, false);
        if (!done) {
            failure_ = done.error();
            return;
        }
    }
    LOG(info, "all voters are here and blank; they form an ensemble");
    voters.each([&](uint32_t id) {
        if (id == node_number_ || statuses_[id].ensemble == record_.ensemble) return;
        Buffer& out = links_->begin(id, FrameKind::form);
        out.u64(record_.ensemble);
        out.u64(record_.seed);
        links_->end(id);
    });
}

// From the voter with the lowest id: all are here, and blank or fresh.
bool Core::take_form(uint32_t peer, Bytes payload) {
    Reader in(payload);
    uint64_t ensemble = in.u64();
    uint64_t seed = in.u64();
    if (!in.ok() || ensemble == 0) return false;
    if (peer != electorate().voters.front()) {
        LOG(warn, "server.%u wants to form an ensemble, but has not the lowest id of the voters "
                  "here: the servers' lines differ", peer);
        return true;
    }
    if (living() || taking_part_ || record_.ensemble == ensemble) return true;
    if (Result<void> done = join(ensemble, seed, several_first_zxid, false); !done)
        failure_ = done.error();
    return true;
}

// From now on this node's machine runs.
void Core::take_part() {
    taking_part_ = true;
    links_->set_ensemble(record_.ensemble);
    LOG(info, "server.%u takes part in ensemble %016llx%s", node_number_,
        static_cast<unsigned long long>(record_.ensemble),
        record_.voteless ? ", without a vote for now" : "");
}

void Core::peer_up(uint32_t peer) {
    tell_status(peer);
}

void Core::peer_down(uint32_t peer) {
    statuses_.erase(peer);
    readers_.erase(peer);
    if (!allies_.erase(peer)) return;
    if (peer == quorum_->leader()) severed_ = true;
    // What admits it again may come to it in a snapshot, and then it does not see it.
    readmitted_.erase(peer);
    quorum_->lost(peer);
}

}  // namespace zk
