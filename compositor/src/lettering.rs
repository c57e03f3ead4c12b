//! Text that the compositor writes itself: titles and messages, in any script.

use std::path::Path;

use cosmic_text::{
    Align, Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache, Weight, Wrap,
    fontdb::Language,
};

use crate::config::Colour;

/// More of a line is not looked at: none is as long on any screen, and titles come from anybody.
const LONGEST: usize = 512;
/// More pictures of letters are not kept.
const MOST_PICTURES: usize = 4096;

/// What the font is called here that the settings name.
const NAMED: &str = "the settings' font";
/// How heavy titles are.
const WEIGHT: Weight = Weight::MEDIUM;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Letters {
    system: FontSystem,
    pictures: SwashCache,
    /// What is written with where it has the letters; nothing where no font can be read.
    family: Option<&'static str>,
}

impl Letters {
    /// With the font of a file in the first place, if the settings name one.
    pub(crate) fn new(named: Option<&Path>) -> Self {
        let (mut system, families) = argos_fonts::system("en-US".to_owned());
        let named = named.filter(|path| match load(&mut system, path) {
            Ok(()) => true,
            Err(reason) => {
                tracing::warn!("the font {}: {reason}", path.display());
                false
            }
        });
        let family = named.map(|_| NAMED).or(families.sans);
        let readable = family.filter(|family| {
            let faces = system.db().faces();
            let ours = faces.filter(|face| face.families.iter().any(|(name, _)| name == family));
            let ids: Vec<_> = ours.map(|face| face.id).collect();
            // Without one that can be read the text system panics.
            ids.into_iter()
                .any(|id| system.get_font(id, WEIGHT).is_some())
        });
        if readable.is_none() {
            tracing::warn!("no font was found; install fonts-inter or fonts-dejavu-core");
        }
        Self {
            system,
            pictures: SwashCache::new(),
            family: readable,
        }
    }

    /// One line, laid out. Sizes in pixels.
    fn shape(&mut self, text: &str, size: f32, height: f32) -> Option<Buffer> {
        let family = Family::Name(self.family?);
        let attrs = Attrs::new().family(family).weight(WEIGHT);
        let metrics = Metrics::new(size.max(1.0), height.max(1.0));
        let mut buffer = Buffer::new_empty(metrics);
        buffer.set_wrap(&mut self.system, Wrap::None);
        let align = Some(Align::Left);
        buffer.set_text(&mut self.system, text, &attrs, Shaping::Advanced, align);
        buffer.shape_until_scroll(&mut self.system, false);
        Some(buffer)
    }

    /// How long a line is, in the unit of `size`.
    pub(crate) fn length(&mut self, line: &str, size: f32) -> f32 {
        self.shape(line, size, size)
            .map_or(0.0, |line| length(&line))
    }

