//! libFuzzer on [`argos_fuzz::arguments`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::arguments(data));
