// copy.cc -- cp and mv.
//
// A small tree is read, then written in one transaction: all of it, or nothing; for mv the deletes
// are in it too, each with the version that was read, so that nobody's change gets lost. A large
// one is written while it is read. mv then deletes what it has read, leaves first and with
// versions, and only after all of the copy is there: at every moment all data is somewhere, and
// where it stops it says what is where.
//
// What cannot be copied: an ephemeral znode's session (they are left out, or become persistent),
// the numbers that a parent has given to sequential children (the copy begins anew), and that a
// znode is a container or has a TTL, which no server tells its clients.

#include "cli/bulk.h"
#include "cli/handlers.h"
#include "cli/progress.h"
#include "cli/quantity.h"
#include "cli/record.h"
#include "cli/trees.h"

namespace zk {

namespace {

constexpr size_t small_znodes_max = 1000;
constexpr size_t small_bytes_max = 512 * 1024;  // with room to jute.maxbuffer
constexpr size_t deletes_max = 1000;            // under way

// Paths and versions of what was read, in little room: they may be millions.
class Journal {
public:
    void add(std::string_view relative, int32_t version) {
        text_ += relative;
        rows_.push_back({.end = text_.size(), .version = version});
    }
    size_t size() const { return rows_.size(); }
    std::string_view path(size_t index) const {
        size_t begin = index == 0 ? 0 : rows_[index - 1].end;
        return std::string_view(text_).substr(begin, rows_[index].end - begin);
    }
    int32_t version(size_t index) const { return rows_[index].version; }

private:
    struct Row {
        size_t end;
        int32_t version;
    };
    std::string text_;
    std::vector<Row> rows_;
};

class Copy {
public:
    Copy(Shell& shell, const Args& args, bool moves)
        : shell_(shell),
          moves_(moves),
          ephemerals_(args.has("ephemerals")),
          progress_(moves ? "mv" : "cp", !shell.json()) {}

    Status run(const Args& args);

private:
    Status read_args(const Args& args, WalkOptions& options);
    NewZnode copy_of(Found& found) const;
    Status write_at_once();
    Status write_streaming(Walk& walk, Found& found, Walk::Step& step);
    Status delete_source();
    Status tell_deletes(Err err, std::string_view path, size_t deleted);
    Status tell_copied(const Bulk& bulk, Err err);
    Status done();
    bool take(Found& found);  // false: it is left out
    std::string shown(std::string_view full) const { return std::string(shell_.local(full)); }

