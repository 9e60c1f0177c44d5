// quorum_fixture.h -- machines of src/quorum with a log, a disk and a network that obey the test.
//
// Member: one machine, its log and its disk. Nothing reaches the disk unless the test says so.
// Witness: sees all, remembers what was ever committed, and names the first broken promise.
// Ensemble: n members and their links, with verbs: `elect(1)`, `cut(1, 2)`, `crash(3)`, `deliver()`

#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/log.h"
#include "quorum/quorum.h"

namespace zk::quorum_test {

struct Entry {
    uint64_t term = 0;
    uint8_t config = 0;    // one of the electorates that the test has; 0: it names none
    uint8_t admits = 0;    // this voteless member...
    uint8_t life = 0;      // ...as of this many wipings
    bool operator==(const Entry&) const = default;
};

struct Packet {
    Message message;
    std::vector<Entry> entries;
    bool operator==(const Packet&) const = default;
};

using Electorates = std::vector<Electorate>;  // [0] is the first; entries name the others

// What outlives a crash.
struct Disk {
    Vote vote;
    std::vector<Entry> log;
    bool voteless = false;
    uint8_t life = 0;
};

class Member {
public:
    Member(const QuorumOptions& options, const Electorates& electorates, const Disk& disk,
           uint64_t clock_us)
        : quorum(options, start(electorates, disk)),
          id(options.self),
          log(disk.log),
          durable(disk.log.size()),
          vote(disk.vote),
          life(disk.life),
          now_us(clock_us),
          window_bytes(options.window_bytes),
          electorates_(&electorates) {
        for (uint64_t zxid = 1; zxid <= log.size(); ++zxid) configure(zxid);
        quorum.tick(clock_us);
    }

    Disk disk() const {
        return {.vote = vote,
                .log = {log.begin(), log.begin() + static_cast<ptrdiff_t>(durable)},
                .voteless = quorum.voteless(),
                .life = life};
    }

    void receive(const Packet& packet) {
        if (packet.message.kind != MessageKind::append) return quorum.receive(packet.message);
        std::vector<uint64_t> terms;
        for (const Entry& entry : packet.entries) terms.push_back(entry.term);
        Accepted accepted = quorum.accept(packet.message, terms);
        if (!accepted.good) return;
        if (accepted.keep < log.size()) log.resize(accepted.keep);
        durable = std::min<uint64_t>(durable, log.size());
        uint64_t last = packet.message.zxid + packet.entries.size();
        for (uint64_t zxid = accepted.first; zxid <= last; ++zxid) {
            log.push_back(packet.entries[zxid - packet.message.zxid - 1]);
            configure(zxid);
        }
    }

    // One entry, on a leader.
    uint64_t append(Entry entry = {}) {
        entry.term = quorum.term();
        log.push_back(entry);
        quorum.appended(log.size());
        configure(log.size());
        return log.size();
    }
    void make_durable(uint64_t zxid) {
        durable = std::max(durable, zxid);
        quorum.durable(zxid);
    }
    bool all_durable() const { return durable == log.size(); }
    void write_vote() {
        Vote record = *writing;
        vote = record;
        writing.reset();
        quorum.vote_written(record);
    }

    void turn(std::vector<Packet>& out) {
        if (quorum.wants_first_entry() && quorum.may_append()) append();
        quorum.end_turn();
        for (; applied < quorum.committed(); ++applied) {
            const Entry& entry = log[applied];
            if (entry.admits == id && entry.life == life) quorum.readmitted();
        }
        if (!writing) writing = quorum.vote_to_write();
        Message message;
        while (quorum.next_message(message)) out.push_back({message, {}});
        for (const auto& [peer, progress] : quorum.peers())
            while (quorum.wants_append(peer)) out.push_back(make_append(peer, progress));
        uint64_t number = 0, zxid = 0;
        while (quorum.next_barrier(number, zxid)) answers.emplace_back(number, zxid);
    }

