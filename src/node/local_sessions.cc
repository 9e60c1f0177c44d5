// local_sessions.cc -- sessions that only this node knows, and service without a quorum.

#include "node/core.h"

namespace zk {

bool Core::serves_read_only() const {
    return config_.read_only_mode && lost_quorum_ && log_ != nullptr && links_ != nullptr;
}

}  // namespace zk
