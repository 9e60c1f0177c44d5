// The table of settings: which keys there are, what each is for, and which field it sets. The rest
// of what is done with settings is derived from here.

#include "wire/options.h"

#include <algorithm>
#include <array>

#include "wire/options_fields.h"

namespace zk {

namespace {

constexpr int64_t int_max = 2147483647;
constexpr int64_t kb_max = 1ll << 40;

// A key that is read over. Where it has a default, saying so is not worth a warning.
constexpr Option no_effect(std::string_view key, std::string_view initial = {}) {
    return {.key = key, .use = OptionUse::no_effect, .initial = initial};
}
// A key that asks for what this version cannot give, and where that matters to security. Anything
// but `harmless` is refused with the reason.
constexpr Option refused(std::string_view key, std::string_view harmless, std::string_view reason,
                         OptionField field = {}) {
    return {.key = key,
            .use = OptionUse::refused,
            .initial = harmless,
            .help = reason,
            .field = field};
}

constexpr std::string_view no_tls = "TLS is not in this version; put a TLS proxy in front of it";
constexpr std::string_view no_groups = "hierarchical quorums are not in this version";
constexpr std::string_view no_sasl = "SASL is not in this version";

// Columns: the key as in the file; the part of zk.conf it stands in; unit and range of a number;
// the default, as the file would say it; what it is for; the field of Config it sets.
constexpr Option table[] = {
    // Where the data is.
    {.key = "dataDir", .section = "Data", .initial = "./zk-data",
     .help = "directory of snapshots, and of the log unless dataLogDir is set",
     .field = text<&Config::data_dir>},
    {.key = "dataLogDir", .section = "Data",
     .help = "directory of the transaction log; best on a disk of its own",
     .field = text<&Config::data_log_dir>},
    {.key = "datadir.autocreate", .section = "Data", .initial = "true",
     .help = "make missing data directories at the start",
     .field = flag<&Config::create_directories>},

    // The client port.
    {.key = "clientPort", .section = "Client port", .unit = "port", .least = 1, .most = 65535,
     .initial = "2181", .help = "TCP port that clients connect to",
     .field = number<&Config::client_port>},
    {.key = "clientPortAddress", .section = "Client port",
     .help = "address to listen on; all of them if not set",
     .field = text<&Config::client_address>},
    {.key = "clientPortListenBacklog", .section = "Client port", .unit = "connections",
     .least = -1, .most = int_max, .initial = "-1",
     .help = "connections that may wait to be accepted; -1: the system's most",
     .field = number<&Config::client_backlog>},
    {.key = "clientTcpKeepAlive", .section = "Client port", .initial = "false",
     .help = "TCP keep-alive on client connections",
     .field = flag<&Config::client_keepalive>},

    // Sessions.
    {.key = "tickTime", .section = "Sessions", .unit = "ms", .least = 1, .most = int_max / 20,
     .initial = "3000", .help = "the unit of time that session time-outs are made of",
     .field = number<&Config::tick_ms>},
    {.key = "minSessionTimeout", .section = "Sessions", .unit = "ms", .least = -1,
     .most = int_max, .initial = "-1", .help = "least time-out a client gets; -1: 2 ticks",
     .field = number<&Config::session_timeout_min_ms>},
    {.key = "maxSessionTimeout", .section = "Sessions", .unit = "ms", .least = -1,
     .most = int_max, .initial = "-1", .help = "longest time-out a client gets; -1: 20 ticks",
     .field = number<&Config::session_timeout_max_ms>},
    {.key = "maxEphemeralsPerSession", .section = "Sessions", .unit = "znodes", .least = 0,
     .most = int_max, .initial = "0", .help = "ephemeral znodes of one session; 0: no limit",
     .field = number<&Config::session_ephemerals_max>},

    // Limits.
    {.key = "maxClientCnxns", .section = "Limits", .unit = "connections", .least = 0,
     .most = int_max, .initial = "60", .help = "connections from one address; 0: no limit",
     .field = number<&Config::clients_per_address_max>},
    {.key = "maxCnxns", .section = "Limits", .unit = "connections", .least = 0, .most = int_max,
     .initial = "0", .help = "connections in all; 0: as many as the system allows",
     .field = number<&Config::clients_max>},
    {.key = "nio.sessionlessCnxnTimeout", .section = "Limits", .unit = "ms", .least = 0,
     .most = int_max, .initial = "10000",
     .help = "time to open a session after connecting; 0: for ever",
     .field = number<&Config::handshake_timeout_ms>},
    {.key = "jute.maxbuffer", .section = "Limits", .unit = "bytes", .least = 1024,
     .most = 256 << 20, .initial = "1048575", .help = "longest request, and so the largest znode",
     .field = number<&Config::request_bytes_max>},
    {.key = "maxResponseBytes", .section = "Limits", .unit = "bytes", .least = 1048576,
     .most = int_max, .initial = "134217728",
     .help = "longest reply; one that would be longer fails",
     .field = number<&Config::response_bytes_max>},
    {.key = "maxOutstandingPerClient", .section = "Limits", .unit = "requests", .least = 1,
     .most = int_max, .initial = "1000",
     .help = "requests of one client in the queue; then it is read no further",
     .field = number<&Config::client_outstanding_max>},
    {.key = "clientOutputLimit", .section = "Limits", .unit = "bytes", .least = 1048576,
     .most = kb_max, .initial = "268435456",
     .help = "unsent bytes of one client; then its connection is closed",
     .field = number<&Config::client_output_max>},
    {.key = "totalOutputLimit", .section = "Limits", .unit = "bytes", .least = 16 << 20,
     .most = kb_max, .initial = "1073741824",
     .help = "unsent bytes of all clients; then those with most are closed",
     .field = number<&Config::output_max>},
    {.key = "totalInputLimit", .section = "Limits", .unit = "bytes", .least = 16 << 20,
     .most = kb_max, .initial = "536870912",
     .help = "bytes of all clients' unfinished and waiting requests",
     .field = number<&Config::input_max>},

    // Disk.
    {.key = "forceSync", .section = "Disk", .initial = "yes",
     .help = "sync the log before a write is acknowledged; no loses data",
     .field = flag<&Config::force_sync>},
    {.key = "fsync.warningthresholdms", .section = "Disk", .unit = "ms", .least = 0,
     .most = int_max, .initial = "1000", .help = "a slower sync is told in the log; 0: never",
     .field = number<&Config::sync_warning_ms>},
    {.key = "preAllocSize", .section = "Disk", .unit = "KB", .least = 64, .most = 4194304,
     .initial = "16384", .help = "size of one file of the log, allocated ahead",
     .field = number<&Config::segment_bytes, 1024>},
    {.key = "snapCount", .section = "Disk", .unit = "transactions", .least = 2, .most = int_max,
     .initial = "100000", .help = "transactions between two snapshots, at least",
     .field = number<&Config::snapshot_entries>},
    {.key = "snapSizeLimitInKb", .section = "Disk", .unit = "KB", .least = -1, .most = kb_max,
     .initial = "524288", .help = "size of the log between two snapshots; 0 or -1: off",
     .field = number<&Config::snapshot_log_bytes, 1024>},
    {.key = "autopurge.snapRetainCount", .section = "Disk", .unit = "snapshots", .least = 0,
     .most = int_max, .initial = "3", .help = "snapshots that purging keeps; at least 3",
     .field = number<&Config::purge_keeps>},
    {.key = "autopurge.purgeInterval", .section = "Disk", .unit = "hours", .least = -1,
     .most = 1000000, .initial = "1", .help = "time between purges; 0 or -1: never",
     .field = hours<&Config::purge_interval_ms>},

    // Who may do what.
    {.key = "skipACL", .section = "Permissions", .initial = "no",
     .help = "yes: everybody may do everything", .field = flag<&Config::skip_acl>},
    {.key = "DigestAuthenticationProvider.superDigest", .section = "Permissions",
     .help = "user and hash of the super user: name:base64(sha1(name:password))",
     .field = {set_super_digest, text<&Config::super_digest>.show}},
    {.key = "reconfigEnabled", .section = "Permissions", .initial = "false",
     .help = "allow the reconfig operation", .field = flag<&Config::reconfig_enabled>},

    // Kinds of znodes.
    {.key = "extendedTypesEnabled", .section = "Znodes", .initial = "true",
     .help = "allow TTL znodes", .field = flag<&Config::extended_types>},
    {.key = "enforceQuota", .section = "Znodes", .initial = "false",
     .help = "refuse writes beyond a hard quota", .field = flag<&Config::enforce_quota>},
    {.key = "znode.container.checkIntervalMs", .section = "Znodes", .unit = "ms", .least = 0,
     .most = int_max, .initial = "60000",
     .help = "time between searches for old container and TTL znodes; 0: none",
     .field = number<&Config::reap_interval_ms>},
    {.key = "znode.container.maxPerMinute", .section = "Znodes", .unit = "znodes", .least = 1,
     .most = int_max, .initial = "10000", .help = "how many of them are deleted in a minute",
     .field = number<&Config::reap_per_minute_max>},
    {.key = "znode.container.maxNeverUsedIntervalMs", .section = "Znodes", .unit = "ms",
     .least = 0, .most = int_max, .initial = "0",
     .help = "age at which a container that never had a child goes; 0: it stays",
     .field = number<&Config::reap_never_used_ms>},

    // What the operator sees.
    {.key = "4lw.commands.whitelist", .section = "Watching it",
     .initial = "ruok,srvr,stat,mntr,conf,envi,isro,wchs",
     .help = "four-letter words that are answered; *: all",
     .field = {set_words, text<&Config::four_letter_words>.show}},
    {.key = "logLevel", .section = "Watching it", .initial = "info",
     .help = "least message that is written: debug, info, warn or error",
     .field = {set_log_level, show_log_level}},
    {.key = "logFile", .section = "Watching it",
     .help = "file that messages are appended to; stderr if not set",
     .field = text<&Config::log_file>},

    // The ensemble.
    {.key = "server.*", .section = "Ensemble",
     .help = "a member: host:port:electionPort[:role][;[address:]clientPort]",
     .field = {set_server, nullptr}},
    {.key = "dynamicConfigFile", .section = "Ensemble", .help = "file of the server lines",
     .field = text<&Config::dynamic_config_file>},
    {.key = "myid", .section = "Ensemble", .least = 1, .most = 255,
     .help = "this server's number, 1 to 255, unless the file dataDir/myid says it",
     .field = number<&Config::my_id>},
    {.key = "peerType", .section = "Ensemble", .initial = "participant",
     .help = "participant or observer; the server's line has the last word",
     .field = {set_peer_type, show_peer_type}},
    {.key = "standaloneEnabled", .section = "Ensemble", .initial = "true",
     .help = "one server line makes a server that stands alone",
     .field = flag<&Config::standalone_enabled>},
    {.key = "initLimit", .section = "Ensemble", .unit = "ticks", .least = 0, .most = int_max,
     .help = "time for a server to connect and catch up; ensembles must set it",
     .field = number<&Config::init_limit_ticks>},
    {.key = "syncLimit", .section = "Ensemble", .unit = "ticks", .least = 0, .most = int_max,
     .help = "time that a server may lag behind; ensembles must set it",
     .field = number<&Config::sync_limit_ticks>},
    {.key = "quorumListenOnAllIPs", .section = "Ensemble", .initial = "false",
     .help = "open the quorum port on all interfaces, not on the line's address alone",
     .field = flag<&Config::quorum_everywhere>},
    {.key = "quorum.secret", .section = "Ensemble",
     .help = "what servers prove to each other; the same on all; 8 to 256 characters",
     .field = {set_secret, show_secret}},
    {.key = "quorum.secretFile", .section = "Ensemble",
     .help = "file whose first line is the secret", .field = text<&Config::quorum_secret_file>},
    {.key = "quorum.insecure", .section = "Ensemble", .initial = "no",
     .help = "yes: do without a secret, on a network where everybody is trusted",
     .field = flag<&Config::quorum_insecure>},
    {.key = "quorum.heartbeatMs", .section = "Ensemble", .unit = "ms", .least = 1,
     .most = 60000, .initial = "50", .help = "time between two signs of life of a leader",
     .field = number<&Config::heartbeat_ms>},
    {.key = "quorum.electionMs", .section = "Ensemble", .unit = "ms", .least = 10,
     .most = 600000, .initial = "300",
     .help = "least silence of a leader before an election; up to twice is drawn",
     .field = number<&Config::election_ms>},
    {.key = "quorum.lossGraceMs", .section = "Ensemble", .unit = "ms", .least = 0,
     .most = int_max, .initial = "3000",
     .help = "how long clients of a server without a quorum stay connected",
     .field = number<&Config::loss_grace_ms>},
    {.key = "localSessionsEnabled", .section = "Ensemble", .initial = "false",
     .help = "sessions that only their own server knows; they make no ephemerals",
     .field = flag<&Config::local_sessions>},
    {.key = "localSessionsUpgradingEnabled", .section = "Ensemble", .initial = "false",
     .help = "a local session becomes a global one at its first ephemeral",
     .field = flag<&Config::local_sessions_upgrading>},
    {.key = "readonlymode.enabled", .section = "Ensemble", .initial = "false",
     .help = "a server without a quorum serves reads to clients that accept that",
     .field = flag<&Config::read_only_mode>},

    // What changes who decides, or would protect something, and is not there.
    refused("group.*", "", no_groups, {set_group, nullptr}),
    refused("weight.*", "", no_groups, {set_weight, nullptr}),
    refused("secureClientPort", "", no_tls),
    refused("secureClientPortAddress", "", no_tls),
    refused("client.portUnification", "false", no_tls),
    refused("sslQuorum", "false", no_tls),
    refused("portUnification", "false", no_tls),
    refused("authProvider.*", "", "only the built-in digest and ip are in this version",
            {set_auth_provider, nullptr}),
    refused("quorum.auth.enableSasl", "false", no_sasl),
    refused("quorum.auth.serverRequireSasl", "false", no_sasl),
    refused("quorum.auth.learnerRequireSasl", "false", no_sasl),
    refused("sessionRequireClientSASLAuth", "false", no_sasl),
    refused("enforce.auth.enabled", "false", "enforced authentication is not in this version"),
    refused("DigestAuthenticationProvider.enabled", "true", "digest cannot be switched off"),
    refused("DigestAuthenticationProvider.digestAlg", "SHA1", "only SHA1 is in this version"),
    refused("ensembleAuthName", "", "the ensemble scheme is not in this version"),
    refused("audit.enable", "false", "the audit log is not in this version"),

    // Accepted, without effect. First what guards doors that are not there either.
    // Here each client is bounded by maxOutstandingPerClient, and all of them by bytes.
    no_effect("globalOutstandingLimit", "1000"),
    no_effect("ssl.*"),
    no_effect("sslQuorumReloadCertFiles", "false"),
    no_effect("client.certReload", "false"),
    no_effect("fips-mode"),
    no_effect("enforce.auth.schemes"),
    no_effect("quorum.auth.server.saslLoginContext"),
    no_effect("quorum.auth.learner.saslLoginContext"),
    no_effect("quorum.auth.kerberos.servicePrincipal"),
    no_effect("quorum.cnxn.threads.size"),
    no_effect("kerberos.*"),
    no_effect("kinit"),
    no_effect("sasl.*"),
    no_effect("security.auth_to_local"),
    no_effect("java.security.auth.login.config"),
    no_effect("requireKerberosConfig", "false"),
    no_effect("server.principal"),
    no_effect("server.realm"),
    no_effect("allowSaslFailedClients", "false"),
    no_effect("letAnySaslUserDoX"),
    no_effect("superUser"),
    no_effect("superUser.*"),
    no_effect("SASLAuthenticationProvider.superPassword"),
    no_effect("X509AuthenticationProvider.superUser"),
    no_effect("X509AuthenticationProvider.*"),
    no_effect("IPAuthenticationProvider.usexforwardedfor", "false"),
    no_effect("audit.impl.class"),

    // The HTTP port and metrics.
    no_effect("admin.enableServer", "false"),
    no_effect("admin.serverAddress"),
    no_effect("admin.serverPort"),
    no_effect("admin.commandURL"),
    no_effect("admin.idleTimeout"),
    no_effect("admin.portUnification", "false"),
    no_effect("admin.forceHttps", "false"),
    no_effect("admin.needClientAuth", "false"),
    no_effect("admin.httpVersion"),
    no_effect("admin.rateLimiterIntervalInMS"),
    no_effect("admin.snapshot.enabled"),
    no_effect("admin.restore.enabled"),
    no_effect("metricsProvider.*"),

    // The ensemble's inner workings.
    no_effect("electionAlg", "3"),
    no_effect("connectToLearnerMasterLimit", "0"),
    no_effect("multiAddress.enabled", "false"),
    no_effect("multiAddress.reachabilityCheckEnabled"),
    no_effect("multiAddress.reachabilityCheckTimeoutMs"),
    no_effect("leaderServes", "yes"),
    no_effect("leader.maxTimeToWaitForEpoch"),
    no_effect("leader.maxConcurrentSnapSyncs"),
    no_effect("leader.maxConcurrentDiffSyncs"),
    no_effect("leader.ackLoggingFrequency"),
    no_effect("leader.closeSocketAsync"),
    no_effect("leader.nodelay"),
    no_effect("leaderConnectDelayDuringRetryMs"),
    no_effect("learner.asyncSending"),
    no_effect("learner.closeSocketAsync"),
    no_effect("follower.nodelay"),
    no_effect("follower.skipLearnerRequestToNextProcessor"),
    no_effect("forward_learner_requests_to_commit_processor_disabled"),
    no_effect("forceSnapshotSync"),
    no_effect("cnxTimeout"),
    no_effect("quorumCnxnTimeoutMs"),
    no_effect("fastleader.minNotificationInterval"),
    no_effect("fastleader.maxNotificationInterval"),
    no_effect("electionPortBindRetry"),
    no_effect("tcpKeepAlive"),
    no_effect("observerMasterPort", "0"),
    no_effect("observerMaster.sizeLimit"),
    no_effect("observer.reconnectDelayMs"),
    no_effect("observer.election.DelayMs"),
    no_effect("observer.syncEnabled"),
    no_effect("syncEnabled", "true"),
    no_effect("oraclePath"),
    no_effect("jmx.log4j.*"),

    // Storage as ZooKeeper does it.
    no_effect("txnLogSizeLimitInKb"),
    no_effect("flushDelay"),
    no_effect("maxWriteQueuePollTime"),
    no_effect("maxBatchSize"),
    no_effect("commitLogCount"),
    no_effect("snapshotSizeFactor"),
    no_effect("snapshot.compression.method"),
    no_effect("snapshot.trust.empty", "false"),
    no_effect("db.autocreate", "true"),
    no_effect("digest.enabled", "true"),
    no_effect("serializeLastProcessedZxid.enabled", "true"),
    no_effect("closeSessionTxn.enabled", "true"),
    no_effect("jute.maxbuffer.extrasize"),
    no_effect("emulate353TTLNodes", "false"),

    // Threads, caches, throttles. The last block are names from ZooKeeper's manual that do nothing
    // there either.
    no_effect("nio.numSelectorThreads"),
    no_effect("nio.numWorkerThreads"),
    no_effect("nio.directBufferBytes"),
    no_effect("nio.shutdownTimeout"),
    no_effect("commitProcessor.*"),
    no_effect("netty.*"),
    no_effect("serverCnxnFactory"),
    no_effect("request_throttle_max_requests", "0"),
    no_effect("request_throttle_stall_time"),
    no_effect("request_throttle_drop_stale"),
    no_effect("request_stale_latency_check"),
    no_effect("request_stale_connection_check"),
    no_effect("request_throttler.shutdownTimeout"),
    no_effect("throttled_op_wait_time", "0"),
    no_effect("connection_throttle_*"),
    no_effect("largeRequestMaxBytes"),
    no_effect("largeRequestThreshold"),
    no_effect("maxResponseCacheSize"),
    no_effect("maxGetChildrenResponseCacheSize"),
    no_effect("intBufferStartingSizeBytes"),
    no_effect("enableEagerACLCheck"),
    no_effect("watchManagerName"),
    no_effect("watcherCleanThreadsNum"),
    no_effect("watcherCleanThreshold"),
    no_effect("watcherCleanIntervalInSeconds"),
    no_effect("maxInProcessingDeadWatchers"),
    no_effect("bitHashCacheSize"),
    no_effect("jvm.pause.*"),
    no_effect("messageTracker.*"),
    no_effect("pathStats.*"),
    no_effect("requestThrottleLimit"),
    no_effect("requestThrottleStallTime"),
    no_effect("requestThrottleDropStale"),
    no_effect("requestStaleLatencyCheck"),
    no_effect("requestStaleConnectionCheck"),
    no_effect("throttledOpWaitTime"),
    no_effect("connectionMaxTokens"),
    no_effect("connectionTokenFillTime"),
    no_effect("connectionTokenFillCount"),
    no_effect("connectionFreezeTime"),
    no_effect("connectionDropIncrease"),
    no_effect("connectionDropDecrease"),
    no_effect("connectionDecreaseRatio"),
};

constexpr bool pattern(const Option& option) {
    return option.key.ends_with('*');
}

constexpr bool keys_differ() {
    for (size_t i = 0; i < std::size(table); ++i)
        for (size_t j = 0; j < i; ++j)
            if (table[i].key == table[j].key) return false;
    return true;
}
static_assert(keys_differ());

}  // namespace

std::span<const Option> options() {
    return table;
}

const Option* find_option(std::string_view key) {
    const Option* best = nullptr;
    for (const Option& option : table) {
        if (option.key == key) return &option;
        std::string_view stem = option.key.substr(0, option.key.size() - 1);
        bool matches = pattern(option) && key.size() > stem.size() && key.starts_with(stem);
        if (matches && (best == nullptr || best->key.size() < option.key.size())) best = &option;
    }
    return best;
}

bool word_allowed(const Config& config, std::string_view word) {
    if (word == "srvr") return true;  // always, as in ZooKeeper
    // Clients look for a server that is more than read-only by it.
    if (word == "isro" && config.read_only_mode) return true;
    std::string_view words = config.four_letter_words;
    while (!words.empty()) {
        size_t comma = std::min(words.find(','), words.size());
        std::string_view one = words.substr(0, comma);
        if (one == word || one == "*") return true;
        words.remove_prefix(std::min(comma + 1, words.size()));
    }
    return false;
}

}  // namespace zk
