// recipe_queue.cc -- queue push, pop and peek.
//
// An item is a persistent sequential znode; the oldest has the least number. Who takes one puts an
// ephemeral znode below it first, the claim, and in the end deletes both in one transaction:
//
//     /jobs/6fd1…__item__0000000004          data: the item
//     /jobs/6fd1…__item__0000000004/claim    data: a number of the claimer's own (a GUID)
//
// While the claim is there nobody else takes the item, so that after a lost reply it is known whose
// doing a missing item is. The claim of who dies goes with its session, and the item is free again.
//
//     pop                deletes, then prints: at most once. Who is killed in between loses one.
//     pop -- command     runs the command, then deletes: at least once. What fails stays.

#include <unistd.h>

#include <algorithm>

#include "cli/handlers.h"
#include "cli/holder.h"
#include "cli/recipe_handlers.h"
#include "cli/source.h"

namespace zk {

namespace {

constexpr std::string_view item_tag = "__item__";
constexpr size_t claims_watched_max = 64;

class Queue {
public:
    Queue(Shell& shell, Recipe& recipe, const Args& args)
        : shell_(shell),
          recipe_(recipe),
          args_(args),
          path_(shell.resolved(args.word(1))),
          guid_(new_guid()) {
        if (path_ == "/") path_.clear();
    }

    Status push();
    Status pop();
    Status peek();

private:
    struct Item {
        std::string name;
        int32_t number;
    };
    enum class Claim : uint8_t { ours, taken, gone, failed };

    // Makes `visit` look at the items, the oldest first, until it is done; waits for new ones.
    template <typename Visit>
    Status oldest(Visit visit);
    Err items(bool watch, std::vector<Item>& found);
    Status pop_item(const Item& item, bool& done);
    Claim claim(const std::string& item, Status& status);
    bool claim_is_ours(const std::string& item);
    Status run_with(const std::string& item, const std::string& data);
    void set_free(const std::string& item);
    Err finish(const std::string& item);
    Status show(const std::string& item, Bytes data);
    Status show_pushed(std::string_view path);
    bool waits() const { return args_.has("wait") || args_.has("timeout"); }
    std::string full(const std::string& item) const { return shell_.full(path_ + "/" + item); }

