//! Carrying out one transaction: etcd's rules in SQL.

use ipam_core::kv::{Compare, Kv, Op, Projection, Range, Read, ReadReply, Revision, Txn, TxnReply};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::error::Failure;
use super::wait::Patience;

const REVISION: &str = "SELECT revision FROM store";
const ADVANCE: &str = "UPDATE store SET revision = ?1";
const MOD_REVISION: &str = "SELECT mod_revision FROM keys WHERE key = ?1";
const IS_NEWER: &str =
    "SELECT EXISTS (SELECT 1 FROM keys WHERE key >= ?1 AND key < ?2 AND mod_revision > ?3)";
const HOLDS: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE key = ?1 AND value = ?2)";
const PUT: &str = "
    INSERT INTO keys (key, create_revision, mod_revision, version, value) VALUES (?1, ?2, ?2, 1, ?3)
    ON CONFLICT (key) DO UPDATE
    SET mod_revision = excluded.mod_revision, version = version + 1, value = excluded.value";
const DELETE: &str = "DELETE FROM keys WHERE key = ?1";
const READ_VALUES: &str = "
    SELECT key, create_revision, mod_revision, version, value FROM keys
    WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
const READ_KEYS: &str = "
    SELECT key, create_revision, mod_revision, version, x'' FROM keys
    WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3";
const COUNT: &str = "SELECT count(*) FROM keys WHERE key >= ?1 AND key < ?2";

/// Carries out a transaction, or fails without having changed anything unless it is [`Failure::Commit`].
///
/// # Errors
///
/// See [`Failure`]; where it is busy, the same call may be made again.
pub(super) fn carry_out(
    connection: &mut Connection,
    txn: &Txn,
    patience: &Patience,
) -> Result<TxnReply, Failure> {
    // A writer takes the lock before it looks, so that nothing can change between its compares and its commit. A
    // reader gets a snapshot, which needs no lock.
    let behavior =
        if txn.is_write() { TransactionBehavior::Immediate } else { TransactionBehavior::Deferred };
    let transaction = connection.transaction_with_behavior(behavior)?;
    let before = stored_revision(&transaction)?;
    let reply = steps(&transaction, txn, before, patience)?;
    // Without a change there is nothing to commit: the guard ends the transaction.
    if reply.revision != before {
        transaction.prepare_cached(ADVANCE)?.execute([number(reply.revision)])?;
        if patience.is_over() {
            return Err(Failure::Late);
        }
        transaction.commit().map_err(Failure::Commit)?;
    }
    Ok(reply)
}

fn steps(
    connection: &Connection,
    txn: &Txn,
    before: Revision,
    patience: &Patience,
) -> Result<TxnReply, Failure> {
    let mut revision = before;
    let mut reads = Vec::new();
    let succeeded = all_hold(connection, &txn.compares)?;
    if succeeded {
        for op in &txn.then {
            match op {
                Op::Put { key, value } => {
                    revision = before.next();
                    put(connection, key, value, revision)?;
                }
                Op::Delete { key } => {
                    if delete(connection, key)? {
                        revision = before.next();
                    }
                }
                Op::Read(read) => reads.push(answer(connection, read, revision, patience)?),
            }
        }
    } else {
        for read in &txn.otherwise {
            reads.push(answer(connection, read, revision, patience)?);
        }
    }
    Ok(TxnReply { succeeded, revision, reads })
}

fn all_hold(connection: &Connection, compares: &[Compare]) -> rusqlite::Result<bool> {
    for compare in compares {
        let holds = match compare {
            Compare::Key { key, mod_revision } => {
                mod_revision_of(connection, key)? == *mod_revision
            }
            Compare::Range { range, newest } => {
                let (start, end) = bounds(range);
                let is_newer: bool = connection
                    .prepare_cached(IS_NEWER)?
                    .query_row(params![start, end, number(*newest)], |row| row.get(0))?;
                !is_newer
            }
            Compare::Value { key, value } => connection
                .prepare_cached(HOLDS)?
                .query_row(params![key.as_bytes(), &**value], |row| row.get(0))?,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stored_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    connection.prepare_cached(REVISION)?.query_row([], |row| revision(row, 0))
}

fn mod_revision_of(connection: &Connection, key: &str) -> rusqlite::Result<Revision> {
    let found = connection
        .prepare_cached(MOD_REVISION)?
        .query_row([key.as_bytes()], |row| revision(row, 0))
        .optional()?;
    Ok(found.unwrap_or(Revision::ABSENT))
}

fn put(
    connection: &Connection,
    key: &str,
    value: &[u8],
    revision: Revision,
) -> rusqlite::Result<()> {
    let changes = params![key.as_bytes(), number(revision), value];
    connection.prepare_cached(PUT)?.execute(changes).map(|_| ())
}

fn delete(connection: &Connection, key: &str) -> rusqlite::Result<bool> {
    let deleted = connection.prepare_cached(DELETE)?.execute([key.as_bytes()])?;
    Ok(deleted > 0)
}

fn answer(
    connection: &Connection,
    read: &Read,
    revision: Revision,
    patience: &Patience,
) -> Result<ReadReply, Failure> {
    if patience.is_over() {
        return Err(Failure::Late);
    }
    let (start, end) = bounds(&read.range);
    let kvs = match read.projection {
        Projection::Values => kvs(connection, READ_VALUES, &start, &end, read.limit)?,
        Projection::Keys => kvs(connection, READ_KEYS, &start, &end, read.limit)?,
        Projection::Count => Vec::new(),
    };
    let is_whole = match read.projection {
        Projection::Values | Projection::Keys => read.limit == 0 || kvs.len() < read.limit as usize,
        Projection::Count => false,
    };
    let count = if is_whole {
        kvs.len() as u64
    } else {
        connection.prepare_cached(COUNT)?.query_row([&start, &end], |row| natural(row, 0))?
    };
    Ok(ReadReply { kvs, count, revision })
}

fn kvs(
    connection: &Connection,
    sql: &str,
    start: &[u8],
    end: &[u8],
    limit: u32,
) -> rusqlite::Result<Vec<Kv>> {
    // A negative limit means none.
    let limit = if limit == 0 { -1 } else { i64::from(limit) };
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![start, end, limit], kv)?;
    rows.collect()
}

fn kv(row: &Row<'_>) -> rusqlite::Result<Kv> {
    let key = String::from_utf8(row.get(0)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, error.into()))?;
    Ok(Kv {
        key: key.into(),
        create_revision: revision(row, 1)?,
        mod_revision: revision(row, 2)?,
        version: natural(row, 3)?,
        value: row.get::<_, Vec<u8>>(4)?.into(),
    })
}

/// Returns the first key of a range and the first one behind it; one key is a range that ends at its successor.
fn bounds(range: &Range) -> (Vec<u8>, Vec<u8>) {
    let start = range.start().as_bytes().to_vec();
    let end =
        range.end().map_or_else(|| [&start, &[0][..]].concat(), |end| end.as_bytes().to_vec());
    (start, end)
}

fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    natural(row, column).map(Revision)
}

fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let stored: i64 = row.get(column)?;
    u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, stored))
}

/// Turns a revision into what SQLite stores; one that it cannot store was never reached.
fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
