// churn_test.cc -- a tree whose znodes come, go and change their sizes for long has little idle
// memory. In full, and by what the system counts: utils/memory churn.

#include <random>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

// Thirty thousand znodes, most of them with data near a mean.
struct Churn {
    AclTable acls;
    Tree tree{1, acls};
    std::minstd_rand chance{11};
    std::vector<uint32_t> numbers;
    std::string bytes = std::string(10'000, 'd');
    uint32_t next = 0;
    int64_t zxid = 0;

    std::string_view data(uint32_t mean) {
        auto size = static_cast<uint32_t>(mean / 2 + chance() % (mean + 1));
        if (chance() % 20 == 0) size /= 10;
        if (chance() % 50 == 0) size *= 10;
        return std::string_view(bytes).substr(0, size);
    }
    static std::string path(uint32_t number) { return "/member-" + std::to_string(number); }
    void create(uint32_t mean) {
        std::string at = path(++next);
        numbers.push_back(next);
        tree.create(tree.key(at), tree.key(""), Tree::root,
                    {.data = as_bytes(data(mean)), .zxid = ++zxid});
        tree.sweep();
    }
    void remove() {
        uint32_t& any = numbers[chance() % numbers.size()];
        std::string at = path(any);
        any = numbers.back();
        numbers.pop_back();
        tree.remove(tree.key(at), tree.key(""), tree.find(at), ++zxid, nullptr);
        tree.sweep();
    }
    void set(uint32_t number, uint32_t mean) {
        std::string at = path(number);
        tree.set_data(tree.key(at), tree.find(at), as_bytes(data(mean)), ++zxid, 0);
        tree.sweep();
    }
    void day(uint32_t mean) {
        for (uint32_t number : numbers) set(number, mean);
        for (int i = 0; i < 100'000; ++i) {
            set(numbers[chance() % numbers.size()], mean);
            if (i % 3 != 0) continue;
            remove();
            create(mean);
        }
    }
    // Of all names and data, what their blocks and the room between them take besides, and besides
    // the other fields. A megabyte may lie idle in any tree.
    double idle() const {
        uint64_t payload = 0;
        for (uint32_t number : numbers) {
            ZnodeId id = tree.find(path(number));
            payload += tree.name(id).size() + tree.data(id).size();
        }
        Tree::Sizes sizes = tree.sizes();
        uint64_t held = sizes.blocks + sizes.idle - std::min<uint64_t>(sizes.idle, 1 << 20);
        held -= numbers.size() * sizeof(Znode);
        return static_cast<double>(held) / static_cast<double>(payload) - 1;
    }
};

}  // namespace

TEST_CASE("values that grow, shrink, go and come leave less than 15 % of names and data idle") {
    Churn churn;
    while (churn.numbers.size() < 30'000) churn.create(50);
    for (uint32_t mean : {50u, 200u, 50u, 300u, 20u}) {
        churn.day(mean);
        CHECK(churn.idle() < 0.15);
    }
    while (churn.numbers.size() > 10'000) churn.remove();
    while (churn.numbers.size() < 30'000) churn.create(120);
    churn.day(120);
    CHECK(churn.idle() < 0.15);
    for (uint32_t number : churn.numbers)
        REQUIRE(churn.tree.find(Churn::path(number)) != 0);
}
