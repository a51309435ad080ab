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

# Debian's etcd-server enables and starts a service at its installation; the tests want the binary and start their own.
# A mask below /run keeps systemd from starting it just now, and is taken away again; then the service is only disabled,
# as `systemctl disable` would leave it. A permanent mask or a policy-rc.d would outlive us and bind other packages too.
# A service of this name that somebody made before is not touched.
masked=
mask_etcd() {
  [ -d /run/systemd/system ] && ! systemctl cat etcd.service >/dev/null 2>&1 || return 0
  systemctl mask --runtime --quiet etcd.service
  masked=yes
}
unmask_etcd() {
  [ -n "$masked" ] || return 0
  systemctl unmask --runtime --quiet etcd.service
  systemctl disable --quiet etcd.service 2>/dev/null || true # it does not exist where the installation failed
}

printf 'installing %s\n' "${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
export RUNLEVEL=1 # the same for sysvinit, which starts nothing new in this level
log=$(mktemp)
trap 'rm -f "$log"; unmask_etcd' EXIT
[[ " ${missing[*]} " == *" etcd-server "* ]] && mask_etcd
if ! { apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
