//! Points in time to come: `tomorrow at 10`, `half past three`, `on 3 March`, `in 20 minutes`.
//!
//! Rules where people are vague. A time without a day is the next time the clock shows it. An hour up
//! to 12 without am or pm, and without a day, is the earlier of the two that is still to come; with a
//! day, 1 to 6 are in the afternoon. A day without a time is at nine. `morning` is nine, `afternoon`
//! three, `evening` seven, `night` nine.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{SignedDuration, ToSpan};

use super::duration;
use super::lexer::{Token, tokens};

/// The local time that is meant, after `now`; `None` where the words say none or one that is past.
pub(super) fn parse(text: &str, now: DateTime) -> Option<DateTime> {
    let text = text.trim_end_matches(['.', '!', '?']);
    if let Ok(exact) = text.replacen(' ', "T", 1).parse::<DateTime>()
        && text.contains(':')
    {
        return (exact > now).then_some(exact);
    }
    let tokens = tokens(text);
    relative(&tokens, now)
        .or_else(|| beside(&tokens, now))
        .or_else(|| Reading::default().read(&tokens, now))
        .filter(|t| *t > now)
}

/// `half an hour before noon`, `10 minutes after five`.
fn beside(tokens: &[Token], now: DateTime) -> Option<DateTime> {
    let at = tokens
        .iter()
        .position(|t| t.is("before") || t.is("after"))?;
    let skip = usize::from(tokens.first().is_some_and(|t| t.is("at")));
    let (seconds, used) = duration::leading(tokens.get(skip..at)?)?;
    if skip + used != at || !(1.0..1e9).contains(&seconds) {
        return None;
    }
    let away = SignedDuration::from_secs(seconds.round() as i64);
    let away = if tokens[at].is("before") { -away } else { away };
    let then = Reading::default().read(&tokens[at + 1..], now)?;
    then.checked_add(away).ok()
}

/// `in 20 minutes`, `20 minutes from now`, `2 hours`; `in two days at 8` keeps the time of day.
fn relative(tokens: &[Token], now: DateTime) -> Option<DateTime> {
    let skip = usize::from(tokens.first().is_some_and(|t| t.is("in") || t.is("after")));
    // "16h30" is a time of day, "in 16h" is not.
    let clock = tokens
        .first()
        .and_then(Token::whole)
        .is_some_and(|h| h <= 24)
        && tokens.get(1).is_some_and(|t| t.is("h"));
    if clock {
        return None;
    }
    let (seconds, used) = duration::leading(&tokens[skip..])?;
    if !(1.0..1e9).contains(&seconds) {
        return None;
    }
    let then = now
        .checked_add(SignedDuration::from_secs(seconds.round() as i64))
        .ok()?;
    let rest: Vec<&Token> = tokens[skip + used..]
        .iter()
        .filter(|t| !(t.is("from") || t.is("now")))
        .collect();
    if rest.is_empty() {
        return Some(then);
    }
    // Days may be followed by a time of day, hours may not.
    if seconds % 86_400.0 != 0.0 {
        return None;
    }
    let rest: Vec<Token> = rest.into_iter().cloned().collect();
    let reading = Reading {
        day: Some(then.date()),
        ..Reading::default()
    };
    reading.read(&rest, now)
}

/// What has been understood so far.
#[derive(Debug, Default)]
struct Reading {
    day: Option<Date>,
    /// Hour 0 to 24 and minute.
    clock: Option<(i8, i8)>,
    half: Option<Half>,
    part: Option<Part>,
    /// Weeks after that day: `monday week`.
    weeks: i64,
}

/// Half of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Am,
    Pm,
}

/// Part of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Morning,
    Afternoon,
    Evening,
    Night,
}

impl Reading {
    /// The time that all of `tokens` say.
    fn read(mut self, tokens: &[Token], now: DateTime) -> Option<DateTime> {
        let mut at = 0;
        while at < tokens.len() {
            at += self.step(&tokens[at..], now)?;
        }
        if self.weeks > 0 {
            self.day = Some(self.day?.checked_add((self.weeks * 7).days()).ok()?);
        }
        self.resolve(now)
    }

