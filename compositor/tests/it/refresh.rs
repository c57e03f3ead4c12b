//! Displays whose refresh follows their frames: when, and what programs are told.

use std::rc::Rc;

use argos_compositor::{
    config::Config,
    refresh::{Ability, VariableRefresh},
};
use wayland_client::{Connection, Dispatch, QueueHandle, delegate_noop};
use wayland_protocols::wp::{
    content_type::v1::client::{
        wp_content_type_manager_v1::WpContentTypeManagerV1,
        wp_content_type_v1::{Type, WpContentTypeV1},
    },
    presentation_time::client::{
        wp_presentation::{self, WpPresentation},
        wp_presentation_feedback::{self, WpPresentationFeedback},
    },
};

use crate::{
    fixture::{Client, Events, Fixture, Toplevel},
    watched::Notes,
};

const WHOLE: (i32, i32) = (1280, 800);
const RED: u32 = 0xc0_2020;
/// Of a frame at 60 Hz, in nanoseconds.
const FIXED: u32 = 16_666_666;

delegate_noop!(Events: WpContentTypeManagerV1);
delegate_noop!(Events: WpContentTypeV1);

impl Dispatch<WpPresentation, ()> for Events {
    fn event(
        _: &mut Self,
        _: &WpPresentation,
        _: wp_presentation::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // The clock is of no interest here.
    }
}

impl Dispatch<WpPresentationFeedback, ()> for Events {
    fn event(
        events: &mut Self,
        _: &WpPresentationFeedback,
        event: wp_presentation_feedback::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let wp_presentation_feedback::Event::Presented { refresh, .. } = event {
            events.heard.push(format!("refresh {refresh}"));
        }
    }
}

/// A compositor whose display can do that and is to do that.
fn with(ability: Ability, wish: VariableRefresh) -> (Fixture, Rc<Notes>) {
    let (mut f, notes) = Fixture::watched();
    notes.ability.set(ability);
    f.state.apply_settings(config(wish));
    f.turn();
    (f, notes)
}

fn config(wish: VariableRefresh) -> Config {
    let mut config = Config::default();
    let output = config.outputs.entry("one".into()).or_default();
    output.variable_refresh = wish;
    config
}

/// A window that fills the screen, and whose content is of that kind.
fn film(f: &mut Fixture, client: &mut Client, content: Option<Type>) -> Toplevel {
    let film = f.window(client, "film", (400, 300), RED);
    if let Some(content) = content {
        let manager: WpContentTypeManagerV1 = client.bind();
        let object = manager.get_surface_content_type(&film.surface, &client.qh, ());
        object.set_content_type(content);
        film.surface.commit();
    }
    film.toplevel.set_fullscreen(None);
    f.roundtrip(client);
    client.draw(&film, WHOLE, RED);
    f.roundtrip(client);
    film
}

#[test]
fn automatic_is_while_a_full_screen_window_covers_it() {
    let (mut f, notes) = with(Ability::Seamless, VariableRefresh::Automatic);
    let mut client = f.client();
    f.window(&mut client, "small", (400, 300), RED);
    assert!(notes.varied.borrow().is_empty());
    let film = film(&mut f, &mut client, Some(Type::Video));
    assert_eq!(*notes.varied.borrow(), [true]);
    film.toplevel.unset_fullscreen();
    f.roundtrip(&mut client);
    assert_eq!(*notes.varied.borrow(), [true, false]);
}

#[test]
fn a_picture_has_no_rate_of_its_own() {
    let (mut f, notes) = with(Ability::Seamless, VariableRefresh::Automatic);
    let mut client = f.client();
    film(&mut f, &mut client, Some(Type::Photo));
    assert!(notes.varied.borrow().is_empty());
}

#[test]
fn what_would_blink_each_time_stays_fixed_and_the_screen_says_so() {
    let (mut f, notes) = with(Ability::Blinks, VariableRefresh::Automatic);
    assert!(f.state.notice().unwrap().contains("`on`"));
    let mut client = f.client();
    film(&mut f, &mut client, None);
    assert!(notes.varied.borrow().is_empty());

    f.state.apply_settings(config(VariableRefresh::On));
    f.turn();
    assert_eq!(f.state.notice(), None);
    assert_eq!(*notes.varied.borrow(), [true]);
}

#[test]
fn a_display_that_cannot_is_named_on_the_screen() {
    let (mut f, notes) = with(Ability::Fixed, VariableRefresh::On);
    let text = f.state.notice().unwrap().to_owned();
    assert!(
        text.contains("one: ") && text.contains("fixed rate"),
        "{text}"
    );
    assert!(notes.varied.borrow().is_empty());
    f.state.apply_settings(Config::default());
    f.turn();
    assert_eq!(f.state.notice(), None);
}

#[test]
fn a_display_that_refuses_is_asked_once() {
    let (mut f, notes) = Fixture::watched();
    notes.ability.set(Ability::Seamless);
    notes.is_stubborn.set(true);
    f.state.apply_settings(config(VariableRefresh::On));
    f.until("the message", |f| f.state.notice().is_some());
    assert!(f.state.notice().unwrap().contains("the test wants it so"));
    notes.is_stubborn.set(false);
    let mut client = f.client();
    f.window(&mut client, "small", (400, 300), RED);
    assert!(notes.varied.borrow().is_empty());
}

#[test]
fn who_hears_of_frames_hears_of_no_rate_where_there_is_none() {
    for (wish, refresh) in [(VariableRefresh::Off, FIXED), (VariableRefresh::On, 0)] {
        let (mut f, _notes) = with(Ability::Seamless, wish);
        let mut client = f.client();
        let window = f.window(&mut client, "film", (400, 300), 0);
        let presentation: WpPresentation = client.bind_version(1, ());
        presentation.feedback(&window.surface, &client.qh, ());
        client.draw(&window, (400, 300), RED);
        f.hears(&mut client, &format!("refresh {refresh}"));
    }
}
