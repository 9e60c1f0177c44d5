// sim.cc -- the simulator: many worlds, each from one seed, each thousands of times faster than
// ours.
//
//     sim [--seeds N] [--first K]     N worlds; the seeds of seeds.txt, which once failed, first
//     sim --seed K [--verbose]        one world; --verbose prints every step of it
//
// With --nodes N all worlds have N voters, whatever the seed says (0, and if not given: as it
// says), and with --observers N as many observers beside them. With --count what the machines of
// one world say to each other is counted (utils/scale's model; --without all goes with it).
// With --without KIND they lack one kind of trouble; plan.cc has the kinds.
// With --stop the first failure ends the run.
//
// A world that breaks a rule is run again with words, and its last steps are printed. The same seed
// gives the same world: every so many are run twice and compared.

#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "world.h"

namespace {

using namespace zk;
using namespace zk::sim;

constexpr uint64_t twice_every = 50;  // worlds
constexpr uint64_t failures_max = 20;
constexpr uint64_t stories_max = 3;  // told in full

struct Arguments {
    uint64_t seeds = 100;
    uint64_t first = 1;
    uint64_t seed = 0;
    uint64_t nodes = 0;
    uint64_t observers = 0;
    bool count = false;
    std::vector<std::string_view> without = {};
    bool one = false;
    bool stop = false;
    bool verbose = false;
    std::string kept = "tests/sim/seeds.txt";
};

// What the log's sink needs: it is a plain function.
struct Now {
    Story* story = nullptr;
    uint64_t seed = 0;
    World::Shape shape = {};
    char** argv = nullptr;
};
Now now;

void print_failure(uint64_t seed, const Story& story, const std::string& what) {
    printf("seed %llu: the last steps:\n", static_cast<unsigned long long>(seed));
    story.print_last_steps();
    printf("seed %llu: %s\n    to repeat it: make sim SEED=%llu\n",
           static_cast<unsigned long long>(seed), what.c_str(),
           static_cast<unsigned long long>(seed));
    fflush(stdout);
}

// A failed assertion ends the process: with the story, if there is one, else after another run.
void sink(LogLevel level, std::string_view text) {
    if (now.story == nullptr) return log_to_stderr(level, text);
    std::string line(text);
    TELL(*now.story, "log: %s", line.c_str());
    if (!text.starts_with("assertion failed")) return;
    if (now.story->words()) {
        print_failure(now.seed, *now.story, line);
        printf("0 passed, 1 failed\n");
        fflush(stdout);
        _exit(1);
    }
    std::string seed = std::to_string(now.seed);
    std::string nodes = std::to_string(now.shape.nodes);
    char option[] = "--seed";
    char shape[] = "--nodes";
    std::string observers = std::to_string(now.shape.observers);
    char more[] = "--observers";
    std::vector<char*> arguments = {now.argv[0],  option, seed.data(),     shape,
                                    nodes.data(), more,   observers.data()};
    std::deque<std::string> words;
    for (std::string_view kind : now.shape.without) {
        arguments.push_back(words.emplace_back("--without").data());
        arguments.push_back(words.emplace_back(kind).data());
    }
    arguments.push_back(nullptr);
    fflush(stdout);
    execv("/proc/self/exe", arguments.data());
}

struct Ran {
    uint64_t hash = 0;
    std::string failure;
    std::string description;
    std::string traffic;
};

Ran run_world(uint64_t seed, bool words, bool aloud) {
    Story story(words, aloud);
    now.story = &story;
    now.seed = seed;
    log_set_level(words || aloud ? LogLevel::debug : LogLevel::error);
    World world(seed, now.shape, story);
    world.run();
    if (words && story.failed()) print_failure(seed, story, story.failure());
    now.story = nullptr;
    return {.hash = story.hash(), .failure = story.failure(), .description = world.describe(),
            .traffic = world.traffic()};
}

// True: it passed.
bool try_seed(uint64_t seed, bool twice, bool tell) {
    Ran ran = run_world(seed, false, false);
    if (twice && ran.failure.empty() && run_world(seed, false, false).hash != ran.hash)
        ran.failure = "two runs of this seed differ";
    if (ran.failure.empty()) return true;
    Ran again;
    if (tell) again = run_world(seed, true, false);
    if (again.failure.empty())
        printf("seed %llu: %s\n    to repeat it: make sim SEED=%llu\n",
               static_cast<unsigned long long>(seed), ran.failure.c_str(),
               static_cast<unsigned long long>(seed));
    fflush(stdout);
    return false;
}

std::vector<uint64_t> kept_seeds(const std::string& file) {
    std::vector<uint64_t> seeds;
    std::ifstream in(file);
    std::string line;
    while (std::getline(in, line)) {
        char* end = nullptr;
        uint64_t seed = strtoull(line.c_str(), &end, 10);
        if (end != line.c_str()) seeds.push_back(seed);
    }
    return seeds;
}

int run_many(const Arguments& arguments) {
    std::vector<uint64_t> seeds = kept_seeds(arguments.kept);
    for (uint64_t i = 0; i < arguments.seeds; ++i) seeds.push_back(arguments.first + i);
    uint64_t failed = 0;
    for (size_t i = 0; i < seeds.size(); ++i) {
        if (try_seed(seeds[i], i % twice_every == 0, failed < stories_max)) continue;
        if (++failed >= (arguments.stop ? 1 : failures_max)) {
            printf("too many; stopped after %zu seeds\n", i + 1);
            seeds.resize(i + 1);
        }
    }
    printf("%zu passed, %llu failed\n", seeds.size() - static_cast<size_t>(failed),
           static_cast<unsigned long long>(failed));
    return failed == 0 ? 0 : 1;
}

bool without(Arguments& arguments, int& i, int argc, char** argv) {
    Plan plan;
    if (i + 1 >= argc || !leave_out(plan, argv[i + 1])) return false;
    arguments.without.push_back(argv[++i]);
    return true;
}

bool parse(int argc, char** argv, Arguments& arguments) {
    for (int i = 1; i < argc; ++i) {
        std::string_view word = argv[i];
        auto number = [&](uint64_t& into) {
            if (i + 1 >= argc) return false;
            into = strtoull(argv[++i], nullptr, 10);
            return true;
        };
        bool good = word == "--seeds"   ? number(arguments.seeds)
                    : word == "--first" ? number(arguments.first)
                    : word == "--nodes" ? number(arguments.nodes)
                    : word == "--observers" ? number(arguments.observers)
                    : word == "--without" ? without(arguments, i, argc, argv)
                    : word == "--seed"  ? (arguments.one = true, number(arguments.seed))
                    : word == "--count" ? (arguments.count = true)
                    : word == "--stop"  ? (arguments.stop = true)
                    : word == "--verbose" ? (arguments.verbose = true)
                                          : false;
        if (!good) return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (!parse(argc, argv, arguments)) {
        fprintf(stderr,
                "usage: sim [--seeds N] [--first K] | --seed K [--verbose]\n"
                "       beside that: --nodes N, --observers N, --without KIND, --stop, --count\n");
        return 2;
    }
    now.argv = argv;
    now.shape = {.nodes = static_cast<uint32_t>(arguments.nodes),
                 .observers = static_cast<uint32_t>(arguments.observers),
                 .count = arguments.count,
                 .without = arguments.without};
    log_set_sink(sink);
    if (!arguments.one) return run_many(arguments);
    Ran ran = run_world(arguments.seed, true, arguments.verbose);
    bool good = ran.failure.empty();
    if (arguments.count) printf("%s", ran.traffic.c_str());
    printf("seed %llu: %s\n%d passed, %d failed\n",
           static_cast<unsigned long long>(arguments.seed), ran.description.c_str(), good ? 1 : 0,
           good ? 0 : 1);
    return good ? 0 : 1;
}
