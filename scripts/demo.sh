#!/usr/bin/env bash
# A firewall that knows only an IP range, in front of pods that get their addresses from Ringfence.
#
# Everything happens in a network and mount namespace of its own: when this process ends, however it ends, the kernel
# takes it all away. The pods are made by the real CNI plugins `bridge` and `ptp`, the firewall is real nftables.
#
# STORE says where Ringfence keeps its state: in a file of this machine (embedded), or in an etcd that runs in the same
# namespaces (etcd).
set -euo pipefail

export STORE=${STORE:-embedded}
if [ "$STORE" != embedded ] && [ "$STORE" != etcd ]; then
  printf 'error: there is no demo on the store "%s"\n  why: STORE is embedded (the default) or etcd\n  help: make demo STORE=etcd\n' "$STORE" >&2
  exit 2
fi

if [ "${RINGFENCE_DEMO_INSIDE:-}" != 1 ]; then
  if [ "$(id -u)" != 0 ]; then
    printf 'error: the demo needs root\n  why: it makes network namespaces\n  help: sudo make demo\n' >&2
    exit 1
  fi
  export RINGFENCE_DEMO_INSIDE=1
  # The stage dies with this process, whatever ends it; inside, it is process 1, which signals do not reach by themselves.
  setpriv --pdeathsig KILL unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private "$0" "$@" &
  stage=$!
  trap 'kill -KILL "$stage"; printf "\ninterrupted\n" >&2; exit 130' INT TERM HUP
  wait "$stage"
  exit
fi

readonly BIN=${RINGFENCE_BIN_DIR:?run this by make demo}
readonly CNI=/usr/lib/cni
mount -t tmpfs tmpfs /run
mkdir /run/netns
mkdir -m 700 /run/ringfence
readonly WORK=/run/ringfence
# Nothing of the machine's own settings counts here.
for variable in $(compgen -e); do
  case $variable in ETCD*_* | CALICO_ETCD_* | RINGFENCE_ETCD_* | *DATASTORE_TYPE | RINGFENCE_STORE) unset "$variable" ;; esac
done
if [ "$STORE" = etcd ]; then
  readonly ENDPOINT=http://127.0.0.1:2379
  readonly PLUGIN_STORE="\"etcd_endpoints\": \"$ENDPOINT\""
  export RINGFENCE_ETCD_ENDPOINTS=$ENDPOINT
else
  readonly PLUGIN_STORE="\"datastore_type\": \"embedded\", \"datastore_path\": \"$WORK/store.db\""
  export RINGFENCE_STORE=embedded:$WORK/store.db
fi
readonly SERVER4=192.0.2.10 SERVER6=2001:db8:99::10

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  readonly BOLD=$'\e[1m' GREEN=$'\e[32m' RED=$'\e[31m' OFF=$'\e[0m'
else
  readonly BOLD='' GREEN='' RED='' OFF=''
fi
failures=0

say() { printf '\n%s%s%s\n' "$BOLD" "$*" "$OFF"; }

run() { # prints a command and runs it
  printf '$ %s\n' "$*"
  "$@"
}

expect() { # WHAT FOUND WANTED
  if [[ $2 == $3 ]]; then return 0; fi
  printf '%sFAILED%s %s: got %q, expected %q\n' "$RED" "$OFF" "$1" "$2" "$3"
  failures=$((failures + 1))
}


netconf() { # PLUGIN ANNOTATIONS EXTRA-IPAM: the configuration that a runtime would hand over
  local shape='"type": "ptp"'
  [ "$1" = bridge ] && shape='"type": "bridge", "bridge": "pods0", "isGateway": true'
  cat <<JSON
{ "cniVersion": "1.0.0", "name": "demo", $shape,
  "runtimeConfig": { "io.kubernetes.cri.pod-annotations": $2 },
  "ipam": { "type": "ringfence-ipam", $PLUGIN_STORE,
            "nodename": "node-1", "gateway": "first", "log_level": "error",
            "routes": [ { "dst": "0.0.0.0/0" }, { "dst": "::/0" } ] $3 } }
JSON
}

