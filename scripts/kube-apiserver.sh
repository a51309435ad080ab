#!/usr/bin/env bash
# Builds the Kubernetes API server that `make kube-test` runs the tests on, as target/kube-apiserver/kube-apiserver. No
# package has the program, but Debian 12 has its whole source, and a Go that builds it; both come by way of the machine's
# own package sources and are unpacked below target/, so nothing is installed and root is not needed. What it was built
# from, 2 GB, is removed again. Does nothing where the program is there, or KUBE_APISERVER_BIN names another.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/debian-suite.sh

readonly VERSION=1.20.2 SUITE=bookworm GO=1.19
readonly PROGRAM=$PWD/target/kube-apiserver/kube-apiserver

fail() { # WHAT WHY HELP
  printf 'error: %s\n  why: %s\n  help: %s\n' "$@" >&2
  exit 1
}
readonly NO_SERVER='the Kubernetes API server cannot be built'
readonly NAME_ONE='set KUBE_APISERVER_BIN to a kube-apiserver that you have'

if [ -n "${KUBE_APISERVER_BIN:-}" ]; then
  "$KUBE_APISERVER_BIN" --version >/dev/null 2>&1 ||
    fail "KUBE_APISERVER_BIN=$KUBE_APISERVER_BIN cannot be run" 'it did not answer to --version' \
      'name a kube-apiserver for this machine, or unset the variable to have one built'
  exit 0
fi
"$PROGRAM" --version >/dev/null 2>&1 && exit 0

command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
  fail "$NO_SERVER" 'its source is a Debian package, and this is no Debian system' "$NAME_ONE"

mkdir -p target
work=$(mktemp -d -p "$PWD/target")
trap 'rm -rf "$work"' EXIT
log=$work/log
stop() { # WHY
  tail -n 20 "$log" >&2
  fail "$NO_SERVER" "$1" "mend what the lines above say and run this again, or $NAME_ONE"
}
room=$(df -Pk target | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$room" -ge 4 ] || fail "$NO_SERVER" "building it takes 4 GB below target/, $room GB are free" "free some, or $NAME_ONE"

printf 'fetching the source of Kubernetes %s and Go %s from Debian %s\n' "$VERSION" "$GO" "$SUITE"
apt_of_suite "$work" 'deb deb-src' "$SUITE" ||
  fail "$NO_SERVER" "/etc/apt names no package source to get Debian $SUITE from" "$NAME_ONE"
# A source of somebody else may not have this suite: what counts is whether the packages come.
timeout 300 apt-get update -q >"$log" 2>&1 || true
mkdir "$work"/{packages,unpacked}
(
  cd "$work/packages"
  timeout 600 apt-get download -q "golang-$GO-go" "golang-$GO-src" golang-github-modern-go-reflect2-dev
  timeout 600 apt-get source -q --download-only kubernetes
) >>"$log" 2>&1 || stop "$(first_error "$log")"
for package in "$work"/packages/*.deb; do dpkg -x "$package" "$work/unpacked"; done 2>>"$log" || stop 'a package is damaged'

export GOROOT=$work/unpacked/usr/lib/go-$GO GOPATH=$work/gopath GOCACHE=$work/gocache
export GOENV=off GOFLAGS='' GOPROXY=off CGO_ENABLED=0
export GO111MODULE=off # its go.mod is one that this Go does not take any more
go=$GOROOT/bin/go
source=$GOPATH/src/k8s.io/kubernetes
mkdir -p "$source"
tar -xzf "$work"/packages/kubernetes_*.orig.tar.gz -C "$source" --strip-components 1 "kubernetes-$VERSION" 2>>"$log" ||
  stop "Debian $SUITE has no source of Kubernetes $VERSION, or it came damaged"

# Its reflect2 panics at the first map that it decodes when it is built by Go 1.18 or later. Debian's is newer.
reflect2=$source/vendor/github.com/modern-go/reflect2
rm -f "$reflect2"/*.{go,s}
cp "$work"/unpacked/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect2"
rm -f "$reflect2"/*_test.go

cd "$source"
# One file is generated at each build and not in the source: the description of every type that is marked for it.
generate_openapi() {
  nice "$go" build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
  local marked
  marked=$(grep -rl --include=*.go -E '^ *// *\+k8s:openapi-gen=true' pkg staging/src |
    grep -vE '/testdata/|sample-|code-generator|zz_generated|/vendor/|/test/' | xargs -n1 dirname |
    sed 's#^staging/src/#k8s.io/kubernetes/vendor/#; s#^pkg/#k8s.io/kubernetes/pkg/#' | sort -u | paste -sd,)
  nice "$work/openapi-gen" -O zz_generated.openapi -p k8s.io/kubernetes/pkg/generated/openapi \
    -h hack/boilerplate/boilerplate.generatego.txt --input-dirs "$marked" --output-base "$GOPATH/src" \
    -r "$work/violations.list"
}
printf 'building it, which takes 5 to 20 minutes\n'
{ generate_openapi && nice "$go" build -trimpath -ldflags '-s -w' -o "$work/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver; } \
  >>"$log" 2>&1 || stop 'the Go compiler failed'
"$work/kube-apiserver" --version >>"$log" 2>&1 || stop 'what was built does not run'
mkdir -p "$(dirname "$PROGRAM")"
mv "$work/kube-apiserver" "$PROGRAM"
printf 'built target/kube-apiserver/kube-apiserver\n'
