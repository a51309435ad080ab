#!/usr/bin/env bash
# Unpacks a newer etcd than the system's below target/etcd-3.5, so that the tests run on both. It comes from Debian 13
# by way of the machine's own package sources, with an apt configuration of its own: the system's is only read.
# Where it cannot be had, this says so and is no error; the tests then say what they left out.
set -euo pipefail
cd "$(dirname "$0")/.."

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

sources_of_suite() { # the main archive's sources of this machine, in both of their formats, asking for the other suite
  local codename=$1 file
  mkdir "$work/parts"
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    awk -v RS= -v suite="$codename" -v other="$SUITE" '
      ("\n" $0) ~ "\nSuites:[^\n]* *" suite "( |\n|$)" && !/\nEnabled: *no/ {
        sub(/(^|\n)Suites:[^\n]*/, "\nSuites: " other); sub(/^\n/, ""); print $0 "\n"
      }' "$file"
  done >"$work/parts/next.sources"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    sed -nE "s/^(deb( +\[[^]]*\])? +[^ ]+ +)$codename( .*)$/\1$SUITE\3/p" "$file"
  done >"$work/parts/next.list"
  [ -s "$work/parts/next.sources" ] || [ -s "$work/parts/next.list" ]
}

first_error() { grep -m 1 -E '^(E:|W: Failed)' "$work/log" || tail -n 1 "$work/log"; }

command -v apt-get >/dev/null && command -v dpkg >/dev/null || not_here 'this is no Debian system'
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
mkdir -p "$work"/{lists/partial,cache/archives/partial,unpacked}
{ [ -n "$codename" ] && sources_of_suite "$codename"; } || not_here 'no package source to derive one from'
: >"$work/status"
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
export APT_CONFIG=$work/apt.conf
# A source of somebody else may not have the other suite: what counts is whether the package comes.
timeout 180 apt-get update -q >"$work/log" 2>&1 || true
(cd "$work" && timeout 120 apt-get download -q etcd-server) >>"$work/log" 2>&1 ||
  not_here "$(first_error)"
dpkg -x "$work"/etcd-server_*.deb "$work/unpacked" 2>>"$work/log" || not_here "$(first_error)"
is_wanted "$work/unpacked" || not_here "$SUITE has $("$work/unpacked/usr/bin/etcd" --version 2>&1 | head -n 1)"
rm -rf "$FOLDER"
mv "$work/unpacked" "$FOLDER"
printf 'etcd %s unpacked in %s\n' "$VERSION" "${FOLDER#"$PWD/"}"
