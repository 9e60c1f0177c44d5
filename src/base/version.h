// version.h -- zkd's own version, the same for server, shell and benchmark.
//
// Layer 0.

#pragma once

#define ZKD_VERSION "0.1.0"