    /// The line, as much of it as is no longer than `room`, with an ellipsis where something is missing.
    fn cut(&mut self, text: &str, size: f32, height: f32, room: f32) -> Option<Buffer> {
        let tidy: String = text
            .trim()
            .chars()
            .take(LONGEST)
            .map(|c| match c {
                c if c.is_control() || c.is_whitespace() => ' ',
                c => c,
            })
            .collect();
        let whole = self.shape(&tidy, size, height)?;
        if length(&whole) <= room {
            return Some(whole);
        }
        // Where letters begin that are not written in one with others.
        let mut ends: Vec<usize> = whole
            .layout_runs()
            .flat_map(|run| run.glyphs.iter().map(|glyph| glyph.start))
            .filter(|end| *end > 0)
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let mut fitting = None;
        let (mut from, mut to) = (0, ends.len());
        while from < to {
            let middle = usize::midpoint(from, to);
            let part = format!("{}…", tidy[..ends[middle]].trim_end());
            let buffer = self.shape(&part, size, height)?;
            if length(&buffer) <= room {
                fitting = Some(buffer);
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        fitting
    }

    /// Writes one line, no longer than `room` and in the middle of `height`, by `draw`: pixels right of and below the
    /// corner, of what colour, and how much of them is covered, 0 to 1.
    pub(crate) fn write(
        &mut self,
        text: &str,
        size: f32,
        room: f32,
        height: f32,
        colour: Colour,
        mut draw: impl FnMut(i32, i32, Colour, f32),
    ) {
        let Some(buffer) = self.cut(text, size, height, room) else {
            return;
        };
        if self.pictures.image_cache.len() > MOST_PICTURES {
            self.pictures = SwashCache::new();
        }
        let [r, g, b] = colour.0;
        let ink = Color::rgb(r, g, b);
        buffer.draw(
            &mut self.system,
            &mut self.pictures,
            ink,
            |x, y, _, _, colour| {
                let [r, g, b, a] = colour.as_rgba();
                draw(x, y, Colour([r, g, b]), f32::from(a) / 255.0);
            },
        );
    }
}

fn length(line: &Buffer) -> f32 {
    line.layout_runs().map(|run| run.line_w).sum()
}

/// Has the text system know a file's font as [`NAMED`].
fn load(system: &mut FontSystem, path: &Path) -> Result<(), String> {
    let known = system.db().len();
    let db = system.db_mut();
    let loaded = db.load_font_file(path);
    loaded.map_err(|error| error.to_string())?;
    // What came last is listed last.
    let face = db.faces().nth(known).cloned();
    let mut face = face.ok_or("it is not a font")?;
    face.families = vec![(NAMED.to_owned(), Language::English_UnitedStates)];
    face.weight = WEIGHT;
    db.push_face_info(face);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Colour = Colour([200, 100, 50]);

    /// How far to the right a line goes that may be so long.
    fn reach(letters: &mut Letters, text: &str, room: f32) -> i32 {
        let mut most = -1;
        letters.write(text, 13.0, room, 20.0, INK, |x, y, _, cover| {
            assert!((-15..35).contains(&y), "{y}");
            if cover > 0.1 {
                most = most.max(x);
            }
        });
        most
    }

    #[test]
    fn a_line_is_cut_where_it_does_not_fit() {
        let mut letters = Letters::new(None);
        let words = "A title that says what is in the window";
        let whole = letters.length(words, 13.0);
        assert!(reach(&mut letters, words, whole + 1.0) > (whole * 0.9) as i32);
        for room in [200.0, 120.0, 60.0, 35.0] {
            let end = reach(&mut letters, words, room);
            assert!(end > 0 && end <= room as i32, "{end} of {room}");
            assert!(room < 50.0 || end > room as i32 - 30, "{end} of {room}");
        }
        // Not even the ellipsis.
        assert_eq!(reach(&mut letters, words, 3.0), -1);
        assert_eq!(reach(&mut letters, "", 100.0), -1);
        assert_eq!(reach(&mut letters, " \n\t", 100.0), -1);
    }

    #[test]
    fn whatever_a_program_calls_its_window_is_written() {
        let mut letters = Letters::new(None);
        for title in [
            "\u{0}\u{1b}[31m\n\r\u{2028}two lines",
            "שלום עולם",
            "مرحبا بالعالم",
            "e\u{301}\u{302}\u{303}",
            "👩‍👩‍👧‍👦",
            "\u{202e}backwards\u{202c}",
            "\u{feff}\u{200b}\u{10ffff}",
            &"wide ".repeat(100_000),
        ] {
            let end = reach(&mut letters, title, 150.0);
            assert!(end < 150, "{title:.20}: {end}");
        }
        assert!(reach(&mut letters, "שלום", 150.0) > 10);
    }

    #[test]
    fn the_settings_may_name_a_font() {
        let mono = Path::new("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf");
        assert!(
            mono.exists(),
            "DejaVu is needed (Debian: fonts-dejavu-core)"
        );
        let mut letters = Letters::new(Some(mono));
        let (narrow, wide) = (letters.length("iiii", 13.0), letters.length("WWWW", 13.0));
        assert_eq!(narrow, wide);
        let mut usual = Letters::new(Some(Path::new("/nowhere/at/all.ttf")));
        assert!(usual.length("iiii", 13.0) < usual.length("WWWW", 13.0));
    }
}
