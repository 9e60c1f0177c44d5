// word.h -- asks a server a four-letter word, beside the session.
//
// Owns a connection of its own for as long as the answer takes. Any of ZooKeeper's words, as far as
// the server answers them. The server closes the connection behind its answer; `done` is called
// then, or when there is none to be had, with what came.

#pragma once

#include <string>

#include "client/link.h"

namespace zk {

class Word {
public:
    using Done = void (*)(void* context, std::string_view answer);

    Word(uv_loop_t* loop, const ServerName& server, std::string_view word, Done done,
         void* context);
    Word(const Word&) = delete;
    Word& operator=(const Word&) = delete;
    ~Word();

private:
    void end();

    std::string word_;
    std::string answer_;
    Done done_;
    void* context_;
    Link* link_ = nullptr;
};

}  // namespace zk
