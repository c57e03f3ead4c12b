//! The tools as the broker uses them: real arguments, real files, the real worker, and services
//! that answer over a real connection.

mod contract;
mod desktop;
mod files;
mod hostile;
mod rig;
mod services;
mod worker;
