//! Lengths of time: `half an hour`, `1h30m`, `ninety seconds`.

use super::lexer::{Token, tokens};
use super::number::phrase;

/// The longest length of time that is taken seriously, in seconds: ten years.
const LONGEST: f64 = 10.0 * 365.0 * 86_400.0;

/// Seconds, at least one; `None` where the words are not a length of time from end to end.
pub(super) fn parse(text: &str) -> Option<u64> {
    if text.starts_with(['P', 'p']) && text.contains(|c: char| c.is_ascii_digit()) {
        let span: jiff::Span = text.to_ascii_uppercase().parse().ok()?;
        let seconds = span.total((
            jiff::Unit::Second,
            jiff::SpanRelativeTo::days_are_24_hours(),
        ));
        return sane(seconds.ok()?);
    }
    let tokens = tokens(text);
    let (seconds, used) = leading(&tokens)?;
    let rest_is_noise = tokens[used..].iter().all(|t| {
        matches!(t, Token::Sign('.' | ',' | '!' | '?'))
            || ["long", "timer", "from", "now", "please"]
                .iter()
                .any(|w| t.is(w))
    });
    if rest_is_noise { sane(seconds) } else { None }
}

/// `PT1H30M`.
pub(super) fn iso(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::from("PT");
    for (amount, letter) in [(hours, 'H'), (minutes, 'M'), (seconds, 'S')] {
        if amount > 0 {
            text += &format!("{amount}{letter}");
        }
    }
    text
}

fn sane(seconds: f64) -> Option<u64> {
    (1.0..=LONGEST)
        .contains(&seconds)
        .then(|| seconds.round() as u64)
}

/// The length of time that `tokens` begin with, in seconds, and how many tokens it takes.
pub(super) fn leading(tokens: &[Token]) -> Option<(f64, usize)> {
    let mut total = 0.0;
    let mut at = 0;
    let mut found = None;
    let mut last_unit = 0.0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let noise = ["and", "for", "about", "of", "in", "another"]
            .iter()
            .any(|w| rest[0].is(w))
            || rest[0] == Token::Sign(',');
        // "an hour and a half": half of what was named last.
        if last_unit > 0.0 {
            let skip = usize::from(rest[0].is("and"));
            let tail = &rest[skip..];
            let article = usize::from(tail.first().is_some_and(|t| t.is("a")));
            let after = tail.get(article + 1).and_then(Token::word).and_then(unit);
            let fraction = match tail.get(article).and_then(Token::word) {
                Some("half") => 0.5,
                Some("quarter") => 0.25,
                _ => 0.0,
            };
            if skip > 0 && fraction > 0.0 && after.is_none() {
                total += fraction * last_unit;
                at += skip + article + 1;
                found = Some((total, at));
                last_unit = 0.0;
                continue;
            }
        }
        // "1h15", "three hours twenty", "an hour and ten": the next smaller unit goes without saying.
        if matches!(last_unit, 60.0 | 3600.0) {
            let skip = usize::from(rest[0].is("and"));
            if let Some((amount, used)) = phrase(&rest[skip..])
                && (1.0..60.0).contains(&amount)
                && amount.fract() == 0.0
                && !rest[skip].is("a")
                && !rest[skip].is("an")
                && rest.get(skip + used).and_then(Token::word).is_none()
            {
                total += amount * last_unit / 60.0;
                at += skip + used;
                found = Some((total, at));
                last_unit = 0.0;
                continue;
            }
        }
        let less = found.is_some() && (rest[0].is("less") || rest[0].is("minus"));
        if less && let Some((amount, unit, used)) = quantity(&rest[1..]) {
            total -= amount * unit;
            at += 1 + used;
            found = Some((total, at));
            last_unit = 0.0;
        } else if let Some((amount, unit, used)) = quantity(rest) {
            total += amount * unit;
            last_unit = unit;
            at += used;
            found = Some((total, at));
        } else if noise {
            at += 1;
        } else {
            break;
        }
    }
    found
}