    Shell& shell_;
    bool moves_;
    bool ephemerals_;
    bool no_acl_ = false;
    Existing existing_ = Existing::fail;
    std::string from_;
    std::string to_;
    std::vector<NewZnode> read_;  // what is not written yet
    size_t bytes_ = 0;            // of it
    Journal journal_;             // all that was read, for mv
    size_t left_out_ = 0;         // ephemerals
    std::string first_left_out_;
    std::string hidden_;  // the first with an ACL that is not known
    Progress progress_;
};

Status Copy::read_args(const Args& args, WalkOptions& options) {
    Status status = tree_path(shell_, args, 0, from_);
    if (status == Status::ok) status = tree_path(shell_, args, 1, to_);
    if (status != Status::ok) return status;
    bool deep = moves_ || args.has("r");
    if (from_ == to_) return shell_.complain("from and to are the same", Status::usage);
    if (deep && is_within(to_, from_))
        return shell_.complain(shown(to_) + " is below " + shown(from_), Status::usage);
    if (moves_ && is_within(from_, to_))
        return shell_.complain(shown(from_) + " is below " + shown(to_), Status::usage);
    if (const std::string* given = args.value("existing")) {
        std::optional<Existing> existing = parse_existing(*given);
        if (!existing) return shell_.usage("--existing is to be fail, skip or overwrite");
        existing_ = *existing;
    }
    no_acl_ = args.has("no-acl");
    options.data = true;
    options.acls = !no_acl_;
    options.except = system_below(from_);
    if (!deep) options.depth_max = 0;
    return Status::ok;
}

bool Copy::take(Found& found) {
    if (kind_of(found.stat) == Kind::ephemeral && !ephemerals_) {
        if (left_out_++ == 0) first_left_out_ = found.path;
        return false;
    }
    if (!no_acl_ && hidden_.empty() && hides_digests(found.acls)) hidden_ = found.path;
    if (moves_) journal_.add(relative_path(from_, found.path), found.stat.version);
    progress_.add(found.data.size());
    return true;
}

NewZnode Copy::copy_of(Found& found) const {
    NewZnode made;
    made.path = join_paths(to_, relative_path(from_, found.path));
    made.data = std::move(found.data);
    made.is_null = found.is_null;
    made.acls = no_acl_ ? open_acls() : std::move(found.acls);
    return made;
}

Status Copy::run(const Args& args) {
    WalkOptions options;
    if (Status bad = read_args(args, options); bad != Status::ok) return bad;
    Walk walk(shell_.session(), from_, std::move(options));
    Found found;
    Walk::Step step;
    bool small = existing_ == Existing::fail;
    while ((step = walk.next(found)) == Walk::Step::found) {
        if (moves_ && kind_of(found.stat) == Kind::ephemeral && !ephemerals_)
            return shell_.complain(shown(found.path) + " is ephemeral and cannot be moved; nothing "
                                   "was done (--ephemerals makes it persistent)",
                                   Status::failed, shown(found.path));
        if (!take(found)) continue;
        if (!hidden_.empty()) {
            Status status = tell_hidden(shell_, hidden_);
            shell_.warn("nothing was done");
            return status;
        }
        read_.push_back(copy_of(found));
        bytes_ += read_.back().data.size() + read_.back().acls.size() + 3 * found.path.size();
        if (read_.size() > small_znodes_max || bytes_ > small_bytes_max) small = false;
        if (!small) break;
    }
    Status status = Status::ok;
    if (step == Walk::Step::end && moves_ && walk.denied() > 0) {
        status = end_of_walk(shell_, walk, step, from_);
        shell_.warn("nothing was done");
        return status;
    }
    if (step == Walk::Step::failed) return end_of_walk(shell_, walk, step, from_);
    if (step == Walk::Step::end && read_.empty())
        return shell_.complain(
            shown(from_) + " is ephemeral (--ephemerals makes a persistent copy)", Status::failed,
            shown(from_));
    if (small && step == Walk::Step::end) status = write_at_once();
    else status = write_streaming(walk, found, step);
    if (status != Status::ok) return status;
    status = end_of_walk(shell_, walk, step, from_);
    return status == Status::ok ? done() : status;
}

Status Copy::write_at_once() {
    size_t count = read_.size();
    call::Multi multi;
    std::vector<Acl> acls;
    for (const NewZnode& znode : read_) multi.create(create_of(znode, acls));
    if (moves_)
        for (size_t i = journal_.size(); i > 0; --i)
            multi.remove(join_paths(from_, journal_.path(i - 1)), journal_.version(i - 1));
    SyncClient::Reply reply = shell_.call(multi.take());
    size_t index = 0;
    Err err = multi_verdict(reply.header, reply.body, index);
    if (err == Err::ok) return Status::ok;
    if (err == Err::marshalling_error) return shell_.malformed();
    std::string path = index < count
                           ? read_[index].path
                           : join_paths(from_, journal_.path(2 * count - 1 - index));
    Status status = shell_.fail(err, shown(path));
    if (err != Err::connection_loss && err != Err::operation_timeout)
        shell_.warn("nothing was done");
    return status;
}

Status Copy::tell_copied(const Bulk& bulk, Err err) {
    progress_.clear();
    Status status = shell_.fail(err, shown(bulk.path()));
    std::string text = "the copy at " + shown(to_) + " is not whole: " + grouped(bulk.created());
    text += " znodes were created";
    if (bulk.unknown() > 0) text += ", and perhaps " + grouped(bulk.unknown()) + " more";
    if (moves_) text += "; nothing was deleted";
    shell_.warn(text);
    return status;
}

// Begins with what was read, and goes on reading while it writes.
Status Copy::write_streaming(Walk& walk, Found& found, Walk::Step& step) {
    Bulk bulk(shell_.session(), existing_);
    for (NewZnode& znode : read_)
        if (!bulk.add(std::move(znode))) return tell_copied(bulk, bulk.err());
    read_.clear();
    if (step == Walk::Step::found)
        while ((step = walk.next(found)) == Walk::Step::found) {
            if (!take(found)) continue;
            if (!hidden_.empty()) break;
            if (!bulk.add(copy_of(found))) return tell_copied(bulk, bulk.err());
        }
    bool interrupted = step == Walk::Step::failed && walk.err() == Err::request_timeout;
    if (!bulk.finish()) return tell_copied(bulk, interrupted ? walk.err() : bulk.err());
    progress_.clear();
    if (step == Walk::Step::end && walk.denied() == 0 && (!moves_ || left_out_ == 0))
        return moves_ ? delete_source() : Status::ok;
    Status status = Status::failed;
    if (!hidden_.empty()) status = tell_hidden(shell_, hidden_);
    else if (step == Walk::Step::failed || walk.denied() > 0)
        status = end_of_walk(shell_, walk, step, from_);
    else shell_.complain(shown(first_left_out_) + " is ephemeral and cannot be moved", status);
    shell_.warn("the copy at " + shown(to_) + " is not whole" +
                (moves_ ? "; nothing was deleted" : ""));
    return status;
}

struct Deletes {
    size_t under_way = 0;
    size_t done = 0;
    Err err = Err::ok;  // the first
    size_t index = 0;   // of it
};

Status Copy::delete_source() {
    Deletes deletes;
    auto taken = [](void* context, uint64_t index, const ReplyHeader& header, Bytes) {
        auto& of = *static_cast<Deletes*>(context);
        --of.under_way;
        // Somebody else has deleted it: it is gone, as it is to be.
        if (header.err == Err::ok || header.err == Err::no_node) ++of.done;
        else if (of.err == Err::ok) {
            of.err = header.err;
            of.index = index;
        }
    };
    SyncClient& session = shell_.session();
    bool whole = true;  // not ended by Ctrl-C
    for (size_t i = journal_.size(); i > 0 && deletes.err == Err::ok && whole; --i) {
        ++deletes.under_way;
        session.send(call::remove(join_paths(from_, journal_.path(i - 1)), journal_.version(i - 1)),
                     OnReply{.run = taken, .context = &deletes, .tag = i - 1});
        if (deletes.under_way >= deletes_max) whole = session.drain(session.outstanding() - 1);
    }
    if (!session.drain(0)) whole = false;
    if (deletes.under_way > 0) session.drain(0);
    if (deletes.err == Err::ok && whole) return Status::ok;
    return tell_deletes(whole ? deletes.err : Err::request_timeout, journal_.path(deletes.index),
                        deletes.done);
}

Status Copy::tell_deletes(Err err, std::string_view path, size_t deleted) {
    progress_.clear();
    Status status = shell_.fail(err, shown(join_paths(from_, path)));
    shell_.warn("the copy at " + shown(to_) + " is whole; of " + shown(from_) + " " +
                grouped(deleted) + " of " + grouped(journal_.size()) +
                " znodes are deleted, the rest is still there");
    return status;
}

Status Copy::done() {
    progress_.clear();
    if (left_out_ > 0) {
        std::string text = shown(first_left_out_);
        if (left_out_ > 1) text += " and " + grouped(left_out_ - 1) + " more";
        shell_.warn(text + (left_out_ > 1 ? " are" : " is") + " ephemeral and left out");
    }
    if (shell_.json()) {
        Json json = Json::object();
        json.set("from", shown(from_)).set("to", shown(to_));
        shell_.out_line(json.set("znodes", progress_.znodes()));
    } else if (shell_.human()) {
        shell_.out_line(grouped(progress_.znodes()) + " znodes " + (moves_ ? "moved" : "copied"));
    }
    return Status::ok;
}

}  // namespace

Status op_cp(Shell& shell, const Args& args) { return Copy(shell, args, false).run(args); }
Status op_mv(Shell& shell, const Args& args) { return Copy(shell, args, true).run(args); }

}  // namespace zk