    /// Understands what `tokens` begin with and returns how many it took.
    fn step(&mut self, tokens: &[Token], now: DateTime) -> Option<usize> {
        let word = |i: usize| tokens.get(i).and_then(Token::word);
        let number = |i: usize| tokens.get(i).and_then(small);
        let today = now.date();
        if let Some((date, used)) = of_month(tokens, today).or_else(|| date(tokens, today)) {
            return self.set_day(date, used);
        }
        match word(0) {
            Some("today") => return self.set_day(today, 1),
            Some("tomorrow") => return self.set_day(today.tomorrow().ok()?, 1),
            Some("tonight") => {
                self.part = Some(Part::Evening);
                return self.set_day(today, 1);
            }
            Some("day") if word(1) == Some("after") && word(2) == Some("tomorrow") => {
                return self.set_day(today.checked_add(2.days()).ok()?, 3);
            }
            Some("next") if word(1) == Some("week") => {
                return self.set_day(today.checked_add(7.days()).ok()?, 2);
            }
            // "monday week", "a week from monday"
            Some("week") if self.day.is_some() || matches!(word(1), Some("from" | "on")) => {
                self.weeks += 1;
                return Some(if self.day.is_some() { 1 } else { 2 });
            }
            Some("this") if word(1) == Some("time") => {
                let half = if now.hour() < 12 { Half::Am } else { Half::Pm };
                return self.set_clock(now.hour(), now.minute(), Some(half), 2);
            }
            Some("weekend") => {
                return self.set_day(today.nth_weekday(1, Weekday::Saturday).ok()?, 1);
            }
            Some("noon" | "midday") => return self.set_clock(12, 0, Some(Half::Pm), 1),
            Some("midnight") => return self.set_clock(24, 0, None, 1),
            Some("half") if word(1) == Some("past") => {
                return self.set_clock(number(2)?, 30, None, 3);
            }
            // In British English "half seven" is half an hour after seven.
            Some("half") if number(1).is_some() => {
                return self.set_clock(number(1)?, 30, None, 2);
            }
            Some("lunchtime" | "lunch") => return self.set_clock(12, 0, Some(Half::Pm), 1),
            Some("quarter") => match word(1) {
                Some("past") => return self.set_clock(number(2)?, 15, None, 3),
                Some("to") => return self.set_clock(hour_before(number(2)?)?, 45, None, 3),
                _ => return None,
            },
            Some("am" | "a") if self.clock.is_some() => {
                let dotted = word(0) == Some("a");
                if dotted && !tokens[1..].iter().take(2).any(|t| t.is("m")) {
                    return None;
                }
                self.half = Some(Half::Am);
                return Some(if dotted { dotted_length(tokens) } else { 1 });
            }
            Some("pm" | "p") if self.clock.is_some() => {
                self.half = Some(Half::Pm);
                return Some(if word(0) == Some("p") {
                    dotted_length(tokens)
                } else {
                    1
                });
            }
            Some("morning") => return self.set_part(Part::Morning),
            Some("afternoon") => return self.set_part(Part::Afternoon),
            Some("evening") => return self.set_part(Part::Evening),
            Some("night") => return self.set_part(Part::Night),
            Some(
                "at" | "on" | "the" | "in" | "this" | "next" | "coming" | "o'clock" | "oclock"
                | "by" | "of" | "around" | "a" | "sharp" | "clock" | "t" | "for",
            ) => return Some(1),
            Some(other) => {
                if let Some(weekday) = weekday(other) {
                    return self.set_day(today.nth_weekday(1, weekday).ok()?, 1);
                }
            }
            None => {}
        }
        match tokens[0] {
            Token::Sign(',' | '.' | '-' | '@') => return Some(1),
            Token::Sign(_) => return None,
            _ => {}
        }
        // 8.15 was read as one number, 8.30 as 8.3.
        if let Token::Number(n) = tokens[0]
            && n.fract() != 0.0
            && n < 24.0
        {
            let minutes = (n.fract() * 100.0).round();
            return self.set_clock(n as i8, minutes as i8, None, 1);
        }
        // A clock time: 10, 10:30, 5 pm, ten thirty, 10 past 5, 16h, 16h30.
        let (hour, used) = leading(tokens)?;
        let after = &tokens[used..];
        let word = |i: usize| after.get(i).and_then(Token::word);
        let number = |i: usize| after.get(i).and_then(small);
        match (after.first(), word(0)) {
            (Some(Token::Sign(':' | '.')), _) => {
                let minute = after.get(1).and_then(Token::whole)?;
                let seconds = if after.get(2) == Some(&Token::Sign(':')) {
                    2
                } else {
                    0
                };
                let minute = i8::try_from(minute).ok()?;
                self.set_clock(hour, minute, None, used + 2 + seconds)
            }
            (_, Some("h" | "hrs" | "hours")) => {
                let minute = after.get(1).and_then(Token::whole);
                let minute = minute
                    .and_then(|m| i8::try_from(m).ok())
                    .filter(|m| *m < 60);
                self.set_clock(
                    hour,
                    minute.unwrap_or(0),
                    None,
                    used + 1 + usize::from(minute.is_some()),
                )
            }
            (_, Some("past")) => self.set_clock(number(1)?, hour, None, used + 2),
            (_, Some("to")) => {
                let before = hour_before(number(1)?)?;
                self.set_clock(before, 60_i8.checked_sub(hour)?, None, used + 2)
            }
            (_, Some("minutes")) => match word(1) {
                Some("past") => self.set_clock(number(2)?, hour, None, used + 3),
                Some("to") => {
                    let before = hour_before(number(2)?)?;
                    self.set_clock(before, 60_i8.checked_sub(hour)?, None, used + 3)
                }
                _ => None,
            },
            // 10.30 is read as one number by the lexer.
            _ if self.clock.is_some() => None,
            _ => {
                let minute = super::number::phrase(after)
                    .filter(|(m, _)| word(0).is_some_and(|w| w != "a") && (10.0..60.0).contains(m));
                match minute {
                    Some((m, more)) => self.set_clock(hour, m as i8, None, used + more),
                    None => self.set_clock(hour, 0, None, used),
                }
            }
        }
    }

