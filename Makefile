# Chores. `make help` lists them; each does its own set-up.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# Known once the set-up is done.
TARGET = $(shell scripts/link/target)
BIN := $(CURDIR)/target/bin
export RINGFENCE_BIN_DIR := $(BIN)

# Linked statically, a process starts in half the time, and that is most of a CNI call. A panic ends it, so nothing unwinds.
FLAGS := RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static -C force-unwind-tables=no"
# And what a call runs lies side by side in it.
STATIC = $(FLAGS) CARGO_TARGET_$(shell echo '$(TARGET)' | tr a-z- A-Z_)_LINKER=$(CURDIR)/scripts/link/cc

.PHONY: help setup runtimes build references demo test runtime-test kube-test soak mutants check bench order scale fuzz fmt clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## Install what the build and the tests need (Debian, root)
	@scripts/setup.sh

runtimes:
	@scripts/setup.sh runtimes

build: setup ## Build the two binaries as they are shipped
	@$(STATIC) cargo build --locked --release --target $(TARGET) -p cni-plugin -p ipam-cli
	@install -D -t $(BIN) target/$(TARGET)/release/ringfence target/$(TARGET)/release/ringfence-ipam

demo: build ## See a firewall let annotated pods through and stop the others; on a real etcd with STORE=etcd
	@STORE='$(STORE)' scripts/demo.sh

test: runtimes build ## Run every test
	@scripts/etcd-next.sh
	cargo test --locked --workspace --all-features --no-fail-fast

runtime-test: runtimes build ## Run containers in containerd and podman; a part of `make test`
	cargo test --locked -p ipam-tests --test runtimes

kube-test: build ## Ask a real Kubernetes API server, built from Debian's source where KUBE_APISERVER_BIN names none
	@scripts/kube-apiserver.sh
	cargo test --locked -p ipam-tests --test kubernetes real::

soak: setup ## Run the simulation for ten times as long as `make test` does
	cargo run --locked --profile simulation -p ipam-tests --bin ringfence-sim -- --seeds 0..20000

mutants: setup ## See that each deliberate bug of tests/mutants is found; about three quarters of an hour
	@scripts/mutants.sh

check: setup ## Lints, format, documentation, licences
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	@scripts/deny.sh

# What is measured against is linked with glibc, in the same order.
references: build
	@$(FLAGS) CARGO_TARGET_$(shell echo '$(HOST)' | tr a-z- A-Z_)_LINKER=$(CURDIR)/scripts/link/cc \
		cargo build --locked --release --target $(HOST) -p ipam-tests --bin ringfence-bare --bin ringfence-bench
	@install -D -t $(BIN) target/$(HOST)/release/ringfence-bare target/$(HOST)/release/ringfence-bench

bench: references ## Measure against references in the same run; ONLY=process measures one part
	@$(BIN)/ringfence-bench $(ONLY)

order: references ## Write the order of functions anew, by what measurements run (needs valgrind)
	@$(STATIC) CARGO_PROFILE_RELEASE_STRIP=false cargo build --locked --release --target $(TARGET) --target-dir target/order -p cni-plugin
	@scripts/order.sh $(CURDIR)/target/order/$(TARGET)/release/ringfence-ipam

scale: setup ## Run clusters of up to 5,000 nodes on the store in memory; ARGS='--nodes 100 --store etcd' runs another
	cargo run --locked --profile simulation -p ipam-tests --bin ringfence-scale -- $(ARGS)

fuzz: ## Fuzz every parser for FUZZ_SECONDS each (needs the nightly toolchain and cargo-fuzz)
	@scripts/fuzz.sh

fmt: ## Format the code
	cargo fmt --all

clean: ## Remove what was built
	cargo clean
