// zkcli.h -- the shape of zkCli.sh: what --zkcli needs where Apache's shell and ours differ.
//
// Pure but for drop_surplus. Texts are those of ZooKeeper 3.9, so that scripts made for zkCli.sh
// find what they look for. What no such script can want is left out: log lines, the line editor's
// echo, Java's stack traces, and that a session is left open at the end.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "client/options.h"
#include "client/watches.h"

namespace zk::zkcli {

// Its own way to cut a line into words: quotes count only at the beginning of a word, and nothing
// escapes anything.
Result<std::vector<std::string>> split(std::string_view line);

std::string_view usage();  // of all commands, as it stands before "Command not found"
// What a bad command line gets: the usage line for too few words, else `why` alone.
std::string usage_error(const Command& command, std::string_view why);
std::string option_error(std::string_view why);

std::string event(std::string_view state, std::string_view type, std::string_view path,
                  int64_t zxid);
// Of a connection that comes and goes. `was`: there has been one before. May be "".
std::string state_event(ClientState state, bool was);

// `get path watch` is the old way to say -w, `delete path version` says nothing any more; other
// words too many are not minded.
void drop_surplus(Shell& shell, const Command& command, Args& args);

// An access list without what cannot be understood, which is only noted on standard error. May be
// empty, and then no server would take it: see refuse_acls.
std::string clean_acls(Shell& shell, std::string_view text);
Status refuse_acls(Shell& shell, bool create);

// The events that removing watches gives; `kinds` are those there were.
std::string removed_events(uint8_t kinds, WatcherType type, std::string_view path);

// The exit status: 0, 1 or 127.
Status simplified(Status status);

}  // namespace zk::zkcli
