// json.cc -- see json.h.

#include "cli/json.h"

#include <nlohmann/json.hpp>

#include "cli/print.h"

namespace zk {

namespace {

using Library = nlohmann::ordered_json;

const Library* member(const Library& of, std::string_view name) {
    if (!of.is_object()) return nullptr;
    auto found = of.find(std::string(name));
    return found == of.end() ? nullptr : &*found;
}

}  // namespace

struct Json::Value {
    Library json;
};

Json::Json() : value_(new Value) {}
Json::Json(std::string_view text) : value_(new Value{std::string(text)}) {}
Json::Json(int64_t number) : value_(new Value{number}) {}
Json::Json(std::unique_ptr<Value> value) : value_(std::move(value)) {}
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Json Json::object() { return Json(std::make_unique<Value>(Value{Library::object()})); }
Json Json::array() { return Json(std::make_unique<Value>(Value{Library::array()})); }

Result<Json> Json::parse(std::string_view text) {
    auto made = std::make_unique<Value>();
    made->json = Library::parse(text.begin(), text.end(), nullptr, false);
    if (made->json.is_discarded()) return Error{.text = "this is no JSON"};
    return Json(std::move(made));
}

Json& Json::set(std::string_view name, std::string_view value) {
    value_->json[std::string(name)] = std::string(value);
    return *this;
}
Json& Json::set(std::string_view name, int64_t value) {
    value_->json[std::string(name)] = value;
    return *this;
}
Json& Json::set(std::string_view name, double value) {
    value_->json[std::string(name)] = value;
    return *this;
}
Json& Json::set(std::string_view name, bool value) {
    value_->json[std::string(name)] = value;
    return *this;
}
Json& Json::set(std::string_view name, Json value) {
    value_->json[std::string(name)] = std::move(value.value_->json);
    return *this;
}

Json& Json::set_data(Bytes data) {
    if (data.data() == nullptr)
        value_->json["data"] = nullptr;
    else if (is_text(data))
        set("data", as_text(data));
    else
        set("base64", to_base64(data));
    return *this;
}

Json& Json::set_stat(const Stat& stat) {
    Json made = object();
    made.set("czxid", stat.czxid).set("mzxid", stat.mzxid).set("pzxid", stat.pzxid);
    made.set("ctime", stat.ctime).set("mtime", stat.mtime);
    made.set("version", stat.version).set("cversion", stat.cversion);
    made.set("aversion", stat.aversion).set("ephemeralOwner", stat.ephemeral_owner);
    made.set("dataLength", stat.data_length).set("numChildren", stat.num_children);
    return set("stat", std::move(made));
}

Json& Json::add(std::string_view value) {
    value_->json.push_back(std::string(value));
    return *this;
}
Json& Json::add(int64_t value) {
    value_->json.push_back(value);
    return *this;
}
Json& Json::add(Json value) {
    value_->json.push_back(std::move(value.value_->json));
    return *this;
}

const std::string* Json::text(std::string_view name) const {
    const Library* found = member(value_->json, name);
    return found == nullptr ? nullptr : found->get_ptr<const std::string*>();
}

bool Json::number(std::string_view name, int64_t& value) const {
    const Library* found = member(value_->json, name);
    if (found == nullptr || !found->is_number_integer()) return false;
    value = found->get<int64_t>();
    return true;
}

bool Json::boolean(std::string_view name) const {
    const Library* found = member(value_->json, name);
    return found != nullptr && found->is_boolean() && found->get<bool>();
}

bool Json::has(std::string_view name) const { return member(value_->json, name) != nullptr; }
bool Json::is_object() const { return value_->json.is_object(); }

bool Json::data(std::string& bytes, bool& none) const {
    bytes.clear();
    none = false;
    if (const Library* coded = member(value_->json, "base64")) {
        if (!coded->is_string()) return false;
        Result<std::string> decoded = from_base64(coded->get_ref<const std::string&>());
        if (!decoded) return false;
        bytes = std::move(*decoded);
        return true;
    }
    const Library* plain = member(value_->json, "data");
    none = plain == nullptr || plain->is_null();
    if (none) return true;
    if (!plain->is_string()) return false;
    bytes = plain->get_ref<const std::string&>();
    return true;
}

size_t Json::size(std::string_view name) const {
    const Library* of = name.empty() ? &value_->json : member(value_->json, name);
    return of != nullptr && of->is_array() ? of->size() : 0;
}

Json Json::at(size_t index, std::string_view name) const {
    ASSERT(index < size(name));
    const Library& of = name.empty() ? value_->json : *member(value_->json, name);
    return Json(std::make_unique<Value>(Value{of[index]}));
}

std::string Json::text() const {
    return value_->json.dump(-1, ' ', false, Library::error_handler_t::replace);
}

// By the table of well-formed byte sequences in the Unicode standard (3.9, table 3-7).
bool is_text(Bytes bytes) {
    for (size_t at = 0; at < bytes.size();) {
        uint8_t first = bytes[at];
        size_t more = first < 0x80 ? 0 : first < 0xc2 ? 9 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        if (first == 0 || first > 0xf4 || more == 9 || at + more >= bytes.size()) return false;
        for (size_t i = 1; i <= more; ++i) {
            uint8_t least = i > 1 ? 0x80 : first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
            uint8_t most = i > 1 ? 0xbf : first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
            if (bytes[at + i] < least || bytes[at + i] > most) return false;
        }
        at += more + 1;
    }
    return true;
}

}  // namespace zk
