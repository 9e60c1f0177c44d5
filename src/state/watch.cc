// watch.cc -- see watch.h. The order of events is WatchManager's and DataTree's (protocol.md 5.2).

#include "state/watch.h"

#include "base/hash.h"
#include "state/path.h"

namespace zk {

namespace {

std::string_view parent_of(std::string_view path) {
    std::string_view parent = split_path(path).parent;
    return parent.empty() ? "/" : parent;
}

}  // namespace

Watches::~Watches() {
    for (uint32_t key = 1; key < keys_.end(); ++key)
        if (keys_[key].first != 0 && keys_[key].znode == 0) free(keys_[key].text);
}

uint64_t Watches::hash_of(std::string_view path) const {
    return hash64(path, seed_);
}

uint32_t Watches::find_key(std::string_view path) const {
    return index_.find(hash_of(path), [&](uint32_t number) {
        const Key& key = keys_[number];
        return key.znode != 0 ? !path.empty() && tree_.is_at(key.znode, path)
                              : key.text->path() == path;
    });
}

uint32_t Watches::find_watch(uint32_t key, ClientId client) const {
    if (key == 0 || client >= owners_.size()) return 0;
    // Walk whichever list is likely the shorter: side by side, so that the shorter one decides.
    uint32_t of_key = keys_[key].first;
    uint32_t of_client = owners_[client].first;
    while (of_key != 0 && of_client != 0) {
        if (watches_[of_key].client == client) return of_key;
        if (watches_[of_client].key == key) return of_client;
        of_key = watches_[of_key].key_next;
        of_client = watches_[of_client].client_next;
    }
    return 0;
}

void Watches::set_modes(uint32_t number, uint8_t modes) {
    Watch& watch = watches_[number];
    auto count = [](uint8_t set, uint8_t table) { return (set & table) != 0 ? 1u : 0u; };
    uint32_t now = count(modes, watch_mode::data_table);
    uint32_t before = count(watch.modes, watch_mode::data_table);
    if (now != before) {
        uint32_t& of_path = data_count(keys_[watch.key]);
        uint32_t& of_client = owners_[watch.client].data_count;
        of_path += now - before;
        of_client += now - before;
        data_count_ += now;
        data_count_ -= before;
        if (of_path == now) path_count_ += now - before;
        if (of_client == now) client_count_ += now - before;
    }
    child_count_ += count(modes, watch_mode::child_table);
    child_count_ -= count(watch.modes, watch_mode::child_table);
    recursive_count_ += count(modes, watch_mode::recursive);
    recursive_count_ -= count(watch.modes, watch_mode::recursive);
    watch.modes = modes;
    if (modes == 0) drop(number);
}

void Watches::drop(uint32_t number) {
    Watch watch = watches_[number];
    uint32_t& key_link =
        watch.key_prev != 0 ? watches_[watch.key_prev].key_next : keys_[watch.key].first;
    key_link = watch.key_next;
    if (watch.key_next != 0) watches_[watch.key_next].key_prev = watch.key_prev;
    Owner& owner = owners_[watch.client];
    uint32_t& client_link =
        watch.client_prev != 0 ? watches_[watch.client_prev].client_next : owner.first;
    client_link = watch.client_next;
    if (watch.client_next != 0) watches_[watch.client_next].client_prev = watch.client_prev;
    watches_.release(number);
    if (keys_[watch.key].first == 0) drop_key(watch.key);
}

void Watches::drop_key(uint32_t number) {
    Key& key = keys_[number];
    index_.erase(hash_of(key_path(number)), number);
    if (key.znode == 0) free(key.text);
    key.znode = 0;
    keys_.release(number);
}

Watches::Text* Watches::make_text(std::string_view path, uint32_t data_count) {
    Text* text = static_cast<Text*>(malloc(sizeof(Text) + path.size()));
    ASSERT(text != nullptr);
    *text = {.data_count = data_count, .size = static_cast<uint32_t>(path.size())};
    if (!path.empty()) memcpy(text + 1, path.data(), path.size());
    return text;
}

std::string Watches::key_path(uint32_t number) const {
    const Key& key = keys_[number];
    return key.znode != 0 ? tree_.path(key.znode) : std::string(key.text->path());
}

void Watches::add(std::string_view path, ClientId client, uint8_t modes) {
    uint32_t key = find_key(path);
    uint32_t number = find_watch(key, client);
    if (number != 0) {
        set_modes(number, watches_[number].modes | modes);
        return;
    }
    if (key == 0) {
        key = keys_.allocate();
        keys_[key].znode = path.empty() ? 0 : tree_.find(path);
        if (keys_[key].znode == 0) keys_[key].text = make_text(path, 0);
        index_.insert(hash_of(path), key);
    }
    if (client >= owners_.size()) owners_.resize(client + 1);
    Owner& owner = owners_[client];
    number = watches_.allocate();
    Watch& watch = watches_[number];
    watch.key = key;
    watch.client = client;
    watch.key_next = keys_[key].first;
    if (watch.key_next != 0) watches_[watch.key_next].key_prev = number;
    keys_[key].first = number;
    watch.client_next = owner.first;
    if (watch.client_next != 0) watches_[watch.client_next].client_prev = number;
    owner.first = number;
    set_modes(number, modes);
}

uint8_t Watches::modes(std::string_view path, ClientId client) const {
    uint32_t number = find_watch(find_key(path), client);
    return number == 0 ? uint8_t{0} : watches_[number].modes;
}

void Watches::remove(std::string_view path, ClientId client, uint8_t modes) {
    uint32_t number = find_watch(find_key(path), client);
    if (number != 0)
        set_modes(number, static_cast<uint8_t>(watches_[number].modes & ~modes));
}

bool Watches::forget(ClientId client, uint32_t most) {
    if (client >= owners_.size()) return true;
    for (; most > 0 && owners_[client].first != 0; --most) set_modes(owners_[client].first, 0);
    return owners_[client].first == 0;
}

// Tells all who have a mode of `table` at the path itself and were not told in this round, and
// takes their one-shots away, told or not.
void Watches::fire(std::string_view path, EventType type, AclId acl, uint8_t table,
                   std::vector<Event>& out) {
    uint32_t key = find_key(path);
    if (key == 0) return;
    uint8_t one_shot = table & (watch_mode::data | watch_mode::child);
    for (uint32_t number = keys_[key].first; number != 0;) {
        const Watch watch = watches_[number];
        if ((watch.modes & table) != 0) {
            uint32_t& told = owners_[watch.client].told;
            if (told != round_)
                out.push_back({.client = watch.client, .type = type, .acl = acl, .path = path});
            told = round_;
            if ((watch.modes & one_shot) != 0)
                set_modes(number, static_cast<uint8_t>(watch.modes & ~one_shot));
        }
        number = watch.key_next;
    }
}

// Tells the recursive watchers above the path who were not told in this round.
void Watches::fire_recursive(std::string_view path, EventType type, AclId acl,
                             std::vector<Event>& out) {
    if (recursive_count_ == 0 || path == "/") return;
    for (std::string_view above = path; above != "/";) {
        above = parent_of(above);
        uint32_t key = find_key(above);
        if (key == 0) continue;
        for (uint32_t number = keys_[key].first; number != 0; number = watches_[number].key_next) {
            const Watch& watch = watches_[number];
            uint32_t& told = owners_[watch.client].told;
            if ((watch.modes & watch_mode::recursive) == 0 || told == round_) continue;
            out.push_back({.client = watch.client, .type = type, .acl = acl, .path = path});
            told = round_;
        }
    }
}

void Watches::created(std::string_view path, AclId acl, AclId parent_acl,
                      std::vector<Event>& out) {
    if (index_.count() == 0) return;
    ++round_;
    fire(path, EventType::created, acl, watch_mode::data_table, out);
    fire_recursive(path, EventType::created, acl, out);
    ++round_;
    fire(parent_of(path), EventType::children_changed, parent_acl, watch_mode::child_table, out);
}

void Watches::deleted(std::string_view path, AclId acl, AclId parent_acl,
                      std::vector<Event>& out) {
    if (index_.count() == 0) return;
    // Before the number names another znode, the key must stop using it.
    uint32_t key = find_key(path);
    if (key != 0 && keys_[key].znode != 0) {
        keys_[key].text = make_text(path, keys_[key].data_count);
        keys_[key].znode = 0;
    }
    // One round for both tables: who has both is told once, and both one-shots are consumed.
    ++round_;
    fire(path, EventType::deleted, acl, watch_mode::data_table, out);
    fire_recursive(path, EventType::deleted, acl, out);
    fire(path, EventType::deleted, acl, watch_mode::child_table, out);
    ++round_;
    fire(parent_of(path), EventType::children_changed, parent_acl, watch_mode::child_table, out);
}

void Watches::data_changed(std::string_view path, AclId acl, std::vector<Event>& out) {
    if (index_.count() == 0) return;
    ++round_;
    fire(path, EventType::data_changed, acl, watch_mode::data_table, out);
    fire_recursive(path, EventType::data_changed, acl, out);
}

uint64_t Watches::bytes() const {
    return keys_.count() * sizeof(Key) + watches_.count() * sizeof(Watch) + index_.bytes();
}

void Watches::list(void* context, void (*row)(void* context, std::string_view path,
                                              ClientId client, uint8_t modes)) const {
    for (uint32_t key = 1; key < keys_.end(); ++key) {
        if (keys_[key].first == 0) continue;
        std::string path = key_path(key);
        for (uint32_t at = keys_[key].first; at != 0; at = watches_[at].key_next)
            row(context, path, watches_[at].client, watches_[at].modes);
    }
}

}  // namespace zk
