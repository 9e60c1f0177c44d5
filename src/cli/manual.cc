// manual.cc -- see manual.h.

#include "cli/manual.h"

#include "cli/complete.h"
#include "cli/words.h"

namespace zk {

namespace {

constexpr int32_t patience_ms = 1000;  // with a server, while somebody waits for a completion

// As running text: a dash is one that can be copied, and no line is taken for a request.
std::string troff(std::string_view text) {
    std::string made;
    for (char c : text) {
        if (c == '\\')
            made += "\\e";
        else if (c == '-')
            made += "\\-";
        else if ((c == '.' || c == '\'') && (made.empty() || made.back() == '\n'))
            made += "\\&", made += c;
        else
            made += c;
    }
    return made;
}

void tagged(std::string& page, std::string_view tag, std::string_view text) {
    page.append(".TP\n.B ").append(troff(tag)).append("\n").append(troff(text)).append("\n");
}

std::string with_dash(std::string_view name, std::string_view value) {
    std::string text = name.size() == 1 ? "-" : "--";
    text.append(name);
    if (!value.empty()) text.append(" ").append(value);
    return text;
}

void describe(std::string& page, const Command& command) {
    page.append(".SS \"").append(troff(usage_of(command))).append("\"\n");
    page.append(troff(command.summary)).append("\n");
    for (const OptionRow& option : command.options)
        tagged(page, with_dash(option.name, option.value), option.help);
    if (command.examples.empty()) return;
    page.append(".PP\n.nf\n.RS\n").append(troff(command.examples)).append("\n.RE\n.fi\n");
}

// Nothing typed of the command line is lost: what is inserted stands behind it.
std::string words_of(std::string_view typed, const Completion& found) {
    if (!found.insert.empty()) return std::string(typed).append(found.insert) + "\n";
    size_t slash = typed.rfind('/');
    std::string_view before = slash == typed.npos ? "" : typed.substr(0, slash + 1);
    std::string text;
    for (const std::string& choice : found.choices) {
        if (choice.starts_with('-'))
            text.append(choice.substr(0, choice.find(' '))).append("\n");
        else
            text.append(before).append(choice).append("\n");
    }
    return text;
}

Completion complete_option(std::string_view typed) {
    std::vector<std::string> names;
    for (const StartOption& option : start_options()) names.push_back(with_dash(option.name, ""));
    return complete_from(typed, names, " ");
}

}  // namespace

std::string man_page() {
    std::string page = ".TH ZK-CLI 1 \"\" \"zkd ";
    page.append(cli_version).append("\" \"User Commands\"\n");
    page +=
        ".SH NAME\nzk\\-cli \\- the command line of zkd and of Apache ZooKeeper\n"
        ".SH SYNOPSIS\n.B zk\\-cli\n[options] [command words...]\n"
        ".SH DESCRIPTION\nRuns one command, or a command a line from standard input, or, on a "
        "terminal, shows a prompt.\nData goes to standard output, everything else to standard "
        "error. The first error ends a script,\nand its exit status says what it was.\n"
        ".SH OPTIONS\n";
    for (const StartOption& option : start_options())
        tagged(page, with_dash(option.name, option.value), option.help);
    page += ".SH COMMANDS\n";
    for (const Command& command : commands()) describe(page, command);
    page += ".SH EXIT STATUS\n";
    for (const StatusRow& row : status_rows())
        tagged(page, std::to_string(static_cast<int>(row.status)), row.help);
    page += ".SH ENVIRONMENT\n";
    for (const StartVariable& variable : start_variables())
        tagged(page, variable.name, variable.help);
    return page + ".SH SEE ALSO\nThe README of zkd.\n";
}

std::string_view completion_script(std::string_view shell) {
    if (shell == "bash")
        return "_zk_cli() {\n"
               "    local IFS=$'\\n'\n"
               "    # shellcheck disable=SC2207\n"
               "    COMPREPLY=($(zk-cli --complete \"${COMP_LINE:0:COMP_POINT}\" 2>/dev/null))\n"
               "}\n"
               "complete -o nospace -o bashdefault -F _zk_cli zk-cli\n";
    if (shell == "zsh")
        return "#compdef zk-cli\n"
               "_zk_cli() {\n"
               "    local -a found\n"
               "    found=(\"${(@f)$(zk-cli --complete \"$LBUFFER\" 2>/dev/null)}\")\n"
               "    compadd -Q -S '' -- $found\n"
               "}\n"
               "compdef _zk_cli zk-cli\n";
    return "";
}

std::string complete_word(std::string_view line, const Surroundings& around) {
    Typing typing = words_typed(line);
    std::string_view typed = line.substr(typing.begin);
    if (typing.before.empty()) return "";
    std::vector<const char*> arguments;
    for (size_t i = 1; i < typing.before.size(); ++i) arguments.push_back(typing.before[i].c_str());
    Result<Start> start = read_start(arguments, around);
    if (!start) return "";  // the value of an option is being typed
    if (start->command.empty() && typed.starts_with('-'))
        return words_of(typed, complete_option(typed));
    std::string command;
    for (const std::string& word : start->command) command.append(word).append(" ");
    SyncOptions session = start->session;
    session.client.session_timeout_ms = patience_ms;
    session.client.connect_timeout_ms = patience_ms / 2;
    Shell shell(session, {});
    if (!start->command.empty() && !shell.session().connect()) return "";
    std::string words = words_of(typed, complete_line(shell, command.append(typed)));
    shell.close();
    return words;
}

}  // namespace zk
