//! The shell's words in the person's language.
//!
//! Messages are [Fluent](https://projectfluent.org) files in `locales/`, part of the program; [`tr!`](crate::tr)
//! formats one. English is complete; what another language lacks is said in English. What agents and
//! applications say is theirs and never translated.
//!
//! The language is that of the settings, else that of `LANGUAGE`, `LC_ALL`, `LC_MESSAGES` or `LANG`, as
//! other programs choose theirs. It can change at any time: whoever keeps words rather than what they are about
//! keeps those of before.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::Zoned;
use unic_langid::LanguageIdentifier;

/// A language that the shell speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, the one that is complete.
    English,
    /// German.
    German,
    /// French.
    French,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::French];

    /// As settings and locales name it: `en`.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
        }
    }

    /// Its name in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
            Self::French => "Français",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../locales/en.ftl"),
            Self::German => include_str!("../locales/de.ftl"),
            Self::French => include_str!("../locales/fr.ftl"),
        }
    }

    /// The language of a locale (`de_AT.UTF-8`, `fr`) if the shell speaks it.
    pub fn of_locale(locale: &str) -> Option<Self> {
        let name = locale.split(['.', '@']).next()?;
        if matches!(name, "C" | "POSIX") {
            return Some(Self::English);
        }
        let wanted: LanguageIdentifier = name.parse().ok()?;
        let speaks = |language: &Self| wanted.language.as_str() == language.code();
        Self::ALL.into_iter().find(speaks)
    }

    /// The one that is meant by what the settings say (empty: nothing) and by the environment.
    pub fn choose(setting: &str, environment: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        if let Some(language) = Self::of_locale(setting) {
            return language;
        }
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        // As with gettext: a locale without language has no list of languages either.
        let bare = |locale: &String| matches!(locale.split('.').next(), Some("C" | "POSIX"));
        if !locale.as_ref().is_some_and(bare)
            && let Some(list) = set("LANGUAGE")
            && let Some(language) = list.split(':').find_map(Self::of_locale)
        {
            return language;
        }
        let language = locale.and_then(|locale| Self::of_locale(&locale));
        language.unwrap_or(Self::English)
    }
}

/// Position in [`Language::ALL`] of the one that is spoken.
static SPOKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: Cell<Option<Language>> = const { Cell::new(None) };
}

/// Speaks this language from now on.
pub fn speak(language: Language) {
    SPOKEN.store(language as usize, Ordering::Relaxed);
}

/// Speaks what the settings (empty: nothing) and the environment say.
pub fn speak_chosen(setting: &str) {
    speak(Language::choose(setting, |name| std::env::var(name).ok()));
}

/// The language that is spoken.
pub fn spoken() -> Language {
    HERE.get().unwrap_or_else(|| {
        Language::ALL[SPOKEN.load(Ordering::Relaxed).min(Language::ALL.len() - 1)]
    })
}

/// Does `something` with this thread speaking another language.
pub fn speaking<T>(language: Language, something: impl FnOnce() -> T) -> T {
    let before = HERE.replace(Some(language));
    let done = something();
    HERE.set(before);
    done
}

type Bundle = FluentBundle<FluentResource>;

fn bundle(language: Language) -> &'static Bundle {
    static BUNDLES: [LazyLock<Bundle>; 3] = [
        LazyLock::new(|| read(Language::English)),
        LazyLock::new(|| read(Language::German)),
        LazyLock::new(|| read(Language::French)),
    ];
    &BUNDLES[language as usize]
}

