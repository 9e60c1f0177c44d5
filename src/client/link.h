// link.h -- one TCP connection to one server: look the name up, connect, move bytes.
//
// Owns the socket and the buffers of what is on its way. Decides nothing: when to give up, whom to
// try next and what the bytes mean is the Client's.
//
//     open -> (lookup) -> connect -> on_open -> on_bytes ... -> on_failed
//
// A link that failed stays until its owner closes it. After close() no event comes any more; the
// memory goes when libuv has let go of the handle and of the lookup.
//
// A host may have several addresses. A link tries one, the `choice`-th; `choices` says how many
// there are once it is known, so that the owner can open another link to the next.

#pragma once

#include <uv.h>

#include <string>

#include "base/bytes.h"
#include "client/options.h"

namespace zk {

struct LinkEvents {
    void* context = nullptr;
    void (*on_open)(void* context) = nullptr;
    // `in` holds all bytes that came and were not consumed yet.
    void (*on_bytes)(void* context, Buffer& in) = nullptr;
    void (*on_writable)(void* context) = nullptr;  // what `send` had left over is gone
    void (*on_failed)(void* context, std::string why) = nullptr;
};

class Link {
public:
    // The result is the caller's until close().
    static Link* open(uv_loop_t* loop, const ServerName& server, uint32_t choice,
                      LinkEvents events);
    void close();

    // Sends all of `out` or, while earlier bytes are still on their way, nothing; then on_writable
    // follows. Requires: on_open has come.
    void send(Buffer& out);

    uint32_t choices() const { return choices_; }
    const std::string& address() const { return address_; }  // numeric; "" before it is known
    bool opened() const { return opened_; }  // on_open has come
    // Why it failed within open(), before any event could come; "" if it did not.
    const std::string& refused() const { return refused_; }
    // The next reads are going to bring `size` bytes: makes room for them at once.
    void expect(size_t size) { expected_ = size; }

private:
    Link() = default;
    ~Link() = default;

    int start(const sockaddr* address);
    std::string cannot_connect(int status) const;
    void fail(std::string why);
    void release();
    static void on_looked_up(uv_getaddrinfo_t* request, int status, addrinfo* found);
    static void on_connected(uv_connect_t* request, int status);
    static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
    static void on_written(uv_write_t* request, int status);

    uv_loop_t* loop_ = nullptr;
    ServerName server_;
    LinkEvents events_;
    uint32_t choice_ = 0;
    uint32_t choices_ = 1;
    std::string address_;
    std::string refused_;
    uv_tcp_t tcp_ = {};
    uv_getaddrinfo_t lookup_ = {};
    uv_connect_t connect_ = {};
    uv_write_t write_ = {};
    bool has_tcp_ = false;
    bool opened_ = false;
    bool looking_up_ = false;
    bool writing_ = false;
    bool closed_ = false;
    bool heard_ = false;  // bytes have come
    Buffer in_;
    Buffer sending_;  // owned by write_ while writing_
    size_t read_size_ = 4096;  // doubles when a read fills it
    size_t asked_ = 0;         // spare bytes of in_ that were offered to the read under way
    size_t expected_ = 0;
};

}  // namespace zk
