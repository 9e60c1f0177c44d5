// Reads settings out of files and arguments, and judges them together.
//
// Every source becomes a list of Lines first, so that of two lines with one key the last one counts
// before anything is judged. Nothing ends the reading early: all errors are told at once, up to a
// limit.

#include <algorithm>
#include <unordered_map>

#include "wire/options_fields.h"

namespace zk {

namespace {

constexpr size_t errors_max = 20;
constexpr size_t key_bytes_max = 200;

struct Line {
    std::string key;
    std::string value;
    std::string place;  // "zk.conf:7" or "--tickTime"
};

void complain(Settings& settings, const std::string& place, const std::string& what) {
    if (settings.errors.size() < errors_max)
        settings.errors.push_back(place.empty() ? what : place + ": " + what);
    else if (settings.errors.size() == errors_max)
        settings.errors.push_back("... and more of that kind");
}

// Cuts text into lines as Java's properties do: a backslash at the end joins the next one on.
class LogicalLines {
public:
    explicit LogicalLines(std::string_view text) : rest_(text) {
        if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
    }

    // False at the end. Comments and blank lines are left out.
    bool next(std::string& line, size_t& number) {
        line.clear();
        bool continues = false;
        while (!rest_.empty()) {
            std::string_view raw = take_raw();
            size_t first = raw.find_first_not_of(" \t\f");
            std::string_view body = first == raw.npos ? std::string_view() : raw.substr(first);
            if (!continues) {
                number = number_;
                if (body.empty() || body[0] == '#' || body[0] == '!') continue;
            }
            size_t slashes = 0;
            while (slashes < body.size() && body[body.size() - 1 - slashes] == '\\') ++slashes;
            continues = slashes % 2 == 1;
            line += body.substr(0, body.size() - (continues ? 1 : 0));
            if (!continues) return true;
        }
        return !line.empty();
    }

private:
    std::string_view take_raw() {
        ++number_;
        size_t end = std::min(rest_.find_first_of("\r\n"), rest_.size());
        std::string_view raw = rest_.substr(0, end);
        size_t skip = end < rest_.size() ? 1 : 0;
        if (rest_.substr(end).starts_with("\r\n")) skip = 2;
        rest_.remove_prefix(end + skip);
        return raw;
    }

    std::string_view rest_;
    size_t number_ = 0;
};

void append_utf8(std::string& out, uint32_t code) {
    auto byte = [&](uint32_t value) { out += static_cast<char>(value); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0 | code >> 6);
        byte(0x80 | (code & 0x3F));
    } else {
        byte(0xE0 | code >> 12);
        byte(0x80 | (code >> 6 & 0x3F));
        byte(0x80 | (code & 0x3F));
    }
}

// \t \n \r \f \uXXXX; any other escaped character is itself.
std::string unescaped(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        char c = text[++i];
        std::optional<int64_t> code;
        if (c == 'u' && i + 4 < text.size())
            code = parse_number("0x" + std::string(text.substr(i + 1, 4)));
        if (code) {
            append_utf8(out, static_cast<uint32_t>(*code));
            i += 4;
        } else {
            constexpr std::string_view letters = "tnrf";
            size_t at = letters.find(c);
            out += at == letters.npos ? c : "\t\n\r\f"[at];
        }
    }
    return out;
}

Line split_line(std::string_view text) {
    size_t end = 0;
    while (end < text.size() && std::string_view("=: \t\f").find(text[end]) == text.npos)
        end += text[end] == '\\' ? size_t{2} : size_t{1};
    end = std::min(end, text.size());
    std::string_view rest = trimmed(text.substr(end));
    if (!rest.empty() && (rest[0] == '=' || rest[0] == ':')) rest = trimmed(rest.substr(1));
    return {unescaped(text.substr(0, end)), std::string(trimmed(unescaped(rest))), {}};
}

std::vector<Line> split_text(std::string_view text, std::string_view file) {
    std::vector<Line> lines;
    LogicalLines logical(text);
    std::string line;
    size_t number = 0;
    while (logical.next(line, number)) {
        lines.push_back(split_line(line));
        lines.back().place = std::string(file) + ":" + std::to_string(number);
    }
    return lines;
}

void unknown_key(const Line& line, Settings& settings) {
    std::string key = line.key.substr(0, 60);
    for (char& c : key)
        if (static_cast<unsigned char>(c) < 32) c = '?';
    std::string_view near = nearest_option(line.key);
    complain(settings, line.place,
             "nobody knows the setting \"" + key + "\"" +
                 (near.empty() ? "; see zk.conf for all there are"
                               : "; did you mean " + std::string(near) + "?"));
}

