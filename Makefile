# zkd. `make` builds ./zkd, ./zk-cli and ./zk-bench; `make help` lists the rest.
#
#     V=1            shows each command as it is
#     SANITIZE=...   address,undefined and such: a build of its own, beside the normal one
#     DEBUG=1        -O0

# In parallel, unless somebody says how.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-print-directory

# Packages first: a bare machine may have make and nothing else. Only asked once.
ifeq ($(filter help clean format lint install-packages,$(MAKECMDGOALS)),)
packages := $(shell test -e build/.packages || { deps/install build >&2 && mkdir -p build && touch build/.packages; } || echo missing)
ifeq ($(packages),missing)
$(error packages are missing, see above)
endif
endif

CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
PREFIX ?= /usr/local
VERSION := 0.1.0

ifdef SANITIZE
BUILD := build/$(subst $(comma),-,$(SANITIZE))
else
BUILD := build/normal
endif
comma := ,
ifdef SANITIZE
BUILD := build/$(subst $(comma),-,$(SANITIZE))
OUT := $(BUILD)/
sanitize := -fsanitize=$(SANITIZE) -fno-sanitize=vptr -fno-omit-frame-pointer -fno-sanitize-recover=all
endif

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror
common := -std=c++20 -O$(if $(DEBUG),0,2) -g $(warnings) $(sanitize) -Isrc -MMD -MP \
          -DZKD_VERSION='"$(VERSION)"'
src_flags := $(common) -fno-exceptions -fno-rtti
test_flags := $(common) -Itests -Itests/unit

# The libraries, as archives where there are some, so that the binary is one file to copy.
archive = $(firstword $(wildcard $(addsuffix /$(1),$(shell pkg-config --variable=libdir $(2)) )))
ifdef SANITIZE
libs_zkd := $(shell pkg-config --libs libuv libxxhash libcrypto)
libs_cli := $(shell pkg-config --libs libuv libxxhash libcrypto libedit)
else
uv := $(firstword $(call archive,libuv_a.a,libuv) $(call archive,libuv.a,libuv))
xxhash := $(call archive,libxxhash.a,libxxhash)
crypto := $(call archive,libcrypto.a,libcrypto)
edit := $(call archive,libedit.a,libedit)
tinfo := $(firstword $(call archive,libtinfo.a,libedit) $(call archive,libncursesw.a,libedit))
bsd := $(call archive,libbsd.a,libedit)
md := $(call archive,libmd.a,libedit)
static_runtime := -static-libstdc++ -static-libgcc
libs_zkd := $(static_runtime) $(or $(uv),-luv) $(or $(xxhash),-lxxhash) $(or $(crypto),-lcrypto) \
            -lpthread -ldl -lrt
ifneq ($(and $(edit),$(tinfo),$(bsd),$(md)),)
libs_edit := $(edit) $(tinfo) $(bsd) $(md)
else
libs_edit := $(shell pkg-config --libs libedit 2>/dev/null)
endif
libs_cli := $(libs_zkd) $(libs_edit)
endif

