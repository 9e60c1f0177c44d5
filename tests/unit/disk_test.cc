// disk_test.cc -- the disk's ops, the lanes and the snapshot's child, on a real file system.

#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "edge/disk.h"
#include "edge/fork.h"
#include "folder.h"

using namespace zk;

namespace {

DiskOp create(const std::string& path, uint64_t size) {
    return {.kind = DiskOpKind::create, .path = path, .size = size};
}
DiskOp write(const std::string& path, uint64_t offset, std::string_view text) {
    return {.kind = DiskOpKind::write, .path = path, .offset = offset, .data = as_bytes(text)};
}
DiskOp sync(const std::string& path) { return {.kind = DiskOpKind::sync, .path = path}; }
DiskOp rename(const std::string& path, const std::string& to) {
    return {.kind = DiskOpKind::rename, .path = path, .to = to};
}
DiskOp truncate(const std::string& path, uint64_t size) {
    return {.kind = DiskOpKind::truncate, .path = path, .size = size};
}
DiskOp sync_dir(const std::string& path) { return {.kind = DiskOpKind::sync_dir, .path = path}; }
DiskOp read(const std::string& path, uint64_t offset, uint64_t size) {
    return {.kind = DiskOpKind::read, .path = path, .offset = offset, .size = size};
}
DiskOp remove(const std::string& path) { return {.kind = DiskOpKind::remove, .path = path}; }

struct Disk : Folder {
    NameChanges names{0};
    FileDisk disk{names, FileDisk::Way::at_once};

    DiskResult run(std::vector<DiskOp> ops) { return disk.run(ops); }
};

}  // namespace

