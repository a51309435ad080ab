//! Random transactions get the same answers from every store.

use ipam_core::kv::{Compare, Op, Projection, Range, Read, Revision, Txn};
use ipam_etcd::{ModelStore, Store};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{DEADLINE, Fresh, block_on, everything, run};

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    Txn(Vec<Guess>, Vec<Op>, Vec<Read>),
    Reopen,
}

/// A compare whose revision is often the stored one, which a transaction made in advance cannot know.
#[derive(Clone, Debug)]
enum Guess {
    Key(String, Option<u64>),
    Range(Range, Option<u64>),
}

impl Guess {
    fn compare(&self, model: &ModelStore) -> Compare {
        match self.clone() {
            Self::Key(key, Some(guess)) => {
                Compare::Key { key: key.into(), mod_revision: Revision(guess) }
            }
            Self::Key(key, None) => {
                let stored = model.with(|model| model.get(&key).map(|kv| kv.mod_revision));
                Compare::Key { key: key.into(), mod_revision: stored.unwrap_or(Revision::ABSENT) }
            }
            Self::Range(range, Some(guess)) => Compare::Range { range, newest: Revision(guess) },
            Self::Range(range, None) => {
                Compare::Range { range, newest: model.with(|model| model.revision()) }
            }
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a\0", "a/", "a/1", "a/2", "b", "b/\u{e9}", "\u{1f600}"])
        .prop_map(str::to_owned)
}

fn range() -> impl Strategy<Value = Range> {
    prop_oneof![
        key().prop_map(Range::key),
        key().prop_map(Range::prefix),
        (key(), key()).prop_map(|(start, end)| Range::between(start, end)),
    ]
}

fn read() -> impl Strategy<Value = Read> {
    let projection =
        prop::sample::select(vec![Projection::Values, Projection::Keys, Projection::Count]);
    (range(), projection, 0_u32..4).prop_map(|(range, projection, limit)| Read {
        range,
        projection,
        limit,
    })
}

fn op() -> impl Strategy<Value = Op> {
    // Values on both sides of what fits on a page of SQLite.
    let value = (any::<u8>(), prop::sample::select(vec![0, 1, 300, 5_000, 20_000]))
        .prop_map(|(byte, size)| vec![byte; size]);
    prop_oneof![
        4 => (key(), value).prop_map(|(key, value)| Op::put(key, value)),
        3 => key().prop_map(Op::delete),
        2 => read().prop_map(Op::Read),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let revision = || prop::option::weighted(0.2, 0_u64..20);
    let guess = prop_oneof![
        (key(), revision()).prop_map(|(key, guess)| Guess::Key(key, guess)),
        (range(), revision()).prop_map(|(range, guess)| Guess::Range(range, guess)),
    ];
    prop_oneof![
        12 => (vec(guess, 0..4), vec(op(), 0..6), vec(read(), 0..3))
            .prop_map(|(compares, then, otherwise)| Step::Txn(compares, then, otherwise)),
        1 => Just(Step::Reopen),
    ]
}

pub(crate) fn transactions_get_the_model_s_answers<S: Store>(fresh: impl Fn() -> Fresh<S>) {
    let config =
        ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in vec(step(), 1..25))| agree(steps, fresh())?);
}

fn agree<S: Store>(steps: Vec<Step>, mut store: Fresh<S>) -> Result<(), TestCaseError> {
    let model = ModelStore::default();
    for step in steps {
        let Step::Txn(guesses, then, otherwise) = step else {
            store = store.reopened();
            continue;
        };
        let compares = guesses.iter().map(|guess| guess.compare(&model)).collect();
        let txn = Txn { compares, then, otherwise };
        match block_on(model.txn(&txn, DEADLINE)) {
            Ok(expected) => prop_assert_eq!(run(&store, &txn), expected),
            Err(refusal) => {
                let error = block_on(store.txn(&txn, DEADLINE)).unwrap_err();
                prop_assert_eq!(error.to_string(), refusal.to_string());
            }
        }
    }
    prop_assert_eq!(everything(&store), everything(&model));
    Ok(())
}
