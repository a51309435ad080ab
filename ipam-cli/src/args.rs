//! What the command line may say, and nothing of what it means.

mod globals;
mod install_cni;

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use globals::{CONFIG_FILE, Globals, TIMEOUT_SECONDS};
use install_cni::INSTALL_CNI_EXAMPLES;
pub(crate) use install_cni::InstallCni;

/// Keeps workloads inside the IP ranges that firewalls know.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "ringfence",
    version,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done or yes, 1 no, 2 usage, 3 store or machine, 4 denied, 5 something stands against \
                  it, 7 no address left, 70 defect.\n\nExamples:\n  \
                  ringfence pool create legacy-fin 10.20.0.0/24 --for firewall\n  \
                  ringfence namespace bind fin --ipv4pools legacy-fin --required\n  \
                  ringfence export nft legacy-fin --out /etc/nftables.d/fin.nft"
)]
pub(crate) struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, show and delete pools.
    #[command(subcommand, after_help = POOL_EXAMPLES)]
    Pool(PoolCommand),
    /// Store the pools, reservations and nodes of a manifest, all or none.
    #[command(after_help = APPLY_EXAMPLES)]
    Apply(Apply),
    /// Bind namespaces to pools.
    #[command(subcommand, after_help = NAMESPACE_EXAMPLES)]
    Namespace(NamespaceCommand),
    /// List the addresses that are in use or in cooldown.
    #[command(after_help = IPS_EXAMPLES)]
    Ips(Ips),
    /// Show how full the pools are.
    #[command(
        after_help = "Examples:\n  ringfence usage\n  ringfence usage -o json | jq '.items[] | {name, free}'"
    )]
    Usage,
    /// Tell which pools a workload would draw from and why, or why an address was given.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Explain),
    /// Tell who holds an address, or what a pod or a handle holds.
    #[command(
        after_help = "Examples:\n  ringfence who 10.20.0.70\n  ringfence who fin/batch-7x\n  ringfence who k8s-pod-network.9f2c1d"
    )]
    Who(Who),
    /// Take addresses from those who hold them.
    #[command(after_help = RELEASE_EXAMPLES)]
    Release(Release),
    /// Judge whether the stored data is sound, and mend what can be mended.
    #[command(
        after_help = "Examples:\n  ringfence check\n  ringfence check -o json > findings.json\n  ringfence check --repair"
    )]
    Check(Check),
    /// Write the ranges of pools in the words of a firewall.
    #[command(subcommand, after_help = EXPORT_EXAMPLES)]
    Export(ExportCommand),
    /// Copy a store into an empty one, from one machine to a cluster or back, and prove the copy.
    #[command(after_help = MIGRATE_EXAMPLES)]
    Migrate(Migrate),
    /// Put the plugin on this node, with what it needs to know, or take it away again.
    #[command(after_help = INSTALL_CNI_EXAMPLES)]
    InstallCni(InstallCni),
    /// Show the settings of the datastore.
    #[command(subcommand, after_help = CONFIG_EXAMPLES)]
    Config(ConfigCommand),
    /// Tell the version of this program.
    #[command(after_help = "Examples:\n  ringfence version\n  ringfence version -o json")]
    Version,
    /// Write the completions of a shell.
    #[command(
        after_help = "Examples:\n  ringfence completion bash > /etc/bash_completion.d/ringfence\n  ringfence completion zsh > ~/.zfunc/_ringfence"
    )]
    Completion(Completion),
}

const POOL_EXAMPLES: &str = "Examples:
  ringfence pool create legacy-fin 10.20.0.0/24 --block-size 28 --for firewall
  ringfence pool list
  ringfence pool delete legacy-fin";

const POOL_CREATE_EXAMPLES: &str = "Examples:
  ringfence pool create legacy-fin 10.20.0.0/24 --for firewall
  ringfence pool create fin 10.21.0.0/20 --node-selector 'zone == \"finance\"'
  ringfence pool create tenant 10.22.0.0/22 --namespace-selector 'tenant == \"a\"' --exclusive";

const APPLY_EXAMPLES: &str = "Examples:
  ringfence apply -f pools.yaml
  calicoctl get ippools -o yaml | ringfence apply -f -";

const NAMESPACE_EXAMPLES: &str = "Examples:
  ringfence namespace bind fin --ipv4pools legacy-fin --required
  ringfence namespace list
  ringfence namespace unbind fin";

const NAMESPACE_BIND_EXAMPLES: &str = "Examples:
  ringfence namespace bind fin --ipv4pools legacy-fin --required
  ringfence namespace bind fin --ipv4pools legacy-fin,legacy-fin-2 --ipv6pools fin6";