fn read(language: Language) -> Bundle {
    // That nothing is wrong with the files is tested.
    let resource = FluentResource::try_new(language.source().to_owned())
        .unwrap_or_else(|(without_what_is_wrong, _)| without_what_is_wrong);
    let id = language.code().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    // The marks would be boxes in fonts that lack them; the languages here all run the same way.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// A message in the language that is spoken; [`tr!`](crate::tr) calls it.
pub fn text(id: &str, arguments: Option<&FluentArgs<'_>>) -> String {
    let languages = [spoken(), Language::English];
    let words = languages
        .into_iter()
        .find_map(|language| format(language, id, arguments));
    words.unwrap_or_else(|| id.to_owned())
}

fn format(language: Language, id: &str, arguments: Option<&FluentArgs<'_>>) -> Option<String> {
    let bundle = bundle(language);
    let pattern = bundle.get_message(id)?.value()?;
    let mut errors = Vec::new();
    let words = bundle.format_pattern(pattern, arguments, &mut errors);
    for error in errors {
        tracing::warn!("{}.ftl: {id}: {error}", language.code());
    }
    Some(words.into_owned())
}

/// A message in the person's language: `tr!("chat-message-to", agent = title)`. Every argument is a variable of
/// the message.
#[macro_export]
macro_rules! tr {
    ($id:literal) => { $crate::l10n::text($id, None) };
    ($id:literal, $($name:ident = $value:expr),+ $(,)?) => {{
        let mut arguments = ::fluent_bundle::FluentArgs::new();
        $(arguments.set(stringify!($name), $value);)+
        $crate::l10n::text($id, Some(&arguments))
    }};
}

/// A number with so many digits behind the point, or the comma.
pub fn decimal(value: f64, digits: usize) -> String {
    pointed(format!("{value:.digits$}"))
}

/// A number with as many digits as it has.
pub fn number(value: f64) -> String {
    pointed(value.to_string())
}

fn pointed(digits: String) -> String {
    match spoken() {
        Language::English => digits,
        Language::German | Language::French => digits.replace('.', ","),
    }
}

/// `65 %`.
pub fn percent(value: u32) -> String {
    tr!("percent", value = value)
}

/// `+20 %`, `−20 %`.
pub fn signed_percent(value: f64) -> String {
    let sign = match value {
        value if value > 0.5 => "+",
        value if value < -0.5 => "−",
        _ => "",
    };
    format!("{sign}{}", percent(value.abs().round() as u32))
}

/// The time of day to the minute.
pub fn minutes(at: &Zoned) -> String {
    let (hour, minute) = (two(at.hour()), two(at.minute()));
    tr!("time-minutes", hour = hour, minute = minute)
}

/// How long [`minutes`] stays the same.
pub fn minute_left(now: &Zoned) -> Duration {
    let left = 60_000 - (i64::from(now.second()) * 1000 + i64::from(now.millisecond()));
    Duration::from_millis(left.clamp(1, 60_000) as u64)
}

/// The time of day to the second.
pub fn seconds(at: &Zoned) -> String {
    let (hour, minute, second) = (two(at.hour()), two(at.minute()), two(at.second()));
    tr!(
        "time-seconds",
        hour = hour,
        minute = minute,
        second = second
    )
}

fn two(number: i8) -> String {
    format!("{number:02}")
}

fn weekday(at: &Zoned) -> i8 {
    at.weekday().to_monday_one_offset()
}

/// `Sun 22 Nov`.
pub fn short_date_with_weekday(at: &Zoned) -> String {
    let (weekday, day, month) = (weekday(at), at.day(), at.month());
    tr!(
        "date-short-weekday",
        weekday = weekday,
        day = day,
        month = month
    )
}

/// `Sunday, 22 November`.
pub fn long_date(at: &Zoned) -> String {
    let (weekday, day, month) = (weekday(at), at.day(), at.month());
    tr!("date-long", weekday = weekday, day = day, month = month)
}

/// `22 Nov`.
pub fn short_date(at: &Zoned) -> String {
    tr!("date-short", day = at.day(), month = at.month())
}

/// `22 Nov 2026`.
pub fn short_date_with_year(at: &Zoned) -> String {
    let (day, month, year) = (at.day(), at.month(), at.year());
    tr!("date-short-year", day = day, month = month, year = year)
}

/// A label of a button, split around the letter that presses it, which has `_` before it in messages.
pub fn mnemonic(label: &str) -> [String; 3] {
    let (before, rest) = label.split_once('_').unwrap_or((label, ""));
    let length = rest.chars().next().map_or(0, char::len_utf8);
    let (letter, after) = rest.split_at(length);
    [before, letter, after].map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// What a message or a call has by name.
    type Names = BTreeSet<String>;

    /// The messages of a file, each with its variables and the messages that it refers to.
    fn messages(language: Language) -> BTreeMap<String, (Names, Names)> {
        let source = language.source();
        let resource = FluentResource::try_new(source.to_owned());
        if let Err((_, errors)) = resource {
            panic!("{}.ftl: {errors:?}", language.code());
        }
        let mut messages: BTreeMap<String, (Names, Names)> = BTreeMap::new();
        let mut id = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
                id = line.split_once(" =").expect(line).0.to_owned();
                let before = messages.insert(id.clone(), Default::default());
                assert!(before.is_none(), "{}.ftl has {id} twice", language.code());
            }
            let Some((variables, others)) = messages.get_mut(&id) else {
                continue;
            };
            for placeable in line.split('{').skip(1) {
                let inside = placeable.split(['}', '-']).next().unwrap_or_default();
                let whole = placeable.split('}').next().unwrap_or_default().trim();
                match inside.trim().strip_prefix('$') {
                    Some(variable) => variables.insert(variable.trim().to_owned()),
                    None => others.insert(whole.to_owned()),
                };
            }
        }
        messages
    }

    /// The names of a message's variables, those of messages within it included.
    fn variables(messages: &BTreeMap<String, (Names, Names)>, id: &str) -> Names {
        let (own, others) = &messages[id];
        let within = others.iter().filter(|other| messages.contains_key(*other));
        within
            .flat_map(|other| variables(messages, other))
            .chain(own.iter().cloned())
            .collect()
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    /// Every message that the code formats, with the arguments that it is given.
    fn calls() -> Vec<(String, Names)> {
        let mut files = Vec::new();
        sources(
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")),
            &mut files,
        );
        let mut calls = Vec::new();
        for file in &files {
            // The tests at the end and the documentation format nothing for people.
            let code: Vec<&str> = file
                .split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let code = code.join("\n");
            for (at, name) in code.match_indices("tr!(") {
                // Others end like it, as `include_str!`.
                let other = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if code[..at].ends_with(other) {
                    continue;
                }
                let call = &code[at + name.len()..];
                let Some(rest) = call.trim_start().strip_prefix('"') else {
                    panic!(
                        "tr! without a message's name: {}",
                        &call[..call.len().min(60)]
                    );
                };
                let (id, rest) = rest.split_once('"').unwrap();
                calls.push((id.to_owned(), arguments(rest)));
            }
        }
        calls
    }

    /// The names at the left of `=` up to the parenthesis that ends a call.
    fn arguments(call: &str) -> Names {
        let (mut depth, mut quoted, mut part) = (0, false, String::new());
        let mut parts = Vec::new();
        for c in call.chars() {
            match c {
                '"' => quoted = !quoted,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                break;
            }
            if c == ',' && depth == 0 && !quoted {
                parts.push(std::mem::take(&mut part));
            } else {
                part.push(c);
            }
        }
        parts.push(part);
        let names = parts.iter().filter_map(|part| part.split_once('='));
        names.map(|(name, _)| name.trim().to_owned()).collect()
    }

    #[test]
    fn every_message_of_the_code_is_there_with_its_variables_and_none_is_left_over() {
        let english = messages(Language::English);
        let calls = calls();
        assert!(calls.len() > 150, "only {} calls were found", calls.len());
        let mut used = Names::new();
        for (id, arguments) in calls {
            assert!(english.contains_key(&id), "en.ftl has no {id}");
            let wanted = variables(&english, &id);
            assert_eq!(arguments, wanted, "the arguments of {id}");
            used.extend(english[&id].1.iter().cloned());
            used.insert(id);
        }
        let there: Names = english.into_keys().collect();
        let left: Vec<_> = there.difference(&used).collect();
        assert!(left.is_empty(), "nothing says {left:?}");
    }

    #[test]
    fn every_language_has_the_same_messages_with_the_same_variables() {
        let english = messages(Language::English);
        for language in [Language::German, Language::French] {
            let theirs = messages(language);
            let ids = |of: &BTreeMap<String, _>| -> Names { of.keys().cloned().collect() };
            let (ours, other) = (ids(&english), ids(&theirs));
            let lacks: Vec<_> = ours.difference(&other).collect();
            let more: Vec<_> = other.difference(&ours).collect();
            let code = language.code();
            assert!(
                lacks.is_empty() && more.is_empty(),
                "{code}.ftl lacks {lacks:?}, has {more:?}"
            );
            for id in english.keys() {
                let (ours, others) = (variables(&english, id), variables(&theirs, id));
                assert_eq!(ours, others, "{code}.ftl: the variables of {id}");
            }
        }
    }

    #[test]
    fn the_language_is_that_of_the_settings_then_of_the_environment() {
        let chosen = |setting: &str, set: &[(&str, &str)]| {
            Language::choose(setting, |name| {
                let found = set.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(chosen("", &[]), Language::English);
        assert_eq!(chosen("fr", &[("LANG", "de_DE.UTF-8")]), Language::French);
        assert_eq!(chosen("", &[("LANG", "de_AT.UTF-8")]), Language::German);
        assert_eq!(chosen("tlh", &[("LANG", "de")]), Language::German);
        let both = [
            ("LC_ALL", "de_DE"),
            ("LC_MESSAGES", "fr_FR"),
            ("LANG", "en_GB"),
        ];
        assert_eq!(chosen("", &both), Language::German);
        assert_eq!(chosen("", &both[1..]), Language::French);
        // Of a list the first that is spoken; not for a locale without language.
        let list = ("LANGUAGE", "pl:fr:de");
        assert_eq!(
            chosen("", &[list, ("LANG", "en_US.UTF-8")]),
            Language::French
        );
        assert_eq!(chosen("", &[list]), Language::French);
        assert_eq!(
            chosen("", &[list, ("LC_ALL", "C.UTF-8")]),
            Language::English
        );
        // An empty one is none.
        assert_eq!(
            chosen("", &[("LC_ALL", ""), ("LANG", "fr_CH")]),
            Language::French
        );
        assert_eq!(chosen("", &[("LANG", "xx")]), Language::English);
        assert_eq!(Language::of_locale("not a locale"), None);
    }

    #[test]
    fn plurals_numbers_and_dates_are_those_of_the_language() {
        let at: Zoned = "2026-03-01T07:05:09[UTC]".parse().unwrap();
        let all = || {
            let agents = |count| tr!("agents-count-agents", count = count);
            [
                agents(0_usize),
                agents(1_usize),
                agents(2_usize),
                decimal(2.5, 1),
                long_date(&at),
                short_date_with_weekday(&at),
                format!("{} {}", short_date_with_year(&at), seconds(&at)),
            ]
        };
        let english = speaking(Language::English, all);
        assert_eq!(english[..3], ["0 agents", "1 agent", "2 agents"]);
        assert_eq!(
            english[3..],
            ["2.5", "Sunday, 1 March", "Sun 1 Mar", "1 Mar 2026 07:05:09"]
        );
        let german = speaking(Language::German, all);
        assert_eq!(german[..3], ["0 Agenten", "1 Agent", "2 Agenten"]);
        assert_eq!(
            german[3..],
            [
                "2,5",
                "Sonntag, 1. März",
                "So. 1. März",
                "1. März 2026 07:05:09"
            ]
        );
        let french = speaking(Language::French, all);
        // Nothing is singular in French.
        assert_eq!(french[..3], ["0 agent", "1 agent", "2 agents"]);
        assert_eq!(
            french[3..],
            [
                "2,5",
                "dimanche 1er mars",
                "dim. 1er mars",
                "1er mars 2026 07:05:09"
            ]
        );
        assert_eq!(spoken(), Language::English, "only meanwhile");
    }

    #[test]
    fn what_a_language_lacks_is_said_in_english() {
        speaking(Language::German, || {
            assert_eq!(text("no-such-message", None), "no-such-message");
        });
        assert_eq!(mnemonic("Allow _once"), ["Allow ", "o", "nce"]);
        assert_eq!(mnemonic("_Éviter"), ["", "É", "viter"]);
        assert_eq!(mnemonic("plain"), ["plain", "", ""]);
    }
}
