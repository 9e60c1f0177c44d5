// session.cc -- see session.h.

#include "state/session.h"

#include <cstring>

#include "base/hash.h"
#include "base/mutation.h"

namespace zk {

namespace {

uint64_t hash_id(int64_t id) {
    return hash64(Bytes(reinterpret_cast<const uint8_t*>(&id), sizeof id));
}

}  // namespace

SessionSlot Sessions::find(int64_t id) const {
    if (id == 0) return 0;
    return index_.find(hash_id(id), [&](SessionSlot slot) { return sessions_[slot].id == id; });
}

uint64_t Sessions::term(const Session& session) const {
    uint8_t rest[16];
    store_u64(rest, session.owner_client);
    store_u32(rest + 8, session.owner_node);
    store_u32(rest + 12, static_cast<uint32_t>(session.timeout_ms));
    return hash64(Bytes(session.password, password_size),
                  hash64(Bytes(rest, sizeof rest), hash_id(session.id)));
}

SessionSlot Sessions::create(int64_t id, int32_t timeout_ms, Bytes password,
                             const Origin& owner) {
    ASSERT(id != 0);
    ASSERT(password.size() == password_size);
    SessionSlot slot = sessions_.allocate();
    Session& session = sessions_[slot];
    session.id = id;
    session.timeout_ms = timeout_ms;
    session.owner_node = owner.node;
    session.owner_client = owner.client;
    memcpy(session.password, password.data(), password_size);
    index_.insert(hash_id(id), slot);
    digest_ += term(session);
    return slot;
}

void Sessions::remove(SessionSlot slot) {
    Session& session = sessions_[slot];
    ASSERT(session.ephemerals.head == 0);
    leave(slot);
    digest_ -= term(session);
    index_.erase(hash_id(session.id), slot);
    memset(static_cast<void*>(&session), 0, sizeof session);
    sessions_.release(slot);
}

void Sessions::attach(SessionSlot slot, int32_t timeout_ms, const Origin& owner) {
    Session& session = sessions_[slot];
    digest_ -= term(session);
    session.timeout_ms = timeout_ms;
    session.owner_node = owner.node;
    session.owner_client = owner.client;
    digest_ += term(session);
}

void Sessions::lead(uint64_t now_ms, uint64_t tick_ms) {
    ASSERT(tick_ms > 0);
    tick_ms_ = tick_ms;
    for (SessionSlot slot = 1; slot < sessions_.end(); ++slot)
        if (sessions_[slot].timeout_ms > 0)
            mutated(Mutation::expire_at_once) ? enter(slot, now_ms + 1) : touch(slot, now_ms);
}

void Sessions::follow() {
    tick_ms_ = 0;
    for (SessionSlot slot = 1; slot < sessions_.end(); ++slot)
        if (sessions_[slot].timeout_ms > 0) leave(slot);
}

void Sessions::touch(SessionSlot slot, uint64_t now_ms) {
    if (tick_ms_ == 0) return;
    uint64_t timeout_ms = static_cast<uint64_t>(sessions_[slot].timeout_ms);
    uint64_t deadline_ms = ((now_ms + timeout_ms) / tick_ms_ + 1) * tick_ms_;
    if (deadline_ms == sessions_[slot].deadline_ms) return;
    leave(slot);
    enter(slot, deadline_ms);
}

void Sessions::enter(SessionSlot slot, uint64_t deadline_ms) {
    Session& session = sessions_[slot];
    SessionSlot& head = buckets_[deadline_ms];
    session.deadline_ms = deadline_ms;
    session.prev = 0;
    session.next = head;
    if (head != 0) sessions_[head].prev = slot;
    head = slot;
}

void Sessions::leave(SessionSlot slot) {
    Session& session = sessions_[slot];
    if (session.deadline_ms == 0) return;
    if (session.next != 0) sessions_[session.next].prev = session.prev;
    if (session.prev != 0) {
        sessions_[session.prev].next = session.next;
    } else if (session.next != 0) {
        buckets_[session.deadline_ms] = session.next;
    } else {
        buckets_.erase(session.deadline_ms);
    }
    session.deadline_ms = 0;
    session.prev = session.next = 0;
}

void Sessions::expired(uint64_t now_ms, size_t most, std::vector<int64_t>& out) {
    for (const auto& [deadline_ms, head] : buckets_) {
        if (deadline_ms > now_ms) return;
        for (SessionSlot slot = head; slot != 0; slot = sessions_[slot].next) {
            if (out.size() >= most) return;
            out.push_back(sessions_[slot].id);
        }
    }
}

}  // namespace zk
