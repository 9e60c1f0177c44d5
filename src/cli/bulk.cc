// bulk.cc -- see bulk.h.

#include "cli/bulk.h"

#include <algorithm>

namespace zk {

namespace {

// A frame is to stay far below jute.maxbuffer (1 MiB - 1), of the server and of its log.
constexpr size_t batch_bytes_max = 256 * 1024;
constexpr size_t batch_znodes_max = 500;
constexpr size_t batches_max = 16;             // under way
constexpr size_t sent_bytes_max = 2u << 20;    // under way
constexpr size_t apart_batches = 8;
constexpr size_t overhead_bytes = 64;          // of a create, besides path, data and ACLs

}  // namespace

std::optional<Existing> parse_existing(std::string_view text) {
    if (text == "fail") return Existing::fail;
    if (text == "skip") return Existing::skip;
    if (text == "overwrite") return Existing::overwrite;
    return std::nullopt;
}

call::Create create_of(const NewZnode& znode, std::vector<Acl>& acls) {
    call::Create made;
    Reader in(as_bytes(znode.acls));
    acls = read_acls(in);
    made.path = znode.path;
    made.data = znode.is_null ? Bytes() : as_bytes(znode.data);
    made.acls = acls;
    return made;
}

Err multi_verdict(const ReplyHeader& header, Bytes body, size_t& index) {
    index = 0;
    if (header.err != Err::ok) return header.err;
    std::optional<std::vector<Part>> parts = decode_parts(body);
    if (!parts) return Err::marshalling_error;
    // Behind the culprit stands runtime_inconsistency; where nothing else does, that is it.
    Err found = Err::ok;
    for (size_t i = 0; i < parts->size(); ++i) {
        Err err = (*parts)[i].err;
        if (err == Err::ok || (found != Err::ok && found != Err::runtime_inconsistency)) continue;
        found = err;
        index = i;
    }
    return found;
}

// -- batches -------------------------------------------------------------------------------------

Bulk::~Bulk() {
    if (under_way_ > 0) session_.drain(0);
    ASSERT(under_way_ == 0);
}

bool Bulk::stop(Err err, std::string path) {
    if (err_ != Err::ok) return false;
    err_ = err;
    path_ = std::move(path);
    count_rest();
    return false;
}

// Of batches that nobody will settle any more: what was made, and what nobody knows of.
void Bulk::count_rest() {
    while (under_way_ > 0 && session_.drain(session_.outstanding() - 1)) continue;
    auto count = [this](Err err, size_t znodes) {
        if (err == Err::ok) created_ += znodes;
        if (err == Err::connection_loss) unknown_ += znodes;
    };
    for (const Batch& batch : sent_) {
        if (batch.settled) continue;
        if (batch.whole) count(batch.err, batch.znodes.size());
        else for (Err err : batch.errs) count(err, 1);
    }
}

bool Bulk::add(NewZnode znode) {
    if (err_ != Err::ok) return false;
    size_t size = znode.path.size() + znode.data.size() + znode.acls.size() + overhead_bytes;
    bool full = current_.znodes.size() >= batch_znodes_max ||
                current_.bytes + size > batch_bytes_max;
    if (full && !current_.znodes.empty() && !send_current()) return false;
    current_.bytes += size;
    current_.znodes.push_back(std::move(znode));
    return true;
}

bool Bulk::finish() {
    if (err_ != Err::ok) return false;
    if (!current_.znodes.empty() && !send_current()) return false;
    while (!sent_.empty())
        if (!settle_front()) return false;
    return true;
}

bool Bulk::send_current() {
    while (sent_.size() >= batches_max || sent_bytes_ >= sent_bytes_max ||
           (!sent_.empty() && sent_.front().pending == 0))
        if (!settle_front()) return false;
    if (!is_connected(session_.state()) && !connect()) return false;
    Batch& batch = sent_.emplace_back(std::move(current_));
    current_ = Batch();
    sent_bytes_ += batch.bytes;
    bool whole = apart_ == 0 && batch.znodes.size() > 1;
    if (apart_ > 0) --apart_;
    send(batch, whole);
    return true;
}

void Bulk::send(Batch& batch, bool whole) {
    batch.bulk = this;
    batch.whole = whole;
    batch.err = Err::ok;
    auto taken = [](void* context, uint64_t index, const ReplyHeader& header, Bytes body) {
        Batch& of = *static_cast<Batch*>(context);
        --of.bulk->under_way_;
        --of.pending;
        if (of.whole) of.err = multi_verdict(header, body, of.index);
        else of.errs[index] = header.err;
    };
    auto post = [&](const Call& call, size_t index) {
        ++under_way_;
        ++batch.pending;
        session_.send(call, OnReply{.run = taken, .context = &batch, .tag = index});
    };
    std::vector<Acl> acls;
    if (whole) {
        call::Multi multi;
        for (const NewZnode& znode : batch.znodes) multi.create(create_of(znode, acls));
        post(multi.take(), 0);
        return;
    }
    batch.errs.assign(batch.znodes.size(), Err::ok);
    for (size_t i = 0; i < batch.znodes.size(); ++i) 
        post(call::create(create_of(batch.znodes[i], acls)), i);
}

// Waits for the answer to the oldest batch, and brings it to an end.
bool Bulk::settle_front() {
    Batch& batch = sent_.front();
    while (batch.pending > 0)
        if (!wait_for(under_way_ - 1)) return false;
    if (batch.whole && batch.err == Err::ok) {
        created_ += batch.znodes.size();
    } else if (batch.whole) {
        bool again = existing_ != Existing::fail &&
                     (batch.err == Err::node_exists || batch.err == Err::no_node ||
                      batch.err == Err::connection_loss);
        if (!again) return stop(batch.err, batch.znodes[batch.index].path);
        // Later ones may depend on this: they are looked at when all of them have come to rest.
        if (!wait_for(0)) return false;
        apart_ = apart_batches;
        if (!settle_pieces(batch)) return false;
    } else if (!settle_pieces(batch)) {
        return false;
    }
    sent_bytes_ -= batch.bytes;
    sent_.pop_front();
    return true;
}

// Sends the pieces if the batch was whole before, or if their answers were lost.
bool Bulk::settle_pieces(Batch& batch) {
    bool sent = !batch.whole;
    for (;;) {
        if (sent && std::find(batch.errs.begin(), batch.errs.end(), Err::connection_loss) ==
                        batch.errs.end())
            break;
        if (sent && existing_ == Existing::fail)
            return stop(Err::connection_loss, batch.znodes.front().path);
        if (!connect()) return false;
        send(batch, false);
        sent = true;
        while (batch.pending > 0)
            if (!wait_for(under_way_ - 1)) return false;
    }
    batch.settled = true;
    Err failed = Err::ok;
    size_t first = 0;  // that failed
    std::vector<const NewZnode*> there;
    for (size_t i = 0; i < batch.znodes.size(); ++i) {
        Err err = batch.errs[i];
        if (err == Err::ok) ++created_;
        else if (err == Err::node_exists && existing_ == Existing::skip) ++skipped_;
        else if (err == Err::node_exists && existing_ == Existing::overwrite)
            there.push_back(&batch.znodes[i]);
        else if (failed == Err::ok) {
            failed = err;
            first = i;
        }
    }
    if (failed != Err::ok) return stop(failed, batch.znodes[first].path);
    if (there.empty()) return true;
    apart_ = apart_batches;
    return overwrite(there);
}

bool Bulk::overwrite(const std::vector<const NewZnode*>& znodes) {
    struct Answers {
        Bulk* bulk;
        std::vector<Err> errs;
    };
    Answers answers{.bulk = this, .errs = std::vector<Err>(znodes.size() * 2, Err::ok)};
    auto taken = [](void* context, uint64_t index, const ReplyHeader& header, Bytes) {
        auto& of = *static_cast<Answers*>(context);
        --of.bulk->under_way_;
        of.errs[index] = header.err;
    };
    for (;;) {
        for (size_t i = 0; i < znodes.size(); ++i) {
            const NewZnode& znode = *znodes[i];
            Bytes data = znode.is_null ? Bytes() : as_bytes(znode.data);
            Reader acls(as_bytes(znode.acls));
            under_way_ += 2;
            session_.send(call::set_data(znode.path, data, -1),
                          OnReply{.run = taken, .context = &answers, .tag = 2 * i});
            session_.send(call::set_acl(znode.path, read_acls(acls), -1),
                          OnReply{.run = taken, .context = &answers, .tag = 2 * i + 1});
        }
        bool waited = wait_for(0);
        if (!waited && under_way_ > 0) session_.drain(0);  // `answers` is about to go
        if (!waited) return false;
        auto bad = std::find_if(answers.errs.begin(), answers.errs.end(),
                                [](Err err) { return err != Err::ok; });
        if (bad == answers.errs.end()) break;
        if (*bad != Err::connection_loss)
            return stop(*bad, znodes[static_cast<size_t>(bad - answers.errs.begin()) / 2]->path);
        if (!connect()) return false;
    }
    overwritten_ += znodes.size();
    return true;
}

// -- waiting -------------------------------------------------------------------------------------

// Others may have requests under way in the same session: waits for one reply after the other.
bool Bulk::wait_for(size_t under_way_max) {
    while (under_way_ > under_way_max)
        if (!session_.drain(session_.outstanding() - 1)) return stop(Err::request_timeout, "");
    return true;
}

bool Bulk::connect() {
    if (session_.connect()) return true;
    if (session_.why_not() == "interrupted") return stop(Err::request_timeout, "");
    return stop(is_final(session_.state()) ? Err::session_expired : Err::operation_timeout, "");
}

}  // namespace zk
