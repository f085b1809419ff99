# nightjar. `make help` lists the goals.
#
# Everything that is made goes under build/. VARIANT=asan builds and tests
# with the address and undefined-behaviour sanitizers.

VARIANT ?= release
PREFIX ?= /usr/local
DESTDIR ?=
CC = gcc
CLANG ?= clang
PROVE_JOBS ?= 4
FUZZ_SECONDS ?= 60

# All processors, unless -j says otherwise.
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += --jobs=$(shell nproc)
endif

# V=1 shows whole commands.
ifneq ($(V),1)
Q = @
endif

B = build/$(VARIANT)
VERSION := $(shell cat VERSION)

.DEFAULT_GOAL := all

# Goals that need no compiler or library must work before any is installed.
LIGHT_GOALS := help clean uninstall
ifneq ($(filter-out $(LIGHT_GOALS),$(or $(MAKECMDGOALS),all)),)
include build/flags.mk
endif

# Written after the packages are there; make reads it and starts again.
build/flags.mk: .ci/deps
	@.ci/deps build
	@mkdir -p build
	@echo "LIBRARY_CFLAGS := $$(pkg-config --cflags $(LIBRARIES))" >$@.new
	@echo "LIBRARY_LDLIBS := $$(pkg-config --libs $(LIBRARIES))" >>$@.new
	@mv $@.new $@

LIBRARIES = libcurl libcjson yaml-0.1 libgit2 libseccomp

WARNINGS = -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wcast-qual -Wvla -Wformat=2 \
	-Wundef -Wimplicit-fallthrough -Wno-missing-field-initializers
ifdef CI
WARNINGS += -Werror
endif

# A test's preparation that fails shows as a failed test.
$(B)/tests/%.o: WARNINGS += -Wno-unused-result

# The same bytes whatever folder it is built in.
CFLAGS_release = -O2 -D_FORTIFY_SOURCE=2 -ffile-prefix-map=$(CURDIR)=.
CFLAGS_asan = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
LDFLAGS_release = -Wl,-z,relro,-z,now -pie
LDFLAGS_asan = -fsanitize=address,undefined

COMMON = -std=gnu17 -D_GNU_SOURCE -I. -include base/banned.h \
	-DNIGHTJAR_VERSION='"$(VERSION)"'
