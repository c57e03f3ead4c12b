//! Where frames go and input comes from.
//!
//! The rest of the compositor knows only [`Backend`]. [`drm`] is the screen of a machine or VM,
//! [`nested`] a window on another desktop, [`headless`] memory, for tests. A back end draws when
//! it is told to, reports flips by [`crate::state::State`]'s `flipped`, adds and removes outputs,
//! and feeds [`crate::state::State::process_input`].

mod copies;
pub mod drm;
pub mod headless;
pub mod lease;
pub mod nested;
mod planes;
pub mod renderer;
mod single;

use std::{collections::BTreeMap, fmt::Debug, os::fd::OwnedFd};

use smithay::{
    backend::{allocator::dmabuf::Dmabuf, renderer::element::RenderElementStates},
    desktop::utils::OutputPresentationFeedback,
    input::keyboard::LedState,
    output::{Mode, Output},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Buffer, Rectangle, Transform},
};

use crate::{
    arrangement::WantedMode,
    dmabuf::{Feedback, Targets},
    error::Error,
    refresh::Ability,
    render::{Picture, Scene},
};
pub use renderer::RendererKind;

/// What became of a frame.
#[derive(Debug)]
pub enum Outcome {
    /// It is on its way to the screen; the back end reports when it is there.
    Flipping(RenderElementStates),
    /// It is on the screen.
    Shown(RenderElementStates),
    /// Nothing on the screen would have changed, so nothing was drawn.
    Unchanged(RenderElementStates),
    /// The screen is somebody else's now (another virtual terminal).
    Away,
}

impl Outcome {
    /// The same with other states: those of what was drawn into something that is drawn now.
    fn with_states(self, states: RenderElementStates) -> Self {
        match self {
            Self::Flipping(_) => Self::Flipping(states),
            Self::Shown(_) => Self::Shown(states),
            Self::Unchanged(_) => Self::Unchanged(states),
            Self::Away => Self::Away,
        }
    }
}

/// How an output that is on is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Size and refresh rate.
    pub mode: Mode,
    /// How the display hangs.
    pub transform: Transform,
}

/// See the module's page.
pub trait Backend: Debug {
    /// What draws.
    fn renderer(&self) -> RendererKind;

    /// Name of the seat.
    fn seat_name(&self) -> String {
        "seat0".into()
    }

    /// Whether the compositor has to keep the frame rate down itself, because the back end shows
    /// frames as fast as they come.
    fn needs_pacing(&self) -> bool {
        true
    }

    /// Draws the scene on one of the back end's outputs.
    ///
    /// # Errors
    /// When drawing fails; the screen keeps what it shows.
    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error>;

    /// Draws the scene into memory.
    ///
    /// # Errors
    /// When drawing fails.
    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error>;

    /// Looks whether [`Self::set_up`] could be done.
    ///
    /// # Errors
    /// What cannot be done, and why.
    fn test_setup(&self, output: &Output, _setup: Option<Setup>) -> Result<(), Error> {
        Err(Error::Output {
            output: output.name(),
            reason: "this back end's outputs are as they are".to_owned(),
        })
    }

    /// Drives an output so from its next frame on, or switches it off. What the output itself says of
    /// its mode is changed afterwards, by the caller.
    ///
    /// # Errors
    /// What cannot be done, and why; the output is as it was.
    fn set_up(&mut self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        self.test_setup(output, setup)
    }

    /// Displays are driven with these modes of their own, by the names of their outputs, when they come. What was
    /// [set up](Self::set_up) of `others` since the start is not kept to any more.
    fn follow_modes(&mut self, _modes: BTreeMap<String, WantedMode>, _others: &[Output]) {}

    /// Whether an output's refresh can follow its frames.
    fn variable_refresh(&self, _output: &Output) -> Ability {
        Ability::Fixed
    }

