// repl.cc -- see repl.h.

#include "cli/repl.h"

#include <histedit.h>
#include <langinfo.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

#include "cli/complete.h"
#include "cli/human.h"
#include "cli/words.h"

namespace zk {

namespace {

constexpr int history_lines = 1000;
constexpr uint64_t role_holds_ms = 2000;  // before the server is asked again who it is

class Repl {
public:
    Repl(Shell& shell, bool color) : shell_(shell), color_(color) {}

    Status run();

private:
    void open();
    void close();
    bool read_line(std::string& line);     // false: the end
    bool read_command(std::string& line);  // lines, till it is whole
    void remember(const std::string& line);
    void ask_role();
    void take_role(std::string_view answer);
    void show_hint();
    void hide_hint();
    std::string typed_away();
    void put(std::string_view text);
    unsigned char complete();
    void show_choices(const Completion& found);
    const char* prompt();
    int next_char(wchar_t* out);
    void notice(std::string_view text);
    void on_signal(int signal);

    static Repl* of(EditLine* edit) {
        void* data = nullptr;
        el_get(edit, EL_CLIENTDATA, &data);
        return static_cast<Repl*>(data);
    }

    Shell& shell_;
    bool color_;
    EditLine* edit_ = nullptr;
    History* history_ = nullptr;
    std::string history_file_;
    std::string prompt_;
    size_t prompt_width_ = 0;
    bool hinting_ = false;  // there is a hint behind the line
    uint64_t asked_ms_ = 0;   // when the server was last asked who it is
    std::string role_;      // of the server, as it said last; "": not known
    std::string begun_;     // the lines before, of a command that goes on
    mbstate_t decoding_ = {};
    bool typing_ = false;       // libedit is at work on a line
    bool interrupted_ = false;  // Ctrl-C while typing
    bool ended_ = false;        // told to end by a signal
};

Status Repl::run() {
    open();
    shell_.set_directory("/");
    shell_.session().start();
    std::string line;
    while (!shell_.wants_quit() && read_command(line)) {
        remember(line);
        shell_.run_line(line, 0);
        shell_.flush();
        ask_role();
    }
    close();
    return Status::ok;
}

void Repl::open() {
    // Paths are UTF-8, and so is every terminal, whatever a bare environment says.
    setlocale(LC_CTYPE, "");
    if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") setlocale(LC_CTYPE, "C.UTF-8");
    umask(077);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, history_lines);
    history(history_, &event, H_SETUNIQUE, 1);
    if (const char* home = getenv("HOME"); home != nullptr && *home != '\0') {
        history_file_ = std::string(home) + "/.zk_cli_history";
        history(history_, &event, H_LOAD, history_file_.c_str());
    }
    edit_ = el_init("zk-cli", stdin, stdout, stderr);
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_SIGNAL, 0);
    el_set(edit_, EL_HIST, history, history_);
    el_set(
        edit_, EL_PROMPT_ESC, +[](EditLine* edit) { return of(edit)->prompt(); }, '\1');
    el_set(
        edit_, EL_GETCFN, +[](EditLine* edit, wchar_t* out) { return of(edit)->next_char(out); });
    // Wide, because of narrow names libedit makes copies that it never frees.
    el_wset(
        edit_, EL_ADDFN, L"zk-complete", L"complete commands and paths",
        +[](EditLine* edit, int) { return of(edit)->complete(); });
    el_set(edit_, EL_BIND, "^I", "zk-complete", nullptr);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_source(edit_, nullptr);
    shell_.set_notice(
        [](void* context, std::string_view text) { static_cast<Repl*>(context)->notice(text); },
        this);
    auto caught = [](void* context, int signal) { static_cast<Repl*>(context)->on_signal(signal); };
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT})
        shell_.session().catch_signal(signal, caught, this);
}

void Repl::close() {
    shell_.set_notice(nullptr, nullptr);
    HistEvent event;
    if (!history_file_.empty()) history(history_, &event, H_SAVE, history_file_.c_str());
    el_end(edit_);
    history_end(history_);
}

bool Repl::read_line(std::string& line) {
    for (;;) {
        interrupted_ = false;
        typing_ = true;
        int size = 0;
        // Before the prompt is seen: who answers it at once means this, not the cooked terminal.
        el_set(edit_, EL_PREP_TERM, 1);
        const char* text = el_gets(edit_, &size);
        typing_ = false;
        if (text != nullptr && size > 0 && !interrupted_) {
            line.assign(text, static_cast<size_t>(size));
            while (!line.empty() && line.back() == '\n') line.pop_back();
            return true;
        }
        begun_.clear();
        fputs(interrupted_ ? "^C\n" : "\n", stdout);
        fflush(stdout);
        el_set(edit_, EL_PREP_TERM, 0);
        if (!interrupted_ || ended_) return false;
    }
}

bool Repl::read_command(std::string& line) {
    begun_.clear();
    for (;;) {
        if (!read_line(line)) return false;
        begun_ += line;
        if (goes_on(begun_)) continue;
        line = std::exchange(begun_, "");
        return true;
    }
}

void Repl::remember(const std::string& line) {
    if (is_idle_line(line)) return;
    Result<std::vector<std::string>> words = split_words(line);
    if (words && words->front() == "addauth") return;
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
}

