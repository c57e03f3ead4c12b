//! Every part drawn to memory by the CPU renderer, as on a machine without a GPU.

use std::collections::HashSet;
use std::time::Instant;

use argos_shell::l10n::{Language, speaking};
use argos_shell::{fonts, theme};
use iced_core::{Color, Size};

#[path = "scenes/mod.rs"]
mod scenes;

/// The colours in a picture, coarsely: antialiasing alone makes many.
fn colours(rgba: &[u8]) -> usize {
    rgba.chunks_exact(4)
        .map(|p| [p[0] >> 3, p[1] >> 3, p[2] >> 3])
        .collect::<HashSet<_>>()
        .len()
}

#[test]
fn every_part_draws_something_in_both_themes() {
    fonts::load();
    for name in ["dark", "light"] {
        let theme = theme::built_in(name);
        for scene in scenes::all(Instant::now()) {
            let drawn = scene.draw(&theme, 1.0, Color::TRANSPARENT);
            let seen = colours(&drawn.rgba);
            assert!(
                seen > 12,
                "{} in {name} shows only {seen} colours",
                scene.name
            );
        }
    }
}

#[test]
fn the_themes_differ_on_every_part() {
    fonts::load();
    let (dark, light) = (theme::built_in("dark"), theme::built_in("light"));
    for scene in scenes::all(Instant::now()) {
        let (a, b) = (
            scene.draw(&dark, 1.0, Color::BLACK),
            scene.draw(&light, 1.0, Color::BLACK),
        );
        assert_ne!(a.rgba, b.rgba, "{}", scene.name);
    }
}

/// In every language: German's words are long.
#[test]
fn all_text_lies_within_its_surface() {
    fonts::load();
    for language in Language::ALL {
        speaking(language, text_lies_within);
    }
}

fn text_lies_within() {
    let theme = theme::built_in("dark");
    for scene in scenes::all(Instant::now()) {
        lies_within(&scene, scene.size, &theme);
    }
}

/// With text one and a half times as large, on the smallest screen that is cared for; and with the largest, on one
/// that has room for it.
#[test]
fn all_text_lies_within_its_surface_when_it_is_larger() {
    fonts::load();
    let theme = theme::built_in("dark");
    for language in Language::ALL {
        for (text_size, width, height) in [(1.5, 1280, 800), (2.0, 1920, 1080)] {
            speaking(language, || {
                for scene in scenes::all(Instant::now()) {
                    let (size, zoom) = scene.larger(text_size, Size::new(width, height));
                    let shown = [size.width, size.height].map(|length| length as f32 * zoom);
                    assert!(
                        shown[0] <= width as f32 && shown[1] <= height as f32,
                        "{}: {shown:?}",
                        scene.name
                    );
                    lies_within(&scene, size, &theme);
                }
            });
        }
    }
}

fn lies_within(scene: &scenes::Scene, size: Size<u32>, theme: &theme::Theme) {
    let (width, height) = (size.width as f32 + 0.5, size.height as f32 + 0.5);
    let texts = scene.texts(theme, size);
    assert!(!texts.is_empty(), "{} shows no text", scene.name);
    for (text, bounds) in &texts {
        let inside = bounds.x >= 0.0 && bounds.x + bounds.width <= width && bounds.width > 0.0;
        assert!(
            inside || text.is_empty(),
            "{}: {text:?} at {bounds:?} of {width}",
            scene.name
        );
        // What scrolls may lie above or below.
        let scrolls = [
            "agents",
            "chat",
            "files",
            // The list of people.
            "greeter-people",
            "launcher",
            "permissions",
            "settings",
        ]
        .iter()
        .any(|name| scene.name.starts_with(name));
        let down = bounds.y >= 0.0 && bounds.y + bounds.height <= height;
        assert!(
            down || scrolls,
            "{}: {text:?} at {bounds:?} of {height}",
            scene.name
        );
    }
}

#[test]
fn a_sharper_screen_gets_more_pixels_of_the_same() {
    fonts::load();
    let theme = theme::built_in("dark");
    let scene = scenes::all(Instant::now()).remove(0);
    let drawn = scene.draw(&theme, 1.5, Color::TRANSPARENT);
    assert_eq!((drawn.size.width, drawn.size.height), (1920, 54));
    assert!(colours(&drawn.rgba) > 12);
}

#[test]
fn surfaces_are_see_through_where_nothing_is_drawn() {
    fonts::load();
    let theme = theme::built_in("dark");
    let scenes = scenes::all(Instant::now());
    let launcher = scenes
        .iter()
        .find(|scene| scene.name == "launcher")
        .expect("there is one");
    let drawn = launcher.draw(&theme, 1.0, Color::TRANSPARENT);
    let alpha = |x: u32, y: u32| drawn.rgba[((y * drawn.size.width + x) * 4 + 3) as usize];
    assert_eq!(alpha(0, 0), 0, "the corner beside the shadow");
    assert!(
        (1..200).contains(&alpha(drawn.size.width / 2, 12)),
        "the shadow"
    );
    assert_eq!(
        alpha(drawn.size.width / 2, drawn.size.height / 2),
        255,
        "the card"
    );
}

/// Themes, wallpapers, parts and settings of the documentation are read, and text in the themes can be.
#[test]
fn documented_files_are_taken() {
    use argos_docs::check;
    use argos_shell::parts::wallpaper::Sea;
    use argos_shell::settings::{Settings, TEXT_SIZES};
    check("theme", |block| {
        let theme: theme::Theme =
            argos_config::parse(&block.place(), &block.text).map_err(|e| e.to_string())?;
        for (pair, text, ground) in theme.colors.text_pairs() {
            if theme::contrast(text, ground) < 4.5 {
                return Err(format!("{pair} cannot be read"));
            }
        }
        Ok(())
    });
    check("wallpaper", |block| {
        argos_config::parse::<Sea>(&block.place(), &block.text)
            .map(drop)
            .map_err(|e| e.to_string())
    });
    check("part", |block| {
        argos_shell::plugins::manifest::Manifest::parse(&block.place(), &block.text).map(drop)
    });
    check("shell", |block| {
        let settings: Settings =
            argos_config::parse(&block.place(), &block.text).map_err(|e| e.to_string())?;
        if !TEXT_SIZES.contains(&settings.text_size) {
            return Err(format!("{} % is no size of text", settings.text_size));
        }
        let mut theme = theme::built_in(&settings.theme);
        let taken = theme.take_accent(&settings.accent, 4.5);
        taken.map(drop).map_err(|e| e.to_string())
    });
}

/// What a language lacks is said in English: nothing of it is to be seen, but for names.
#[test]
fn every_part_speaks_the_language() {
    fonts::load();
    let theme = theme::built_in("dark");
    let texts = |language| -> Vec<(&'static str, HashSet<String>)> {
        speaking(language, || {
            let scenes = scenes::all(Instant::now());
            let texts = scenes.iter().map(|scene| {
                let texts = scene.texts(&theme, scene.size).into_iter();
                (scene.name, texts.map(|(text, _)| text).collect())
            });
            texts.collect()
        })
    };
    let english = texts(Language::English);
    for language in [Language::German, Language::French] {
        for ((name, ours), (_, theirs)) in english.iter().zip(texts(language)) {
            // These show what applications say, and a number.
            if !["tray-menu", "notifications", "display-volume"].contains(name) {
                assert_ne!(*ours, theirs, "{name} is the same in {language:?}");
            }
        }
    }
}
