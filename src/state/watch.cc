// watch.cc -- see watch.h. The order of events is WatchManager's and DataTree's.

#include "state/watch.h"

#include <cstring>

#include "base/hash.h"
#include "state/path.h"

namespace zk {

namespace {

constexpr uint32_t mode_bits = 4;
constexpr uint32_t owners_together = 256;
constexpr uint32_t few_max = 4;
constexpr uint32_t few_again = 2;  // as few as this, a crowd is a few again

bool is_lone(uint32_t watchers) { return (watchers & ((1u << mode_bits) - 1)) != 0; }

}  // namespace

Watches::~Watches() {
    for (uint32_t text = 1; text < texts_.end(); ++text)
        if (texts_[text].watchers != 0) free(texts_[text].path);
    for (uint32_t group = 1; group < groups_.end(); ++group)
        if (groups_[group].few[0] == 0 && groups_[group].many.crowd != 0)
            crowds_[groups_[group].many.crowd].clear();
    for (Owner* owners : owners_) {
        if (owners == nullptr) continue;
        for (uint32_t i = 0; i < owners_together; ++i) owners[i].keys.clear();
        free(owners);
    }
}

// Numbers that follow each other, far from each other.
uint32_t Watches::spread(uint32_t number) {
    number = (number ^ number >> 16) * 0x85ebca6bu;
    number = (number ^ number >> 13) * 0xc2b2ae35u;
    return number ^ number >> 16;
}

uint64_t Watches::hash_of(std::string_view path) const { return hash64(path, seed_); }

Watches::Owner* Watches::find_owner(ClientId client) const {
    size_t place = client / owners_together;
    bool there = place < owners_.size() && owners_[place] != nullptr;
    return there ? &owners_[place][client % owners_together] : nullptr;
}

Watches::Owner& Watches::need_owner(ClientId client) {
    ASSERT(client < 1u << (32 - mode_bits));
    size_t place = client / owners_together;
    if (place >= owners_.size()) owners_.resize(place + 1);
    if (owners_[place] == nullptr)
        owners_[place] = static_cast<Owner*>(allocate_zeroed(owners_together * sizeof(Owner)));
    return owners_[place][client % owners_together];
}

Watches::KeyId Watches::find_text(std::string_view path) const {
    if (text_index_.count() == 0) return 0;
    uint32_t number = text_index_.find(hash_of(path), [&](uint32_t at) {
        return path == std::string_view(texts_[at].path, texts_[at].path_size);
    });
    return number == 0 ? 0 : number | is_text;
}

Watches::KeyId Watches::find_key(std::string_view path) const {
    KeyId key = path.empty() ? 0 : tree_.find(path);
    return key != 0 ? key : find_text(path);
}

Watches::KeyId Watches::make_text(std::string_view path) {
    uint32_t number = texts_.allocate();
    Text& text = texts_[number];
    text.path = static_cast<char*>(malloc(path.size() + 1));
    ASSERT(text.path != nullptr);
    text.path_size = static_cast<uint32_t>(path.size());
    if (!path.empty()) memcpy(text.path, path.data(), path.size());
    text_index_.insert(hash_of(path), number);
    return number | is_text;
}

void Watches::drop_text(KeyId key) {
    uint32_t number = key & ~is_text;
    Text& text = texts_[number];
    text_index_.erase(hash_of({text.path, text.path_size}), number);
    free(text.path);
    texts_.release(number);
}

uint32_t& Watches::watchers(KeyId key) {
    return (key & is_text) != 0 ? texts_[key & ~is_text].watchers : tree_.watchers(key);
}

std::string Watches::key_path(KeyId key) const {
    if ((key & is_text) == 0) return tree_.path(key);
    const Text& text = texts_[key & ~is_text];
    return {text.path, text.path_size};
}

// Calls `what` with the word of every watch.
template <typename What>
void Watches::each(uint32_t watchers, What what) const {
    if (watchers == 0) return;
    if (is_lone(watchers)) {
        what(Word{watchers});
        return;
    }
    const Group& group = groups_[watchers >> mode_bits];
    if (group.few[0] == 0) {
        crowds_[group.many.crowd].each([&](Word word) { what(word); });
        return;
    }
    for (uint32_t word : group.few)
        if (word != 0) what(Word{word});
}

uint8_t Watches::modes_at(uint32_t watchers, ClientId client) const {
    bool many = watchers != 0 && !is_lone(watchers) && groups_[watchers >> mode_bits].few[0] == 0;
    if (many) {
        const Word* word = crowds_[groups_[watchers >> mode_bits].many.crowd].find(
            spread(client), [=](Word at) { return at.client() == client; });
        return word == nullptr ? uint8_t{0} : word->modes();
    }
    uint8_t modes = 0;
    each(watchers, [&](Word word) {
        if (word.client() == client) modes = word.modes();
    });
    return modes;
}

uint32_t Watches::data_count_at(uint32_t watchers) const {
    bool many = watchers != 0 && !is_lone(watchers) && groups_[watchers >> mode_bits].few[0] == 0;
    if (many) return groups_[watchers >> mode_bits].many.data_count;
    uint32_t count = 0;
    each(watchers, [&](Word word) { count += (word.modes() & watch_mode::data_table) != 0; });
    return count;
}

// Gives a client these modes, 0 to take its watch away, in place of those it had before.
void Watches::put(uint32_t& watchers, ClientId client, uint8_t before, uint8_t modes) {
    Word word{client << mode_bits | modes};
    if (watchers == 0 || (is_lone(watchers) && before != 0)) {
        watchers = modes == 0 ? 0 : word.bits;
        return;
    }
    if (is_lone(watchers)) {
        uint32_t number = groups_.allocate();
        ASSERT(number < 1u << (32 - mode_bits));
        groups_[number].few[0] = watchers;
        watchers = number << mode_bits;
    }
    if (groups_[watchers >> mode_bits].few[0] != 0)
        put_few(watchers, word, before);
    else
        put_many(watchers, word, before);
}

void Watches::put_few(uint32_t& watchers, Word word, uint8_t before) {
    uint32_t number = watchers >> mode_bits;
    Group& group = groups_[number];
    uint32_t count = 0;
    uint32_t at = few_max;
    for (; count < few_max && group.few[count] != 0; ++count)
        if (Word{group.few[count]}.client() == word.client()) at = count;
    if (before == 0 && count == few_max) {
        make_many(group);
        put_many(watchers, word, before);
        return;
    }
    if (before == 0) at = count;
    ASSERT(at < few_max);
    if (word.modes() != 0) {
        group.few[at] = word.bits;
        return;
    }
    group.few[at] = group.few[--count];
    group.few[count] = 0;
    if (count > 1) return;
    watchers = group.few[0];
    groups_.release(number);
}

void Watches::make_many(Group& group) {
    uint32_t number = crowds_.allocate();
    Crowd& crowd = crowds_[number];
    uint32_t data_count = 0;
    for (uint32_t word : group.few) {
        crowd.insert({word});
        data_count += (Word{word}.modes() & watch_mode::data_table) != 0;
    }
    crowd_bytes_ += crowd.bytes();
    group.many = {.none = 0, .crowd = number, .data_count = data_count};
}

void Watches::put_many(uint32_t& watchers, Word word, uint8_t before) {
    Group& group = groups_[watchers >> mode_bits];
    Crowd& crowd = crowds_[group.many.crowd];
    group.many.data_count += (word.modes() & watch_mode::data_table) != 0;
    group.many.data_count -= (before & watch_mode::data_table) != 0;
    crowd_bytes_ -= crowd.bytes();
    if (before == 0) {
        crowd.insert(word);
    } else {
        Word* there =
            crowd.find(word.hash(), [=](Word at) { return at.client() == word.client(); });
        ASSERT(there != nullptr);
        if (word.modes() != 0)
            *there = word;
        else
            crowd.erase(there);
    }
    crowd_bytes_ += crowd.bytes();
    if (crowd.count() > few_again) return;
    uint32_t number = group.many.crowd;
    crowd_bytes_ -= crowd.bytes();
    group = {};
    for (uint32_t& few : group.few)
        if (Word last; crowd.pop(last)) few = last.bits;
    crowds_.release(number);
}

// The counts, and the path's side.
void Watches::change(KeyId key, Owner& owner, ClientId client, uint8_t before, uint8_t modes) {
    auto has = [](uint8_t set, uint8_t table) { return (set & table) != 0 ? 1u : 0u; };
    uint32_t now_data = has(modes, watch_mode::data_table);
    uint32_t was_data = has(before, watch_mode::data_table);
    owner.data_count += now_data - was_data;
    if (now_data != was_data && owner.data_count == now_data) client_count_ += now_data - was_data;
    data_count_ += now_data;
    data_count_ -= was_data;
    child_count_ += has(modes, watch_mode::child_table);
    child_count_ -= has(before, watch_mode::child_table);
    recursive_count_ += has(modes, watch_mode::recursive);
    recursive_count_ -= has(before, watch_mode::recursive);
    uint32_t& place = watchers(key);
    put(place, client, before, modes);
    if (now_data != was_data && data_count_at(place) == now_data)
        path_count_ += now_data - was_data;
    if (place == 0 && (key & is_text) != 0) drop_text(key);
}

void Watches::Owner::drop(KeyId key) {
    Key* there = keys.find(spread(key), [=](Key at) { return at.id == key; });
    ASSERT(there != nullptr);
    keys.erase(there);
}

void Watches::set_modes(KeyId key, ClientId client, uint8_t before, uint8_t modes) {
    Owner& owner = need_owner(client);
    if (before == 0) owner.keys.insert({key});
    if (modes == 0) owner.drop(key);
    change(key, owner, client, before, modes);
}

void Watches::add(std::string_view path, ClientId client, uint8_t modes) {
    KeyId key = find_key(path);
    if (key == 0) key = make_text(path);
    uint8_t before = modes_at(watchers(key), client);
    if ((before | modes) != before)
        set_modes(key, client, before, static_cast<uint8_t>(before | modes));
}

uint8_t Watches::modes(std::string_view path, ClientId client) const {
    KeyId key = find_key(path);
    return key == 0 ? uint8_t{0} : modes_at(watchers(key), client);
}

void Watches::remove(std::string_view path, ClientId client, uint8_t modes) {
    KeyId key = find_key(path);
    if (key == 0) return;
    uint8_t before = modes_at(watchers(key), client);
    if ((before & modes) != 0)
        set_modes(key, client, before, static_cast<uint8_t>(before & ~modes));
}

bool Watches::forget(ClientId client, uint32_t most) {
    Owner* owner = find_owner(client);
    if (owner == nullptr) return true;
    for (Key key; most > 0 && owner->keys.pop(key); --most)
        change(key.id, *owner, client, modes_at(watchers(key.id), client), 0);
    if (owner->keys.count() > 0) return false;
    owner->keys.clear();
    return true;
}

// All watches of one key become those of another, which has none.
void Watches::move(KeyId from, KeyId to) {
    uint32_t& place = watchers(from);
    each(place, [&](Word word) {
        Owner& owner = need_owner(word.client());
        owner.drop(from);
        owner.keys.insert({to});
    });
    watchers(to) = place;
    place = 0;
}

// Tells all who have a mode of `table` at the key itself and were not told in this round, and takes
// their one-shots away, told or not.
void Watches::fire(KeyId key, const Event& event, uint8_t table, std::vector<Event>& out) {
    uint8_t one_shot = table & (watch_mode::data | watch_mode::child);
    each(watchers(key), [&](Word word) {
        if ((word.modes() & table) == 0) return;
        tell(word.client(), event, out);
        if ((word.modes() & one_shot) != 0) spent_.push_back(word);
    });
    for (Word word : spent_)
        set_modes(key, word.client(), word.modes(),
                  static_cast<uint8_t>(word.modes() & ~one_shot));
    spent_.clear();
}

void Watches::tell(ClientId client, const Event& event, std::vector<Event>& out) {
    uint32_t& told = need_owner(client).told;
    if (told == round_) return;
    told = round_;
    out.push_back(event);
    out.back().client = client;
}

// Tells the recursive watchers above the znode who were not told in this round.
void Watches::fire_recursive(ZnodeId id, const Event& event, std::vector<Event>& out) {
    if (recursive_count_ == 0) return;
    for (ZnodeId above = tree_.parent(id); above != 0; above = tree_.parent(above))
        each(watchers(above), [&](Word word) {
            if ((word.modes() & watch_mode::recursive) != 0) tell(word.client(), event, out);
        });
}

void Watches::created(std::string_view path, ZnodeId id, AclId acl, AclId parent_acl,
                      std::vector<Event>& out) {
    if (count() == 0) return;
    if (KeyId text = find_text(path); text != 0) {
        move(text, id);
        drop_text(text);
    }
    Event event{.type = EventType::created, .acl = acl, .path = path};
    ++round_;
    fire(id, event, watch_mode::data_table, out);
    fire_recursive(id, event, out);
    children_changed(id, path, parent_acl, out);
}

void Watches::children_changed(ZnodeId id, std::string_view path, AclId parent_acl,
                               std::vector<Event>& out) {
    std::string_view parent = split_path(path).parent;
    ++round_;
    fire(tree_.parent(id),
         {.type = EventType::children_changed,
          .acl = parent_acl,
          .path = parent.empty() ? "/" : parent},
         watch_mode::child_table, out);
}

void Watches::deleted(std::string_view path, ZnodeId id, AclId acl, AclId parent_acl,
                      std::vector<Event>& out) {
    if (count() == 0) return;
    Event event{.type = EventType::deleted, .acl = acl, .path = path};
    // One round for both tables: who has both is told once, and both one-shots are consumed.
    ++round_;
    fire(id, event, watch_mode::data_table, out);
    fire_recursive(id, event, out);
    fire(id, event, watch_mode::child_table, out);
    // Those that stay are for the next znode of that name.
    if (watchers(id) != 0) move(id, make_text(path));
    children_changed(id, path, parent_acl, out);
}

void Watches::data_changed(std::string_view path, ZnodeId id, AclId acl, std::vector<Event>& out) {
    if (count() == 0) return;
    Event event{.type = EventType::data_changed, .acl = acl, .path = path};
    ++round_;
    fire(id, event, watch_mode::data_table, out);
    fire_recursive(id, event, out);
}

uint64_t Watches::bytes() const {
    uint64_t bytes = groups_.count() * sizeof(Group) + crowds_.count() * sizeof(Crowd) +
                     crowd_bytes_ + texts_.count() * sizeof(Text) + text_index_.bytes();
    for (const Owner* owners : owners_)
        for (uint32_t i = 0; owners != nullptr && i < owners_together; ++i)
            bytes += sizeof(Owner) + owners[i].keys.bytes();
    return bytes;
}

void Watches::list(void* context, void (*row)(void* context, std::string_view path,
                                              ClientId client, uint8_t modes)) const {
    for (size_t i = 0; i < owners_.size() * owners_together; ++i) {
        ClientId client = static_cast<ClientId>(i);
        const Owner* owner = find_owner(client);
        if (owner == nullptr) continue;
        owner->keys.each([&](Key key) {
            row(context, key_path(key.id), client, modes_at(watchers(key.id), client));
        });
    }
}

}  // namespace zk