// [127.0.0.1:2181 leader] /app>
const char* Repl::prompt() {
    if (!begun_.empty()) {
        prompt_width_ = 4;
        return "... ";
    }
    SyncClient& session = shell_.session();
    ClientState state = session.state();
    std::string how =
        is_connected(state) && !role_.empty() ? role_ : std::string(state_name(state));
    for (char& c : how)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    prompt_ = "[" + session.server() + session.chroot() + " ";
    if (color_) prompt_ += is_connected(state) ? "\1\033[32m\1" : "\1\033[31m\1";
    prompt_ += how;
    if (color_) prompt_ += "\1\033[0m\1";
    std::string place = shell_.directory();
    const Transaction& transaction = shell_.transaction();
    if (transaction.open) place += " multi " + std::to_string(transaction.ops.size());
    prompt_ += "] " + place + "> ";
    prompt_width_ = session.server().size() + characters(session.chroot()) + how.size() +
                    characters(place) + 6;
    return prompt_.c_str();
}

// A server may come to lead, or cease to, while the session lives on.
void Repl::ask_role() {
    if (!is_connected(shell_.session().state())) return;
    uint64_t now_ms = shell_.session().now_ms();
    if (!role_.empty() && now_ms - asked_ms_ < role_holds_ms) return;
    asked_ms_ = now_ms;
    shell_.session().ask_word(
        "srvr",
        [](void* context, std::string_view answer) {
            static_cast<Repl*>(context)->take_role(answer);
        },
        this);
}

void Repl::take_role(std::string_view answer) {
    constexpr std::string_view mark = "\nMode: ";
    size_t at = answer.find(mark);
    std::string role;
    if (at != answer.npos)
        role = answer.substr(at + mark.size(), answer.find('\n', at + 1) - at - mark.size());
    if (role == role_) return;
    role_ = std::move(role);
    if (!typing_) return;
    put(typed_away());
    el_set(edit_, EL_REFRESH);
}

// What may follow, grey, behind what is typed: libedit does not know of it.
void Repl::show_hint() {
    const LineInfo* line = el_line(edit_);
    if (!color_ || !begun_.empty() || line->cursor != line->lastchar) return;
    std::string_view text(line->buffer, static_cast<size_t>(line->lastchar - line->buffer));
    size_t used = prompt_width_ + text.size() + 1;
    size_t width = terminal_width();
    if (used >= width || text.find('\n') != text.npos) return;
    std::string hint = hint_for(text, width - used);
    if (hint.empty()) return;
    put("\0337\033[90m" + hint + "\033[0m\0338");
    hinting_ = true;
}

void Repl::hide_hint() {
    if (std::exchange(hinting_, false)) put("\033[K");
}

// What makes the line being typed, and the rows it has filled, vanish from the terminal.
std::string Repl::typed_away() {
    const LineInfo* line = el_line(edit_);
    std::string_view text(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
    size_t rows = (prompt_width_ + characters(text)) / terminal_width();
    return (rows > 0 ? "\033[" + std::to_string(rows) + "A" : "") + "\r\033[J";
}

void Repl::put(std::string_view text) {
    fwrite(text.data(), 1, text.size(), stdout);
    fflush(stdout);
}

// The next character, while the session lives on. 0: the end; -1: no more of this line.
int Repl::next_char(wchar_t* out) {
    show_hint();
    for (;;) {
        if (shell_.session().wait_input(STDIN_FILENO) == SyncClient::Wake::signal) {
            if (!interrupted_ && !ended_) continue;
            hide_hint();
            errno = EINTR;
            return -1;
        }
        char byte = 0;
        ssize_t got = read(STDIN_FILENO, &byte, 1);
        hide_hint();
        if (got == 0) return 0;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        size_t used = mbrtowc(out, &byte, 1, &decoding_);
        if (used == static_cast<size_t>(-2)) continue;
        if (used == static_cast<size_t>(-1)) {  // no character: dropped
            decoding_ = {};
            continue;
        }
        return 1;
    }
}

void Repl::on_signal(int signal) {
    if (signal == SIGINT) interrupted_ = true;
    if (signal == SIGTERM || signal == SIGHUP) {
        ended_ = true;
        shell_.quit();
    }
    if (signal == SIGINT && !typing_) put("\n");  // behind the terminal's ^C
    if (!typing_) return;
    if (signal == SIGWINCH) {
        // libedit forgets where the cursor is, and does not draw.
        el_resize(edit_);
        put(typed_away());
        el_set(edit_, EL_REFRESH);
    }
    if (signal == SIGCONT) {
        el_set(edit_, EL_PREP_TERM, 1);
        el_set(edit_, EL_REFRESH);
    }
}

// Takes the place of the line that is being typed, which then appears again below.
void Repl::notice(std::string_view text) {
    std::string shown;
    if (typing_) shown += typed_away();
    if (!text.empty()) {
        if (color_) shown += "\033[33m";
        shown += text;
        if (color_) shown += "\033[0m";
        shown += "\n";
        shell_.flush();
    }
    put(shown);
    if (!is_connected(shell_.session().state()))
        role_.clear();
    else if (role_.empty())
        ask_role();
    if (typing_) el_set(edit_, EL_REFRESH);
}

unsigned char Repl::complete() {
    const LineInfo* line = el_line(edit_);
    std::string before(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
    Completion found = complete_line(shell_, before);
    if (!found.insert.empty()) {
        return el_insertstr(edit_, found.insert.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
    }
    if (found.choices.size() < 2) return CC_ERROR;
    show_choices(found);
    return CC_REDISPLAY;
}

void Repl::show_choices(const Completion& found) {
    std::string text = "\n" + in_columns(found.choices, terminal_width());
    if (found.count > found.choices.size())
        text += "and " + std::to_string(found.count - found.choices.size()) + " more\n";
    put(text);
}

}  // namespace

Status run_repl(Shell& shell, bool color) { return Repl(shell, color).run(); }

}  // namespace zk