cni() { # COMMAND NAMESPACE/POD PLUGIN ANNOTATIONS EXTRA-IPAM: what a container runtime does
  local pod=${2#*/} namespace=${2%/*}
  netconf "$3" "$4" "$5" | CNI_COMMAND=$1 CNI_CONTAINERID=$pod CNI_NETNS=/run/netns/$pod CNI_IFNAME=eth0 \
    CNI_PATH=$WORK/cni CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAMESPACE=$namespace;K8S_POD_NAME=$pod" "$WORK/cni/$3"
}

annotation() { # POOLS-V4 [POOLS-V6]: the pod's annotations as JSON
  local v4=${1//\"/\\\"} v6=${2:-}
  printf '{ "cni.projectcalico.org/ipv4pools": "%s"' "$v4"
  [ -n "$v6" ] && printf ', "cni.projectcalico.org/ipv6pools": "%s"' "${v6//\"/\\\"}"
  printf ' }'
}

addresses() { grep -oE '"address": ?"[^"]+"' | grep -oE '[0-9a-f:.]+/[0-9]+' | cut -d/ -f1; }

reaches() { # POD ADDRESS
  local seconds=1
  # A fresh IPv6 address is silent until the kernel has looked for duplicates.
  [[ $2 == *:* ]] && seconds=4
  ip netns exec "$1" ping -c 1 -i 0.2 -w "$seconds" -q "$2" >/dev/null 2>&1
}

create() { # NAMESPACE/POD PLUGIN ANNOTATIONS EXTRA WANTED-IPS WANTED-OUTCOME WHAT-IT-IS
  local pod=${1#*/} result ips outcome ip server shown
  ip netns add "$pod"
  ip -n "$pod" link set lo up
  if ! result=$(cni ADD "$1" "$2" "$3" "$4"); then
    printf '%sFAILED%s pod %s was not created: %s\n' "$RED" "$OFF" "$1" "$result"
    failures=$((failures + 1))
    return
  fi
  printf '\n%s%-12s%s %s, made by %s\n' "$BOLD" "$1" "$OFF" "$7" "$2"
  ips=$(printf '%s' "$result" | addresses | xargs)
  expect "addresses of $1" "$ips" "$5"
  for ip in $ips; do
    server=$SERVER4
    [[ $ip == *:* ]] && server=$SERVER6
    outcome=blocked shown=${RED}blocked$OFF
    reaches "$pod" "$server" && outcome=passes shown=${GREEN}passes$OFF
    printf '  %-18s firewall: %s\n' "$ip" "$shown"
    expect "traffic of $1 from $ip" "$outcome" "$6"
    ringfence explain "$ip" | awk 'NR == 2 { printf "    from pool %s, chosen by %s\n", $4, $5 }'
  done
}


stage() {
  export PATH=$BIN:$PATH
  ip link set lo up
  if [ "$STORE" = etcd ]; then start_etcd; fi
  mkdir "$WORK/cni"
  ln -s "$CNI"/* "$WORK/cni/"
  ln -sf "$BIN/ringfence-ipam" "$WORK/cni/ringfence-ipam"
  # The network namespace of this process is the node. It reaches the data centre through the firewall only.
  ip netns add firewall
  ip netns add datacentre
  ip link add uplink type veth peer name inside netns firewall
  ip -n firewall link add outside type veth peer name eth0 netns datacentre
  link uplink 198.51.100.2/24 2001:db8:51::2/64
  link inside 198.51.100.1/24 2001:db8:51::1/64 firewall
  link outside 192.0.2.1/24 2001:db8:99::1/64 firewall
  link eth0 $SERVER4/24 $SERVER6/64 datacentre
  ip route add default via 198.51.100.1
  ip -6 route add default via 2001:db8:51::1
  ip -n datacentre route add default via 192.0.2.1
  ip -n datacentre -6 route add default via 2001:db8:99::1
  ip -n firewall route add 10.0.0.0/8 via 198.51.100.2
  ip -n firewall -6 route add fd00::/8 via 2001:db8:51::2
  for where in "" "ip netns exec firewall"; do
    $where sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  done
}

start_etcd() { # in these namespaces, so it ends with them, and its ports are nobody else's
  # What it says there is shown only where it does not start.
  etcd --name demo --data-dir "$WORK/etcd" --listen-client-urls "$ENDPOINT" --advertise-client-urls "$ENDPOINT" \
    --logger zap --log-level error >"$WORK/etcd.log" 2>&1 &
  local attempt
  for ((attempt = 0; attempt < 100; attempt++)); do
    etcd_ctl endpoint health >/dev/null 2>&1 && return
    sleep 0.1
  done
  printf 'error: etcd does not start\n  why: %s\n  help: try `etcd --version`; scripts/setup.sh installs it\n' \
    "$(tail -n 1 "$WORK/etcd.log")" >&2
  exit 1
}

etcd_ctl() { ETCDCTL_API=3 etcdctl --endpoints "$ENDPOINT" "$@"; }

link() { # INTERFACE IPV4 IPV6 [NAMESPACE]
  local in=(); [ -n "${4:-}" ] && in=(-n "$4")
  ip "${in[@]}" link set "$1" up
  ip "${in[@]}" addr add "$2" dev "$1"
  ip "${in[@]}" addr add "$3" dev "$1" nodad
}

firewall() {
  ip netns exec firewall nft -f - <<'NFT'
table inet fw {
  set fin_v4 { type ipv4_addr; flags interval; }
  set fin_v6 { type ipv6_addr; flags interval; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    ip saddr @fin_v4 accept
    ip6 saddr @fin_v6 accept
  }
}
NFT
  printf '$ ringfence export nft legacy-fin fin-v6 --table fw --name fin | nft -f -\n'
  ringfence export nft legacy-fin fin-v6 --table fw --name fin >"$WORK/fin.nft"
  grep '^add element' "$WORK/fin.nft"
  ip netns exec firewall nft -f "$WORK/fin.nft"
}


stage

say '1. An administrator defines pools and says who draws from them'
run ringfence pool create legacy-fin 10.20.0.0/29 --block-size 30 --for firewall
run ringfence pool create fin-v6 fd00:20::/112 --for firewall
run ringfence pool create default 10.30.0.0/24
run ringfence pool create branch 10.40.0.0/24 --for firewall
run ringfence namespace bind fin --ipv4pools legacy-fin --ipv6pools fin-v6
printf '$ ringfence apply -f gateway.yaml   # the gateway and the edges are nobody'"'"'s\n'
ringfence apply -f - <<'YAML'
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: { name: fin-gateway }
spec: { reservedCIDRs: [ 10.20.0.0/31, 10.20.0.7/32 ] }
YAML

say '2. The firewall learns the range, and accepts nothing else'
firewall

say '3. Pods'
none=null
create shop/web ptp "$(annotation '["legacy-fin"]')" '' '10.20.0.*' passes 'its annotation names legacy-fin'
create fin/ledger ptp "$none" '' '10.20.0.*' passes 'its namespace is bound to legacy-fin'
create fin/audit ptp "$(annotation '["branch"]')" '' '10.40.0.*' blocked 'its annotation beats its namespace'
create shop/blog bridge "$none" '' '10.30.0.*' blocked 'no annotation, the automatic pool'
create fin/dual ptp "$none" ', "assign_ipv6": true' '10.20.0.* fd00:20::*' passes 'both families'

say '4. The pool is full: a clear error, never another pool'
for pod in more1 more2; do
  ip netns add "$pod"
  cni ADD "fin/$pod" ptp "$none" '' >/dev/null
done
ip netns add late
refusal=$(cni ADD fin/late ptp "$none" '' || true)
printf '%s\n' "$refusal" | grep -oE '"(code|msg)": ?("([^"\\]|\\.)*"|[0-9]+)' | fold -s -w 76 | sed 's/^/  /'
expect 'code of the refusal' "$(printf '%s' "$refusal" | grep -oE '"code": ?[0-9]+' | grep -oE '[0-9]+')" 108

say '5. A pod goes, and its address is used again'
freed=$(ringfence who fin/more1 -o json | grep -oE '"ip": ?"[^"]+"' | head -n 1 | cut -d'"' -f4)
cni DEL fin/more1 ptp "$none" ''
late=$(cni ADD fin/late ptp "$none" '' | addresses | xargs)
printf '  fin/more1 gave back %s, fin/late got %s\n' "$freed" "$late"
expect 'the address of fin/late' "$late" "$freed"

say '6. What is in use, and whether the store is sound'
run ringfence usage
run ringfence check

if [ "$STORE" = etcd ]; then
  say '7. What lies in etcd: the keys that Calico would look for'
  for prefix in /calico/resources/v3/projectcalico.org/ippools /calico/ipam/v2/assignment; do
    printf '$ etcdctl get --prefix --keys-only %s\n' "$prefix"
    keys=$(etcd_ctl get --prefix --keys-only "$prefix" | sed '/^$/d')
    printf '%s\n' "$keys"
    expect "keys below $prefix" "$keys" "$prefix/*"
  done
fi

if [ "$failures" != 0 ]; then
  printf '\n%sFAILED expectations: %d%s\n' "$RED" "$failures" "$OFF"
  exit 1
fi
printf '\n%sEverything was as expected.%s\n' "$GREEN" "$OFF"
