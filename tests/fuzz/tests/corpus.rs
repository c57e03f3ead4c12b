//! Every kept input through its target.

use std::path::Path;

fn all(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        // Named before it runs: a panic says which.
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{}: nothing was kept", folder.display());
}

#[test]
fn manifests() {
    all("manifest", argos_fuzz::manifest);
}

#[test]
fn messages() {
    all("messages", argos_fuzz::messages);
}

#[test]
fn arguments() {
    all("arguments", argos_fuzz::arguments);
}

#[test]
fn providers() {
    all("providers", argos_fuzz::providers);
}