    Quorum quorum;
    uint32_t id;
    std::vector<Entry> log;            // zxid 1 first
    uint64_t durable;                  // so many of them are on the disk
    Vote vote;                         // on the disk
    std::optional<Vote> writing;
    uint64_t applied = 0;
    uint8_t life;
    uint64_t now_us;
    uint64_t window_bytes;
    uint64_t batch = 1;                // entries in an append
    std::vector<std::pair<uint64_t, uint64_t>> answers;  // of barriers: number, zxid

private:
    static QuorumStart start(const Electorates& electorates, const Disk& disk) {
        QuorumStart found{.vote = disk.vote,
                          .voteless = disk.voteless,
                          .terms = {},
                          .committed = 0,
                          .electorate = electorates[0]};
        for (const Entry& entry : disk.log) found.terms.append(entry.term);
        return found;
    }
    void configure(uint64_t zxid) {
        uint8_t config = log[zxid - 1].config;
        if (config != 0) quorum.configured(zxid, (*electorates_)[config]);
    }
    Packet make_append(uint32_t peer, const Quorum::Progress& progress) {
        uint64_t first = progress.next, last = first - 1;
        if (progress.state == Quorum::Stream::stream && progress.in_flight_bytes < window_bytes)
            last = std::min<uint64_t>(log.size(), last + batch);
        Packet packet;
        packet.message = quorum.make_append(peer, last, (last + 1 - first) * 100);
        for (uint64_t zxid = first; zxid <= last; ++zxid) packet.entries.push_back(log[zxid - 1]);
        return packet;
    }

    const Electorates* electorates_;
};

// What must never happen, of all that was ever seen.
struct Witness {
    struct Committed {
        Entry entry;
        uint64_t term;  // of the leader that committed it
    };
    std::vector<Committed> committed;       // zxid 1 first
    std::map<uint64_t, uint32_t> leaders;   // by term
    std::map<std::pair<uint32_t, uint64_t>, uint64_t> barriers;  // who, number: at least this zxid

    void asked(uint32_t who, uint64_t number) { barriers[{who, number}] = committed.size(); }
    void crashed(uint32_t who) {
        std::erase_if(barriers, [&](const auto& asked) { return asked.first.first == who; });
    }

    // Looks at one member, which may just have changed. nullptr: all is well.
    const char* look(Member& member) {
        const Quorum& quorum = member.quorum;
        if (quorum.last() != member.log.size()) return "the machine's log is not the member's";
        if (quorum.terms().last_term() != (member.log.empty() ? 0 : member.log.back().term))
            return "the machine's terms are not the log's";
        for (auto [number, zxid] : member.answers) {
            for (auto& [asked, least] : barriers)
                if (asked.first == member.id && asked.second <= number && zxid < least)
                    return "a barrier lies before what was committed when it was asked for";
            std::erase_if(barriers, [&, last = number](const auto& asked) {
                return asked.first.first == member.id && asked.first.second <= last;
            });
        }
        member.answers.clear();
        if (quorum.role() == Role::leader) {
            uint32_t& leader = leaders[quorum.term()];
            if (leader != 0 && leader != member.id) return "two leaders in a term";
            bool fresh = leader == 0;
            leader = member.id;
            if (fresh && !has_committed(member, quorum.term()))
                return "a leader lacks a committed entry";
        }
        if (quorum.committed() > member.log.size()) return "committed beyond the log";
        for (uint64_t at = 0; at < quorum.committed(); ++at) {
            if (at == committed.size()) committed.push_back({member.log[at], quorum.term()});
            if (!(committed[at].entry == member.log[at])) return "two entries committed in a place";
        }
        return nullptr;
    }
    // Where two logs have an entry of the same term, all before are the same.
    static const char* compare(const Member& one, const Member& other) {
        size_t at = std::min(one.log.size(), other.log.size());
        while (at > 0 && one.log[at - 1].term != other.log[at - 1].term) --at;
        while (at > 0 && one.log[at - 1] == other.log[at - 1]) --at;
        return at == 0 ? nullptr : "logs that match in an entry differ before it";
    }

private:
    bool has_committed(const Member& member, uint64_t term) const {
        for (size_t at = 0; at < committed.size(); ++at) {
            if (committed[at].term > term) continue;
            if (at >= member.log.size() || !(member.log[at] == committed[at].entry)) return false;
        }
        return true;
    }
};

// Members and the links between them. A link keeps order, and loses what is on it when it breaks.
class Ensemble {
public:
    explicit Ensemble(uint32_t size, uint64_t seed = 1) : Ensemble(size, {}, seed) {}
    Ensemble(uint32_t size, std::vector<Disk> disks, uint64_t seed = 1) : seed_(seed) {
        Electorate all;
        for (uint32_t id = 1; id <= size; ++id) all.voters.push_back(id);
        electorates.push_back(all);
        disks.resize(size);
        for (uint32_t id = 1; id <= size; ++id) add(id, disks[id - 1]);
    }
    Ensemble(const Ensemble&) = delete;
    Ensemble& operator=(const Ensemble&) = delete;

