// cli_recipe_test.cc -- what a recipe does before there is a server.

#include <doctest/doctest.h>

#include <csignal>

#include "cli/recipe.h"

using namespace zk;

TEST_CASE("a signal that comes before a recipe catches it ends the recipe") {
    SyncOptions options;
    options.client.servers = {{"127.0.0.1", 1}};
    Shell shell(options, {});
    int caught = 0;
    auto count = [](void* context, int) { ++*static_cast<int*>(context); };
    shell.session().catch_signal(SIGINT, count, &caught);
    SUBCASE("behind the Enter that begins it") {}
    SUBCASE("while the replies to earlier lines are waited for") {
        shell.session().send(call::sync("/"), {});
    }
    raise(SIGINT);
    Recipe recipe(shell);
    CHECK(caught == 1);
    CHECK(recipe.signal() == SIGINT);
    CHECK(recipe.over());
}
