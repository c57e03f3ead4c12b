//! Configuration files: YAML (JSON is a subset), read strictly, written so that nothing is lost.
//!
//! [`load`] and [`parse`] turn text into a type and answer a mistake with file, line, column and,
//! where a word looks like a known one, a suggestion. [`save`] replaces a file by write-to-temp,
//! fsync, rename. [`layered`] reads one document out of several files, later ones over earlier
//! ones. On Linux [`watch`] says when files change. What the keys mean is the business of the crates that own
//! the types.

mod error;
mod layers;
mod place;
mod save;
#[cfg(target_os = "linux")]
pub mod watch;

use std::path::Path;

use serde::de::DeserializeOwned;

pub use error::{Error, Position, nearest};
pub use layers::{layered, merge};
pub use place::Place;
pub use save::{save, write_atomically};

/// The largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads the YAML file `path` as a `T`.
///
/// Give `T` `#[serde(deny_unknown_fields)]`, so that a mistyped key is an error with a suggestion
/// and not silently nothing.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = read(path)?;
    parse(&path.display().to_string(), &text)
}

/// Reads YAML `text` as a `T`; `name` is what errors call it.
pub fn parse<T: DeserializeOwned>(name: &str, text: &str) -> Result<T, Error> {
    serde_saphyr::from_str(text).map_err(|e| Error::from_yaml(name, &e))
}

fn read(path: &Path) -> Result<String, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            size,
            limit: MAX_FILE_BYTES,
        });
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Whether a character could make a line look like another: controls, and what is not seen itself
/// but turns the direction of text, joins or hides.
#[must_use]
pub fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Screen {
        width: u32,
        #[serde(default)]
        renderer: Renderer,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Renderer {
        #[default]
        Pixman,
        Gles,
    }

    fn message(text: &str) -> String {
        parse::<Screen>("screen.yaml", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn unknown_key_names_file_line_and_suggestion() {
        let m = message("width: 3\nrendrer: gles\n");
        assert!(m.starts_with("screen.yaml:2:1: "), "{m}");
        assert!(m.contains("unknown key `rendrer`"), "{m}");
        assert!(m.contains("did you mean `renderer`?"), "{m}");
    }

    #[test]
    fn unknown_value_lists_what_there_is() {
        let m = message("width: 3\nrenderer: vulkan\n");
        assert!(m.starts_with("screen.yaml:2:"), "{m}");
        assert!(m.contains("`vulkan`") && m.contains("pixman, gles"), "{m}");
    }

    #[test]
    fn wrong_type_and_broken_syntax_have_positions() {
        assert!(
            message("width: wide\n").starts_with("screen.yaml:1:8: "),
            "{}",
            message("width: wide\n")
        );
        let m = message("width: [1\n");
        assert!(m.starts_with("screen.yaml:"), "{m}");
        assert!(message("renderer: gles\n").contains("width"));
    }

    #[test]
    fn json_is_yaml() {
        let screen: Screen = parse("s", r#"{"width": 5, "renderer": "gles"}"#).unwrap();
        assert_eq!(screen.width, 5);
    }

    #[test]
    fn a_missing_file_says_which() {
        let e = load::<Screen>(Path::new("/nonexistent/screen.yaml")).unwrap_err();
        assert!(e.to_string().contains("/nonexistent/screen.yaml"), "{e}");
    }
}
