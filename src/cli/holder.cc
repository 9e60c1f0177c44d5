// holder.cc -- see holder.h.

#include "cli/holder.h"

#include <algorithm>

namespace zk {

namespace {

class Holder {
public:
    Holder(Shell& shell, Recipe& recipe, const Held& held, Child& child)
        : shell_(shell), recipe_(recipe), session_(shell.session()), held_(held), child_(child) {
        recipe_.release();
        session_.watchful(true);
        told_at_ms_ = safe_until();
    }
    ~Holder() { session_.watchful(false); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;

    Status run(const Child::Plan& plan);
    bool lost() const { return lost_; }

private:
    void look();
    bool gone();
    uint64_t timeout_ms() const { return static_cast<uint64_t>(session_.session_timeout_ms()); }
    uint64_t safe_until() const { return session_.renewed_ms() + timeout_ms() * 2 / 3; }
    uint64_t dead_at() const { return session_.renewed_ms() + timeout_ms() * 19 / 20; }

    Shell& shell_;
    Recipe& recipe_;
    SyncClient& session_;
    const Held& held_;
    Child& child_;
    uint64_t told_at_ms_ = 0;  // when the warden tells, or told, the command to stop
    bool deleted_ = false;
    bool lost_ = false;
};

Status Holder::run(const Child::Plan& plan) {
    if (session_.now_ms() >= told_at_ms_) {  // we were stopped just now
        lost_ = true;
        return shell_.complain("no word from the service: the command is not started",
                               Status::expired);
    }
    if (Status status = recipe_.start(child_, plan); status != Status::ok) return status;
    while (!child_.ended()) {
        if (int number = recipe_.take_signal()) child_.pass_on(number);
        if (!lost_) look();
        session_.wait(lost_ ? Recipe::never : told_at_ms_);
    }
    // Perhaps it was the warden's doing, while we were stopped.
    lost_ = lost_ || session_.now_ms() >= told_at_ms_ || gone();
    return child_.status();
}

void Holder::look() {
    uint64_t now = session_.now_ms();
    if (gone()) {
        lost_ = true;
        shell_.warn(deleted_ ? held_.path + " was deleted: the command is stopped"
                             : "the session has expired: the command is stopped");
        told_at_ms_ = std::min(now, told_at_ms_);
        child_.limit(told_at_ms_, std::min(now + held_.grace_ms, std::max(now, dead_at())));
    } else if (now >= told_at_ms_) {
        // The warden has told the command, so a renewal that arrives now is too late.
        lost_ = true;
        shell_.warn("no word from the service: the command is stopped");
    } else {
        told_at_ms_ = safe_until();
        child_.limit(told_at_ms_, std::min(told_at_ms_ + held_.grace_ms, dead_at()));
    }
}

// Is what we hold gone for certain?
bool Holder::gone() {
    for (const Recipe::Event& event : recipe_.take_events()) {
        if (event.path != held_.path) continue;
        if (event.type == EventType::deleted) deleted_ = true;
        else session_.send(call::exists(shell_.full(held_.path), true), {});
    }
    return deleted_ || recipe_.session() != held_.session;
}

}  // namespace

Status run_held(Shell& shell, Recipe& recipe, const Held& held, const Child::Plan& plan,
                Child& child, bool& lost) {
    Holder holder(shell, recipe, held, child);
    Status status = holder.run(plan);
    lost = holder.lost();
    return status;
}

}  // namespace zk
