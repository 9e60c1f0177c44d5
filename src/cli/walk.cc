// walk.cc -- see walk.h.
//
// Callbacks only note what came; next() does the rest: gives what is in front, opens lists of names
// while there is room, asks, waits.

#include "cli/walk.h"

#include <algorithm>

namespace zk {

namespace {

constexpr size_t window_max = 2048;           // znodes asked for, or here before their turn
constexpr size_t window_front = 512;          // of them, those that the front may always have
constexpr size_t held_bytes_max = 8u << 20;   // in replies that are here before their turn
constexpr size_t under_way_bytes = 4u << 20;  // of replies to come, as far as one can guess
constexpr size_t fill_every = 64;

enum Asked : uint64_t { asked_stat, asked_data, asked_acls, asked_names };

// Bytes that could be dropped, and asked for again.
template <typename Item>
size_t held_by(const Item& item) {
    if (item.opened) return 0;
    return item.found.data.capacity() + item.found.acls.capacity() + item.list.bytes();
}

}  // namespace

Walk::Walk(SyncClient& session, std::string root, WalkOptions options)
    : session_(session), options_(std::move(options)) {
    Item& first = items_.emplace_back();
    first.walk = this;
    first.found.path = std::move(root);
    first.found.last = true;
    first.place = items_.begin();
    ++znodes_;
}

// Replies to come know where we are: they have to be here, or never come.
Walk::~Walk() {
    if (under_way_ > 0) session_.drain(0);
    ASSERT(under_way_ == 0);
}

// -- asking --------------------------------------------------------------------------------------

void Walk::ask(Item& item) {
    auto done = [](void* context, uint64_t asked, const ReplyHeader& header, Bytes body) {
        Item& of = *static_cast<Item*>(context);
        Walk& walk = *of.walk;
        --walk.under_way_;
        --of.pending;
        if (header.err == Err::ok && of.err == Err::ok) {
            switch (asked) {
            case asked_stat: walk.take_stat(of, body); break;
            case asked_data: walk.take_data(of, body); break;
            case asked_acls: walk.take_acls(of, body); break;
            default: walk.take_names(of, body); break;
            }
        }
        walk.took(of, header.err);
    };
    auto send = [&](const Call& call, Asked asked) {
        ++item.pending;
        ++under_way_;
        session_.send(call, OnReply{.run = done, .context = &item, .tag = asked});
    };
    item.state = State::asked;
    item.err = Err::ok;
    const std::string& path = item.found.path;
    if (item.names) {
        send(call::get_children(path, false), asked_names);
        return;
    }
    if (options_.data) send(call::get_data(path, false), asked_data);
    else send(call::exists(path, false), asked_stat);
    if (options_.acls) send(call::get_acl(path), asked_acls);
}

// The next of a list of names becomes an item in front of it.
Walk::Item& Walk::open(Item& names) {
    if (!names.opened) {
        held_ -= held_by(names);
        names.opened = true;
    }
    auto place = items_.emplace(names.place);
    Item& item = *place;
    item.walk = this;
    item.place = place;
    item.found.path = path_below(names.found.path, names.list.next());
    item.found.depth = names.found.depth + 1;
    item.found.last = names.list.left() == 0;
    ++znodes_;
    return item;
}

// Asks for what comes next, in its order. In front there is always room for some, however many
// siblings of a parent are here already; behind them only while the window is not full.
void Walk::fill() {
    since_fill_ = 0;
    size_t guess = under_way_bytes / std::max<size_t>(large_, 1);
    size_t requests_max = std::clamp<size_t>(guess, 4, 2 * window_max);
    size_t front = 0;
    bool first_names = true;
    for (auto at = items_.begin(); at != items_.end() && under_way_ < requests_max; ++at) {
        Item& item = *at;
        bool in_front = at == items_.begin();
        bool room = in_front || held_ < held_bytes_max;
        if (item.state == State::idle && room) ask(item);
        if (!item.names) {
            ++front;
            continue;
        }
        if (item.state != State::here) {
            first_names = false;
            continue;
        }
        while (item.list.left() > 0 && under_way_ < requests_max && room) {
            bool may = znodes_ < window_max || (first_names && front < window_front);
            if (!may) break;
            Item& opened = open(item);
            ++front;
            if (!options_.except.empty() && opened.found.path == options_.except) {
                opened.state = State::here;
                opened.err = Err::no_node;
            } else {
                ask(opened);
            }
        }
        if (item.list.left() > 0 && znodes_ >= window_max) break;
        first_names = false;
    }
}

// -- replies -------------------------------------------------------------------------------------

void Walk::take_stat(Item& item, Bytes body) {
    std::optional<Stat> stat = decode_stat(body);
    if (!stat) malformed_ = true;
    else item.found.stat = *stat;
}

void Walk::take_data(Item& item, Bytes body) {
    std::optional<Data> data = decode_data(body);
    if (!data) {
        malformed_ = true;
        return;
    }
    item.found.data.assign(as_text(data->data));
    item.found.is_null = data->data.data() == nullptr;
    item.found.stat = data->stat;
    large_ = std::max(large_ - large_ / 256, body.size());
}

void Walk::take_acls(Item& item, Bytes body) {
    Reader in(body);
    read_acls(in);
    item.found.acls.assign(as_text(body.first(body.size() - in.left())));
    if (!in.ok()) malformed_ = true;
}

void Walk::take_names(Item& item, Bytes body) {
    if (!item.list.take(body)) malformed_ = true;
}

// A reply has been taken; with the last of its item, the item is here, or has to be asked again.
void Walk::took(Item& item, Err err) {
    if (err != Err::ok && item.err == Err::ok) item.err = err;
    if (item.pending > 0) return;
    if (item.err == Err::connection_loss) {
        retry_ = true;
        item.state = State::idle;
        return;
    }
    item.state = State::here;
    if (item.err != Err::ok) return;
    held_ += held_by(item);
    if (!item.names && item.found.stat.num_children > 0 &&
        item.found.depth < options_.depth_max) {
        auto place = items_.emplace(std::next(item.place));
        place->walk = this;
        place->names = true;
        place->place = place;
        place->found.path = item.found.path;
        place->found.depth = item.found.depth;
    }
    drop_if_too_much(item);
}

// Out of its turn, and more than may wait: it will be asked for again.
void Walk::drop_if_too_much(Item& item) {
    if (held_ <= held_bytes_max || item.place == items_.begin()) return;
    held_ -= held_by(item);
    item.state = State::idle;
    item.list = NameList();
    item.found.data = std::string();
    item.found.acls = std::string();
    if (item.names) return;
    // Its children will be asked for when it is here again.
    auto after = std::next(item.place);
    if (after != items_.end() && after->names && after->found.path == item.found.path)
        items_.erase(after);
}

void Walk::deny(const std::string& path) {
    if (denied_++ == 0) first_denied_ = path;
}

// -- giving --------------------------------------------------------------------------------------

// Looks at the front, which is here: takes it away or gives it. False: the walk has failed.
bool Walk::pass_front(Found& found, bool& given) {
    Item& item = items_.front();
    Err err = item.err;
    bool root = !item.names && item.found.depth == 0;
    if (err == Err::no_auth && !root) {
        deny(item.found.path);
    } else if (err != Err::ok && (err != Err::no_node || root)) {
        err_ = err;
        return false;
    } else if (err == Err::ok && !item.names) {
        held_ -= held_by(item);
        found = std::move(item.found);
        given = true;
    } else if (err == Err::ok) {
        held_ -= held_by(item);
    }
    if (!item.names) --znodes_;
    items_.pop_front();
    return true;
}

bool Walk::front_is_here() const {
    const Item& front = items_.front();
    return front.state == State::here && (!front.names || front.list.left() == 0);
}

// For any reply, or for a server.
bool Walk::wait() {
    if (retry_) {
        retry_ = false;
        if (session_.connect()) return true;
        if (session_.why_not() == "interrupted") err_ = Err::request_timeout;
        else err_ = is_final(session_.state()) ? Err::session_expired : Err::operation_timeout;
        return false;
    }
    if (under_way_ > 0 && !session_.drain(session_.outstanding() - 1)) {
        err_ = Err::request_timeout;
        return false;
    }
    return true;
}

Walk::Step Walk::next(Found& found) {
    for (;;) {
        if (malformed_ || err_ != Err::ok) return Step::failed;
        if (items_.empty()) return Step::end;
        if (front_is_here()) {
            bool given = false;
            if (!pass_front(found, given)) return Step::failed;
            if (!given) continue;
            if (++since_fill_ >= fill_every && !retry_) {
                fill();
                if (!session_.poll()) err_ = Err::request_timeout;
            }
            return Step::found;
        }
        // Without a server requests would wait for one, however long that takes.
        if (!is_connected(session_.state())) retry_ = true;
        if (!retry_) fill();
        if (!front_is_here() && !wait()) return Step::failed;
    }
}

}  // namespace zk
