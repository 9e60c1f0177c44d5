// zkd.cc -- the server's main: settings, directories, the node and its world. Wiring, nothing else.

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "edge/data_directory.h"
#include "edge/loop.h"
#include "node/node.h"
#include "node/version.h"
#include "wire/options.h"

namespace {

using namespace zk;

// As ZooKeeper's.
constexpr int exit_error = 1;
constexpr int exit_config = 2;
constexpr int exit_data = 3;

constexpr const char* usage =
    "zkd " ZKD_VERSION ": a coordination server that speaks the ZooKeeper protocol\n"
    "\n"
    "    zkd                          with the defaults; data in ./zk-data\n"
    "    zkd zk.conf                  with a file of settings; a zoo.cfg is one too\n"
    "    zkd zk.conf --clientPort 2182 ...    a setting given here wins over the file\n"
    "    zkd --check zk.conf          says what is wrong with a file, starts nothing\n"
    "    zkd --version, zkd --help\n"
    "\n"
    "Signals: TERM and INT stop it in good order, a leader hands over first; USR1 does only that.\n"
    "\n"
    "    zkd zk.conf --force-new-ensemble\n"
    "        when the majority of an ensemble is lost for good, on ONE server that is left: what\n"
    "        it holds becomes the data of a new ensemble of which it is the only member. What the\n"
    "        others acknowledged and never sent here is gone, and servers of the old ensemble are\n"
    "        not let in again with their data. Say it once, not at every start.\n"
    "\n";

struct Asked {
    bool help = false;
    bool version = false;
    bool check = false;
    bool force_new_ensemble = false;
    std::string file;
    std::vector<std::string_view> overrides;
};

Asked parse(int count, char** words) {
    Asked asked;
    for (int i = 1; i < count; ++i) {
        std::string_view word = words[i];
        if (word == "--help" || word == "-h") {
            asked.help = true;
        } else if (word == "--version" || word == "-v") {
            asked.version = true;
        } else if (word == "--check") {
            asked.check = true;
        } else if (word == "--force-new-ensemble") {
            asked.force_new_ensemble = true;
        } else if (!word.starts_with("-") && asked.file.empty() && asked.overrides.empty()) {
            asked.file = word;
        } else {
            asked.overrides.push_back(word);
        }
    }
    return asked;
}

bool read_file(const std::string& path, std::string& text) {
    FILE* file = fopen(path.c_str(), "rb");
    if (file == nullptr) return false;
    char part[8192];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
    bool good = ferror(file) == 0;
    fclose(file);
    return good;
}

// A part of the settings that has a file of its own. False: it cannot be read, and that is said.
bool read_file_of(const char* key, const std::string& path, std::string& text,
                  Settings& settings) {
    text.clear();
    if (read_file(path, text)) return true;
    settings.errors.push_back(settings.place(key) + ": " + key + " " + path + ": " +
                              strerror(errno));
    return false;
}

bool open_to_all(const std::string& path) {
    struct stat found = {};
    return stat(path.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0;
}

// Looked at before anything is begun, so that a check of the file tells it too.
void check_directory(Settings& settings, const char* key, const std::string& path) {
    std::string problem = directory_problem(path, settings.config.create_directories);
    if (problem.empty()) return;
    std::string place = settings.place(key);
    settings.errors.push_back((place.empty() ? "" : place + ": ") + key + " " + problem);
}

void read_settings(const Asked& asked, Settings& settings) {
    std::string text;
    if (!asked.file.empty()) {
        if (!read_file(asked.file, text)) {
            settings.errors.push_back(asked.file + ": " + strerror(errno));
            return;
        }
        read_config(text, asked.file, settings);
    }
    read_arguments(asked.overrides, settings);
    const std::string& dynamic = settings.config.dynamic_config_file;
    if (!dynamic.empty() && read_file_of("dynamicConfigFile", dynamic, text, settings))
        read_dynamic_config(text, dynamic, settings);
    const std::string& secret = settings.config.quorum_secret_file;
    if (!secret.empty() && read_file_of("quorum.secretFile", secret, text, settings))
        read_secret(text, secret, open_to_all(secret), settings);
    settings.config.force_new_ensemble = asked.force_new_ensemble;
    std::string my_id = settings.config.data_dir + "/myid";
    text.clear();
    bool numbered = !settings.config.members.empty() || asked.force_new_ensemble;
    if (numbered && read_file(my_id, text))
        read_my_id(text, my_id, settings);
    check_config(settings);
    if (!settings.errors.empty()) return;
    const std::string& data_dir = settings.config.data_dir;
    const std::string& log_dir = settings.config.data_log_dir;
    check_directory(settings, "dataDir", data_dir);
    // Charts like to have one within the other, and the outer one is made first.
    bool within = log_dir.starts_with(data_dir + "/") && access(data_dir.c_str(), F_OK) != 0 &&
                  log_dir.find('/', data_dir.size() + 1) == log_dir.npos;
    if (!log_dir.empty() && !within) check_directory(settings, "dataLogDir", log_dir);
}

// Whoever starts us without stdin, stdout or stderr must not find our messages in our files.
void open_standard_files() {
    int file = open("/dev/null", O_RDWR);
    while (file >= 0 && file < STDERR_FILENO) file = dup(file);
    if (file > STDERR_FILENO) close(file);
}

void set_up_process() {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);  // until the loop takes it
    signal(SIGIO, SIG_IGN);    // of a lease, that somebody else wants the file
    signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error of that write, as a full disk is
    // The lanes' threads allocate next to nothing: no heaps of their own for them.
    mallopt(M_ARENA_MAX, 1);
    // Large blocks are mapped, always: else the first one that is freed raises the limit, and the
    // next of its size comes from the heap, where it is copied to grow and leaves a hole.
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    // Each thread's stack would become one.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int failed(const Error& error, int status) {
    LOG(error, "%s", error.text.c_str());
    return status;
}

// The log may well outlive the terminal, and what else writes to stderr belongs there too.
bool open_log(const std::string& path) {
    if (path.empty()) return true;
    int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    bool good = file >= 0 && dup2(file, STDERR_FILENO) >= 0;
    if (!good) LOG(error, "logFile %s: %s", path.c_str(), strerror(errno));
    if (file >= 0) close(file);
    return good;
}

// On the addresses of this server's own line, or on all interfaces where that cannot be.
Result<void> bind_quorum(UvIo& io, const Config& config) {
    const Member* self = own_member(config);
    ASSERT(self != nullptr);
    bool everywhere = config.quorum_everywhere;
    // Debian's /etc/hosts gives a machine's own name a loopback address, which is no use to others.
    bool loopback_counts = all_loopback({self, 1}) || all_loopback(config.members);
    for (const MemberAddress& address : self->addresses) {
        if (everywhere || Network::is_here(address.host, loopback_counts)) continue;
        LOG(warn, "server.%d: here %s is no address that the other servers can reach; the quorum "
                  "port listens on all interfaces",
            static_cast<int>(self->id), address.host.c_str());
        everywhere = true;
    }
    std::set<uint16_t> done;
    for (const MemberAddress& address : self->addresses) {
        if (everywhere && !done.insert(address.peer_port).second) continue;
        Result<void> bound = io.bind({.address = everywhere ? "" : address.host,
                                      .port = address.peer_port,
                                      .peers = true});
        if (!bound) return bound;
    }
    return {};
}

int serve(const Config& config, char** command_line) {
    set_up_process();
    const std::string& log_dir =
        config.data_log_dir.empty() ? config.data_dir : config.data_log_dir;
    for (const std::string& path : {config.data_dir, log_dir})
        if (Result<void> made = make_directory(path); !made) return failed(made.error(), exit_data);
    Result<void> done = lock_directory(config.data_dir);
    if (done && !same_directory(log_dir, config.data_dir)) done = lock_directory(log_dir);
    if (!done) return failed(done.error(), exit_data);
    if (!config.force_sync)
        LOG(warn, "forceSync=no: NOTHING IS SAFE ON DISK when it is acknowledged; "
                  "a crash of the machine loses data");
    if (config.skip_acl) LOG(warn, "skipACL=yes: access lists are not looked at");
    UvIo io;
    // Before the data is read, which may take a while: a port that is taken should show at once.
    done = io.bind({.address = config.client_address,
                    .port = config.client_port,
                    .backlog = config.client_backlog,
                    .keepalive = config.client_keepalive});
    if (done && in_ensemble(config)) done = bind_quorum(io, config);
    if (!done) return failed(done.error(), exit_error);
    Node node(io, config);
    done = node.start();
    if (!done) return failed(done.error(), exit_error);
    done = io.listen(node);
    if (!done) return failed(done.error(), exit_error);
    if (in_ensemble(config))
        LOG(info, "server %d of %zu; the others are heard on %s", static_cast<int>(config.my_id),
            config.members.size(), io.quorum_port_name().c_str());
    LOG(info, "zkd " ZKD_VERSION " ready on %s (pid %d, data in %s)", io.port_name().c_str(),
        static_cast<int>(getpid()), config.data_dir.c_str());
    int status = io.run(node);
    if (node.begin_again()) {
        LOG(warn, "beginning anew");
        execv("/proc/self/exe", command_line);
    }
    if (status == 0) LOG(info, "stopped");
    // Not by way of the destructors: to free a big tree takes longer than to end the process.
    _exit(status);
}

}  // namespace

int main(int count, char** words) {
    open_standard_files();
    Asked asked = parse(count, words);
    if (asked.help) {
        fputs(usage, stdout);
        fputs(options_help().c_str(), stdout);
        return 0;
    }
    if (asked.version) {
        printf("zkd %s (ZooKeeper %s)\n", ZKD_VERSION, full_version().c_str());
        return 0;
    }
    Settings settings;
    read_settings(asked, settings);
    for (const std::string& error : settings.errors) fprintf(stderr, "%s\n", error.c_str());
    if (asked.check || !settings.errors.empty()) {
        for (const std::string& warning : settings.warnings)
            fprintf(stderr, "%s\n", warning.c_str());
        if (!settings.errors.empty()) return exit_config;
        fputs(config_report(settings).c_str(), stdout);
        return 0;
    }
    if (!open_log(settings.config.log_file)) return exit_config;
    log_set_level(settings.config.log_level);
    for (const std::string& warning : settings.warnings) LOG(warn, "%s", warning.c_str());
    return serve(settings.config, words);
}
