// fork.cc -- see fork.h.

#include "edge/fork.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace zk {

namespace {

constexpr size_t buffer_bytes = 512 * 1024;
constexpr size_t block_bytes = 4096;  // of a direct write: a multiple of what any disk asks for
constexpr uint64_t buffer_ns = 2'100'000;  // that each full one takes at least: 250 MB a second
constexpr uint64_t rest_ns_max = 100'000'000;
constexpr uint64_t wait_times = 4;  // as long as the fork took: the loop has to catch up first
constexpr uint64_t wait_us_max = 200'000;

// The child's file. All that it needs was made before the fork, or is on its stack.
struct ChildFile {
    int file = -1;
    SnapshotChild::Told* told = nullptr;
    uint8_t* buffer = nullptr;  // begins at a page's border
    size_t used = 0;
    uint64_t written = 0;
    uint64_t rested_ns = 0;  // when the last rest ended
    bool direct = true;      // past the page cache
};

bool failed(ChildFile& out, const char* what) {
    out.told->failed = what;
    out.told->error = errno;
    return false;
}

// Past the page cache a snapshot costs no memory but the buffer. In it each of its pages is a new
// one, and the loop, which needs new pages behind the fork, too, waits for the same supply.
bool open_file(ChildFile& out, const char* path) {
    constexpr int flags = O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC;
    out.file = open(path, flags | O_DIRECT, 0640);
    if (out.file >= 0) return true;
    out.direct = false;  // a file system of memory, or a strange one
    out.file = open(path, flags, 0640);
    return out.file >= 0 || failed(out, "making the file");
}

bool make_buffered(ChildFile& out) {
    out.direct = false;
    int flags = fcntl(out.file, F_GETFL);
    return flags >= 0 && fcntl(out.file, F_SETFL, flags & ~O_DIRECT) == 0;
}

// What is in the page cache after all, as where a file system takes O_DIRECT and does not mind it:
// on its way to the disk at once, so that a sync of the log, which may have to wait for it, does
// not wait long. Where this call does not work, the sync at the end has all of the work; what
// failed to reach the disk is told once, here or there.
bool write_back(ChildFile& out, size_t size) {
    constexpr unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    auto at = static_cast<off64_t>(out.written);
    if (sync_file_range(out.file, at, static_cast<off64_t>(size), all) == 0) return true;
    bool unknown = errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == EOPNOTSUPP;
    return unknown || failed(out, "writing");
}

// A direct write is of whole blocks; what is too much of the last one is cut off in the end. After
// a short one the rest may begin anywhere.
bool flush(ChildFile& out) {
    size_t size = out.used;
    if (out.direct) size = (size + block_bytes - 1) / block_bytes * block_bytes;
    memset(out.buffer + out.used, 0, size - out.used);
    for (size_t at = 0; at < size;) {
        ssize_t n = write(out.file, out.buffer + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EINVAL && out.direct && make_buffered(out)) continue;
        if (n < 0) return failed(out, "writing");
        at += static_cast<size_t>(n);
    }
    if (!write_back(out, size)) return false;
    out.written += out.used;
    out.used = 0;
    return true;
}

// The log has the disk to itself for as long as this write took, unless that was very long; and a
// snapshot at full speed would have a disk that is rated, as those of clouds are, stand still for
// everybody.
void rest(ChildFile& out, uint64_t wrote_ns) {
    uint64_t now = uv_hrtime();
    uint64_t until = std::max(out.rested_ns + buffer_ns, now + std::min(wrote_ns, rest_ns_max));
    constexpr uint64_t second = 1'000'000'000;
    timespec pause = {.tv_sec = static_cast<time_t>((until - now) / second),
                      .tv_nsec = static_cast<long>((until - now) % second)};
    nanosleep(&pause, nullptr);
    out.rested_ns = uv_hrtime();
}

bool end_file(ChildFile& out) {
    if (!flush(out)) return false;
    if (ftruncate(out.file, static_cast<off_t>(out.written)) != 0) return failed(out, "writing");
    return fsync(out.file) == 0 || failed(out, "syncing the file");
}

bool sink_write(void* context, Bytes bytes) {
    auto& out = *static_cast<ChildFile*>(context);
    while (!bytes.empty()) {
        size_t part = std::min(bytes.size(), buffer_bytes - out.used);
        memcpy(out.buffer + out.used, bytes.data(), part);
        out.used += part;
        bytes = bytes.subspan(part);
        if (out.used < buffer_bytes) continue;
        uint64_t started_ns = uv_hrtime();
        if (!flush(out)) return false;
        rest(out, uv_hrtime() - started_ns);
    }
    return true;
}

// All but stderr, which an assertion may need.
void close_descriptors() {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0) return;
    // An old kernel. The limit may be a thousand million, or none: only what is open counts.
    DIR* listing = opendir("/proc/self/fd");
    if (listing == nullptr) return;
    while (const dirent* entry = readdir(listing)) {
        int file = atoi(entry->d_name);
        if (file > STDERR_FILENO && file != dirfd(listing)) close(file);
    }
    closedir(listing);
}