    // A member more, that votes if the electorate says so.
    void add(uint32_t id, Disk disk = {}) {
        disks_[id] = std::move(disk);
        ids.push_back(id);
        restart(id);
    }

    Member& operator[](uint32_t id) { return *members.at(id); }
    Quorum& at(uint32_t id) { return members.at(id)->quorum; }
    bool up(uint32_t id) const { return members.contains(id); }

    // ---- the world

    void crash(uint32_t id) {
        for (uint32_t other : ids)
            if (other != id) lose(id, other);
        disks_[id] = members.at(id)->disk();
        members.erase(id);
        witness.crashed(id);
        settle();
    }
    // Its disk is a new one: it may have promised what it does not know any more.
    void wipe(uint32_t id) {
        crash(id);
        disks_[id] = {.vote = {}, .log = {}, .voteless = true,
                      .life = static_cast<uint8_t>(disks_[id].life + 1)};
        restart(id);
    }
    void restart(uint32_t id) {
        QuorumOptions with = options;
        with.self = id;
        with.seed = seed_ * 100 + id + ++starts_ * 7919;
        members[id] = std::make_unique<Member>(with, electorates, disks_[id], clock_us);
        members[id]->batch = batch;
        for (uint32_t other : ids)
            if (other != id) link(id, other);
        settle();
    }
    void cut(uint32_t one, uint32_t other) {
        cut_.insert(std::minmax(one, other));
        lose(one, other);
        settle();
    }
    void join(uint32_t one, uint32_t other) {
        cut_.erase(std::minmax(one, other));
        link(one, other);
        settle();
    }
    void isolate(uint32_t id) {
        for (uint32_t other : ids)
            if (other != id) cut(id, other);
    }
    void heal() {
        cut_.clear();
        for (uint32_t one : ids)
            for (uint32_t other : ids)
                if (one < other) link(one, other);
        settle();
    }
    // The link breaks and is there again at once.
    void flap(uint32_t one, uint32_t other) {
        lose(one, other);
        link(one, other);
        settle();
    }

    // ---- the network: all, one message, or nothing at all

    bool deliver(uint32_t from, uint32_t to) {
        std::deque<Packet>& queue = queues[{from, to}];
        if (queue.empty()) return false;
        Packet packet = std::move(queue.front());
        queue.pop_front();
        packet.message.peer = from;
        members.at(to)->receive(packet);
        settle();
        return true;
    }
    void deliver() {
        for (bool moved = true; moved;) {
            moved = false;
            for (uint32_t from : ids)
                for (uint32_t to : ids)
                    while (from != to && deliver(from, to)) moved = true;
        }
    }
    size_t waiting(uint32_t from, uint32_t to) { return queues[{from, to}].size(); }
    const Packet& head(uint32_t from, uint32_t to) { return queues[{from, to}].front(); }

    // ---- time

    // Only this one's clock goes on, to the time it waits for.
    void fire(uint32_t id) {
        Member& member = *members.at(id);
        member.now_us = std::max(member.now_us, member.quorum.next_tick_us());
        member.quorum.tick(member.now_us);
        settle();
    }
    void wait(uint32_t id, uint64_t us) {
        Member& member = *members.at(id);
        member.now_us += us;
        member.quorum.tick(member.now_us);
        settle();
    }
    // All clocks go on, and all is delivered meanwhile.
    void pass(uint64_t us) {
        for (uint64_t until_us = clock_us + us; clock_us < until_us;) {
            clock_us += 1000;
            for (auto& [id, member] : members) {
                member->now_us = std::max(member->now_us + 1000, clock_us);
                member->quorum.tick(member->now_us);
            }
            settle();
            deliver();
        }
    }
    // As if by leave of a leader. Its votes are asked for, nothing is delivered.
    void stand(uint32_t id) {
        uint32_t other = ids[0] == id ? ids[1] : ids[0];
        Quorum& quorum = at(id);
        if (quorum.role() == Role::leader) return;
        if (quorum.role() == Role::follower && quorum.progress(other) != nullptr)
            quorum.receive({.kind = MessageKind::campaign, .peer = other, .term = quorum.term()});
        else
            fire(id);
        settle();
    }
    // True: it leads, and all that is linked to it has its log.
    bool elect(uint32_t id) {
        for (int tries = 0; tries < 4 && at(id).role() != Role::leader; ++tries) {
            stand(id);
            deliver();
        }
        return at(id).role() == Role::leader;
    }
    uint64_t now(uint32_t id) { return members.at(id)->now_us; }

