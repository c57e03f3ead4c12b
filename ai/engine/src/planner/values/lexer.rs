//! Words, numbers and signs of a short English phrase: `1h30m` is `1` `h` `30` `m`.

/// One piece of a phrase.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// Letters, in lower case; apostrophes stay inside (`o'clock`).
    Word(String),
    /// Digits, with thousands' commas taken out and a decimal point kept.
    Number(f64),
    /// Anything else but white space.
    Sign(char),
}

impl Token {
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(w) => Some(w),
            _ => None,
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    /// The number if it is a whole one that fits.
    pub(super) fn whole(&self) -> Option<u32> {
        match self {
            Self::Number(n) if n.fract() == 0.0 && *n <= f64::from(u32::MAX) => Some(*n as u32),
            _ => None,
        }
    }
}

/// Cuts a phrase into tokens. Hyphens between letters separate words (`twenty-five`).
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut i = 0;
    while i < characters.len() {
        let c = characters[i];
        let begin = i;
        if c.is_ascii_digit() {
            let mut digits = String::new();
            let mut point = false;
            while i < characters.len() {
                let next_is_digit = characters.get(i + 1).is_some_and(char::is_ascii_digit);
                match characters[i] {
                    d if d.is_ascii_digit() => digits.push(d),
                    '.' if next_is_digit && !point => {
                        point = true;
                        digits.push('.');
                    }
                    ',' if thousands(&characters[i + 1..]) => {}
                    _ => break,
                }
                i += 1;
            }
            found.push(Token::Number(digits.parse().unwrap_or(f64::INFINITY)));
        } else if c.is_alphabetic() {
            while i < characters.len()
                && (characters[i].is_alphabetic() || matches!(characters[i], '\'' | '’'))
            {
                i += 1;
            }
            let word: String = characters[begin..i].iter().collect();
            found.push(Token::Word(word.to_lowercase().replace('’', "'")));
        } else {
            let between_letters = begin > 0
                && characters[begin - 1].is_alphabetic()
                && characters.get(i + 1).is_some_and(|n| n.is_alphabetic());
            let joins_words = c == '-' && between_letters;
            if !c.is_whitespace() && !joins_words {
                found.push(Token::Sign(c));
            }
            i += 1;
        }
    }
    found
}

/// Whether exactly three digits follow, as after the comma in `1,000`.
fn thousands(rest: &[char]) -> bool {
    rest.len() >= 3
        && rest[..3].iter().all(char::is_ascii_digit)
        && !rest.get(3).is_some_and(char::is_ascii_digit)
}
