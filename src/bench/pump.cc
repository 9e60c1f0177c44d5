// pump.cc -- see pump.h.

#include "bench/pump.h"

#include <algorithm>

namespace zk {

namespace {

constexpr uint64_t silence_max_ns = 30'000'000'000;
constexpr uint64_t observe_every_ns = 200'000'000;
constexpr uint64_t slice_ns = 1'000'000'000;
constexpr uint64_t lot_ns = 1'000'000;
constexpr uint32_t tick_usual_ms = 100;

}  // namespace

Pump::Pump(Loop& loop, Fleet& fleet, Feed feed, PumpLimits limits, Tally& tally)
    : loop_(loop), fleet_(fleet), feed_(feed), limits_(limits), tally_(tally) {
    ports_.reserve(fleet.size());
    for (size_t i = 0; i < fleet.size(); ++i) ports_.push_back({this, &fleet.client(i)});
}

bool Pump::issue(Port& port, uint64_t due_ns) {
    if (ending_) return false;
    uint8_t kind = 0;
    if (issued_ == limits_.operations || !feed_.next(feed_.context, *port.client, kind)) {
        ending_ = true;
        return false;
    }
    auto on_reply = [](void* context, uint64_t tag, const ReplyHeader& header, Bytes body) {
        Port* asked = static_cast<Port*>(context);
        asked->pump->take(*asked, tag, header, body);
    };
    port.client->end_request({.run = on_reply, .context = &port, .tag = due_ns << 8 | kind});
    ++issued_;
    ++outstanding_;
    ++port.outstanding;
    return true;
}

void Pump::take(Port& port, uint64_t tag, const ReplyHeader& header, Bytes body) {
    if (reading_ != &port || reading_turn_ != loop_.turns()) {
        reading_ = &port;
        reading_turn_ = loop_.turns();
        now_ns_ = Loop::now_ns() - started_ns_;
        if (limits_.time_ns != 0 && now_ns_ >= limits_.time_ns) ending_ = true;
        if (limits_.slices && now_ns_ >= slice_ends_ns_) end_slices();
    }
    --outstanding_;
    --port.outstanding;
    if (feed_.right(feed_.context, static_cast<uint8_t>(tag), header, body)) [[likely]] {
        ++tally_.done;
        tally_.latency.add(now_ns_ - (tag >> 8));
        if (limits_.slices) slice_.add(now_ns_ - (tag >> 8));
    } else {
        tally_.add_error(header.err);
    }
    if (limits_.rate == 0) issue(port, now_ns_);
}

// What became due until now, to one connection after the other.
void Pump::issue_due() {
    uint64_t now = Loop::now_ns() - started_ns_;
    if (limits_.time_ns != 0 && now >= limits_.time_ns) ending_ = true;
    uint64_t lots = now / lot_ns + 1;
    uint64_t lots_a_second = slice_ns / lot_ns;
    for (size_t full = 0; full < ports_.size() && !ending_;) {
        uint64_t lot = issued_ * lots_a_second / limits_.rate;
        if (lot >= lots) return;
        Port& port = ports_[next_port_];
        next_port_ = next_port_ + 1 == ports_.size() ? 0 : next_port_ + 1;
        full = port.outstanding < limits_.depth ? 0 : full + 1;
        if (full == 0) issue(port, lot * lot_ns);
    }
}

// A second without replies is one, too. What follows the last whole one is left out.
void Pump::end_slices() {
    for (; slice_ends_ns_ <= now_ns_; slice_ends_ns_ += slice_ns) {
        tally_.slices.push_back({.done = slice_.count(),
                                 .p50_ns = slice_.percentile(50),
                                 .p999_ns = slice_.percentile(99.9),
                                 .max_ns = slice_.max()});
        slice_.clear();
    }
}

Result<void> Pump::run(Observer observer) {
    if (ports_.empty()) return fleet_.why();
    started_ns_ = Loop::now_ns();
    now_ns_ = 0;
    slice_ends_ns_ = slice_ns;
    tally_.started_ns = started_ns_;
    bool paced = limits_.rate != 0;
    if (paced) loop_.tick_every(lot_ns / 1'000'000);
    for (uint32_t i = 0; i < limits_.depth && !ending_ && !paced; ++i)
        for (Port& port : ports_)
            if (!issue(port, 0)) break;
    while (outstanding_ > 0 || (paced && !ending_)) {
        if (paced) issue_due();
        loop_.turn();
        watch_over(observer);
    }
    if (paced) loop_.tick_every(tick_usual_ms);
    if (fleet_.broken()) return fleet_.why();
    return {};
}

// Once a turn. `now_ns_` is as old as the last read.
void Pump::watch_over(Observer observer) {
    if (fleet_.broken() || loop_.interrupted()) ending_ = true;
    uint64_t now = Loop::now_ns() - started_ns_;
    if (now - observed_ns_ < observe_every_ns) return;
    observed_ns_ = now;
    if (now > now_ns_ && now - now_ns_ > silence_max_ns) fleet_.abandon();
    if (observer.run != nullptr) observer.run(observer.context, tally_, part_done());
}

double Pump::part_done() const {
    double part = 0;
    if (limits_.operations != UINT64_MAX)
        part = static_cast<double>(tally_.total()) / static_cast<double>(limits_.operations);
    if (limits_.time_ns != 0)
        part = static_cast<double>(now_ns_) / static_cast<double>(limits_.time_ns);
    return std::min(part, 1.0);
}

}  // namespace zk
