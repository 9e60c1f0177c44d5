# zkd. `make` builds ./zkd, ./zk-cli and ./zk-bench; `make help` lists the rest.
#
#     V=1            shows each command as it is
#     SANITIZE=...   address,undefined and such: a build of its own, beside the normal one
#     DEBUG=1        -O0
#     MUTATION=name  with this bug of src/base/mutation.h: a build of its own, too

comma := ,
CXX ?= g++
ifeq ($(origin CXX),default)
CXX := g++
endif
CLANG ?= clang++
export CXX CLANG
PREFIX ?= /usr/local

# In parallel; a -j on the command line wins.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
endif
MAKEFLAGS += --no-print-directory

ifdef SANITIZE
BUILD := build/$(subst $(comma),-,$(SANITIZE))
OUT := $(BUILD)/
# src has no type information, so virtual tables cannot be checked.
sanitize := -fsanitize=$(SANITIZE) -fno-sanitize=vptr -Wno-maybe-uninitialized -fno-omit-frame-pointer \
            -fno-sanitize-recover=all
else ifdef MUTATION
BUILD := build/mutant-$(MUTATION)
OUT := $(BUILD)/
else
BUILD := build/$(if $(DEBUG),debug,normal)
OUT := $(if $(DEBUG),$(BUILD)/)
endif

# The libraries: how to link with them is found out once and kept in build/libraries*.mk. A bare
# machine may have make and nothing else; then deps/install brings the rest, or says how.
libraries := $(if $(SANITIZE),build/libraries-shared.mk,build/libraries.mk)
ifneq ($(filter-out help clean format lint tidy uninstall,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell test $(libraries) -nt deps/flags && test $(libraries) -nt deps/install && \
        grep -qx 'LIBRARIES_FOR := $(CXX)' $(libraries) && echo found),found)
ifneq ($(shell deps/install build >&2 && mkdir -p build && \
        { echo 'LIBRARIES_FOR := $(CXX)'; deps/flags $(if $(SANITIZE),--shared); } >$(libraries) && echo found),found)
$(shell rm -f $(libraries))
$(error zkd cannot be built without them)
endif
endif
include $(libraries)
endif

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror
# With sanitizers the compiler has most of the work: less of it is asked.
common := -std=c++20 -O$(if $(DEBUG),0,$(if $(SANITIZE),1,2)) -g$(if $(SANITIZE),1) $(warnings) $(sanitize) -Isrc -I$(BUILD)/include \
          $(if $(MUTATION),-DZKD_MUTATION=$(MUTATION)) $(DEPS_CFLAGS) $(EDIT_CFLAGS) -pthread -MMD -MP
src_flags := $(common) -fno-exceptions -fno-rtti
test_flags := $(common) -Itests -Itests/unit
libs_zkd := $(RUNTIME_LIBS) $(UV_LIBS) $(CRYPTO_LIBS) -pthread
libs_cli := $(libs_zkd) $(EDIT_LIBS)

