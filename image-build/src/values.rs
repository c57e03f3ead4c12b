//! Single values of `image.yaml`, read strictly: a mistake is found where it stands in the file.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// `; did you mean …?`, or nothing.
pub(crate) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    argos_config::nearest(word, known)
        .map_or_else(String::new, |k| format!("; did you mean `{k}`?"))
}

/// A word with its place in the file, for checks that need more than the file.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Word {
    text: String,
    line: u64,
    column: u64,
}

impl Word {
    /// `FILE:LINE:COLUMN`.
    pub(crate) fn place(&self, file: &str) -> String {
        format!("{file}:{}:{}", self.line, self.column)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = serde_saphyr::Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            text: word.value,
            line: word.referenced.line(),
            column: word.referenced.column(),
        })
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Borrow<str> for Word {
    fn borrow(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Width and height in pixels, written `1280x800`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Resolution {
    pub width: u32,
    pub height: u32,
}

impl FromStr for Resolution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no resolution; write it like 1280x800 (320x200 to 7680x4320)");
        let (w, h) = text.split_once('x').ok_or_else(wrong)?;
        let (width, height) = (
            w.parse().map_err(|_| wrong())?,
            h.parse().map_err(|_| wrong())?,
        );
        if !(320..=7680).contains(&width) || !(200..=4320).contains(&height) {
            return Err(wrong());
        }
        Ok(Self { width, height })
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A size in mebi-, gibi- or tebibytes, written `512M`, `2G`, `1T`: QEMU and truncate take it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Size {
    number: u32,
    unit: char,
}

impl Size {
    fn read(text: &str) -> Option<Self> {
        let unit = text.chars().last().filter(|u| "MGT".contains(*u))?;
        let digits = &text[..text.len() - 1];
        let number = digits.parse().ok().filter(|n| *n > 0)?;
        (!digits.starts_with('+')).then_some(Self { number, unit })
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(size) = Self::read(text) {
            return Ok(size);
        }
        // `2 GB`, `2GiB` and `2g` mean the same, but neither QEMU nor truncate takes each of them so.
        let mut plain = text.replace(' ', "").to_uppercase();
        for end in ["IB", "B"] {
            if let Some(short) = plain.strip_suffix(end) {
                plain = short.to_owned();
            }
        }
        Err(match Self::read(&plain) {
            Some(meant) => format!("`{text}` is no size; did you mean `{meant}`?"),
            None => format!("`{text}` is no size; write it like 512M or 2G (units M, G, T)"),
        })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.unit)
    }
}

/// Compressors of EROFS that the kernel of the image reads, with the highest level of each.
const COMPRESSORS: [(&str, u8); 3] = [("lz4", 0), ("lz4hc", 12), ("zstd", 22)];

/// EROFS compressor with an optional level, written `lz4hc,9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub(crate) struct Compression {
    name: &'static str,
    level: Option<u8>,
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = match text.split_once(',') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let names = COMPRESSORS.map(|(name, _)| name);
        let Some((name, highest)) = COMPRESSORS.into_iter().find(|(n, _)| *n == name) else {
            return Err(format!(
                "`{name}` is no compressor of EROFS{} (known: {})",
                suggestion(name, names),
                names.join(", ")
            ));
        };
        let level = level
            .map(|level| match level.parse() {
                Ok(number) if (1..=highest).contains(&number) => Ok(number),
                _ if highest == 0 => Err(format!("{name} has no levels; write just `{name}`")),
                _ => Err(format!(
                    "`{level}` is no level of {name}; write it like `{name},{highest}` (1 to {highest})"
                )),
            })
            .transpose()?;
        Ok(Self { name, level })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.level.map_or(Ok(()), |level| write!(f, ",{level}"))
    }
}

/// Read by way of `FromStr`, so that the parser of the file adds the place to its message.
macro_rules! from_string {
    ($($kind:ty),*) => {
        $(impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        })*
    };
}

from_string!(Resolution, Size, Compression);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions() {
        assert_eq!(
            "1920x1080".parse(),
            Ok(Resolution {
                width: 1920,
                height: 1080
            })
        );
        for wrong in ["", "1920", "0x0", "axb", "99999x10"] {
            assert!(wrong.parse::<Resolution>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        for right in ["512M", "2G", "1T"] {
            assert_eq!(right.parse::<Size>().unwrap().to_string(), right);
        }
        for (wrong, meant) in [("2 GB", "2G"), ("2g", "2G"), ("512MiB", "512M")] {
            let message = wrong.parse::<Size>().unwrap_err();
            assert!(
                message.contains(&format!("did you mean `{meant}`?")),
                "{message}"
            );
        }
        for wrong in [
            "",
            "2",
            "G",
            "0G",
            "-1G",
            "+1G",
            "2K",
            "much",
            "9999999999G",
            "2Gé",
        ] {
            let message = wrong.parse::<Size>().unwrap_err();
            assert!(message.contains("512M or 2G"), "{message}");
        }
    }

    #[test]
    fn compressors() {
        for right in ["lz4", "lz4hc", "lz4hc,9", "zstd,15"] {
            assert_eq!(right.parse::<Compression>().unwrap().to_string(), right);
        }
        for (wrong, part) in [
            ("zst", "did you mean `zstd`?"),
            ("gzip", "known: lz4, lz4hc, zstd"),
            ("lz4,3", "lz4 has no levels"),
            ("lz4hc,13", "1 to 12"),
            ("zstd,", "1 to 22"),
        ] {
            let message = wrong.parse::<Compression>().unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
