// What the table of settings says to people: --help and --check.

#include <algorithm>

#include "wire/options_fields.h"

namespace zk {

std::string option_facts(const Option& option) {
    std::string facts;
    if (!option.unit.empty())
        facts = std::string(option.unit) + ", " + std::to_string(option.least) + " to " +
                std::to_string(option.most) + "; ";
    else if (parse_flag(option.initial))
        facts = parse_flag(option.initial) && option.initial.size() <= 3 ? "yes or no; "
                                                                         : "true or false; ";
    return facts + (option.initial.empty() ? "not set by default"
                                           : "default " + std::string(option.initial));
}

std::string options_help() {
    constexpr size_t column = 36;
    std::string out;
    std::string_view section;
    for (const Option& option : options()) {
        if (option.help.empty() || option.use != OptionUse::works) continue;
        if (option.section != section) {
            section = option.section;
            out += "\n" + std::string(section) + "\n";
        }
        std::string key = "  " + std::string(option.key);
        if (key.size() < column)
            key.resize(column, ' ');
        else
            key += "\n" + std::string(column, ' ');
        out += key + std::string(option.help) + "\n";
        out += std::string(column + 2, ' ') + option_facts(option) + "\n";
    }
    return out;
}

std::string config_report(const Settings& settings) {
    Config usual;
    std::string out;
    size_t count = 0;
    for (size_t i = 0; i < options().size(); ++i) {
        const Option& option = options()[i];
        if (option.field.show == nullptr) continue;
        std::string now = option.field.show(settings.config);
        if (now == option.field.show(usual)) continue;
        const std::string& place = settings.places[i];
        out += "  " + std::string(option.key) + " " + now +
               (place.empty() ? "" : "   (" + place + ")") + "\n";
        ++count;
    }
    for (const Member& member : settings.config.members)
        out += "  server." + std::to_string(member.id) + " " + member_text(member) +
               (member.id == settings.config.my_id ? "   (this one)" : "") + "\n";
    std::string name = settings.file.empty() ? "The settings" : settings.file;
    return name + ": good. Settings that differ from the defaults: " + std::to_string(count) +
           "\n" + out;
}

}  // namespace zk
