//! `org.argos.Recorder1` on the session bus: a recording of the screen while it is made.
//!
//! A recording is a process of its own, `argos-record WISH` (a [`Wish`] as JSON), which has the name as long as it
//! records. So there is one at a time, and whoever shows that there is one sees by the name when there is none any
//! more, whatever became of the process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zbus::wire::Type;

use crate::Result;

/// The name that a recording has.
pub const NAME: &str = "org.argos.Recorder1";
/// Where it is served.
pub const PATH: &str = "/org/argos/Recorder1";
/// The program that records.
pub const PROGRAM: &str = "argos-record";

/// What is to be recorded, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Wish {
    /// Of what.
    pub source: Source,
    /// Whether the pointer is in the pictures.
    pub pointer: bool,
    /// The most pictures a second.
    pub rate: u32,
    /// For how long; without it, until it is stopped.
    pub seconds: Option<u32>,
    /// The file, which must not exist; without it, one of its own in the person's folder for videos.
    pub file: Option<PathBuf>,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            source: Source::default(),
            pointer: true,
            rate: 30,
            seconds: None,
            file: None,
        }
    }
}

/// What is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The screen that the pointer is on when it begins.
    #[default]
    Screen,
    /// The screen of this name.
    Output(String),
    /// The window of this number, wherever it is and whatever covers it.
    Window(u64),
    /// A part of one screen.
    Region(Region),
}

/// A part of the space that all outputs share, in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A recording that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Recording {
    /// Its file.
    pub file: String,
    /// How long it has been made for.
    pub elapsed_ms: u64,
}

/// A recording that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Outcome {
    /// Its file; empty where nothing was recorded.
    pub file: String,
    /// How long it is.
    pub elapsed_ms: u64,
    /// How many pictures are in it.
    pub pictures: u64,
    /// How many were left out, because the machine was too slow for them.
    pub left_out: u64,
    /// What went wrong; empty if nothing did. What was recorded until then can be played.
    pub error: String,
}

/// The recording that is being made.
#[zbus::proxy(
    interface = "org.argos.Recorder1",
    default_service = "org.argos.Recorder1",
    default_path = "/org/argos/Recorder1"
)]
pub trait Recorder1 {
    /// The recording, once its first picture is there. Errors: `Unavailable` (it ends before that).
    fn recording(&self) -> Result<Recording>;
    /// Ends it; returns when its file is whole. Errors: `Unavailable` (the process is ending).
    fn stop(&self) -> Result<Outcome>;

    /// It has ended. The name goes right afterwards.
    #[zbus(signal)]
    fn ended(&self, outcome: Outcome) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_says_only_what_is_unusual() {
        let usual: Wish = serde_json::from_str("{}").unwrap();
        assert_eq!(usual, Wish::default());
        assert!(usual.pointer && usual.rate == 30);
        for source in [
            Source::Screen,
            Source::Output("eDP-1".into()),
            Source::Window(7),
            Source::Region(Region {
                x: -10,
                y: 20,
                width: 300,
                height: 200,
            }),
        ] {
            let wish = Wish {
                source,
                seconds: Some(3),
                file: Some("/tmp/a.mkv".into()),
                ..Wish::default()
            };
            let text = serde_json::to_string(&wish).unwrap();
            assert_eq!(serde_json::from_str::<Wish>(&text).unwrap(), wish, "{text}");
        }
        let wrong = serde_json::from_str::<Wish>(r#"{"secnds": 3}"#).unwrap_err();
        assert!(wrong.to_string().contains("secnds"), "{wrong}");
    }
}
