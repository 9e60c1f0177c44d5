// direct_file_test.cc -- writes past the page cache, on a real file system.

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "edge/direct_file.h"
#include "edge/disk.h"
#include "folder.h"

using namespace zk;

namespace {

constexpr size_t block = DirectFile::block_bytes;

// A file of so many bytes, all 'o', and what it ought to hold.
struct Written : Folder {
    std::string path = file("log");
    std::string expected;
    DirectFile direct;

    explicit Written(size_t size) : expected(size, 'o') {
        int made = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(::write(made, expected.data(), size) == static_cast<ssize_t>(size));
        fsync(made);
        close(made);
        direct.event();
        direct.open(path);
    }
    // Not with each file system, nor in each container: asked of the kernel, not of a DirectFile.
    bool possible() {
        io_uring_params asked = {};
        int ring = static_cast<int>(syscall(SYS_io_uring_setup, 1, &asked));
        int probe = open(file("probe").c_str(), O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
        alignas(block) static uint8_t page[block] = {};
        iovec whole{.iov_base = page, .iov_len = block};
        bool can = ring >= 0 && pwrite(probe, page, block, 0) == ssize_t{block} &&
                   pwritev2(probe, &whole, 1, 0, RWF_DSYNC | RWF_NOWAIT) == ssize_t{block};
        close(ring);
        close(probe);
        if (!can) MESSAGE("a file system, or a kernel, that begins no direct writes");
        return can;
    }

    void expect(uint64_t at, std::string_view text) {
        expected.replace(at, text.size(), text);
        size_t end = at + text.size();
        size_t block_end = (end + block - 1) / block * block;
        expected.replace(end, block_end - end, block_end - end, '\0');
    }
    int write(uint64_t at, std::string_view text) {
        expect(at, text);
        return direct.write(as_bytes(text), at);
    }
    // -1: it did not begin
    int begin(uint64_t at, std::string_view text) {
        return direct.begin(as_bytes(text), at) ? *direct.ended(true) : -1;
    }
};

// SEED=n repeats a run.
uint64_t given_seed() {
    const char* given = getenv("SEED");
    return given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
}

std::string some_text(std::mt19937_64& random, size_t size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>('a' + random() % 26);
    return text;
}

}  // namespace

TEST_CASE("direct writes of any size leave what they should, begun or waited for") {
    uint64_t seed = given_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Written log(4 << 20);
    if (!log.possible()) return;
    uint64_t end = 0;
    size_t begun = 0;
    for (int i = 0; i < 300; ++i) {
        if (random() % 20 == 0) end = random() % (1 << 20);
        if (random() % 40 == 0) log.direct.open(log.path);
        size_t most = random() % 10 == 0 ? 2 * DirectFile::stage_bytes : 9000;
        std::string text = some_text(random, 1 + random() % most);
        if (!log.direct.takes(end + text.size())) end = 0;
        int error = random() % 4 == 0 ? -1 : log.begin(end, text);
        if (error == 0) {
            ++begun;
            log.expect(end, text);
        } else {
            CHECK((error == -1 || error == EAGAIN));
            CHECK(log.write(end, text) == 0);
        }
        end += text.size();
        if (random() % 30 == 0) REQUIRE(content(log.path) == log.expected);
    }
    CHECK(content(log.path) == log.expected);
    CHECK(begun > 100);
}

TEST_CASE("a direct write that goes on elsewhere is not begun without what was there before") {
    Written log(16 * block);
    if (!log.possible()) return;
    CHECK(log.begin(10, "x") == -1);
    CHECK(log.write(10, "abc") == 0);
    CHECK(log.begin(14, "x") == -1);
    CHECK(log.begin(13, "def") == 0);
    log.expect(13, "def");
    log.direct.forget();
    CHECK(log.begin(16, "x") == -1);
    CHECK(content(log.path) == log.expected);
}

TEST_CASE("a direct write makes no file longer") {
    Written log(2 * block + 100);
    if (!log.possible()) return;
    CHECK(log.direct.takes(2 * block));
    CHECK(!log.direct.takes(2 * block + 1));
    CHECK(log.write(0, "abc") == 0);
    CHECK(log.begin(3, std::string(2 * block, 'x')) == -1);
    CHECK(content(log.path) == log.expected);
}

TEST_CASE("a begun write that finds no room is left to the one that says so") {
    Written log(64 * block);
    if (!log.possible()) return;
    CHECK(log.write(32 * block, "abc") == 0);
    std::string before = log.expected;
    SmallDisk full(16 * block);
    CHECK(log.begin(32 * block + 3, "def") == EAGAIN);
    CHECK(log.write(32 * block + 3, "def") == EFBIG);
    CHECK(content(log.path) == before);
}

TEST_CASE("the end of a begun write makes its event readable") {
    Written log(16 * block);
    if (!log.possible()) return;
    CHECK(log.write(0, "abc") == 0);
    pollfd event{.fd = log.direct.event(), .events = POLLIN, .revents = 0};
    CHECK(!log.direct.ended(false));
    CHECK(poll(&event, 1, 0) == 0);
    REQUIRE(log.direct.begin(as_bytes("def"), 3));
    CHECK(poll(&event, 1, 10'000) == 1);
    CHECK(log.direct.ended(false) == 0);
    CHECK(poll(&event, 1, 0) == 0);
    // The end may have been seen before the event came: nobody must wake up for that for ever.
    uint64_t one = 1;
    REQUIRE(::write(event.fd, &one, sizeof one) == sizeof one);
    CHECK(!log.direct.ended(false));
    CHECK(poll(&event, 1, 0) == 0);
}

TEST_CASE("the log's lane does its lists in order, with its thread or without") {
    Folder folder;
    NameChanges names{0};
    DiskLane lane{names, FileDisk::Way::direct};
    std::string path = folder.file("log");
    std::string other = folder.file("other");
    uv_loop_t loop;
    uv_async_t finished;
    uv_loop_init(&loop);
    uv_async_init(&loop, &finished, [](uv_async_t*) {});
    lane.event();
    lane.start(&finished);
    std::vector<DiskLane::Done> done;
    std::string expected;
    uint64_t ticket = 0;
    uint64_t seed = given_seed();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    lane.submit({.ticket = ++ticket,
                 .ops = {{.kind = DiskOpKind::create, .path = other, .size = 1 << 20},
                         {.kind = DiskOpKind::sync, .path = other},
                         {.kind = DiskOpKind::rename, .path = other, .to = path}}});
    while (done.size() < ticket) lane.take_done(done);
    while (ticket < 500) {
        std::string text = some_text(random, 700);
        std::vector<DiskOp> ops{{.kind = DiskOpKind::write,
                                 .path = path,
                                 .offset = expected.size(),
                                 .data = as_bytes(text)}};
        if (random() % 10 != 0) ops.push_back({.kind = DiskOpKind::sync, .path = path});
        lane.submit({.ticket = ++ticket, .ops = ops});
        expected += text;
        while (done.size() < ticket) lane.take_done(done);
    }
    // What comes late is taken as well (see above).
    pollfd event{.fd = lane.event(), .events = POLLIN, .revents = 0};
    if (event.fd >= 0) {
        uint64_t one = 1;
        REQUIRE(::write(event.fd, &one, sizeof one) == sizeof one);
        lane.take_done(done);
        CHECK(poll(&event, 1, 0) == 0);
    }
    lane.stop();
    uv_close(reinterpret_cast<uv_handle_t*>(&finished), nullptr);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0);
    for (uint64_t i = 0; i < ticket; ++i) {
        CHECK(done[i].ticket == i + 1);
        CHECK(done[i].result.error == 0);
    }
    expected.resize(1 << 20, '\0');
    CHECK(content(path) == expected);
}
