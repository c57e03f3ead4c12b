//! The tools as the broker uses them: real arguments, real files, the real worker, and services
//! that answer over a real connection.

mod changes;
mod contract;
mod desktop;
mod files;
mod hostile;
mod rig;
mod search;
mod services;
mod worker;
