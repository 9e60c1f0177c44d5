// memory.cc -- what znodes and watches cost: bytes, pauses, fragments, forks.
//
//     make build/normal/memory
//     build/normal/memory tree 10000000       bytes a znode, and the longest single changes
//     build/normal/memory watches 10000000    bytes a watch, in two shapes
//     build/normal/memory churn 50000000      a day of changes: how much memory lies idle
//     build/normal/memory fork 10000000       the pause of a fork, and the writes behind it
//
// The tree is of the shape found in production: last components of 24 bytes, 46 bytes of data in
// every other znode, one directory with a tenth of all and the rest in directories of a hundred.

#include <malloc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "edge/page_worker.h"
#include "state/tree.h"
#include "state/watch.h"

using namespace zk;

namespace {

double now_us() {
    timespec at{};
    clock_gettime(CLOCK_MONOTONIC, &at);
    return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

// Of this thread: others that share the machine do not count.
double cpu_us() {
    timespec at{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return static_cast<double>(at.tv_sec) * 1e6 + static_cast<double>(at.tv_nsec) / 1e3;
}

uint64_t resident() {
    FILE* file = fopen("/proc/self/statm", "r");
    uint64_t total = 0;
    uint64_t pages = 0;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &total, &pages) != 2) abort();
    fclose(file);
    return pages * 4096;
}

double mb(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }
double each(uint64_t bytes, uint64_t count) {
    return static_cast<double>(bytes) / static_cast<double>(count);
}

// The longest calls of a kind, in processor time, that of the kernel included.
struct Longest {
    const char* name;
    double worst = 0;
    double sum = 0;
    uint64_t calls = 0;
    uint64_t over = 0;  // a millisecond

    template <typename What>
    void time(What what) {
        double start = cpu_us();
        what();
        double took = cpu_us() - start;
        worst = std::max(worst, took);
        sum += took;
        over += took > 1000;
        ++calls;
    }
    void print() const {
        printf("    %-28s %9" PRIu64 " calls, mean %6.2f us, longest %8.0f us, %" PRIu64
               " above 1 ms\n",
               name, calls, sum / static_cast<double>(calls), worst, over);
    }
};

constexpr uint32_t together = 100;

// Paths of the shape, numbered from 0.
struct Shape {
    uint64_t count;
    uint64_t crowd = count / 10;

    std::string directory(uint64_t i) const {
        char text[64];
        if (i < crowd) return "/services";
        snprintf(text, sizeof text, "/app-%08" PRIu64, (i - crowd) / together);
        return text;
    }
    std::string path(uint64_t i) const {
        char text[64];
        snprintf(text, sizeof text, "/member-%017" PRIu64, i);
        return directory(i) + text;
    }
};

struct Forest {
    AclTable acls;
    Tree tree{1, acls};
    int64_t zxid = 0;

