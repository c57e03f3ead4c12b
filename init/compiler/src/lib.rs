//! The unit compiler: YAML files in, one checked [`Graph`](argos_units::Graph) out.
//!
//! It runs as a child of a supervisor, so that PID 1 holds no YAML parser and a file that breaks
//! the parser breaks only this process. A mistake in one file leaves that unit out (and what
//! requires it), with a message for people; the rest loads.
//!
//! * [`file`]: what may stand in a unit file, and its JSON Schema.
//! * [`value`]: the forms of times, sizes, shares and names in such a file.
//! * [`convert`]: from one file to one unit, with the rules that go across keys.
//! * [`layers`]: which files make up which unit.
//! * [`link`]: from units to a graph: templates, `wanted-by`, missing names, circles.

pub mod convert;
pub mod file;
pub mod layers;
pub mod link;
pub mod value;

use std::path::PathBuf;

use argos_units::Graph;

/// Whose units are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// PID 1's.
    System,
    /// A person's: nothing there may change its user.
    User,
}

/// Compiles the unit files in `folders`, later folders over earlier ones. A folder that is missing
/// is empty. Never fails as a whole: what is wrong is in [`Graph::problems`].
pub fn compile(scope: Scope, folders: &[PathBuf]) -> Graph {
    let mut problems = Vec::new();
    let sources = layers::find(folders, &mut problems);
    let mut parsed = Vec::new();
    for source in &sources {
        match layers::read(source).and_then(|file| convert::unit(scope, source, file)) {
            Ok(unit) => parsed.extend(unit),
            Err(problem) => problems.push(problem),
        }
    }
    link::link(parsed, problems)
}
