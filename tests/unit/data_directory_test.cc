// data_directory_test.cc -- what is refused as a data directory, and whose it is.

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "edge/data_directory.h"
#include "folder.h"

using namespace zk;

TEST_CASE("a directory that is missing may be made, its parents may not") {
    Folder folder;
    CHECK(directory_problem(folder.path, false) == "");
    CHECK(directory_problem(folder.path + "/data", true) == "");
    CHECK(directory_problem(folder.path + "/data/", true) == "");
    CHECK(directory_problem(folder.path + "/data", false).find("autocreate") != std::string::npos);
    std::string problem = directory_problem(folder.path + "/a/b", true);
    CHECK(problem.find("there is no " + folder.path + "/a;") != std::string::npos);
    CHECK(access((folder.path + "/data").c_str(), F_OK) != 0);
    CHECK_FALSE(make_directory(folder.path + "/a/b"));
    CHECK(make_directory(folder.path + "/data/"));
    CHECK(make_directory(folder.path + "/data"));
    CHECK(access((folder.path + "/data").c_str(), F_OK) == 0);
}

TEST_CASE("a file is no data directory") {
    Folder folder;
    std::string file = folder.path + "/file";
    fclose(fopen(file.c_str(), "w"));
    CHECK(directory_problem(file, true) == file + " is not a directory");
    CHECK(directory_problem(file + "/data", true) != "");
}

TEST_CASE("a directory has one owner, however it is written, even if the lock's file is removed") {
    Folder folder;
    CHECK(same_directory(folder.path, folder.path + "/../" + folder.path.substr(5) + "/"));
    REQUIRE(lock_directory(folder.path));
    Result<void> second = lock_directory(folder.path + "/");
    REQUIRE_FALSE(second);
    CHECK(second.error().text.find("process " + std::to_string(getpid())) != std::string::npos);
    REQUIRE(unlink((folder.path + "/lock").c_str()) == 0);
    CHECK_FALSE(lock_directory(folder.path));
}
