//! Damaged stores: kept aside, and what can be read carried over.

use std::path::{Path, PathBuf};

use argos_memory::recovery::{self, InProcess};
use argos_memory::{Error, Store};

const COUNT: u64 = 500;

/// A store with many records, some of them forgotten again.
fn filled(path: &Path) {
    let store = Store::open(path).unwrap();
    let records: Vec<_> = (0..COUNT)
        .map(|i| super::record(&format!("memory {i} {}", "word ".repeat(20))))
        .collect();
    store.import(&records).unwrap();
    store.forget(7).unwrap();
}

fn data(path: &Path) -> PathBuf {
    path.join("data.mdb")
}

fn aside(path: &Path) -> PathBuf {
    path.with_file_name("memory.corrupt-now")
}

#[test]
fn sound_store_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    filled(&path);
    let (store, recovered) = recovery::open(&path, &InProcess, "now").unwrap();
    assert_eq!((store.count().unwrap(), recovered), (COUNT - 1, None));
    assert!(!aside(&path).exists());
}

#[test]
fn garbage_is_kept_aside_and_a_fresh_store_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    filled(&path);
    let garbage: Vec<u8> = (0..100_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    std::fs::write(data(&path), &garbage).unwrap();
    assert!(matches!(Store::open(&path), Err(Error::Corrupt { .. })));
    let (store, recovered) = recovery::open(&path, &InProcess, "now").unwrap();
    let recovered = recovered.unwrap();
    assert_eq!((recovered.salvaged, &recovered.aside), (0, &aside(&path)));
    assert_eq!(
        std::fs::read(data(&aside(&path))).unwrap(),
        garbage,
        "it stays as it was found"
    );
    store.remember(&super::record("a new beginning")).unwrap();
    drop(store);
    // A second accident in the same second.
    std::fs::write(data(&path), b"short").unwrap();
    let (_, again) = recovery::open(&path, &InProcess, "now").unwrap();
    assert_eq!(
        again.unwrap().aside,
        path.with_file_name("memory.corrupt-now-2")
    );
}

#[test]
fn file_cut_short_is_refused_and_most_of_it_salvaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    filled(&path);
    let length = std::fs::metadata(data(&path)).unwrap().len();
    let cut = length * 3 / 4 / 4096 * 4096;
    std::fs::OpenOptions::new()
        .write(true)
        .open(data(&path))
        .unwrap()
        .set_len(cut)
        .unwrap();
    let error = Store::open(&path).unwrap_err().to_string();
    assert!(error.contains("cut short"), "{error}");
    let (store, recovered) = recovery::open(&path, &InProcess, "now").unwrap();
    let recovered = recovered.unwrap();
    store.verify().unwrap();
    // Which pages were lost is up to LMDB; what is there is whole and unchanged.
    for record in store.page(0, 1000).unwrap() {
        assert_eq!(
            record.text,
            format!("memory {} {}", record.id - 1, "word ".repeat(20))
        );
        assert_ne!(record.id, 7, "what was forgotten stays forgotten");
    }
    assert_eq!(store.count().unwrap(), recovered.salvaged as u64);
}

#[test]
fn damaged_page_costs_only_what_was_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    filled(&path);
    // Break one record's text inside its page; the page itself stays readable.
    let mut bytes = std::fs::read(data(&path)).unwrap();
    let needle = b"memory 123 ";
    let at: Vec<usize> = (0..bytes.len() - needle.len())
        .filter(|i| bytes[*i..].starts_with(needle))
        .collect();
    assert!(!at.is_empty());
    for i in at {
        bytes[i] = b'"';
    }
    std::fs::write(data(&path), bytes).unwrap();
    let (store, recovered) = recovery::open(&path, &InProcess, "now").unwrap();
    let recovered = recovered.unwrap();
    assert!(
        recovered.reason.contains("memory 124"),
        "{}",
        recovered.reason
    );
    assert_eq!(recovered.salvaged as u64, COUNT - 2);
    assert!(matches!(store.get(124), Err(Error::NotFound(124))));
    assert_eq!(
        store.get(125).unwrap().text,
        format!("memory 124 {}", "word ".repeat(20))
    );
}

#[test]
fn recovery_that_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    // Cut off between the two renames: the new store is there, the old name is free.
    filled(&path.with_file_name("memory.new"));
    let (store, recovered) = recovery::open(&path, &InProcess, "now").unwrap();
    assert_eq!((store.count().unwrap(), recovered), (COUNT - 1, None));
    drop(store);
    // Cut off before: a half-made new store beside the damaged one.
    std::fs::create_dir(path.with_file_name("memory.new")).unwrap();
    std::fs::write(path.with_file_name("memory.new/data.mdb"), b"half").unwrap();
    let (store, _) = recovery::open(&path, &InProcess, "now").unwrap();
    assert_eq!(store.count().unwrap(), COUNT - 1);
    assert!(!path.with_file_name("memory.new").exists());
}

#[test]
fn empty_file_of_a_first_start_that_was_cut_off_is_a_new_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(data(&path), b"").unwrap();
    let (store, _) = recovery::open(&path, &InProcess, "now").unwrap();
    assert_eq!(store.count().unwrap(), 0);
}
