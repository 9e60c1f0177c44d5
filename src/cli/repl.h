// repl.h -- a person at a terminal: line editing, history, completion, news between the lines.
//
// Owns the terminal through libedit. libedit waits for keys by asking us for the next one, and we
// wait in SyncClient::wait_input, so that the session lives while nobody types. Lines are kept in
// ~/.zk_cli_history, those with secrets (addauth) excepted.

#pragma once

#include "cli/shell.h"

namespace zk {

Status run_repl(Shell& shell, bool color);

}  // namespace zk
