// quorum.cc -- see quorum.h.

#include "quorum/quorum.h"

namespace zk {

void Quorum::start() {
    ASSERT(role_ == Role::follower);
    role_ = Role::candidate;
    vote_ = {.term = vote_.term + 1, .member = self_};
    vote_unwritten_ = true;
}

std::optional<Vote> Quorum::vote_to_write() {
    if (!vote_unwritten_) return std::nullopt;
    vote_unwritten_ = false;
    return vote_;
}

void Quorum::vote_written() {
    // The only voter has voted for itself: a majority.
    if (role_ == Role::candidate) role_ = Role::leader;
}

void Quorum::appended(uint64_t zxid) {
    ASSERT(role_ == Role::leader);
    ASSERT(zxid == last_ + 1);
    last_ = zxid;
    if (term_start_ == 0) term_start_ = zxid;
}

void Quorum::durable(uint64_t zxid) {
    ASSERT(zxid >= durable_);
    ASSERT(zxid <= last_);
    durable_ = zxid;
    advance();
}

void Quorum::cut_back(uint64_t zxid) {
    ASSERT(zxid >= durable_);
    ASSERT(zxid <= last_);
    last_ = zxid;
    if (term_start_ > last_) term_start_ = 0;
}

void Quorum::advance() {
    if (role_ != Role::leader || term_start_ == 0 || durable_ < term_start_) return;
    ASSERT(durable_ >= committed_);
    committed_ = durable_;
}

std::optional<uint64_t> Quorum::read_barrier() const {
    if (role_ != Role::leader || term_start_ == 0 || committed_ < term_start_) return std::nullopt;
    return committed_;
}

}  // namespace zk
