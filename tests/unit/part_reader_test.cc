// part_reader_test.cc -- files that are read ahead, on a real file system.

#include "edge/part_reader.h"

#include <sys/mman.h>

#include <algorithm>
#include <random>

#include "edge/direct_file.h"
#include "folder.h"

using namespace zk;

namespace {

constexpr size_t part_size = 1024 * 1024;

// A file that the page cache does not have.
struct File : Folder {
    std::string path = file("log");
    std::string expected;

    explicit File(size_t size) {
        std::mt19937_64 random(size);
        while (expected.size() < size) expected.push_back(static_cast<char>(random()));
        int made = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        REQUIRE(write(made, expected.data(), size) == static_cast<ssize_t>(size));
        REQUIRE(fsync(made) == 0);
        posix_fadvise(made, 0, 0, POSIX_FADV_DONTNEED);
        close(made);
    }
    FilePart part(size_t offset) const {
        return {.path = path, .offset = offset, .size = part_size};
    }
    size_t cached_pages() const {
        size_t pages = (expected.size() + 4095) / 4096;
        std::vector<uint8_t> there(pages);
        int opened = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        void* view = mmap(nullptr, expected.size(), PROT_READ, MAP_SHARED, opened, 0);
        close(opened);
        REQUIRE(mincore(view, expected.size(), there.data()) == 0);
        munmap(view, expected.size());
        return static_cast<size_t>(std::count(there.begin(), there.end(), 1));
    }
    bool has(const Result<Bytes>& got, size_t offset) const {
        offset = std::min(offset, expected.size());
        return got && as_text(*got) == std::string_view(expected).substr(offset, part_size);
    }
};

}  // namespace

TEST_CASE("a file is read part by part to its end, from the disk or from the page cache") {
    for (size_t size : {2 * part_size + 4097, 2 * part_size + 4096, 2 * part_size, size_t{100}}) {
        CAPTURE(size);
        File file(size);
        for (bool cached : {false, true}) {
            CAPTURE(cached);
            if (cached) CHECK(content(file.path) == file.expected);
            PartReader reader;
            for (size_t at = 0; at < size + part_size; at += part_size)
                CHECK(file.has(reader.read(file.part(at), file.part(at + part_size)), at));
        }
    }
}

TEST_CASE("what the page cache does not have is not taken there") {
    File file(4 * part_size);
    int direct = DirectFile::open_file(file.path);
    if (direct >= 0) close(direct);
    if (direct < 0 || file.cached_pages() > 0) {
        MESSAGE("a file system that has all in the page cache");
        return;
    }
    PartReader reader;
    CHECK(file.has(reader.read(file.part(0), file.part(part_size)), 0));
    CHECK(file.has(reader.read(file.part(part_size), {}), part_size));
    CHECK(file.cached_pages() == 0);
}

TEST_CASE("the next part is there before it is asked for, and a wrong guess does no harm") {
    bool was_there = false;
    for (unsigned wait_ms = 1; wait_ms < 3000 && !was_there; wait_ms *= 2) {
        File file(3 * part_size);
        PartReader reader;
        CHECK(file.has(reader.read(file.part(0), file.part(part_size)), 0));
        usleep(wait_ms * 1000);
        unlink(file.path.c_str());
        was_there = file.has(reader.read(file.part(part_size), {}), part_size);
    }
    CHECK(was_there);

    File file(3 * part_size);
    PartReader reader;
    CHECK(file.has(reader.read(file.part(0), file.part(part_size)), 0));
    CHECK(file.has(reader.read(file.part(2 * part_size), file.part(0)), 2 * part_size));
    CHECK(file.has(reader.read(file.part(0), {}), 0));
    reader.close();
    CHECK(file.has(reader.read(file.part(part_size), {}), part_size));
}

TEST_CASE("a part that cannot be read is an error when it is asked for, and not before") {
    File file(part_size);
    PartReader reader;
    FilePart none{.path = file.file("none"), .offset = 0, .size = part_size};
    CHECK(file.has(reader.read(file.part(0), none), 0));
    Result<Bytes> got = reader.read(none, file.part(0));
    REQUIRE(!got);
    CHECK(got.error().code == ENOENT);
    CHECK(got.error().text.find("none: ") != std::string::npos);
    CHECK(file.has(reader.read(file.part(0), {}), 0));
    FilePart folder{.path = file.path.substr(0, file.path.rfind('/')), .offset = 0, .size = 4096};
    CHECK(reader.read(folder, {}).error().code == EISDIR);
}
