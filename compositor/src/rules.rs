//! Window rules: what the settings say of windows before they open.
//!
//! Every rule whose `match` fits a window applies to it, in the order of the file; of what several say
//! the last counts. A rule is looked at once, when the window opens: what the person does with it
//! afterwards is theirs.

use regex::Regex;
use serde::Deserialize;
use smithay::utils::{Logical, Point, Size};

/// One rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Which windows it is about.
    #[serde(rename = "match")]
    pub matches: Match,
    /// What is to be.
    #[serde(rename = "set")]
    pub wish: Wish,
}

/// Which windows a rule is about: those that fit everything that is said.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Match {
    /// The application's id, exactly.
    pub app_id: Option<String>,
    /// The application's id, as a regular expression that fits somewhere in it.
    pub app_id_regex: Option<Pattern>,
    /// The title, exactly.
    pub title: Option<String>,
    /// The title, as a regular expression that fits somewhere in it.
    pub title_regex: Option<Pattern>,
}

/// What is to be of a window; what is not said is as ever.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wish {
    /// Its workspace, from 1. That workspace is not shown for it, unless `focus` is true.
    pub workspace: Option<u32>,
    /// Connector name of its output, where that is connected and no workspace is said.
    pub output: Option<String>,
    /// Whether it floats on a workspace that tiles.
    pub floating: Option<bool>,
    /// Width and height of its content in logical pixels.
    pub size: Option<[i32; 2]>,
    /// Place of its upper left corner in logical pixels, from that of what panels leave of its output.
    pub position: Option<[i32; 2]>,
    /// Whether it fills what panels leave.
    pub maximised: Option<bool>,
    /// Whether it covers its output.
    pub fullscreen: Option<bool>,
    /// False: nothing is drawn around it, neither by the compositor nor, where it obeys, by itself.
    pub decoration: Option<bool>,
    /// Whether it gets the focus.
    pub focus: Option<bool>,
}

/// A regular expression.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |error: regex::Error| {
            // The last line says what is wrong; those before draw a picture of where.
            let error = error.to_string();
            let what = error.lines().last().unwrap_or_default();
            let what = what.trim_start_matches("error: ").to_owned();
            format!("`{text}` is not a regular expression: {what}")
        };
        Regex::new(&text).map(Self).map_err(wrong)
    }
}

impl Match {
    fn fits(&self, app_id: &str, title: &str) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == text)
        };
        let has = |wanted: &Option<Pattern>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.0.is_match(text))
        };
        is(&self.app_id, app_id)
            && has(&self.app_id_regex, app_id)
            && is(&self.title, title)
            && has(&self.title_regex, title)
    }
}

impl Wish {
    /// What the rules say of a window.
    pub(crate) fn of(rules: &[Rule], app_id: &str, title: &str) -> Self {
        let mut all = Self::default();
        for rule in rules.iter().filter(|rule| rule.matches.fits(app_id, title)) {
            let wish = rule.wish.clone();
            all = Self {
                workspace: wish.workspace.or(all.workspace),
                output: wish.output.or(all.output),
                floating: wish.floating.or(all.floating),
                size: wish.size.or(all.size),
                position: wish.position.or(all.position),
                maximised: wish.maximised.or(all.maximised),
                fullscreen: wish.fullscreen.or(all.fullscreen),
                decoration: wish.decoration.or(all.decoration),
                focus: wish.focus.or(all.focus),
            };
        }
        all
    }

    /// Size of the content, if one is said.
    pub(crate) fn size(&self) -> Option<Size<i32, Logical>> {
        self.size.map(|[w, h]| Size::from((w.max(1), h.max(1))))
    }

    /// Place on the output, if one is said.
    pub(crate) fn position(&self) -> Option<Point<i32, Logical>> {
        self.position.map(|[x, y]| Point::from((x, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<Rule> {
        argos_config::parse("rules", text).unwrap()
    }

    #[test]
    fn all_that_fit_apply_and_the_last_counts() {
        let rules = rules(
            "- {match: {app-id: foot}, set: {workspace: 2, floating: true}}\n\
             - {match: {app-id: foot, title-regex: '^top'}, set: {workspace: 3}}\n\
             - {match: {app-id-regex: '^org\\.'}, set: {focus: false}}\n",
        );
        let plain = Wish::of(&rules, "foot", "a shell");
        assert_eq!((plain.workspace, plain.floating), (Some(2), Some(true)));
        let top = Wish::of(&rules, "foot", "top");
        assert_eq!((top.workspace, top.floating), (Some(3), Some(true)));
        assert_eq!(Wish::of(&rules, "footclient", "top"), Wish::default());
        assert_eq!(Wish::of(&rules, "org.x", "").focus, Some(false));
    }

    #[test]
    fn a_wrong_expression_is_named_with_its_place() {
        let text = "- match: {title: a}\n  set: {focus: true}\n- match:\n    title-regex: '[a'\n  set: {}\n";
        let error = argos_config::parse::<Vec<Rule>>("rules", text).unwrap_err();
        assert!(error.to_string().starts_with("rules:4:"), "{error}");
        assert!(
            error
                .to_string()
                .contains("`[a` is not a regular expression"),
            "{error}"
        );
    }
}
