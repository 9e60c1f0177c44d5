// word.cc -- see word.h.

#include "client/word.h"

#include <utility>

namespace zk {

namespace {

constexpr size_t answer_bytes_max = 16u << 20;

}  // namespace

Word::Word(uv_loop_t* loop, const ServerName& server, std::string_view word, Done done,
           void* context)
    : word_(word), done_(done), context_(context) {
    LinkEvents events{.context = this};
    events.on_open = [](void* of) {
        auto* self = static_cast<Word*>(of);
        Buffer out;
        out.append(self->word_);
        self->link_->send(out);
    };
    events.on_bytes = [](void* of, Buffer& in) {
        auto* self = static_cast<Word*>(of);
        self->answer_.append(in.text());
        in.clear();
        if (self->answer_.size() > answer_bytes_max) self->end();
    };
    events.on_writable = [](void*) {};
    events.on_failed = [](void* of, std::string) { static_cast<Word*>(of)->end(); };
    link_ = Link::open(loop, server, 0, events);
    if (!link_->refused().empty()) std::exchange(link_, nullptr)->close();
}

Word::~Word() {
    if (link_ != nullptr) link_->close();
}

void Word::end() {
    std::exchange(link_, nullptr)->close();
    done_(context_, answer_);
}

}  // namespace zk