    Shell& shell_;
    Recipe& recipe_;
    const Args& args_;
    std::string path_;
    std::string guid_;
    bool again_ = false;  // an item was left although it is free
};

Err Queue::items(bool watch, std::vector<Item>& found) {
    found.clear();
    std::string path = shell_.full(path_.empty() ? "/" : path_);
    SyncClient::Reply reply = recipe_.call(call::get_children(path, watch));
    if (reply.header.err != Err::ok) return reply.header.err;
    std::optional<Children> got = decode_children(reply.body);
    if (!got) return Err::marshalling_error;
    for (std::string_view name : got->names) {
        int32_t number = 0;
        if (parse_sequence(name, item_tag, number))
            found.push_back({.name = std::string(name), .number = number});
    }
    std::sort(found.begin(), found.end(),
              [](const Item& a, const Item& b) { return precedes(a.number, b.number); });
    return Err::ok;
}

// -- push ----------------------------------------------------------------------------------------

Status Queue::push() {
    std::string data;
    Status status = read_data(shell_, args_.word(2), false, data);
    if (status != Status::ok) return status;
    std::string wanted = full(guid_ + std::string(item_tag));
    for (;;) {
        SyncClient::Reply reply = recipe_.call(
            create_call(wanted, as_bytes(data), CreateMode::persistent_sequential));
        Err err = reply.header.err;
        if (err == Err::ok) {
            std::optional<std::string_view> made = decode_created(reply.body);
            return made ? show_pushed(shell_.local(*made)) : shell_.malformed();
        }
        if (err == Err::session_expired) continue;  // it was not sent
        if (err == Err::no_node) {
            Status made = recipe_.ensure(path_, CreateMode::persistent);
            if (made != Status::ok) return made;
            continue;
        }
        if (err != Err::connection_loss) return recipe_.fail(err, args_.word(1));
        recipe_.call(call::sync(shell_.full(path_)));
        std::vector<Item> line;
        err = items(false, line);
        for (const Item& each : line)
            if (each.name.starts_with(guid_)) return show_pushed(path_ + "/" + each.name);
        return recipe_.fail(err == Err::request_timeout ? err : Err::connection_loss,
                            args_.word(1));
    }
}

// -- pop and peek --------------------------------------------------------------------------------

template <typename Visit>
Status Queue::oldest(Visit visit) {
    for (;;) {
        recipe_.take_events();
        size_t seen = recipe_.connections();
        again_ = false;
        std::vector<Item> line;
        Err err = items(waits(), line);
        if (err == Err::session_expired) continue;
        if (err == Err::no_node && waits()) {
            Status made = recipe_.ensure(path_, CreateMode::persistent);
            if (made != Status::ok) return made;
            continue;
        }
        if (err != Err::ok) return recipe_.fail(err, args_.word(1));
        for (const Item& item : line) {
            bool done = false;
            Status status = visit(item, done);
            if (done || status != Status::ok) return status;
        }
        if (again_) continue;
        if (!waits()) return shell_.complain("nothing in the queue", Status::no_node, path_);
        // Items that others have claimed are free again if those fail. Nobody tells but the claim.
        bool changed = false;
        for (size_t i = 0; i < line.size() && i < claims_watched_max && !changed; ++i)
            changed = recipe_.call(call::exists(full(line[i].name + "/claim"), true)).header.err !=
                      Err::ok;
        if (changed && !recipe_.over()) continue;  // it was set free meanwhile, or done
        if (Status status = recipe_.wait_change(seen); status != Status::ok) return status;
    }
}

Status Queue::peek() {
    return oldest([this](const Item& item, bool& done) {
        SyncClient::Reply reply = recipe_.call(call::get_data(full(item.name), false));
        Err err = reply.header.err;
        if (err == Err::no_node || err == Err::session_expired) return Status::ok;
        if (err != Err::ok) return recipe_.fail(err, args_.word(1));
        std::optional<Data> got = decode_data(reply.body);
        if (!got) return shell_.malformed();
        done = true;
        return show(item.name, got->data);
    });
}

Status Queue::pop() {
    shell_.hold_ephemerals();
    return oldest([this](const Item& item, bool& done) { return pop_item(item, done); });
}

Status Queue::pop_item(const Item& item, bool& done) {
    Status status = Status::ok;
    switch (claim(item.name, status)) {
    case Claim::taken:
    case Claim::gone: return Status::ok;
    case Claim::failed: return status;
    case Claim::ours: break;
    }
    int64_t session = recipe_.session();
    SyncClient::Reply reply = recipe_.call(call::get_data(full(item.name), false));
    if (reply.header.err != Err::ok) {
        again_ = recipe_.session() != session;  // so the claim has gone, too
        if (again_) return Status::ok;
        status = recipe_.fail(reply.header.err, args_.word(1));
        set_free(item.name);
        return status;
    }
    std::optional<Data> got = decode_data(reply.body);
    if (!got) return shell_.malformed();
    std::string data(as_text(got->data));
    done = true;
    bool runs = !args_.command.empty();
    if (runs) {
        status = run_with(item.name, data);
        if (status != Status::ok) {
            set_free(item.name);
            return status;
        }
    }
    // What has been taken is taken to the end, whatever signal comes.
    recipe_.release_while_alive();
    Err err = finish(item.name);
    if (err == Err::ok) return runs ? Status::ok : show(item.name, as_bytes(data));
    if (err == Err::no_node && !runs) {
        done = false;  // the session was lost before, and with it the claim: nothing has been done
        again_ = true;
        return Status::ok;
    }
    if (err == Err::no_node)
        return shell_.complain("the claim was lost: the item may be done a second time",
                               Status::expired, path_ + "/" + item.name);
    // Not even the service knows whether it was told.
    return shell_.fail(err == Err::request_timeout ? Err::connection_loss : err,
                       path_ + "/" + item.name);
}

Queue::Claim Queue::claim(const std::string& item, Status& status) {
    std::string path = full(item + "/claim");
    for (;;) {
        Err err =
            recipe_.call(create_call(path, as_bytes(guid_), CreateMode::ephemeral)).header.err;
        switch (err) {
        case Err::ok: return Claim::ours;
        case Err::no_node: return Claim::gone;
        case Err::node_exists: return claim_is_ours(item) ? Claim::ours : Claim::taken;
        case Err::connection_loss:
        case Err::session_expired: continue;
        default: status = recipe_.fail(err, path_ + "/" + item); return Claim::failed;
        }
    }
}

// Made by an attempt whose reply was lost, in the session we still have.
bool Queue::claim_is_ours(const std::string& item) {
    SyncClient::Reply reply = recipe_.call(call::get_data(full(item + "/claim"), false));
    if (reply.header.err != Err::ok) return false;
    std::optional<Data> got = decode_data(reply.body);
    return got && as_text(got->data) == guid_ && got->stat.ephemeral_owner == recipe_.session();
}

Status Queue::run_with(const std::string& item, const std::string& data) {
    Held held{.path = path_ + "/" + item + "/claim",
              .session = recipe_.session(),
              .grace_ms = grace_ms_default};
    Err err = recipe_.call(call::exists(full(item + "/claim"), true)).header.err;
    if (err != Err::ok) return recipe_.fail(err, held.path);
    Child::Plan plan;
    plan.command = args_.command;
    plan.environment = {{"ZK_PATH", path_ + "/" + item}, {"ZK_SESSION", hex_text(held.session)}};
    plan.input = file_of(as_bytes(data));
    if (plan.input < 0)
        return shell_.complain("no file can be made for the command's input", Status::failed);
    bool lost = false;
    Child child;
    Status status = run_held(shell_, recipe_, held, plan, child, lost);
    close(plan.input);
    if (lost) return Status::expired;
    return status;
}

// At once, and not only when the session ends: that may be a prompt's, and go on for days.
void Queue::set_free(const std::string& item) {
    recipe_.release_while_alive();
    if (claim_is_ours(item)) recipe_.call(call::remove(full(item + "/claim"), -1));
}

void put_remove(Call& call, std::string_view path) {
    encode(call.body, MultiHeader{.type = static_cast<int32_t>(Op::remove), .done = false});
    encode(call.body, PathVersion{.path = path, .version = -1});
}

// Deletes claim and item. no_node: the claim was not there any more, and nothing has been done.
// connection_loss: nobody knows.
Err Queue::finish(const std::string& item) {
    int64_t session = recipe_.session();
    Call both{.op = Op::multi, .body = {}};
    put_remove(both, full(item + "/claim"));
    put_remove(both, full(item));
    encode(both.body, MultiHeader{});
    bool sent_before = false;
    for (;;) {
        Err err = recipe_.call(both).header.err;
        if (err == Err::ok) return err;
        if (err == Err::no_node && !sent_before) return err;
        // After a lost reply: with the claim in a living session nobody else could have done it.
        if (err == Err::no_node)
            return recipe_.session() == session ? Err::ok : Err::connection_loss;
        if (err == Err::session_expired) return sent_before ? Err::connection_loss : Err::no_node;
        if (err != Err::connection_loss) return err;
        sent_before = true;
    }
}

Status Queue::show_pushed(std::string_view path) {
    if (shell_.json()) shell_.out_line(Json::object().set("path", path));
    else shell_.out_line(path);
    return Status::ok;
}

Status Queue::show(const std::string& item, Bytes data) {
    if (shell_.json()) {
        Json json = Json::object();
        json.set("path", path_ + "/" + item).set_data(data);
        shell_.out_line(json);
    } else {
        shell_.out_line(as_text(data));
    }
    return Status::ok;
}

}  // namespace

Status op_queue(Shell& shell, const Args& args) {
    std::string_view verb = args.word(0);
    if (Status bad = check_path(shell, args.word(1)); bad != Status::ok) return bad;
    bool push = verb == "push";
    if (!push && verb != "pop" && verb != "peek")
        return shell.usage("the first word is push, pop or peek");
    if (push != (args.words.size() == 3))
        return shell.usage(push ? "push needs the data" : "only push takes data");
    if (!args.command.empty() && verb != "pop") return shell.usage("only pop runs a command");
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    Queue queue(shell, recipe, args);
    if (push) return queue.push();
    return verb == "pop" ? queue.pop() : queue.peek();
}

}  // namespace zk
