//! `argos-init`: PID 1 in both stages, and the supervisor of each person's session.
//!
//! One program, four roles (see `main.rs`). It is one thread and one `calloop` loop. It holds no
//! async runtime, no D-Bus and no YAML: units arrive compiled, from a child, and everybody else
//! talks to it over the control socket. Nothing in the loop blocks or grows without bound, and a
//! panic, which is a bug, costs no more than the work that it was hit in.
//!
//! * [`machine`]: the service graph, which decides. Begin there.
//! * [`supervisor`]: the loop, which joins everything. [`starting`] and
//!   [`ending`]: how it comes up, and how it comes to its end.
//! * [`process`]: the real world behind the graph; [`spawn`] starts children, [`cgroup`] groups them,
//!   [`paths`] looks for files.
//! * [`conns`]: the control socket. [`notify`]: the notify socket. [`compile`]: the unit compiler.
//! * [`logs`]: what units print. [`console`]: what the supervisor says itself.
//! * [`system`], [`mounts`]: what only a machine's PID 1 does. [`initrd`]: the first stage.
//! * [`settings`]: paths and environment of each role. [`clock`], [`edge`]: time and bare syscalls.
//!   [`survive`]: what a bug may cost.

pub mod cgroup;
pub mod clock;
pub mod compile;
pub mod conns;
pub mod console;
pub mod edge;
pub mod ending;
pub mod initrd;
pub mod logs;
pub mod machine;
pub mod mounts;
pub mod notify;
pub mod paths;
pub mod process;
pub mod settings;
pub mod spawn;
pub mod starting;
pub mod supervisor;
pub mod survive;
pub mod system;