    void make(const std::string& path, std::string_view data) {
        std::string parent = path.substr(0, path.rfind('/'));
        PathKey above = tree.key(parent);
        if (tree.find(above) == 0) make(parent, "");
        tree.create(tree.key(path), above, tree.find(above),
                    {.data = as_bytes(data), .acl = AclTable::open, .zxid = ++zxid, .time_ms = 1});
        tree.sweep();
    }
    void set(const std::string& path, std::string_view data) {
        PathKey key = tree.key(path);
        tree.set_data(key, tree.find(key), as_bytes(data), ++zxid, 2);
        tree.sweep();
    }
    void remove(const std::string& path) {
        PathKey key = tree.key(path);
        PathKey above = tree.key(std::string_view(path).substr(0, path.rfind('/')));
        tree.remove(key, above, tree.find(key), ++zxid, nullptr);
        tree.sweep();
    }
};

const std::string data46(46, 'd');

std::string_view data_of(uint64_t i) { return i % 2 == 0 ? std::string_view(data46) : ""; }

void grow(Forest& forest, const Shape& shape) {
    for (uint64_t i = 0; i < shape.count; ++i) forest.make(shape.path(i), data_of(i));
}

int tree_costs(uint64_t count) {
    auto forest = std::make_unique<Forest>();
    Shape shape{count};
    uint64_t before = resident();
    Longest creates{"create"};
    uint64_t peak = 0;
    for (uint64_t i = 0; i < count; ++i) {
        std::string path = shape.path(i);
        creates.time([&] { forest->make(path, data_of(i)); });
        if (i % 65536 == 0) peak = std::max(peak, resident());
    }
    uint64_t after = resident();
    peak = std::max(peak, after);
    double payload = 24.0 + 23.0;
    printf("%" PRIu32 " znodes: %.0f MB resident, %.1f bytes a znode, of which %.0f name and data: "
           "%.1f besides; highest %.0f MB\n",
           forest->tree.count(), mb(after - before), each(after - before, count), payload,
           each(after - before, count) - payload, mb(peak - before));
    Longest sets{"set, as long"};
    Longest longer{"set, longer"};
    Longest removes{"remove"};
    std::mt19937_64 chance(1);
    std::string data60(60, 'e');
    for (uint64_t i = 0; i < count / 10; ++i) {
        std::string path = shape.path(chance() % count);
        sets.time([&] { forest->set(path, data46); });
        longer.time([&] { forest->set(path, data60); });
    }
    for (uint64_t i = 0; i < count; ++i) {
        std::string path = shape.path(i);
        removes.time([&] { forest->remove(path); });
    }
    uint64_t left = resident();
    for (const Longest* of : {&creates, &sets, &longer, &removes}) of->print();
    printf("    all removed: %.0f MB resident\n", mb(left - std::min(left, before)));
    return 0;
}

int watch_costs(uint64_t count) {
    Shape shape{count};
    for (bool same : {true, false}) {
        uint64_t znodes = same ? 10'000 : count;
        auto clients = static_cast<ClientId>(same ? count / znodes : 4);
        uint64_t each_has = same ? znodes : count / clients;
        pid_t child = fork();
        if (child != 0) {
            waitpid(child, nullptr, 0);
            continue;
        }
        auto forest = std::make_unique<Forest>();
        for (uint64_t i = 0; i < znodes; ++i) forest->make(shape.path(i), "");
        Watches watches(1, forest->tree);
        uint64_t before = resident();
        uint64_t peak = 0;
        Longest adds{"add"};
        for (ClientId client = 0; client < clients; ++client) {
            for (uint64_t i = 0; i < each_has; ++i) {
                std::string path = shape.path(same ? i : client * each_has + i);
                adds.time([&] { watches.add(path, client + 1, watch_mode::data); });
            }
            peak = std::max(peak, resident());
        }
        uint64_t after = resident();
        // Where the word lies in the znode, it took room that was there before.
        printf("%u clients, %" PRIu64 " znodes, %" PRIu64 " watches: %.1f bytes a watch resident "
               "(highest %.1f), by its own count %.1f, and 4 in each znode\n",
               clients, znodes, watches.count(), each(after - before, watches.count()),
               each(peak - before, watches.count()), each(watches.bytes(), watches.count()));
        Longest forgets{"forget, 1000 at a time"};
        for (ClientId client = 0; client < clients; ++client) {
            bool done = false;
            while (!done) forgets.time([&] { done = watches.forget(client + 1, 1000); });
        }
        adds.print();
        forgets.print();
        printf("    all forgotten: %.0f MB resident\n", mb(resident() - before));
        fflush(stdout);
        _exit(0);
    }
    return 0;
}

// A population that changes, and what it would take if nothing lay idle: the records, eight bytes
// in the index, eight before the name and four in the parent's list for each znode, and names and
// data to the byte.
struct Churn {
    struct Item {
        uint32_t number;
        uint16_t directory;
        uint16_t filler;
        uint32_t size;  // of the data
    };
    Forest forest;
    std::mt19937_64 chance{1};
    std::vector<Item> items;
    uint64_t payload = 0;
    uint32_t number = 0;
    uint64_t changes = 0;
    uint64_t before = 0;

