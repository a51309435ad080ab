#!/usr/bin/env bash
# Judges licences, sources and duplicate versions of the dependencies with cargo-deny, as far as that works offline:
# its database of advisories cannot be fetched everywhere and is judged only where DENY_ADVISORIES=1.
set -euo pipefail

version=0.20.2
tools=$PWD/.cache/tools
deny=$tools/bin/cargo-deny
if ! [ -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $version" ]; then
  # Its speed does not matter here, the time to build it does.
  cargo install --locked --quiet --debug --root "$tools" --version "$version" cargo-deny
fi
checks=(bans licenses sources)
[ "${DENY_ADVISORIES:-}" = 1 ] && checks+=(advisories)
"$deny" --all-features check --hide-inclusion-graph "${checks[@]}"