// The server's work comes first, and if memory runs out it is the child that should go.
void step_back() {
    setpriority(PRIO_PROCESS, 0, 10);
    constexpr int this_process = 1;
    constexpr int best_effort_last = (2 << 13) | 7;
    syscall(SYS_ioprio_set, this_process, 0, best_effort_last);
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    ssize_t written = write(file, "1000", 4);
    (void)written;
    close(file);
}

// Pages that only this process has are those that were copied, by it or for the parent.
uint64_t private_bytes() {
    char text[4096];
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    if (size <= 0) return 0;
    text[size] = 0;
    const char* line = strstr(text, "Private_Dirty:");
    return line == nullptr ? 0 : strtoull(line + strlen("Private_Dirty:"), nullptr, 10) * 1024;
}

struct Names {
    const char* temporary;
    const char* path;
    const char* directory;
};

bool write_file(ChildFile& out, const Names& names, WriteSnapshot write_snapshot, const void* job) {
    if (!open_file(out, names.temporary)) return false;
    if (!write_snapshot(job, {.context = &out, .write = sink_write}) || !end_file(out)) {
        if (out.told->failed == nullptr) out.told->failed = "writing";
        return false;
    }
    if (rename(names.temporary, names.path) != 0) return failed(out, "renaming the file");
    int directory = open(names.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || fsync(directory) != 0) return failed(out, "syncing the directory");
    out.told->copied_bytes = private_bytes();
    return true;
}

[[noreturn]] void run_child(pid_t parent, uint64_t started_ns, const sigset_t* signals,
                            ChildFile& out, const Names& names, WriteSnapshot write_snapshot,
                            const void* job) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close_descriptors();
    // libuv's handlers would write to a pipe that is closed, or worse, to what was opened since. A
    // Ctrl-C of the terminal goes to both processes; the parent decides.
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, signals, nullptr);
    step_back();
    uint64_t wait_us = (uv_hrtime() - started_ns) / 1000 * wait_times;
    usleep(static_cast<useconds_t>(std::min(wait_us, wait_us_max)));
    _exit(write_file(out, names, write_snapshot, job) ? 0 : 1);
}

std::string end_text(int status, const SnapshotChild::Told& told) {
    if (WIFSIGNALED(status))
        return "its process was ended by signal " + std::to_string(WTERMSIG(status));
    if (told.failed == nullptr)
        return "its process ended with status " + std::to_string(WEXITSTATUS(status));
    std::string text = std::string(told.failed) + " failed";
    return told.error == 0 ? text : text + ": " + strerror(told.error);
}

std::string directory_of(const std::string& path) {
    size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

SnapshotChild::~SnapshotChild() {
    kill();
    if (told_ != nullptr) munmap(told_, sizeof *told_);
}

Result<void> SnapshotChild::start(const std::string& path, WriteSnapshot write, const void* job) {
    ASSERT(pid_ == 0);
    if (told_ == nullptr) {
        void* page =
            mmap(nullptr, sizeof *told_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) return Error{std::string("mmap: ") + strerror(errno), errno};
        told_ = static_cast<Told*>(page);
    }
    *told_ = {};
    temporary_ = path + ".tmp";
    std::string directory = directory_of(path);
    Names names{temporary_.c_str(), path.c_str(), directory.c_str()};
    auto* buffer = static_cast<uint8_t*>(aligned_alloc(block_bytes, buffer_bytes));
    if (buffer == nullptr) return Error{"no memory for a snapshot's buffer", ENOMEM};
    ChildFile out{.told = told_, .buffer = buffer};
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    uint64_t started_ns = uv_hrtime();
    pid_t pid = fork();
    if (pid == 0) run_child(parent, started_ns, &before, out, names, write, job);
    int error = errno;
    fork_us_ = (uv_hrtime() - started_ns) / 1000;
    sigprocmask(SIG_SETMASK, &before, nullptr);
    free(buffer);
    if (pid < 0) return Error{std::string("fork: ") + strerror(error), error};
    pid_ = pid;
    return {};
}

bool SnapshotChild::poll(Result<void>& result) {
    if (pid_ == 0) return false;
    int status = 0;
    pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    pid_ = 0;
    copied_bytes_ = told_->copied_bytes;
    if (ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        result = Result<void>();
        return true;
    }
    unlink(temporary_.c_str());
    if (ended < 0)
        result = Error{.text = std::string("its process was lost: ") + strerror(errno)};
    else
        result = Error{.text = end_text(status, *told_), .code = told_->error};
    return true;
}

void SnapshotChild::kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
    pid_ = 0;
    unlink(temporary_.c_str());
}

}  // namespace zk
