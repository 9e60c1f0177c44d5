// model.h -- the plainest possible ZooKeeper: maps and strings, the oracle of the simulator.
//
// Written from what Apache ZooKeeper does, not from src/state, and slow on purpose: nothing here is
// clever, so that a difference between the two is a bug in one of them. `apply` takes the entries
// of the log in zxid order; `read` answers at the state so reached. Both yield the bytes of the
// reply record, and events are handed out for every connection that watches.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "state/entry.h"
#include "state/membership.h"
#include "wire/records.h"

namespace zk::sim {

struct ModelAcl {
    int32_t perms = 0;
    std::string scheme;
    std::string id;

    bool operator==(const ModelAcl&) const = default;
};
using AclList = std::vector<ModelAcl>;

// What a connection proved to be: (scheme, id) pairs, first its address.
using Who = std::vector<std::pair<std::string, std::string>>;

enum class ModelKind : uint8_t { persistent, ephemeral, container, ttl };

struct ModelZnode {
    std::optional<std::string> data;
    AclList acl;
    ModelKind kind = ModelKind::persistent;
    int64_t owner = 0;  // the session of an ephemeral
    int64_t ttl_ms = 0;
    int64_t czxid = 0;
    int64_t mzxid = 0;
    int64_t pzxid = 0;
    int64_t ctime = 0;
    int64_t mtime = 0;
    int32_t version = 0;
    int32_t created = 0;  // children ever
    int32_t aversion = 0;
    std::set<std::string> children;

    Stat stat() const;
};

struct ModelSession {
    int32_t timeout_ms = 0;
    std::string password;
    uint32_t owner_node = 0;
    uint64_t owner_client = 0;
};

// An event on its way to a connection; who may not read the znode is not told.
struct ModelEvent {
    int64_t zxid = 0;
    EventType type = EventType::none;
    std::string path;
    AclList acl;
};

// Which watches a connection has at a path.
struct ModelWatch {
    bool data = false;
    bool child = false;
    bool persistent = false;
    bool recursive = false;

    bool in_data_table() const { return data || persistent || recursive; }
    bool in_child_table() const { return child || persistent; }
    bool any() const { return in_data_table() || child; }
};

struct ModelOutcome {
    Err err = Err::ok;
    bool moved = false;
    bool held = false;  // answered with a later entry
    std::string reply = {};
};

class Model {
public:
    using Connection = uint32_t;

    Model();

    // Requires: entry.zxid follows zxid(), if that is not 0.
    ModelOutcome apply(const Entry& entry);
    // What the entry just applied tells whom.
    const std::map<Connection, std::vector<ModelEvent>>& events() const { return events_; }

    struct Asker {
        Connection connection = 0;
        int64_t session = 0;
        const Who* who = nullptr;
    };
    // `notices`: events that go out before the reply.
    ModelOutcome read(Op op, Bytes body, const Asker& asker, std::vector<ModelEvent>& notices);
    // The id that a session made by this entry has. Its form is the server's own affair;
    // that it is this one is checked by the first answer.
    static int64_t session_id(const Entry& entry);
    void forget(Connection connection) { watches_.erase(connection); }
    void forget_all_watches() { watches_.clear(); }

    uint64_t zxid() const { return zxid_; }
    bool allows(const AclList& acl, int32_t perms, const Who& who) const;
    const std::map<std::string, ModelZnode>& znodes() const { return znodes_; }
    const std::map<int64_t, ModelSession>& sessions() const { return sessions_; }
    // A rule that a server's own entry broke; empty: none.
    const std::string& broken() const { return broken_; }

private:
    struct Change {
        EventType type;
        std::string path;
        AclList acl;
        AclList parent_acl;
    };
    struct Write {
        const Entry& entry;
        Who who;
        Op op;
        bool in_multi;
    };

    // model.cc
    ModelOutcome apply_session(const Entry& entry);
    ModelOutcome attach(const Entry& entry);
    ModelOutcome close(const Entry& entry);
    ModelOutcome reap(const Entry& entry);
    ModelOutcome multi(const Write& write, Reader& in);
    ModelOutcome run(const Write& write, Reader& in);
    ModelOutcome create(const Write& write, Reader& in);
    ModelOutcome remove(const Write& write, Reader& in);
    ModelOutcome set_data(const Write& write, Reader& in);
    ModelOutcome reconfig(const Write& write, Reader& in);
    ModelOutcome show_membership(const Entry& entry);
    ModelOutcome set_acl(const Write& write, Reader& in);
    ModelOutcome check(const Write& write, Reader& in);
    Err plan(const Write& write, const CreateRequest& asked, ModelZnode& znode) const;
    Err fix_acl(Bytes bytes, const Who& who, AclList& out) const;
    void take_away(const std::string& path, int64_t zxid);
    ModelZnode* find(std::string_view path);
    bool alive(const Entry& entry) const { return sessions_.count(entry.session) > 0; }

    // model_reads.cc
    void fire();
    void fire_at(const std::string& path, EventType type, const AclList& acl, bool data_table,
                 bool child_table);
    ModelOutcome read_acl(std::string_view path, const Who& who);
    ModelOutcome read_children(Op op, const PathWatch& asked, const Asker& asker);
    ModelOutcome read_ephemerals(Reader& in, const Asker& asker);
    ModelOutcome read_multi(Reader& in, const Asker& asker);
    ModelOutcome set_watches(Op op, Reader& in, const Asker& asker,
                             std::vector<ModelEvent>& notices);
    ModelOutcome watch_lists(Op op, Reader& in, const Asker& asker);
    Err readable(std::string_view path, int32_t perms, const Who& who, ModelZnode*& znode);
    ModelWatch& watch(Connection connection, std::string_view path) {
        return watches_[connection][std::string(path)];
    }

    uint64_t zxid_ = 0;
    std::map<std::string, ModelZnode> znodes_;  // the root is "/"
    std::map<int64_t, ModelSession> sessions_;
    bool skip_acl_ = false;
    bool extended_ = false;
    bool reconfig_ = false;
    bool alone_ = false;
    Membership membership_;
    std::map<Connection, std::map<std::string, ModelWatch>> watches_;
    std::vector<Change> changes_;
    std::map<Connection, std::vector<ModelEvent>> events_;
    std::string broken_;
};

}  // namespace zk::sim