// "" is right for a row that has no default, and means what leaving it out means.
bool asks_for_nothing(const Option& option, std::string_view value) {
    std::optional<bool> flag = parse_flag(option.initial);
    if (flag && parse_flag(value) == flag) return true;
    return value == option.initial;
}

void apply(const Line& line, Settings& settings) {
    const Option* option = find_option(line.key);
    if (option == nullptr || line.key.size() > key_bytes_max) return unknown_key(line, settings);
    if (line.value.find('\0') != line.value.npos)
        return complain(settings, line.place, line.key + " holds a zero byte");
    size_t row = static_cast<size_t>(option - options().data());
    settings.places[row] = line.place;
    if (option->field.set != nullptr) {
        std::string wrong = option->field.set(*option, line.key, line.value, settings);
        if (!wrong.empty()) return complain(settings, line.place, wrong);
    }
    if (option->use == OptionUse::works || asks_for_nothing(*option, line.value)) return;
    if (option->use == OptionUse::no_effect) {
        settings.no_effect.push_back(line.key);
    } else if (option->field.set == nullptr) {
        std::string right = option->initial.empty() ? ": remove the line"
                                                    : ": leave it " + std::string(option->initial);
        complain(settings, line.place,
                 line.key + " cannot be had, since " + std::string(option->help) + right);
    }
}

void apply_all(const std::vector<Line>& lines, Settings& settings) {
    std::unordered_map<std::string_view, size_t> last;
    for (size_t i = 0; i < lines.size(); ++i) last[lines[i].key] = i;
    for (size_t i = 0; i < lines.size(); ++i) {
        size_t counts = last[lines[i].key];
        if (counts == i)
            apply(lines[i], settings);
        else if (settings.warnings.size() < errors_max && find_option(lines[i].key) != nullptr)
            settings.warnings.push_back(lines[i].place + ": " + lines[i].key +
                                        " is set again at " + lines[counts].place +
                                        ", which counts");
    }
}

bool of_members(std::string_view key) {
    return key.starts_with("server.") || key.starts_with("group.") || key.starts_with("weight.");
}

void check_times(Settings& settings) {
    Config& config = settings.config;
    if (!settings.is_set("minSessionTimeout") || config.session_timeout_min_ms == -1)
        config.session_timeout_min_ms = config.tick_ms * 2;
    if (!settings.is_set("maxSessionTimeout") || config.session_timeout_max_ms == -1)
        config.session_timeout_max_ms = config.tick_ms * 20;
    if (config.session_timeout_min_ms > config.session_timeout_max_ms)
        complain(settings, settings.file,
                 "minSessionTimeout is " + std::to_string(config.session_timeout_min_ms) +
                     ", more than maxSessionTimeout, which is " +
                     std::to_string(config.session_timeout_max_ms));
}

void check_sizes(Settings& settings) {
    Config& config = settings.config;
    if (config.client_output_max < config.response_bytes_max)
        complain(settings, settings.file,
                 "clientOutputLimit is " + std::to_string(config.client_output_max) +
                     ", less than maxResponseBytes, which is " +
                     std::to_string(config.response_bytes_max) +
                     ": the longest reply could never leave");
    uint64_t least = config.request_bytes_max * 2;
    if (config.input_max < least)
        complain(settings, settings.file,
                 "totalInputLimit is " + std::to_string(config.input_max) +
                     ", less than twice jute.maxbuffer, which is " +
                     std::to_string(config.request_bytes_max));
    // A segment must take the largest request with all that surrounds it.
    if (config.segment_bytes < least) {
        uint64_t kb = (least + 1023) / 1024;
        config.segment_bytes = kb * 1024;
        settings.warnings.push_back("preAllocSize is raised to " + std::to_string(kb) +
                                    ", twice the longest request (jute.maxbuffer)");
    }
    if (config.purge_keeps < 3) {
        config.purge_keeps = 3;
        settings.warnings.push_back("autopurge.snapRetainCount is raised to 3, the least");
    }
}

void warn_of_danger(Settings& settings) {
    const Config& config = settings.config;
    if (!config.force_sync)
        settings.warnings.push_back("FORCESYNC IS NO: WRITES ARE ACKNOWLEDGED BEFORE THEY ARE ON "
                                    "THE DISK, AND A CRASH OF THE MACHINE LOSES THEM");
    if (config.skip_acl)
        settings.warnings.push_back("skipACL is yes: every client may do everything");
}