const IPS_EXAMPLES: &str = "Examples:
  ringfence ips --pool legacy-fin
  ringfence ips --cidr 10.20.0.0/28
  ringfence ips --namespace fin --node rack2-n4 -o json";

const EXPLAIN_EXAMPLES: &str = "Examples:
  ringfence explain --namespace fin --node rack2-n4
  ringfence explain --namespace fin --ipv4pools '[\"legacy-fin\"]'
  ringfence explain --cni-conf /etc/cni/net.d/10-legacy.conflist
  ringfence explain 10.20.0.70";

const RELEASE_EXAMPLES: &str = "Examples:
  ringfence release --ip 10.20.0.70
  ringfence release --pod fin/batch-7x --yes
  ringfence release --handle k8s-pod-network.9f2c1d --yes";

const EXPORT_EXAMPLES: &str = "Examples:
  ringfence export plain legacy-fin --out /srv/feed/fin.txt
  ringfence export nft legacy-fin --table legacy_fw --name fin | nft -f -
  ringfence export plain legacy-fin --exact";

const CONFIG_EXAMPLES: &str = "Examples:
  ringfence config view --origin
  ringfence config view -c /etc/calico/calicoctl.cfg -o json";

const MIGRATE_EXAMPLES: &str =
    "A store is `embedded`, `embedded:PATH`, `etcd` as the settings say, or `etcd:URL,URL` with \
the certificates and the user of the settings.

Examples:
  ringfence migrate embedded etcd:https://etcd-1.example:2379
  ringfence migrate embedded:/srv/store.db etcd
  ringfence migrate etcd embedded:/srv/copy.db --resume";

/// What to do with settings.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting of the datastore and which store results, without asking the store.
    #[command(after_help = CONFIG_EXAMPLES)]
    View(ConfigView),
}

/// How to show settings.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigView {
    /// Tell where each value comes from.
    #[arg(long)]
    pub(crate) origin: bool,
}

/// What to do with pools.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Make a pool.
    #[command(after_help = POOL_CREATE_EXAMPLES)]
    Create(PoolCreate),
    /// List all pools.
    #[command(after_help = "Examples:\n  ringfence pool list\n  ringfence pool list -o json")]
    List,
    /// Show one pool.
    #[command(
        after_help = "Examples:\n  ringfence pool get legacy-fin\n  ringfence pool get legacy-fin -o json"
    )]
    Get(PoolName),
    /// Delete a pool that nobody draws from any more.
    #[command(after_help = "Examples:\n  ringfence pool delete legacy-fin")]
    Delete(PoolName),
}

/// Which pool.
#[derive(Clone, Debug, Args)]
pub(crate) struct PoolName {
    /// The pool.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// A pool that is made.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct PoolCreate {
    /// How it is called.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Its network, such as 10.20.0.0/24.
    #[arg(value_name = "CIDR")]
    pub(crate) cidr: String,
    /// The prefix length of its blocks: 20 to 32 (default 26) for IPv4, 116 to 128 (default 122) for IPv6.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(20..=128))]
    pub(crate) block_size: Option<u8>,
    /// Which nodes draw from it.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) node_selector: Option<String>,
    /// Which namespaces draw from it; it is then for workloads only.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) namespace_selector: Option<String>,
    /// Use it only where it is named.
    #[arg(long)]
    pub(crate) manual: bool,
    /// Give no addresses yet.
    #[arg(long)]
    pub(crate) disabled: bool,
    /// Hide its addresses behind those of the nodes.
    #[arg(long)]
    pub(crate) nat: bool,
    /// When to put traffic into IPIP.
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true, default_value_t)]
    pub(crate) ipip: Mode,
    /// When to put traffic into VXLAN.
    #[arg(long, value_name = "MODE", value_enum, ignore_case = true, default_value_t)]
    pub(crate) vxlan: Mode,
    /// What its addresses are for: Workload, Tunnel, LoadBalancer (default the first two).
    #[arg(long, value_name = "USES", value_delimiter = ',')]
    pub(crate) uses: Vec<String>,
    /// Let only namespaces draw from it that are bound to it.
    #[arg(long)]
    pub(crate) exclusive: bool,
    /// What it is for; `firewall` means: only where it is named, no NAT, no encapsulation.
    #[arg(long = "for", value_name = "PURPOSE", value_enum, conflicts_with_all = ["nat", "ipip", "vxlan"])]
    pub(crate) purpose: Option<Purpose>,
}

