//! Wayland input in the terms of the widgets: keys, buttons, scrolling, pointer shapes.

use iced_core::keyboard::{self, Key, Location, key};
use iced_core::{SmolStr, mouse};
use smithay_client_toolkit::seat::keyboard::{KeyEvent, Keysym, Modifiers};
use smithay_client_toolkit::seat::pointer::{AxisScroll, CursorIcon};

/// A key went down, or repeats.
pub(super) fn pressed(
    event: &KeyEvent,
    modifiers: keyboard::Modifiers,
    repeat: bool,
) -> keyboard::Event {
    let text = event
        .utf8
        .as_deref()
        .filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
        .map(SmolStr::new);
    keyboard::Event::KeyPressed {
        key: unmodified(event.keysym),
        modified_key: key(event.keysym),
        physical_key: physical(event.raw_code),
        location: Location::Standard,
        modifiers,
        text,
        repeat,
    }
}

/// A key went up.
pub(super) fn released(event: &KeyEvent, modifiers: keyboard::Modifiers) -> keyboard::Event {
    keyboard::Event::KeyReleased {
        key: unmodified(event.keysym),
        modified_key: key(event.keysym),
        physical_key: physical(event.raw_code),
        location: Location::Standard,
        modifiers,
    }
}

/// The modifiers that are held.
pub(super) fn modifiers(held: Modifiers) -> keyboard::Modifiers {
    let mut modifiers = keyboard::Modifiers::empty();
    modifiers.set(keyboard::Modifiers::SHIFT, held.shift);
    modifiers.set(keyboard::Modifiers::CTRL, held.ctrl);
    modifiers.set(keyboard::Modifiers::ALT, held.alt);
    modifiers.set(keyboard::Modifiers::LOGO, held.logo);
    modifiers
}

fn unmodified(keysym: Keysym) -> Key {
    match key(keysym) {
        Key::Character(text) => Key::Character(SmolStr::new(text.to_lowercase())),
        // Shift+Tab has a symbol of its own.
        other => other,
    }
}

fn key(keysym: Keysym) -> Key {
    use key::Named;
    let named = match keysym {
        Keysym::Return | Keysym::KP_Enter | Keysym::ISO_Enter => Named::Enter,
        Keysym::Escape => Named::Escape,
        Keysym::Tab | Keysym::ISO_Left_Tab | Keysym::KP_Tab => Named::Tab,
        Keysym::BackSpace => Named::Backspace,
        Keysym::Delete | Keysym::KP_Delete => Named::Delete,
        Keysym::Insert | Keysym::KP_Insert => Named::Insert,
        Keysym::Left | Keysym::KP_Left => Named::ArrowLeft,
        Keysym::Right | Keysym::KP_Right => Named::ArrowRight,
        Keysym::Up | Keysym::KP_Up => Named::ArrowUp,
        Keysym::Down | Keysym::KP_Down => Named::ArrowDown,
        Keysym::Home | Keysym::KP_Home => Named::Home,
        Keysym::End | Keysym::KP_End => Named::End,
        Keysym::Page_Up | Keysym::KP_Page_Up => Named::PageUp,
        Keysym::Page_Down | Keysym::KP_Page_Down => Named::PageDown,
        Keysym::space | Keysym::KP_Space => Named::Space,
        Keysym::Shift_L | Keysym::Shift_R => Named::Shift,
        Keysym::Control_L | Keysym::Control_R => Named::Control,
        Keysym::Alt_L | Keysym::Alt_R | Keysym::Meta_L | Keysym::Meta_R => Named::Alt,
        Keysym::Super_L | Keysym::Super_R => Named::Super,
        Keysym::ISO_Level3_Shift => Named::AltGraph,
        Keysym::Caps_Lock => Named::CapsLock,
        Keysym::Menu => Named::ContextMenu,
        Keysym::F1 => Named::F1,
        Keysym::F2 => Named::F2,
        Keysym::F3 => Named::F3,
        Keysym::F4 => Named::F4,
        Keysym::F5 => Named::F5,
        Keysym::F6 => Named::F6,
        Keysym::F7 => Named::F7,
        Keysym::F8 => Named::F8,
        Keysym::F9 => Named::F9,
        Keysym::F10 => Named::F10,
        Keysym::F11 => Named::F11,
        Keysym::F12 => Named::F12,
        other => {
            return match other.key_char().filter(|c| !c.is_control()) {
                Some(c) => Key::Character(SmolStr::new(c.encode_utf8(&mut [0; 4]))),
                None => Key::Unidentified,
            };
        }
    };
    Key::Named(named)
}

