//! libFuzzer on [`argos_fuzz::compositor_settings`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::compositor_settings(data));