    fn set_day(&mut self, day: Date, used: usize) -> Option<usize> {
        // Two different days are a contradiction; "today, this monday" on a monday is none.
        if self.day.replace(day).is_some_and(|old| old != day) {
            None
        } else {
            Some(used)
        }
    }

    fn set_clock(
        &mut self,
        hour: i8,
        minute: i8,
        half: Option<Half>,
        used: usize,
    ) -> Option<usize> {
        if self.clock.is_some() || !(0..=24).contains(&hour) || !(0..60).contains(&minute) {
            return None;
        }
        self.clock = Some((hour, minute));
        self.half = self.half.or(half);
        Some(used)
    }

    fn set_part(&mut self, part: Part) -> Option<usize> {
        self.part = Some(part);
        Some(1)
    }

    fn resolve(self, now: DateTime) -> Option<DateTime> {
        let Some((hour, minute)) = self.clock else {
            let hour = match self.part {
                None | Some(Part::Morning) => 9,
                Some(Part::Afternoon) => 15,
                Some(Part::Evening) => 19,
                Some(Part::Night) => 21,
            };
            let time = Time::new(hour, 0, 0, 0).ok()?;
            return match (self.day, self.part) {
                (Some(day), _) => Some(day.to_datetime(time)),
                (None, Some(_)) => next(now, time),
                (None, None) => None,
            };
        };
        let half = self.half.or(match self.part {
            Some(Part::Morning) => Some(Half::Am),
            Some(Part::Afternoon | Part::Evening) => Some(Half::Pm),
            // "at 10 at night" and "at 2 at night" are on different sides of midnight.
            Some(Part::Night) if (6..12).contains(&hour) => Some(Half::Pm),
            Some(Part::Night) => Some(Half::Am),
            None => None,
        });
        // "tonight at 12" and "this evening at 1" are after midnight.
        if self.part == Some(Part::Evening) && self.half.is_none() && (hour == 12 || hour <= 4) {
            let day = self.day.unwrap_or_else(|| now.date()).tomorrow().ok()?;
            return Some(day.to_datetime(Time::new(hour % 12, minute, 0, 0).ok()?));
        }
        // Midnight of a day is the one at its end.
        if hour == 24 || (hour == 12 && half == Some(Half::Am) && self.part == Some(Part::Night)) {
            let day = self.day.unwrap_or_else(|| now.date()).tomorrow().ok()?;
            return Some(day.to_datetime(Time::new(0, minute, 0, 0).ok()?));
        }
        let fixed = match half {
            Some(_) if hour > 12 => hour,
            Some(Half::Am) => hour % 12,
            Some(Half::Pm) => hour % 12 + 12,
            None => hour,
        };
        let time = Time::new(fixed, minute, 0, 0).ok()?;
        let vague = half.is_none() && (1..=12).contains(&hour);
        match self.day {
            Some(day) => {
                let later = Time::new(hour % 12 + 12, minute, 0, 0).ok()?;
                let soon = day.to_datetime(time);
                let afternoon = vague && ((1..=6).contains(&hour) || soon <= now);
                Some(if afternoon {
                    day.to_datetime(later)
                } else {
                    soon
                })
            }
            None if vague => {
                let other = Time::new((hour % 12 + 12) % 24, minute, 0, 0).ok()?;
                let early = Time::new(hour % 12, minute, 0, 0).ok()?;
                Some(next(now, early)?.min(next(now, other)?))
            }
            None => next(now, time),
        }
    }
}

