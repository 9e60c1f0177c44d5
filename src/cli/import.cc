// import.cc -- import: makes the znodes that an export's lines tell of.

#include <cerrno>
#include <cstring>

#include "cli/bulk.h"
#include "cli/handlers.h"
#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/trees.h"

namespace zk {

namespace {

// What the options ask for.
struct Wish {
    Existing existing = Existing::fail;
    bool ephemerals = false;
    bool no_acl = false;
};

// What is there, though not all of it is.
void tell_stopped(Shell& shell, const Bulk& bulk) {
    std::string text = "import stopped; " + grouped(bulk.created()) + " znodes were created";
    if (bulk.unknown() > 0)
        text += ", and up to " + grouped(bulk.unknown()) + " more: it is not known";
    if (bulk.err() == Err::node_exists || bulk.unknown() > 0)
        text += " (--existing skip or overwrite goes on from there)";
    shell.warn(text);
}

Status tell_failure(Shell& shell, const Bulk& bulk) {
    Status status = shell.fail(bulk.err(), std::string(shell.local(bulk.path())));
    tell_stopped(shell, bulk);
    return status;
}

Status tell_done(Shell& shell, const Bulk& bulk, size_t ephemerals) {
    if (shell.json()) {
        Json json = Json::object();
        json.set("created", static_cast<uint64_t>(bulk.created()));
        json.set("skipped", static_cast<uint64_t>(bulk.skipped()));
        json.set("overwritten", static_cast<uint64_t>(bulk.overwritten()));
        shell.out_line(json.set("ephemerals", static_cast<uint64_t>(ephemerals)));
    } else if (shell.human()) {
        std::string text = grouped(bulk.created()) + " znodes created";
        if (bulk.skipped() > 0) text += ", " + grouped(bulk.skipped()) + " were there";
        if (bulk.overwritten() > 0) text += ", " + grouped(bulk.overwritten()) + " overwritten";
        if (ephemerals > 0) text += ", " + grouped(ephemerals) + " ephemeral ones left out";
        shell.out_line(text);
    }
    return Status::ok;
}

Status tell_reading(Shell& shell, LineReader::Step step, const LineReader& reader,
                    const std::string& file) {
    std::string name = file.empty() ? "standard input" : file;
    if (step == LineReader::Step::interrupted) return shell.fail(Err::request_timeout, "");
    if (step == LineReader::Step::broken)
        return shell.complain(name + ": " + strerror(errno), Status::failed);
    std::string line = name + ": line " + std::to_string(reader.number() + 1);
    return shell.complain(line + " is longer than any line of an export", Status::failed);
}

// The root is there always, and so it is no znode that was there before.
bool is_root_of_all(const std::string& target, const Record& record, Existing existing) {
    return target == "/" && record.path == "/" && existing == Existing::fail;
}

Status import_lines(Shell& shell, LineReader& reader, const std::string& file,
                    const std::string& target, const Wish& wish) {
    Bulk bulk(shell.session(), wish.existing);
    Progress progress("import", !shell.json());
    size_t ephemerals = 0;
    std::string_view line;
    LineReader::Step step;
    while ((step = reader.next(line)) == LineReader::Step::line) {
        if (line.find_first_not_of(" \t\r") == line.npos) continue;
        Result<Record> record = parse_record(line);
        if (!record) {
            bulk.finish();
            progress.clear();
            std::string at = file.empty() ? "standard input" : file;
            at += ": line " + std::to_string(reader.number()) + ": ";
            Status status = shell.complain(at + record.error().text, Status::failed);
            tell_stopped(shell, bulk);
            return status;
        }
        if (is_root_of_all(target, *record, wish.existing)) continue;
        if (record->ephemeral && !wish.ephemerals) {
            ++ephemerals;
            continue;
        }
        progress.add(record->data.size());
        if (!bulk.add({.path = join_paths(target, record->path),
                       .data = std::move(record->data),
                       .is_null = record->is_null,
                       .acls = wish.no_acl ? open_acls() : std::move(record->acls)}))
            break;
    }
    bool good = bulk.finish();
    progress.clear();
    if (!good) return tell_failure(shell, bulk);
    if (step != LineReader::Step::end) {
        Status status = tell_reading(shell, step, reader, file);
        tell_stopped(shell, bulk);
        return status;
    }
    return tell_done(shell, bulk, ephemerals);
}

}  // namespace

Status op_import(Shell& shell, const Args& args) {
    std::string target;
    if (Status bad = tree_path(shell, args, 1, target); bad != Status::ok) return bad;
    Wish wish;
    if (const std::string* given = args.value("existing")) {
        std::optional<Existing> existing = parse_existing(*given);
        if (!existing) return shell.usage("--existing is to be fail, skip or overwrite");
        wish.existing = *existing;
    }
    wish.ephemerals = args.has("ephemerals");
    wish.no_acl = args.has("no-acl");
    std::string file(args.word(0));
    if (file == "-") file.clear();
    if (file.empty() && shell.scripted())
        return shell.usage("standard input has the commands; name a file");
    LineReader reader(shell.session());
    if (!reader.open(file)) return shell.complain(file + ": " + strerror(errno), Status::failed);
    return import_lines(shell, reader, file, target, wish);
}

}  // namespace zk
