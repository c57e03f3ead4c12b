//! The unit model: what the unit compiler writes, PID 1 runs and the control socket reports.
//!
//! This crate is data and pure functions only. Reading YAML is the unit compiler's work
//! (`init/compiler`), running units is `argos-init`'s (`init`), talking about them is the control
//! protocol's (`init/control`). It is kept small because PID 1 links it.
//!
//! * [`graph`]: units and the graph they form.
//! * [`codec`]: the versioned, size-limited form in which a graph crosses to PID 1.
//! * [`status`]: the states in which a unit can be, as reported to others.
//! * [`transient`]: units that are described over the control socket instead of in a file.
//! * [`exec`]: what `argos-exec` is told about the child that it sets up.
//! * [`name`]: which names units may have.

pub mod codec;
pub mod exec;
pub mod graph;
pub mod name;
pub mod status;
pub mod transient;

pub use exec::{Directory, ExecSpec};
pub use graph::{
    Graph, GraphError, Kind, Limits, Mount, PathWatch, Problem, Process, Readiness, Restart,
    Socket, Timer, Unit,
};
pub use status::{UnitState, UnitStatus};
pub use transient::TransientUnit;
