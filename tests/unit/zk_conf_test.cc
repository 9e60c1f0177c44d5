// zk_conf_test.cc -- the shipped zk.conf and the table of settings say the same.

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "wire/options.h"

using namespace zk;

namespace {

std::string shipped() {
    std::ifstream file("zk.conf");
    REQUIRE_MESSAGE(file.good(), "run from the top of the tree");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Lines that are settings, or would be without their `# `: a known key and one value.
std::map<std::string, std::string> settings_in(const std::string& text, bool commented) {
    std::map<std::string, std::string> found;
    std::stringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        bool hash = line.starts_with("# ");
        if (hash != commented) continue;
        std::stringstream words(hash ? line.substr(2) : line);
        std::string key;
        std::string value;
        std::string more;
        words >> key >> value >> more;
        if (!value.empty() && more.empty() && find_option(key) != nullptr) found[key] = value;
    }
    return found;
}

}  // namespace

TEST_CASE("zk.conf as shipped is accepted without a warning, and listens on loopback") {
    Settings settings;
    read_config(shipped(), "zk.conf", settings);
    check_config(settings);
    for (const std::string& error : settings.errors) FAIL_CHECK(error);
    for (const std::string& warning : settings.warnings) FAIL_CHECK(warning);
    CHECK(settings.config.client_address == "127.0.0.1");
    CHECK(settings.config.data_dir == "./zk-data");
}

TEST_CASE("every setting that works stands in zk.conf") {
    std::string text = shipped();
    for (const Option& option : options()) {
        if (option.use != OptionUse::works) continue;
        std::string_view key = option.key.substr(0, option.key.find('*'));
        CHECK_MESSAGE(text.find(std::string(key)) != std::string::npos, option.key);
    }
}

TEST_CASE("what zk.conf comments out shows the defaults") {
    std::map<std::string, std::string> shown = settings_in(shipped(), true);
    CHECK(shown.size() > 25);
    for (const auto& [key, value] : shown) {
        const Option* option = find_option(key);
        CHECK_MESSAGE(option->use == OptionUse::works, key);
        // Those without a default show an example.
        if (!option->initial.empty()) CHECK_MESSAGE(value == option->initial, key);
    }
}

TEST_CASE("everything that zk.conf comments out can be switched on") {
    std::string text = shipped();
    for (const auto& [key, value] : settings_in(text, true)) text += key + " " + value + "\n";
    Settings settings;
    read_config(text, "zk.conf", settings);
    check_config(settings);
    for (const std::string& error : settings.errors) FAIL_CHECK(error);
    CHECK(in_ensemble(settings.config));
    CHECK(settings.config.members.size() == 3);
}
