#!/usr/bin/env bash
# Writes scripts/link/functions anew: what the plugin runs in calls of every kind, seen by valgrind in the measurements of
# `make bench`. Expects its programs in RINGFENCE_BIN_DIR, and to be told of a plugin that has its symbols.
set -euo pipefail
cd "$(dirname "$0")/.."
plugin=$1
programs=$RINGFENCE_BIN_DIR
command -v valgrind >/dev/null || {
    printf 'error: the order of functions cannot be written\n  why: there is no valgrind\n  help: apt-get install valgrind\n' >&2
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Every 97th call is looked at; a call takes a hundred times as long below valgrind.
cat >"$work/ringfence-ipam" <<PLUGIN
#!/bin/bash
echo >>"$work/calls"
if ((\$(wc -l <"$work/calls") % 97 == 0)); then
    exec valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$work/%p.calls" "$plugin"
fi
exec "$plugin"
PLUGIN
chmod +x "$work/ringfence-ipam"
ln -s "$programs/ringfence-bare" "$programs/ringfence" "$work/"
for part in process kubernetes embedded; do
    RINGFENCE_BIN_DIR=$work "$programs/ringfence-bench" "$part"
done

# What most calls run comes first, so that a call without TLS has no function of TLS between its own.
sed -nE 's/^c?fn=\([0-9]+\) ([^ ]+)$/\1/p' "$work"/*.calls | sed -E "s/'[0-9]+$//; /^0x/d" | sed -E -f scripts/link/plain.sed |
    sort | uniq -c | sort -k 1,1nr -k 2 | awk '{ print $2 }' >"$work/functions"
mv "$work/functions" scripts/link/functions
wc -l scripts/link/functions
# Cargo does not know that what it links depends on it.
touch cni-plugin/src/main.rs ipam-cli/src/main.rs
