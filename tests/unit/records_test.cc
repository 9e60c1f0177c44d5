// records_test.cc -- the records of the client protocol: golden bytes, round trips, what hostile
// bytes make of them.

#include "wire/records.h"

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

std::string hex(std::string_view bytes) {
    std::string text;
    for (char c : bytes) {
        char two[3];
        snprintf(two, sizeof two, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        text += two;
    }
    return text;
}

// Does the record read as well formed from all of these bytes, and from none of their beginnings?
template <typename Decode>
void check_cuts(std::string_view bytes, Decode decode_one) {
    for (size_t size = 0; size <= bytes.size(); ++size) {
        // A copy of just this size, so that a read past its end is caught.
        std::string cut(bytes.substr(0, size));
        Reader in(as_bytes(cut));
        decode_one(in);
        CHECK_MESSAGE(in.ok() == (size == bytes.size()), "cut at ", size);
    }
}

}  // namespace

TEST_CASE("a create request has the bytes that ZooKeeper's has") {
    Create create{.path = "/a", .data = "xy", .flags = 1};
    CHECK(hex(create.body()) == "000000022f61"
                                "000000027879"
                                "000000010000001f00000005776f726c6400000006616e796f6e65"
                                "00000001");
    CHECK(hex(Create{.path = "/a", .data = std::nullopt, .ttl_ms = 5}.body(true)).ends_with(
        "00000000"
        "0000000000000005"));
}

TEST_CASE("a connect response has 37 bytes, or 36 for who sent no read-only byte") {
    ConnectResponse response{.timeout_ms = 4000, .session = 1, .password = password};
    CHECK(body_of(response).size() == 37);
    response.has_read_only = false;
    CHECK(body_of(response).size() == 36);
}

TEST_CASE("a connect request says whether it had the read-only byte") {
    ConnectRequest request{.last_zxid_seen = 5,
                           .timeout_ms = 4000,
                           .session = 9,
                           .password = password,
                           .read_only = true};
    for (bool flag : {true, false}) {
        request.has_read_only = flag;
        std::string bytes = body_of(request);
        CHECK(bytes.size() == (flag ? 45 : 44));
        Reader in(as_bytes(bytes));
        ConnectRequest read;
        decode(in, read);
        CHECK(in.ok());
        CHECK(read.has_read_only == flag);
        CHECK(read.read_only == flag);
        CHECK(read.session == 9);
        CHECK(read.last_zxid_seen == 5);
        CHECK(read.password.size() == password_size);
    }
    std::string whole = body_of(request);
    for (size_t size = 0; size < 44; ++size) {
        std::string cut = whole.substr(0, size);
        Reader in(as_bytes(cut));
        ConnectRequest read;
        decode(in, read);
        CHECK_FALSE(in.ok());
    }
}

TEST_CASE("a stat takes 68 bytes and comes back as it went") {
    Stat stat{.czxid = 1, .mzxid = 2, .ctime = 3, .mtime = 4, .version = -1, .cversion = -2,
              .aversion = 7, .ephemeral_owner = -8, .data_length = 9, .num_children = 10,
              .pzxid = 11};
    std::string bytes = body_of(stat);
    CHECK(bytes.size() == 68);
    Reader in(as_bytes(bytes));
    Stat read;
    decode(in, read);
    CHECK(body_of(read) == bytes);
    CHECK(read.pzxid == 11);
    CHECK(read.ephemeral_owner == -8);
}

TEST_CASE("null and empty are two values") {
    Buffer out;
    write_buffer(out, Bytes());
    write_buffer(out, as_bytes(""));
    write_text(out, std::string_view());
    write_text(out, "");
    CHECK(hex(out.text()) == "ffffffff00000000ffffffff00000000");
    Reader in(out.bytes());
    CHECK(read_buffer(in).data() == nullptr);
    CHECK(read_buffer(in).data() != nullptr);
    CHECK(read_text(in).data() == nullptr);
    CHECK(read_text(in).data() != nullptr);
    CHECK(in.ok());
}

TEST_CASE("a length below -1 or beyond the frame is no length") {
    for (int32_t size : {-2, -1000, INT32_MIN, 5, 1 << 30, INT32_MAX}) {
        Buffer out;
        out.i32(size);
        out.append("1234");
        Reader in(out.bytes());
        read_buffer(in);
        CHECK_FALSE(in.ok());
    }
}

TEST_CASE("a count that cannot fit is refused before anything is made of it") {
    for (int32_t count : {2, 1000, 1 << 28, INT32_MAX}) {
        Buffer out;
        out.i32(count);
        out.append("1234");
        Reader in(out.bytes());
        std::vector<std::string_view> texts = read_texts(in);
        CHECK_FALSE(in.ok());
        CHECK(texts.capacity() == 0);
    }
    Buffer out;
    out.i32(INT32_MAX);
    out.append(std::string(64, '\0'));
    Reader in(out.bytes());
    CHECK(read_acls(in).capacity() == 0);
    CHECK_FALSE(in.ok());
}

