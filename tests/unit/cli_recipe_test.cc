// cli_recipe_test.cc -- what a recipe does before there is a server.

#include <doctest/doctest.h>

#include <csignal>

#include "cli/recipe.h"

using namespace zk;

TEST_CASE("Ctrl-C behind the Enter that begins a recipe ends it, though the prompt caught it") {
    SyncOptions options;
    options.client.servers = {{"127.0.0.1", 1}};
    Shell shell(options, {});
    int caught = 0;
    auto count = [](void* context, int) { ++*static_cast<int*>(context); };
    shell.session().catch_signal(SIGINT, count, &caught);
    raise(SIGINT);
    Recipe recipe(shell);
    CHECK(caught == 1);
    CHECK(recipe.signal() == SIGINT);
    CHECK(recipe.over());
}
