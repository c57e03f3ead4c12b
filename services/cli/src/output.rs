//! What goes to the terminal: aligned tables, JSON, times as people say them.

use std::io::{self, IsTerminal, Write};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::Value;

use crate::failure::Result;

/// Where results go and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    color: bool,
}

/// How a cell is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Busy => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let color = !json && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, color }
    }

    /// A line of text.
    pub(crate) fn line(self, text: impl AsRef<str>) -> Result {
        writeln!(io::stdout().lock(), "{}", text.as_ref())?;
        Ok(())
    }

    /// A JSON document.
    pub(crate) fn value(self, value: &Value) -> Result {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
        writeln!(out)?;
        Ok(())
    }

    /// Something that a command did, for people only.
    pub(crate) fn done(self, text: impl AsRef<str>) -> Result {
        if self.json { Ok(()) } else { self.line(text) }
    }

    /// `text` in a tone.
    pub(crate) fn paint(self, text: &str, tone: Tone) -> String {
        if self.color && tone != Tone::Plain {
            format!("\x1b[{}m{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }

    /// Rows under headings, each column as wide as it needs, the last one as it is.
    pub(crate) fn table<const N: usize>(self, head: [&str; N], rows: &[[Cell; N]]) -> Result {
        let mut widths = head.map(width);
        for row in rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = (*widest).max(width(&cell.text));
            }
        }
        let mut out = io::stdout().lock();
        let head = head.map(|text| Cell::toned(text, Tone::Faint));
        for row in std::iter::once(&head).chain(rows) {
            let mut line = String::new();
            for (at, (cell, widest)) in row.iter().zip(widths).enumerate() {
                let text = one_line(&cell.text);
                line.push_str(&self.paint(&text, cell.tone));
                if at + 1 < N {
                    line.push_str(&" ".repeat(widest - width(&cell.text) + 2));
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns that a text takes. Wide and combining characters are rare in unit and tool names; where
/// they appear, only the alignment suffers.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Control characters cannot reach the terminal: texts come from agents and models too.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A resource before a decision about it: what would not show as itself (control characters, those of
/// no width, those that turn the direction of writing) stands there by its number.
pub(crate) fn exact(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(u32::from(c),
                0x27E8 | 0x27E9 | 0x00A0 | 0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x1680
                | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x2000..=0x200F | 0x2028..=0x202F
                | 0x205F..=0x206F | 0x2800 | 0x3000 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
                | 0xFFF0..=0xFFFD | 0xE000..=0xF8FF | 0xE0000..=0x10FFFF)
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// As [`one_line`], with line breaks and tabs kept.
pub(crate) fn lines(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                ' '
            } else {
                c
            }
        })
        .collect()
}

/// `3 min`, `2 h`: how long something lasts already.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A time since the epoch as the person's clock showed it.
pub(crate) fn clock(ms: u64) -> String {
    let Some(when) = local(ms) else {
        return "?".to_owned();
    };
    let away = Timestamp::now().duration_since(when.timestamp()).abs();
    let recent = away < SignedDuration::from_hours(20);
    when.strftime(if recent { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" })
        .to_string()
}

/// A time since the epoch, here. `None`: it is none.
pub(crate) fn local(ms: u64) -> Option<Zoned> {
    let when = Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(when.to_zoned(TimeZone::system()))
}

/// `24.1 MB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    // Exact for the sizes of files; shown with one digit.
    #[allow(clippy::cast_precision_loss)]
    let mut value = count as f64;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_say_them() {
        let told = [0, 999, 1_000, 59_999, 60_000, 7_200_000, 172_800_000].map(span);
        assert_eq!(
            told,
            ["0 ms", "999 ms", "1 s", "59 s", "1 min", "2 h", "2 d"]
        );
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!([0, 999, 24_100_000].map(bytes), ["0 B", "999 B", "24.1 MB"]);
    }

    #[test]
    fn what_hides_in_a_resource_is_shown() {
        assert_eq!(exact("/home/ä b"), "/home/ä b");
        assert_eq!(
            exact("/a\u{202e}b\n\u{200b}"),
            "/a⟨U+202E⟩b⟨U+000A⟩⟨U+200B⟩"
        );
    }

    #[test]
    fn an_agent_cannot_send_control_sequences_to_the_terminal() {
        assert_eq!(one_line("a\x1b[2J\nb\u{9b}1m"), "a [2J b 1m");
        assert_eq!(lines("a\n\tb\x07"), "a\n\tb ");
    }
}