/// The hour before one on a clock face.
fn hour_before(hour: i8) -> Option<i8> {
    if hour == 1 {
        Some(12)
    } else {
        hour.checked_sub(1)
    }
}

/// The next time the clock shows `time`.
fn next(now: DateTime, time: Time) -> Option<DateTime> {
    let today = now.date().to_datetime(time);
    if today > now {
        Some(today)
    } else {
        Some(now.date().tomorrow().ok()?.to_datetime(time))
    }
}

/// `a.m.` and `p. m` take two to four tokens.
fn dotted_length(tokens: &[Token]) -> usize {
    let m = tokens.iter().take(3).position(|t| t.is("m")).unwrap_or(0);
    let dot = usize::from(m > 0 && tokens.get(m + 1) == Some(&Token::Sign('.')));
    1 + m + dot
}

/// A number below 60 in digits or words.
fn small(token: &Token) -> Option<i8> {
    if let Some(n) = token.whole() {
        return i8::try_from(n).ok().filter(|n| *n < 60);
    }
    let word = token
        .word()
        .filter(|w| !matches!(*w, "a" | "an" | "second"))?;
    let (value, _) = super::number::phrase(&[Token::Word(word.to_owned())])?;
    (value < 60.0).then_some(value as i8)
}

/// The number below 60 that `tokens` begin with, in digits or words, and how many of them it has.
fn leading(tokens: &[Token]) -> Option<(i8, usize)> {
    let words = tokens.iter().take(2).all(|token| token.word().is_some());
    let pair = tokens
        .get(..2)
        .and_then(super::number::phrase)
        .filter(|(value, used)| words && *used == 2 && (21.0..60.0).contains(value));
    match pair {
        Some((value, used)) => Some((value as i8, used)),
        None => Some((small(&tokens[0])?, 1)),
    }
}

/// `last day of this month`, `end of the month`, `first of next month`.
fn of_month(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let word = |i: usize| tokens.get(i).and_then(Token::word);
    let (day, mut at) = match (word(0), word(1)) {
        (Some("last"), Some("day")) => (None, 2),
        (Some("end"), _) => (None, 1),
        _ => {
            let (day, used) = super::number::phrase(tokens)?;
            (Some(day), used)
        }
    };
    // "the 5th day of"
    at += usize::from(day.is_some() && word(at) == Some("day"));
    at += usize::from(word(at) == Some("of"));
    let month = match (word(at), word(at + 1)) {
        (Some("next"), Some("month")) => today.first_of_month().checked_add(1.month()).ok()?,
        (Some("this" | "the"), Some("month")) => today.first_of_month(),
        _ => return None,
    };
    let day = match day {
        Some(day) => make(month.year(), month.month() as u32, day as u32)?,
        None => month.last_of_month(),
    };
    Some((day, at + 2))
}

