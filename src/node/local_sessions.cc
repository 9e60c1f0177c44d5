// local_sessions.cc -- sessions that only this node knows, and service without a quorum.
//
// A local session (localSessionsEnabled) costs the others nothing: no entry makes or ends it, its
// deadline is kept here, and no other server takes it. Its writes go through the log like all, with
// 0 for the session (entry.h). What it cannot have is an ephemeral, for that hangs on everybody's
// knowing its session; so at the first one it becomes global, if localSessionsUpgradingEnabled:
//
//     client's queue   | upgrade | create |       both entries go to the log, one behind the other
//
// From the moment the upgrade is on its way the session is local no more: who comes back meanwhile
// asks the log for it, as anybody does.
//
// Without a quorum, and with readonlymode.enabled, clients that said they accept that are served
// reads, in sessions of the same kind. They are closed when there is a quorum; a session that comes
// back here then goes on as a local one, or is upgraded where there are none. A session that the
// ensemble knows is not served meanwhile: it could not be kept alive.

#include <openssl/crypto.h>

#include "node/core.h"

namespace zk {

namespace {

// Never one that a state makes (make_session_id): of the numbers behind the node's, the upper half.
int64_t local_id(uint32_t node, uint64_t chance) {
    constexpr uint64_t upper_half = uint64_t{1} << 55;
    return static_cast<int64_t>(uint64_t{node & 0xff} << 56 | upper_half |
                                (chance & (upper_half - 1)));
}

}  // namespace

bool Core::serves_read_only() const {
    return lost_quorum_ && config_.read_only_mode && log_ != nullptr && links_ != nullptr;
}

// False: its session is, or is to be, one that the ensemble knows.
bool Core::connect_local(Client& client, const ConnectRequest& asked) {
    bool without = serves_read_only();
    if (!without && !config_.local_sessions && local_.count() == 0) return false;
    if (without && !asked.read_only) {
        drop(client, "this node has no quorum, and the client wants more than to read");
        return true;
    }
    SessionSlot slot = local_.find(asked.session);
    bool ours = slot != 0 || (asked.session == 0 && (without || config_.local_sessions));
    if (!ours && !without) return false;
    if (!ours) {
        drop(client, "its session is known, if at all, to those that this node cannot ask");
        return true;
    }
    if (asked.last_zxid_seen > static_cast<int64_t>(state_->zxid())) {
        drop(client, "client is ahead");
        return true;
    }
    client.read_only = without;
    if (asked.session == 0) {
        make_local(client);
        return true;
    }
    settle_session(asked.session, "its session came back on another connection");
    bool known = asked.password.size() == password_size &&
                 CRYPTO_memcmp(asked.password.data(), local_[slot].password, password_size) == 0;
    if (!known) {
        refuse_connect(client);
        return true;
    }
    local_.attach(slot, client.timeout_ms, {.node = node_number_, .client = client.attach});
    client.session = asked.session;
    client.slot = slot;
    if (!without && !config_.local_sessions)
        make_global(client, PendingKind::connect);
    else
        greet_local(client);
    return true;
}

void Core::make_local(Client& client) {
    uint8_t chance[8 + password_size];
    int64_t id = 0;
    do {
        io_.random(chance);
        id = local_id(node_number_, load_u64(chance));
    } while (local_.find(id) != 0 || state_->sessions.find(id) != 0);
    client.session = id;
    client.slot = local_.create(id, client.timeout_ms, Bytes(chance + 8, password_size),
                                {.node = node_number_, .client = client.attach});
    greet_local(client);
}

void Core::greet_local(Client& client) {
    client.local = true;
    const Session& session = local_[client.slot];
    welcome(client, {.timeout_ms = session.timeout_ms,
                     .session = session.id,
                     .password = Bytes(session.password, password_size),
                     .read_only = client.read_only,
                     .has_read_only = client.has_read_only});
}

// Proposes that everybody know the client's session.
void Core::make_global(Client& client, PendingKind kind) {
    const Session& session = local_[client.slot];
    LOG(info, "upgrading session 0x%llx", static_cast<unsigned long long>(session.id));
    body_.clear();
    encode(body_, NewSession{.timeout_ms = session.timeout_ms,
                             .chance = 0,
                             .password = Bytes(session.password, password_size)});
    local_.remove(client.slot);
    client.local = false;
    client.slot = 0;
    submit(next_origin(client), client.session, entry_op::upgrade_session, {}, body_.bytes());
    enqueue(client, {.kind = kind,
                     .identities = 1,
                     .xid = 0,
                     .op = static_cast<int32_t>(Op::create_session),
                     .size = 0,
                     .came_us = now_us_});
}

// The client asked for it, and all that it asked before is answered.
void Core::end_local(Client& client, const Pending& pending) {
    write_reply(client, pending, static_cast<int64_t>(state_->zxid()), Err::ok, {});
    ASSERT(client.local);
    local_.remove(client.slot);
    drop(client, "its session ended");
}

// While nobody can come back nobody expires; then all have their full time again.
void Core::expire_local() {
    if (quorum_->leader() == 0 && !serves_read_only()) {
        local_idle_ = true;
        return;
    }
    if (local_idle_) local_.lead(clock_ms(), static_cast<uint64_t>(config_.tick_ms));
    local_idle_ = false;
    expired_.clear();
    local_.expired(clock_ms(), local_.count(), expired_);
    for (int64_t session : expired_) {
        LOG(info, "local session 0x%llx expired", static_cast<unsigned long long>(session));
        ++metrics_.sessions_expired;
        settle_session(session, "its session expired");
        local_.remove(local_.find(session));
    }
}

void Core::end_read_only() {
    for (auto& client : clients_)
        if (client != nullptr && !client->gone && client->read_only)
            drop(*client, "there is a quorum again");
}

}  // namespace zk
