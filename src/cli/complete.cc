// complete.cc -- see complete.h.

#include "cli/complete.h"

#include <algorithm>

#include "cli/words.h"

namespace zk {

namespace {

// What has to be typed for a word of a path to be read as it is.
std::string escaped(std::string_view name) {
    std::string made;
    for (char c : name) {
        if (c == ' ' || c == '\t' || c == '\\' || c == '\'' || c == '"') made += '\\';
        made += c;
    }
    return made;
}

std::vector<std::string> command_names() {
    std::vector<std::string> names;
    for (const Command& command : commands()) names.emplace_back(command.name);
    return names;
}

std::vector<std::string> option_names(const Command& command) {
    std::vector<std::string> names;
    for (const OptionRow& option : command.options)
        names.push_back((option.name.size() == 1 ? "-" : "--") + std::string(option.name));
    return names;
}

Completion complete_path(Shell& shell, std::string_view typed) {
    Result<std::vector<std::string>> words = split_words(typed);
    if (!words || words->size() != 1 || !is_connected(shell.session().state())) return {};
    std::string word = words->front();
    size_t slash = word.rfind('/');
    std::string parent = slash == 0 ? "/" : word.substr(0, slash);
    SyncClient::Reply reply = shell.call(call::get_children(shell.full(parent), false));
    if (reply.header.err != Err::ok) return {};
    std::optional<Children> children = decode_children(reply.body);
    if (!children) return {};
    std::vector<std::string> names;
    std::string_view prefix = std::string_view(word).substr(slash + 1);
    for (std::string_view name : children->names)
        if (name.starts_with(prefix)) names.push_back(escaped(name));
    Completion found = complete_from(escaped(prefix), names, "");
    if (names.size() != 1) return found;
    // The only one: on to its children, if it has any.
    Result<std::vector<std::string>> only = split_words(names.front());
    if (!only || only->size() != 1) return found;
    std::string path = word.substr(0, slash + 1) + only->front();
    reply = shell.call(call::exists(shell.full(path), false));
    std::optional<Stat> stat;
    if (reply.header.err == Err::ok) stat = decode_stat(reply.body);
    if (stat) found.insert += stat->num_children > 0 ? "/" : " ";
    return found;
}

}  // namespace

Completion complete_from(std::string_view typed, const std::vector<std::string>& names,
                         std::string_view closing) {
    Completion found;
    for (const std::string& name : names)
        if (name.starts_with(typed)) found.choices.push_back(name);
    if (found.choices.empty()) return found;
    std::sort(found.choices.begin(), found.choices.end());
    // Of a sorted list, what the first and the last share, all share.
    const std::string& first = found.choices.front();
    const std::string& last = found.choices.back();
    size_t shared = 0;
    while (shared < first.size() && shared < last.size() && first[shared] == last[shared])
        ++shared;
    found.insert = first.substr(typed.size(), shared - typed.size());
    if (found.choices.size() == 1) found.insert += closing;
    return found;
}

Completion complete_line(Shell& shell, std::string_view line) {
    Typing typing = words_typed(line);
    std::string_view typed = line.substr(typing.begin);
    if (typing.before.empty()) return complete_from(typed, command_names(), " ");
    const Command* command = find_command(typing.before.front());
    if (typed.starts_with('/')) return complete_path(shell, typed);
    if (typed.starts_with('-') && command != nullptr)
        return complete_from(typed, option_names(*command), " ");
    if (typing.before.front() == "help") return complete_from(typed, command_names(), " ");
    return {};
}

}  // namespace zk
