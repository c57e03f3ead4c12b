//! The fonts of the desktop: Inter for text, JetBrains Mono for what must be read exactly; where they lack a letter,
//! Noto's emoji in colour, DejaVu, Noto's font for the letter's script, Droid's for Chinese, Japanese and Korean.
//!
//! Left alone, the text system opens every font file of the machine at start, which under emulation costs more than
//! drawing a panel. So files are only named here, with what is known of them, and opened (mapped, not read) when
//! a text needs them. Two hundred scripts then cost one look into a folder.
//!
//! The compositor writes titles with them, the shell everything else.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cosmic_text::{
    Fallback, FontSystem,
    fontdb::{Database, FaceInfo, ID, Language, Source, Stretch, Style, Weight},
};
use unicode_script::Script;

/// One file of a font.
struct File {
    family: &'static str,
    weights: &'static [Weight],
    path: &'static str,
}

/// The weights that are used anywhere. The text system takes a font for letters that another one lacks only if it has
/// exactly the wanted weight, so what has one weight stands in for all.
const WEIGHTS: &[Weight] = &[Weight::NORMAL, Weight::MEDIUM, Weight::SEMIBOLD];

/// Text.
const SANS: &[File] = &[
    File {
        family: "Inter",
        weights: &[Weight::NORMAL],
        path: "/usr/share/fonts/opentype/inter/Inter-Regular.otf",
    },
    File {
        family: "Inter",
        weights: &[Weight::MEDIUM],
        path: "/usr/share/fonts/opentype/inter/Inter-Medium.otf",
    },
    File {
        family: "Inter",
        weights: &[Weight::SEMIBOLD],
        path: "/usr/share/fonts/opentype/inter/Inter-SemiBold.otf",
    },
];
/// What must be read exactly.
const FIXED: File = File {
    family: "JetBrains Mono",
    weights: &[Weight::NORMAL],
    path: "/usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf",
};
/// What the others lack of it, or have without colour.
const EMOJI: File = File {
    family: "Noto Color Emoji",
    weights: WEIGHTS,
    path: "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
};
/// For letters that the others lack, and for everything where they are not installed.
const SANS_FALLBACK: File = File {
    family: "DejaVu Sans",
    weights: WEIGHTS,
    path: "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
};
const FIXED_FALLBACK: File = File {
    family: "DejaVu Sans Mono",
    weights: WEIGHTS,
    path: "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
};
/// Chinese, Japanese and Korean.
const EAST_ASIAN: File = File {
    family: "Droid Sans Fallback",
    weights: WEIGHTS,
    path: "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
};
/// Where Noto's fonts are, one for each script: `NotoSansThai-Regular.ttf`, `NotoSerifTibetan-Regular.ttf`.
const SCRIPTS: &str = "/usr/share/fonts/truetype/noto";
/// Those of them that are for no script, with what signs the others lack.
const SIGNS: &[&str] = &["NotoSansSymbols", "NotoSansSymbols2", "NotoSansMath"];

/// The families for text and for what must be read exactly; nothing where nothing fitting is installed and some other
/// font will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Families {
    /// Text.
    pub sans: Option<&'static str>,
    /// What must be read exactly.
    pub fixed: Option<&'static str>,
}

/// A text system that has the desktop's fonts, and what they are called. `locale` is that of texts that do not
/// say theirs, as in `en-US`.
#[must_use]
pub fn system(locale: String) -> (FontSystem, Families) {
    let mut db = Database::new();
    let families = add_to(&mut db);
    let lacking = Lacking::of(Path::new(SCRIPTS));
    lacking.add_to(&mut db);
    let system = FontSystem::new_with_locale_and_db_and_fallback(locale, db, lacking);
    (system, families)
}

/// Names a file to the text system, unopened.
fn push(db: &mut Database, family: &str, weights: &[Weight], path: PathBuf, monospaced: bool) {
    for weight in weights {
        db.push_face_info(FaceInfo {
            id: ID::dummy(),
            source: Source::File(path.clone()),
            index: 0,
            families: vec![(family.to_owned(), Language::English_UnitedStates)],
            post_script_name: family.replace(' ', ""),
            style: Style::Normal,
            weight: *weight,
            stretch: Stretch::Normal,
            monospaced,
        });
    }
}

