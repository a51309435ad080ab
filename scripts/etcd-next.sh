#!/usr/bin/env bash
# Unpacks a newer etcd than the system's below target/etcd-3.5, so that the tests run on both. It comes from Debian 13
# and nothing is installed.
# Where it cannot be had, this says so and is no error; the tests then say what they left out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian-suite.sh

readonly VERSION=3.5 SUITE=trixie
readonly FOLDER=$PWD/target/etcd-$VERSION

is_wanted() { [[ $("$1/usr/bin/etcd" --version 2>/dev/null) == "etcd Version: $VERSION."* ]]; }
is_wanted "$FOLDER" && exit 0

mkdir -p target
work=$(mktemp -d -p "$PWD/target")
trap 'rm -rf "$work"' EXIT

not_here() { # WHY
  printf 'etcd %s is not here, the tests run without it: %s\n' "$VERSION" "$1" >&2
  exit 0
}

command -v apt-get >/dev/null && command -v dpkg >/dev/null || not_here 'this is no Debian system'
apt_of_suite "$work" deb "$SUITE" || not_here 'no package source to derive one from'
# A source of somebody else may not have the other suite: what counts is whether the package comes.
timeout 180 apt-get update -q >"$work/log" 2>&1 || true
mkdir "$work/unpacked"
(cd "$work" && timeout 120 apt-get download -q etcd-server) >>"$work/log" 2>&1 ||
  not_here "$(first_error "$work/log")"
dpkg -x "$work"/etcd-server_*.deb "$work/unpacked" 2>>"$work/log" || not_here "$(first_error "$work/log")"
is_wanted "$work/unpacked" || not_here "$SUITE has $("$work/unpacked/usr/bin/etcd" --version 2>&1 | head -n 1)"
rm -rf "$FOLDER"
mv "$work/unpacked" "$FOLDER"
printf 'etcd %s unpacked in %s\n' "$VERSION" "${FOLDER#"$PWD/"}"
