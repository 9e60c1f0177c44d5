// config_fuzz.cc -- configuration files of any bytes: errors are fine, anything else is not.

#include <string>

#include "wire/options.h"

using namespace zk;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string text(reinterpret_cast<const char*>(data), size);
    Settings settings;
    read_config(text, "fuzz.conf", settings);
    read_dynamic_config(text, "fuzz.dynamic", settings);
    read_my_id(text, "myid", settings);
    check_config(settings);
    config_report(settings);
    return 0;
}
