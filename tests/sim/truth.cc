// truth.cc -- see truth.h.

#include "truth.h"

namespace zk::sim {

namespace {

unsigned long long number(uint64_t value) { return static_cast<unsigned long long>(value); }

}  // namespace

Logged* Truth::seen(Bytes bytes) {
    Entry entry;
    bool good = decode(bytes, entry);
    ASSERT(good);
    if (slots_.empty()) first_ = entry.zxid;
    if (entry.zxid < first_ || entry.zxid > first_ + slots_.size()) {
        story_.fail("zxid %llu is written, the last one anywhere was %llu: a gap",
                    number(entry.zxid), number(last()));
        return nullptr;
    }
    if (entry.zxid == first_ + slots_.size()) slots_.emplace_back();
    Slot& slot = slots_[entry.zxid - first_];
    for (auto& version : slot.versions) {
        if (version->entry.term != entry.term) continue;
        if (version->bytes == as_text(bytes)) return version.get();
        story_.fail("two entries of zxid %llu, term %llu", number(entry.zxid), number(entry.term));
        return nullptr;
    }
    slot.versions.push_back(std::make_unique<Logged>());
    Logged& logged = *slot.versions.back();
    logged.bytes = as_text(bytes);
    good = decode(as_bytes(logged.bytes), logged.entry);
    ASSERT(good);
    story_.mix(bytes);
    once(logged.entry);
    if (on_entry) on_entry(logged);
    return &logged;
}

// A request becomes one entry, whoever leads and however often.
void Truth::once(const Entry& entry) {
    const Origin& origin = entry.origin;
    // The last entry of a change names who asked for it.
    if (origin.node == 0 || entry.op == entry_op::membership) return;
    auto [at, fresh] = origins_.insert(
        {{{origin.node, origin.client}, origin.request}, {entry.zxid, entry.term}});
    if (!fresh)
        story_.fail("request %llx of attach %llx of node %u is two entries: zxid %llu of term "
                    "%llu and zxid %llu of term %llu",
                    number(origin.request), number(origin.client), origin.node,
                    number(at->second.zxid), number(at->second.term), number(entry.zxid),
                    number(entry.term));
}

void Truth::applied(uint64_t zxid) {
    if (slots_.empty() || zxid < first_) return;
    for (uint64_t at = std::max(committed_ + 1, first_); at <= zxid; ++at) {
        if (at > last()) return story_.fail("zxid %llu is applied, and on no disk", number(at));
        Slot& slot = slots_[at - first_];
        for (auto& version : slot.versions)
            if (slot.committed == nullptr && on_majority(*version)) slot.committed = version.get();
        if (slot.committed == nullptr)
            return story_.fail("zxid %llu is applied before a majority has it on disk",
                               number(at));
        if (!slot.committed->wrong.empty()) story_.fail("%s", slot.committed->wrong.c_str());
        committed_ = at;
        if (on_commit) on_commit(*slot.committed);
    }
}

}  // namespace zk::sim