fn add_to(db: &mut Database) -> Families {
    let mut add = |file: &File, monospaced| {
        let there = Path::new(file.path).exists();
        if there {
            push(db, file.family, file.weights, file.path.into(), monospaced);
        }
        there.then_some(file.family)
    };
    let sans: Vec<_> = SANS.iter().map(|file| add(file, false)).collect();
    let fixed = add(&FIXED, true);
    add(&EMOJI, false);
    let sans_fallback = add(&SANS_FALLBACK, false);
    let fixed_fallback = add(&FIXED_FALLBACK, true);
    add(&EAST_ASIAN, false);
    let families = Families {
        sans: sans
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .map_or(sans_fallback, |all| all.first().copied()),
        fixed: fixed.or(fixed_fallback),
    };
    if let Some(family) = families.sans {
        db.set_sans_serif_family(family);
    }
    if let Some(family) = families.fixed {
        db.set_monospace_family(family);
    }
    families
}

/// Where to look for what a font lacks.
#[derive(Debug)]
struct Lacking {
    /// For any letter. DejaVu has some of the emoji, without colour: so it comes after those.
    common: Vec<&'static str>,
    /// By scripts as [`key`] writes them.
    scripts: HashMap<String, Noto>,
    /// All families of `scripts`: they are asked for their own script only, so that a letter that nobody has does not
    /// open two hundred files.
    apart: Vec<&'static str>,
}

/// Noto's font for a script.
#[derive(Debug)]
struct Noto {
    /// Called as its files are.
    family: [&'static str; 1],
    regular: PathBuf,
    bold: Option<PathBuf>,
}

/// A script's name as that of its font says it: `phagspa` for `Phags_Pa` and for `NotoSansPhagsPa`.
fn key(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

/// Names must outlive the text system, which is there as long as the process.
fn lasting(name: &str) -> &'static str {
    static NAMES: OnceLock<std::sync::Mutex<HashMap<String, &'static str>>> = OnceLock::new();
    let names = NAMES.get_or_init(std::sync::Mutex::default);
    let mut names = names
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(name) = names.get(name) {
        return name;
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name.to_owned(), leaked);
    leaked
}

impl Lacking {
    /// What is in a folder. Without it, only what is known by name.
    fn of(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names: Vec<String> = files
            .filter_map(|file| file.file_name().into_string().ok())
            .collect();
        let mut scripts = HashMap::new();
        let mut signs = Vec::new();
        for name in &names {
            let Some(family) = name.strip_suffix("-Regular.ttf") else {
                continue;
            };
            // Those with serifs only where there are none without.
            let (script, serif) = match family.strip_prefix("NotoSans") {
                Some(script) => (script, false),
                None => match family.strip_prefix("NotoSerif") {
                    Some(script) => (script, true),
                    None => continue,
                },
            };
            let family = lasting(family);
            let bold = format!("{family}-Bold.ttf");
            let noto = Noto {
                family: [family],
                regular: folder.join(name),
                bold: names.contains(&bold).then(|| folder.join(bold)),
            };
            if SIGNS.contains(&family) {
                signs.push(family);
            } else if script.is_empty() {
                continue;
            }
            let key = key(script);
            if !serif || !scripts.contains_key(&key) {
                scripts.insert(key, noto);
            }
        }
        signs.sort_unstable();
        let apart = scripts
            .values()
            .map(|noto| noto.family[0])
            .filter(|family| !SIGNS.contains(family))
            .collect();
        let common = [EMOJI, SANS_FALLBACK, FIXED_FALLBACK].map(|file| file.family);
        Self {
            common: common.into_iter().chain(signs).collect(),
            scripts,
            apart,
        }
    }

    fn add_to(&self, db: &mut Database) {
        for noto in self.scripts.values() {
            let [family] = noto.family;
            let bold = noto.bold.as_ref().unwrap_or(&noto.regular);
            let light = [Weight::NORMAL, Weight::MEDIUM];
            push(db, family, &light, noto.regular.clone(), false);
            push(db, family, &[Weight::SEMIBOLD], bold.clone(), false);
        }
    }
}

impl Fallback for Lacking {
    fn common_fallback(&self) -> &[&'static str] {
        &self.common
    }

    fn forbidden_fallback(&self) -> &[&'static str] {
        &self.apart
    }

