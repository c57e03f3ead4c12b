//! A client by hand, and what every client binds.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
};

use crate::wire::{
    Arg::{I, U},
    Wire, memory,
};

/// `wl_shm`'s format with an alpha channel: nothing is hidden by what is drawn, so that others go on being drawn.
const ARGB: u32 = 0;

/// A connection with the objects that windows are made by.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub wire: Wire,
    /// `wl_compositor`.
    pub compositor: u32,
    /// `wl_shm`.
    pub shm: u32,
    /// `xdg_wm_base`.
    pub wm_base: u32,
}

/// A window's surface, `xdg_surface` and `xdg_toplevel`.
pub type Window = (u32, u32, u32);

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, what.to_owned())
}

/// Each of these fails when the compositor hung up, or reads nothing for a while.
impl Client {
    /// Connects, and binds what every client binds.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        let mut wire = Wire::new(socket)?;
        let mut bind = |name: &str| wire.bind(name)?.ok_or_else(|| missing(name));
        Ok(Self {
            compositor: bind("wl_compositor")?,
            shm: bind("wl_shm")?,
            wm_base: bind("xdg_wm_base")?,
            wire,
        })
    }

    /// Binds a global that has to be offered.
    pub fn bind(&mut self, name: &str) -> io::Result<u32> {
        self.wire.bind(name)?.ok_or_else(|| missing(name))
    }

    /// A new surface.
    pub fn surface(&mut self) -> io::Result<u32> {
        self.wire.make(self.compositor, 0, &[])
    }

    /// Commits a surface.
    pub fn commit(&mut self, surface: u32) -> io::Result<()> {
        self.wire.send(surface, 6, &[])
    }

    /// A region of so many rectangles that do not touch each other's places.
    pub fn region(&mut self, rectangles: usize) -> io::Result<u32> {
        let region = self.wire.make(self.compositor, 1, &[])?;
        for number in 0..rectangles {
            self.add(region, number)?;
        }
        Ok(region)
    }

    /// Adds the rectangle with that number to a region.
    pub fn add(&mut self, region: u32, number: usize) -> io::Result<()> {
        let at = [I(number as i32 % 640), I(number as i32 / 640), I(1), I(1)];
        self.wire.send(region, 1, &at)
    }

    /// A pool of what is behind a descriptor, which may not be memory.
    pub fn pool_of(&mut self, fd: OwnedFd, size: i32) -> io::Result<u32> {
        self.wire.pass(fd);
        self.wire.make(self.shm, 0, &[I(size)])
    }

    /// A pool of new memory, sent at once: one descriptor with each message.
    pub fn pool(&mut self, size: i32) -> io::Result<u32> {
        let pool = self.pool_of(memory(size as u64)?, size)?;
        self.wire.flush()?;
        Ok(pool)
    }

    /// A buffer at the beginning of a pool.
    pub fn buffer(&mut self, pool: u32, width: i32, height: i32) -> io::Result<u32> {
        let args = [I(0), I(width), I(height), I(width * 4), U(ARGB)];
        self.wire.make(pool, 0, &args)
    }

    /// A small buffer with a pool of its own.
    pub fn small(&mut self) -> io::Result<u32> {
        let pool = self.pool(64 * 64 * 4)?;
        self.buffer(pool, 64, 64)
    }

    /// A window that asked for its first configure.
    pub fn toplevel(&mut self) -> io::Result<Window> {
        let surface = self.surface()?;
        let xdg = self.wire.make(self.wm_base, 2, &[U(surface)])?;
        let toplevel = self.wire.make(xdg, 1, &[])?;
        self.commit(surface)?;
        Ok((surface, xdg, toplevel))
    }

    /// A window with content.
    pub fn window(&mut self) -> io::Result<Window> {
        let window = self.toplevel()?;
        let (surface, xdg, _) = window;
        let serial = self.wire.hears_of(xdg)?;
        self.wire.send(xdg, 4, &[U(serial)])?;
        let buffer = self.small()?;
        self.wire.send(surface, 1, &[U(buffer), I(0), I(0)])?;
        self.wire.send(surface, 2, &[I(0), I(0), I(64), I(64)])?;
        self.commit(surface)?;
        Ok(window)
    }

    /// A positioner that is complete.
    pub fn positioner(&mut self) -> io::Result<u32> {
        let positioner = self.wire.make(self.wm_base, 1, &[])?;
        self.wire.send(positioner, 1, &[I(10), I(10)])?;
        self.wire.send(positioner, 2, &[I(0), I(0), I(1), I(1)])?;
        Ok(positioner)
    }
}
