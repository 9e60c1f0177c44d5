// version.h -- zkd's own version, the same for server, shell and benchmark.
//
// Layer 0. The build says it in a header that it makes (built.h); these are the values of a build
// that does not.

#pragma once

#if __has_include("built.h")
#include "built.h"
#endif

#ifndef ZKD_VERSION
#define ZKD_VERSION "0.1.0"
#endif
#ifndef ZKD_BUILT
#define ZKD_BUILT "11/21/2026 10:00 UTC"
#endif