/// When to encapsulate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Not at all.
    #[default]
    #[value(name = "Never")]
    Never,
    /// Between all nodes.
    #[value(name = "Always")]
    Always,
    /// Between nodes of different networks.
    #[value(name = "CrossSubnet")]
    CrossSubnet,
}

/// What a pool is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// A firewall knows its range.
    Firewall,
}

/// Resources to store.
#[derive(Clone, Debug, Args)]
pub(crate) struct Apply {
    /// The manifest, in YAML or JSON; `-` reads standard input.
    #[arg(short, long = "filename", value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// What to do with the bindings of namespaces.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum NamespaceCommand {
    /// Bind a namespace, or a CNI network without Kubernetes, to pools; an earlier binding is replaced.
    #[command(after_help = NAMESPACE_BIND_EXAMPLES)]
    Bind(NamespaceBind),
    /// Remove the binding of a namespace.
    #[command(after_help = "Examples:\n  ringfence namespace unbind fin")]
    Unbind(NamespaceName),
    /// List all bindings.
    #[command(
        after_help = "Examples:\n  ringfence namespace list\n  ringfence namespace list -o json"
    )]
    List,
}

/// Which namespace.
#[derive(Clone, Debug, Args)]
pub(crate) struct NamespaceName {
    /// The namespace.
    #[arg(value_name = "NAMESPACE")]
    pub(crate) name: String,
}

/// A binding that is made.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("lists").required(true).multiple(true).args(["ipv4pools", "ipv6pools"]))]
pub(crate) struct NamespaceBind {
    /// The namespace.
    #[arg(value_name = "NAMESPACE")]
    pub(crate) name: String,
    /// The IPv4 pools in order of preference.
    #[arg(long, value_name = "POOLS")]
    pub(crate) ipv4pools: Option<String>,
    /// The IPv6 pools in order of preference.
    #[arg(long, value_name = "POOLS")]
    pub(crate) ipv6pools: Option<String>,
    /// Permit these pools only, whatever an annotation says.
    #[arg(long)]
    pub(crate) required: bool,
}

/// Which addresses to list.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ips {
    /// Only those of a pool.
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
    /// Only those inside a network.
    #[arg(long, value_name = "CIDR")]
    pub(crate) cidr: Option<String>,
    /// Only those that a node uses.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// Only those that a namespace uses.
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// At most this many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}

/// A workload, or an address.
#[derive(Clone, Debug, Args)]
pub(crate) struct Explain {
    /// An address in use; without one, a workload is explained that does not exist yet.
    #[arg(
        value_name = "IP",
        conflicts_with_all = [
            "namespace", "pod_annotation", "namespace_annotation", "ipv4pools", "ipv6pools", "node", "ipv4", "ipv6",
            "cni_conf",
        ]
    )]
    pub(crate) ip: Option<IpAddr>,
    /// The namespace of the workload.
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// An annotation of the pod.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) pod_annotation: Vec<(String, String)>,
    /// An annotation of the namespace.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub(crate) namespace_annotation: Vec<(String, String)>,
    /// The pod's annotation cni.projectcalico.org/ipv4pools, a JSON list of names.
    #[arg(long, value_name = "JSON")]
    pub(crate) ipv4pools: Option<String>,
    /// The pod's annotation cni.projectcalico.org/ipv6pools.
    #[arg(long, value_name = "JSON")]
    pub(crate) ipv6pools: Option<String>,
    /// The node; without one, that of the network configuration, or this machine.
    #[arg(long, value_name = "NODE")]
    pub(crate) node: Option<String>,
    /// An IPv4 address is wanted; without a choice, that alone, unless the configuration or a list of IPv6 pools says more.
    #[arg(long)]
    pub(crate) ipv4: bool,
    /// An IPv6 address is wanted.
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// The network configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) cni_conf: Option<PathBuf>,
}

/// Whose addresses.
#[derive(Clone, Debug, Args)]
pub(crate) struct Who {
    /// An address, a pod as NAMESPACE/NAME, or a handle.
    #[arg(value_name = "IP|NAMESPACE/POD|HANDLE")]
    pub(crate) subject: String,
}

/// What to do about findings.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Check {
    /// Mend what can be mended without asking anybody, and report what is left.
    #[arg(long)]
    pub(crate) repair: bool,
    /// How many seconds a claim or a count must stay as it is before it is mended: a node may be at work on it.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "repair")]
    pub(crate) grace: u64,
}

