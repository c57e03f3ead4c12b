//! Wayland clients that mean harm. They write to their sockets by hand ([`wire`]), since no client library
//! lets a program do what they do. [`client::Client`] does by hand what all of them begin with.
//!
//! `compositor/tests/it/hostile.rs` sets them on a running compositor, and so does `tests/bench/desktop`, which
//! measures.

mod attacks;
pub mod client;
pub mod wire;

use std::{
    io,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
};

/// What a client does to the compositor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attack {
    /// Has windows configured over and over and acknowledges nothing.
    NeverAcks,
    /// Commits without waiting for frames: windows, subsurfaces whose parent is never committed, commits
    /// that wait for a frame.
    FloodsCommits,
    /// Pools and buffers of the largest size, extreme damage, viewports, scales and regions.
    GiantBuffers,
    /// Destroys what others still need, in every order.
    WrongOrder,
    /// Sends descriptors that are no memory, are too short, or shrink afterwards.
    BadDescriptors,
    /// Makes a million objects.
    MillionObjects,
    /// Never reads what the compositor answers.
    NeverReads,
    /// Sets a title of 4 KB a million times.
    FloodsTitles,
    /// Thousands of subsurfaces, popups and panels, next to and on top of each other.
    ManySurfaces,
    /// Offers a selection in endless types, sets icons, and composes text without an end.
    FloodsOffers,
}

impl Attack {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NeverAcks,
        Self::FloodsCommits,
        Self::GiantBuffers,
        Self::WrongOrder,
        Self::BadDescriptors,
        Self::MillionObjects,
        Self::NeverReads,
        Self::FloodsTitles,
        Self::ManySurfaces,
        Self::FloodsOffers,
    ];

    /// In words that a table has room for.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverAcks => "never acknowledges",
            Self::FloodsCommits => "floods commits",
            Self::GiantBuffers => "giant buffers",
            Self::WrongOrder => "wrong order",
            Self::BadDescriptors => "bad descriptors",
            Self::MillionObjects => "a million objects",
            Self::NeverReads => "never reads",
            Self::FloodsTitles => "floods titles",
            Self::ManySurfaces => "many surfaces",
            Self::FloodsOffers => "floods offers",
        }
    }

    /// Does it until `stop` is set, over a new connection whenever the compositor hangs up. Returns how often
    /// it did.
    ///
    /// # Errors
    /// When no connection can be made.
    pub fn run(
        self,
        mut connect: impl FnMut() -> io::Result<UnixStream>,
        stop: &AtomicBool,
    ) -> io::Result<u32> {
        let mut thrown_out = 0;
        while !stop.load(Ordering::Relaxed) {
            let socket = connect()?;
            // How it ends is the compositor's decision.
            let _ = attacks::attack(self, socket, stop);
            thrown_out += 1;
        }
        Ok(thrown_out - 1)
    }
}
