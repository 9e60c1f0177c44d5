// words.cc -- see words.h.

#include "cli/words.h"

#include <algorithm>

namespace zk {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

class Splitter {
public:
    explicit Splitter(std::string_view line) : line_(line) {}

    bool skip_blanks() {
        while (at_ < line_.size() && is_blank(line_[at_])) ++at_;
        return at_ < line_.size();
    }
    size_t at() const { return at_; }
    char open_quote() const { return quote_; }  // not closed at the end of the line; else 0
    bool dangling() const { return dangling_; }   // the last character is a backslash

    std::string word() {
        std::string made;
        while (at_ < line_.size() && !is_blank(line_[at_])) {
            char c = line_[at_++];
            if (c == '\'') single_quoted(made);
            else if (c == '"') double_quoted(made);
            else if (c == '\\' && at_ < line_.size()) made += line_[at_++];
            else made += c, dangling_ = c == '\\';
        }
        return made;
    }

private:
    void single_quoted(std::string& made) {
        size_t end = line_.find('\'', at_);
        if (end == line_.npos) {
            quote_ = '\'';
            end = line_.size();
        }
        made += line_.substr(at_, end - at_);
        at_ = end < line_.size() ? end + 1 : end;
    }

    void double_quoted(std::string& made) {
        while (at_ < line_.size()) {
            char c = line_[at_++];
            if (c == '"') return;
            if (c == '\\' && at_ < line_.size()) escape(made);
            else made += c;
        }
        quote_ = '"';
    }

    void escape(std::string& made) {
        char c = line_[at_++];
        int high = at_ < line_.size() ? hex_digit(line_[at_]) : -1;
        int low = at_ + 1 < line_.size() ? hex_digit(line_[at_ + 1]) : -1;
        if (c == 'x' && high >= 0 && low >= 0) {
            made += static_cast<char>(high * 16 + low);
            at_ += 2;
            return;
        }
        switch (c) {
        case 'n': made += '\n'; return;
        case 't': made += '\t'; return;
        case 'r': made += '\r'; return;
        case '0': made += '\0'; return;
        default: made += c; return;
        }
    }

    std::string_view line_;
    size_t at_ = 0;
    char quote_ = 0;
    bool dangling_ = false;
};

}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
    Splitter splitter(line);
    std::vector<std::string> words;
    while (splitter.skip_blanks()) words.push_back(splitter.word());
    if (splitter.open_quote() != 0)
        return Error{.text = std::string("missing closing ") + splitter.open_quote()};
    return words;
}

bool is_idle_line(std::string_view line) {
    for (char c : line)
        if (!is_blank(c)) return c == '#';
    return true;
}

std::string escaped(std::string_view name) {
    std::string made;
    for (char c : name) {
        if (c == ' ' || c == '\t' || c == '\\' || c == '\'' || c == '"') made += '\\';
        made += c;
    }
    return made;
}

bool goes_on(std::string& line) {
    if (is_idle_line(line)) return false;
    Splitter splitter(line);
    while (splitter.skip_blanks()) splitter.word();
    if (splitter.open_quote() != 0) line += '\n';
    else if (splitter.dangling() && line.back() == '\\') line.pop_back();
    else return false;
    return true;
}

std::string path_from(std::string_view directory, std::string_view path) {
    if (path.empty()) return "";
    std::string whole;
    if (path.front() != '/') whole.append(directory).append("/");
    whole += path;
    std::string made;
    for (size_t at = 0; at < whole.size();) {
        size_t end = std::min(whole.find('/', at), whole.size());
        std::string_view part = std::string_view(whole).substr(at, end - at);
        at = end + 1;
        if (part.empty() || part == ".") continue;
        if (part != "..") made.append("/").append(part);
        else if (size_t last = made.rfind('/'); last != made.npos) made.resize(last);
    }
    return made.empty() ? "/" : made;
}

Typing words_typed(std::string_view line) {
    Splitter splitter(line);
    Typing typing;
    typing.begin = line.size();
    while (splitter.skip_blanks()) {
        size_t begin = splitter.at();
        std::string word = splitter.word();
        if (splitter.at() == line.size()) {
            typing.begin = begin;
            break;
        }
        typing.before.push_back(std::move(word));
    }
    return typing;
}

}  // namespace zk
