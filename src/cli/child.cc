// child.cc -- see child.h.
//
// The happy path: fork, exec (a pipe that the exec closes says that it went well), fork the
// warden, and later collect the child's status. Whatever fails before leaves no process behind.
// Between fork and exec only what a signal handler might call is called, but for setenv: we have
// one thread that allocates.

#include "cli/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "base/log.h"

namespace zk {

namespace {

constexpr int fds_max = 1024;  // that a warden closes; we have far fewer
constexpr int signals_passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

uint64_t monotonic_ms() {
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

// No signal may run a handler of ours in a process that has just been forked.
class SignalsHeld {
public:
    SignalsHeld() {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsHeld() { release(); }
    void release() const { sigprocmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_;
};

bool make_pipe(int (&ends)[2]) {
    if (pipe(ends) != 0) return false;
    for (int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
    return true;
}

Status status_of_wait(int how) {
    int code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    return static_cast<Status>(code);
}

}  // namespace

Child::~Child() {
    dismiss_warden();
    if (pid_ != 0) {
        kill(target(), SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    bury_warden();
}

Result<void> Child::start(const Plan& plan) {
    ASSERT(!plan.command.empty());
    ASSERT(pid_ == 0);
    bury_warden();
    status_ = Status::failed;
    limits_ = {};
    own_group_ = isatty(STDIN_FILENO) == 0;
    int report[2];
    if (!make_pipe(report)) return Error{.text = std::string("pipe: ") + strerror(errno)};
    pid_t parent = getpid();
    {
        SignalsHeld held;
        pid_ = fork();
        if (pid_ == 0) become(plan, own_group_, parent, report[1]);
    }
    int error = pid_ < 0 ? errno : 0;
    close(report[1]);
    if (pid_ < 0) {
        pid_ = 0;
        close(report[0]);
        return Error{.text = std::string("fork: ") + strerror(error)};
    }
    if (own_group_) setpgid(pid_, pid_);  // whoever comes first
    Result<void> watched = post_warden();
    while (read(report[0], &error, sizeof error) < 0 && errno == EINTR) continue;
    close(report[0]);
    if (!watched) return watched;  // the destructor ends the child
    if (error == 0) return {};
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    dismiss_warden();
    status_ = error == ENOENT ? Status::unknown_command : static_cast<Status>(126);
    return Error{.text = "cannot run " + plan.command[0] + ": " + strerror(error)};
}

void Child::become(const Plan& plan, bool own_group, pid_t parent, int report) {
    if (own_group) setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
#else
    static_cast<void>(parent);
#endif
    if (plan.input >= 0) dup2(plan.input, STDIN_FILENO);
    for (const auto& [name, value] : plan.environment) setenv(name.c_str(), value.c_str(), 1);
    std::vector<char*> words;
    for (const std::string& word : plan.command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    for (int number : signals_passed)
        if (signal(number, SIG_DFL) == SIG_IGN) signal(number, SIG_IGN);  // nohup, say
    for (int number : {SIGCHLD, SIGPIPE, SIGWINCH, SIGCONT}) signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execvp(words[0], words.data());
    int error = errno;
    static_cast<void>(!write(report, &error, sizeof error));
    _exit(127);
}

bool Child::ended() {
    if (pid_ == 0) return false;
    siginfo_t found = {};
    auto pid = static_cast<id_t>(pid_);
    if (waitid(P_PID, pid, &found, WEXITED | WNOHANG | WNOWAIT) != 0) return false;
    if (found.si_pid == 0) return false;
    // Who was told to end is to leave nobody behind who does not know.
    if (own_group_ && monotonic_ms() >= std::min(limits_.term_ms, limits_.kill_ms))
        kill(-pid_, SIGKILL);
    int how = 0;
    waitpid(pid_, &how, 0);
    pid_ = 0;
    status_ = status_of_wait(how);
    dismiss_warden();
    return true;
}

// A terminal gives its signals to our whole group; the child has them already.
void Child::pass_on(int signal) {
    if (pid_ == 0) return;
    if (!own_group_ && (signal == SIGINT || signal == SIGQUIT)) return;
    kill(target(), signal);
}

void Child::limit(uint64_t term_ms, uint64_t kill_ms) {
    if (pid_ == 0) return;
    if (limits_.term_ms == term_ms && limits_.kill_ms == kill_ms) return;
    const Limits wanted = {.term_ms = term_ms, .kill_ms = kill_ms};
    limits_ = wanted;
    ssize_t written = 0;
    do written = write(pipe_, &wanted, sizeof wanted);
    while (written < 0 && errno == EINTR);
    // Without a warden nobody would keep the limits while we are stopped.
    if (written != sizeof wanted) kill(target(), SIGKILL);
}

// -- the warden ----------------------------------------------------------------------------------

Result<void> Child::post_warden() {
    int ends[2];
    if (!make_pipe(ends)) return Error{.text = std::string("pipe: ") + strerror(errno)};
    {
        SignalsHeld held;
        warden_ = fork();
        if (warden_ == 0) {
            setsid();
            for (int number : signals_passed) signal(number, SIG_IGN);
            for (int number : {SIGCHLD, SIGWINCH, SIGCONT}) signal(number, SIG_DFL);
            held.release();
            for (int fd = 0; fd < fds_max; ++fd)
                if (fd != ends[0]) close(fd);
            watch_over(ends[0], target());
        }
    }
    int error = errno;
    close(ends[0]);
    pipe_ = ends[1];
    if (warden_ > 0) return {};
    warden_ = 0;
    return Error{.text = std::string("fork: ") + strerror(error)};
}

void Child::watch_over(int pipe, pid_t target) {
#ifdef __linux__
    prctl(PR_SET_NAME, "zk-cli warden");
#endif
    Limits limits;
    for (;;) {
        uint64_t now = monotonic_ms();
        uint64_t next = std::min(limits.term_ms, limits.kill_ms);
        uint64_t wait = next > now ? next - now : 0;
        int wait_ms = next == never ? -1 : static_cast<int>(std::min<uint64_t>(wait, INT_MAX));
        pollfd waiting = {.fd = pipe, .events = POLLIN, .revents = 0};
        if (::poll(&waiting, 1, wait_ms) > 0) {
            ssize_t got = read(pipe, &limits, sizeof limits);
            if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (got == sizeof limits) continue;
            kill(target, SIGKILL);  // nobody is left whom the child could run for
            _exit(0);
        }
        now = monotonic_ms();
        if (now >= limits.term_ms) {
            kill(target, SIGTERM);
            kill(target, SIGCONT);
            limits.term_ms = never;
        }
        if (now >= limits.kill_ms) {
            kill(target, SIGKILL);
            limits.kill_ms = never;
        }
    }
}

void Child::dismiss_warden() {
    // Killed, not told: so nothing keeps us waiting, whatever state it is in.
    if (warden_ > 0) kill(warden_, SIGKILL);
    if (pipe_ >= 0) close(pipe_);
    pipe_ = -1;
}

void Child::bury_warden() {
    if (warden_ > 0) waitpid(warden_, nullptr, 0);
    warden_ = 0;
}

}  // namespace zk
