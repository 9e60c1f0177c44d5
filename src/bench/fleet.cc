// fleet.cc -- see fleet.h.

#include "bench/fleet.h"

namespace zk {

namespace {

constexpr size_t opening_max = 64;
constexpr uint64_t patience_ns = 10'000'000'000;
constexpr uint64_t patience_refused_ns = 2'000'000'000;  // where the server closes what it takes

}  // namespace

Fleet::~Fleet() { close(); }

void Fleet::open_one() {
    auto member = std::make_unique<Member>();
    member->fleet = this;
    member->index = members_.size();
    ClientOptions options;
    options.servers = options_.servers;
    options.session_timeout_ms = options_.session_timeout_ms;
    options.keep_watches = false;
    options.seed = options_.seed + member->index + 1;
    options.events.context = member.get();
    options.events.on_state = [](void* context, ClientState state) {
        auto* self = static_cast<Member*>(context);
        self->fleet->on_state(*self, state);
    };
    options.events.on_watch = [](void* context, const WatcherEvent& event, int64_t) {
        auto* self = static_cast<Member*>(context);
        const WatchHook& hook = self->fleet->hook_;
        if (hook.run != nullptr) hook.run(hook.context, self->index, event);
    };
    options.events.on_trouble = [](void* context, std::string_view why) {
        static_cast<Member*>(context)->fleet->trouble_ = why;
    };
    member->client = std::make_unique<Client>(loop_.uv(), std::move(options));
    members_.push_back(std::move(member));
}

void Fleet::on_state(Member& member, ClientState state) {
    if (member.up != is_connected(state)) {
        member.up = !member.up;
        if (member.up)
            ++up_;
        else
            --up_;
    }
    if (state == ClientState::closed) {
        member.closed = true;
        ++closed_;
    } else if (is_final(state) && !closing_) {
        broken_ = true;
        trouble_ = state == ClientState::expired ? "a session has expired" : "not authenticated";
    }
}

Result<void> Fleet::grow(size_t count) {
    uint64_t heard_ns = Loop::now_ns();
    size_t up_before = up_;
    while (up_ < count && !broken_) {
        while (members_.size() < count && members_.size() - up_ < opening_max) open_one();
        loop_.turn();
        uint64_t now = Loop::now_ns();
        if (up_ != up_before) heard_ns = now;
        up_before = up_;
        bool nobody = up_ == 0 && members_[0]->client->failed_rounds() >= 2;
        uint64_t patience = trouble_.empty() ? patience_ns : patience_refused_ns;
        if (nobody || now - heard_ns > patience || loop_.interrupted()) {
            std::string text = trouble_.empty() ? "no server answers" : trouble_;
            if (up_ > 0)
                text += "; " + std::to_string(up_) + " of " + std::to_string(count) +
                        " connections were taken (is the server's maxClientCnxns the limit?)";
            return Error{.text = text};
        }
    }
    if (broken_) return why();
    return {};
}

Result<Fleet::Reply> Fleet::call(const Call& call) {
    struct Waiting {
        Reply reply;
        bool done = false;
    } waiting;
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes body) {
        auto* mine = static_cast<Waiting*>(context);
        mine->reply.header = header;
        mine->reply.body = as_text(body);
        mine->done = true;
    };
    uint64_t asked_ns = Loop::now_ns();
    client(0).request(call.op, call.body.bytes(), {.run = on_reply, .context = &waiting, .tag = 0});
    while (!waiting.done) {
        loop_.turn();
        if (Loop::now_ns() - asked_ns > 3 * patience_ns) abandon();
    }
    Err err = waiting.reply.header.err;
    if (err == Err::connection_loss || err == Err::session_expired) return why();
    return std::move(waiting.reply);
}

void Fleet::close() {
    closing_ = true;
    for (auto& member : members_) member->client->close();
    wait_closed();
}

void Fleet::abandon() {
    closing_ = true;
    broken_ = true;
    for (auto& member : members_) member->client->abandon();
    wait_closed();
}

void Fleet::wait_closed() {
    while (closed_ < members_.size()) loop_.turn();
    members_.clear();
    closed_ = 0;
    up_ = 0;
    closing_ = false;
}

}  // namespace zk
