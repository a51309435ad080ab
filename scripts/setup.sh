#!/usr/bin/env bash
# Installs what the build and the tests need and is missing; with the argument `runtimes` the container runtimes too. Does
# nothing, and needs no root, where all is there.
set -euo pipefail

if ! command -v cargo >/dev/null; then
  cat >&2 <<'TEXT'
error: cargo is missing
  why: the binaries are built from source
  help: install Rust with rustup (https://rustup.rs), then run this again
TEXT
  exit 1
fi

# Without it the binaries are linked with glibc, and start later.
musl=$(rustc -vV | sed -n 's/^host: //p' | cut -d - -f 1)-unknown-linux-musl
if ! [ -d "$(rustc --print target-libdir --target "$musl")" ] && ! rustup --quiet target add "$musl"; then
  printf 'note: %s cannot be had for this Rust, so the binaries are linked with glibc\n' "$musl" >&2
fi

declare -A packages=(
  [cc]=gcc
  [musl-gcc]=musl-tools
  [protoc]=protobuf-compiler
  [/usr/include/google/protobuf/descriptor.proto]=libprotobuf-dev
  [ip]=iproute2
  [nft]=nftables
  [ping]=iputils-ping
  [openssl]=openssl
  [etcd]=etcd-server
  [etcdctl]=etcd-client
  [/usr/lib/cni/bridge]=containernetworking-plugins
)
[ "${1:-}" = runtimes ] && packages+=(
  [containerd]=containerd
  [runc]=runc
  [podman]=podman
)
missing=()
for file in "${!packages[@]}"; do
  command -v "$file" >/dev/null || [ -f "$file" ] || missing+=("${packages[$file]}")
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

# Debian's packages enable and start their services at their installation; the tests want the binaries and start their own.
# A mask below /run keeps systemd from starting them just now, and is taken away again; then they are only disabled, as
# `systemctl disable` would leave them. A permanent mask or a policy-rc.d would outlive us and bind other packages too.
# A service of such a name that somebody made before is not touched.
declare -A units=(
  [etcd-server]=etcd.service
  [containerd]=containerd.service
  [podman]="podman.socket podman.service podman-restart.service podman-auto-update.timer podman-auto-update.service"
)
masked=()
mask_services() {
  [ -d /run/systemd/system ] || return 0
  local package unit
  for package in "${missing[@]}"; do
    for unit in ${units[$package]:-}; do
      systemctl cat "$unit" >/dev/null 2>&1 && continue
      systemctl mask --runtime --quiet "$unit"
      masked+=("$unit")
    done
  done
}
unmask_services() {
  local unit
  for unit in "${masked[@]}"; do
    systemctl unmask --runtime --quiet "$unit"
    systemctl disable --quiet "$unit" 2>/dev/null || true # it does not exist where the installation failed
  done
}

printf 'installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
export RUNLEVEL=1 # the same for sysvinit, which starts nothing new in this level
log=$(mktemp)
trap 'rm -f "$log"; unmask_services' EXIT
mask_services
if ! { apt-get update -q && apt-get install -qy --no-install-recommends --no-remove "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
