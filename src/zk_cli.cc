// zk_cli.cc -- the main of zk-cli: a command from the arguments, a script, or a prompt.

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "cli/manual.h"
#include "cli/repl.h"
#include "cli/script.h"
#include "cli/start.h"
#include "cli/zkcli.h"

namespace zk {

namespace {

// Where a standard stream was closed, the next socket would take its number. Reading finds nothing
// then, and writing data fails.
void open_standard_streams() {
    const int modes[] = {O_RDONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < 3; ++fd)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd) _exit(1);
}

int exit_status(Status status) { return static_cast<int>(status); }

int run(const Start& start) {
    bool prompt = start.command.empty() && isatty(STDIN_FILENO) == 1;
    ShellOptions options;
    options.human = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    options.color = options.human && getenv("NO_COLOR") == nullptr;
    options.pipeline = start.pipeline && !prompt;
    options.keep_going = start.keep_going;
    options.json = start.json;
    options.zkcli = start.zkcli;
    options.script = start.command.empty();
    Shell shell(start.session, options);
    if (start.deadline_ms > 0) shell.set_deadline(start.deadline_ms);
    if (start.zkcli) shell.greet(start.command.empty());
    Status status = Status::ok;
    if (prompt) {
        status = run_repl(shell, options.color);
    } else if (start.command.empty()) {
        status = run_script(shell, STDIN_FILENO, start.keep_going || start.zkcli);
    } else {
        shell.run_words(start.command);
        status = shell.finish();
    }
    bool written = shell.close();
    if (start.zkcli) status = zkcli::simplified(status);
    return status == Status::ok && !written ? exit_status(Status::failed) : exit_status(status);
}

}  // namespace

}  // namespace zk

int main(int argc, char** argv) {
    using namespace zk;
    open_standard_streams();
    signal(SIGPIPE, SIG_IGN);
    std::span<const char* const> arguments(argv + 1, static_cast<size_t>(argc - 1));
    Surroundings around = surroundings_of_process();
    // Who puts it in the place of zkCli.sh wants it to be like that.
    std::string_view name = argv[0];
    name.remove_prefix(name.rfind('/') + 1);
    if (name.starts_with("zkCli") && around.style == nullptr) around.style = "zkcli";
    Result<Start> start = read_start(arguments, around);
    if (!start) {
        fprintf(stderr, "zk-cli: %s\n", start.error().text.c_str());
        return exit_status(Status::usage);
    }
    if (start->help) {
        fputs(start_help().c_str(), stdout);
        return 0;
    }
    if (start->man || start->complete) {
        fputs(start->man ? man_page().c_str()
                         : complete_word(*start->complete, surroundings_of_process()).c_str(),
              stdout);
        fflush(stdout);
        _exit(0);
    }
    if (!start->completion.empty()) {
        std::string_view script = completion_script(start->completion);
        if (script.empty()) fprintf(stderr, "zk-cli: completion is made for bash and zsh\n");
        fwrite(script.data(), 1, script.size(), stdout);
        return script.empty() ? exit_status(Status::usage) : 0;
    }
    if (start->version) {
        printf("zk-cli %.*s\n", static_cast<int>(cli_version.size()), cli_version.data());
        return 0;
    }
    // Not exit(): libuv would wait there for a name server that does not answer.
    int status = run(*start);
    fflush(nullptr);
    _exit(status);
}
