//! The compositor on its headless back end, with real clients, all in one thread and without a
//! screen: [`fixture`] turns the crank of both sides.

mod capture;
mod fixture;
mod gamma;
mod heads;
mod input;
mod layers;
mod lock;
mod outputs;
mod pager;
mod power;
mod taskbar;
mod watched;
mod windows;