objects = $(patsubst %.cc,$(BUILD)/%.o,$(foreach room,$(1),$(wildcard src/$(room)/*.cc)))
pure := $(call objects,base wire state storage quorum node)
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
explore_objects := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/explore/*.cc)) \
                   $(call objects,base quorum)

memory_objects := $(BUILD)/utils/memory.o $(pure) $(call objects,edge)

# One short line a file, in colour where somebody looks at it. V=1: the commands themselves.
quiet := $(if $(V),,@)
ifneq ($(and $(MAKE_TERMOUT),$(filter-out dumb,$(TERM)),$(if $(NO_COLOR),,yes)),)
say = @printf '\033[34m%s\033[0m %s\n' $(1) $(notdir $@)
hint = '\033[1m%s\033[0m\n'
else
say = @printf '%s %s\n' $(1) $(notdir $@)
hint = '%s\n'
endif

.PHONY: all test unit sim sim-mutants explore explore-mutants diff interop cli-test recipes crash hostile pauses readme bench compare scale fuzz format lint tidy \
        install uninstall clean help binaries always
.DEFAULT_GOAL := all

all: binaries  ## zkd, zk-cli and zk-bench
	@printf $(hint) "Built. 'make test' tries it all; './zkd zk.conf' starts it."

binaries: $(OUT)zkd $(OUT)zk-cli $(OUT)zk-bench $(BUILD)/null-server

$(OUT)zkd: $(zkd_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)
$(OUT)zk-cli: $(cli_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(OUT)zk-bench: $(bench_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)
$(BUILD)/null-server: $(BUILD)/utils/null_server.o $(call objects,base)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(RUNTIME_LIBS)
$(BUILD)/unit: $(unit_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(BUILD)/unit-tools: $(tools_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_cli)
$(BUILD)/sim: $(sim_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)
$(BUILD)/explore: $(explore_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)

$(BUILD)/memory: $(memory_objects)
	$(call say,LD)
	$(quiet)$(CXX) $(sanitize) -o $@ $^ $(libs_zkd)

# What the compiler is told counts as a source too: other flags, other objects.
$(BUILD)/flags: always
	@mkdir -p $(@D)
	@echo '$(CXX) $(src_flags)' | cmp -s - $@ || echo '$(CXX) $(src_flags)' >$@
# The time of the last commit (or, without git, of this file), for node/version.h. Its own file, so
# that few objects hang on it.
$(BUILD)/include/built.h: always
	@mkdir -p $(@D)
	@built=$$(TZ=UTC git log -1 --date='format-local:%m/%d/%Y %H:%M UTC' --format=%cd 2>/dev/null || \
	         TZ=UTC date -r Makefile '+%m/%d/%Y %H:%M UTC'); \
	 echo "#define ZKD_BUILT \"$$built\"" >$@.new; \
	 if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/src/%.o: src/%.cc $(BUILD)/flags | $(BUILD)/include/built.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CXX) $(src_flags) -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.cc $(BUILD)/flags | $(BUILD)/include/built.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CXX) $(test_flags) -c -o $@ $<
$(BUILD)/utils/%.o: utils/%.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CXX) $(common) -c -o $@ $<
$(BUILD)/unit_main.o:
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)printf '#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n' | \
	    $(CXX) -std=c++20 -O1 -x c++ -c -o $@ -

-include $(zkd_objects:.o=.d) $(cli_objects:.o=.d) $(bench_objects:.o=.d) $(unit_objects:.o=.d) \
         $(tools_objects:.o=.d) \
         $(sim_objects:.o=.d) $(explore_objects:.o=.d) $(memory_objects:.o=.d) \
         $(BUILD)/utils/null_server.d

# --- tests -------------------------------------------------------------------------------------------

SEEDS ?= 2000
OPS ?= 20000
ROUNDS ?= 200
RECIPE_SECONDS ?= 30
FUZZ_SECONDS ?= 60
where := $(abspath $(or $(OUT),.))

test: binaries $(BUILD)/unit $(BUILD)/unit-tools $(BUILD)/sim $(BUILD)/explore  ## all tests; the last line is `N passed, N failed`
	@BUILD=$(BUILD) ZKD_BIN=$(where) SEEDS=$(SEEDS) OPS=$(OPS) ROUNDS=$(ROUNDS) RECIPE_SECONDS=$(RECIPE_SECONDS) tests/run
unit: $(BUILD)/unit $(BUILD)/unit-tools  ## unit tests
	@$(BUILD)/unit
	@$(BUILD)/unit-tools
sim: $(BUILD)/sim  ## the simulator: SEEDS=n, or SEED=k to repeat one; NODES=n voters in each world
	@$(BUILD)/sim $(if $(NODES),--nodes $(NODES)) $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))
sim-mutants: build/normal/sim  ## does the simulator find each deliberate bug?
	@LIBS='$(libs_zkd)' tests/sim/mutants
explore-mutants:  ## does explore find each deliberate bug?
	@tests/explore/mutants
explore: $(BUILD)/explore  ## every order of events for three nodes: STATES=n a chapter, MORE=n events
	@$(BUILD)/explore $(if $(STATES),--states $(STATES)) $(if $(MORE),--more $(MORE)) \
	    $(if $(ONLY),--only $(ONLY))
diff: binaries  ## the same random programs against Apache ZooKeeper: OPS=n, SEED=k
	@deps/install test && tests/diff/run.py --zkd $(where)/zkd --ops $(OPS) $(if $(SEED),--seed $(SEED))
interop: binaries  ## kazoo, the C client, zkCli.sh
	@deps/install test && ZKD=$(where)/zkd tests/interop/run.sh
cli-test: binaries  ## zk-cli as scripts and people use it
	@export ZKD=$(where)/zkd ZK_CLI=$(where)/zk-cli; \
	 tests/cli/run.sh && tests/cli/scripts.sh && tests/cli/golden.sh && tests/cli/outside.sh && \
	 tests/cli/recipes.sh && tests/cli/trees.sh
recipes: binaries  ## zk-cli's locks, elections and queues under attack: RECIPE_SECONDS=n, SEED=k
	@ZKD=$(where)/zkd ZK_CLI=$(where)/zk-cli tests/chaos/recipes.py --seconds $(RECIPE_SECONDS) $(if $(SEED),--seed $(SEED))
crash: binaries  ## kill -9 under load: ROUNDS=n, SEED=k
	@tests/chaos/crash.py --zkd $(where)/zkd --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))
hostile: binaries  ## what a port on the Internet gets
	@tests/chaos/hostile.py --zkd $(where)/zkd $(if $(SEED),--seed $(SEED))
	@tests/chaos/strangers.py --zkd $(where)/zkd $(if $(SEED),--seed $(SEED))
pauses: binaries  ## the longest turn of the loop: PAUSES='--znodes 10000000 ...' for other sizes
	@tests/chaos/pauses.py --zkd $(where)/zkd --bench $(where)/zk-bench $(PAUSES)
readme: binaries  ## the README's commands, as written
	@ZKD_BIN=$(where) tests/readme/run.py

fuzzers := $(patsubst tests/fuzz/%_fuzz.cc,%,$(wildcard tests/fuzz/*_fuzz.cc))
fuzz_sources := $(foreach room,base wire state storage quorum node,$(wildcard src/$(room)/*.cc))
fuzz_objects := $(patsubst %.cc,build/fuzz/%.o,$(fuzz_sources))
fuzz_flags := -std=c++20 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
              -Isrc $(DEPS_CFLAGS) -MMD -MP
build/fuzz/%.o: %.cc | build/fuzz/.clang
	@mkdir -p $(@D)
	$(call say,CC)
	$(quiet)$(CLANG) $(fuzz_flags) -c -o $@ $<
build/fuzz/%: build/fuzz/tests/fuzz/%_fuzz.o $(fuzz_objects)
	$(call say,LD)
	$(quiet)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(CRYPTO_LIBS)
.PRECIOUS: build/fuzz/%.o build/fuzz/tests/fuzz/%.o
build/fuzz/.clang:
	@deps/install fuzz && mkdir -p $(@D) && touch $@
fuzz: $(addprefix build/fuzz/,$(fuzzers))  ## each fuzzer for FUZZ_SECONDS
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(fuzzers)
-include $(wildcard build/fuzz/*/*/*.d build/fuzz/*/*/*/*.d)

compared := $(if $(OUT),--zkd $(where)/zkd --bench $(where)/zk-bench --null-server $(BUILD)/null-server)
bench: binaries  ## what this machine does, in a minute
	@utils/compare --quick --alone $(compared)
compare: binaries  ## zkd beside ZooKeeper, redis and the limit: FULL=1 all, QUICK=1 small, ONLY=part, README=1
	@utils/compare $(compared) $(if $(FULL),--full) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	    $(if $(README),--readme README.md)
scale: binaries  ## what ensembles carry as they grow, a model and its checks: QUICK=1 small, README=1
	@utils/scale $(if $(OUT),--zkd $(where)/zkd --zk-cli $(where)/zk-cli --zk-bench $(where)/zk-bench) \
	    $(if $(QUICK),--quick) $(if $(README),--readme README.md)

# --- care --------------------------------------------------------------------------------------------

format:  ## clang-format over src and tests
	@git ls-files '*.cc' '*.h' | xargs clang-format -i
lint tidy:  ## layers, lengths, banned calls
	@utils/lint

install: binaries  ## to PREFIX, below DESTDIR
	@mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/zkd
	@install -s -m 755 zkd zk-cli zk-bench $(DESTDIR)$(PREFIX)/bin
	@install -m 644 zk.conf README.md LICENSE CHANGELOG.md $(DESTDIR)$(PREFIX)/share/doc/zkd
	@for one in man/man1/zk-cli.1=--man bash-completion/completions/zk-cli='--completion bash' \
	    zsh/site-functions/_zk-cli='--completion zsh'; do \
	    at=$(DESTDIR)$(PREFIX)/share/$${one%%=*}; \
	    mkdir -p $${at%/*} && $(where)/zk-cli $${one#*=} >$$at; done
	@echo "installed in $(DESTDIR)$(PREFIX)"
uninstall:  ## takes it away again
	@rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,zkd zk-cli zk-bench)
	@rm -rf $(addprefix $(DESTDIR)$(PREFIX)/share/,doc/zkd man/man1/zk-cli.1 \
	    bash-completion/completions/zk-cli zsh/site-functions/_zk-cli)
clean:  ## all that was built
	@rm -rf build zkd zk-cli zk-bench
help:  ## this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "    make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
