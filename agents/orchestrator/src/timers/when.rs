//! When a timer or reminder is due, out of what was said.
//!
//! The time that it is now comes in, with its time zone; nothing here reads a clock.

use jiff::civil::DateTime;
use jiff::{Span, ToSpan, Zoned};

/// Furthest that a timer can be ahead, in days.
const MOST_DAYS: i64 = 366;
/// Furthest that a reminder can be ahead, in years.
const MOST_YEARS: i64 = 10;

/// When a timer of this ISO 8601 duration goes off. Days and longer are days of the calendar: a day
/// after six in the evening is six in the evening, also where the clocks change in between.
///
/// # Errors
/// Text for people: what is wrong, and how it is written.
pub fn after(duration: &str, now: &Zoned) -> Result<Zoned, String> {
    let said = duration.trim();
    let hint = "write it as PT10M (ten minutes), PT1H30M or P2D";
    let span: Span = said
        .parse()
        .map_err(|_| format!("`{}` is no duration; {hint}", shown(said)))?;
    let due = now
        .checked_add(span)
        .map_err(|_| format!("`{}` is further than times go; {hint}", shown(said)))?;
    if due <= *now {
        return Err(format!("`{}` is no time ahead; {hint}", shown(said)));
    }
    let most = now
        .checked_add(MOST_DAYS.days())
        .unwrap_or_else(|_| now.clone());
    if due > most {
        return Err(format!(
            "`{}` is longer than {MOST_DAYS} days; add a reminder with a date instead",
            shown(said)
        ));
    }
    Ok(due)
}

/// The moment of a local date-time. One that a change of the clocks leaves out is as long after the
/// change as it was to be after the last full time; one that comes twice is the first. With an offset
/// (`…+02:00`, `…Z`) it is exactly that moment.
///
/// # Errors
/// Text for people: what is wrong, and how it is written.
pub fn at(when: &str, now: &Zoned) -> Result<Zoned, String> {
    let said = when.trim();
    let hint = format!("write it as {}", example(now));
    let Some((_, time)) = said.split_once(['T', 't', ' ']) else {
        return Err(format!("`{}` has no date and time; {hint}", shown(said)));
    };
    let moment = if time.contains(['Z', 'z', '+', '-', '[']) {
        let stamp: jiff::Timestamp = said
            .parse()
            .map_err(|_| format!("`{}` is no date and time; {hint}", shown(said)))?;
        stamp.to_zoned(now.time_zone().clone())
    } else {
        let civil: DateTime = said
            .parse()
            .map_err(|_| format!("`{}` is no date and time; {hint}", shown(said)))?;
        civil
            .to_zoned(now.time_zone().clone())
            .map_err(|_| format!("`{}` is further than times go; {hint}", shown(said)))?
    };
    if moment <= *now {
        return Err(format!(
            "`{}` has passed: it is {} now",
            shown(said),
            now.strftime("%Y-%m-%dT%H:%M")
        ));
    }
    let most = now
        .checked_add(MOST_YEARS.years())
        .unwrap_or_else(|_| now.clone());
    if moment > most {
        return Err(format!(
            "`{}` is more than {MOST_YEARS} years ahead",
            shown(said)
        ));
    }
    Ok(moment)
}

/// A time that could be meant: tomorrow at nine.
fn example(now: &Zoned) -> String {
    let tomorrow = now.date().tomorrow().unwrap_or_else(|_| now.date());
    format!("{tomorrow}T09:00")
}

fn shown(said: &str) -> String {
    said.chars()
        .take(40)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    /// Germany's rules, without a database of zones.
    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn now(text: &str) -> Zoned {
        let civil: DateTime = text.parse().unwrap();
        civil.to_zoned(zone()).unwrap()
    }

    fn told(due: &Zoned) -> String {
        due.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    #[test]
    fn durations_are_counted_from_now() {
        let now = now("2026-11-25T14:00");
        for (said, due) in [
            ("PT10M", "2026-11-25T14:10:00+01:00"),
            ("pt1h30m", "2026-11-25T15:30:00+01:00"),
            (" PT90S ", "2026-11-25T14:01:30+01:00"),
            ("P1D", "2026-11-26T14:00:00+01:00"),
            ("P1W", "2026-12-02T14:00:00+01:00"),
        ] {
            assert_eq!(told(&after(said, &now).unwrap()), due, "{said}");
        }
        for bad in [
            "",
            "10",
            "soon",
            "PT0S",
            "-PT5M",
            "P2Y",
            "PT99999999H",
            "P\u{1b}[2J",
            "P9999999999D",
        ] {
            let error = after(bad, &now).unwrap_err();
            assert!(!error.contains('\u{1b}') && error.len() < 200, "{error}");
        }
    }

    #[test]
    fn a_day_is_a_day_and_hours_are_hours_where_the_clocks_change() {
        // On 29 March 2026 the clocks go from two to three.
        let evening = now("2026-03-28T18:00");
        assert_eq!(
            told(&after("P1D", &evening).unwrap()),
            "2026-03-29T18:00:00+02:00"
        );
        assert_eq!(
            told(&after("PT24H", &evening).unwrap()),
            "2026-03-29T19:00:00+02:00"
        );
        // Half past two does not exist that night, and comes twice on 25 October: the first is meant.
        assert_eq!(
            told(&at("2026-03-29T02:30", &evening).unwrap()),
            "2026-03-29T03:30:00+02:00"
        );
        assert_eq!(
            told(&at("2026-10-25T02:30", &evening).unwrap()),
            "2026-10-25T02:30:00+02:00"
        );
    }

    #[test]
    fn local_times_are_local_and_past_ones_say_what_time_it_is() {
        let now = now("2026-11-25T14:00");
        assert_eq!(
            told(&at("2026-11-26T09:00", &now).unwrap()),
            "2026-11-26T09:00:00+01:00"
        );
        assert_eq!(
            told(&at("2026-11-26 09:00:30", &now).unwrap()),
            "2026-11-26T09:00:30+01:00"
        );
        assert_eq!(
            told(&at("2026-11-26T09:00Z", &now).unwrap()),
            "2026-11-26T10:00:00+01:00"
        );
        assert_eq!(
            told(&at("2026-11-26T09:00:00-05:00", &now).unwrap()),
            "2026-11-26T15:00:00+01:00"
        );
        let past = at("2026-11-25T13:59", &now).unwrap_err();
        assert!(
            past.contains("has passed") && past.contains("2026-11-25T14:00"),
            "{past}"
        );
        for bad in [
            "",
            "tomorrow",
            "2026-11-26",
            "09:00",
            "2026-13-40T09:00",
            "2026-11-26T25:00",
            "2099-01-01T09:00",
            "9999-12-31T23:59",
        ] {
            let error = at(bad, &now).unwrap_err();
            assert!(error.len() < 200, "{error}");
        }
        assert!(
            at("2026-11-26", &now)
                .unwrap_err()
                .contains("2026-11-26T09:00")
        );
    }
}
