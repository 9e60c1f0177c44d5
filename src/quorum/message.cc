// message.cc -- see message.h.

#include "quorum/message.h"

namespace zk {

void encode(Buffer& out, const Message& message) {
    out.u8(static_cast<uint8_t>(message.kind));
    out.boolean(message.flag);
    out.u64(message.term);
    out.u64(message.zxid);
    out.u64(message.zxid_term);
    out.u64(message.last);
    out.u64(message.commit);
    out.u64(message.round);
}

void decode(Reader& in, Message& message) {
    uint8_t kind = in.u8();
    if (kind == 0 || kind > message_kind_last) in.fail();
    message.kind = static_cast<MessageKind>(kind);
    message.flag = in.boolean();
    message.term = in.u64();
    message.zxid = in.u64();
    message.zxid_term = in.u64();
    message.last = in.u64();
    message.commit = in.u64();
    message.round = in.u64();
}

}  // namespace zk
