// members.cc -- who is in the ensemble: the log's membership at work (state/membership.h).
//
// The file's servers form a blank ensemble; its first leader writes them into the log, and from
// then on the log holds. The consensus machine counts voters by a membership entry from its
// appending on, committed or not, so the log's tail is looked at wherever entries come from: this
// leader, another one, the disk.
//
//     file --blank--> configured_electorate <--state, and then the entries not applied yet
//
// Links go to all who were, are or shall be members, and to whom the file names.

#include <algorithm>

#include "node/core.h"

namespace zk {

namespace {

std::vector<uint32_t> voters_of(std::span<const Member> members) {
    std::vector<uint32_t> voters;
    for (const Member& member : members)
        if (!member.observer) voters.push_back(static_cast<uint32_t>(member.id));
    std::sort(voters.begin(), voters.end());
    return voters;
}

bool holds(std::span<const Member> members, uint32_t id) {
    return std::any_of(members.begin(), members.end(),
                       [&](const Member& member) { return member.id == id; });
}

void add_addresses(std::map<uint32_t, std::vector<PeerAddress>>& peers,
                   std::span<const Member> members) {
    for (const Member& member : members) {
        std::vector<PeerAddress>& known = peers[static_cast<uint32_t>(member.id)];
        for (const MemberAddress& address : member.addresses) {
            PeerAddress at{.host = address.host, .port = address.peer_port};
            if (std::find(known.begin(), known.end(), at) == known.end()) known.push_back(at);
        }
    }
}

// Ids, roles and addresses: what two lists may differ in.
std::string text_of(std::span<const Member> members) { return membership_text(members, 0); }

}  // namespace

Electorate Core::configured_electorate() const {
    Electorate electorate;
    const Membership& now = state_->membership;
    electorate.voters = voters_of(now.members.empty() ? config_.members : now.members);
    if (now.change && now.change->joint) {
        electorate.outgoing = std::move(electorate.voters);
        electorate.voters = voters_of(now.change->members);
    }
    if (electorate.voters.empty()) electorate.voters.push_back(node_number_);
    return electorate;
}

Electorate Core::electorate() const {
    return log_ != nullptr ? quorum_->electorate() : configured_electorate();
}

// The entry was just appended or accepted: from here on it counts.
void Core::note_membership(const Entry& entry) {
    if (entry.op != entry_op::membership) return;
    MembershipEntry named;
    Reader in(entry.body);
    decode(in, named);
    ASSERT(in.ok());
    quorum_->configured(entry.zxid, {.voters = voters_of(named.members),
                                     .outgoing = voters_of(named.before)});
}

// The same for what a start found behind the state.
void Core::note_tail() {
    for (uint64_t zxid = state_->zxid() + 1; zxid <= log_->last_zxid(); ++zxid)
        note_membership(log_->at(zxid));
}

// Which links there shall be. Who is no member is not dialed by the others, and dials them.
void Core::follow_members() {
    const Membership& now = state_->membership;
    followed_version_ = now.version;
    followed_change_ = now.change.has_value();
    std::map<uint32_t, std::vector<PeerAddress>> peers;
    add_addresses(peers, now.members);
    if (now.change) add_addresses(peers, now.change->members);
    add_addresses(peers, config_.members);
    bool member = now.members.empty() || holds(now.members, node_number_);
    links_->set_peers(std::move(peers), !member);
}

void Core::tell_of_members() const {
    const Membership& now = state_->membership;
    if (now.members.empty() || text_of(now.members) == text_of(config_.members)) return;
    LOG(warn, "the servers' lines of the file are not those of the ensemble any more; these count "
              "(zookeeper/config has them, too):");
    for (const Member& member : now.members)
        LOG(warn, "    server.%lld=%s", static_cast<long long>(member.id),
            member_text(member).c_str());
    if (!holds(now.members, node_number_))
        LOG(warn, "this node, server.%u, is none of them: it follows without a vote, until a "
                  "reconfig adds it", node_number_);
}

// An ensemble of one has nobody to wait for.
void Core::start_alone() {
    if (electorate() != Electorate{.voters = {node_number_}, .outgoing = {}}) return;
    if (record_.ensemble == 0) {
        uint8_t chance[16];
        io_.random(chance);
        uint64_t ensemble = load_u64(chance) | 1;
        uint64_t seed = load_u64(chance + 8) | 1;
        Result<void> done = join(ensemble, seed, empty_zxid(~uint64_t{0}), false);
        if (!done) {
            failure_ = done.error();
            return;
        }
    }
    take_part();
}

// Without links a node can be the only voter, and nothing else.
Result<void> Core::check_alone() const {
    if (electorate() == Electorate{.voters = {node_number_}, .outgoing = {}}) return {};
    std::string text = text_of(state_->membership.members);
    return Error{.text = config_.data_dir + ": this is the data of server." +
                         std::to_string(node_number_) +
                         " of an ensemble, and the file has no servers' lines for one; put them "
                         "back, or say --force-new-ensemble if the others are lost for good"};
}

// The others are lost for good, says the operator, and so is what only they had. What is here goes
// on under a new id, with this node as the only member: who comes back from the old ensemble is
// turned away. Entries that were never agreed, as far as this node knows, may have been: they stay.
Result<void> Core::found_anew() {
    Result<Recovered> found = zk::recover(io_, {.data_directory = config_.data_dir,
                                                .log_directory = log_directory(),
                                                .ensemble = record_.ensemble,
                                                .seed = record_.seed,
                                                .birth = record_.birth,
                                                .member = false,
                                                .committed = 0});
    if (!found) return found.error();
    State& state = *found->state;
    Position last = found->log.last;
    ASSERT(last.zxid == state.zxid());
    std::vector<Member> members;
    if (several()) members.push_back(*own_member(config_));
    for (Member& self : members) self.observer = false;
    const Membership& now = state.membership;
    if (text_of(now.members) == text_of(members) && !now.change && !record_.voteless) {
        LOG(warn, "--force-new-ensemble: this node is alone already, and nothing is done");
        return {};
    }
    uint8_t chance[8];
    io_.random(chance);
    uint64_t ensemble = load_u64(chance) | 1;
    LOG(warn, "--FORCE-NEW-ENSEMBLE: THIS NODE ALONE IS A NEW ENSEMBLE, %016llx, WITH ALL UP TO "
              "ZXID 0x%llx; what others had beyond is lost, and members of the old one, %016llx, "
              "must come with empty directories. Its files are kept as replaced.*",
        static_cast<unsigned long long>(ensemble), static_cast<unsigned long long>(last.zxid),
        static_cast<unsigned long long>(record_.ensemble));
    state.found_anew(std::move(members), io_.wall_ms());
    Result<void> done = write_founding(io_, config_.data_dir, state, ensemble, last);
    if (!done) return done;
    record_.ensemble = ensemble;
    record_.node = node_number_;
    record_.term = std::max(record_.term, last.term);
    record_.vote = 0;
    record_.voteless = record_.distrusted = false;
    record_.birth = record_.committed = last.zxid;
    done = store_record(io_, config_.data_dir, record_);
    if (!done) return done;
    return finish_founding(io_, config_.data_dir, log_directory(), ensemble);
}

// ---- the leader's part of a change

bool Core::is_ready(uint32_t member) const {
    if (member == node_number_) return true;
    const Quorum::Progress* peer = allies_.contains(member) ? quorum_->progress(member) : nullptr;
    if (peer == nullptr || !peer->connected || peer->voteless) return false;
    bool near = peer->match >= quorum_->committed() || log_->has(peer->match + 1);
    return peer->state == Quorum::Stream::stream && near;
}

// Whether enough of the new voters are connected and have what there is, nobody else can know, nor
// this node a moment later: so it goes into the entry.
void Core::propose_reconfig(const Origin& origin, int64_t session, Bytes ids, Bytes body) {
    std::vector<uint32_t> ready{node_number_};
    for (uint32_t peer : allies_)
        if (is_ready(peer)) ready.push_back(peer);
    Buffer whole;
    encode_ready(whole, ready);
    whole.append(body);
    propose(origin, session, entry_op::reconfig, ids, whole.bytes());
}

// Appends what comes next: the ensemble's first membership, or the next step of a change, whoever
// began it. Not before all such entries in the log are applied: then the state says it all.
void Core::change_members() {
    if (links_ == nullptr || log_ == nullptr) return;
    const Membership& now = state_->membership;
    if (now.version != followed_version_ || now.change.has_value() != followed_change_)
        follow_members();
    if (!now.members.empty() && !now.change) return;
    bool turn = quorum_->may_append() && !quorum_->wants_first_entry() &&
                quorum_->electorate_zxid() <= state_->zxid() && !log_->cut_needed() &&
                !log_->full();
    if (!turn) return;
    MembershipEntry entry;
    Origin origin;
    if (!now.change) {
        entry.members = config_.members;
    } else {
        entry.members = now.change->members;
        if (!now.change->joint) entry.before = now.members;
        if (now.change->joint) origin = now.change->origin;
    }
    LOG(info, "membership: %s",
        !now.change          ? "the servers of the file"
        : now.change->joint ? "the new one alone counts from here on"
                              : "from here on majorities of the old and of the new one count");
    Buffer body;
    encode(body, entry);
    propose(origin, 0, entry_op::membership, {}, body.bytes());
}

}  // namespace zk
