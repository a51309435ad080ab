#!/usr/bin/env bash
# Installs what the build and the tests need and is missing. Does nothing, and needs no root, where all is there.
set -euo pipefail

if ! command -v cargo >/dev/null; then
  cat >&2 <<'TEXT'
error: cargo is missing
  why: the binaries are built from source
  help: install Rust with rustup (https://rustup.rs), then run this again
TEXT
  exit 1
fi

declare -A packages=(
  [cc]=gcc
  [ip]=iproute2
  [nft]=nftables
  [ping]=iputils-ping
  [/usr/lib/cni/bridge]=containernetworking-plugins
)
missing=()
for file in "${!packages[@]}"; do
  command -v "$file" >/dev/null || missing+=("${packages[$file]}")
done
[ "${#missing[@]}" = 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
  printf 'error: missing: %s\n  why: this is no Debian system, so they cannot be installed from here\n  help: install them by hand\n' "${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  printf 'error: missing: %s\n  why: only root may install packages\n  help: apt-get install %s\n' "${missing[*]}" "${missing[*]}" >&2
  exit 1
fi
printf 'installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
