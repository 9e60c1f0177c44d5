// diff.cc -- diff: what differs between two subtrees, of this service, of another, or exported.
//
// Both sides come in the order of a walk, and are compared as two sorted lists are, so that neither
// is held as a whole. An export keeps that order; a file that does not is refused.

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "cli/handlers.h"
#include "cli/line_diff.h"
#include "cli/lines.h"
#include "cli/print.h"
#include "cli/record.h"
#include "cli/trees.h"

namespace zk {

namespace {

constexpr size_t base64_shown = 60;  // of bytes that are no text

// One side: a walk, or an export's lines.
class Side {
public:
    Side(Shell& shell, const Args& args) : shell_(shell), ephemerals_(args.has("ephemerals")) {}

    // From the words: /path, @file (@- is standard input), host:port[,...]/path.
    Status open(const std::string& word, bool acls);
    // The next one becomes `now`. Not ok: it was told.
    Status next();

    bool ended = false;
    Record now;

    // Whether part of a walk was left out.
    Status finish() const { return walk_ ? tell_denied(shell_, *walk_) : Status::ok; }

private:
    Status open_walk(SyncClient& session, std::string root, bool acls);
    Status next_of_walk();
    Status next_of_file();
    Status in_line(const std::string& why);

    Shell& shell_;
    bool ephemerals_;
    std::string name_;
    std::string root_;
    std::unique_ptr<SyncClient> elsewhere_;  // outlives the walk
    std::optional<Walk> walk_;
    std::optional<LineReader> reader_;
};

Status Side::open(const std::string& word, bool acls) {
    name_ = word;
    if (word == "@-" && shell_.scripted())
        return shell_.usage("standard input has the commands; name a file");
    if (word.starts_with("@")) {
        reader_.emplace(shell_.session());
        if (reader_->open(word.substr(1))) return Status::ok;
        return shell_.complain(word.substr(1) + ": " + strerror(errno), Status::failed);
    }
    size_t colon = word.find(':');
    if (word.starts_with("/") || colon == word.npos || colon > word.find('/')) {
        if (Status bad = check_path(shell_, word); bad != Status::ok) return bad;
        return open_walk(shell_.session(), shell_.full(word), acls);
    }
    Result<ConnectString> parsed = parse_connect_string(word);
    if (!parsed) return shell_.complain(parsed.error().text, Status::usage);
    elsewhere_ = shell_.session().another(std::move(parsed->servers));
    return open_walk(*elsewhere_, parsed->chroot.empty() ? "/" : parsed->chroot, acls);
}

Status Side::open_walk(SyncClient& session, std::string root, bool acls) {
    root_ = std::move(root);
    walk_.emplace(session, root_,
                  WalkOptions{.data = true, .acls = acls, .except = system_below(root_)});
    return Status::ok;
}

Status Side::next() {
    do {
        Status status = walk_ ? next_of_walk() : next_of_file();
        if (status != Status::ok) return status;
    } while (!ended && now.ephemeral && !ephemerals_);
    return Status::ok;
}

Status Side::next_of_walk() {
    Found found;
    Walk::Step step = walk_->next(found);
    if (step == Walk::Step::failed) {
        if (elsewhere_ && walk_->err() == Err::operation_timeout)
            return shell_.complain(elsewhere_->why_not(), Status::no_connection);
        if (walk_->malformed()) return shell_.malformed();
        return shell_.fail(walk_->err(), name_);
    }
    ended = step == Walk::Step::end;
    if (ended) return Status::ok;
    now.path = relative_path(root_, found.path);
    now.data = std::move(found.data);
    now.is_null = found.is_null;
    now.acls = std::move(found.acls);
    now.ephemeral = kind_of(found.stat) == Kind::ephemeral;
    return Status::ok;
}

Status Side::in_line(const std::string& why) {
    return shell_.complain(name_.substr(1) + ": line " + std::to_string(reader_->number()) + ": " +
                               why,
                           Status::failed);
}

Status Side::next_of_file() {
    std::string_view line;
    LineReader::Step step;
    do {
        step = reader_->next(line);
    } while (step == LineReader::Step::line && line.find_first_not_of(" \t\r") == line.npos);
    if (step == LineReader::Step::interrupted) return shell_.fail(Err::request_timeout, "");
    if (step == LineReader::Step::broken)
        return shell_.complain(name_.substr(1) + ": " + strerror(errno), Status::failed);
    if (step == LineReader::Step::too_long) return in_line("the next line is too long");
    ended = step == LineReader::Step::end;
    if (ended) return Status::ok;
    Result<Record> record = parse_record(line);
    if (!record) return in_line(record.error().text);
    if (!now.path.empty() && !path_before(now.path, record->path))
        return in_line("not in the order of an export");
    now = std::move(*record);
    return Status::ok;
}

// -- showing -------------------------------------------------------------------------------------

// Data as it can be shown in lines.
std::string readable(const Record& record) {
    if (record.is_null) return "(no data)";
    if (is_text(as_bytes(record.data))) return record.data;
    std::string text = "(" + std::to_string(record.data.size()) + " bytes) ";
    std::string coded = to_base64(as_bytes(record.data));
    if (coded.size() <= base64_shown) return text + coded;
    return text + coded.substr(0, base64_shown) + "...";
}

std::string readable_acls(const std::string& wire) {
    std::string text;
    for (const Acl& acl : acls_of(wire)) {
        if (!text.empty()) text += "\n";
        text.append(acl.scheme).append(":").append(acl.id).append(":");
        text += perms_text(acl.perms);
    }
    return text;
}

class Differences {
public:
    Differences(Shell& shell, const Args& args) : shell_(shell), args_(args) {}

