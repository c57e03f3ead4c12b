//! libFuzzer on [`argos_fuzz::providers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::providers(data));
