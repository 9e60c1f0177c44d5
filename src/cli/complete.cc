// complete.cc -- see complete.h.

#include "cli/complete.h"

#include <algorithm>

#include "cli/words.h"

namespace zk {

namespace {

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const Command& command : commands()) names.emplace_back(command.name);
    return names;
}

// As it has to be typed where `quote` is open. In '...' a ' cannot be had: nothing is inserted.
std::string quoted(std::string_view text, char quote) {
    if (quote == 0) return escaped(text);
    if (quote == '\'') return std::string(text.find(quote) == text.npos ? text : "");
    std::string made;
    for (char c : text) {
        if (c == '"' || c == '\\') made += '\\';
        made += c;
    }
    return made;
}

Completion complete_option(const Command& command, std::string_view typed) {
    std::vector<std::string> names, notes;
    for (const OptionRow& option : command.options) {
        names.push_back((option.name.size() == 1 ? "-" : "--") + std::string(option.name));
        if (!names.back().starts_with(typed)) continue;
        std::string note = names.back();
        if (!option.value.empty()) note.append(" ").append(option.value);
        note.append(note.size() < 18 ? 18 - note.size() : 1, ' ').append(option.help);
        notes.push_back(std::move(note));
    }
    Completion found = complete_from(typed, names, " ");
    std::sort(notes.begin(), notes.end());
    found.choices = std::move(notes);
    return found;
}

// What the row's words say of what follows those that were typed, options not counted.
std::string_view words_left(const Command& command, std::span<const std::string> typed) {
    std::string_view rest = command.words;
    for (const std::string& word : typed) {
        if (!word.empty() && word.front() == '-') continue;
        rest.remove_prefix(std::min(std::min(rest.find(' '), rest.size()) + 1, rest.size()));
    }
    return rest;
}

// Is what is typed next a path?
bool wants_path(const Command& command, std::span<const std::string> before) {
    std::string_view left = words_left(command, before.subspan(1));
    std::string_view word = left.substr(0, left.find(' '));
    for (std::string_view kind : {"path", "from", "to", "group"})
        if (word.find(kind) != word.npos) return true;
    return false;
}

Completion complete_path(Shell& shell, std::string_view typed) {
    Result<std::vector<std::string>> words = split_words(typed);
    char quote = 0;
    if (!words && (typed.front() == '"' || typed.front() == '\'')) {
        quote = typed.front();
        words = split_words(std::string(typed) + quote);
    }
    if (!words || words->size() > 1 || !is_connected(shell.session().state())) return {};
    std::string word = words->empty() ? "" : words->front();
    size_t slash = word.rfind('/');
    size_t begin = slash == word.npos ? 0 : slash + 1;
    std::string parent = begin == 0 ? "." : begin == 1 ? "/" : word.substr(0, slash);
    SyncClient::Reply reply = shell.call(call::get_children(shell.full(parent), false));
    if (reply.header.err != Err::ok) return {};
    std::optional<Children> children = decode_children(reply.body);
    if (!children) return {};
    std::string_view prefix = std::string_view(word).substr(begin);
    std::erase_if(children->names,
                  [&](std::string_view name) { return !name.starts_with(prefix); });
    Completion found = complete_paths(prefix, children->names, quote);
    if (children->names.size() != 1) return found;
    // The only one: on to its children, if it has any.
    std::string path = word.substr(0, begin).append(children->names.front());
    reply = shell.call(call::exists(shell.full(path), false));
    std::optional<Stat> stat;
    if (reply.header.err == Err::ok) stat = decode_stat(reply.body);
    if (!stat) return found;
    if (stat->num_children == 0 && quote != 0) found.insert += quote;
    found.insert += stat->num_children > 0 ? '/' : ' ';
    return found;
}

}  // namespace

// Of a million names only those that are shown are copied and sorted.
Completion complete_paths(std::string_view prefix, std::vector<std::string_view>& names,
                          char quote) {
    Completion found;
    if (names.empty()) return found;
    size_t shared = names.front().size();
    for (std::string_view name : names) {
        auto [at, other] =
            std::mismatch(name.begin(), name.end(), names.front().begin(), names.front().end());
        shared = std::min(shared, static_cast<size_t>(at - name.begin()));
    }
    // Not the first half of a character: é and è share one of their two bytes.
    std::string_view whole = names.front();
    while (shared > prefix.size() && shared < whole.size() && (whole[shared] & 0xc0) == 0x80)
        --shared;
    found.insert = quoted(whole.substr(prefix.size(), shared - prefix.size()), quote);
    found.count = names.size();
    size_t shown = std::min(names.size(), choices_max);
    std::partial_sort(names.begin(), names.begin() + static_cast<ptrdiff_t>(shown), names.end());
    for (size_t i = 0; i < shown; ++i) found.choices.push_back(escaped(names[i]));
    return found;
}

Completion complete_from(std::string_view typed, const std::vector<std::string>& names,
                         std::string_view closing) {
    std::vector<std::string_view> fitting;
    for (const std::string& name : names)
        if (name.starts_with(typed)) fitting.push_back(name);
    Completion found = complete_paths(typed, fitting);
    if (fitting.size() == 1) found.insert += closing;
    return found;
}

std::string hint_for(std::string_view line, size_t room) {
    Typing typing = words_typed(line);
    if (typing.before.empty()) return "";
    const Command* command = find_command(typing.before.front());
    if (command == nullptr) return "";
    std::vector<std::string> given(typing.before.begin() + 1, typing.before.end());
    bool blank = typing.begin == line.size();  // behind which the hint begins
    if (!blank) given.emplace_back(line.substr(typing.begin));
    std::string hint(words_left(*command, given));
    if (command->runs) hint += hint.empty() ? "-- command..." : " -- command...";
    std::string whole = usage_of(*command).substr(command->name.size());
    if (given.empty() && whole.size() <= room + 1) hint = whole.empty() ? whole : whole.substr(1);
    if (!blank && !hint.empty()) hint.insert(0, 1, ' ');
    return hint.size() <= room ? hint : "";
}

Completion complete_line(Shell& shell, std::string_view line) {
    Typing typing = words_typed(line);
    std::string_view typed = line.substr(typing.begin);
    if (typing.before.empty()) return complete_from(typed, command_names(), " ");
    bool in_quotes = typed.starts_with("'/") || typed.starts_with("\"/");
    if (typed.starts_with('/') || in_quotes) return complete_path(shell, typed);
    if (typing.before.front() == "help") return complete_from(typed, command_names(), " ");
    const Command* command = find_command(typing.before.front());
    if (command == nullptr) return {};
    if (typed.starts_with('-')) return complete_option(*command, typed);
    return wants_path(*command, typing.before) ? complete_path(shell, typed) : Completion();
}

}  // namespace zk
