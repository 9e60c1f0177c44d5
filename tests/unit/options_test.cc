// options_test.cc -- the settings: the table, what a file may look like, what is said about errors.

#include "wire/options.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace zk;

namespace {

Settings reading(std::string_view text) {
    Settings settings;
    read_config(text, "zoo.cfg", settings);
    return settings;
}

// A file that would start, with more lines.
Settings checked(std::string text) {
    Settings settings = reading("dataDir=/data\n" + text);
    check_config(settings);
    return settings;
}

Settings arguments(std::initializer_list<std::string_view> words) {
    Settings settings;
    std::vector<std::string_view> list(words);
    read_arguments(list, settings);
    return settings;
}

std::string only_error(const Settings& settings) {
    CHECK(settings.errors.size() == 1);
    return settings.errors.empty() ? "" : settings.errors[0];
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the table's defaults are those of Config") {
    Settings settings;
    std::string text;
    for (const Option& option : options())
        if (!option.initial.empty() && option.field.set != nullptr)
            text += std::string(option.key) + " " + std::string(option.initial) + "\n";
    read_config(text, "defaults", settings);
    check_config(settings);
    CHECK(settings.errors.empty());
    CHECK(settings.warnings.empty());
    CHECK(settings.config == Config{});
}

TEST_CASE("what a setting shows can be read back") {
    Config usual;
    for (const Option& option : options()) {
        if (option.field.show == nullptr || option.initial.empty() || option.initial == "-1")
            continue;
        std::string shown = option.field.show(usual);
        bool flag = option.initial == "yes" || option.initial == "no";
        if (!flag) CHECK_MESSAGE(shown == option.initial, option.key);
    }
}

TEST_CASE("every setting that works explains itself in one line") {
    std::string help = options_help();
    for (const Option& option : options()) {
        if (option.use != OptionUse::works) continue;
        CHECK_MESSAGE(!option.help.empty(), option.key);
        CHECK_MESSAGE(option.help.size() <= 80, option.key);
        CHECK_MESSAGE(!option.section.empty(), option.key);
        CHECK_MESSAGE(has(help, "  " + std::string(option.key)), option.key);
    }
}

TEST_CASE("a line is written as Java's properties are") {
    struct Case {
        std::string_view text;
        std::string_view data_dir;
    };
    constexpr std::array<Case, 16> cases = {{
        {"dataDir /a", "/a"},
        {"dataDir=/a", "/a"},
        {"dataDir: /a", "/a"},
        {"  dataDir \t=  /a \t ", "/a"},
        {"dataDir\t/a\r\n", "/a"},
        {"dataDir=/a\rtickTime=7", "/a"},
        {"# dataDir /b\n! dataDir /c\ndataDir /a", "/a"},
        {"dataDir /a\\\n   /b", "/a/b"},
        {"dataDir \\\n\n", ""},
        {"dataDir /a\\\\", "/a\\"},
        {"dataDir /a\\\\\ntickTime 2000", "/a\\"},
        {"data\\u0044ir /a", "/a"},
        {"dataDir /\\u00e4", "/\xC3\xA4"},
        {"dataDir /a b", "/a b"},
        {"dataDir==/a", "=/a"},
        {"\xEF\xBB\xBF" "dataDir /a", "/a"},
    }};
    for (const Case& one : cases) {
        CAPTURE(one.text);
        Settings settings = reading(one.text);
        if (one.data_dir.empty()) {
            CHECK(settings.errors.size() == 1);
        } else {
            CHECK(settings.errors.empty());
            CHECK(settings.config.data_dir == one.data_dir);
        }
    }
}

TEST_CASE("of two lines with one key the last counts, and a warning says so") {
    Settings settings = checked("tickTime=nonsense\n\ntickTime=2000\n");
    CHECK(settings.errors.empty());
    CHECK(settings.config.tick_ms == 2000);
    REQUIRE(settings.warnings.size() == 1);
    CHECK(settings.warnings[0] ==
          "zoo.cfg:2: tickTime is set again at zoo.cfg:4, which counts");
}

TEST_CASE("ZooKeeper's sample file is accepted, and one line names what has no effect") {
    Settings settings = checked(
        "tickTime=2000\ninitLimit=10\nsyncLimit=5\nclientPort=2181\n"
        "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetrics\n");
    CHECK(settings.errors.empty());
    REQUIRE(settings.warnings.size() == 1);
    CHECK(settings.warnings[0] ==
          "accepted, and without effect in this version: metricsProvider.className");
    CHECK(settings.config.init_limit_ticks == 10);
    CHECK(settings.config.session_timeout_min_ms == 4000);
    CHECK(settings.config.session_timeout_max_ms == 40000);
    CHECK(settings.config.client_address.empty());
}

TEST_CASE("an error names file, line, value and what would be right") {
    struct Case {
        std::string_view line;
        std::string_view error;
    };
    constexpr std::array<Case, 14> cases = {{
        {"clientPort=70000",
         "zoo.cfg:2: clientPort is \"70000\"; it takes a port number from 1 to 65535"},
        {"maxClientCnxns=many",
         "zoo.cfg:2: maxClientCnxns is \"many\"; it takes a whole number of connections from 0 to "
         "2147483647"},
        {"tickTime 2000 # ms", "(a comment stands on a line of its own)"},
        {"tickTime 0", "tickTime is \"0\"; it takes a whole number of ms from 1"},
        {"snapCount 99999999999999999999", "snapCount is \"99999999999999999999\""},
        {"forceSync maybe", "forceSync is \"maybe\"; it takes true or false (or yes or no)"},
        {"skipACL", "skipACL is \"\""},
        {"clientprot 2181",
         "zoo.cfg:2: nobody knows the setting \"clientprot\"; did you mean clientPort?"},
        {"autopurge.snapRetainCnt 4", "did you mean autopurge.snapRetainCount?"},
        {"no.such.thing.at.all 4", "see zk.conf for all there are"},
        {"4lw.commands.whitelist ruok, moo", "4lw.commands.whitelist is \"moo\"; it takes a comma"},
        {"logLevel loud", "it takes debug, info, warn or error"},
        {"DigestAuthenticationProvider.superDigest super:secret", "it takes name:hash"},
        {"autopurge.purgeInterval 1w", "it takes hours, or a number with ms, s, m, h or d"},
    }};
    for (const Case& one : cases) {
        CAPTURE(one.line);
        Settings settings = checked(std::string(one.line));
        CHECK_MESSAGE(has(only_error(settings), one.error), only_error(settings));
    }
}

TEST_CASE("all errors are told at once, up to a limit") {
    CHECK(checked("tickTime=a\nsnapCount=b\nmaxCnxns=c").errors.size() == 3);
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "unknown" + std::to_string(i) + " 1\n";
    CHECK(reading(many).errors.size() < 30);
}

TEST_CASE("a protection that is not there is refused, unless it is not asked for") {
    constexpr std::array<std::string_view, 7> refused = {
        "secureClientPort=2281",
        "sslQuorum=true",
        "client.portUnification=true",
        "quorum.auth.enableSasl=true",
        "sessionRequireClientSASLAuth=true",
        "DigestAuthenticationProvider.enabled=false",
        "audit.enable=true",
    };
    for (std::string_view line : refused) {
        CAPTURE(line);
        CHECK(has(only_error(checked(std::string(line))), " since "));
    }
    CHECK(has(only_error(checked("authProvider.1=org.example.Sasl")), "only the built-in"));
    constexpr std::array<std::string_view, 5> harmless = {
        "sslQuorum=false",
        "quorum.auth.enableSasl=False",
        "audit.enable=false",
        "DigestAuthenticationProvider.digestAlg=SHA1",
        "authProvider.digest=org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
    };
    for (std::string_view line : harmless) {
        CAPTURE(line);
        Settings settings = checked(std::string(line));
        CHECK(settings.errors.empty());
        CHECK(settings.warnings.empty());
    }
}

TEST_CASE("a file must say where the data is; no file means the defaults, on loopback") {
    Settings file = reading("clientPort 2181");
    check_config(file);
    CHECK(has(only_error(file), "zoo.cfg: dataDir is not set"));

    Settings none;
    check_config(none);
    CHECK(none.errors.empty());
    CHECK(none.config.data_dir == "./zk-data");
    CHECK(none.config.client_address == "127.0.0.1");
}

TEST_CASE("a setting on the command line wins over the file") {
    Settings settings = reading("dataDir /a\nclientPort 1\ntickTime 5");
    std::array<std::string_view, 4> words = {"--clientPort", "2182", "--forceSync=no",
                                             "--minSessionTimeout=-1"};
    read_arguments(words, settings);
    check_config(settings);
    CHECK(settings.errors.empty());
    CHECK(settings.config.client_port == 2182);
    CHECK(settings.config.tick_ms == 5);
    CHECK_FALSE(settings.config.force_sync);
    REQUIRE(settings.warnings.size() == 1);
    CHECK(has(settings.warnings[0], "FORCESYNC IS NO"));
}

TEST_CASE("arguments that are no settings are errors") {
    CHECK(has(only_error(arguments({"zoo.cfg"})), "\"zoo.cfg\" is no setting"));
    CHECK(has(only_error(arguments({"--clientPort"})), "--clientPort: it has no value"));
    CHECK(has(only_error(arguments({"--clientProt", "1"})), "did you mean clientPort?"));
    CHECK(arguments({"--clientPortListenBacklog", "-1"}).errors.empty());
}

TEST_CASE("units of the file become bytes and ms") {
    Settings settings = checked(
        "preAllocSize=65536\nsnapSizeLimitInKb=-1\nautopurge.purgeInterval=30m\n"
        "jute.maxbuffer=0xfffff\n");
    CHECK(settings.errors.empty());
    CHECK(settings.config.segment_bytes == 64u << 20);
    CHECK(settings.config.snapshot_log_bytes == 0);
    CHECK(settings.config.purge_interval_ms == 1800000);
    CHECK(settings.config.request_bytes_max == 1048575);
    CHECK(checked("autopurge.purgeInterval=0").config.purge_interval_ms == 0);
    CHECK(checked("autopurge.purgeInterval=24").config.purge_interval_ms == 86400000);
}

TEST_CASE("settings that contradict each other are refused or put right aloud") {
    CHECK(has(only_error(checked("minSessionTimeout=90000")), "more than maxSessionTimeout"));
    CHECK(has(only_error(checked("clientOutputLimit=1048576")), "less than maxResponseBytes"));
    Settings small = checked("preAllocSize=64\njute.maxbuffer=4194304");
    CHECK(small.config.segment_bytes == 8u << 20);
    CHECK(small.warnings.size() == 1);
    Settings few = checked("autopurge.snapRetainCount=1");
    CHECK(few.config.purge_keeps == 3);
    CHECK(few.warnings.size() == 1);
}

TEST_CASE("server lines are read in all their forms") {
    Settings settings = reading(
        "server.2=[::1]:2888:3888:observer;[::]:2182\n"
        "server.1=zoo1:2888:3888|zoo1b:2889:3889;2181\n"
        "weight.1=1\n");
    CHECK(settings.errors.empty());
    const std::vector<Member>& members = settings.config.members;
    REQUIRE(members.size() == 2);
    CHECK(members[0].id == 1);
    REQUIRE(members[0].addresses.size() == 2);
    CHECK(members[0].addresses[1] == MemberAddress{"zoo1b", 2889, 3889});
    CHECK(members[0].client_port == 2181);
    CHECK(members[0].client_address.empty());
    CHECK(member_text(members[0]) == "zoo1:2888:3888|zoo1b:2889:3889:participant;0.0.0.0:2181");
    CHECK(member_text(members[1]) == "[::1]:2888:3888:observer;[::]:2182");
    for (const Member& member : members) {
        Member again{.id = member.id};
        CHECK(read_member(member_text(member), again) == "");
        if (again.client_address == "0.0.0.0") again.client_address.clear();
        CHECK(again == member);
    }
    CHECK(members[1].observer);
    CHECK(members[1].addresses[0].host == "::1");
    CHECK(members[1].client_address == "::");
    CHECK(members[1].client_port == 2182);
}

TEST_CASE("a bad server line says which form is right") {
    constexpr std::array<std::string_view, 10> bad = {
        "server.1=zoo1",          "server.1=zoo1:2888",          "server.1=zoo1:2888:2888",
        "server.1=zoo1:2888:x",   "server.1=zoo1:1:2:captain",   "server.0=zoo1:2888:3888",
        "server.256=zoo1:1:2",    "server.1=zoo1:1:2;a:b:c",     "server.1=:1:2",
        "server.1=zoo1:1:2;1;2",
    };
    for (std::string_view line : bad) {
        CAPTURE(line);
        CHECK(reading(line).errors.size() == 1);
    }
}

TEST_CASE("one server line stands alone and names the client port") {
    Settings one = checked("server.1=localhost:2888:3888;10.0.0.1:2182\n");
    CHECK(one.errors.empty());
    CHECK_FALSE(in_ensemble(one.config));
    CHECK(one.config.client_port == 2182);
    CHECK(one.config.client_address == "10.0.0.1");
    CHECK(has(only_error(checked("clientPort=1\nserver.1=a:1:2;2182\n")), "leave one of them out"));
}

namespace {

// Three servers of which this is the second, on loopback.
constexpr std::string_view three =
    "initLimit=10\nsyncLimit=5\nmyid=2\n"
    "server.1=127.0.0.1:2881:3881;2181\nserver.2=localhost:2882:3882;2182\n"
    "server.3=[::1]:2883:3883;2183\n";

Settings ensemble(std::string_view text, std::string_view without = {}) {
    std::string all(three);
    if (size_t at = all.find(without); !without.empty() && at != all.npos)
        all.erase(at, all.find('\n', at) + 1 - at);
    return checked(all + std::string(text));
}

}  // namespace

TEST_CASE("several servers are an ensemble, and each takes its client port from its own line") {
    Settings settings = ensemble("");
    CHECK(settings.errors.empty());
    CHECK(settings.warnings.empty());
    CHECK(in_ensemble(settings.config));
    CHECK(all_loopback(settings.config.members));
    CHECK(settings.config.client_port == 2182);
    CHECK(own_member(settings.config)->id == 2);
    std::string report = config_report(settings);
    CHECK(has(report, "  server.2 localhost:2882:3882:participant;0.0.0.0:2182   (this one)\n"));
}

TEST_CASE("an ensemble of one is what standaloneEnabled=false makes of one line") {
    Settings settings = checked("initLimit=10\nsyncLimit=5\nmyid=1\nstandaloneEnabled=false\n"
                                "server.1=localhost:2888:3888\n");
    CHECK(settings.errors.empty());
    CHECK(in_ensemble(settings.config));
    CHECK(has(only_error(checked("standaloneEnabled=false")), "there is no server line"));
}

TEST_CASE("an ensemble needs what ZooKeeper needs, and says which is missing") {
    CHECK(has(only_error(ensemble("", "initLimit")), "initLimit is not set"));
    CHECK(has(only_error(ensemble("", "syncLimit")), "syncLimit is not set"));
    CHECK(has(only_error(ensemble("", "myid")), "the myid file is missing: the first line of "
                                                "/data/myid"));
    CHECK(has(only_error(ensemble("", "server.2")), "there is no line server.2"));
    CHECK(has(only_error(ensemble("server.4=127.0.0.1:2881:3884")), "have the same address"));
    CHECK(has(only_error(ensemble("quorum.electionMs=60\nquorum.heartbeatMs=50")),
              "less than twice quorum.heartbeatMs"));
}

TEST_CASE("who votes must be able to decide") {
    CHECK(has(only_error(checked("server.1=a:1:2:observer\n")), "only observers"));
    CHECK(has(only_error(checked("server.1=a:1:2\nserver.2=b:1:2:observer\n")),
              "observers need an ensemble"));
    Settings two = ensemble("", "server.3");
    REQUIRE(two.warnings.size() == 1);
    CHECK(has(two.warnings[0], "with 2 voters"));
    Settings four = ensemble("server.4=127.0.0.1:2884:3884");
    REQUIRE(four.warnings.size() == 1);
    CHECK(has(four.warnings[0], "4 voters tolerate no more failures than 3"));
    CHECK(ensemble("server.4=127.0.0.1:2884:3884:observer").warnings.empty());
    CHECK(has(only_error(ensemble("group.1=1:2:3")), "hierarchical quorums"));
    CHECK(has(only_error(ensemble("weight.1=2")), "weight.1: hierarchical quorums"));
    CHECK(ensemble("weight.1=1\nweight.2=1").errors.empty());
}

TEST_CASE("the role is that of the server's line, and a warning tells where peerType differs") {
    Settings settings = ensemble("server.2=127.0.0.1:2882:3882:observer\n"
                                 "server.4=127.0.0.1:2884:3884\npeerType=participant",
                                 "server.2");
    CHECK(settings.errors.empty());
    CHECK(settings.config.observer);
    REQUIRE(settings.warnings.size() == 1);
    CHECK(has(settings.warnings[0], "peerType does not agree with the line server.2"));
}

TEST_CASE("off loopback an ensemble has a secret, or says aloud that it wants none") {
    constexpr std::string_view far = "server.1=192.0.2.1:2888:3888\n";
    auto with = [&](std::string_view line) {
        return ensemble(std::string(far) + std::string(line), "server.1");
    };
    CHECK(has(only_error(with("")), "without a secret"));
    CHECK(has(only_error(with("quorum.insecure=no")), "without a secret"));
    CHECK(with("quorum.secret=correct horse").errors.empty());
    CHECK(with("quorum.secretFile=/etc/secret").errors.empty());
    CHECK(has(only_error(with("quorum.secret=correct horse\nquorum.secretFile=/etc/secret")),
              "both set"));
    Settings insecure = with("quorum.insecure=yes");
    CHECK(insecure.errors.empty());
    REQUIRE(insecure.warnings.size() == 1);
    CHECK(has(insecure.warnings[0], "QUORUM.INSECURE IS YES"));
    for (const char* host : {"127.0.0.1.example.net", "0.0.0.0", "localhost.example.net", "::"})
        CHECK_FALSE(all_loopback(std::array{Member{.addresses = {{host, 1, 2}}}}));
}

TEST_CASE("a secret is never repeated") {
    std::string report = config_report(ensemble("quorum.secret=correct horse"));
    CHECK(has(report, "quorum.secret (not shown)"));
    CHECK_FALSE(has(report, "horse"));
    std::string error = only_error(ensemble("quorum.secret=horse"));
    CHECK(has(error, "quorum.secret is 5 characters long; it takes 8 to 256"));
    CHECK_FALSE(has(error, "horse"));
}

TEST_CASE("a file of the secret is read to the end of its first line") {
    Settings settings;
    read_secret("correct horse\r\nbattery\n", "/etc/secret", false, settings);
    CHECK(settings.config.quorum_secret == "correct horse");
    CHECK(settings.errors.empty());
    CHECK(settings.warnings.empty());
    read_secret("\nbattery staple\n", "/etc/secret", true, settings);
    CHECK(has(only_error(settings), "/etc/secret: the secret on its first line is 0 characters"));
    REQUIRE(settings.warnings.size() == 1);
    CHECK(has(settings.warnings[0], "everybody on this machine may read"));
}

TEST_CASE("a new ensemble out of what is left needs to know which server this is") {
    Settings settings;
    settings.config.force_new_ensemble = true;
    check_config(settings);
    CHECK(has(only_error(settings), "--force-new-ensemble needs the id of this server"));
}

TEST_CASE("a dynamic file holds members and nothing else") {
    Settings settings = reading("dataDir /a\ndynamicConfigFile=/d\n");
    read_dynamic_config("server.1=a:1:2;2181\n", "/d", settings);
    CHECK(settings.errors.empty());
    CHECK(settings.config.members.size() == 1);
    read_dynamic_config("version=100000000\n", "/d", settings);
    CHECK(has(only_error(settings), "/d:1: only server.N, group.N and weight.N"));
}

TEST_CASE("myid is a number on the first line") {
    Settings settings;
    read_my_id(" 7 \nmore", "myid", settings);
    CHECK(settings.config.my_id == 7);
    CHECK(settings.errors.empty());
    read_my_id("seven", "myid", settings);
    CHECK(has(only_error(settings), "myid:1: this is no id of a server"));
}

TEST_CASE("myid on the command line and in the file must agree") {
    Settings settings = arguments({"--myid", "7"});
    CHECK(settings.config.my_id == 7);
    read_my_id("7", "/data/myid", settings);
    CHECK(settings.errors.empty());
    read_my_id("8", "/data/myid", settings);
    CHECK(has(only_error(settings), "--myid: myid is 7, but /data/myid says 8"));
    CHECK(has(only_error(arguments({"--myid", "256"})), "from 1 to 255"));
}

TEST_CASE("the whitelist is what is written, and srvr always") {
    Settings settings = checked("4lw.commands.whitelist= ruok , cons\n");
    CHECK(word_allowed(settings.config, "ruok"));
    CHECK(word_allowed(settings.config, "cons"));
    CHECK(word_allowed(settings.config, "srvr"));
    CHECK_FALSE(word_allowed(settings.config, "stat"));
    CHECK(word_allowed(checked("4lw.commands.whitelist=*").config, "wchc"));
}

TEST_CASE("the report names what differs from the defaults, and where it was said") {
    std::string report = config_report(checked("tickTime=2000\nsnapCount=100000\n"));
    CHECK(has(report, "zoo.cfg: good"));
    CHECK(has(report, "  tickTime 2000   (zoo.cfg:2)\n"));
    CHECK_FALSE(has(report, "snapCount"));
}

TEST_CASE("bytes that are no text do no harm") {
    CHECK(reading(std::string_view("data\0Dir=/a\n", 12)).errors.size() == 1);
    CHECK(reading(std::string_view("dataDir=/a\0b\n", 13)).errors.size() == 1);
    CHECK(reading("\\").errors.size() <= 1);
    CHECK(reading("=\n:\n \n").errors.size() == 1);
    CHECK(reading(std::string(100000, 'x')).errors.size() == 1);
}