    explicit Churn(uint64_t znodes) {
        items.resize(znodes * 11 / 10 + 1000);
        items.clear();
        before = resident();
    }
    static std::string path(const Item& item) {
        char text[96];
        snprintf(text, sizeof text, "/d%04u/%.*s%u", unsigned{item.directory},
                 static_cast<int>(item.filler), "abcdefghijklmnopqrstuvwxyz", item.number);
        return text;
    }
    std::string_view data(uint32_t size) const {
        static const std::string bytes(1 << 16, 'd');
        return std::string_view(bytes).substr(0, size);
    }
    uint32_t size_about(uint32_t mean) {
        // Most are near the mean, some are a tenth, some are ten times as long.
        uint32_t size = mean / 2 + static_cast<uint32_t>(chance() % (mean + 1));
        if (chance() % 20 == 0) size /= 10;
        if (chance() % 50 == 0) size *= 10;
        return size;
    }
    void create(uint32_t size) {
        items.push_back({.number = number++,
                         .directory = static_cast<uint16_t>(chance() % 10000),
                         .filler = static_cast<uint16_t>(chance() % 24),
                         .size = size});
        std::string at = path(items.back());
        forest.make(at, data(size));
        payload += at.size() - 7 + size;
        ++changes;
    }
    void remove(size_t i) {
        std::string at = path(items[i]);
        forest.remove(at);
        payload -= at.size() - 7 + items[i].size;
        items[i] = items.back();
        items.pop_back();
        ++changes;
    }
    void set(size_t i, uint32_t size) {
        forest.set(path(items[i]), data(size));
        payload += size;
        payload -= items[i].size;
        items[i].size = size;
        ++changes;
    }
    void steady(uint64_t count, uint32_t mean) {
        size_t most = items.size();
        for (uint64_t i = 0; i < count; ++i) {
            size_t at = chance() % items.size();
            uint64_t what = chance() % 10;
            if (what < 6)
                set(at, size_about(mean));
            else if (what < 8 && items.size() > most / 2)
                remove(at);
            else if (items.size() < most + most / 20)
                create(size_about(mean));
        }
    }
    void print(const char* what) {
        uint64_t now = resident() - before;
        uint64_t live = payload + forest.tree.count() * (sizeof(Znode) + 8 + 8 + 8 + 4);
        Tree::Sizes sizes = forest.tree.sizes();
        printf("%-44s %9" PRIu64 " changes, %8" PRIu32 " znodes, live %7.1f MB, resident %7.1f MB, "
               "idle %5.1f %%\n",
               what, changes, forest.tree.count(), mb(live), mb(now),
               100.0 * (static_cast<double>(now) / static_cast<double>(live) - 1));
        printf("    records %.1f, index %.1f, names and data %.1f, between them %.1f, "
               "all else %.1f MB\n",
               mb(sizes.znodes), mb(sizes.index), mb(sizes.blocks), mb(sizes.idle),
               mb(now) - mb(sizes.znodes + sizes.index + sizes.blocks + sizes.idle));
        fflush(stdout);
    }
};

int churn_costs(uint64_t changes) {
    uint64_t znodes = std::max<uint64_t>(changes / 50, 1000);
    auto churn = std::make_unique<Churn>(znodes);
    while (churn->items.size() < znodes) churn->create(churn->size_about(50));
    churn->print("grown");
    churn->steady(changes / 4, 50);
    churn->print("changes of all kinds, 50 bytes");
    for (size_t i = 0; i < churn->items.size(); ++i) churn->set(i, churn->size_about(200));
    churn->print("all set to 200 bytes");
    churn->steady(changes / 5, 200);
    churn->print("changes of all kinds, 200 bytes");
    for (size_t i = 0; i < churn->items.size(); ++i) churn->set(i, churn->size_about(50));
    churn->print("all set to 50 bytes");
    churn->steady(changes / 5, 50);
    churn->print("changes of all kinds, 50 bytes");
    while (churn->items.size() > znodes * 3 / 10)
        churn->remove(churn->chance() % churn->items.size());
    churn->print("seven of ten removed");
    while (churn->items.size() < znodes) churn->create(churn->size_about(120));
    churn->print("as many made again, 120 bytes");
    churn->steady(changes / 5, 120);
    churn->print("changes of all kinds, 120 bytes");
    return 0;
}

// The pause of a fork, beside that of a fork with as much memory in one plain piece; then random
// sets in the parent while the child lives.
double fork_us(bool& child, int& hold) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0) abort();
    double start = now_us();
    pid_t pid = fork();
    double took = now_us() - start;
    child = pid == 0;
    if (child) {
        close(pipe_ends[1]);
        char byte = 0;
        (void)!read(pipe_ends[0], &byte, 1);
        _exit(0);
    }
    close(pipe_ends[0]);
    hold = pipe_ends[1];
    return took;
}

