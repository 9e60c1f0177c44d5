// frame.cc -- see frame.h.

#include "quorum/frame.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/hash.h"

namespace zk {

namespace {

constexpr uint32_t hello_magic = 0x7a6b6471;  // "zkdq"
constexpr size_t proof_size = 32;

void encode(Buffer& out, const Hello& hello) {
    out.u32(hello_magic);
    out.u16(hello.version);
    out.u32(hello.id);
    out.u64(hello.ensemble);
    out.append(Bytes(hello.chance, sizeof hello.chance));
}

bool decode(Bytes bytes, Hello& hello) {
    Reader in(bytes);
    if (in.u32() != hello_magic) return false;
    hello.version = in.u16();
    hello.id = in.u32();
    hello.ensemble = in.u64();
    Bytes chance = in.bytes(sizeof hello.chance);
    if (!in.ok()) return false;
    memcpy(hello.chance, chance.data(), chance.size());
    return true;
}

uint32_t check_of(Bytes bytes, uint64_t key) {
    return static_cast<uint32_t>(hash64(bytes, key));
}

}  // namespace

size_t begin_peer_frame(Buffer& out, FrameKind kind) {
    size_t at = out.size();
    out.grow(8);
    out.u8(static_cast<uint8_t>(kind));
    return at;
}

void end_peer_frame(Buffer& out, size_t at, uint64_t key) {
    size_t length = out.size() - at - 4;
    ASSERT(length <= frame_max);
    out.patch_u32(at, static_cast<uint32_t>(length));
    out.patch_u32(at + 4, check_of(out.bytes().subspan(at + 8), key));
}

Cut cut_frame(Bytes in, uint64_t key, size_t most, Frame& frame, size_t& used) {
    if (in.size() < 4) return Cut::more;
    size_t length = load_u32(in.data());
    if (length < frame_head_size - 4 || length > most) return Cut::bad;
    if (in.size() < 4 + length) return Cut::more;
    Bytes checked = in.subspan(8, length - 4);
    uint8_t kind = checked[0];
    if (check_of(checked, key) != load_u32(in.data() + 4) || kind == 0 || kind > frame_kind_last)
        return Cut::bad;
    frame.kind = static_cast<FrameKind>(kind);
    frame.payload = checked.subspan(1);
    used = 4 + length;
    return Cut::frame;
}

// What both sides compute, who dialed first.
std::string Handshake::code(std::string_view what) const {
    Buffer text;
    text.append(what);
    encode(text, dialed_ ? mine_ : *other_);
    encode(text, dialed_ ? *other_ : mine_);
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()), text.data(), text.size(),
         out, &size);
    ASSERT(size == proof_size);
    return std::string(reinterpret_cast<const char*>(out), size);
}

void Handshake::say_hello(Buffer& out) const {
    size_t at = begin_peer_frame(out, FrameKind::hello);
    encode(out, mine_);
    end_peer_frame(out, at, 0);
}

void Handshake::prove(Buffer& out) const {
    size_t at = begin_peer_frame(out, FrameKind::proof);
    out.append(code(dialed_ ? "dialed" : "answered"));
    end_peer_frame(out, at, 0);
}

void Handshake::begin(Buffer& out) {
    if (dialed_) say_hello(out);
}

bool Handshake::take(const Frame& frame, Buffer& out, const char*& why) {
    ASSERT(!done_);
    if (!other_) {
        Hello hello;
        why = "it does not speak zkd's quorum protocol";
        if (frame.kind != FrameKind::hello || !decode(frame.payload, hello)) return false;
        why = "it speaks another version of the quorum protocol";
        if (hello.version != frame_version) return false;
        why = "it has an id that no server has";
        if (hello.id == 0 || hello.id > link_id_max) return false;
        why = "it has this node's own id";
        if (hello.id == mine_.id) return false;
        other_ = hello;
        if (dialed_)
            prove(out);
        else
            say_hello(out);
        return true;
    }
    why = "it does not know the secret (quorum.secret)";
    if (frame.kind != FrameKind::proof || frame.payload.size() != proof_size) return false;
    std::string expected = code(dialed_ ? "answered" : "dialed");
    if (CRYPTO_memcmp(expected.data(), frame.payload.data(), proof_size) != 0) return false;
    if (!dialed_) prove(out);
    why = "it belongs to another ensemble";
    if (mine_.ensemble != 0 && other_->ensemble != 0 && mine_.ensemble != other_->ensemble)
        return false;
    key_ = load_u64(reinterpret_cast<const uint8_t*>(code("key").data()));
    done_ = true;
    return true;
}

}  // namespace zk
