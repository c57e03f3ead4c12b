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

/// Inputs like each that was kept, so many for each seed.
fn mutated(target: &str, run: fn(&[u8]), count: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for (seed, path) in paths.iter().enumerate() {
        let kept = std::fs::read(path).unwrap();
        for (number, input) in argos_fuzz::mutations(&kept, seed as u64, count).enumerate() {
            println!(
                "{}, seed {seed}, number {number}: {input:?}",
                path.display()
            );
            run(&input);
        }
    }
}

#[test]
fn settings() {
    all("settings", argos_fuzz::compositor_settings);
    mutated("settings", argos_fuzz::compositor_settings, 100);
}

#[test]
fn wayland() {
    all("wayland", argos_fuzz::wayland);
    mutated("wayland", argos_fuzz::wayland, 150);
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
