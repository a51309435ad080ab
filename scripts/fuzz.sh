#!/usr/bin/env bash
# Runs each fuzz target for FUZZ_SECONDS (60 unless said). Needs the nightly toolchain; installs cargo-fuzz if missing.
set -euo pipefail

seconds=${FUZZ_SECONDS:-60}
version=0.13.2
tools=$PWD/.cache/tools
if ! [ -x "$tools/bin/cargo-fuzz" ]; then
  cargo install --locked --quiet --root "$tools" --version "$version" cargo-fuzz
fi
# rust-toolchain.toml pins stable, which has no sanitizers; the variable beats it.
export RUSTUP_TOOLCHAIN=nightly PATH=$tools/bin:$PATH
for target in fuzz/fuzz_targets/*.rs; do
  name=$(basename "$target" .rs)
  printf '%s for %s s\n' "$name" "$seconds"
  mkdir -p "fuzz/corpus/$name"
  cargo fuzz run --fuzz-dir fuzz "$name" "fuzz/corpus/$name" -- -max_total_time="$seconds" -max_len=65536 ||
    { printf 'error: %s failed; the input is kept in fuzz/artifacts/%s\n' "$name" "$name" >&2; exit 1; }
done
