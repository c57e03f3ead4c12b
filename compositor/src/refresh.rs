//! Displays that are refreshed when a frame is there instead of at a fixed rate: variable refresh, adaptive sync.
//!
//! The settings, or a tool by [`crate::protocols::heads`], say what is wanted of an output, the back end what its
//! display can do. `automatic` is for what fills a screen by itself: games and videos, whose frames come at a rate of
//! their own. On a desktop the refresh would follow the pointer and every blinking cursor, which some displays show as
//! a change of brightness; so there the rate is fixed then.
//!
//! An output whose refresh varies now has no grid of flips that frames could keep step with ([`crate::outputs`]).

use std::{fmt, time::Duration};

use serde::Deserialize;
use smithay::{
    output::Output,
    reexports::{
        wayland_protocols::wp::content_type::v1::server::wp_content_type_v1::Type as ContentType,
        wayland_server::protocol::wl_surface::WlSurface,
    },
    wayland::{
        compositor::with_states, content_type::ContentTypeSurfaceCachedState, presentation::Refresh,
    },
};

use crate::{notice::Topic, outputs::interval, state::State};

/// When the refresh of an output follows its frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum VariableRefresh {
    /// Never.
    #[default]
    Off,
    /// Always.
    On,
    /// While a full-screen window covers it.
    Automatic,
}

const NAMES: [(&str, VariableRefresh); 3] = [
    ("off", VariableRefresh::Off),
    ("on", VariableRefresh::On),
    ("automatic", VariableRefresh::Automatic),
];

impl TryFrom<String> for VariableRefresh {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let found = NAMES.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, wish)| wish).ok_or_else(|| {
            let names = NAMES.map(|(name, _)| name).join(", ");
            format!("`{text}` does not say when the refresh is variable; there are: {names}")
        })
    }
}

impl fmt::Display for VariableRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = NAMES.into_iter().find(|(_, wish)| wish == self);
        f.write_str(named.map_or("off", |(name, _)| name))
    }
}

/// What an output's display can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ability {
    /// Its rate is fixed.
    #[default]
    Fixed,
    /// It goes dark for a moment when its refresh becomes variable, or fixed again.
    Blinks,
    /// Its refresh becomes variable and fixed again unseen.
    Seamless,
}

/// Whether an output's refresh varies now. `covered`: one window fills it that may have a rate of its own.
fn varies(wish: VariableRefresh, ability: Ability, covered: bool) -> bool {
    match (wish, ability) {
        (VariableRefresh::Off, _) | (_, Ability::Fixed) => false,
        (VariableRefresh::On, _) => true,
        (VariableRefresh::Automatic, Ability::Seamless) => covered,
        // A screen that goes dark whenever a video fills it is worse than one with a fixed rate.
        (VariableRefresh::Automatic, Ability::Blinks) => false,
    }
}

/// Whether a full-screen window may have a rate of its own: a picture does not move.
fn has_own_rate(content: ContentType) -> bool {
    content != ContentType::Photo
}

/// Why a wish cannot be.
fn refusal(wish: VariableRefresh, ability: Ability) -> Option<&'static str> {
    match (wish, ability) {
        (VariableRefresh::Off, _) => None,
        (_, Ability::Fixed) => Some("the display or its graphics card has a fixed rate only"),
        (VariableRefresh::Automatic, Ability::Blinks) => Some(
            "the display would go dark for a moment each time, so its rate stays fixed; `on` makes it variable for good",
        ),
        _ => None,
    }
}

/// What clients are told of an output's refresh with each frame.
pub(crate) fn presented(output: &Output, varies: bool) -> Refresh {
    let every = interval(output);
    if varies {
        Refresh::variable(every)
    } else {
        Refresh::fixed(every)
    }
}

/// When a frame is seen that is begun `now`, if the refresh varies and the last flip was then: at once, but no
/// sooner than the display can show one.
pub(crate) fn next_free_flip(last: Duration, every: Duration, now: Duration) -> Duration {
    now.max(last.saturating_add(every))
}

/// What a client says of a surface's content.
fn content_of(surface: &WlSurface) -> ContentType {
    with_states(surface, |states| {
        let mut content = states.cached_state.get::<ContentTypeSurfaceCachedState>();
        *content.current().content_type()
    })
}

impl State {
    /// When the refresh of an output is to be variable: as a tool wants it, else as the settings do.
    pub(crate) fn variable_refresh(&self, output: &Output) -> VariableRefresh {
        let tool = self.outputs.settings(output).and_then(|it| it.variable);
        tool.unwrap_or_else(|| self.config.output(&output.name()).variable_refresh)
    }