TEST_CASE("negative counts are empty vectors") {
    for (int32_t count : {-1, -2, INT32_MIN}) {
        Buffer out;
        out.i32(count);
        Reader in(out.bytes());
        CHECK(read_texts(in).empty());
        CHECK(in.ok());
        Reader again(out.bytes());
        CHECK(read_count(again, 4).null);
    }
}

TEST_CASE("setWatches does not take null vectors") {
    for (bool second : {false, true}) {
        for (size_t null = 0; null < (second ? 5u : 3u); ++null) {
            Buffer out;
            out.i64(1);
            for (size_t i = 0; i < (second ? 5u : 3u); ++i) out.i32(i == null ? -1 : 0);
            Reader in(out.bytes());
            SetWatches record;
            decode(in, record, second);
            CHECK_FALSE(in.ok());
        }
    }
}

TEST_CASE("no record reads beyond its end, wherever it is cut") {
    Create create{.path = "/path", .data = "data", .flags = 3, .ttl_ms = 9};
    check_cuts(create.body(), [](Reader& in) {
        CreateRequest record;
        decode(in, record, false);
    });
    check_cuts(create.body(true), [](Reader& in) {
        CreateRequest record;
        decode(in, record, true);
    });
    check_cuts(body_of(PathVersion{.path = "/p", .version = 3}), [](Reader& in) {
        PathVersion record;
        decode(in, record);
    });
    check_cuts(body_of(SetDataRequest{.path = "/p", .data = as_bytes("d"), .version = 1}),
               [](Reader& in) {
                   SetDataRequest record;
                   decode(in, record);
               });
    std::string acls = open_acl();
    check_cuts(body_of(SetAclRequest{.path = "/p", .acls = as_bytes(acls), .version = 1}),
               [](Reader& in) {
                   SetAclRequest record;
                   decode(in, record);
               });
    check_cuts(body_of(PathWatch{.path = "/p", .watch = true}), [](Reader& in) {
        PathWatch record;
        decode(in, record);
    });
    check_cuts(body_of(PathNumber{.path = "/p", .number = 1}), [](Reader& in) {
        PathNumber record;
        decode(in, record);
    });
    check_cuts(body_of(AuthPacket{.scheme = "digest", .auth = as_bytes("a:b")}), [](Reader& in) {
        AuthPacket record;
        decode(in, record);
    });
    check_cuts(body_of(ReconfigRequest{.joining = "a", .leaving = "b", .members = "c"}),
               [](Reader& in) {
                   ReconfigRequest record;
                   decode(in, record);
               });
    check_cuts(body_of(WatcherEvent{.type = EventType::created, .path = "/p"}), [](Reader& in) {
        WatcherEvent record;
        decode(in, record);
    });
    for (bool second : {false, true}) {
        Buffer out;
        encode(out,
               SetWatches{.relative_zxid = 5, .data = {"/a", "/b"}, .exist = {"/c"}, .child = {},
                          .persistent = {"/p"}, .recursive = {"/r", ""}},
               second);
        check_cuts(out.text(), [&](Reader& in) {
            SetWatches record;
            decode(in, record, second);
        });
    }
}

TEST_CASE("a reply's header has 16 bytes and comes back as it went") {
    Buffer out;
    write_reply_header(out, {.xid = -1, .zxid = 77, .err = Err::no_node});
    CHECK(hex(out.text()) == "ffffffff000000000000004dffffff9b");
    Reader in(out.bytes());
    ReplyHeader header = read_reply_header(in);
    CHECK(header.xid == -1);
    CHECK(header.zxid == 77);
    CHECK(header.err == Err::no_node);
}

TEST_CASE("an entry comes back as it went, and is refused where its head is cut") {
    Entry entry{.term = 3, .zxid = 4, .time_ms = -5,
                .origin = {.node = 1, .client = 2, .request = 9},
                .session = -6, .op = 1, .ids = as_bytes("ids"), .body = as_bytes("body")};
    std::string bytes = body_of(entry);
    CHECK(bytes.size() == encoded_size(entry));
    Entry read;
    REQUIRE(decode(as_bytes(bytes), read));
    CHECK(read.term == 3);
    CHECK(read.zxid == 4);
    CHECK(read.time_ms == -5);
    CHECK(read.origin == entry.origin);
    CHECK(read.session == -6);
    CHECK(as_text(read.ids) == "ids");
    CHECK(as_text(read.body) == "body");
    for (size_t size = 0; size < entry_head_size + 3; ++size)
        CHECK_FALSE(decode(as_bytes(bytes).first(size), read));
}