/// The place of the letter keys, by which shortcuts work on layouts without Latin letters.
/// `code` is the kernel's (evdev) key code.
fn physical(code: u32) -> key::Physical {
    use key::Code;
    const ROWS: [(u32, &[Code]); 3] = [
        (
            16,
            &[
                Code::KeyQ,
                Code::KeyW,
                Code::KeyE,
                Code::KeyR,
                Code::KeyT,
                Code::KeyY,
                Code::KeyU,
                Code::KeyI,
                Code::KeyO,
                Code::KeyP,
            ],
        ),
        (
            30,
            &[
                Code::KeyA,
                Code::KeyS,
                Code::KeyD,
                Code::KeyF,
                Code::KeyG,
                Code::KeyH,
                Code::KeyJ,
                Code::KeyK,
                Code::KeyL,
            ],
        ),
        (
            44,
            &[
                Code::KeyZ,
                Code::KeyX,
                Code::KeyC,
                Code::KeyV,
                Code::KeyB,
                Code::KeyN,
                Code::KeyM,
            ],
        ),
    ];
    ROWS.iter()
        .find_map(|(first, codes)| codes.get(code.checked_sub(*first)? as usize))
        .map_or(
            key::Physical::Unidentified(key::NativeCode::Xkb(code)),
            |c| key::Physical::Code(*c),
        )
}

/// A mouse button by its kernel code (`BTN_LEFT` is 0x110).
pub(super) fn button(code: u32) -> mouse::Button {
    match code {
        0x110 => mouse::Button::Left,
        0x111 => mouse::Button::Right,
        0x112 => mouse::Button::Middle,
        0x113 => mouse::Button::Back,
        0x114 => mouse::Button::Forward,
        other => mouse::Button::Other(other as u16),
    }
}

/// A turn of the wheel or a stroke of the touchpad. Wayland counts downwards, widgets upwards.
pub(super) fn scroll(horizontal: &AxisScroll, vertical: &AxisScroll) -> mouse::ScrollDelta {
    let lines = |axis: &AxisScroll| match (axis.value120, axis.discrete) {
        (0, discrete) => -(discrete as f32),
        (steps, _) => -(steps as f32) / 120.0,
    };
    let (x, y) = (lines(horizontal), lines(vertical));
    if x != 0.0 || y != 0.0 {
        mouse::ScrollDelta::Lines { x, y }
    } else {
        mouse::ScrollDelta::Pixels {
            x: -horizontal.absolute as f32,
            y: -vertical.absolute as f32,
        }
    }
}

/// The pointer's shape over a widget.
pub(super) fn cursor(interaction: mouse::Interaction) -> CursorIcon {
    use mouse::Interaction;
    match interaction {
        Interaction::Pointer => CursorIcon::Pointer,
        Interaction::Text => CursorIcon::Text,
        Interaction::Grab => CursorIcon::Grab,
        Interaction::Grabbing => CursorIcon::Grabbing,
        Interaction::Crosshair => CursorIcon::Crosshair,
        Interaction::NotAllowed | Interaction::NoDrop => CursorIcon::NotAllowed,
        Interaction::Wait => CursorIcon::Wait,
        Interaction::Progress => CursorIcon::Progress,
        Interaction::ResizingHorizontally | Interaction::ResizingColumn => CursorIcon::EwResize,
        Interaction::ResizingVertically | Interaction::ResizingRow => CursorIcon::NsResize,
        _ => CursorIcon::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(keysym: Keysym, raw_code: u32, utf8: Option<&str>) -> KeyEvent {
        KeyEvent {
            time: 0,
            raw_code,
            keysym,
            utf8: utf8.map(str::to_owned),
        }
    }

    #[test]
    fn a_letter_is_text_and_a_shortcut() {
        let typed = event(Keysym::C, 46, Some("C"));
        let keyboard::Event::KeyPressed {
            key,
            modified_key,
            physical_key,
            text,
            ..
        } = pressed(&typed, keyboard::Modifiers::SHIFT, false)
        else {
            panic!("not a press")
        };
        assert_eq!(key, Key::Character("c".into()));
        assert_eq!(modified_key, Key::Character("C".into()));
        assert_eq!(physical_key, key::Physical::Code(key::Code::KeyC));
        assert_eq!(text.as_deref(), Some("C"));
    }

    #[test]
    fn control_characters_are_not_text() {
        for (keysym, utf8) in [
            (Keysym::Return, "\r"),
            (Keysym::c, "\u{3}"),
            (Keysym::Escape, "\u{1b}"),
        ] {
            let keyboard::Event::KeyPressed { text, .. } = pressed(
                &event(keysym, 1, Some(utf8)),
                keyboard::Modifiers::empty(),
                false,
            ) else {
                panic!("not a press")
            };
            assert_eq!(text, None, "{utf8:?}");
        }
    }

    #[test]
    fn the_wheel_counts_in_lines_and_the_touchpad_in_pixels() {
        let wheel = AxisScroll {
            value120: 120,
            absolute: 15.0,
            ..AxisScroll::default()
        };
        let none = AxisScroll::default();
        assert_eq!(
            scroll(&none, &wheel),
            mouse::ScrollDelta::Lines { x: -0.0, y: -1.0 }
        );
        let pad = AxisScroll {
            absolute: 7.5,
            ..AxisScroll::default()
        };
        assert_eq!(
            scroll(&none, &pad),
            mouse::ScrollDelta::Pixels { x: -0.0, y: -7.5 }
        );
    }
}
