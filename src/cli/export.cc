// export.cc -- export: a subtree as lines of JSON, to standard output or into a file.
//
// A file gets its name only when all of it is there; until then it is called NAME.partial.
// What is there and no plain file, as a pipe, is written to as it is.
// The server goes on working meanwhile: what changes during the export is found as it was or as it
// is then.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cli/handlers.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/trees.h"

namespace zk {

namespace {

constexpr size_t write_bytes = 64 * 1024;

// Where the lines go.
class Sink {
public:
    explicit Sink(Shell& shell) : shell_(shell) {}
    ~Sink() {
        if (fd_ >= 0) ::close(fd_);
    }

    bool open(std::string name) {
        name_ = std::move(name);
        // What is no plain file, a pipe or /dev/null, is written to as it is; and so is what a
        // symbolic link leads to.
        struct stat there = {};
        replaces_ = lstat(name_.c_str(), &there) != 0 || S_ISREG(there.st_mode);
        fd_ = ::open(written_name().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        return fd_ >= 0;
    }
    bool line(const std::string& text) {
        if (fd_ < 0) {
            shell_.out_line(text);
            return !no_reader(shell_);
        }
        held_.append(text).append("\n");
        return held_.size() < write_bytes || write_held();
    }
    bool finish() {
        if (fd_ < 0) return true;
        if (!write_held()) return false;
        if (fsync(fd_) != 0 && errno != EINVAL) return false;  // EINVAL: it is no file
        if (::close(std::exchange(fd_, -1)) != 0) return false;
        return !replaces_ || rename(written_name().c_str(), name_.c_str()) == 0;
    }

private:
    std::string written_name() const { return replaces_ ? name_ + ".partial" : name_; }
    bool write_held() {
        std::string_view rest = held_;
        while (!rest.empty()) {
            ssize_t written = ::write(fd_, rest.data(), rest.size());
            if (written > 0) rest.remove_prefix(static_cast<size_t>(written));
            else if (written < 0 && errno != EINTR) return false;
        }
        held_.clear();
        return true;
    }

    Shell& shell_;
    std::string name_;
    bool replaces_ = false;
    std::string held_;
    int fd_ = -1;
};

Status tell_done(Shell& shell, const Progress& progress, std::string_view file, size_t skipped) {
    if (shell.json() && !file.empty()) {
        Json json = Json::object();
        json.set("file", file).set("znodes", progress.znodes()).set("bytes", progress.bytes());
        shell.out_line(json.set("ephemerals", static_cast<uint64_t>(skipped)));
    }
    if (!shell.human() || file.empty()) return Status::ok;
    std::string text = grouped(progress.znodes()) + " znodes";
    if (skipped > 0) text += ", without " + grouped(skipped) + " ephemeral ones";
    shell.out_line(text.append(", in ").append(file));
    return Status::ok;
}

}  // namespace

Status op_export(Shell& shell, const Args& args) {
    std::string root;
    if (Status bad = tree_path(shell, args, 0, root); bad != Status::ok) return bad;
    std::string file(args.word(1));
    if (file == "-") file.clear();
    Sink sink(shell);
    auto broken = [&] {
        std::string why = file.empty() ? "standard output" : file;
        return shell.complain(why + ": " + strerror(errno), Status::failed);
    };
    bool acls = !args.has("no-acl");
    Walk walk(shell.session(), root,
              {.data = true, .acls = acls, .except = system_below(root)});
    Progress progress("export", !shell.json());
    Found found;
    Walk::Step step = walk.next(found);
    // Only now: no file where there is nothing to export.
    if (step == Walk::Step::found && !file.empty() && !sink.open(file)) return broken();
    size_t skipped = 0;
    std::string hidden;  // the first with an ACL that is not all there
    for (; step == Walk::Step::found; step = walk.next(found)) {
        if (kind_of(found.stat) == Kind::ephemeral && !args.has("ephemerals")) {
            ++skipped;
            continue;
        }
        if (acls && hidden.empty() && hides_digests(found.acls)) hidden = found.path;
        std::string_view path = relative_path(root, found.path);
        if (!sink.line(to_json(path, found, args.has("stats"), acls).text())) return broken();
        progress.add(found.data.size());
    }
    progress.clear();
    Status status = end_of_walk(shell, walk, step, root);
    if (step == Walk::Step::failed) return status;
    if (!sink.finish()) return broken();
    if (!hidden.empty()) status = tell_hidden(shell, hidden);
    return status == Status::ok ? tell_done(shell, progress, file, skipped) : status;
}

}  // namespace zk
