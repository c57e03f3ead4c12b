//! libFuzzer on [`argos_fuzz::wayland`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::wayland(data));
