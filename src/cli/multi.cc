// multi.cc -- several writes as one: all are done, or none is.
//
// They come as arguments, with `;` or `--` between; from a file or standard input, one a line; or
// as the lines of a script (or of the prompt) between `multi` and `commit`. All are read before
// anything is sent.
//
// Failures: the server names the first write that could not be done, and then none was. A line that
// is not understood spoils the whole.

#include <algorithm>
#include <array>

#include "cli/handlers.h"
#include "cli/source.h"
#include "cli/words.h"

namespace zk {

namespace {

using Words = std::span<const std::string>;

struct PartRow {
    std::string_view name;
    Op op;
    Status (*read)(Shell& shell, const Args& args, TransactionOp& made);
};

Status read_path(Shell& shell, const Args& args, TransactionOp& made) {
    Status status = check_path(shell, args.word(0));
    if (status == Status::ok) status = read_version(shell, args, made.version);
    made.path = shell.full(args.word(0));
    return status;
}

constexpr std::array part_rows = {
    PartRow{.name = "create",
            .op = Op::create,
            .read =
                [](Shell& shell, const Args& args, TransactionOp& made) {
                    Status status = read_create(shell, args, made.made);
                    if (is_ephemeral(made.made.mode)) shell.hold_ephemerals();
                    return status;
                }},
    PartRow{.name = "delete", .op = Op::remove, .read = read_path},
    PartRow{.name = "set",
            .op = Op::set_data,
            .read =
                [](Shell& shell, const Args& args, TransactionOp& made) {
                    Status status = read_path(shell, args, made);
                    if (status != Status::ok) return status;
                    return read_data(shell, args.word(1), args.has("b"), made.data);
                }},
    PartRow{.name = "check", .op = Op::check, .read = read_path},
};

std::string_view name_of_op(Op op) {
    for (const PartRow& row : part_rows)
        if (row.op == op) return row.name;
    return "";
}

const std::string& path_of(const TransactionOp& op) {
    return op.op == Op::create ? op.made.path : op.path;
}

Status read_op(Shell& shell, Words words, TransactionOp& made) {
    const PartRow* part = nullptr;
    for (const PartRow& row : part_rows)
        if (row.name == words[0]) part = &row;
    if (part == nullptr)
        return shell.complain("multi is made of create, set, delete and check, not of " + words[0],
                              Status::usage);
    made.op = part->op;
    const Command* command = find_command(part->name);
    const Command* outer = shell.run_as(command);
    Result<Args> args = parse_args(command->options, words.subspan(1));
    Status status = Status::ok;
    if (!args)
        status = shell.usage(args.error().text);
    else if (args->words.size() < command->words_min)
        status = shell.usage("too few arguments");
    else if (args->words.size() > command->words_max)
        status = shell.usage("too many arguments");
    else
        status = part->read(shell, *args, made);
    shell.run_as(outer);
    return status;
}

Status add_op(Shell& shell, Words words, std::vector<TransactionOp>& ops) {
    if (ops.size() == transaction_ops_max)
        return shell.complain("more than " + std::to_string(transaction_ops_max) + " writes",
                              Status::usage);
    TransactionOp made;
    Status status = read_op(shell, words, made);
    if (status == Status::ok) ops.push_back(std::move(made));
    return status;
}

Status read_arguments(Shell& shell, Words words, std::vector<TransactionOp>& ops) {
    auto parts = [](const std::string& word) { return word == ";" || word == "--"; };
    while (!words.empty()) {
        auto end = std::find_if(words.begin(), words.end(), parts);
        auto size = static_cast<size_t>(end - words.begin());
        if (size > 0)
            if (Status bad = add_op(shell, words.first(size), ops); bad != Status::ok) return bad;
        words = words.subspan(std::min(size + 1, words.size()));
    }
    return Status::ok;
}

Status read_lines(Shell& shell, std::string_view text, std::vector<TransactionOp>& ops) {
    for (size_t number = 1; !text.empty(); ++number) {
        size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (is_idle_line(line)) continue;
        Result<std::vector<std::string>> words = split_words(line);
        Status status =
            words ? add_op(shell, *words, ops) : shell.complain(words.error().text, Status::usage);
        if (status == Status::ok) continue;
        shell.warn("that was line " + std::to_string(number) + "; nothing was sent");
        return status;
    }
    return Status::ok;
}

Call call_of(const std::vector<TransactionOp>& ops) {
    call::Multi multi;
    for (const TransactionOp& op : ops) {
        std::vector<Acl> acls;
        if (op.op == Op::create)
            multi.create(create_of(op.made, acls));
        else if (op.op == Op::set_data)
            multi.set_data(op.path, as_bytes(op.data), op.version);
        else if (op.op == Op::remove)
            multi.remove(op.path, op.version);
        else
            multi.check(op.path, op.version);
    }
    return multi.take();
}

// A line a write: its name and its path, which of a sequential create is news.
void show_part(Shell& shell, const TransactionOp& op, const Part& part) {
    std::string path(shell.local(op.op == Op::create ? part.path : path_of(op)));
    if (!shell.json()) {
        shell.out_line(std::string(name_of_op(op.op)) + " " + path);
        return;
    }
    Json json = Json::object();
    json.set("op", name_of_op(op.op)).set("path", path);
    if (part.stat) json.set_stat(*part.stat);
    shell.out_line(json);
}

Status send_all(Shell& shell, const std::vector<TransactionOp>& ops) {
    if (ops.empty()) return Status::ok;
    SyncClient::Reply reply = shell.call(call_of(ops));
    if (reply.header.err != Err::ok && reply.body.empty()) return shell.fail(reply.header.err, "");
    std::optional<std::vector<Part>> parts = decode_parts(reply.body);
    if (!parts || parts->size() != ops.size()) return shell.malformed();
    for (size_t i = 0; i < ops.size(); ++i)
        if (Err err = (*parts)[i].err; err != Err::ok)
            return shell.fail_part(err, shell.local(path_of(ops[i])), i + 1, name_of_op(ops[i].op));
    for (size_t i = 0; i < ops.size(); ++i) show_part(shell, ops[i], (*parts)[i]);
    return Status::ok;
}

}  // namespace

bool ends_transaction(const Command& command) {
    constexpr std::array names = {"commit", "abort", "help", "history", "quit", "exit"};
    return std::find(names.begin(), names.end(), command.name) != names.end();
}

Status add_to_transaction(Shell& shell, Words words) {
    Transaction& transaction = shell.transaction();
    Status status = add_op(shell, words, transaction.ops);
    // At the prompt one may try again.
    if (status != Status::ok && !shell.human() && transaction.spoiled == 0)
        transaction.spoiled = std::max<size_t>(shell.line_number(), 1);
    return status;
}

Status op_multi(Shell& shell, const Args& args) {
    Words words = args.words;
    if (words.empty() && shell.scripted()) {
        shell.transaction() = {.open = true, .spoiled = 0, .ops = {}};
        if (shell.human()) shell.out_line("one write a line, then commit, or abort");
        return Status::ok;
    }
    std::vector<TransactionOp> ops;
    bool from_file =
        words.empty() || (words.size() == 1 && (words[0] == "-" || words[0][0] == '@'));
    Status status = Status::ok;
    if (from_file) {
        std::string text;
        status = read_data(shell, words.empty() ? "-" : words[0], false, text);
        if (status == Status::ok) status = read_lines(shell, text, ops);
    } else {
        status = read_arguments(shell, words, ops);
    }
    return status == Status::ok ? send_all(shell, ops) : status;
}

Status op_commit(Shell& shell, const Args&) {
    Transaction transaction = std::exchange(shell.transaction(), {});
    if (!transaction.open) return shell.complain("commit without a multi", Status::usage);
    if (transaction.spoiled > 0)
        return shell.complain(
            "nothing was sent, because of line " + std::to_string(transaction.spoiled),
            Status::usage);
    return send_all(shell, transaction.ops);
}

Status op_abort(Shell& shell, const Args&) {
    if (!shell.transaction().open) return shell.complain("abort without a multi", Status::usage);
    uint64_t writes = std::exchange(shell.transaction(), {}).ops.size();
    if (shell.json()) shell.out_line(Json::object().set("aborted", writes));
    return Status::ok;
}

}  // namespace zk
