// protocol.cc -- see protocol.h: the texts that ZooKeeper's own tools print for its numbers.

#include "wire/protocol.h"

#include <array>

namespace zk {

namespace {

struct ErrRow {
    Err err;
    std::string_view name;
};

// KeeperException.java, getCodeMessage.
constexpr std::array err_rows = {
    ErrRow{.err = Err::ok, .name = "ok"},
    ErrRow{.err = Err::system_error, .name = "SystemError"},
    ErrRow{.err = Err::runtime_inconsistency, .name = "RuntimeInconsistency"},
    ErrRow{.err = Err::data_inconsistency, .name = "DataInconsistency"},
    ErrRow{.err = Err::connection_loss, .name = "ConnectionLoss"},
    ErrRow{.err = Err::marshalling_error, .name = "MarshallingError"},
    ErrRow{.err = Err::unimplemented, .name = "Unimplemented"},
    ErrRow{.err = Err::operation_timeout, .name = "OperationTimeout"},
    ErrRow{.err = Err::bad_arguments, .name = "BadArguments"},
    ErrRow{.err = Err::unknown_session, .name = "Unknown session"},
    ErrRow{.err = Err::new_config_no_quorum, .name = "NewConfigNoQuorum"},
    ErrRow{.err = Err::reconfig_in_progress, .name = "ReconfigInProgress"},
    ErrRow{.err = Err::no_node, .name = "NoNode"},
    ErrRow{.err = Err::no_auth, .name = "NoAuth"},
    ErrRow{.err = Err::bad_version, .name = "BadVersion"},
    ErrRow{.err = Err::no_children_for_ephemerals, .name = "NoChildrenForEphemerals"},
    ErrRow{.err = Err::node_exists, .name = "NodeExists"},
    ErrRow{.err = Err::not_empty, .name = "Directory not empty"},
    ErrRow{.err = Err::session_expired, .name = "Session expired"},
    ErrRow{.err = Err::invalid_callback, .name = "Invalid callback"},
    ErrRow{.err = Err::invalid_acl, .name = "InvalidACL"},
    ErrRow{.err = Err::auth_failed, .name = "AuthFailed"},
    ErrRow{.err = Err::session_moved, .name = "Session moved"},
    ErrRow{.err = Err::not_read_only, .name = "Not a read-only call"},
    ErrRow{.err = Err::ephemeral_on_local_session, .name = "Ephemeral node on local session"},
    ErrRow{.err = Err::no_watcher, .name = "No such watcher"},
    ErrRow{.err = Err::request_timeout, .name = "Request timeout"},
    ErrRow{.err = Err::reconfig_disabled, .name = "Reconfig is disabled"},
    ErrRow{.err = Err::session_closed_require_sasl_auth,
           .name = "Session closed because client failed to authenticate"},
    ErrRow{.err = Err::quota_exceeded, .name = "Quota has exceeded"},
    ErrRow{.err = Err::throttled_op, .name = "Op throttled due to high load"},
};

}  // namespace

std::string_view err_name(Err err) {
    for (const ErrRow& row : err_rows)
        if (row.err == err) return row.name;
    return "Unknown error";
}

std::string_view event_name(EventType type) {
    switch (type) {
    case EventType::none: return "None";
    case EventType::created: return "NodeCreated";
    case EventType::deleted: return "NodeDeleted";
    case EventType::data_changed: return "NodeDataChanged";
    case EventType::children_changed: return "NodeChildrenChanged";
    }
    return "Unknown";
}

}  // namespace zk