/// Which addresses to release.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("targets").required(true).args(["ip", "handle", "pod"]))]
pub(crate) struct Release {
    /// These addresses.
    #[arg(long, value_name = "IP", num_args = 1..)]
    pub(crate) ip: Vec<IpAddr>,
    /// What a handle holds.
    #[arg(long, value_name = "HANDLE")]
    pub(crate) handle: Option<String>,
    /// What a pod holds.
    #[arg(long, value_name = "NAMESPACE/POD")]
    pub(crate) pod: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// How to write ranges.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// One network in each line, as feed readers take it.
    #[command(
        after_help = "Examples:\n  ringfence export plain legacy-fin\n  ringfence export plain legacy-fin fin6 --exact --out /srv/feed/fin.txt"
    )]
    Plain(Export),
    /// A file for nftables: one set for each family.
    #[command(
        after_help = "Examples:\n  ringfence export nft legacy-fin --table legacy_fw --name fin\n  ringfence export nft legacy-fin | nft -f -"
    )]
    Nft(ExportNft),
}

/// What to export, and whereto.
#[derive(Clone, Debug, Args)]
pub(crate) struct Export {
    /// The pools.
    #[arg(value_name = "POOL", required = true)]
    pub(crate) pools: Vec<String>,
    /// Leave out what is reserved; more networks, and no address that is never given.
    #[arg(long)]
    pub(crate) exact: bool,
    /// Replace a file, in one step, instead of printing.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Accept that there is nothing to export.
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

/// What to export for nftables.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExportNft {
    /// What to export, and whereto.
    #[command(flatten)]
    pub(crate) export: Export,
    /// The table, of family inet.
    #[arg(long, value_name = "NAME", default_value = "ringfence", value_parser = parse_nft_name)]
    pub(crate) table: String,
    /// What the names of the sets start with; the pool's name if there is one pool.
    #[arg(long, value_name = "NAME", value_parser = parse_nft_name)]
    pub(crate) name: Option<String>,
}

/// What to copy, and whereto.
#[derive(Clone, Debug, Args)]
pub(crate) struct Migrate {
    /// The store that is copied; it is not changed.
    #[arg(value_name = "FROM", value_parser = globals::checked_one_of_two)]
    pub(crate) from: String,
    /// The store that becomes the copy; it must hold nothing, and is made if it does not exist.
    #[arg(value_name = "TO", value_parser = globals::checked_one_of_two)]
    pub(crate) to: String,
    /// Go on with a copy that was cut short: TO may hold the beginning of what FROM holds.
    #[arg(long)]
    pub(crate) resume: bool,
}

/// For which shell.
#[derive(Clone, Debug, Args)]
pub(crate) struct Completion {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it has not the form KEY=VALUE".to_owned()),
    }
}

fn parse_nft_name(text: &str) -> Result<String, String> {
    if crate::export::is_name(text) {
        return Ok(text.to_owned());
    }
    Err("a name is made of letters, digits and '_', and starts with no digit".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_ends_in_examples() {
        fn check(command: &mut clap::Command, path: &str) {
            let help = command.render_long_help().to_string();
            let examples = help.rsplit_once("Examples:\n").map(|(_, examples)| examples);
            let lines = examples.unwrap_or_else(|| panic!("{path}: {help}")).lines();
            for line in lines.filter(|line| !line.is_empty()) {
                assert!(line.starts_with("  ") && line.contains("ringfence "), "{path}: {line}");
            }
            let names: Vec<String> =
                command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            for name in names.iter().filter(|name| *name != "help") {
                check(command.find_subcommand_mut(name).unwrap(), &format!("{path} {name}"));
            }
        }
        check(&mut Arguments::command(), "ringfence");
    }

    #[test]
    fn what_the_examples_say_can_be_said() {
        for line in [
            POOL_EXAMPLES,
            POOL_CREATE_EXAMPLES,
            APPLY_EXAMPLES,
            NAMESPACE_EXAMPLES,
            NAMESPACE_BIND_EXAMPLES,
            IPS_EXAMPLES,
            EXPLAIN_EXAMPLES,
            RELEASE_EXAMPLES,
            EXPORT_EXAMPLES,
            MIGRATE_EXAMPLES,
            INSTALL_CNI_EXAMPLES,
            CONFIG_EXAMPLES,
        ]
        .iter()
        .flat_map(|examples| examples.split("Examples:\n").nth(1).unwrap().lines())
        {
            let ours = line.split('|').find(|part| part.contains("ringfence ")).unwrap().trim();
            let words = ours.split_whitespace().map(|word| word.trim_matches('\''));
            // Quoted words with blanks inside are not what is tested here.
            if ours.contains(" == ") {
                continue;
            }
            if let Err(error) = Arguments::try_parse_from(words) {
                panic!("{ours}: {error}");
            }
        }
    }
}
