// version.h -- how this server names itself: as a ZooKeeper 3.9 to tools, as zkd to people.
//
// Layer 5. Tools take the three numbers and the date apart in their own ways: the date is in the
// one form that all of them read. The Makefile puts it, the last commit's, into built.h.

#pragma once

#include <string>

#include "base/version.h"

#if __has_include("built.h")
#include "built.h"
#else
#define ZKD_BUILT "11/21/2026 10:00 UTC"
#endif

namespace zk {

inline std::string full_version() {
    return "3.9.5-zkd-" ZKD_VERSION ", built on " ZKD_BUILT;
}

}  // namespace zk
