// bulk.h -- makes znodes by the thousand: transactions of many creates, many of them under way.
//
// Owns the batches that have no answer yet. Parents are to come before their children; requests of
// one session are carried out in order, so a batch need not wait for the one before it.
//
//     add -> batch (until it is full) -> one multi -> all done, or none
//
// A batch that was refused is taken apart, once all others have their answers: its znodes are made
// one by one, and those that exist are dealt with as `existing` says. As long as that happens,
// batches are sent in pieces at once.

#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "client/sync.h"

namespace zk {

enum class Existing : uint8_t { fail, skip, overwrite };
std::optional<Existing> parse_existing(std::string_view text);

struct NewZnode {  // a persistent one
    std::string path;  // the full one
    std::string data;
    bool is_null = false;
    std::string acls;  // as on the wire
};

call::Create create_of(const NewZnode& znode, std::vector<Acl>& acls);
// Of the answer to a multi: ok, or why nothing was done; `index` is the write to blame.
Err multi_verdict(const ReplyHeader& header, Bytes body, size_t& index);

class Bulk {
public:
    Bulk(SyncClient& session, Existing existing) : session_(session), existing_(existing) {}
    Bulk(const Bulk&) = delete;
    Bulk& operator=(const Bulk&) = delete;
    ~Bulk();

    // False: something went wrong, now or before. Then err() and path() say what.
    bool add(NewZnode znode);
    bool finish();  // waits until all is done

    Err err() const { return err_; }
    const std::string& path() const { return path_; }
    size_t created() const { return created_; }
    size_t skipped() const { return skipped_; }
    size_t overwritten() const { return overwritten_; }
    size_t unknown() const { return unknown_; }  // after connection_loss: made, or not

private:
    struct Batch {
        std::vector<NewZnode> znodes;
        size_t bytes = 0;
        bool whole = true;      // sent as one transaction
        bool settled = false;   // its znodes are counted
        size_t pending = 0;     // replies to come
        Err err = Err::ok;      // of the transaction
        size_t index = 0;       // whose fault that was
        std::vector<Err> errs;  // one by one
        Bulk* bulk = nullptr;
    };

    void send(Batch& batch, bool whole);
    bool send_current();
    bool settle_front();
    bool settle_pieces(Batch& batch);
    bool overwrite(const std::vector<const NewZnode*>& znodes);
    bool wait_for(size_t under_way_max);
    bool connect();
    bool stop(Err err, std::string path);
    void count_rest();

    SyncClient& session_;
    Existing existing_;
    Batch current_;
    std::deque<Batch> sent_;
    size_t under_way_ = 0;   // requests without a reply
    size_t sent_bytes_ = 0;  // of sent_
    size_t apart_ = 0;       // so many batches more are sent in pieces
    Err err_ = Err::ok;
    std::string path_;
    size_t created_ = 0;
    size_t skipped_ = 0;
    size_t overwritten_ = 0;
    size_t unknown_ = 0;
};

}  // namespace zk
