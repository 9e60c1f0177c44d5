// fork.cc -- see fork.h.

#include "edge/fork.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>

namespace zk {

namespace {

// What the child says of its end; the parent makes a text of it.
constexpr int exit_write = 10;
constexpr int exit_sync = 11;
constexpr int exit_rename = 12;
constexpr int exit_directory = 13;
constexpr int exit_full = 14;

struct ChildFile {
    int file;
    int error;
};

bool child_write(void* context, Bytes bytes) {
    auto* out = static_cast<ChildFile*>(context);
    while (!bytes.empty()) {
        ssize_t n = write(out->file, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            out->error = n < 0 ? errno : EIO;
            return false;
        }
        bytes = bytes.subspan(static_cast<size_t>(n));
    }
    return true;
}

void close_all_but(int keep) {
    unsigned kept = static_cast<unsigned>(keep);
    long low = keep > 3 ? syscall(SYS_close_range, 3u, kept - 1, 0u) : 0;
    long high = syscall(SYS_close_range, kept + 1, ~0u, 0u);
    if (low == 0 && high == 0) return;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int file = 3; file < static_cast<int>(limit.rlim_cur); ++file)
        if (file != keep) close(file);
}

[[noreturn]] void run_child(pid_t parent, int file, const char* temporary, const char* path,
                            const char* directory, WriteSnapshot write_snapshot,
                            const void* job) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close_all_but(file);
    setpriority(PRIO_PROCESS, 0, 10);
    ChildFile out{.file = file, .error = 0};
    if (!write_snapshot(job, {.context = &out, .write = child_write})) {
        unlink(temporary);
        _exit(out.error == ENOSPC || out.error == EDQUOT ? exit_full : exit_write);
    }
    if (fsync(file) != 0) _exit(exit_sync);
    if (rename(temporary, path) != 0) _exit(exit_rename);
    int folder = open(directory, O_RDONLY | O_DIRECTORY);
    if (folder < 0 || fsync(folder) != 0) _exit(exit_directory);
    _exit(0);
}

std::string end_text(int status) {
    if (WIFSIGNALED(status))
        return "the child was ended by signal " + std::to_string(WTERMSIG(status));
    switch (WEXITSTATUS(status)) {
    case exit_write: return "the child could not write its file";
    case exit_full: return "the disk is full";
    case exit_sync: return "fsync of the file failed";
    case exit_rename: return "the file could not be given its name";
    case exit_directory: return "fsync of the directory failed";
    default: return "the child ended with status " + std::to_string(WEXITSTATUS(status));
    }
}

}  // namespace

Result<void> SnapshotChild::start(const std::string& path, WriteSnapshot write,
                                  const void* job) {
    ASSERT(pid_ == 0);
    temporary_ = path + ".tmp";
    std::string directory = path.substr(0, path.rfind('/'));
    int file = open(temporary_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (file < 0)
        return Error{.text = temporary_ + ": " + strerror(errno), .code = errno};
    pid_t parent = getpid();
    uint64_t before = uv_hrtime();
    pid_t pid = fork();
    if (pid == 0)
        run_child(parent, file, temporary_.c_str(), path.c_str(), directory.c_str(), write, job);
    int error = errno;
    fork_us_ = (uv_hrtime() - before) / 1000;
    close(file);
    if (pid < 0) {
        unlink(temporary_.c_str());
        return Error{.text = std::string("fork: ") + strerror(error), .code = error};
    }
    pid_ = pid;
    return {};
}

bool SnapshotChild::poll(Result<void>& result) {
    if (pid_ == 0) return false;
    int status = 0;
    pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    pid_ = 0;
    if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        result = Result<void>();
    } else {
        unlink(temporary_.c_str());
        result = Error{.text = ended > 0 ? end_text(status) : "the child was lost"};
    }
    return true;
}

void SnapshotChild::kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    unlink(temporary_.c_str());
}

}  // namespace zk
