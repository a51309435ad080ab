#!/usr/bin/env bash
# Puts each deliberate bug of tests/mutants into a copy of the code and expects its killer to find it.
# Usage: scripts/mutants.sh [NAME…]; without names, all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$root/target/mutants/code
export CARGO_TARGET_DIR=$root/target/mutants/target
seeds=${RINGFENCE_MUTANT_SEEDS:-600}

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory "$copy"
cd "$copy"

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    mapfile -t names < <(basename --suffix=.patch -a "$root"/tests/mutants/*.patch)
fi

# A killer must fail by itself: one that takes too long, or does not even compile, has found nothing.
kill_it() { # KILLER
    local code=0
    if [ "$1" = sim ]; then
        timeout 900 "$CARGO_TARGET_DIR/debug/ringfence-sim" --explain 0 --seeds "0..$seeds" >"$log" 2>&1 || code=$?
    else
        # shellcheck disable=SC2086
        $1 --no-run >"$log" 2>&1 || { cat "$log"; exit 1; }
        timeout 900 $1 >"$log" 2>&1 || code=$?
    fi
    [ "$code" != 0 ] && [ "$code" != 124 ]
}

survivors=0
log=$root/target/mutants/log
for name in "${names[@]}"; do
    patch=$root/tests/mutants/$name.patch
    killer=$(sed -n 's/^Killer: //p' "$patch")
    patch --quiet --strip 1 --input "$patch"
    began=$SECONDS
    # A bug that does not compile proves nothing.
    cargo build --quiet -p ipam-tests --bin ringfence-sim 2>"$log" || { cat "$log"; exit 1; }
    if kill_it "$killer"; then
        result=killed
    else
        result=SURVIVED
        survivors=$((survivors + 1))
    fi
    printf '%-45s %-9s %4d s  %s\n' "$name" "$result" $((SECONDS - began)) "$killer"
    patch --quiet --strip 1 --reverse --input "$patch"
done
echo "${#names[@]} mutants, $survivors survived"
[ "$survivors" -eq 0 ]
