// pump.cc -- see pump.h.

#include "bench/pump.h"

#include <algorithm>

namespace zk {

namespace {

constexpr uint64_t silence_max_ns = 30'000'000'000;
constexpr uint64_t observe_every_ns = 200'000'000;

}  // namespace

Pump::Pump(Loop& loop, Fleet& fleet, Feed feed, PumpLimits limits, Tally& tally)
    : loop_(loop), fleet_(fleet), feed_(feed), limits_(limits), tally_(tally) {
    ports_.reserve(fleet.size());
    for (size_t i = 0; i < fleet.size(); ++i) ports_.push_back({this, &fleet.client(i)});
}

bool Pump::issue(Port& port) {
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
    port.client->end_request({.run = on_reply, .context = &port, .tag = now_ns_ << 8 | kind});
    ++issued_;
    ++outstanding_;
    return true;
}

void Pump::take(Port& port, uint64_t tag, const ReplyHeader& header, Bytes body) {
    if (reading_ != &port || reading_turn_ != loop_.turns()) {
        reading_ = &port;
        reading_turn_ = loop_.turns();
        now_ns_ = Loop::now_ns() - started_ns_;
        if (limits_.time_ns != 0 && now_ns_ >= limits_.time_ns) ending_ = true;
    }
    --outstanding_;
    if (feed_.right(feed_.context, static_cast<uint8_t>(tag), header, body)) [[likely]] {
        ++tally_.done;
        tally_.latency.add(now_ns_ - (tag >> 8));
    } else {
        tally_.add_error(header.err);
    }
    issue(port);
}

Result<void> Pump::run(Observer observer) {
    if (ports_.empty()) return fleet_.why();
    started_ns_ = Loop::now_ns();
    now_ns_ = 0;
    for (uint32_t i = 0; i < limits_.depth && !ending_; ++i)
        for (Port& port : ports_)
            if (!issue(port)) break;
    while (outstanding_ > 0) {
        loop_.turn();
        watch_over(observer);
    }
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
