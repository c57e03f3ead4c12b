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
    if let Some(share) = fraction(&lower) {
        return Some(share);
    }
    if let Some(value) = whole(text) {
        return (value <= 100).then_some(value);
    }
    const WORDS: [(&str, u64); 28] = [
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
        ("silence", 0),
        ("silenced", 0),
        ("hush", 0),
        ("shush", 0),
        ("minimum", 0),
        ("min", 0),
        ("off", 0),
        ("lowest", 0),
        ("dimmest", 0),
        ("nil", 0),
        ("zilch", 0),
        ("nothing", 0),
        ("no", 0),
        ("down", 0),
        ("highest", 100),
        ("goes", 100),
        ("up", 100),
    ];
    lower
        .split(|c: char| !c.is_alphabetic())
        .find_map(|word| WORDS.iter().find(|(w, _)| *w == word).map(|(_, v)| *v))
}

/// `a third`, `two fifths`, `7 out of 10`, in percent.
fn fraction(lower: &str) -> Option<u64> {
    const PARTS: [(&str, f64); 10] = [
        ("half", 2.0),
        ("halves", 2.0),
        ("third", 3.0),
        ("thirds", 3.0),
        ("quarter", 4.0),
        ("quarters", 4.0),
        ("fifth", 5.0),
        ("fifths", 5.0),
        ("tenth", 10.0),
        ("tenths", 10.0),
    ];
    let tokens = tokens(lower);
    let (count, of) = match tokens.iter().position(|t| t.is("out")) {
        Some(at) if tokens.get(at + 1).is_some_and(|t| t.is("of")) => {
            let last = |tokens: &[Token]| (0..tokens.len()).find_map(|i| phrase(&tokens[i..]));
            (last(&tokens[..at])?.0, last(&tokens[at + 2..])?.0)
        }
        _ => {
            let part = |t: &Token| {
                let known = PARTS.iter().find(|(word, _)| t.is(word));
                known.map(|(_, parts)| *parts)
            };
            let at = tokens.iter().position(|t| part(t).is_some())?;
            let of = part(&tokens[at])?;
            // "third" alone may be the third of something.
            let count = match at.checked_sub(1).map(|i| phrase(&tokens[i..=i])) {
                Some(Some((count, _))) => count,
                _ if of == 2.0 || of == 4.0 => 1.0,
                _ => return None,
            };
            (count, of)
        }
    };
    let share = 100.0 * count / of;
    (of > 0.0 && (0.0..=100.0).contains(&share)).then_some(share.round() as u64)
}

/// How many bytes of `rest` go on with a number in words: ` two` behind `thirty`.
pub(super) fn tail(rest: &str) -> usize {
    let mut used = 0;
    for word in rest.split_inclusive([' ', '-']) {
        let bare = word
            .trim_end_matches([' ', '-', ',', '.', '!', '?', '%'])
            .to_lowercase();
        let counts = matches!(simple(&bare), Some((_, size)) if !matches!(size, Size::Article | Size::Alone));
        if bare.is_empty() && used == 0 && word.len() == 1 {
            used += 1;
        } else if counts {
            used += bare.len();
            // Punctuation ends the number, one blank or hyphen does not.
            if word.len() != bare.len() + 1 || !word.ends_with([' ', '-']) {
                break;
            }
            used += 1;
        } else {
            break;
        }
    }
    rest[..used].trim_end_matches([' ', '-']).len()
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
    fn numbers_go_on() {
        for (rest, more) in [
            (" two battery is low", " two"),
            ("-two", "-two"),
            (" hundred twenty, please", " hundred twenty"),
            (" a lot", ""),
            (", two things", ""),
            ("", ""),
        ] {
            assert_eq!(&rest[..tail(rest)], more, "{rest}");
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
            ("a third", 33),
            ("two thirds", 67),
            ("four fifths", 80),
            ("7 out of 10", 70),
            ("all the way up", 100),
            ("as loud as it goes", 100),
            ("no sound at all", 0),
        ] {
            assert_eq!(percent(text), Some(value), "{text}");
        }
        assert_eq!(percent("hush"), Some(0));
        assert_eq!(percent("150"), None);
        assert_eq!(percent("louder"), None);
    }
}
