// record.cc -- see record.h.

#include "cli/record.h"

#include "cli/print.h"

namespace zk {

namespace {

Json acl_json(const Acl& acl) {
    Json json = Json::object();
    json.set("scheme", acl.scheme).set("id", acl.id).set("perms", perms_text(acl.perms));
    return json;
}

std::optional<int32_t> perms_of(const std::string& letters) {
    std::string entry = "world:anyone:" + letters;
    Result<std::vector<Acl>> acls = parse_acls(entry);
    if (!acls || acls->size() != 1) return std::nullopt;
    return acls->front().perms;
}

Result<std::string> read_acls_json(const Json& json) {
    struct Owned {
        std::string scheme, id;
        int32_t perms;
    };
    std::vector<Owned> owned;
    for (size_t i = 0; i < json.size("acl"); ++i) {
        Json entry = json.at(i, "acl");
        const std::string* scheme = entry.text("scheme");
        const std::string* id = entry.text("id");
        const std::string* letters = entry.text("perms");
        std::optional<int32_t> perms;
        if (letters != nullptr) perms = perms_of(*letters);
        if (scheme == nullptr || id == nullptr || !perms)
            return Error{.text = "an entry of acl is to have a scheme, an id and perms"};
        owned.push_back({.scheme = *scheme, .id = *id, .perms = *perms});
    }
    if (owned.empty()) return Error{.text = "acl is to be an array, and not empty"};
    std::vector<Acl> acls;
    for (const Owned& one : owned)
        acls.push_back({.perms = one.perms, .scheme = one.scheme, .id = one.id});
    return wire_of(acls);
}

Result<std::string> read_path(const Json& json) {
    std::string path;
    if (const std::string* coded = json.text("path64")) {
        Result<std::string> decoded = from_base64(*coded);
        if (!decoded) return decoded.error();
        path = std::move(*decoded);
    } else if (const std::string* plain = json.text("path")) {
        path = *plain;
    } else {
        return Error{.text = "a path is missing"};
    }
    std::string fault = path_fault(path);
    if (!fault.empty()) return Error{.text = fault};
    return path;
}

}  // namespace

Json to_json(std::string_view path, const Found& found, bool with_stat, bool with_acls) {
    Json json = Json::object();
    if (is_text(as_bytes(path))) json.set("path", path);
    else json.set("path64", to_base64(as_bytes(path)));
    json.set_data(found.is_null ? Bytes() : as_bytes(found.data));
    if (with_acls && found.acls != open_acls()) {
        Json list = Json::array();
        for (const Acl& acl : acls_of(found.acls)) list.add(acl_json(acl));
        json.set("acl", std::move(list));
    }
    if (kind_of(found.stat) == Kind::ephemeral) json.set("ephemeral", true);
    if (with_stat) json.set_stat(found.stat);
    return json;
}

Result<Record> parse_record(std::string_view line) {
    Result<Json> json = Json::parse(line);
    if (!json) return json.error();
    if (!json->is_object()) return Error{.text = "not an object, like {\"path\":\"/a\"}"};
    Record record;
    Result<std::string> path = read_path(*json);
    if (!path) return path.error();
    record.path = std::move(*path);
    if (!json->data(record.data, record.is_null))
        return Error{.text = "data is to be a text, base64 to be base64"};
    record.acls = open_acls();
    if (json->has("acl")) {
        Result<std::string> acls = read_acls_json(*json);
        if (!acls) return acls.error();
        record.acls = std::move(*acls);
    }
    record.ephemeral = json->boolean("ephemeral");
    return record;
}

const std::string& open_acls() {
    static const std::string wire = [] {
        Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
        return wire_of({&anyone, 1});
    }();
    return wire;
}

std::vector<Acl> acls_of(std::string_view wire) {
    Reader in(as_bytes(wire));
    return read_acls(in);
}

std::string wire_of(std::span<const Acl> acls) {
    Buffer out;
    write_acls(out, acls);
    return std::string(out.text());
}

bool hides_digests(std::string_view wire) {
    if (wire == open_acls()) return false;
    for (const Acl& acl : acls_of(wire))
        if (acl.scheme == "digest" && acl.id.ends_with(":x")) return true;
    return false;
}

std::string_view relative_path(std::string_view root, std::string_view path) {
    if (root == "/") return path;
    return path.size() == root.size() ? "/" : path.substr(root.size());
}

std::string join_paths(std::string_view root, std::string_view relative) {
    if (relative == "/") return std::string(root);
    return std::string(root == "/" ? "" : root).append(relative);
}

}  // namespace zk
