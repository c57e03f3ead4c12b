//! Both programs as they run in the image, with supervisors that tests script.

mod login;
mod session;
mod supervisor;