void forked_sets(Forest& forest, const Shape& shape, const char* what, double seconds) {
    std::mt19937_64 chance(1);
    Longest sets{what};
    double cpu = cpu_us();
    rusage from{};
    rusage to{};
    getrusage(RUSAGE_SELF, &from);
    for (double start = now_us(); now_us() - start < seconds * 1e6;) {
        std::string path = shape.path(chance() % shape.count / 2 * 2);
        sets.time([&] { forest.set(path, data46); });
    }
    getrusage(RUSAGE_SELF, &to);
    sets.print();
    printf("    %28s %.2f us of processor a set, %ld page faults, system %.0f ms\n", "",
           (cpu_us() - cpu) / static_cast<double>(sets.calls), to.ru_minflt - from.ru_minflt,
           static_cast<double>(to.ru_stime.tv_sec - from.ru_stime.tv_sec) * 1e3 +
               static_cast<double>(to.ru_stime.tv_usec - from.ru_stime.tv_usec) / 1e3);
}

void with_worker(PageWork work, std::vector<PageRange>& ranges) {
    PageWorker worker;
    if (!ranges.empty()) worker.start(work, ranges);
    while (worker.busy()) usleep(1000);
}

int fork_costs(uint64_t count) {
    auto forest = std::make_unique<Forest>();
    Shape shape{count};
    grow(*forest, shape);
    uint64_t bytes = resident();
    printf("%" PRIu32 " znodes, %.0f MB resident\n", forest->tree.count(), mb(bytes));
    forked_sets(*forest, shape, "sets without a fork", 1);
    for (int round = 0; round < 4; ++round) {
        bool child = false;
        int hold = -1;
        std::vector<PageRange> ranges;
        forest->tree.map_for_fork(ranges);
        with_worker(PageWork::at_leisure, ranges);
        forest->tree.freeze();
        double took = fork_us(child, hold);
        printf("fork: %.2f ms\n", took / 1e3);
        forked_sets(*forest, shape, "sets behind the fork, 1st s", 1);
        forked_sets(*forest, shape, "sets behind the fork, 2nd s", 1);
        close(hold);
        wait(nullptr);
        double gone_us = now_us();
        forest->tree.thaw();
        printf("thaw: %.2f ms\n", (now_us() - gone_us) / 1e3);
        forked_sets(*forest, shape, "sets once the child is gone", 1);
    }
    // The same amount in one private piece.
    forest.reset();
    malloc_trim(0);
    printf("tree gone: %.0f MB resident\n", mb(resident()));
    void* plain = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(plain, 1, bytes);
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) {
        bool child = false;
        int hold = -1;
        times.push_back(fork_us(child, hold));
        close(hold);
        wait(nullptr);
    }
    std::sort(times.begin(), times.end());
    printf("bare fork of %.0f MB: %.2f ms (of five, the median)\n", mb(resident()),
           times[2] / 1e3);
    munmap(plain, bytes);
    return 0;
}

}  // namespace

int main(int count, char** words) {
    // As zkd.cc does.
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    std::string what = count > 1 ? words[1] : "";
    uint64_t size = count > 2 ? strtoull(words[2], nullptr, 10) : 1'000'000;
    if (what == "tree") return tree_costs(size);
    if (what == "watches") return watch_costs(size);
    if (what == "churn") return churn_costs(size);
    if (what == "fork") return fork_costs(size);
    fprintf(stderr, "usage: memory tree|watches|churn|fork [count]\n");
    return 2;
}
