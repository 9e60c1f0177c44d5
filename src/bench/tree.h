// tree.h -- the znodes that are made for a run, and taken away after it.
//
// Holds names, no znodes. Everything lies below one root, whose data tells what is there, so that a
// later run can use what an earlier one left (--keep), and nothing is removed that is not ours:
//
//     /zk-bench                        "zk-bench: 10000 znodes of 100 bytes under 100 parents"
//     /zk-bench/keys/p0042/n0000000042    read and set
//     /zk-bench/new1/p0000/n0000000100    what the first `create` makes
//     /zk-bench/sessions, /zk-bench/watched
//
// A znode with number i lies under the parent with number i modulo their count; but the first ones,
// if so wanted, all under one further parent. All paths of a key space have the same length.

#pragma once

#include <string>

#include "base/bytes.h"
#include "bench/pump.h"

namespace zk {

class KeySpace {
public:
    KeySpace(std::string directory, uint64_t parents, uint64_t large = 0, size_t name_bytes = 11)
        : directory_(std::move(directory)),
          parents_(parents),
          large_(large),
          name_bytes_(name_bytes) {}

    const std::string& directory() const { return directory_; }
    uint64_t parents() const { return parents_ + (large_ > 0 ? 1 : 0); }
    // As strings on the wire.
    void write_parent(Buffer& out, uint64_t parent) const;
    void write_znode(Buffer& out, uint64_t znode) const;
    std::string parent_path(uint64_t parent) const;

private:
    static constexpr size_t parent_bytes = 2 + 6;  // "/p000042"

    uint64_t parent_of(uint64_t znode) const {
        return znode < large_ ? parents_ : znode % parents_;
    }
    uint8_t* put_parent(uint8_t* at, uint64_t parent) const;

    std::string directory_;
    uint64_t parents_;
    uint64_t large_;     // znodes under the parent with number parents_
    size_t name_bytes_;  // "n0000000042"
};

struct TreePlan {
    std::string root;  // "/zk-bench", with the chroot before it
    uint64_t znodes = 0;
    uint64_t parents = 0;
    uint64_t large = 0;
    size_t name_bytes = 11;
    uint32_t empty_percent = 0;
    uint32_t data_size = 0;
    uint64_t data_seed = 0;
};

// The bytes that every znode of a run holds.
std::string make_data(uint32_t size, uint64_t seed);

class Tree {
public:
    Tree(Loop& loop, Fleet& fleet, TreePlan plan)
        : loop_(loop),
          fleet_(fleet),
          plan_(std::move(plan)),
          keys_(plan_.root + "/keys", plan_.parents, plan_.large, plan_.name_bytes) {}

    // Makes the root; clears away what another run has left, unless it is just what is wanted.
    Result<void> claim(Observer observer);
    bool filled() const { return filled_; }
    const KeySpace& keys() const { return keys_; }
    const TreePlan& plan() const { return plan_; }

    // The directory and the parents of a key space.
    Result<void> make_parents(const KeySpace& space);
    // All znodes that are read and set. The tally is the caller's, errors included.
    Result<void> fill(Tally& tally, uint32_t depth, Observer observer);
    // A single znode, which may be there already.
    Result<void> make(const std::string& path);
    // Everything.
    Result<void> remove(Observer observer);

private:
    Result<bool> remove_once(Observer observer);
    std::string label() const;
    uint32_t setup_depth() const;
    Result<void> label_root(std::string_view text);

    Loop& loop_;
    Fleet& fleet_;
    TreePlan plan_;
    KeySpace keys_;
    bool filled_ = false;
};

}  // namespace zk