/// An amount and a unit: `2 hours`, `half an hour`, `two and a half days`.
fn quantity(tokens: &[Token]) -> Option<(f64, f64, usize)> {
    let word = |i: usize| tokens.get(i).and_then(Token::word);
    let unit_at = |i: usize| word(i).and_then(unit);
    let (mut amount, mut used) = match (word(0), word(1)) {
        (Some("half"), _) => (0.5, 1),
        (Some("a"), Some("half")) => (0.5, 2),
        (Some("quarter"), _) => (0.25, 1),
        (Some("a"), Some("quarter")) => (0.25, 2),
        (Some("three"), Some("quarters")) => (0.75, 2),
        _ => phrase(tokens)?,
    };
    // "two and a half hours", and "one and half hours" as many say it.
    let article = usize::from(word(used + 1) == Some("a"));
    if word(used) == Some("and")
        && word(used + 1 + article) == Some("half")
        && let Some(unit) = unit_at(used + 2 + article)
    {
        return Some((amount + 0.5, unit, used + 3 + article));
    }
    // "five-and-twenty minutes"
    if amount < 10.0
        && word(used) == Some("and")
        && let Some((tens, more)) = phrase(&tokens[used + 1..])
        && tens >= 20.0
        && tens % 10.0 == 0.0
        && let Some(unit) = unit_at(used + 1 + more)
    {
        return Some((amount + tens, unit, used + 2 + more));
    }
    if word(used) == Some("half") && unit_at(used + 1).is_some() {
        amount += 0.5;
        used += 1;
    }
    while matches!(word(used), Some("of" | "a" | "an")) {
        used += 1;
    }
    unit_at(used).map(|unit| (amount, unit, used + 1))
}

/// Seconds of a unit.
fn unit(word: &str) -> Option<f64> {
    Some(match word {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "week" | "weeks" => 7.0 * 86_400.0,
        "fortnight" | "fortnights" => 14.0 * 86_400.0,
        // Misspelt: long enough to be nothing else.
        _ if word.len() > 4 => {
            let long = ["minutes", "minute", "seconds", "hours"];
            return long
                .into_iter()
                .find(|u| super::near(u, word))
                .and_then(unit);
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, expected) in [
            ("10 minutes", "PT10M"),
            ("ten minutes", "PT10M"),
            ("90s", "PT1M30S"),
            ("1h30m", "PT1H30M"),
            ("1.5 hours", "PT1H30M"),
            ("an hour", "PT1H"),
            ("half an hour", "PT30M"),
            ("an hour and a half", "PT1H30M"),
            ("two and a half hours", "PT2H30M"),
            ("a quarter of an hour", "PT15M"),
            ("three quarters of an hour", "PT45M"),
            ("two hours and 5 minutes", "PT2H5M"),
            ("1 hour, 2 minutes and 3 seconds", "PT1H2M3S"),
            ("a couple of minutes", "PT2M"),
            ("twenty-five minutes long", "PT25M"),
            ("in 20 min.", "PT20M"),
            ("2 days", "PT48H"),
            ("PT10M", "PT10M"),
            ("pt1h", "PT1H"),
            ("a minute", "PT1M"),
            ("1h15", "PT1H15M"),
            ("3 hours 20", "PT3H20M"),
            ("an hour and ten", "PT1H10M"),
            ("one and half hours", "PT1H30M"),
            ("five-and-twenty minutes", "PT25M"),
            ("13 minuts", "PT13M"),
            ("a fortnight", "PT336H"),
            ("two hours less ten minutes", "PT1H50M"),
            ("an hour minus 5 min", "PT55M"),
        ] {
            assert_eq!(parse(text).map(iso).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "5",
            "soon",
            "0 minutes",
            "ten parsecs",
            "10 minutes ago",
            "P",
            "9999999 weeks",
            "ten minutes less an hour",
            "less ten minutes",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
