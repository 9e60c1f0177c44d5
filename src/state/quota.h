// quota.h -- limits on how many znodes and bytes a subtree may have.
//
// Layer 2. Limits and usage are data of ordinary znodes, in the texts of StatsTrack.java:
//
//     /zookeeper/quota/a/b/zookeeper_limits   count=10,bytes=-1=;byteHardLimit=4096
//     /zookeeper/quota/a/b/zookeeper_stats    count=3,bytes=120
//
// Quotas owns nothing but the set of paths that have limits, which follows from the tree. Only the
// deepest quota above a path is charged. Soft limits are logged, hard ones are refused where
// `enforceQuota` is on.

#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "state/tree.h"

namespace zk {

// A text of limits or usage; a key that is not there reads as -1.
class QuotaText {
public:
    explicit QuotaText(Bytes text);
    int64_t operator[](std::string_view key) const;
    void set(std::string_view key, int64_t value);
    std::string text() const;  // count and bytes first, then the others, sorted

private:
    std::map<std::string, int64_t, std::less<>> values_;
};

class Quotas {
public:
    explicit Quotas(Tree& tree) : tree_(tree) {}

    // To be told of every znode that comes or goes: keeps the set, counts anew where a stats znode
    // appears, and charges the quota above.
    void created(std::string_view path, size_t bytes);
    void removed(std::string_view path, size_t bytes);
    void data_changed(std::string_view path, int64_t more_bytes);
    // After changes were taken back: is the limits znode of this path there or not?
    void refresh(std::string_view quota_path);
    void rebuild();

    // May the subtree above `path` grow so? Logs what exceeds a soft limit, rarely.
    bool allows(std::string_view path, int64_t more_bytes, int64_t more_count) const;

    // The path that a znode under /zookeeper/quota speaks of; empty if it is not a limits znode.
    static std::string_view limited_path(std::string_view path);

private:
    // The deepest path with limits at or above `path`; empty: none.
    std::string_view deepest(std::string_view path) const;
    void charge(std::string_view path, int64_t more_bytes, int64_t more_count);
    void recount(std::string_view path);

    Tree& tree_;
    std::set<std::string, std::less<>> paths_;
};

}  // namespace zk