    // ---- what clients and disks do

    uint64_t append(uint32_t id, Entry entry = {}) {
        uint64_t zxid = members.at(id)->append(entry);
        settle();
        return zxid;
    }
    void durable(uint32_t id) {
        members.at(id)->make_durable(members.at(id)->log.size());
        settle();
    }
    void write_vote(uint32_t id) {
        members.at(id)->write_vote();
        settle();
    }
    uint64_t ask_barrier(uint32_t id) {
        uint64_t number = at(id).ask_barrier();
        witness.asked(id, number);
        settle();
        return number;
    }
    bool answered(uint32_t id, uint64_t number) const {
        auto found = done.find(id);
        return found != done.end() && found->second >= number;
    }
    uint32_t leader() {
        uint32_t found = 0;
        for (auto& [id, member] : members)
            if (member->quorum.role() == Role::leader &&
                (found == 0 || member->quorum.term() > at(found).term()))
                found = id;
        return found;
    }
    std::vector<uint64_t> terms(uint32_t id) {
        std::vector<uint64_t> all;
        for (const Entry& entry : members.at(id)->log) all.push_back(entry.term);
        return all;
    }
    bool linked(uint32_t one, uint32_t other) const {
        return links_.contains(std::minmax(one, other));
    }

    // A turn of everybody, disks that are not slow, and a look of the witness.
    void settle() {
        for (bool moved = true; moved;) {
            moved = false;
            for (auto& [id, member] : members) moved = turn(*member) || moved;
        }
    }

    QuorumOptions options;
    uint64_t batch = 100;
    Electorates electorates;
    std::vector<uint32_t> ids;
    std::map<uint32_t, std::unique_ptr<Member>> members;
    std::map<std::pair<uint32_t, uint32_t>, std::deque<Packet>> queues;
    std::set<uint32_t> slow_log;    // these disks wait for `durable`
    std::set<uint32_t> slow_votes;  // and these for `write_vote`
    std::map<uint32_t, uint64_t> done;  // the last barrier that was answered
    uint64_t clock_us = 1000;
    Witness witness;
    std::string broken;  // the first broken promise

private:
    bool turn(Member& member) {
        bool moved = false;
        std::vector<Packet> out;
        member.turn(out);
        if (member.writing && !slow_votes.contains(member.id)) {
            member.write_vote();
            moved = true;
        }
        if (!member.all_durable() && !slow_log.contains(member.id)) {
            member.make_durable(member.log.size());
            moved = true;
        }
        for (Packet& packet : out) {
            moved = true;
            uint32_t to = packet.message.peer;
            if (linked(member.id, to)) queues[{member.id, to}].push_back(std::move(packet));
        }
        for (auto [number, zxid] : member.answers) done[member.id] = number;
        const char* wrong = witness.look(member);
        for (auto& [id, other] : members)
            if (wrong == nullptr && id != member.id) wrong = Witness::compare(member, *other);
        if (wrong != nullptr && broken.empty()) broken = wrong;
        return moved;
    }
    void link(uint32_t one, uint32_t other) {
        auto pair = std::minmax(one, other);
        if (!up(one) || !up(other) || cut_.contains(pair) || linked(one, other)) return;
        links_.insert(pair);
        at(one).connected(other);
        at(other).connected(one);
    }
    void lose(uint32_t one, uint32_t other) {
        if (links_.erase(std::minmax(one, other)) == 0) return;
        queues.erase({one, other});
        queues.erase({other, one});
        at(one).lost(other);
        at(other).lost(one);
    }

    uint64_t seed_;
    uint64_t starts_ = 0;
    std::map<uint32_t, Disk> disks_;
    std::set<std::pair<uint32_t, uint32_t>> links_;
    std::set<std::pair<uint32_t, uint32_t>> cut_;
};

}  // namespace zk::quorum_test
