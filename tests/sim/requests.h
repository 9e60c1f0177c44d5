// requests.h -- what simulated clients ask: random requests over the whole protocol.
//
// Few paths, few names, few users, so that requests meet each other; now and then one that is
// wrong.

#pragma once

#include <string>

#include "chance.h"
#include "checker.h"

namespace zk::sim {

struct Draft {
    RequestKind kind = RequestKind::read;
    Op op = Op::ping;
    std::string body;
    std::string path;            // of reads that may leave a watch
    bool watch = false;
    std::string proof;           // auth: the id that it proves
};

struct Taste {
    bool wrong = false;    // sends what no good client would
    size_t data_max = 60;  // bytes
    uint64_t writes_percent = 50;
    uint64_t watches_percent = 30;
};

Draft random_draft(Chance& chance, const Taste& taste);
// Some of `nodes` machines leave, or join with whatever role.
Draft reconfig_draft(Chance& chance, uint32_t nodes);
Draft ping_draft();
Draft close_draft();
Draft create_draft(const std::string& path);
Draft path_draft(Op op, const std::string& path);  // getACL, sync, getChildren2, getData, ...

// The frame of a request.
std::string frame_of(const Draft& draft, int32_t xid);

}  // namespace zk::sim