/// A date: `2026-11-23`, `23 november`, `november 23rd 2027`, `the 5th`.
fn date(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let whole = |i: usize| tokens.get(i).and_then(Token::whole);
    let word = |i: usize| tokens.get(i).and_then(Token::word);
    let dash = |i: usize| tokens.get(i) == Some(&Token::Sign('-'));
    // 25/12, 12/25, 25/12/2027: where only one of the two can be the month. 3/4 is a question.
    if let (Some(a), Some(&Token::Sign('/')), Some(b)) = (whole(0), tokens.get(1), whole(2)) {
        let (day, month) = match (a, b) {
            (13..=31, 1..=12) => (a, b),
            (1..=12, 13..=31) => (b, a),
            _ => return None,
        };
        let year = whole(4).filter(|year| {
            tokens.get(3) == Some(&Token::Sign('/')) && (2000..=9999).contains(year)
        });
        let used = if year.is_some() { 5 } else { 3 };
        let year = year.and_then(|year| i16::try_from(year).ok());
        return Some((coming(year, month, day, today)?, used));
    }
    if let (Some(y), true, Some(m), true, Some(d)) =
        (whole(0), dash(1), whole(2), dash(3), whole(4))
    {
        return Some((make(i16::try_from(y).ok()?, m, d)?, 5));
    }
    let ordinal = |i: usize| word(i).is_some_and(|w| matches!(w, "st" | "nd" | "rd" | "th"));
    let year = |i: usize| {
        let i = if tokens.get(i) == Some(&Token::Sign(',')) {
            i + 1
        } else {
            i
        };
        let y = whole(i).filter(|y| (2000..=9999).contains(y))?;
        Some((i16::try_from(y).ok()?, i + 1))
    };
    // The day of the month, then the month.
    if let Some(day) = whole(0) {
        let mut at = 1 + usize::from(ordinal(1));
        let spelled = at == 2;
        at += usize::from(word(at) == Some("of"));
        if let Some(m) = word(at).and_then(month) {
            let (explicit, used) = year(at + 1).map_or((None, at + 1), |(y, u)| (Some(y), u));
            return Some((coming(explicit, m, day, today)?, used));
        }
        if spelled {
            // The 5th: of this month, or of the next one that has it.
            let mut first = today.first_of_month();
            for _ in 0..12 {
                if let Some(date) = make(first.year(), first.month() as u32, day)
                    && date >= today
                {
                    return Some((date, 2));
                }
                first = first.checked_add(1.month()).ok()?;
            }
        }
        return None;
    }
    // The month, then the day of the month.
    let m = word(0).and_then(month)?;
    let day = whole(1)?;
    let at = 2 + usize::from(ordinal(2));
    let (explicit, used) = year(at).map_or((None, at), |(y, u)| (Some(y), u));
    Some((coming(explicit, m, day, today)?, used))
}

/// That day of the given year, or the next one to come.
fn coming(year: Option<i16>, month: u32, day: u32, today: Date) -> Option<Date> {
    match year {
        Some(year) => make(year, month, day),
        None => (0..=8)
            .filter_map(|n| make(today.year() + n, month, day))
            .find(|date| *date >= today),
    }
}

fn make(year: i16, month: u32, day: u32) -> Option<Date> {
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let at = MONTHS
        .iter()
        .position(|m| *m == word || (word.len() >= 3 && word.len() <= 4 && m.starts_with(word)))?;
    Some(at as u32 + 1)
}