    /// Has an output's refresh follow its frames from its next one on, or come at its mode's rate.
    ///
    /// # Errors
    /// What cannot be done, and why; the output is as it was.
    fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        if !on {
            return Ok(());
        }
        Err(Error::Output {
            output: output.name(),
            reason: "it has a fixed rate only".to_owned(),
        })
    }

    /// How many steps each of the three ramps of an output's gamma table has; 0 if it has no table.
    fn gamma_size(&self, _output: &Output) -> u32 {
        0
    }

    /// Sets an output's gamma table: the ramps for red, green and blue, one after the other, each of
    /// [`Self::gamma_size`] steps. Without a table it is a straight line.
    ///
    /// # Errors
    /// When the output has no table, or one of another size.
    fn set_gamma(&mut self, output: &Output, _table: Option<&[u16]>) -> Result<(), Error> {
        Err(Error::Output {
            output: output.name(),
            reason: "it has no gamma table".to_owned(),
        })
    }

    /// Brings the mirror of the scene's view of an output up to date, and says what of it changed since
    /// the last time; of one that is new, all. The rows of a mirror are those of the output's mode: an
    /// output that is turned has a mirror that is turned.
    ///
    /// # Errors
    /// When drawing fails; the next call begins with a new mirror.
    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error>;

    /// Reads a part of the mirror of the scene's view: for each pixel blue, green, red and a byte
    /// without meaning, rows from the top without gaps. The part must be inside of the mirror.
    ///
    /// # Errors
    /// When there is no mirror yet, or it cannot be read.
    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error>;

    /// The buffers on the GPU into which [`Self::copy`] copies; nothing where there are none.
    fn copy_targets(&self) -> Option<Targets> {
        None
    }

    /// Copies a part of the mirror of the scene's view into a client's buffer on the GPU, which has the part's size.
    /// The part must be inside of the mirror.
    ///
    /// # Errors
    /// When there is no mirror yet, or the buffer cannot be drawn into.
    fn copy(
        &mut self,
        _scene: &Scene<'_>,
        _output: &Output,
        _region: Rectangle<i32, Buffer>,
        _buffer: &mut Dmabuf,
    ) -> Result<(), Error> {
        Err(Error::Render {
            renderer: self.renderer().name(),
            reason: "it copies into no buffers on a GPU".to_owned(),
        })
    }

    /// Nobody needs the mirrors any more.
    fn forget_mirrors(&mut self);

    /// Uploads a new buffer as soon as it comes, where that saves time later.
    fn early_import(&mut self, _surface: &WlSurface) {}

    /// Whether a client's GPU buffer can be drawn.
    fn import_dmabuf(&mut self, _dmabuf: &Dmabuf) -> bool {
        false
    }

    /// The graphics cards of which programs may drive displays by themselves ([`lease`]).
    fn cards(&self) -> Vec<lease::Card> {
        Vec::new()
    }

    /// A descriptor of a card by which a program learns of its displays, and drives none.
    ///
    /// # Errors
    /// When there is none such.
    fn open_card(&self, _card: u64) -> Result<OwnedFd, Error> {
        Err(Error::Lease(
            "this back end drives no graphics card".to_owned(),
        ))
    }

    /// Gives displays of a card away, by the numbers of their connectors.
    ///
    /// # Errors
    /// When one of them is not there to be given, or the card cannot drive one more.
    fn give(&mut self, _card: u64, _connectors: &[u32]) -> Result<lease::Grant, Error> {
        Err(Error::Lease(
            "this back end drives no graphics card".to_owned(),
        ))
    }

    /// Takes back what was given by one lease.
    fn take_back(&mut self, _card: u64, _lease: u32) {}

    /// The displays with these names are given away, or never are; of others the kernel says whether they are for
    /// a desktop.
    fn follow_leases(&mut self, _wanted: BTreeMap<String, bool>) {}

    /// Which buffers on the GPU programs are to make for an output; nothing where these are not drawn.
    fn feedback(&self, _output: &Output) -> Option<Feedback> {
        None
    }

    /// Goes to another virtual terminal.
    fn change_vt(&mut self, _vt: i32) {}

    /// Sets up mice and touchpads in another way.
    fn set_pointers(&mut self, _settings: &crate::config::Pointer) {}

    /// Sets the lights of all keyboards.
    fn set_leds(&mut self, _leds: LedState) {}

    /// Keeps the clients' wish to hear when this output's frame is shown.
    fn keep_feedback(&mut self, output: &Output, feedback: OutputPresentationFeedback);

    /// Gives back what was kept for the frame that is shown now.
    fn take_feedback(&mut self, output: &Output) -> Option<OutputPresentationFeedback>;
}
