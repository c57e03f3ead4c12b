//! The keys that every list has.

use iced_core::keyboard::{Key, Modifiers, key::Named};

/// What a key means for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKey {
    /// To the row so many below.
    Move(isize),
    /// Do what the chosen row is for.
    Enter,
    /// Away with what is in front.
    Escape,
}

/// What a pressed key means for a list; `page`: how many rows Page_Up and Page_Down go over.
pub fn list_key(key: &Key, modifiers: Modifiers, page: isize) -> Option<ListKey> {
    let Key::Named(named) = key else { return None };
    Some(match named {
        Named::Escape => ListKey::Escape,
        Named::Enter => ListKey::Enter,
        Named::ArrowDown => ListKey::Move(1),
        Named::ArrowUp => ListKey::Move(-1),
        Named::Tab => ListKey::Move(if modifiers.shift() { -1 } else { 1 }),
        Named::PageDown => ListKey::Move(page),
        Named::PageUp => ListKey::Move(-page),
        _ => return None,
    })
}
