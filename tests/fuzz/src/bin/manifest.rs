//! libFuzzer on [`argos_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::manifest(data));
