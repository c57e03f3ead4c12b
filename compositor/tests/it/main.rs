//! The compositor on its headless back end, with real clients, all in one thread and without a
//! screen: [`fixture`] turns the crank of both sides, [`devices`] makes input.

mod devices;
mod fixture;
mod input;
mod layers;
mod lock;
mod outputs;
mod protocols;
mod rules;
mod settings;
mod tiling;
mod windows;
