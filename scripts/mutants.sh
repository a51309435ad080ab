#!/usr/bin/env bash
# Puts each deliberate bug of tests/mutants into a copy of the code and expects its killer to find it.
# Usage: scripts/mutants.sh [NAME…]; without names, all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$root/target/mutants/code
export CARGO_TARGET_DIR=$root/target/mutants/target
seeds=${RINGFENCE_MUTANT_SEEDS:-600}

# What an earlier run has built of a bug is older than every file of the copy, so it is built anew.
rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --touch --directory "$copy"
cd "$copy"

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    mapfile -t names < <(basename --suffix=.patch -a "$root"/tests/mutants/*.patch)
fi

# Carries a killer out; 0 if it finds nothing, 1 if it finds something. What takes too long, ends otherwise or does not even
# compile has found nothing, and the run ends.
ask() { # KILLER
    local code=0 found
    if [ "$1" = sim ]; then
        # A bug that does not compile proves nothing.
        cargo build --quiet -p ipam-tests --bin ringfence-sim >"$log" 2>&1 || { cat "$log"; exit 1; }
        timeout 900 "$CARGO_TARGET_DIR/debug/ringfence-sim" --explain 0 --seeds "0..$seeds" >"$log" 2>&1 || code=$?
        found='^failed: \[[0-9]'
    else
        # shellcheck disable=SC2086
        $1 --no-run >"$log" 2>&1 || { cat "$log"; exit 1; }
        # shellcheck disable=SC2086
        timeout 900 $1 >"$log" 2>&1 || code=$?
        found='^test result: FAILED'
    fi
    [ "$code" != 0 ] || return 0
    grep -q "$found" "$log" || { cat "$log"; echo "$1 ended with $code, and found nothing" >&2; exit 1; }
    return 1
}

killer_of() { # NAME
    sed -n 's/^Killer: //p' "$root/tests/mutants/$1.patch"
}

log=$root/target/mutants/log
# Whoever finds something where nothing is wrong kills nobody.
mapfile -t killers < <(for name in "${names[@]}"; do killer_of "$name"; done | sort -u)
for killer in "${killers[@]}"; do
    ask "$killer" || { cat "$log"; echo "$killer fails without any bug" >&2; exit 1; }
done

survivors=0
for name in "${names[@]}"; do
    patch=$root/tests/mutants/$name.patch
    killer=$(killer_of "$name")
    patch --quiet --strip 1 --input "$patch"
    began=$SECONDS
    if ask "$killer"; then
        result=SURVIVED
        survivors=$((survivors + 1))
    else
        result=killed
    fi
    printf '%-45s %-9s %4d s  %s\n' "$name" "$result" $((SECONDS - began)) "$killer"
    patch --quiet --strip 1 --reverse --input "$patch"
done
echo "${#names[@]} mutants, $survivors survived"
[ "$survivors" -eq 0 ]
