// command.cc -- see command.h.

#include "cli/command.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace zk {

namespace {

constexpr std::array statuses = {
    StatusRow{.status = Status::ok, .name = "ok", .help = "done"},
    StatusRow{.status = Status::failed, .name = "failed", .help = "refused, or failed"},
    StatusRow{.status = Status::usage, .name = "usage", .help = "not understood; nothing was sent"},
    StatusRow{.status = Status::no_connection, .name = "no_connection", .help = "no server"},
    StatusRow{.status = Status::no_node, .name = "no_node", .help = "no such znode"},
    StatusRow{.status = Status::node_exists, .name = "node_exists", .help = "it is there already"},
    StatusRow{
        .status = Status::bad_version, .name = "bad_version", .help = "it has changed meanwhile"},
    StatusRow{.status = Status::no_auth, .name = "no_auth", .help = "not allowed"},
    StatusRow{.status = Status::timed_out,
              .name = "timed_out",
              .help = "what was waited for did not come"},
    StatusRow{.status = Status::lost,
              .name = "lost",
              .help = "the connection went while a write was under way: done, or not"},
    StatusRow{.status = Status::expired,
              .name = "expired",
              .help = "the session expired, and what it held is gone"},
    StatusRow{.status = Status::not_empty, .name = "not_empty", .help = "it has children"},
    StatusRow{
        .status = Status::unknown_command, .name = "unknown_command", .help = "no such command"},
    StatusRow{.status = Status::interrupted, .name = "interrupted", .help = "by Ctrl-C"},
};

const OptionRow* find_option(std::span<const OptionRow> options, std::string_view name) {
    for (const OptionRow& option : options)
        if (option.name == name) return &option;
    return nullptr;
}

bool is_number(std::string_view text) {
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

// Reads the options of one word; the value of the last may be the next word.
class OptionReader {
public:
    OptionReader(std::span<const OptionRow> options, std::span<const std::string> words, Args& args)
        : options_(options), words_(words), args_(args) {}

    Result<void> read(size_t& at) {
        std::string_view text = words_[at];
        std::string_view name = text.substr(text.starts_with("--") ? 2 : 1);
        std::string_view value;
        size_t equals = name.find('=');
        bool has_value = equals != name.npos;
        if (const OptionRow* whole = find_option(options_, name.substr(0, equals))) {
            if (has_value) value = name.substr(equals + 1);
            return take(*whole, text, has_value, value, at);
        }
        if (text.starts_with("--")) return unknown(text);
        // A bundle: letters, the last of which may have its value at once.
        for (size_t i = 0; i < name.size(); ++i) {
            const OptionRow* letter = find_option(options_, name.substr(i, 1));
            if (letter == nullptr) return unknown(text);
            if (letter->value.empty()) {
                args_.given.push_back({.option = letter, .value = ""});
                continue;
            }
            value = name.substr(i + 1);
            return take(*letter, text, !value.empty(), value, at);
        }
        return {};
    }

private:
    Result<void> take(const OptionRow& option, std::string_view text, bool has_value,
                      std::string_view value, size_t& at) {
        if (option.value.empty()) {
            if (has_value) return Error{.text = std::string(text) + ": takes no value"};
        } else if (!has_value) {
            if (at + 1 == words_.size())
                return Error{.text = std::string(missing_value).append(option.name)};
            value = words_[++at];
        }
        args_.given.push_back({.option = &option, .value = std::string(value)});
        return {};
    }

    static Error unknown(std::string_view text) {
        return Error{.text = std::string(unknown_option).append(text)};
    }

    std::span<const OptionRow> options_;
    std::span<const std::string> words_;
    Args& args_;
};

template <typename T>
bool parse_whole(std::string_view text, T& number) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size();
}

std::string dashed(const OptionRow& option) {
    std::string text(option.name.size() == 1 ? "-" : "--");
    text += option.name;
    if (!option.value.empty()) text.append(" ").append(option.value);
    return text;
}

std::string padded(std::string text, size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

}  // namespace

bool Args::has(std::string_view name) const { return value(name) != nullptr; }

const std::string* Args::value(std::string_view name) const {
    for (size_t i = given.size(); i > 0; --i)
        if (given[i - 1].option->name == name) return &given[i - 1].value;
    return nullptr;
}

std::string_view Args::word(size_t index) const {
    return index < words.size() ? std::string_view(words[index]) : std::string_view();
}

std::span<const StatusRow> status_rows() { return statuses; }

std::string_view name_of(Status status) {
    for (const StatusRow& row : statuses)
        if (row.status == status) return row.name;
    return "failed";
}

Result<Args> parse_args(std::span<const OptionRow> options, std::span<const std::string> words,
                        bool runs) {
    Args args;
    if (runs) {
        auto end = std::find(words.begin(), words.end(), "--");
        if (end != words.end()) args.command.assign(end + 1, words.end());
        words = words.first(static_cast<size_t>(end - words.begin()));
    }
    OptionReader reader(options, words, args);
    bool ended = false;
    for (size_t at = 0; at < words.size(); ++at) {
        std::string_view word = words[at];
        bool option = !ended && word.size() > 1 && word.front() == '-';
        if (option && is_number(word) && find_option(options, word.substr(1, 1)) == nullptr)
            option = false;
        if (!option) {
            args.words.emplace_back(word);
        } else if (word == "--") {
            ended = true;
        } else if (Result<void> read = reader.read(at); !read) {
            return read.error();
        }
    }
    return args;
}

std::span<const Command> commands() {
    static const std::vector<Command> all = [] {
        std::vector<Command> rows;
        for (std::span<const Command> table : {znode_commands(), write_commands(),
                                                tree_commands(), recipe_commands(),
                                                shell_commands()})
            rows.insert(rows.end(), table.begin(), table.end());
        std::sort(rows.begin(), rows.end(),
                  [](const Command& a, const Command& b) { return a.name < b.name; });
        return rows;
    }();
    return all;
}

const Command* find_command(std::string_view name) {
    std::span<const Command> all = commands();
    auto at = std::lower_bound(all.begin(), all.end(), name,
                               [](const Command& row, std::string_view n) { return row.name < n; });
    return at != all.end() && at->name == name ? &*at : nullptr;
}

std::string usage_of(const Command& command) {
    std::string text(command.name);
    for (const OptionRow& option : command.options) text += " [" + dashed(option) + "]";
    if (!command.words.empty()) text.append(" ").append(command.words);
    if (command.runs) text += " -- command...";
    return text;
}

std::string help_of(const Command& command) {
    std::string text = usage_of(command) + "\n    ";
    text.append(command.summary).append("\n");
    size_t width = 0;
    for (const OptionRow& option : command.options)
        width = std::max(width, dashed(option).size() + 2);
    for (const OptionRow& option : command.options)
        text.append("    ").append(padded(dashed(option), width)).append(option.help).append("\n");
    std::string_view rest = command.examples;
    if (!rest.empty()) text += "  Examples:\n";
    while (!rest.empty()) {
        size_t end = std::min(rest.find('\n'), rest.size());
        text.append("    ").append(rest.substr(0, end)).append("\n");
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (!command.json.empty()) text.append("  With --json: ").append(command.json).append("\n");
    return text;
}

std::string help_of_all() {
    std::string text;
    for (const Command& command : commands()) {
        text += padded(std::string(command.name), 21);
        text.append(command.summary).append("\n");
    }
    return text + "help COMMAND tells more.\n";
}

bool parse_number(std::string_view text, int32_t& number) { return parse_whole(text, number); }
bool parse_number(std::string_view text, int64_t& number) { return parse_whole(text, number); }

}  // namespace zk
