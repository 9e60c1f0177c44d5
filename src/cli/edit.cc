// edit.cc -- edit: a znode's data in an editor, written back only if nobody has changed it.
//
// The text is in a temporary file while it is edited. Whatever prevents the writing, the file then
// stays where it is, and where that is is told. The session is served meanwhile.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "cli/handlers.h"
#include "cli/names.h"
#include "cli/source.h"
#include "cli/trees.h"

namespace zk {

namespace {

constexpr size_t name_bytes_max = 64;  // of the znode, in the file's name

// A file for the editor, with the znode's name in its own, so that the editor may guess what it is.
Result<std::string> write_temporary(std::string_view path, std::string_view data) {
    const char* where = getenv("TMPDIR");
    std::string name = where != nullptr && *where != '\0' ? where : "/tmp";
    std::string_view last = path == "/" ? "root" : last_name(path);
    last.remove_prefix(last.size() - std::min(last.size(), name_bytes_max));
    name.append("/zk-XXXXXX-").append(last);
    size_t suffix = name.size() - name.rfind('-');
    int fd = mkstemps(name.data(), static_cast<int>(suffix));
    if (fd < 0) return Error{.text = name + ": " + strerror(errno)};
    bool good = write(fd, data.data(), data.size()) == static_cast<ssize_t>(data.size());
    int error = errno;
    if (::close(fd) == 0 && good) return name;
    unlink(name.c_str());
    return Error{.text = name + ": " + strerror(error)};
}

// In the child. Stands between us and the editor, so that its own end can be waited for on a pipe,
// which ends with it; Ctrl-C is the editor's.
[[noreturn]] void run_in_child(const char* script, const char* file) {
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    pid_t editor = fork();
    if (editor == 0) {
        for (int number : {SIGINT, SIGQUIT, SIGPIPE}) signal(number, SIG_DFL);
        execl("/bin/sh", "sh", "-c", script, "sh", file, nullptr);
        _exit(127);
    }
    int status = 0;
    if (editor < 0 || waitpid(editor, &status, 0) != editor) _exit(126);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 125);
}

// The editor's exit status; -1: it could not be started.
int run_editor(Shell& shell, const std::string& file) {
    const char* editor = getenv("VISUAL");
    if (editor == nullptr || *editor == '\0') editor = getenv("EDITOR");
    if (editor == nullptr || *editor == '\0') editor = "vi";
    std::string script = std::string(editor) + " \"$1\"";
    int ends[2];
    if (pipe(ends) != 0) return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    // Ours only where nobody catches it: the prompt does, and only goes on waiting.
    struct sigaction before = {};
    sigaction(SIGINT, nullptr, &before);
    if (before.sa_handler == SIG_DFL) signal(SIGINT, SIG_IGN);
    pid_t child = fork();
    if (child == 0) run_in_child(script.c_str(), file.c_str());
    ::close(ends[1]);
    int status = -1;
    if (child > 0) {
        while (shell.session().wait_input(ends[0]) != SyncClient::Wake::readable) continue;
        waitpid(child, &status, 0);
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    if (before.sa_handler == SIG_DFL) signal(SIGINT, SIG_DFL);
    ::close(ends[0]);
    return status;
}

Status tell_set(Shell& shell, std::string_view path, int32_t version, bool changed) {
    if (shell.json()) {
        Json json = Json::object();
        json.set("path", path).set("changed", changed).set("version", version);
        shell.out_line(json);
    } else if (shell.human()) {
        shell.out_line(changed ? "version " + std::to_string(version) : "not changed");
    }
    return Status::ok;
}

}  // namespace

Status op_edit(Shell& shell, const Args& args) {
    std::string path;
    if (Status bad = tree_path(shell, args, 0, path); bad != Status::ok) return bad;
    std::string shown(shell.local(path));
    SyncClient::Reply reply = shell.call(call::get_data(path, false));
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, shown);
    std::optional<Data> got = decode_data(reply.body);
    if (!got) return shell.malformed();
    std::string data(as_text(got->data));
    int32_t version = got->stat.version;
    Result<std::string> file = write_temporary(path, data);
    if (!file) return shell.complain(file.error().text, Status::failed);
    shell.flush();
    int exited = run_editor(shell, *file);
    Result<std::string> edited = read_file(*file, data_bytes_max);
    auto kept = [&](Status status) {
        shell.warn("the edited text is in " + *file);
        return status;
    };
    if (!edited) return shell.complain(edited.error().text, Status::failed);
    // Editors end the last line; most data in znodes has no such end.
    if (!data.ends_with('\n') && edited->ends_with('\n')) edited->pop_back();
    bool changed = *edited != data;
    if (exited != 0) {
        shell.complain("the editor failed" +
                           (exited < 0 ? "" : " with status " + std::to_string(exited)) +
                           "; nothing was set",
                       Status::failed);
        if (changed) return kept(Status::failed);
    }
    if (!changed) {
        unlink(file->c_str());
        return exited != 0 ? Status::failed : tell_set(shell, shown, version, false);
    }
    reply = shell.call(call::set_data(path, as_bytes(*edited), version));
    if (reply.header.err == Err::bad_version)
        return kept(shell.complain(shown + " was changed meanwhile; nothing was set",
                                   Status::bad_version, shown));
    if (reply.header.err != Err::ok) return kept(shell.fail(reply.header.err, shown));
    unlink(file->c_str());
    std::optional<Stat> stat = decode_stat(reply.body);
    return stat ? tell_set(shell, shown, stat->version, true) : shell.malformed();
}

}  // namespace zk
