//! The settings' file changes while the compositor runs.

use std::{path::Path, time::Instant};

use argos_compositor::settings;

use crate::fixture::{Fixture, LIMIT};

const SUPER: u32 = 125;
const A: u32 = 30;
const ESCAPE: u32 = 1;

fn follow(path: &Path) -> Fixture {
    let loaded = settings::load(Some(path));
    let mut f = Fixture::with(loaded.config.clone());
    f.state
        .watch_settings(&loaded, Some(path.to_owned()))
        .unwrap();
    f.turn();
    f
}

fn until(f: &mut Fixture, what: &str, done: impl Fn(&mut Fixture) -> bool) {
    let start = Instant::now();
    while !done(f) {
        f.turn();
        std::thread::yield_now();
        assert!(start.elapsed() < LIMIT, "{what}");
    }
}

/// As editors do it.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

#[test]
fn a_changed_file_takes_effect_and_a_wrong_one_is_named_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compositor.yaml");
    std::fs::write(&path, "workspaces: 3\n").unwrap();
    let mut f = follow(&path);
    assert_eq!(f.state.layout().workspaces(), 3);

    replace(
        &path,
        "workspaces: 5\noutputs: {one: {scale: 2}}\nbindings: {Super+a: shell notes}\ntiling: {enabled: true}\n",
    );
    until(&mut f, "the workspaces", |f| {
        f.state.layout().workspaces() == 5
    });
    assert_eq!(f.output.current_scale().fractional_scale(), 2.0);
    assert!(f.state.layout().is_tiling(0));
    f.chord(&[SUPER, A]);
    assert_eq!(f.shell.try_recv().unwrap(), "notes");

    let bare = f.pixel(640, 50);
    replace(&path, "workspaces: 6\nbindings:\n  Super+a: explode\n");
    until(&mut f, "the message", |f| f.state.notice().is_some());
    let text = f.state.notice().unwrap().to_owned();
    assert!(text.contains("compositor.yaml:3:"), "{text}");
    assert!(text.contains("`explode`"), "{text}");
    assert_eq!(f.state.layout().workspaces(), 5, "nothing of it is taken");
    f.turn();
    assert_ne!(f.pixel(640, 50), bare, "the message is on the screen");

    // At scale 2 the screen has 640 by 400 logical pixels.
    f.click(320.0, 25.0);
    assert_eq!(f.state.notice(), None);
    f.pointer(10.0, 300.0);
    assert_eq!(f.pixel(640, 50), bare);

    // Written in place this time, with another mistake; a key closes the message.
    std::fs::write(&path, "workspacess: 6\n").unwrap();
    until(&mut f, "the message", |f| f.state.notice().is_some());
    assert!(f.state.notice().unwrap().contains("compositor.yaml:1:"));
    f.chord(&[SUPER, ESCAPE]);
    assert_eq!(f.state.notice(), None);

    std::fs::write(&path, "workspaces: [\n").unwrap();
    until(&mut f, "the message", |f| f.state.notice().is_some());
    replace(&path, "workspaces: 6\n");
    until(&mut f, "the workspaces", |f| {
        f.state.layout().workspaces() == 6
    });
    assert_eq!(f.state.notice(), None, "the file is right again");
}

#[test]
fn a_file_that_comes_later_is_read_and_one_that_goes_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later/compositor.yaml");
    let mut f = follow(&path);
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "workspaces: 2\n").unwrap();
    until(&mut f, "the workspaces", |f| {
        f.state.layout().workspaces() == 2
    });
    assert_eq!(f.state.notice(), None);
    std::fs::remove_file(&path).unwrap();
    until(&mut f, "the message", |f| f.state.notice().is_some());
    assert_eq!(f.state.layout().workspaces(), 2);
}

#[test]
fn a_mistake_at_start_is_on_the_screen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compositor.yaml");
    std::fs::write(&path, "cursor: {size: large}\n").unwrap();
    let f = follow(&path);
    assert!(
        f.state.notice().unwrap().contains("compositor.yaml:1:16"),
        "{:?}",
        f.state.notice()
    );
}
