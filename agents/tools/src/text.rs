//! Text that comes from agents and ends up before a person's eyes.
//!
//! A prompt shows the resource that is enforced, character for character. So what could make the
//! two look different is refused at the door: control characters (a newline could begin a line that
//! looks like the system's), characters that change the direction of writing, and characters that
//! cannot be seen.

use crate::{Code, ToolError};

/// Refuses text that a person could not read for what it is.
pub(crate) fn plain(tried: &str, what: &str, text: &str) -> Result<(), ToolError> {
    match text.chars().find(|c| deceptive(*c)) {
        None => Ok(()),
        Some(c) => Err(ToolError::new(
            Code::InvalidArguments,
            tried,
            format!(
                "the {what} holds the character U+{:04X}, which cannot be shown as it is",
                c as u32
            ),
        )
        .hint("Leave out control, direction and invisible characters")),
    }
}

/// As [`plain`], for text of several lines: newlines and tabs are what they seem.
pub(crate) fn prose(tried: &str, what: &str, text: &str) -> Result<(), ToolError> {
    match text
        .chars()
        .find(|c| deceptive(*c) && !matches!(c, '\n' | '\t' | '\u{200c}' | '\u{200d}'))
    {
        None => Ok(()),
        Some(_) => plain(
            tried,
            what,
            &text.replace(['\n', '\t', '\u{200c}', '\u{200d}'], " "),
        ),
    }
}

/// Refuses text longer than `most` bytes, and empty text.
pub(crate) fn sized(tried: &str, what: &str, text: &str, most: usize) -> Result<(), ToolError> {
    if text.trim().is_empty() {
        return Err(ToolError::new(
            Code::InvalidArguments,
            tried,
            format!("the {what} is empty"),
        ));
    }
    if text.len() > most {
        return Err(ToolError::new(
            Code::LimitReached,
            tried,
            format!("the {what} has {} bytes; the most is {most}", text.len()),
        ));
    }
    Ok(())
}

/// Makes text of whatever origin fit for one line of at most `most` characters.
pub(crate) fn shown(text: &str, most: usize) -> String {
    text.chars().filter(|c| !deceptive(*c)).take(most).collect()
}

pub(crate) fn deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deceives_the_eye_is_refused() {
        for bad in [
            "a\0b",
            "a\nb",
            "a\u{202e}gpj.exe",
            "a\u{200b}b",
            "\u{2066}x",
            "a\u{7f}",
            "\u{e0041}",
        ] {
            assert!(plain("t", "path", bad).is_err(), "{bad:?}");
        }
        for good in ["/home/x/Ünïcode/日本語/ملف", "a b-c_d.e", "🦀"] {
            assert!(plain("t", "path", good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn prose_may_have_lines_but_no_tricks() {
        assert!(prose("t", "text", "one\ntwo\tthree").is_ok());
        assert!(prose("t", "text", "one\u{202e}two\n").is_err());
        assert!(prose("t", "text", "one\u{1b}[2J\n").is_err());
    }

    #[test]
    fn sizes() {
        assert!(sized("t", "x", " \n", 10).is_err());
        assert!(sized("t", "x", "12345678901", 10).is_err());
        assert!(sized("t", "x", "1234567890", 10).is_ok());
    }
}
