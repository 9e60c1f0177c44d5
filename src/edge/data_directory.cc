// data_directory.cc -- see data_directory.h.

#include "edge/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"

namespace zk {

namespace {

std::string parent_of(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Error os_error(const std::string& path) {
    return Error{.text = path + ": " + strerror(errno), .code = errno};
}

}  // namespace

std::string directory_problem(const std::string& path, bool create) {
    struct stat found{};
    if (stat(path.c_str(), &found) == 0) {
        if (!S_ISDIR(found.st_mode)) return path + " is not a directory";
        if (access(path.c_str(), R_OK | W_OK | X_OK) == 0) return {};
        return path + " cannot be read and written: " + strerror(errno);
    }
    if (errno != ENOENT) return path + ": " + strerror(errno);
    if (!create) return path + " does not exist, and datadir.autocreate is false";
    std::string parent = parent_of(path);
    if (stat(parent.c_str(), &found) != 0)
        return path + " cannot be made: there is no " + parent +
               "; make that, or correct the path";
    if (!S_ISDIR(found.st_mode)) return path + " cannot be made: " + parent + " is no directory";
    if (access(parent.c_str(), W_OK | X_OK) == 0) return {};
    return path + " cannot be made: " + parent + ": " + strerror(errno);
}

Result<void> make_directory(const std::string& path) {
    if (mkdir(path.c_str(), 0750) != 0) {
        if (errno == EEXIST) return {};
        return os_error(path);
    }
    std::string parent = parent_of(path);
    int file = open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = file >= 0 && fsync(file) == 0;
    Error error = good ? Error{} : os_error(parent);
    if (file >= 0) close(file);
    if (!good) return error;
    return {};
}

bool same_directory(const std::string& one, const std::string& other) {
    struct stat first{};
    struct stat second{};
    return stat(one.c_str(), &first) == 0 && stat(other.c_str(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// Two locks: somebody may take the file away, and not every file system locks a directory. Their
// descriptors stay open for good.
Result<void> lock_directory(const std::string& path) {
    std::string name = path + "/lock";
    int directory = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool taken = directory >= 0 && flock(directory, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    int file = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0) return os_error(name);
    char pid[32] = {};
    if (taken || flock(file, LOCK_EX | LOCK_NB) != 0) {
        ssize_t size = read(file, pid, sizeof pid - 1);
        close(file);
        pid[size > 0 ? size : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        return Error{.text = path + " is in use by another zkd" +
                             (pid[0] != 0 ? std::string(", process ") + pid : ""),
                     .code = EWOULDBLOCK};
    }
    int size = snprintf(pid, sizeof pid, "%d\n", static_cast<int>(getpid()));
    bool written = ftruncate(file, 0) == 0 &&
                   pwrite(file, pid, static_cast<size_t>(size), 0) == size;
    if (!written) LOG(warn, "%s: %s", name.c_str(), strerror(errno));
    return {};
}

}  // namespace zk