objects = $(patsubst %.cc,$(BUILD)/%.o,$(foreach room,$(1),$(wildcard src/$(room)/*.cc)))
pure := $(call objects,base wire state storage quorum node)
client := $(call objects,client)
zkd_objects := $(pure) $(call objects,edge) $(BUILD)/src/zkd.o
cli_objects := $(call objects,base wire client cli) $(BUILD)/src/zk_cli.o
bench_objects := $(call objects,base wire client bench) $(BUILD)/src/zk_bench.o
# Two binaries: server and tools each have a Client and a Command of their own.
tool_tests := $(wildcard tests/unit/client_*.cc tests/unit/cli_*.cc tests/unit/bench_*.cc)
server_tests := $(filter-out $(tool_tests),$(wildcard tests/unit/*.cc))
unit_objects := $(patsubst %.cc,$(BUILD)/%.o,$(server_tests)) $(BUILD)/unit_main.o $(pure) \
                $(call objects,edge)
tools_objects := $(patsubst %.cc,$(BUILD)/%.o,$(tool_tests)) $(BUILD)/unit_main.o \
                 $(call objects,base wire client cli bench)
sim_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/sim/*.cc)) $(pure)

ifdef V
quiet :=
else
quiet := @
endif
say = @printf '%s %s\n' $(1) $(notdir $@)

.PHONY: all test unit sim diff interop cli-test crash hostile readme bench compare fuzz format lint \
        install uninstall clean help binaries
.DEFAULT_GOAL := all

all: binaries  ## zkd, zk-cli and zk-bench
	@echo "done; 'make test' tries it all, './zkd zk.conf' starts it"

binaries: $(OUT)zkd $(OUT)zk-cli $(OUT)zk-bench

$(OUT)zkd: $(zkd_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)
$(OUT)zk-cli: $(cli_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(OUT)zk-bench: $(bench_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)
$(BUILD)/unit: $(unit_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(BUILD)/unit-tools: $(tools_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(BUILD)/sim: $(sim_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)

$(BUILD)/src/%.o: src/%.cc
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CXX) $(src_flags) -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CXX) $(test_flags) -c -o $@ $<
$(BUILD)/unit_main.o:
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)printf '#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n' | \
	    $(CXX) -std=c++20 -O1 -x c++ -c -o $@ -

-include $(zkd_objects:.o=.d) $(cli_objects:.o=.d) $(bench_objects:.o=.d) $(unit_objects:.o=.d) \
         $(tools_objects:.o=.d) \
         $(sim_objects:.o=.d)

# --- tests -------------------------------------------------------------------------------------------

SEEDS ?= 2000
OPS ?= 20000
ROUNDS ?= 200
FUZZ_SECONDS ?= 60
where := $(abspath $(or $(OUT),.))

test: binaries $(BUILD)/unit $(BUILD)/unit-tools $(BUILD)/sim  ## all tests; the last line is `N passed, N failed`
	@BUILD=$(BUILD) ZKD_BIN=$(where) SEEDS=$(SEEDS) OPS=$(OPS) ROUNDS=$(ROUNDS) tests/run
unit: $(BUILD)/unit $(BUILD)/unit-tools  ## unit tests
	@$(BUILD)/unit
	@$(BUILD)/unit-tools
sim: $(BUILD)/sim  ## the simulator: SEEDS=n, or SEED=k to repeat one
	@$(BUILD)/sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
diff: binaries  ## the same random programs against Apache ZooKeeper: OPS=n, SEED=k
	@deps/install test && tests/diff/run.py --zkd $(where)/zkd --ops $(OPS) $(if $(SEED),--seed $(SEED))
interop: binaries  ## kazoo, the C client, zkCli.sh
	@deps/install test && ZKD=$(where)/zkd tests/interop/run.sh
cli-test: binaries  ## zk-cli as scripts and people use it
	@ZKD=$(where)/zkd ZK_CLI=$(where)/zk-cli tests/cli/run.sh
crash: binaries  ## kill -9 under load: ROUNDS=n, SEED=k
	@tests/chaos/crash.py --zkd $(where)/zkd --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
hostile: binaries  ## what a port on the Internet gets
	@tests/chaos/hostile.py --zkd $(where)/zkd $(if $(SEED),--seed $(SEED))
readme: binaries  ## the README's commands, as written
	@ZKD_BIN=$(where) tests/readme/run.py

fuzzers := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
fuzz_sources := $(foreach room,base wire state storage quorum node,$(wildcard src/$(room)/*.cc))
fuzz_objects := $(patsubst %.cc,build/fuzz/%.o,$(fuzz_sources))
fuzz_flags := -std=c++20 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
              -Isrc -MMD -MP
build/fuzz/%.o: %.cc
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)clang++ $(fuzz_flags) -c -o $@ $<
build/fuzz/%: build/fuzz/tests/fuzz/%_fuzz.o $(fuzz_objects)
	$(call say,LD)
	$(quiet)clang++ -fsanitize=fuzzer,address,undefined -o $@ $^ -lxxhash -lcrypto
.PRECIOUS: build/fuzz/%.o build/fuzz/tests/fuzz/%.o
fuzz: $(addprefix build/fuzz/,$(fuzzers))  ## each fuzzer for FUZZ_SECONDS
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(fuzzers)
-include $(wildcard build/fuzz/*/*/*.d build/fuzz/*/*/*/*.d)

bench: binaries  ## what this machine does: get, set, create
	@utils/compare --quick --zkd ./zkd --bench ./zk-bench --only zkd 2>/dev/null || ./zk-bench --help

# --- care --------------------------------------------------------------------------------------------

format:  ## clang-format over src and tests
	@git ls-files '*.cc' '*.h' | xargs clang-format -i
lint:  ## layers, lengths, banned calls
	@utils/lint

install: binaries  ## to PREFIX, below DESTDIR
	@mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/zkd
	@install -m 755 zkd zk-cli zk-bench $(DESTDIR)$(PREFIX)/bin
	@install -m 644 zk.conf README.md LICENSE CHANGELOG.md $(DESTDIR)$(PREFIX)/share/doc/zkd
	@echo "installed in $(DESTDIR)$(PREFIX)"
uninstall:  ## takes it away again
	@rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,zkd zk-cli zk-bench)
	@rm -rf $(DESTDIR)$(PREFIX)/share/doc/zkd
clean:  ## all that was built
	@rm -rf build zkd zk-cli zk-bench
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "    make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
