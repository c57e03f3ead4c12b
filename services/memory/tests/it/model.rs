//! Random operations against a simple model of what a memory store is.

use std::collections::BTreeMap;
use std::io::Cursor;

use argos_memory::{Error, Record, Store, transfer};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Remember {
        when: u64,
        owner: usize,
        text: usize,
    },
    Forget(usize),
    Embed(usize),
    SetModel(usize),
    RoundTrip,
    ImportOld(usize),
    Reopen,
}

const OWNERS: [&str; 3] = ["steward", "shared", "ünï"];
const TEXTS: [&str; 6] = [
    "the dentist on friday",
    "buy milk",
    "文件夹",
    "dentist again",
    "🙂",
    "long long long text",
];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0u64..3, 0..OWNERS.len(), 0..TEXTS.len())
            .prop_map(|(when, owner, text)| Op::Remember { when, owner, text }),
        2 => (0usize..20).prop_map(Op::Forget),
        3 => (0usize..20).prop_map(Op::Embed),
        1 => (0usize..2).prop_map(Op::SetModel),
        1 => Just(Op::RoundTrip),
        1 => (0usize..20).prop_map(Op::ImportOld),
        1 => Just(Op::Reopen),
    ]
}

/// A vector that depends on the text.
fn vector(text: &str) -> Vec<f32> {
    (0..8u8)
        .map(|i| 0.1 + text.bytes().filter(|b| b % 8 == i).count() as f32)
        .collect()
}

#[derive(Debug, Default)]
struct Model {
    records: BTreeMap<u64, Record>,
    embedded: BTreeMap<u64, bool>,
    last: u64,
    name: Option<usize>,
    gone: Vec<Record>,
}

impl Model {
    fn same(&self, record: &Record) -> Option<u64> {
        let same = |r: &&Record| {
            Record {
                id: 0,
                ..(*r).clone()
            } == Record {
                id: 0,
                ..record.clone()
            }
        };
        self.records.values().find(same).map(|r| r.id)
    }

    fn insert(&mut self, mut record: Record, id: u64) {
        record.id = id;
        self.last = self.last.max(id);
        self.embedded.insert(id, false);
        self.records.insert(id, record);
    }

    fn nth(&self, n: usize) -> Option<u64> {
        let ids: Vec<_> = self.records.keys().collect();
        (!ids.is_empty()).then(|| *ids[n % ids.len()])
    }
}

