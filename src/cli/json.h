// json.h -- a JSON value, to be made and written, or read.
//
// Owns its value. The library behind it (nlohmann's) is heavy to compile, so only json.cc sees it.
// Members keep the order in which they were set. Texts are to be UTF-8; what is not is written with
// the replacement character, so bytes of unknown kind go through `set_data`:
//
//     "data": "text"    "base64": "AAECAw=="    "data": null
//
// whichever says it: text where the bytes are UTF-8, base64 where they are not, null for no data.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/records.h"

namespace zk {

class Json {
public:
    Json();  // null
    explicit Json(std::string_view text);
    explicit Json(int64_t number);
    static Json object();
    static Json array();
    static Result<Json> parse(std::string_view text);
    Json(Json&&) noexcept;
    Json& operator=(Json&&) noexcept;
    ~Json();

    // Of an object; each gives the object back.
    Json& set(std::string_view name, std::string_view value);
    Json& set(std::string_view name, const char* value) {
        return set(name, std::string_view(value));
    }
    Json& set(std::string_view name, int64_t value);
    Json& set(std::string_view name, int32_t value) { return set(name, int64_t{value}); }
    Json& set(std::string_view name, uint32_t value) { return set(name, int64_t{value}); }
    Json& set(std::string_view name, uint64_t value) {
        return set(name, static_cast<int64_t>(value));
    }
    Json& set(std::string_view name, double value);
    Json& set(std::string_view name, bool value);
    Json& set(std::string_view name, Json value);
    Json& set_data(Bytes data);
    Json& set_stat(const Stat& stat);  // as "stat", an object
    // Of an array.
    Json& add(std::string_view value);
    Json& add(int64_t value);
    Json& add(Json value);

    // Of what was read. Nothing of that kind there: nullptr, or false.
    const std::string* text(std::string_view name) const;
    bool number(std::string_view name, int64_t& value) const;
    bool boolean(std::string_view name) const;  // false where it is not there
    bool has(std::string_view name) const;
    bool is_object() const;
    // The reverse of set_data: false where it is there and no good. `none`: null, or not there.
    bool data(std::string& bytes, bool& none) const;
    // Elements of the array of that name, or of this one where it is empty.
    size_t size(std::string_view name = {}) const;
    Json at(size_t index, std::string_view name = {}) const;

    std::string text() const;  // one line

private:
    struct Value;
    explicit Json(std::unique_ptr<Value> value);
    std::unique_ptr<Value> value_;
};

// Is it UTF-8, and without a NUL?
bool is_text(Bytes bytes);

}  // namespace zk
