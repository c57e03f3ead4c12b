//! A headless back end that tests look into, and that does badly when they want it to.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::File,
    os::{fd::OwnedFd, unix::fs::FileExt},
    rc::Rc,
};

use argos_compositor::{
    Error,
    backend::{
        Backend, Outcome, RendererKind, Setup,
        headless::Headless,
        lease::{Card, Grant},
    },
    dmabuf::{Feedback, Targets},
    refresh::Ability,
    render::{Picture, Scene},
    smithay::{
        backend::allocator::dmabuf::Dmabuf,
        desktop::utils::OutputPresentationFeedback,
        output::Output,
        utils::{Buffer, Rectangle},
    },
};

/// What is noted, and what is wanted.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The screen keeps what it shows: every frame fails.
    pub(crate) stuck: Cell<bool>,
    /// How often a mirror was brought up to date.
    pub(crate) refreshed: Cell<u32>,
    /// Steps of a ramp of the gamma table.
    pub(crate) gamma_size: Cell<u32>,
    /// The name of each frame's output, in the order in which they were begun.
    pub(crate) begun: RefCell<Vec<String>>,
    /// The gamma table.
    pub(crate) gamma: RefCell<Option<Vec<u16>>>,
    /// Every frame is kept, to be looked at.
    pub(crate) keeps: Cell<bool>,
    /// What the screen shows, with everything that is in no picture for others.
    pub(crate) shown: RefCell<Option<Picture>>,
    /// Whether the refresh of outputs can follow their frames.
    pub(crate) ability: Cell<Ability>,
    /// What their refresh was told to do and did, in that order.
    pub(crate) varied: RefCell<Vec<bool>>,
    /// The display takes no other refresh, whatever it says.
    pub(crate) is_stubborn: Cell<bool>,
    /// Which buffers on the GPU programs are told to make.
    pub(crate) feedback: RefCell<Option<Feedback>>,
    /// The buffers on the GPU into which pictures are copied. Here they are files, and there is no GPU.
    pub(crate) targets: RefCell<Option<Targets>>,
    /// How many pictures were copied into such.
    pub(crate) copied: Cell<u32>,
    /// The graphics cards and what is given away of them.
    pub(crate) cards: RefCell<Vec<Card>>,
    /// The connectors of each lease that was given.
    pub(crate) given: RefCell<Vec<Vec<u32>>>,
    /// What the settings say of which outputs are given away.
    pub(crate) wanted_leases: RefCell<BTreeMap<String, bool>>,
}

impl Notes {
    /// A pixel of what the screen shows.
    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let shown = self.shown.borrow();
        shown.as_ref().expect("frames are kept").pixel(x, y)
    }
}

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Headless,
    pub(crate) notes: Rc<Notes>,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            inner: Headless::new().unwrap(),
            notes: Rc::default(),
        }
    }
}

impl Backend for Watched {
    fn renderer(&self) -> RendererKind {
        self.inner.renderer()
    }

    fn needs_pacing(&self) -> bool {
        self.inner.needs_pacing()
    }

    fn render(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Outcome, Error> {
        if self.notes.stuck.get() {
            return Err(Error::Render {
                renderer: "stuck",
                reason: "the test wants it so".into(),
            });
        }
        self.notes.begun.borrow_mut().push(output.name());
        let outcome = self.inner.render(scene, output)?;
        if self.notes.keeps.get() {
            *self.notes.shown.borrow_mut() = Some(self.inner.shown(output)?);
        }
        Ok(outcome)
    }

    fn test_setup(&self, output: &Output, setup: Option<Setup>) -> Result<(), Error> {
        self.inner.test_setup(output, setup)
    }

    fn variable_refresh(&self, _: &Output) -> Ability {
        self.notes.ability.get()
    }

    fn set_variable_refresh(&mut self, output: &Output, on: bool) -> Result<(), Error> {
        if on && self.notes.is_stubborn.get() {
            return Err(Error::Output {
                output: output.name(),
                reason: "the test wants it so".into(),
            });
        }
        let mut varied = self.notes.varied.borrow_mut();
        if varied.last().copied().unwrap_or(false) != on {
            varied.push(on);
        }
        Ok(())
    }

    fn gamma_size(&self, _: &Output) -> u32 {
        self.notes.gamma_size.get()
    }

    fn set_gamma(&mut self, _: &Output, table: Option<&[u16]>) -> Result<(), Error> {
        *self.notes.gamma.borrow_mut() = table.map(<[u16]>::to_vec);
        Ok(())
    }

    fn capture(&mut self, scene: &Scene<'_>, output: &Output) -> Result<Picture, Error> {
        self.inner.capture(scene, output)
    }

    fn refresh(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
    ) -> Result<Vec<Rectangle<i32, Buffer>>, Error> {
        self.notes.refreshed.set(self.notes.refreshed.get() + 1);
        self.inner.refresh(scene, output)
    }

    fn read(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
    ) -> Result<Vec<u8>, Error> {
        self.inner.read(scene, output, region)
    }

    fn copy_targets(&self) -> Option<Targets> {
        self.notes.targets.borrow().clone()
    }

    fn import_dmabuf(&mut self, _: &Dmabuf) -> bool {
        self.notes.targets.borrow().is_some()
    }

    fn copy(
        &mut self,
        scene: &Scene<'_>,
        output: &Output,
        region: Rectangle<i32, Buffer>,
        buffer: &mut Dmabuf,
    ) -> Result<(), Error> {
        let pixels = self.inner.read(scene, output, region)?;
        let plane = buffer.handles().next().unwrap();
        let file = File::from(plane.try_clone_to_owned().unwrap());
        file.write_all_at(&pixels, 0).unwrap();
        self.notes.copied.set(self.notes.copied.get() + 1);
        Ok(())
    }

    fn forget_mirrors(&mut self) {
        self.inner.forget_mirrors();
    }

    fn feedback(&self, _: &Output) -> Option<Feedback> {
        self.notes.feedback.borrow().clone()
    }

    fn cards(&self) -> Vec<Card> {
        self.notes.cards.borrow().clone()
    }

    fn open_card(&self, _: u64) -> Result<OwnedFd, Error> {
        Ok(tempfile::tempfile().unwrap().into())
    }

    fn give(&mut self, id: u64, connectors: &[u32]) -> Result<Grant, Error> {
        let mut given = self.notes.given.borrow_mut();
        given.push(connectors.to_vec());
        let lease = given.len() as u32;
        let mut cards = self.notes.cards.borrow_mut();
        let card = cards.iter_mut().find(|card| card.id == id).unwrap();
        card.leases.push(lease);
        let fd = tempfile::tempfile().unwrap().into();
        Ok(Grant { lease, fd })
    }

    fn take_back(&mut self, id: u64, lease: u32) {
        let mut cards = self.notes.cards.borrow_mut();
        let card = cards.iter_mut().find(|card| card.id == id).unwrap();
        card.leases.retain(|other| *other != lease);
    }

    fn follow_leases(&mut self, wanted: BTreeMap<String, bool>) {
        *self.notes.wanted_leases.borrow_mut() = wanted;
    }

    fn keep_feedback(&mut self, output: &Output, feedback: OutputPresentationFeedback) {
        self.inner.keep_feedback(output, feedback);
    }

    fn take_feedback(&mut self, output: &Output) -> Option<OutputPresentationFeedback> {
        self.inner.take_feedback(output)
    }
}
