// recipe_wait.cc -- wait: until a znode is there, is gone, or holds some data.

#include "cli/handlers.h"
#include "cli/recipe.h"
#include "cli/recipe_handlers.h"

namespace zk {

namespace {

// Looks, and leaves a watch whatever it sees. A read of data leaves none where there is no znode.
Err look(Recipe& recipe, const std::string& path, const std::string* equals, bool& equal) {
    for (;;) {
        if (equals == nullptr) return recipe.call(call::exists(path, true)).header.err;
        SyncClient::Reply reply = recipe.call(call::get_data(path, true));
        if (reply.header.err == Err::ok) {
            std::optional<Data> got = decode_data(reply.body);
            equal = got && as_text(got->data) == *equals;
            return Err::ok;
        }
        if (reply.header.err != Err::no_node) return reply.header.err;
        Err err = recipe.call(call::exists(path, true)).header.err;
        if (err != Err::ok) return err;
    }
}

}  // namespace

Status op_wait(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    const std::string* equals = args.value("equals");
    bool gone = args.has("gone");
    if ((equals != nullptr) + gone + args.has("exists") > 1)
        return shell.usage("--exists, --gone and --equals exclude each other");
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    std::string path = shell.full(args.word(0));
    for (;;) {
        recipe.take_events();
        size_t seen = recipe.connections();
        bool equal = false;
        Err err = look(recipe, path, equals, equal);
        bool there = err == Err::ok;
        if (!there && err != Err::no_node && err != Err::session_expired)
            return recipe.fail(err, args.word(0));
        bool done = equals != nullptr ? equal : there != gone;
        if (done && err != Err::session_expired) return Status::ok;
        if (Status status = recipe.wait_change(seen); status != Status::ok) return status;
    }
}

}  // namespace zk