    fn script_fallback(&self, script: Script, _: &str) -> &[&'static str] {
        const EAST: &[&str] = &[EAST_ASIAN.family];
        let name = match script {
            Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Hangul
            | Script::Bopomofo => return EAST,
            Script::Meroitic_Cursive | Script::Meroitic_Hieroglyphs => "Meroitic",
            script => script.full_name(),
        };
        self.scripts
            .get(&key(name))
            .map_or(&[], |noto| noto.family.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use cosmic_text::{Attrs, Buffer, Family, Metrics, Shaping};

    use super::*;

    /// The family of each glyph's font.
    fn families(system: &mut FontSystem, text: &str, attrs: &Attrs<'_>) -> Vec<String> {
        let mut buffer = Buffer::new(system, Metrics::new(14.0, 18.0));
        buffer.set_text(system, text, attrs, Shaping::Advanced, None);
        buffer.shape_until_scroll(system, false);
        let glyphs = buffer.layout_runs().flat_map(|run| run.glyphs.to_vec());
        let names = glyphs.map(|glyph| {
            let face = system.db().face(glyph.font_id).unwrap();
            face.families[0].0.clone()
        });
        names.collect()
    }

    /// DejaVu stands in for all fonts here, under their names: it has emoji, without colour, and Hebrew, which its kin
    /// for code has not.
    #[test]
    fn what_a_font_lacks_is_looked_for_in_the_one_that_is_for_it() {
        let dejavu = Path::new(SANS_FALLBACK.path);
        assert!(
            dejavu.exists(),
            "DejaVu is needed (Debian: fonts-dejavu-core)"
        );
        let folder = tempfile::tempdir().unwrap();
        for name in ["NotoSansHebrew-Regular.ttf", "NotoSansHebrew-Bold.ttf"] {
            std::os::unix::fs::symlink(dejavu, folder.path().join(name)).unwrap();
        }
        let lacking = Lacking::of(folder.path());
        let mut db = Database::new();
        push(
            &mut db,
            "Letters",
            WEIGHTS,
            FIXED_FALLBACK.path.into(),
            true,
        );
        push(&mut db, EMOJI.family, WEIGHTS, dejavu.into(), false);
        push(&mut db, SANS_FALLBACK.family, WEIGHTS, dejavu.into(), false);
        lacking.add_to(&mut db);
        let locale = "en-US".to_owned();
        let mut system = FontSystem::new_with_locale_and_db_and_fallback(locale, db, lacking);
        for weight in WEIGHTS {
            let attrs = Attrs::new().family(Family::Name("Letters")).weight(*weight);
            assert_eq!(
                families(&mut system, "a😀", &attrs),
                ["Letters", EMOJI.family]
            );
            assert_eq!(families(&mut system, "ש", &attrs), ["NotoSansHebrew"]);
            // Another script that the first font has.
            assert_eq!(families(&mut system, "я", &attrs), ["Letters"]);
            // What nobody has: the first one's sign for it.
            assert_eq!(families(&mut system, "\u{13000}", &attrs), ["Letters"]);
        }
    }

    #[test]
    fn fonts_are_found_by_the_names_of_their_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "NotoSans-Regular.ttf",
            "NotoSansThai-Regular.ttf",
            "NotoSansThai-Bold.ttf",
            "NotoSerifThai-Regular.ttf",
            "NotoSerifTibetan-Regular.ttf",
            "NotoSansPhagsPa-Regular.ttf",
            "NotoSansNKo-Regular.ttf",
            "NotoSansMeroitic-Regular.ttf",
            "NotoSansSymbols2-Regular.ttf",
            "NotoColorEmoji.ttf",
            "README",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let lacking = Lacking::of(folder.path());
        let of = |script| lacking.script_fallback(script, "en-US");
        assert_eq!(of(Script::Thai), ["NotoSansThai"]);
        assert_eq!(of(Script::Tibetan), ["NotoSerifTibetan"]);
        assert_eq!(of(Script::Phags_Pa), ["NotoSansPhagsPa"]);
        assert_eq!(of(Script::Nko), ["NotoSansNKo"]);
        assert_eq!(of(Script::Meroitic_Cursive), ["NotoSansMeroitic"]);
        assert_eq!(of(Script::Katakana), [EAST_ASIAN.family]);
        assert_eq!(of(Script::Latin), [""; 0]);
        assert_eq!(of(Script::Common), [""; 0]);
        assert_eq!(lacking.common.last(), Some(&"NotoSansSymbols2"));
        assert!(lacking.apart.contains(&"NotoSansThai"));
        assert!(!lacking.apart.contains(&"NotoSansSymbols2"));
        let thai = &lacking.scripts["thai"];
        assert!(thai.regular.ends_with("NotoSansThai-Regular.ttf"));
        assert!(
            thai.bold
                .as_ref()
                .unwrap()
                .ends_with("NotoSansThai-Bold.ttf")
        );
    }

    #[test]
    fn nothing_is_opened_before_it_is_needed() {
        let (system, families) = system("en-US".to_owned());
        assert!(families.sans.is_some() && families.fixed.is_some());
        for face in system.db().faces() {
            let name = &face.post_script_name;
            assert!(matches!(face.source, Source::File(_)), "{name} was opened");
        }
    }
}