size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
        }
    }
    return row[b.size()];
}

}  // namespace

Settings::Settings() : places(options().size()) {}

std::string Settings::place(std::string_view key) const {
    const Option* option = find_option(key);
    ASSERT(option != nullptr);
    return places[static_cast<size_t>(option - options().data())];
}

void read_config(std::string_view text, std::string_view file, Settings& settings) {
    settings.file = file;
    apply_all(split_text(text, file), settings);
}

void read_arguments(std::span<const std::string_view> arguments, Settings& settings) {
    std::vector<Line> lines;
    for (size_t i = 0; i < arguments.size(); ++i) {
        std::string_view argument = arguments[i];
        if (!argument.starts_with("--") || argument.size() == 2) {
            complain(settings, {},
                     "\"" + std::string(argument) + "\" is no setting; it takes --key value");
            continue;
        }
        argument.remove_prefix(2);
        size_t equals = argument.find('=');
        Line line{std::string(argument.substr(0, equals)), {}, {}};
        line.place = "--" + line.key;
        if (equals != argument.npos) {
            line.value = trimmed(argument.substr(equals + 1));
        } else if (i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) {
            line.value = trimmed(arguments[++i]);
        } else {
            complain(settings, line.place, "it has no value; it takes --" + line.key + " value");
            continue;
        }
        lines.push_back(std::move(line));
    }
    apply_all(lines, settings);
}

void read_dynamic_config(std::string_view text, std::string_view file, Settings& settings) {
    for (const Line& line : split_text(text, file)) {
        if (of_members(line.key))
            apply(line, settings);
        else
            complain(settings, line.place,
                     "only server.N, group.N and weight.N may stand in this file; "
                     "move the line to " +
                         (settings.file.empty() ? "the main file" : settings.file));
    }
}

void read_my_id(std::string_view text, std::string_view file, Settings& settings) {
    std::string_view line = trimmed(text.substr(0, text.find('\n')));
    std::optional<int64_t> id = parse_number(line);
    if (!id || *id < 1 || *id > 255)
        return complain(settings, std::string(file) + ":1",
                        "this is no id of a server; its first line takes a number from 1 to 255");
    if (settings.is_set("myid") && settings.config.my_id != *id)
        return complain(settings, settings.place("myid"),
                        "myid is " + std::to_string(settings.config.my_id) + ", but " +
                            std::string(file) + " says " + std::to_string(*id));
    settings.config.my_id = *id;
}

void read_secret(std::string_view text, std::string_view file, bool open_to_all,
                 Settings& settings) {
    const Option* option = find_option("quorum.secret");
    std::string wrong = option->field.set(*option, "the secret on its first line",
                                          trimmed(text.substr(0, text.find('\n'))), settings);
    if (!wrong.empty()) complain(settings, std::string(file), wrong);
    if (open_to_all)
        settings.warnings.push_back(std::string(file) + ": everybody on this machine may read the "
                                                        "secret; chmod 600 is right for it");
}

void check_config(Settings& settings) {
    Config& config = settings.config;
    if (!settings.file.empty() && !settings.is_set("dataDir"))
        complain(settings, settings.file,
                 "dataDir is not set; it takes a line such as: dataDir " + config.data_dir);
    // Without a file nobody has thought about who may connect.
    if (settings.file.empty() && !settings.is_set("clientPortAddress"))
        config.client_address = "127.0.0.1";
    check_times(settings);
    check_sizes(settings);
    check_members(settings);
    warn_of_danger(settings);
    if (settings.no_effect.empty()) return;
    std::string names;
    for (const std::string& key : settings.no_effect) {
        if (names.size() > 4000) {
            names += " ...";
            break;
        }
        names += (names.empty() ? "" : ", ") + key;
    }
    settings.warnings.push_back("accepted, and without effect in this version: " + names);
}

std::string_view nearest_option(std::string_view key) {
    std::string wanted = lower_case(key.substr(0, key_bytes_max));
    std::string_view best;
    size_t best_distance = std::max<size_t>(1, wanted.size() / 4) + 1;
    for (const Option& option : options()) {
        if (option.key.ends_with('*')) continue;
        size_t distance = edit_distance(wanted, lower_case(option.key));
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = option.key;
    }
    return best;
}

}  // namespace zk
