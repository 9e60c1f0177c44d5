// cli_json_test.cc -- values as JSON, and bytes that are none.

#include <doctest/doctest.h>

#include "cli/json.h"

using namespace zk;
using namespace std::string_literals;

TEST_CASE("members stay in the order in which they were set") {
    Json json = Json::object();
    json.set("z", "1").set("a", int64_t{1} << 60).set("m", true);
    CHECK(json.text() == R"({"z":"1","a":1152921504606846976,"m":true})");
}

TEST_CASE("data comes back as it went, whatever it is") {
    for (const std::string& data :
         {""s, "text"s, "\n\"\x7f\xc3\xa4"s, "\0"s, "\xff\xfe"s, "\xc0\x80"s, "\xed\xa0\x80"s,
          "\xf4\x90\x80\x80"s, "cut \xc3"s}) {
        Json json = Json::object();
        json.set_data(as_bytes(data));
        Result<Json> read = Json::parse(json.text());
        REQUIRE(read.has_value());
        std::string got;
        bool none = false;
        REQUIRE(read->data(got, none));
        CHECK(got == data);
        CHECK_FALSE(none);
    }
    Json json = Json::object();
    json.set_data({});
    CHECK(json.text() == R"({"data":null})");
    std::string got;
    bool none = false;
    CHECK((json.data(got, none) && none));
}

TEST_CASE("text is text, and the rest is base64") {
    for (const char* text : {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\x98", "\xed\x9f\xbf"})
        CHECK(is_text(as_bytes(text)));
    for (const std::string& bytes :
         {"\0"s, "\x80"s, "\xc1\xbf"s, "\xe0\x9f\xbf"s, "\xf5\x80\x80\x80"s})
        CHECK_FALSE(is_text(as_bytes(bytes)));
}

TEST_CASE("what is no JSON is told") {
    for (const char* text : {"", "{", "nul", "{\"a\":1} x", "{\"base64\":\"*\"}"}) {
        Result<Json> read = Json::parse(text);
        std::string got;
        bool none = false;
        CHECK((!read || !read->data(got, none)));
    }
}
