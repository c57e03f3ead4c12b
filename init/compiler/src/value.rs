//! The forms of times, sizes, shares and names in a unit file.
//!
//! They are read while the YAML is parsed, so that a mistake is reported with its line.

use std::fmt;

use argos_units::name;
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A time: a number with `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "A number with ms, s, m or h: `500ms`, `5s`, `2m`."
)]
pub struct Time {
    /// In milliseconds.
    pub ms: u64,
}

/// An amount of memory: bytes, or a number with `K`, `M` or `G` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "Bytes, or a number with K, M or G: `512M`."
)]
pub struct Size {
    /// In bytes.
    pub bytes: u64,
}

/// A share of one processor, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "Percent of one processor: `50%`, `200%`."
)]
pub struct Percent(pub u32);

/// A share of the processor where it is contended, 1 to 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "u32",
    description = "A number from 1 to 10000; 100 is an ordinary share."
)]
pub struct Weight(pub u32);

/// Permission bits, in octal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "Permission bits in octal, quoted: `\"0700\"`."
)]
pub struct Permissions(pub u32);

/// The name of a unit; in a template it may hold `%i`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(
    with = "String",
    description = "Name of a unit: its file name without `.yaml`."
)]
pub struct Name(pub String);

/// An absolute path.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String", description = "An absolute path.")]
pub struct AbsolutePath(pub String);

/// A scalar as the file has it: quoted or not, number or text.
struct Scalar(&'static str);

impl Visitor<'_> for Scalar {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

/// Splits `5s` into the number and the letters after it.
fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

/// The longest time that is taken seriously: ten years. More is a slip of the finger.
const MAX_TIME_MS: u64 = 10 * 366 * 24 * 3_600_000;

/// Why a text is no time that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeError {
    /// It has another form.
    Form,
    /// Over [`MAX_TIME_MS`].
    TooLong,
}

fn time(text: &str) -> Result<Time, TimeError> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (count, unit) = (&text[..digits], text[digits..].trim());
    let factor = match unit {
        _ if count.is_empty() => return Err(TimeError::Form),
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(TimeError::Form),
    };
    // All digits, so that what cannot be read as a number is too large for one.
    let ms = count.parse().ok().and_then(|n: u64| n.checked_mul(factor));
    ms.filter(|ms| *ms <= MAX_TIME_MS)
        .map(|ms| Time { ms })
        .ok_or(TimeError::TooLong)
}

fn size(text: &str) -> Option<Size> {
    let (count, unit) = number(text)?;
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        _ => return None,
    };
    count.checked_mul(1 << shift).map(|bytes| Size { bytes })
}

fn percent(text: &str) -> Option<Percent> {
    match number(text)? {
        (share @ 1..=100_000, "%") => u32::try_from(share).ok().map(Percent),
        _ => None,
    }
}

fn weight(text: &str) -> Option<Weight> {
    let weight = text.parse().ok()?;
    (1..=10_000).contains(&weight).then_some(Weight(weight))
}

fn permissions(text: &str) -> Option<Permissions> {
    let octal = text.len() <= 5 && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let bits = octal.then(|| u32::from_str_radix(text, 8).ok()).flatten()?;
    (bits <= 0o7777).then_some(Permissions(bits))
}

fn unit_name(text: &str) -> Option<Name> {
    name::is_valid(&text.replace("%i", "i")).then(|| Name(text.to_owned()))
}

fn absolute(text: &str) -> Option<AbsolutePath> {
    let fine = text.starts_with('/') && !text.contains('\0');
    fine.then(|| AbsolutePath(text.to_owned()))
}

macro_rules! read_scalar {
    ($type:ty, $parse:path, $what:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = deserializer.deserialize_str(Scalar($what))?;
                $parse(&text).ok_or_else(|| {
                    D::Error::custom(format_args!(concat!("`{}` is not ", $what), text))
                })
            }
        }
    };
}

const TIME: &str = "a time; write a number with ms, s, m or h, such as 5s";

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(Scalar(TIME))?;
        time(&text).map_err(|error| match error {
            TimeError::Form => D::Error::custom(format_args!("`{text}` is not {TIME}")),
            TimeError::TooLong => D::Error::custom(format_args!(
                "`{text}` is more than ten years, the longest time that can be used"
            )),
        })
    }
}

read_scalar!(
    Size,
    size,
    "a size; write bytes, or a number with K, M or G, such as 512M"
);
read_scalar!(
    Percent,
    percent,
    "a share of one processor; write a percentage, such as 50%"
);
read_scalar!(
    Weight,
    weight,
    "a weight; write a number from 1 to 10000 (100 is an ordinary share)"
);
read_scalar!(
    Permissions,
    permissions,
    "a set of permission bits; write octal digits in quotes, such as \"0700\""
);
read_scalar!(
    Name,
    unit_name,
    "a unit's name; letters, digits and _.-:@ are allowed, beginning with a letter or digit"
);
read_scalar!(
    AbsolutePath,
    absolute,
    "an absolute path; it has to begin with /"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_need_their_unit() {
        assert_eq!(time("500ms"), Ok(Time { ms: 500 }));
        assert_eq!(time("2m"), Ok(Time { ms: 120_000 }));
        for wrong in ["5", "s", "-1s", "1.5s", "5 parsecs"] {
            assert_eq!(time(wrong), Err(TimeError::Form), "{wrong}");
        }
        assert_eq!(time("87840h"), Ok(Time { ms: MAX_TIME_MS }));
        for long in ["87841h", "18446744073709551615ms", "99999999999999999999s"] {
            assert_eq!(time(long), Err(TimeError::TooLong), "{long}");
        }
        assert_eq!(size("512M"), Some(Size { bytes: 512 << 20 }));
        assert_eq!(size("4096"), Some(Size { bytes: 4096 }));
        assert_eq!(size("18446744073709551615G"), None);
        assert_eq!(percent("150%"), Some(Percent(150)));
        assert_eq!(percent("150"), None);
        assert_eq!(weight("10000"), Some(Weight(10_000)));
        assert_eq!(
            (weight("0"), weight("10001"), weight("50%")),
            (None, None, None)
        );
        assert_eq!(permissions("0700"), Some(Permissions(0o700)));
        assert_eq!(permissions("0900"), None);
    }
}
