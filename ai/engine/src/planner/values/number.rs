//! Numbers in digits and English words.

use super::lexer::{Token, tokens};

/// A whole number that is the one number in `text`: `20`, `twenty-five`, `third`, `a dozen`.
pub(super) fn whole(text: &str) -> Option<u64> {
    let tokens = tokens(text);
    let mut found = None;
    let mut i = 0;
    while i < tokens.len() {
        match phrase(&tokens[i..]) {
            // Two numbers are no number.
            Some(_) if found.is_some() => return None,
            // An article alone is none either ("a window").
            Some((_, 1)) if tokens[i].is("a") || tokens[i].is("an") => i += 1,
            Some((value, used)) => {
                let negative = i > 0 && tokens[i - 1] == Token::Sign('-');
                if negative || value.fract() != 0.0 || value > 9e15 {
                    return None;
                }
                found = Some(value as u64);
                i += used;
            }
            None => i += 1,
        }
    }
    found
}

/// A share of a hundred: `30 %`, `thirty percent`, `half`, `max`. Above 100 it is none.
pub(super) fn percent(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    if let Some(value) = whole(text) {
        let of_hundred = if lower.contains("quarter") {
            value * 25
        } else {
            value
        };
        return (of_hundred <= 100).then_some(of_hundred);
    }
    const WORDS: [(&str, u64); 14] = [
        ("half", 50),
        ("quarter", 25),
        ("full", 100),
        ("fully", 100),
        ("max", 100),
        ("maximum", 100),
        ("loudest", 100),
        ("brightest", 100),
        ("mute", 0),
        ("muted", 0),
        ("silent", 0),
        ("minimum", 0),
        ("min", 0),
        ("off", 0),
    ];
    lower
        .split(|c: char| !c.is_alphabetic())
        .find_map(|word| WORDS.iter().find(|(w, _)| *w == word).map(|(_, v)| *v))
}

/// The number that `tokens` begin with, and how many of them it takes. `a` and `an` are one.
pub(super) fn phrase(tokens: &[Token]) -> Option<(f64, usize)> {
    if let Token::Number(n) = tokens.first()? {
        let ordinal = tokens
            .get(1)
            .and_then(Token::word)
            .is_some_and(|w| matches!(w, "st" | "nd" | "rd" | "th"));
        return n.is_finite().then_some((*n, 1 + usize::from(ordinal)));
    }
    // `group` is what "hundred" multiplies, `total` what "thousand" has closed.
    let (mut total, mut group, mut used) = (0.0, 0.0, 0);
    let mut previous = Size::None;
    while let Some(word) = tokens.get(used).and_then(Token::word) {
        let (value, size) = match word {
            "and" if used > 0 && previous == Size::Hundred => {
                // "a hundred and five", not "a hundred and" something else.
                let next = tokens.get(used + 1).and_then(Token::word).and_then(simple);
                if next.is_none_or(|(_, s)| s == Size::Article) {
                    break;
                }
                used += 1;
                continue;
            }
            _ => match simple(word) {
                Some(found) => found,
                None => break,
            },
        };
        let fits = match size {
            Size::None => false,
            Size::Article | Size::Alone => previous == Size::None || previous == Size::Article,
            Size::Unit => !matches!(previous, Size::Unit | Size::Alone),
            Size::Tens => matches!(previous, Size::None | Size::Hundred | Size::Thousand),
            Size::Hundred => matches!(previous, Size::None | Size::Unit | Size::Article),
            Size::Thousand => !matches!(previous, Size::Thousand | Size::Alone),
        };
        if !fits {
            break;
        }
        match size {
            Size::Hundred => group = f64::max(group, 1.0) * 100.0,
            Size::Thousand => {
                total += f64::max(group, 1.0) * value;
                group = 0.0;
            }
            Size::Alone | Size::Article => group = value,
            _ if previous == Size::Article => group = value,
            _ => group += value,
        }
        previous = size;
        used += 1;
    }
    (used > 0).then_some((total + group, used))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    None,
    Article,
    Unit,
    Tens,
    Hundred,
    Thousand,
    Alone,
}

fn simple(word: &str) -> Option<(f64, Size)> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const ORDINALS: [&str; 13] = [
        "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
        "ninth", "tenth", "eleventh", "twelfth",
    ];
    const TENS: [&str; 8] = [
        "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    let at = |list: &[&str]| list.iter().position(|w| *w == word).map(|i| i as f64);
    if let Some(value) = at(&UNITS).or_else(|| at(&ORDINALS)) {
        return Some((value, Size::Unit));
    }
    if let Some(i) = at(&TENS) {
        return Some((20.0 + 10.0 * i, Size::Tens));
    }
    match word {
        "a" | "an" => Some((1.0, Size::Article)),
        "hundred" => Some((100.0, Size::Hundred)),
        "thousand" => Some((1e3, Size::Thousand)),
        "million" => Some((1e6, Size::Thousand)),
        "couple" => Some((2.0, Size::Alone)),
        "dozen" => Some((12.0, Size::Alone)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for (text, value) in [
            ("7", 7),
            ("1,000", 1000),
            ("number 3", 3),
            ("the third one's place", 3),
            ("twenty-five", 25),
            ("ninety nine", 99),
            ("a hundred and five", 105),
            ("two thousand three hundred and forty two", 2342),
            ("a dozen", 12),
            ("2nd", 2),
            ("zero", 0),
        ] {
            if text == "the third one's place" {
                // `one's` is no number word.
                assert_eq!(whole(text), Some(value), "{text}");
            }
            assert_eq!(whole(text), Some(value), "{text}");
        }
        for text in [
            "",
            "a window",
            "few",
            "3 or 4",
            "-2",
            "2.5",
            "99999999999999999999",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn percentages() {
        for (text, value) in [
            ("30%", 30),
            ("thirty percent", 30),
            ("half", 50),
            ("a quarter", 25),
            ("three quarters", 75),
            ("maximum", 100),
            ("mute", 0),
            ("100 %", 100),
        ] {
            assert_eq!(percent(text), Some(value), "{text}");
        }
        assert_eq!(percent("150"), None);
        assert_eq!(percent("louder"), None);
    }
}
