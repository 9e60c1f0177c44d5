// commands.cc -- see commands.h.

#include "state/commands.h"

#include <array>

namespace zk {

namespace {

template <typename Record>
bool well(Reader& in) {
    Record record;
    decode(in, record);
    return in.ok();
}
bool well_create(Reader& in) {
    CreateRequest record;
    decode(in, record, false);
    return in.ok();
}
bool well_create_ttl(Reader& in) {
    CreateRequest record;
    decode(in, record, true);
    return in.ok();
}

constexpr auto write = CommandKind::write;
constexpr auto read = CommandKind::read;
constexpr auto session = CommandKind::session;
constexpr auto refused = CommandKind::refused;

// Columns: code; names; what it is; for writes: the record's check and the handler; for reads:
// the handler.
constexpr std::array rows = {
    Command{Op::create, "create", "CREA", write, well_create, write_create, nullptr},
    Command{Op::remove, "delete", "DELE", write, well<PathVersion>, write_delete, nullptr},
    Command{Op::exists, "exists", "EXIS", read, nullptr, nullptr, read_exists},
    Command{Op::get_data, "getData", "GETD", read, nullptr, nullptr, read_get_data},
    Command{Op::set_data, "setData", "SETD", write, well<SetDataRequest>, write_set_data, nullptr},
    Command{Op::get_acl, "getACL", "GETA", read, nullptr, nullptr, read_get_acl},
    Command{Op::set_acl, "setACL", "SETA", write, well<SetAclRequest>, write_set_acl, nullptr},
    Command{Op::get_children, "getChildren", "GETC", read, nullptr, nullptr, read_children},
    Command{Op::sync, "sync", "SYNC", read, nullptr, nullptr, read_sync},
    Command{Op::ping, "ping", "PING", session, nullptr, nullptr, nullptr},
    Command{Op::get_children2, "getChildren2", "GETC", read, nullptr, nullptr, read_children},
    Command{Op::check, "check", "CHEC", refused, well<PathVersion>, write_check, nullptr},
    Command{Op::multi, "multi", "MULT", write, multi_well_formed, write_multi, nullptr},
    Command{Op::create2, "create2", "CREA", write, well_create, write_create, nullptr},
    Command{Op::reconfig, "reconfig", "RECO", write, well<ReconfigRequest>, write_reconfig,
            nullptr},
    Command{Op::check_watches, "checkWatches", "CHKW", read, nullptr, nullptr, read_watches},
    Command{Op::remove_watches, "removeWatches", "REMW", read, nullptr, nullptr, read_watches},
    Command{Op::create_container, "createContainer", "CREA", write, well_create, write_create,
            nullptr},
    Command{Op::delete_container, "deleteContainer", "DELE", refused, nullptr,
            write_delete_container, nullptr},
    Command{Op::create_ttl, "createTTL", "CREA", write, well_create_ttl, write_create, nullptr},
    Command{Op::multi_read, "multiRead", "MLTR", read, nullptr, nullptr, read_multi},
    Command{Op::auth, "auth", "AUTH", session, nullptr, nullptr, nullptr},
    Command{Op::set_watches, "setWatches", "SETW", read, nullptr, nullptr, read_set_watches},
    Command{Op::sasl, "sasl", "SASL", session, nullptr, nullptr, nullptr},
    Command{Op::get_ephemerals, "getEphemerals", "GETE", read, nullptr, nullptr, read_ephemerals},
    Command{Op::get_all_children_number, "getAllChildrenNumber", "GETACN", read, nullptr, nullptr,
            read_children_number},
    Command{Op::set_watches2, "setWatches2", "STW2", read, nullptr, nullptr, read_set_watches},
    Command{Op::add_watch, "addWatch", "ADDW", read, nullptr, nullptr, read_add_watch},
    Command{Op::who_am_i, "whoAmI", "HOMI", read, nullptr, nullptr, read_who_am_i},
    Command{Op::create_session, "createSession", "SESS", refused, nullptr, nullptr, nullptr},
    Command{Op::close_session, "closeSession", "CLOS", session, nullptr, nullptr, nullptr},
};

constexpr size_t code_count = 128;

// Row + 1 of each code from 0 on; the negative two come after.
constexpr auto by_code = [] {
    std::array<uint8_t, code_count> table{};
    for (size_t i = 0; i < rows.size(); ++i) {
        int32_t code = static_cast<int32_t>(rows[i].op);
        if (code >= 0) table[static_cast<size_t>(code)] = static_cast<uint8_t>(i + 1);
    }
    return table;
}();

}  // namespace

std::span<const Command> commands() { return rows; }

const Command* find_command(int32_t op) {
    if (op >= 0 && static_cast<size_t>(op) < code_count) {
        uint8_t row = by_code[static_cast<size_t>(op)];
        return row == 0 ? nullptr : &rows[row - 1u];
    }
    for (const Command& row : rows)
        if (static_cast<int32_t>(row.op) == op) return &row;
    return nullptr;
}

void encode(Buffer& out, const NewSession& record) {
    out.i32(record.timeout_ms);
    out.u16(record.chance);
    write_buffer(out, record.password);
}
void decode(Reader& in, NewSession& record) {
    record.timeout_ms = in.i32();
    record.chance = in.u16();
    record.password = read_buffer(in);
}

void encode(Buffer& out, const AttachSession& record) {
    out.i32(record.timeout_ms);
    write_buffer(out, record.password);
}
void decode(Reader& in, AttachSession& record) {
    record.timeout_ms = in.i32();
    record.password = read_buffer(in);
}

void encode(Buffer& out, const ReapZnode& record) {
    out.i64(record.czxid);
    out.i64(record.mtime);
    write_text(out, record.path);
}
void decode(Reader& in, ReapZnode& record) {
    record.czxid = in.i64();
    record.mtime = in.i64();
    record.path = read_text(in);
}

}  // namespace zk
