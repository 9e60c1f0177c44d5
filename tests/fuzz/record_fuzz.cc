// record_fuzz.cc -- every record of the client protocol, fed with anything.
//
// The first byte chooses the record. What decodes must encode and decode to the same bytes again,
// and no view may reach outside of the input (which the sanitizers see when it is copied).

#include <cstdlib>
#include <string>

#include "state/commands.h"
#include "wire/records.h"

using namespace zk;

namespace {

void need(bool condition) {
    if (!condition) abort();
}

template <typename Record>
void round_trip(Bytes input) {
    Reader in(input);
    Record record;
    decode(in, record);
    if (!in.ok()) return;
    Buffer once;
    encode(once, record);
    Reader again(once.bytes());
    Record copy;
    decode(again, copy);
    need(again.ok() && again.left() == 0);
    Buffer twice;
    encode(twice, copy);
    need(once.text() == twice.text());
}

template <typename Record>
void round_trip_with(Bytes input, bool flag) {
    Reader in(input);
    Record record;
    decode(in, record, flag);
    if (!in.ok()) return;
    Buffer once;
    encode(once, record, flag);
    Reader again(once.bytes());
    Record copy;
    decode(again, copy, flag);
    need(again.ok() && again.left() == 0);
}

// What a server does with a body before it trusts it.
void check_all(Bytes input) {
    for (const Command& command : commands())
        State::well_formed(static_cast<int32_t>(command.op), input);
    Reader in(input);
    std::vector<Acl> acls = read_acls(in);
    size_t total = 0;
    for (const Acl& acl : acls)
        total += std::string(acl.scheme).size() + std::string(acl.id).size();
    need(total <= input.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    Bytes input(data + 1, size - 1);
    switch (data[0] % 16) {
    case 0: round_trip<ConnectRequest>(input); break;
    case 1: round_trip<ConnectResponse>(input); break;
    case 2: round_trip<Stat>(input); break;
    case 3: round_trip_with<CreateRequest>(input, false); break;
    case 4: round_trip_with<CreateRequest>(input, true); break;
    case 5: round_trip<PathVersion>(input); break;
    case 6: round_trip<SetDataRequest>(input); break;
    case 7: round_trip<SetAclRequest>(input); break;
    case 8: round_trip<PathWatch>(input); break;
    case 9: round_trip<PathNumber>(input); break;
    case 10: round_trip<AuthPacket>(input); break;
    case 11: round_trip_with<SetWatches>(input, (data[0] & 16) != 0); break;
    case 12: round_trip<MultiHeader>(input); break;
    case 13: round_trip<ReconfigRequest>(input); break;
    case 14: round_trip<WatcherEvent>(input); break;
    default: check_all(input); break;
    }
    return 0;
}
