// quota.cc -- see quota.h. Follows DataTree and ZooKeeperServer.checkQuota.

#include "state/quota.h"

#include <charconv>

#include "state/path.h"

namespace zk {

namespace {

constexpr std::string_view quota_root = "/zookeeper/quota";
constexpr std::string_view limits_name = "zookeeper_limits";
constexpr std::string_view stats_name = "zookeeper_stats";

std::string quota_node(std::string_view path, std::string_view name) {
    std::string node(quota_root);
    node += path;
    node += '/';
    node += name;
    return node;
}

// What a znode called `name` under the quota tree speaks of; empty if it is none.
std::string_view subject(std::string_view path, std::string_view name) {
    if (!path.starts_with(quota_root) || !path.ends_with(name)) return {};
    PathParts parts = split_path(path);
    if (parts.name != name || parts.parent.size() <= quota_root.size()) return {};
    if (parts.parent[quota_root.size()] != '/') return {};
    return parts.parent.substr(quota_root.size());
}

bool exceeds(const char* what, std::string_view path, int64_t wanted, int64_t soft, int64_t hard) {
    int64_t limit = hard > -1 ? hard : soft;
    if (limit <= -1 || wanted <= limit) return false;
    LOG(debug, "quota exceeded: %.*s [%s %lld, %s limit %lld]", static_cast<int>(path.size()),
        path.data(), what, static_cast<long long>(wanted), hard > -1 ? "hard" : "soft",
        static_cast<long long>(limit));
    return hard > -1;
}

}  // namespace

QuotaText::QuotaText(Bytes bytes) {
    std::string_view text = as_text(bytes);
    while (!text.empty()) {
        size_t end = std::min(text.find_first_of(",;"), text.size());
        std::string_view pair = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        size_t equals = pair.find('=');
        if (pair.empty() || equals == std::string_view::npos) continue;
        std::string_view number = pair.substr(equals + 1);
        number = number.substr(0, number.find('='));  // "bytes=5=": see text()
        int64_t value = -1;
        std::from_chars(number.data(), number.data() + number.size(), value);
        set(pair.substr(0, equals), value);
    }
}

int64_t QuotaText::operator[](std::string_view key) const {
    auto found = values_.find(key);
    return found == values_.end() ? -1 : found->second;
}

void QuotaText::set(std::string_view key, int64_t value) {
    values_.insert_or_assign(std::string(key), value);
}

std::string QuotaText::text() const {
    std::string text = "count=" + std::to_string((*this)["count"]);
    text += ",bytes=" + std::to_string((*this)["bytes"]);
    bool more = false;
    for (const auto& [key, value] : values_) {
        if (key == "count" || key == "bytes") continue;
        // The odd '=' makes parsers of ZooKeeper 3.4 stop before keys that they do not know.
        text += more ? ";" : "=;";
        more = true;
        text += key + "=" + std::to_string(value);
    }
    return text;
}

std::string_view Quotas::limited_path(std::string_view path) { return subject(path, limits_name); }

std::string_view Quotas::deepest(std::string_view path) const {
    while (!path.empty()) {
        auto found = paths_.find(path);
        if (found != paths_.end()) return *found;
        size_t slash = path.rfind('/');
        if (slash == std::string_view::npos) break;
        path = path.substr(0, slash);
    }
    return {};
}

void Quotas::created(std::string_view path, size_t bytes) {
    if (std::string_view limited = limited_path(path); !limited.empty())
        paths_.emplace(limited);
    if (std::string_view counted = subject(path, stats_name); !counted.empty()) recount(counted);
    if (!paths_.empty()) charge(path, static_cast<int64_t>(bytes), 1);
}

void Quotas::removed(std::string_view path, size_t bytes) {
    if (paths_.empty()) return;
    if (std::string_view limited = limited_path(path); !limited.empty()) {
        auto found = paths_.find(limited);
        if (found != paths_.end()) paths_.erase(found);
    }
    charge(path, -static_cast<int64_t>(bytes), -1);
}

void Quotas::data_changed(std::string_view path, int64_t more_bytes) {
    if (!paths_.empty()) charge(path, more_bytes, 0);
}

void Quotas::refresh(std::string_view path) {
    if (tree_.find(quota_node(path, limits_name)) != 0) {
        paths_.emplace(path);
    } else if (auto found = paths_.find(path); found != paths_.end()) {
        paths_.erase(found);
    }
}

void Quotas::rebuild() {
    paths_.clear();
    ZnodeId top = tree_.find(quota_root);
    if (top == 0) return;
    int64_t depth = 0;
    for (ZnodeId at = tree_.next_in_walk(top, depth); at != 0 && depth > 0;
         at = tree_.next_in_walk(at, depth)) {
        std::string path = tree_.path(at);
        if (std::string_view limited = limited_path(path); !limited.empty())
            paths_.emplace(limited);
    }
}

void Quotas::charge(std::string_view path, int64_t more_bytes, int64_t more_count) {
    std::string_view quota = deepest(path);
    if (quota.empty()) return;
    std::string stats_path = quota_node(quota, stats_name);
    ZnodeId stats = tree_.find(stats_path);
    if (stats == 0) return;
    QuotaText usage(tree_.data(stats));
    usage.set("count", usage["count"] + more_count);
    usage.set("bytes", usage["bytes"] + more_bytes);
    tree_.replace_data(tree_.key(stats_path), stats, as_bytes(usage.text()));
}

void Quotas::recount(std::string_view path) {
    int64_t count = 0;
    int64_t bytes = 0;
    ZnodeId top = tree_.find(path);
    int64_t depth = 0;
    for (ZnodeId at = top; at != 0 && (at == top || depth > 0);
         at = tree_.next_in_walk(at, depth)) {
        ++count;
        bytes += static_cast<int64_t>(tree_.data(at).size());
    }
    QuotaText usage({});
    usage.set("count", count);
    usage.set("bytes", bytes);
    std::string stats_path = quota_node(path, stats_name);
    tree_.replace_data(tree_.key(stats_path), tree_.find(stats_path), as_bytes(usage.text()));
}

bool Quotas::allows(std::string_view path, int64_t more_bytes, int64_t more_count) const {
    if (paths_.empty()) return true;
    std::string_view quota = deepest(path);
    if (quota.empty()) return true;
    ZnodeId limits_node = tree_.find(quota_node(quota, limits_name));
    ZnodeId stats_node = tree_.find(quota_node(quota, stats_name));
    if (limits_node == 0 || stats_node == 0) return true;
    QuotaText limits(tree_.data(limits_node));
    QuotaText usage(tree_.data(stats_node));
    if (more_count != 0 && exceeds("count", quota, usage["count"] + more_count, limits["count"],
                                   limits["countHardLimit"]))
        return false;
    return more_bytes == 0 || !exceeds("bytes", quota, usage["bytes"] + more_bytes,
                                       limits["bytes"], limits["byteHardLimit"]);
}

}  // namespace zk
