# The one list of commands; CI calls these. Each does what it says on a fresh Debian or Ubuntu
# machine with Rust (https://rustup.rs): missing Debian packages are installed, and named first.
# macOS: written for, untested; install redis, llvm, node and python3 yourself.

.PHONY: help run build install uninstall lint test test-clients test-long fuzz sanitize bench

# What is shown as the revision by --version; nothing where it is not known.
REVISION ?= $(shell git rev-parse --short=9 HEAD 2>/dev/null)
PREFIX ?= /usr/local

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

run: ## build karin, start it with the example function on the queue "hello"
	@scripts/run

build: ## the release build: target/release/karin and target/release/libkarin.so
	@scripts/install-packages build
	BUILD_REVISION=$(REVISION) cargo build --release -p karin-module -p karin-gateway

install: ## what "make build" made to PREFIX (/usr/local), below DESTDIR: binary, module, man, units
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install-files install

uninstall: ## remove that again; /etc/karin stays
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' scripts/install-files uninstall

lint: ## format and clippy, warnings are errors
	@scripts/install-packages build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

test: ## what CI runs: all tests on real parts, with the time of each phase
	@scripts/test

test-clients: ## the tests with every client, runtime and Lambda endpoint, those slow to install too
	@KARIN_TEST_CLIENTS=all scripts/test "clients:: examples:: lambda::runtimes lambda::endpoints lambda::api"

test-long: ## the tests that take their time: twenty kills, long runs of properties and fuzzers, otel
	@KARIN_TEST_LONG=1 PROPTEST_CASES=20000 scripts/test
	cargo clippy -p karin-gateway --features otel --all-targets -- -D warnings
	cargo test -p karin-gateway --features otel --lib otel::
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} scripts/fuzz

fuzz: ## property tests, 200,000 cases each, and each fuzz target for FUZZ_SECONDS (60)
	@scripts/install-packages build
	PROPTEST_CASES=200000 cargo test --release -p karin-core -p karin-gateway
	@scripts/fuzz

sanitize: ## the module's tests and short fuzzers with redis-server under valgrind
	@scripts/install-packages build redis valgrind
	@scripts/sanitize

bench: ## ratios against a reference measured in the same run (QUICK=1: in two minutes; JSON=1)
	@scripts/install-packages build redis
	cargo build --release -p karin-module -p karin-gateway -p karin-bench
	target/release/karin-bench $(if $(QUICK),--quick) $(if $(JSON),--json)
