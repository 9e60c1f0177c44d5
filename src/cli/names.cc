// names.cc -- see names.h.

#include "cli/names.h"

#include <algorithm>
#include <vector>

#include "wire/records.h"

namespace zk {

namespace {

void put_number(std::string& out, size_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7f));
    out += static_cast<char>(value);
}

// Where a name's length stands in the reply.
std::string_view name_at(Bytes reply, uint32_t offset) {
    return as_text(reply.subspan(offset + 4, load_u32(reply.data() + offset)));
}

size_t shared_bytes(std::string_view a, std::string_view b) {
    size_t most = std::min(a.size(), b.size());
    size_t same = 0;
    while (same < most && a[same] == b[same]) ++same;
    return same;
}

}  // namespace

bool NameList::take(Bytes reply) {
    Reader in(reply);
    uint32_t count = read_count(in, 4).count;
    // Offsets, not views: for a million names that is four megabytes, not sixteen.
    std::vector<uint32_t> order;
    order.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
        order.push_back(static_cast<uint32_t>(reply.size() - in.left()));
        if (read_text(in).data() == nullptr) return false;
    }
    if (!in.ok()) return false;
    std::sort(order.begin(), order.end(), [reply](uint32_t a, uint32_t b) {
        return name_at(reply, a) < name_at(reply, b);
    });
    coded_.clear();
    std::string_view before;
    for (uint32_t offset : order) {
        std::string_view name = name_at(reply, offset);
        size_t shared = shared_bytes(before, name);
        put_number(coded_, shared);
        put_number(coded_, name.size() - shared);
        coded_.append(name.substr(shared));
        before = name;
    }
    at_ = 0;
    left_ = count;
    name_.clear();
    return true;
}

size_t NameList::number() {
    size_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        auto byte = static_cast<uint8_t>(coded_[at_++]);
        value |= static_cast<size_t>(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
}

const std::string& NameList::next() {
    ASSERT(left_ > 0);
    size_t shared = number();
    size_t rest = number();
    name_.resize(shared);
    name_.append(coded_, at_, rest);
    at_ += rest;
    --left_;
    return name_;
}

bool path_before(std::string_view a, std::string_view b) {
    if (a == "/") return b != "/";
    if (b == "/") return false;
    size_t same = shared_bytes(a, b);
    if (same == a.size() || same == b.size()) return a.size() < b.size();
    if (a[same] == '/' || b[same] == '/') return a[same] == '/';
    return static_cast<uint8_t>(a[same]) < static_cast<uint8_t>(b[same]);
}

std::string path_below(std::string_view parent, std::string_view name) {
    std::string path(parent == "/" ? "" : parent);
    return path.append("/").append(name);
}

std::string_view last_name(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

std::string_view parent_path(std::string_view path) {
    size_t slash = path.rfind('/');
    return slash == 0 || slash == path.npos ? "/" : path.substr(0, slash);
}

bool is_within(std::string_view path, std::string_view root) {
    if (root == "/" || path == root) return true;
    return path.size() > root.size() && path.starts_with(root) && path[root.size()] == '/';
}

}  // namespace zk