    // Either may be missing.
    void show(const Record* from, const Record* to);
    bool any() const { return any_; }

private:
    void hunk(std::string_view path, std::string_view what, const std::string& lines);
    void show_json(const Record* from, const Record* to, bool data, bool acls);

    Shell& shell_;
    const Args& args_;
    bool any_ = false;
};

void Differences::show(const Record* from, const Record* to) {
    bool both = from != nullptr && to != nullptr;
    bool data = both && (from->data != to->data || from->is_null != to->is_null);
    bool acls = both && from->acls != to->acls;
    if (both && !data && !acls) return;
    bool first = !std::exchange(any_, true);
    const std::string& path = from != nullptr ? from->path : to->path;
    if (shell_.json()) {
        show_json(from, to, data, acls);
        return;
    }
    if (args_.has("q")) {
        shell_.out_line((both ? "! " : from != nullptr ? "- " : "+ ") + path);
        return;
    }
    if (first) {
        shell_.out_line("--- " + args_.words[0]);
        shell_.out_line("+++ " + args_.words[1]);
    }
    if (from == nullptr) {
        hunk(path, "added", marked_lines('+', readable(*to)));
    } else if (to == nullptr) {
        hunk(path, "removed", marked_lines('-', readable(*from)));
    } else {
        if (data) {
            // Where what is shown of both is the same, as of long bytes, both are shown.
            std::string lines = line_diff(readable(*from), readable(*to));
            if (lines.empty())
                lines = marked_lines('-', readable(*from)) + marked_lines('+', readable(*to));
            hunk(path, "data", lines);
        }
        if (acls)
            hunk(path, "acl", line_diff(readable_acls(from->acls), readable_acls(to->acls)));
    }
}

void Differences::hunk(std::string_view path, std::string_view what, const std::string& lines) {
    std::string text = "@@ ";
    shell_.out_line(text.append(path).append(" ").append(what).append(" @@"));
    shell_.out(lines);
}

void Differences::show_json(const Record* from, const Record* to, bool data, bool acls) {
    auto side = [&](const Record& record) {
        Json json = Json::object();
        if (data || from == nullptr || to == nullptr)
            json.set_data(record.is_null ? Bytes() : as_bytes(record.data));
        if (acls) json.set("acl", readable_acls(record.acls));
        return json;
    };
    Json json = Json::object();
    json.set("path", from != nullptr ? from->path : to->path);
    json.set("change", from == nullptr ? "added" : to == nullptr ? "removed" : "changed");
    if (from != nullptr) json.set("from", side(*from));
    if (to != nullptr) json.set("to", side(*to));
    shell_.out_line(json);
}

}  // namespace

Status op_diff(Shell& shell, const Args& args) {
    shell.drain(0);
    bool acls = !args.has("no-acl");
    Side from(shell, args);
    Side to(shell, args);
    Status status = from.open(args.words[0], acls);
    if (status == Status::ok) status = to.open(args.words[1], acls);
    if (status == Status::ok) status = from.next();
    if (status == Status::ok) status = to.next();
    Differences differences(shell, args);
    while (status == Status::ok && !(from.ended && to.ended) && !no_reader(shell)) {
        bool only_from = to.ended || (!from.ended && path_before(from.now.path, to.now.path));
        bool only_to = from.ended || (!to.ended && path_before(to.now.path, from.now.path));
        if (!acls) from.now.acls = to.now.acls;
        differences.show(only_to ? nullptr : &from.now, only_from ? nullptr : &to.now);
        if (!only_to) status = from.next();
        if (status == Status::ok && !only_from) status = to.next();
    }
    if (status == Status::ok) status = from.finish();
    if (status == Status::ok) status = to.finish();
    if (status != Status::ok) return status;
    return differences.any() ? Status::failed : Status::ok;
}

}  // namespace zk
