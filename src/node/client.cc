// client.cc -- see client.h.

#include "node/client.h"

#include <arpa/inet.h>

#include <cstring>

namespace zk {

Client::Client(ClientId number, uint64_t attach_number, const Address& address, uint64_t now_us)
    : id(number), attach(attach_number), from(address), opened_us(now_us) {
    add_identity("ip", ip_text(address));
}

namespace {

bool waits_for_entry(const Pending& pending) {
    return pending.kind == PendingKind::write || pending.kind == PendingKind::connect ||
           pending.kind == PendingKind::close || pending.kind == PendingKind::upgrade;
}

}  // namespace

void Client::push(const Pending& pending) {
    queue_.push_back(pending);
    if (waits_for_entry(pending)) ++writes;
}

void Client::pop() {
    ASSERT(head_ < queue_.size());
    if (waits_for_entry(queue_[head_])) --writes;
    ++head_;
    if (head_ == queue_.size()) {
        queue_.clear();
        head_ = 0;
        if (queue_.capacity() > 64) queue_.shrink_to_fit();
    } else if (head_ >= 1024 && head_ * 2 > queue_.size()) {
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(head_));
        head_ = 0;
    }
}

Bytes Client::identity_bytes(size_t count) const {
    ASSERT(count > 0);
    ASSERT(count <= identity_ends_.size());
    return as_bytes(identity_text_).first(identity_ends_[count - 1]);
}

bool Client::add_identity(std::string_view scheme, std::string_view name) {
    for (const Identity& known : views_)
        if (known.scheme == scheme && known.id == name) return true;
    Buffer bytes;
    encode(bytes, Identity{.scheme = scheme, .id = name});
    if (identity_text_.size() + bytes.size() > identity_bytes_max) return false;
    identity_text_ += bytes.text();
    identity_ends_.push_back(static_cast<uint32_t>(identity_text_.size()));
    views_.clear();
    bool good = decode(as_bytes(identity_text_), views_);
    ASSERT(good);
    return true;
}

std::string ip_text(const Address& address) {
    static constexpr uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    char text[INET6_ADDRSTRLEN] = {};
    if (memcmp(address.ip, mapped, sizeof mapped) == 0) {
        inet_ntop(AF_INET, address.ip + 12, text, sizeof text);
        return text;
    }
    // Java writes every group and shortens nothing: 0:0:0:0:0:0:0:1.
    std::string out;
    for (size_t i = 0; i < 16; i += 2) {
        snprintf(text, sizeof text, "%x", (address.ip[i] << 8) | address.ip[i + 1]);
        if (!out.empty()) out += ':';
        out += text;
    }
    return out;
}

}  // namespace zk
