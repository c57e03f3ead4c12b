//! Drives a booted ArgOS as a person would: typed keys and a pointer by QEMU's monitor, eyes by
//! screenshots, and, since the tests have to know what a person cannot see, a root shell that only
//! the test profile's image has.
//!
//! [`machine::Machine`] is the virtual machine, [`screen::Screen`] a picture of its screen,
//! [`scenario`] what is run and how a failure is kept. The scenarios themselves are in the program.

pub mod keys;
pub mod machine;
pub mod qmp;
pub mod scenario;
pub mod screen;
pub mod shell;