fn weekday(word: &str) -> Option<Weekday> {
    let word = word.strip_suffix("'s").unwrap_or(word);
    Some(match word {
        "monday" | "mon" => Weekday::Monday,
        "tuesday" | "tue" | "tues" => Weekday::Tuesday,
        "wednesday" | "wed" => Weekday::Wednesday,
        "thursday" | "thu" | "thurs" => Weekday::Thursday,
        "friday" | "fri" => Weekday::Friday,
        "saturday" | "sat" => Weekday::Saturday,
        "sunday" | "sun" => Weekday::Sunday,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come() {
        // A monday.
        let now = jiff::civil::date(2026, 11, 23).at(10, 30, 0, 0);
        for (text, expected) in [
            ("tomorrow at 10", "2026-11-24T10:00:00"),
            ("tomorrow", "2026-11-24T09:00:00"),
            ("tomorrow morning", "2026-11-24T09:00:00"),
            ("tomorrow at 5", "2026-11-24T17:00:00"),
            ("at 5pm", "2026-11-23T17:00:00"),
            ("5 p.m. tomorrow", "2026-11-24T17:00:00"),
            ("at 5", "2026-11-23T17:00:00"),
            ("at 11", "2026-11-23T11:00:00"),
            ("at 10", "2026-11-23T22:00:00"),
            ("10:45", "2026-11-23T10:45:00"),
            ("at 9 am", "2026-11-24T09:00:00"),
            ("14:00", "2026-11-23T14:00:00"),
            ("noon", "2026-11-23T12:00:00"),
            ("midnight", "2026-11-24T00:00:00"),
            ("tonight", "2026-11-23T19:00:00"),
            ("tonight at 8", "2026-11-23T20:00:00"),
            ("8 in the evening", "2026-11-23T20:00:00"),
            ("half past three", "2026-11-23T15:30:00"),
            ("quarter to six", "2026-11-23T17:45:00"),
            ("ten past four", "2026-11-23T16:10:00"),
            ("five thirty pm", "2026-11-23T17:30:00"),
            ("six o'clock", "2026-11-23T18:00:00"),
            ("in 20 minutes", "2026-11-23T10:50:00"),
            ("20 minutes from now", "2026-11-23T10:50:00"),
            ("in an hour and a half", "2026-11-23T12:00:00"),
            ("in two days", "2026-11-25T10:30:00"),
            ("in two days at 8 am", "2026-11-25T08:00:00"),
            ("friday", "2026-11-27T09:00:00"),
            ("next monday at noon", "2026-11-30T12:00:00"),
            ("on wednesday afternoon", "2026-11-25T15:00:00"),
            ("the day after tomorrow at 7:15 am", "2026-11-25T07:15:00"),
            ("next week", "2026-11-30T09:00:00"),
            ("3 march", "2027-03-03T09:00:00"),
            ("december 24th at 18:00", "2026-12-24T18:00:00"),
            ("the 5th of january 2028 at 8am", "2028-01-05T08:00:00"),
            ("on the 5th", "2026-12-05T09:00:00"),
            ("2026-12-01", "2026-12-01T09:00:00"),
            ("25/12 08:00", "2026-12-25T08:00:00"),
            ("1/31 at noon", "2027-01-31T12:00:00"),
            ("25/12/2027", "2027-12-25T09:00:00"),
            ("12/25/2027 at 8 pm", "2027-12-25T20:00:00"),
            ("twenty-five past three", "2026-11-23T15:25:00"),
            ("twenty five to four", "2026-11-23T15:35:00"),
            ("at twenty thirty", "2026-11-23T20:30:00"),
            (
                "twenty-five minutes past three tomorrow",
                "2026-11-24T15:25:00",
            ),
            ("8.15 tomorrow", "2026-11-24T08:15:00"),
            ("tomorrow 8.30", "2026-11-24T08:30:00"),
            ("at 16h", "2026-11-23T16:00:00"),
            ("16h30", "2026-11-23T16:30:00"),
            ("in 16h", "2026-11-24T02:30:00"),
            ("quarter to one", "2026-11-23T12:45:00"),
            ("ten to one", "2026-11-23T12:50:00"),
            ("tonight at 12", "2026-11-24T00:00:00"),
            ("tonight at 1", "2026-11-24T01:00:00"),
            ("tomorrow 16h30", "2026-11-24T16:30:00"),
            ("half seven tonight", "2026-11-23T19:30:00"),
            ("in 3 hours 20", "2026-11-23T13:50:00"),
            ("by 11 am on the 30th", "2026-11-30T11:00:00"),
            ("at lunchtime", "2026-11-23T12:00:00"),
            ("2026-12-01 15:30", "2026-12-01T15:30:00"),
            ("2026-12-01T15:30:00", "2026-12-01T15:30:00"),
            ("29 february", "2028-02-29T09:00:00"),
            ("today at 9", "2026-11-23T21:00:00"),
            ("for friday at noon", "2026-11-27T12:00:00"),
            ("on monday week at 2 pm", "2026-12-07T14:00:00"),
            ("a week from saturday at 10 am", "2026-12-05T10:00:00"),
            ("the last day of this month at 5 pm", "2026-11-30T17:00:00"),
            ("at the end of next month", "2026-12-31T09:00:00"),
            (
                "nine in the morning on the first of next month",
                "2026-12-01T09:00:00",
            ),
            ("this time tomorrow", "2026-11-24T10:30:00"),
            ("half an hour before noon", "2026-11-23T11:30:00"),
            ("ten minutes after midnight", "2026-11-24T00:10:00"),
        ] {
            let found = parse(text, now).map(|t| t.strftime("%Y-%m-%dT%H:%M:%S").to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "soon",
            "2020-01-01",
            "today at 9 am",
            "30 february",
            "3/4/2027",
            "at twenty-five",
            "at 25",
            "tomorrow friday saturday",
            "10:75",
            "when the rain stops",
            "before noon",
            "the 31st of next month before noon",
        ] {
            assert_eq!(parse(text, now), None, "{text}");
        }
    }
}
