//! Transactions in etcd's words, and its answers in ours.

use etcd_client::{
    Compare as EtcdCompare, CompareOp, GetOptions, GetResponse, KeyValue, ResponseHeader,
    Txn as EtcdTxn, TxnOp, TxnOpResponse, TxnResponse,
};
use ipam_core::kv::{Compare, Kv, Op, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply};

/// Says a transaction in etcd's words.
pub(super) fn to_etcd(txn: &Txn) -> EtcdTxn {
    let compares: Vec<EtcdCompare> = txn.compares.iter().map(compare).collect();
    let then: Vec<TxnOp> = txn.then.iter().map(op).collect();
    let otherwise: Vec<TxnOp> = txn.otherwise.iter().map(read).collect();
    EtcdTxn::new().when(compares).and_then(then).or_else(otherwise)
}

/// Why an answer cannot be taken over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// It is not one to a transaction of ours.
    Foreign,
    /// It holds a key that is no text; here as far as it can be shown.
    Key(String),
}

/// Reads etcd's answer.
pub(super) fn from_etcd(mut response: TxnResponse) -> Result<TxnReply, Odd> {
    let succeeded = response.succeeded();
    let mut reads = Vec::new();
    for answer in response.op_responses() {
        match answer {
            TxnOpResponse::Get(get) => reads.push(read_reply(get)?),
            TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) => {}
            TxnOpResponse::Txn(_) => return Err(Odd::Foreign),
        }
    }
    let header = response.take_header().ok_or(Odd::Foreign)?;
    Ok(TxnReply { succeeded, revision: revision(header.revision())?, reads })
}

fn compare(compare: &Compare) -> EtcdCompare {
    match compare {
        Compare::Key { key, mod_revision } => {
            EtcdCompare::mod_revision(key.as_ref(), CompareOp::Equal, number(*mod_revision))
        }
        // etcd knows "less", not "at most".
        Compare::Range { range, newest } => {
            let less = number(newest.next());
            let compare = EtcdCompare::mod_revision(start(range), CompareOp::Less, less);
            match range.end() {
                Some(end) => compare.with_range(end),
                None => compare,
            }
        }
        Compare::Value { key, value } => {
            EtcdCompare::value(key.as_ref(), CompareOp::Equal, value.to_vec())
        }
    }
}

fn op(op: &Op) -> TxnOp {
    match op {
        Op::Put { key, value } => TxnOp::put(key.as_ref(), value.to_vec(), None),
        Op::Delete { key } => TxnOp::delete(key.as_ref(), None),
        Op::Read(wanted) => read(wanted),
    }
}

fn read(read: &Read) -> TxnOp {
    let mut options = GetOptions::new().with_limit(i64::from(read.limit));
    if let Some(end) = read.range.end() {
        options = options.with_range(end);
    }
    options = match read.projection {
        Projection::Values => options,
        Projection::Keys => options.with_keys_only(),
        Projection::Count => options.with_count_only(),
    };
    TxnOp::get(start(&read.range), Some(options))
}

/// Returns the first key of a range. etcd knows no empty key; the lowest one that it knows stands for it.
fn start(range: &Range) -> &str {
    if range.start().is_empty() { "\0" } else { range.start() }
}

fn read_reply(mut get: GetResponse) -> Result<ReadReply, Odd> {
    let kvs = get.take_kvs().into_iter().map(kv).collect::<Result<Vec<Kv>, Odd>>()?;
    let count = natural(get.count())?;
    let revision = revision(get.header().map_or(0, ResponseHeader::revision))?;
    Ok(ReadReply { kvs, count, revision })
}

/// Takes over a key and its value. Nobody who knows these keys writes one that is no text, and to pass over it would be to
/// leave something out unsaid.
fn kv(kv: KeyValue) -> Result<Kv, Odd> {
    let (create_revision, mod_revision) =
        (revision(kv.create_revision())?, revision(kv.mod_revision())?);
    let version = natural(kv.version())?;
    let (key, value) = kv.into_key_value();
    let key = String::from_utf8(key)
        .map_err(|error| Odd::Key(error.as_bytes().escape_ascii().to_string()))?;
    Ok(Kv { key: key.into(), value: value.into(), create_revision, mod_revision, version })
}

fn revision(number: i64) -> Result<Revision, Odd> {
    natural(number).map(Revision)
}

fn natural(number: i64) -> Result<u64, Odd> {
    u64::try_from(number).map_err(|_| Odd::Foreign)
}

/// Turns a revision into etcd's number; one that it cannot count up to was never reached.
fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
