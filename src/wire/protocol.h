// protocol.h -- the numbers of the ZooKeeper client protocol: opcodes, errors, modes, events.
//
// Layer 1. Values are those on the wire, names those of zookeeper.jute and ZooDefs.java.

#pragma once

#include <cstdint>
#include <string_view>

namespace zk {

enum class Op : int32_t {
    notification = 0,
    create = 1,
    remove = 2,  // ZooKeeper's `delete`, which C++ keeps for itself
    exists = 3,
    get_data = 4,
    set_data = 5,
    get_acl = 6,
    set_acl = 7,
    get_children = 8,
    sync = 9,
    ping = 11,
    get_children2 = 12,
    check = 13,
    multi = 14,
    create2 = 15,
    reconfig = 16,
    check_watches = 17,
    remove_watches = 18,
    create_container = 19,
    delete_container = 20,
    create_ttl = 21,
    multi_read = 22,
    auth = 100,
    set_watches = 101,
    sasl = 102,
    get_ephemerals = 103,
    get_all_children_number = 104,
    set_watches2 = 105,
    add_watch = 106,
    who_am_i = 107,
    create_session = -10,
    close_session = -11,
    error = -1,
};

enum class Err : int32_t {
    ok = 0,
    system_error = -1,
    runtime_inconsistency = -2,
    data_inconsistency = -3,
    connection_loss = -4,
    marshalling_error = -5,
    unimplemented = -6,
    operation_timeout = -7,
    bad_arguments = -8,
    unknown_session = -12,
    new_config_no_quorum = -13,
    reconfig_in_progress = -14,
    no_node = -101,
    no_auth = -102,
    bad_version = -103,
    no_children_for_ephemerals = -108,
    node_exists = -110,
    not_empty = -111,
    session_expired = -112,
    invalid_callback = -113,
    invalid_acl = -114,
    auth_failed = -115,
    session_moved = -118,
    not_read_only = -119,
    ephemeral_on_local_session = -120,
    no_watcher = -121,
    request_timeout = -122,
    reconfig_disabled = -123,
    session_closed_require_sasl_auth = -124,
    quota_exceeded = -125,
    throttled_op = -127,
};

// Name as ZooKeeper's KeeperException prints it ("NoNode", "Session expired", ...).
std::string_view err_name(Err err);

enum class EventType : int32_t {
    none = -1,
    created = 1,
    deleted = 2,
    data_changed = 3,
    children_changed = 4,
};
std::string_view event_name(EventType type);  // "NodeCreated", ...

inline constexpr int32_t state_sync_connected = 3;  // the only state a server ever writes

// Create flags, as in CreateMode.java.
enum class CreateMode : int32_t {
    persistent = 0,
    ephemeral = 1,
    persistent_sequential = 2,
    ephemeral_sequential = 3,
    container = 4,
    persistent_with_ttl = 5,
    persistent_sequential_with_ttl = 6,
};
inline constexpr bool is_ephemeral(CreateMode mode) {
    return mode == CreateMode::ephemeral || mode == CreateMode::ephemeral_sequential;
}
inline constexpr bool is_sequential(CreateMode mode) {
    return mode == CreateMode::persistent_sequential || mode == CreateMode::ephemeral_sequential ||
           mode == CreateMode::persistent_sequential_with_ttl;
}
inline constexpr bool is_ttl(CreateMode mode) {
    return mode == CreateMode::persistent_with_ttl ||
           mode == CreateMode::persistent_sequential_with_ttl;
}
inline constexpr int64_t ttl_ms_max = (int64_t{1} << 40) - 1;

namespace perm {
inline constexpr int32_t read = 1;
inline constexpr int32_t write = 2;
inline constexpr int32_t create = 4;
inline constexpr int32_t remove = 8;
inline constexpr int32_t admin = 16;
inline constexpr int32_t all = 31;
}  // namespace perm

enum class AddWatchMode : int32_t { persistent = 0, persistent_recursive = 1 };

// What checkWatches and removeWatches ask for (Watcher.WatcherType).
enum class WatcherType : int32_t {
    children = 1,
    data = 2,
    any = 3,
    persistent = 4,
    persistent_recursive = 5,
};

inline constexpr int32_t xid_notification = -1;
inline constexpr int32_t xid_ping = -2;
inline constexpr int32_t xid_auth = -4;
inline constexpr int32_t xid_set_watches = -8;

inline constexpr size_t password_size = 16;

}  // namespace zk
