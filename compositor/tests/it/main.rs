//! The compositor on its headless back end, with real clients, all in one thread and without a
//! screen: [`fixture`] turns the crank of both sides, [`devices`] makes input.

mod access;
mod capture;
mod devices;
mod dmabuf;
mod fixture;
mod gamma;
mod greeter;
mod heads;
mod hostile;
mod idling;
mod input;
mod layers;
mod leases;
mod limits;
mod lock;
mod motion;
mod night;
mod outputs;
mod overview;
mod pager;
mod power;
mod protocols;
mod refresh;
mod rules;
mod settings;
mod switcher;
mod taskbar;
mod tiling;
mod virtual_pointer;
mod watched;
mod windows;
mod xwayland;
mod zoom;