    /// Whether the refresh can be so on an output.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn test_variable_refresh(
        &self,
        output: &Output,
        wish: VariableRefresh,
    ) -> Result<(), String> {
        let ability = self.backend.variable_refresh(output);
        refusal(wish, ability).map_or(Ok(()), |why| Err(format!("{}: {why}", output.name())))
    }

    /// Whether a window fills the output with that index that may have a rate of its own.
    fn is_covered(&self, index: usize) -> bool {
        if self.is_locked() || self.windows.overview.is_open() {
            return false;
        }
        let id = self.windows.layout.fullscreen_on(index);
        let surface = id.and_then(|id| self.windows.get(id)?.surface());
        surface.is_some_and(|surface| has_own_rate(content_of(&surface)))
    }

    /// Has the output with that index refreshed as it is to be from its next frame on.
    pub(crate) fn update_refresh(&mut self, index: usize, output: &Output) {
        let wish = self.variable_refresh(output);
        let before = self.outputs.varies(output);
        if wish == VariableRefresh::Off && !before {
            return;
        }
        let ability = self.backend.variable_refresh(output);
        let now = varies(wish, ability, self.is_covered(index));
        if now == before {
            return;
        }
        match self.backend.set_variable_refresh(output, now) {
            Ok(()) => {
                tracing::debug!("output {}: variable refresh: {now}", output.name());
                self.outputs.set_varies(output, now);
            }
            Err(error) => {
                // It is not tried with each frame anew.
                self.outputs.fix_refresh(output);
                let text = format!("{error}; its rate stays fixed");
                tracing::warn!("{text}");
                // The frame that is about to be drawn is made up already.
                self.handle.insert_idle(move |state| {
                    state.show_notice(Topic::Refresh, Some(text));
                });
                self.signal.wakeup();
            }
        }
    }

    /// Says on the screen which outputs cannot be refreshed as the settings want it.
    pub(crate) fn check_refresh(&mut self) {
        let refused = |output: &Output| {
            let wish = self.config.output(&output.name()).variable_refresh;
            let why = self.test_variable_refresh(output, wish).err()?;
            Some(format!("variable-refresh: {wish} cannot be: {why}"))
        };
        let refused: Vec<_> = self.outputs.iter().filter_map(refused).collect();
        for text in &refused {
            tracing::warn!("{text}");
        }
        let text = (!refused.is_empty()).then(|| refused.join("\n"));
        self.show_notice(Topic::Refresh, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_have_names() {
        for (name, wish) in NAMES {
            assert_eq!(VariableRefresh::try_from(name.to_owned()), Ok(wish));
            assert_eq!(wish.to_string(), name);
        }
        let wrong = VariableRefresh::try_from("sometimes".to_owned()).unwrap_err();
        assert!(wrong.contains("`sometimes`") && wrong.contains("automatic"));
    }

    #[test]
    fn the_refresh_varies_where_it_is_wanted_and_can() {
        use {Ability::*, VariableRefresh::*};
        for covered in [false, true] {
            for ability in [Fixed, Blinks, Seamless] {
                assert!(!varies(Off, ability, covered));
                assert_eq!(varies(On, ability, covered), ability != Fixed);
                assert_eq!(
                    varies(Automatic, ability, covered),
                    covered && ability == Seamless
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_has_a_reason_and_what_can_has_none() {
        use {Ability::*, VariableRefresh::*};
        assert_eq!(refusal(Off, Fixed), None);
        assert_eq!(refusal(On, Blinks), None);
        assert_eq!(refusal(Automatic, Seamless), None);
        assert!(refusal(On, Fixed).unwrap().contains("fixed rate"));
        assert!(refusal(Automatic, Blinks).unwrap().contains("`on`"));
    }

    #[test]
    fn pictures_have_no_rate() {
        assert!(!has_own_rate(ContentType::Photo));
        for moves in [ContentType::None, ContentType::Video, ContentType::Game] {
            assert!(has_own_rate(moves));
        }
    }

    #[test]
    fn a_free_flip_is_at_once_but_not_too_soon() {
        let ms = Duration::from_millis;
        let next = |now| next_free_flip(ms(100), ms(7), ms(now));
        assert_eq!(next(101), ms(107));
        assert_eq!(next(107), ms(107));
        assert_eq!(next(123), ms(123), "there is no grid");
    }
}