ALL_CFLAGS = $(COMMON) -g -fPIE -fstack-protector-strong $(WARNINGS) \
	$(CFLAGS_$(VARIANT)) $(LIBRARY_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(LDFLAGS_$(VARIANT)) $(LDFLAGS)

SOURCES := $(wildcard base/*.c sandbox/*.c tasks/*.c reporters/*.c \
	runner/*.c runner/*/*.c)
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
PARTS := $(filter-out $(B)/runner/main.o,$(OBJECTS))

UNIT_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c \
	tests/attacks/test_*.c))
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$(B)/tests/fuzz/replay_%,\
	$(wildcard tests/fuzz/fuzz_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(B)/%,$(wildcard tests/server/*.c))
BENCH_PROGRAMS := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/*.c))
SCRIPT_TESTS := $(wildcard tests/cli/*.t tests/functional/*.t) \
	$(wildcard tests/agent/test_*.py) $(wildcard tests/batch/test_*.py) \
	$(wildcard tests/reports/test_*.py) \
	$(filter-out %/lab.py,$(wildcard tests/attacks/*.py))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,\
	$(wildcard tests/fuzz/fuzz_*.c))

## all: build build/release/nightjar (installs missing packages)
all: $(B)/nightjar

$(B)/nightjar: $(OBJECTS)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LDLIBS) -lm

# For tests and benchmarks: all but main, the linker takes what they use.
$(B)/libnightjar.a: $(PARTS)
	@rm -f $@
	@$(AR) rcs $@ $^

# What reporters/html_page.c embeds.
$(B)/reporters/html_page.o: reporters/html.js reporters/html.css

$(B)/%.o: %.c build/flags.mk VERSION
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_TESTS): $(B)/%: $(B)/%.o $(B)/tests/tap.o $(B)/libnightjar.a
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LDLIBS) -lm

$(REPLAYS): $(B)/tests/fuzz/replay_%: $(B)/tests/fuzz/fuzz_%.o \
		$(B)/tests/fuzz/replay.o $(B)/tests/tap.o $(B)/libnightjar.a
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LDLIBS) -lm

$(TEST_PROGRAMS) $(BENCH_PROGRAMS): $(B)/%: $(B)/%.o $(B)/libnightjar.a
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBRARY_LDLIBS) -lm

## demo: run the main job on the example, with no key and no network
demo: build/demo-deps all
	@examples/quickstart/demo.sh $(B)/nightjar

build/demo-deps: .ci/deps
	@.ci/deps demo
	@mkdir -p build && touch $@

## test: build and run every test (VARIANT=asan: under the sanitizers)
test: build/test-deps all $(UNIT_TESTS) $(REPLAYS) $(TEST_PROGRAMS)
	@LSAN_OPTIONS=suppressions=$(abspath tests/lsan.supp):print_suppressions=0 \
		NIGHTJAR_BUILD=$(abspath $(B)) prove --jobs $(PROVE_JOBS) --timer \
		--exec tests/run-one $(UNIT_TESTS) $(REPLAYS) $(SCRIPT_TESTS)

build/test-deps: .ci/deps tests/reports/readers/package-lock.json
	@.ci/deps test
	@tests/reports/readers/install build/readers
	@mkdir -p build && touch $@

## bench: print ratios against a floor that is measured in the same run
bench: build/test-deps all $(TEST_PROGRAMS) $(BENCH_PROGRAMS)
	@NIGHTJAR_BUILD=$(abspath $(B)) tests/bench/run.sh

## fuzz: run each fuzz target for FUZZ_SECONDS (needs clang)
fuzz: build/fuzz-deps $(FUZZERS)
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(FUZZERS)

build/fuzz-deps: .ci/deps
	@.ci/deps fuzz
	@mkdir -p build && touch $@

FUZZ_CFLAGS = $(COMMON) -g -O1 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all $(LIBRARY_CFLAGS)

build/fuzz/%: tests/fuzz/%.c $(filter-out runner/main.c,$(SOURCES)) \
		| build/fuzz-deps
	@mkdir -p $(@D)
	@echo "  FUZZ  $<"
	$(Q)$(CLANG) $(FUZZ_CFLAGS) -o $@ $< \
		$(filter-out runner/main.c,$(SOURCES)) $(LIBRARY_LDLIBS) -lm

## lint: clang-format, clang-tidy and cppcheck
lint: build/lint-deps
	@tests/lint.sh

build/lint-deps: .ci/deps
	@.ci/deps lint
	@mkdir -p build && touch $@

## docs: write docs/ references, the man page and schemas from their tables
docs: all
	@tests/docs.sh $(B)/nightjar write

## install: into DESTDIR and PREFIX (default /usr/local)
install: all
	.ci/install $(B)/nightjar $(DESTDIR)$(PREFIX)

## uninstall: remove what install put there
uninstall:
	.ci/install --remove $(DESTDIR)$(PREFIX)

## deb: build/nightjar_VERSION_ARCH.deb, a Debian package
deb: build/package-deps all
	@.ci/package deb $(B)/nightjar build

# Finds the libraries that come with it; a RPATH holds for theirs, too.
DIST_PROGRAM = build/dist/nightjar
$(DIST_PROGRAM): $(OBJECTS)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	$(Q)$(CC) $(ALL_LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib' \
		-Wl,--disable-new-dtags -o $@ $(OBJECTS) $(LIBRARY_LDLIBS) -lm

## dist: build/nightjar-VERSION-linux-ARCH.tar.gz, runs from any folder
dist: build/package-deps all $(DIST_PROGRAM)
	@.ci/package dist $(DIST_PROGRAM) build

build/package-deps: .ci/deps
	@.ci/deps package
	@mkdir -p build && touch $@

## picture: write docs/demo.svg, what the demo looks like on a terminal
picture: build/test-deps all
	@examples/quickstart/picture.py $(B)/nightjar docs/demo.svg

## clean: remove build/
clean:
	rm -rf build

## help: this list
help:
	@sed -n 's/^## \([a-z]*\): /  make \1\t/p' Makefile | expand -t 18

.PHONY: all demo test bench fuzz lint docs install uninstall deb dist picture \
	clean help
.SECONDARY:

-include $(shell find build -name '*.d' 2>/dev/null)