fn verify_invariants(store: &Store, model: &Model) {
    store.verify().unwrap();
    assert_eq!(store.count().unwrap(), model.records.len() as u64);
    let all: Vec<Record> = model.records.values().cloned().collect();
    assert_eq!(store.page(0, 1000).unwrap(), all);
    for owner in ["", OWNERS[0], OWNERS[2]] {
        let newest: Vec<Record> = all
            .iter()
            .rev()
            .filter(|r| owner.is_empty() || r.owner == owner)
            .take(5)
            .cloned()
            .collect();
        assert_eq!(store.recent(owner, 5).unwrap(), newest);
    }
    let waiting: Vec<u64> = model
        .embedded
        .iter()
        .filter(|(_, e)| !**e)
        .map(|(id, _)| *id)
        .collect();
    let pending: Vec<u64> = store.pending(1000).unwrap().iter().map(|p| p.id).collect();
    assert_eq!(pending, waiting);
    // A record with a vector is found by its own vector, with the best score there is.
    if let Some((id, _)) = model.embedded.iter().find(|(_, e)| **e) {
        let text = &model.records[id].text;
        let found = store.nearest(&[vector(text)], "zzz", "", 1000).unwrap();
        assert!(found.iter().any(|f| f.record.id == *id));
        assert!(
            found[0].score > 0.99 && found.is_sorted_by(|a, b| a.score >= b.score),
            "{found:?}"
        );
    }
    let by_word = store.matching("dentist", "shared", 1000).unwrap();
    let expected = all
        .iter()
        .filter(|r| r.owner == "shared" && r.text.contains("dentist"))
        .count();
    assert_eq!(by_word.len(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_model(ops in proptest::collection::vec(op(), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory");
        let mut store = Some(Store::open(&path).unwrap());
        let mut model = Model::default();
        for op in ops {
            let open = store.as_ref().unwrap();
            match op {
                Op::Remember { when, owner, text } => {
                    let record = Record {
                        when_ms: when,
                        owner: OWNERS[owner].into(),
                        ..super::record(TEXTS[text])
                    };
                    let id = open.remember(&record).unwrap();
                    match model.same(&record) {
                        Some(known) => assert_eq!(id, known),
                        None => {
                            assert_eq!(id, model.last + 1, "numbers rise and are never used again");
                            model.insert(record, id);
                        }
                    }
                }
                Op::Forget(n) => match model.nth(n) {
                    Some(id) => {
                        open.forget(id).unwrap();
                        model.embedded.remove(&id);
                        model.gone.extend(model.records.remove(&id));
                    }
                    None => assert!(matches!(open.forget(7), Err(Error::NotFound(7)))),
                },
                Op::Embed(n) => if let Some(id) = model.nth(n) {
                    let pieces = vec![vector(&model.records[&id].text); n % 3];
                    open.set_vectors(id, &pieces).unwrap();
                    if pieces.is_empty() {
                        // There will be none: it waits no longer and is found by its words.
                        prop_assert!(!open.pending(1000).unwrap().iter().any(|p| p.id == id));
                        open.set_vectors(id, &[vector(&model.records[&id].text)]).unwrap();
                    }
                    model.embedded.insert(id, true);
                },
                Op::SetModel(n) => {
                    open.set_model(&n.to_string()).unwrap();
                    if model.name.replace(n) != Some(n) {
                        model.embedded.values_mut().for_each(|e| *e = false);
                    }
                }
                Op::RoundTrip => {
                    let mut lines = Vec::new();
                    assert_eq!(transfer::export(open, &mut lines).unwrap(), model.records.len() as u64);
                    assert_eq!(transfer::import(open, Cursor::new(&lines)).unwrap(), 0, "all are known");
                    let other = Store::open(&folder.path().join("other")).unwrap();
                    assert_eq!(transfer::import(&other, Cursor::new(&lines)).unwrap(), model.records.len() as u64);
                    assert_eq!(other.page(0, 1000).unwrap(), open.page(0, 1000).unwrap());
                    other.verify().unwrap();
                    drop(other);
                    std::fs::remove_dir_all(folder.path().join("other")).unwrap();
                }
                Op::ImportOld(n) => if !model.gone.is_empty() {
                    // What was forgotten may come back from a copy, under its old number if that is free.
                    let record = model.gone[n % model.gone.len()].clone();
                    let known = model.same(&record);
                    assert_eq!(open.import(std::slice::from_ref(&record)).unwrap(), u64::from(known.is_none()));
                    if known.is_none() {
                        let id = if model.records.contains_key(&record.id) { model.last + 1 } else { record.id };
                        model.insert(record, id);
                    }
                },
                Op::Reopen => {
                    drop(store.take());
                    store = Some(Store::open(&path).unwrap());
                }
            }
            verify_invariants(store.as_ref().unwrap(), &model);
        }
    }
}

#[test]
fn a_wrong_line_imports_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.remember(&super::record("here before")).unwrap();
    let mut lines = Vec::new();
    transfer::export(&store, &mut lines).unwrap();
    let good = String::from_utf8(lines)
        .unwrap()
        .replace("here before", "new");
    let wrong = format!("{good}{{\"id\": 2}}\n");
    let error = transfer::import(&store, Cursor::new(wrong)).unwrap_err();
    assert!(error.to_string().starts_with("line 2: "), "{error}");
    assert_eq!(store.count().unwrap(), 1);
    assert_eq!(transfer::import(&store, Cursor::new(good)).unwrap(), 1);
    assert_eq!(store.count().unwrap(), 2);
}

#[test]
fn grows_beyond_its_first_map() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    // 80 MB, where the map has 64 MiB at first.
    let filler = "x".repeat(16_000);
    let records: Vec<Record> = (0..1000)
        .map(|i| super::record(&format!("{i} {filler}")))
        .collect();
    for part in 0..5 {
        let records: Vec<Record> = records
            .iter()
            .map(|r| Record {
                when_ms: part,
                ..r.clone()
            })
            .collect();
        assert_eq!(store.import(&records).unwrap(), 1000);
    }
    assert_eq!(store.count().unwrap(), 5000);
    assert!(
        std::fs::metadata(folder.path().join("data.mdb"))
            .unwrap()
            .len()
            > 70 << 20
    );
    drop(store);
    Store::open(folder.path()).unwrap().verify().unwrap();
}

#[cfg(unix)]
#[test]
fn is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("argos/memory");
    drop(Store::open(&path).unwrap());
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o700
    );
}
