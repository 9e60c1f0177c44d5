// calls.h -- requests ready to be sent and replies taken apart, by name.
//
// Holds no state. A Call is an opcode and an encoded record; paths in it are the server's, so a
// caller with a chroot puts it in front (`full_path`) and takes it off again (`local_path`).
// What is decoded is made of views into the reply, and lives no longer. Nothing: the reply is
// malformed.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/records.h"

namespace zk {

std::string full_path(std::string_view chroot, std::string_view path);
std::string_view local_path(std::string_view chroot, std::string_view path);  // "/" at the least

struct Call {
    Op op = Op::ping;
    Buffer body;
};

// May be sent again after a lost connection: it changes nothing but watches.
bool is_read(Op op);

namespace call {

struct Create {
    std::string_view path;
    Bytes data;  // data() == nullptr: no data at all, which is not the same as empty
    std::span<const Acl> acls;
    CreateMode mode = CreateMode::persistent;
    int64_t ttl_ms = -1;  // for the modes with a TTL
};
Call create(const Create& wanted);  // answered by a Created
Call remove(std::string_view path, int32_t version);
Call exists(std::string_view path, bool watch);                             // Stat
Call get_data(std::string_view path, bool watch);                           // Data
Call set_data(std::string_view path, Bytes data, int32_t version);          // Stat
Call get_acl(std::string_view path);                                        // Acls
Call set_acl(std::string_view path, std::span<const Acl> acls, int32_t version);  // Stat
Call get_children(std::string_view path, bool watch);                       // Children
Call sync(std::string_view path);
Call get_ephemerals(std::string_view prefix);                               // texts
Call get_all_children_number(std::string_view path);                        // number
Call add_watch(std::string_view path, AddWatchMode mode);
Call remove_watches(std::string_view path, WatcherType type);
// Parts that are not asked for stay without data().
struct Reconfig {
    std::string_view joining;
    std::string_view leaving;
    std::string_view members;
    int64_t version = -1;  // -1: whichever it is
};
Call reconfig(const Reconfig& wanted);                                      // Data
Call who_am_i();                                                            // identities

// Several writes as one: all are done, or none. Answered by a Parts.
class Multi {
public:
    void create(const Create& wanted);
    void remove(std::string_view path, int32_t version);
    void set_data(std::string_view path, Bytes data, int32_t version);
    void check(std::string_view path, int32_t version);  // -1: it exists, at any version
    Call take();  // and begins anew

private:
    void add(Op op);
    Buffer body_;
};

}  // namespace call

struct Data {
    Bytes data;
    Stat stat;
};
struct Children {
    std::vector<std::string_view> names;
    Stat stat;
};
struct Acls {
    std::vector<Acl> acls;
    Stat stat;
};
// What became of one write of a multi. Where one fails all have an error: that of those before it
// is ok, that of those behind it runtime_inconsistency.
struct Part {
    Op op = Op::error;
    Err err = Err::ok;
    std::string_view path;  // of a create
    std::optional<Stat> stat;
};
struct Identity {
    std::string_view scheme;
    std::string_view user;
};

std::optional<std::string_view> decode_created(Bytes body);  // the path
std::optional<Stat> decode_stat(Bytes body);
std::optional<Data> decode_data(Bytes body);
std::optional<Children> decode_children(Bytes body);
std::optional<Acls> decode_acls(Bytes body);
std::optional<std::vector<std::string_view>> decode_texts(Bytes body);
std::optional<int32_t> decode_number(Bytes body);
std::optional<std::vector<Identity>> decode_identities(Bytes body);
std::optional<std::vector<Part>> decode_parts(Bytes body);

}  // namespace zk
