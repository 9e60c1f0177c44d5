# zkd: `make` builds ./zkd, ./zk-cli and ./zk-bench; `make help` lists the rest.
MAKEFLAGS += --no-print-directory
CXX := g++
CXXFLAGS := -std=c++20 -O2 -g -fno-exceptions -fno-rtti -Wall -Wextra -Wpedantic -Wshadow \
            -Wconversion -Wsign-conversion -Werror -Isrc -MMD -MP
BUILD := build/normal
LIBS := $(shell pkg-config --libs libuv libxxhash libcrypto libedit)
rooms := base wire state storage quorum node
core := $(foreach room,$(rooms),$(patsubst src/%.cc,$(BUILD)/%.o,$(wildcard src/$(room)/*.cc)))
edge := $(patsubst src/%.cc,$(BUILD)/%.o,$(wildcard src/edge/*.cc))
unit := $(patsubst tests/%.cc,$(BUILD)/tests/%.o,$(wildcard tests/unit/*.cc))

all: zkd
zkd: $(BUILD)/zkd.o $(core) $(edge)
	$(CXX) -o $@ $^ $(LIBS)
unit: $(BUILD)/unit
	$(BUILD)/unit
$(BUILD)/unit: $(unit) $(core)
	$(CXX) -o $@ $^ $(LIBS)
$(BUILD)/%.o: src/%.cc
	@mkdir -p $(@D)
	@echo "CC $(notdir $@)"
	@$(CXX) $(CXXFLAGS) -c -o $@ $<
$(BUILD)/tests/%.o: tests/%.cc
	@mkdir -p $(@D)
	@echo "CC $(notdir $@)"
	@$(CXX) $(filter-out -fno-exceptions -fno-rtti,$(CXXFLAGS)) -Itests -c -o $@ $<
-include $(shell find build -name '*.d' 2>/dev/null)
.PHONY: all unit
