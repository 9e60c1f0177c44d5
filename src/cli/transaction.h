// transaction.h -- several writes as one, while they are being collected.
//
// Owns what was typed, so that the lines themselves may go. One Shell has one, open from `multi` to
// `commit` or `abort`; a bad line spoils it, and then nothing of it is ever sent.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/command.h"
#include "client/calls.h"

namespace zk {

// The words of a `create`, understood.
struct CreateWords {
    std::string path;  // the server's
    bool has_data = false;
    std::string data;
    std::string acls;  // "": anyone may do anything
    CreateMode mode = CreateMode::persistent;
    int64_t ttl_ms = -1;
};

struct TransactionOp {
    Op op = Op::check;  // create, set_data, remove or check, in whatever way it is sent
    std::string path;   // the server's; of a create: in `made`
    CreateWords made;
    std::string data;
    int32_t version = -1;
};

struct Transaction {
    bool open = false;
    size_t spoiled = 0;  // the line that did it; 0: none
    std::vector<TransactionOp> ops;
};

inline constexpr size_t transaction_ops_max = 100'000;

// `commit`, `abort` and what only concerns the shell itself; all else becomes part of it.
bool ends_transaction(const Command& command);
Status add_to_transaction(Shell& shell, std::span<const std::string> words);

}  // namespace zk
