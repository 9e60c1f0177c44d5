// place.cc -- where relative paths are seen from: cd, pwd.

#include "cli/handlers.h"
#include "cli/words.h"

namespace zk {

namespace {

std::string_view place(const Shell& shell) {
    return shell.directory().empty() ? std::string_view("/") : shell.directory();
}

Status tell(Shell& shell) {
    if (shell.json())
        shell.out_line(Json::object().set("path", place(shell)));
    else
        shell.out_line(place(shell));
    return Status::ok;
}

}  // namespace

Status op_cd(Shell& shell, const Args& args) {
    bool back = args.word(0) == "-";
    if (back && shell.last_directory().empty())
        return shell.complain("there is nowhere to go back to", Status::failed);
    std::string to = back ? shell.last_directory()
                          : path_from(place(shell), args.words.empty() ? "/" : args.word(0));
    if (Status bad = check_path(shell, to); bad != Status::ok) return bad;
    SyncClient::Reply reply = shell.call(call::exists(shell.full(to), false));
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, to);
    shell.set_directory(std::move(to));
    return back ? tell(shell) : Status::ok;
}

Status op_pwd(Shell& shell, const Args&) { return tell(shell); }

}  // namespace zk
