// names.cc -- see names.h.

#include "cli/names.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "wire/records.h"

namespace zk {

namespace {

constexpr size_t kept_bytes_max = 8u << 20;  // in memory
constexpr size_t read_bytes = 64 * 1024;
constexpr size_t number_bytes_max = 10;

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
    *this = NameList();
    std::string_view before;
    for (uint32_t offset : order) {
        std::string_view name = name_at(reply, offset);
        size_t shared = shared_bytes(before, name);
        put_number(coded_, shared);
        put_number(coded_, name.size() - shared);
        coded_.append(name.substr(shared));
        before = name;
        if (coded_.size() >= kept_bytes_max) spill();
    }
    if (file_ != nullptr) spill();
    if (file_ != nullptr) coded_ = std::string();
    left_ = count;
    return true;
}

// Moves what was coded to the end of the file. Where there is no room for one, it all comes back,
// and stays in memory.
void NameList::spill() {
    if (no_file_) return;
    if (file_ == nullptr) file_.reset(tmpfile());
    int fd = file_ == nullptr ? -1 : fileno(file_.get());
    if (fd >= 0 && pwrite(fd, coded_.data(), coded_.size(), written_) ==
                       static_cast<ssize_t>(coded_.size())) {
        written_ += static_cast<off_t>(coded_.size());
        coded_.clear();
        return;
    }
    std::string all(static_cast<size_t>(written_), '\0');
    for (size_t got = 0; got < all.size();) {
        ssize_t more = pread(fd, all.data() + got, all.size() - got, static_cast<off_t>(got));
        ASSERT(more > 0);  // we have just written it
        got += static_cast<size_t>(more);
    }
    coded_.insert(0, all);
    no_file_ = true;
    file_.reset();
}

// Makes sure that so many bytes can be read, unless the list ends before.
void NameList::have(size_t bytes) {
    if (file_ == nullptr || coded_.size() - at_ >= bytes) return;
    coded_.erase(0, at_);
    at_ = 0;
    while (coded_.size() < bytes && read_ < written_) {
        size_t before = coded_.size();
        coded_.resize(before + read_bytes);
        ssize_t got = pread(fileno(file_.get()), coded_.data() + before, read_bytes, read_);
        ASSERT(got > 0);  // we have written it
        coded_.resize(before + static_cast<size_t>(got));
        read_ += got;
    }
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
    have(2 * number_bytes_max);
    size_t shared = number();
    size_t rest = number();
    have(rest);
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