TEST_CASE("a created file is full of zeros and has its blocks") {
    Disk disk;
    std::string path = disk.file("log");
    CHECK(disk.run({create(path, 300'000)}).error == 0);
    CHECK(content(path) == std::string(300'000, '\0'));
    struct stat found {};
    REQUIRE(stat(path.c_str(), &found) == 0);
    CHECK(found.st_blocks * 512 >= 300'000);
}

TEST_CASE("creating in slices makes the same file") {
    Disk disk;
    FileDisk gentle(disk.names, FileDisk::Way::gentle);
    DiskOp op = create(disk.file("log"), (2u << 20) + 12345);
    CHECK(gentle.run({&op, 1}).error == 0);
    CHECK(content(disk.file("log")) == std::string((2u << 20) + 12345, '\0'));
}

TEST_CASE("a large file that is removed gently loses its name at once, and its room bit by bit") {
    Disk disk;
    FileDisk gentle(disk.names, FileDisk::Way::gentle);
    constexpr uint64_t size = 17u << 20;
    std::string path = disk.file("snapshot");
    REQUIRE(disk.run({create(path, size), create(disk.file("next"), 0)}).error == 0);
    int reader = -1;
    SUBCASE("nobody else has it") {}
    SUBCASE("somebody reads it") { reader = open(path.c_str(), O_RDONLY); }
    SUBCASE("it has another name") {
        REQUIRE(link(path.c_str(), disk.file("backup").c_str()) == 0);
    }
    bool ours = reader < 0 && access(disk.file("backup").c_str(), F_OK) != 0;
    DiskOp op = remove(path);
    CHECK(gentle.run({&op, 1}).error == 0);
    CHECK(access(path.c_str(), F_OK) != 0);
    int steps = 0;
    while (gentle.free_some()) ++steps;
    CHECK(steps == (ours ? 5 : 0));
    struct stat found {};
    if (reader >= 0) {
        REQUIRE(fstat(reader, &found) == 0);
        CHECK(found.st_size == size);
        close(reader);
    } else if (!ours) {
        CHECK(content(disk.file("backup")).size() == size);
    }
}

TEST_CASE("removing many large files gently does not take all descriptors") {
    Disk disk;
    auto open_files = [] {
        return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
    };
    auto before = open_files();
    {
        FileDisk gentle(disk.names, FileDisk::Way::gentle);
        std::vector<DiskOp> ops;
        for (int i = 0; i < 80; ++i) {
            std::string path = disk.file(("log." + std::to_string(i)).c_str());
            int file = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
            REQUIRE(ftruncate(file, 9 << 20) == 0);
            close(file);
            ops.push_back(remove(path));
        }
        CHECK(gentle.run(ops).error == 0);
        CHECK(open_files() > before);
        CHECK(open_files() <= before + 65);
    }
    CHECK(open_files() == before);
}

TEST_CASE("creating over an old file leaves nothing of it") {
    Disk disk;
    std::string path = disk.file("log");
    CHECK(disk.run({create(path, 0), write(path, 0, "old text"), create(path, 4)}).error == 0);
    CHECK(content(path) == std::string(4, '\0'));
}

TEST_CASE("writes go where they should, and are there after a sync") {
    Disk disk;
    std::string path = disk.file("log");
    CHECK(disk.run({create(path, 10), write(path, 3, "abc"), write(path, 8, "yz"), sync(path),
                    sync_dir(disk.path)})
              .error == 0);
    CHECK(content(path) == std::string("\0\0\0abc\0\0yz", 10));
}

TEST_CASE("truncate shortens") {
    Disk disk;
    std::string path = disk.file("log");
    CHECK(disk.run({create(path, 0), write(path, 0, "abcdef"), truncate(path, 2)}).error == 0);
    CHECK(content(path) == "ab");
}

TEST_CASE("the first failure ends the list and is named") {
    Disk disk;
    std::string path = disk.file("log");
    DiskResult result = disk.run({create(path, 0), write(path, 0, "a"),
                                  write(disk.file("none"), 0, "b"), write(path, 0, "c")});
    CHECK(result.error == ENOENT);
    CHECK(result.failed_op == 2);
    CHECK(content(path) == "a");
    CHECK(!exists(disk.file("none")));
}

TEST_CASE("removing what is not there is no error") {
    Disk disk;
    CHECK(disk.run({remove(disk.file("none"))}).error == 0);
}

TEST_CASE("a rename replaces, and writes follow the name") {
    Disk disk;
    std::string a = disk.file("a");
    std::string b = disk.file("b");
    CHECK(disk.run({create(b, 0), write(b, 0, "old b"), create(a, 0), write(a, 0, "new"),
                    rename(a, b), write(b, 3, "er")})
              .error == 0);
    CHECK(content(b) == "newer");
    CHECK(!exists(a));
    CHECK(disk.run({write(a, 0, "x")}).error == ENOENT);
}

TEST_CASE("a file that another lane replaced is not written under its old name") {
    Disk mine;
    FileDisk other(mine.names, FileDisk::Way::at_once);
    std::string log = mine.file("log");
    std::string spare = mine.file("spare");
    CHECK(mine.run({create(log, 0), write(log, 0, "first")}).error == 0);
    std::vector<DiskOp> theirs{create(spare, 0), write(spare, 0, "other"), rename(spare, log)};
    CHECK(other.run(theirs).error == 0);
    CHECK(mine.run({write(log, 0, "again")}).error == 0);
    CHECK(content(log) == "again");
    DiskOp gone = remove(log);
    CHECK(other.run({&gone, 1}).error == 0);
    CHECK(mine.run({write(log, 0, "lost")}).error == ENOENT);
}

TEST_CASE("a full disk refuses a file and nothing stays of it") {
    Disk disk;
    SmallDisk full(1 << 20);
    DiskResult result = disk.run({create(disk.file("log"), 8 << 20)});
    CHECK(result.error == EFBIG);
    CHECK(!exists(disk.file("log")));
}

TEST_CASE("a write that finds no room is an error, however much of it went in") {
    Disk disk;
    std::string path = disk.file("log");
    REQUIRE(disk.run({create(path, 0)}).error == 0);
    SmallDisk full(1000);
    std::string text(2000, 'x');
    CHECK(disk.run({write(path, 0, text)}).error == EFBIG);
}

TEST_CASE("reading ends where the file ends") {
    Disk disk;
    std::string path = disk.file("log");
    REQUIRE(disk.run({create(path, 0), write(path, 0, "0123456789")}).error == 0);
    uint8_t out[8];
    Result<size_t> read = disk.disk.read_at(path, 4, out);
    REQUIRE(read);
    CHECK(*read == 6);
    CHECK(as_text(Bytes(out, 6)) == "456789");
    CHECK(*disk.disk.read_at(path, 100, out) == 0);
    Result<size_t> none = disk.disk.read_at(disk.file("none"), 0, out);
    REQUIRE(!none);
    CHECK(none.error().code == ENOENT);
    CHECK(none.error().text.find("none") != std::string::npos);
}

TEST_CASE("reads of a list come back one behind the other, each ending where its file ends") {
    Disk disk;
    std::string a = disk.file("a");
    std::string b = disk.file("b");
    REQUIRE(disk.run({create(a, 0), write(a, 0, "0123456789"), create(b, 0), write(b, 0, "xyz")})
                .error == 0);
    DiskResult result = disk.run({read(a, 2, 3), read(b, 0, 100), read(a, 8, 100), read(a, 50, 1)});
    CHECK(result.error == 0);
    CHECK(as_text(result.bytes) == "234xyz89");
    CHECK(disk.run({write(a, 0, "A"), sync(a)}).bytes.empty());
    DiskResult failed = disk.run({read(a, 0, 2), read(disk.file("none"), 0, 1), read(b, 0, 1)});
    CHECK(failed.error == ENOENT);
    CHECK(failed.failed_op == 1);
    CHECK(as_text(failed.bytes) == "A1");
}

TEST_CASE("a lane does its lists in order and says so on the loop") {
    Disk disk;
    std::string path = disk.file("log");
    constexpr uint64_t count = 200;
    struct Seen {
        DiskLane lane;
        std::vector<DiskLane::Done> done;
    } seen{.lane = {disk.names, FileDisk::Way::at_once}, .done = {}};
    uv_loop_t loop;
    uv_loop_init(&loop);
    uv_async_t finished;
    uv_async_init(&loop, &finished, [](uv_async_t* handle) {
        auto* all = static_cast<Seen*>(handle->data);
        all->lane.take_done(all->done);
        if (all->done.size() == count) uv_close(reinterpret_cast<uv_handle_t*>(handle), nullptr);
    });
    finished.data = &seen;
    seen.lane.start(&finished);
    seen.lane.submit({.ticket = 1, .ops = {create(path, 0)}});
    for (uint64_t i = 2; i < count; ++i)
        seen.lane.submit({.ticket = i,
                          .ops = {write(path, i - 2, "ab"), sync(path), read(path, i - 2, 2)}});
    seen.lane.submit({.ticket = count, .ops = {remove(disk.file("none")), sync(disk.file("no"))}});
    uv_run(&loop, UV_RUN_DEFAULT);
    seen.lane.stop();
    CHECK(uv_loop_close(&loop) == 0);
    for (uint64_t i = 0; i < count; ++i) CHECK(seen.done[i].ticket == i + 1);
    CHECK(seen.done[5].result.error == 0);
    CHECK(seen.done.back().result.error == ENOENT);
    CHECK(seen.done.back().result.failed_op == 1);
    CHECK(content(path) == std::string(count - 2, 'a') + "b");
    CHECK(as_text(seen.done[5].result.bytes) == "ab");
}

namespace {

// The child has ended, but nobody took note yet.
void wait_for_child() {
    siginfo_t ended{};
    REQUIRE(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) == 0);
}

Result<void> end_of(SnapshotChild& child) {
    wait_for_child();
    Result<void> result = Error{"still there"};
    REQUIRE(child.poll(result));
    return result;
}

bool write_number(const void* job, Sink sink) {
    std::string text = std::to_string(*static_cast<const int*>(job));
    return sink.write(sink.context, as_bytes(text));
}

}  // namespace

TEST_CASE("a snapshot's child writes what was true at the fork") {
    Folder folder;
    SnapshotChild child;
    int number = 1;
    REQUIRE(child.start(folder.file("snap"), write_number, &number));
    number = 2;
    CHECK(end_of(child));
    CHECK(content(folder.file("snap")) == "1");
    CHECK(!exists(folder.file("snap.tmp")));
    Result<void> result;
    CHECK(!child.poll(result));
}

TEST_CASE("a big snapshot comes out whole") {
    Folder folder;
    SnapshotChild child;
    WriteSnapshot write_big = [](const void*, Sink sink) {
        std::string part(99'991, 'x');
        for (int i = 0; i < 50; ++i)
            if (!sink.write(sink.context, as_bytes(part))) return false;
        return sink.write(sink.context, as_bytes("end"));
    };
    REQUIRE(child.start(folder.file("snap"), write_big, nullptr));
    CHECK(end_of(child));
    CHECK(content(folder.file("snap")) == std::string(50 * 99'991, 'x') + "end");
}

namespace {

size_t cached_pages(const std::string& path, size_t pages) {
    int file = open(path.c_str(), O_RDONLY);
    void* at = mmap(nullptr, pages * 4096, PROT_READ, MAP_SHARED, file, 0);
    REQUIRE(at != MAP_FAILED);
    std::vector<uint8_t> there(pages);
    CHECK(mincore(at, pages * 4096, there.data()) == 0);
    munmap(at, pages * 4096);
    close(file);
    return static_cast<size_t>(
        std::count_if(there.begin(), there.end(), [](uint8_t page) { return (page & 1) != 0; }));
}

// Not all file systems know direct writes, and some take them and do what they always do.
bool passes_the_cache(const Folder& folder) {
    std::string path = folder.file("probe");
    int file = open(path.c_str(), O_CREAT | O_WRONLY | O_DIRECT, 0600);
    if (file < 0) return false;
    alignas(4096) static const char page[4096] = {};
    bool written = ::write(file, page, sizeof page) == sizeof page;
    close(file);
    return written && cached_pages(path, 1) == 0;
}

}  // namespace

TEST_CASE("a snapshot stays out of the page cache") {
    Folder folder;
    if (!passes_the_cache(folder)) {
        MESSAGE("a file system that has all in the page cache");
        return;
    }
    SnapshotChild child;
    WriteSnapshot write_pages = [](const void*, Sink sink) {
        std::string part(64 * 4096 + 1, 'x');
        return sink.write(sink.context, as_bytes(part));
    };
    REQUIRE(child.start(folder.file("snap"), write_pages, nullptr));
    CHECK(end_of(child));
    CHECK(cached_pages(folder.file("snap"), 64) == 0);  // the cut at the end looked at the last one
}

TEST_CASE("a snapshot's child has no descriptor but its file and stderr") {
    Folder folder;
    SnapshotChild child;
    int kept = open("/dev/null", O_RDONLY);
    WriteSnapshot count_files = [](const void*, Sink sink) {
        int open_files = 0;
        for (int file = 0; file < 1024; ++file) open_files += fcntl(file, F_GETFD) >= 0 ? 1 : 0;
        std::string text = std::to_string(open_files);
        return sink.write(sink.context, as_bytes(text));
    };
    REQUIRE(child.start(folder.file("snap"), count_files, nullptr));
    CHECK(end_of(child));
    CHECK(content(folder.file("snap")) == "2");
    close(kept);
}

TEST_CASE("a snapshot that fails says what failed and leaves nothing") {
    Folder folder;
    SnapshotChild child;
    int number = 1;
    SUBCASE("no such directory") {
        REQUIRE(child.start(folder.file("none/snap"), write_number, &number));
        Result<void> result = end_of(child);
        REQUIRE(!result);
        CHECK(result.error().code == ENOENT);
        CHECK(result.error().text == "making the file failed: No such file or directory");
    }
    SUBCASE("no room") {
        SmallDisk full(10'000);
        WriteSnapshot write_much = [](const void*, Sink sink) {
            std::string part(1 << 20, 'x');
            return sink.write(sink.context, as_bytes(part));
        };
        REQUIRE(child.start(folder.file("snap"), write_much, nullptr));
        Result<void> result = end_of(child);
        REQUIRE(!result);
        CHECK(result.error().code == EFBIG);
        CHECK(result.error().text == "writing failed: File too large");
    }
    SUBCASE("killed") {
        WriteSnapshot die = [](const void*, Sink) { return raise(SIGKILL) == 0; };
        REQUIRE(child.start(folder.file("snap"), die, nullptr));
        Result<void> result = end_of(child);
        REQUIRE(!result);
        CHECK(result.error().text == "its process was ended by signal 9");
    }
    CHECK(!exists(folder.file("snap")));
    CHECK(!exists(folder.file("snap.tmp")));
}

TEST_CASE("a snapshot that is under way can be ended") {
    Folder folder;
    SnapshotChild child;
    WriteSnapshot never_end = [](const void*, Sink) { return pause() == 0; };
    REQUIRE(child.start(folder.file("snap"), never_end, nullptr));
    Result<void> result;
    CHECK(!child.poll(result));
    child.kill();
    CHECK(std::filesystem::is_empty(folder.path));
}
