//! A machine with a store of its own, the real program, and workloads that take addresses.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use ipam_core::block::Target;
use ipam_core::ip::Family;
use ipam_core::kv::{Op, Range, Read, Txn, TxnReply};
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{
    AddressTarget, Assign, Assigned, FamilyRequest, NodeRule, PoolOrder, ReleaseAddresses, Replay,
    Request, Rules, Want,
};
use ipam_core::pool::{AddressRules, Levels, NamespaceLabels, PoolList, Tenant};
use ipam_etcd::embedded::Create;
use ipam_etcd::{AnyStore, DriveError, Store, StoreSettings, drive};
use serde_json::Value;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(5);

/// A pool of four blocks with four addresses each, which is used only where it is named.
pub(crate) const FIN: [&str; 5] = ["fin", "10.20.0.0/28", "--block-size", "30", "--manual"];

/// A pool, and a reservation inside it.
pub(crate) const MANIFEST: &str = "
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: fin, labels: {firewall: asa-dc1}}
spec: {cidr: 10.20.0.0/24, blockSize: 28}
---
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: carved}
spec: {reservedCIDRs: [10.20.0.0/29, 10.20.0.250]}
";

/// A machine with a store of its own.
pub(crate) struct Machine {
    directory: TempDir,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// Starts with nothing; there is no store yet.
    pub(crate) fn fresh() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// Starts with one pool, as its arguments say.
    pub(crate) fn with_pool(args: &[&str]) -> Self {
        let machine = Self::fresh();
        let args: Vec<&str> = ["pool", "create"].into_iter().chain(args.iter().copied()).collect();
        machine.ok(&args);
        machine
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Prepares a run of the program that sees this machine's store and nothing else of the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.env_clear().args(args);
        command.env("RINGFENCE_STORE", format!("embedded:{}", self.path("store.db").display()));
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs the program with text on its standard input.
    pub(crate) fn run_with_input(&self, args: &[&str], input: &str) -> Run {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs what must succeed, and returns its data.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run.stdout
    }

    /// Runs what must fail like this: with a code, an error of three lines under a name, and no data.
    pub(crate) fn fails(&self, args: &[&str], code: i32, name: &str) -> String {
        let run = self.run(args);
        assert_eq!(run.code, code, "{args:?}: {run:?}");
        assert_eq!(run.stdout, "", "{args:?}");
        let error = run.stderr.find("error: ").map_or("", |at| &run.stderr[at..]);
        let lines: Vec<&str> = error.lines().collect();
        let [what, why, how] = lines.as_slice() else { panic!("{args:?}: {run:?}") };
        assert!(what.ends_with(&format!(" [{name}]")), "{args:?}: {what}");
        assert!(why.starts_with("  why: ") && how.starts_with("  how: "), "{args:?}: {error}");
        run.stderr
    }

    /// Runs what must print one JSON object, whatever it ends with, and returns code and object.
    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let run = self.run(&args);
        assert_eq!(run.stderr, "", "{args:?}: programs are told everything in the object");
        let value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{args:?}: {run:?}"));
        (run.code, value)
    }

    /// Gives a pod an address, as the plugin would; an empty list of pools names none.
    pub(crate) fn assign(&self, node: &str, pod: &str, family: Family, pools: &[&str]) -> IpAddr {
        self.try_assign(node, pod, family, pools).unwrap().addresses[0].ip
    }

    pub(crate) fn try_assign(
        &self,
        node: &str,
        pod: &str,
        family: Family,
        pools: &[&str],
    ) -> Result<Assigned, DriveError> {
        let names = pools.iter().map(|name| (*name).to_owned()).collect();
        let levels = Levels { pod: PoolList::from_names(names).ok(), ..Levels::default() };
        let attributes = [
            ("namespace", "fin".to_owned()),
            ("node", node.to_owned()),
            ("pod", pod.to_owned()),
            ("timestamp", now().to_go_text()),
        ];
        self.drive(&Assign {
            handle: Some(HandleId::new(format!("net.{pod}")).unwrap()),
            host: node.to_owned(),
            tenant: Some(Tenant::Namespace("fin".to_owned())),
            attributes: attributes
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<BTreeMap<_, _>>(),
            families: vec![FamilyRequest { family, want: Want::Any(1), levels }],
            rules: Rules {
                pool_order: PoolOrder::Listed,
                node: NodeRule::Optional,
                replay: Replay::Same,
                addresses: AddressRules { exclude_edges: true, ..AddressRules::default() },
                namespace_labels: NamespaceLabels::Unknown,
                blocks_max: 0,
                record_source: true,
                ..Rules::calico()
            },
        })
    }

    /// Takes an address from whoever holds it.
    pub(crate) fn release(&self, ip: IpAddr) {
        let targets = vec![AddressTarget { ip, conditions: Target::default() }];
        self.drive(&ReleaseAddresses { targets }).unwrap();
    }

    /// Stores a value as it is, past every rule.
    pub(crate) fn put(&self, key: &str, value: &str) {
        let put = Op::put(key, value.as_bytes().to_vec());
        self.txn(put);
    }

    /// Removes a key, past every rule.
    pub(crate) fn delete(&self, key: &str) {
        self.txn(Op::delete(key));
    }

    /// Returns a value as it is stored.
    pub(crate) fn get(&self, key: &str) -> String {
        let reply = self.txn(Op::Read(Read::values(Range::key(key))));
        String::from_utf8(reply.reads[0].kvs[0].value.to_vec()).unwrap()
    }

    fn txn(&self, op: Op) -> TxnReply {
        let txn = Txn { then: vec![op], ..Txn::default() };
        let store = self.store();
        runtime().block_on(store.txn(&txn, DEADLINE)).unwrap()
    }

    fn drive<R: Request>(&self, request: &R) -> Result<R::Reply, DriveError> {
        let store = self.store();
        let driven = runtime().block_on(drive(&store, request, now(), DEADLINE))?;
        Ok(driven.reply)
    }

    fn store(&self) -> AnyStore {
        let path = self.path("store.db");
        AnyStore::open(&StoreSettings::embedded(path.to_str()), Create::Never, DEADLINE, None)
            .unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_nanos(i128::try_from(since.as_nanos()).unwrap())
}

/// Returns the rows of a table with single blanks.
pub(crate) fn rows(table: &str) -> Vec<String> {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}
