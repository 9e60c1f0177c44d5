// words.h -- the four-letter words: what operators and monitoring ask on the client port.
//
// Layer 5. Owns nothing; a friend of Core, which it looks into. Split by what is told:
//
//     words.cc         the table of words; connections, sessions, watches
//     words_server.cc  srvr, conf, mntr: the server and its part in the ensemble
//
// The texts are ZooKeeper's own, since programs read them. Invariant: a word that needs a serving
// node is not called on one that does not serve, and the others look neither at the log nor at the
// quorum's progress, which a blank node has not.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "node/core.h"

namespace zk {

struct Words {
    Core& core;
    const Client& client;  // who asks
    Buffer& out;

    // What the node is to the ensemble, and to ZooKeeper's words.
    enum class Mode : uint8_t { none, standalone, leader, follower, observer, read_only };
    static Mode mode_of(const Core& core);
    Mode mode() const { return mode_of(core); }
    const char* mode_name() const;
    const Metrics& metrics() const { return core.metrics_; }

    // words.cc
    void ruok() const;
    void isro() const;
    void stat() const;
    void cons() const;
    void envi() const;
    void dirs() const;
    void dump() const;
    void wchs() const;
    void wchc() const { lists(false); }
    void wchp() const { lists(true); }
    void crst() const;
    void srst() const;

    // words_server.cc
    void srvr() const;
    void conf() const;
    void mntr() const;

    // Of the data table only, as ZooKeeper; gathered by client or by path.
    using Lists = std::map<std::string, std::vector<std::string>>;

    void connection(const Client& of, bool full) const;
    void connections(bool full) const;
    void dump_sessions(const Sessions& sessions) const;
    void dump_known(const Sessions& sessions) const;
    void dump_ephemerals() const;
    Lists gather(bool by_path) const;
    void lists(bool by_path) const;

    void version() const;
    void server() const;
    std::pair<uint64_t, uint64_t> sizes() const;
    void conf_member() const;
    void mntr_head() const;
    void mntr_disk() const;
    void mntr_leader() const;
    void mntr_member() const;
    void mntr_peers() const;
    void mntr_line(const char* key, uint64_t value) const;
    void mntr_summary(const char* key, const Summary& of) const;
};

// Adds formatted text; what is longer than a kB is cut.
void line(Buffer& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
// As Java prints a double rounded to four places: 0.0, 0.25, 12.3457.
std::string java_double(double value);
inline unsigned long long hex(int64_t number) { return static_cast<unsigned long long>(number); }

}  // namespace zk
