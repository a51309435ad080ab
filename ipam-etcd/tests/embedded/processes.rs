//! Several processes at once, and processes that are killed.
//!
//! A process is this test binary, told by its environment to be [`child`] and nothing else.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::{env, fs, thread};

use ipam_core::kv::{Compare, Op, Range, Read, Revision, Txn};
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::{Store, StoreError};
use rusqlite::Connection;

use super::{DEADLINE, Path, block_on, get, open, put, run};

/// Each failed attempt is the success of another process, of which these tests start at most 64.
const ATTEMPTS_MAX: u32 = 1_000;

const JOB: &str = "EMBEDDED_TEST_JOB";
const STORE: &str = "EMBEDDED_TEST_STORE";

/// The command that runs `job` on a store in a process of its own.
fn job(job: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["processes::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(JOB, job).env(STORE, path).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

#[test]
fn child() {
    let (Some(job), Some(path)) = (env::var_os(JOB), env::var_os(STORE)) else {
        return;
    };
    let path = Path::new(&path);
    match job.to_str().unwrap() {
        "create" => drop(open(path)),
        "increment" => drop(increment(&open(path))),
        "increment forever" => loop {
            println!("answered {}", increment(&open(path)));
        },
        "write too much" => {
            let store = open(path);
            let error = block_on(store.txn(&put("a", &vec![7; 3_000_000]), DEADLINE)).unwrap_err();
            assert!(matches!(error, StoreError::Indeterminate { .. }), "{error:?}");
            println!("answered");
        }
        other => panic!("no such job: {other}"),
    }
}

/// Adds one to the number under `n` and returns the sum.
fn increment(store: &EmbeddedStore) -> u64 {
    for _ in 0..ATTEMPTS_MAX {
        let seen = run(store, &get("n")).reads.remove(0);
        let (number, mod_revision) = seen.kvs.first().map_or((0, Revision::ABSENT), |kv| {
            (String::from_utf8_lossy(&kv.value).parse::<u64>().unwrap(), kv.mod_revision)
        });
        let value = (number + 1).to_string().into_bytes();
        let txn = Txn {
            compares: vec![Compare::Key { key: "n".into(), mod_revision }],
            then: vec![Op::put("n".to_owned(), value)],
            otherwise: vec![],
        };
        if run(store, &txn).succeeded {
            return number + 1;
        }
    }
    panic!("{ATTEMPTS_MAX} attempts were not enough");
}

/// The number under `n`, after checking that everything else agrees with it.
fn sum(path: &Path) -> u64 {
    let reply = run(&open(path), &get("n"));
    let kv = reply.reads[0].kvs.first().cloned();
    let number = kv.map_or(0, |kv| {
        let number = String::from_utf8_lossy(&kv.value).parse::<u64>().unwrap();
        assert_eq!((kv.version, kv.mod_revision), (number, reply.revision));
        number
    });
    assert_eq!(reply.revision.0, number + 1, "each increment is one revision");
    let check: String = Connection::open(path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    number
}

fn succeed(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn many_processes_create_a_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let path = dir.path().join(format!("{round}/below/store.db"));
        succeed((0..64).map(|_| job("increment", &path).spawn().unwrap()).collect());
        assert_eq!(sum(&path), 64);
    }
}

#[test]
fn names_that_mean_something_to_sqlite_are_plain_files() {
    for name in
        [":memory:", "file:store.db", "file:store.db?mode=memory", "a?vfs=none", "ü # %20.db"]
    {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let mut command = job("increment", Path::new(name));
            succeed(vec![command.current_dir(dir.path()).spawn().unwrap()]);
        }
        let path = dir.path().join(name);
        assert!(path.is_file(), "{name}");
        assert_eq!(sum(&path), 2, "{name}");
    }
    EmbeddedStore::open(Path::new(""), Create::IfMissing, DEADLINE).unwrap_err();
}

#[test]
fn many_threads_create_a_store_at_once() {
    for _ in 0..10 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("below/store.db");
        let start = Barrier::new(16);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    start.wait();
                    increment(&open(&path))
                });
            }
        });
        assert_eq!(sum(&path), 16);
    }
}

#[test]
fn only_the_owner_may_read_what_is_created() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/store.db");
    let store = open(&path);
    run(&store, &put("a", b"1"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&dir.path().join("a")), 0o700);
    assert_eq!(mode(&dir.path().join("a/b")), 0o700);
    for extension in ["db", "db-wal", "db-shm"] {
        assert_eq!(mode(&path.with_extension(extension)), 0o600, "{extension}");
    }
}

#[test]
fn a_creation_that_was_cut_short_is_taken_up_again() {
    let leftovers: [fn(&Path); 4] = [
        |path| drop(fs::File::create(path).unwrap()),
        |path| {
            Connection::open(path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
        },
        |path| {
            let connection = Connection::open(path).unwrap();
            connection
                .execute_batch("PRAGMA journal_mode = WAL; BEGIN; CREATE TABLE keys (a)")
                .unwrap();
        },
        |path| {
            fs::write(path, b"").unwrap();
            fs::write(path.with_extension("db-wal"), b"").unwrap();
        },
    ];
    for leave in leftovers {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        leave(&path);
        assert_eq!(increment(&open(&path)), 1);
        assert_eq!(sum(&path), 1);
    }
}

#[test]
fn a_process_killed_while_it_creates_a_store_is_not_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..24 {
        let path = dir.path().join(format!("{round}.db"));
        let mut child = job("create", &path).spawn().unwrap();
        // Each round lets the child get a little further after the first sign of the file.
        while !path.exists() {
            thread::yield_now();
        }
        for _ in 0..round {
            let _ = fs::metadata(&path);
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(increment(&open(&path)), 1, "round {round}");
        assert_eq!(sum(&path), 1, "round {round}");
    }
}

#[test]
fn killed_processes_lose_nothing_and_block_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let mut answered_before = 0;
    for round in 1..=25_usize {
        let mut children: Vec<Child> =
            (0..3).map(|_| job("increment forever", &path).spawn().unwrap()).collect();
        let lines = BufReader::new(children[0].stdout.take().unwrap()).lines();
        let answers = lines.map_while(Result::ok).filter_map(|line| {
            line.split_once("answered ").map(|(_, number)| number.trim().parse::<u64>().unwrap())
        });
        let answered = answers.take(round).last().unwrap();
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(answered > answered_before);
        assert!(sum(&path) >= answered, "an answered write was lost");
        answered_before = sum(&path);
    }
}

#[test]
fn a_commit_that_fails_halfway_is_indeterminate_and_harms_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    increment(&open(&path));
    // The limit of the size of a file, in blocks of 512 bytes, makes the log's growth fail in the commit.
    let inner = job("write too much", &path);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 4000 && trap '' XFSZ && exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).args(inner.get_args()).stdout(Stdio::piped());
    command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("answered"), "{said}");

    assert_eq!(run(&open(&path), &Txn::read([Read::values(Range::key("a"))])).reads[0].count, 0);
    assert_eq!(increment(&EmbeddedStore::open(&path, Create::Never, DEADLINE).unwrap()), 2);
    assert_eq!(sum(&path), 2);
}
