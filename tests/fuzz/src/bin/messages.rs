//! libFuzzer on [`argos_fuzz::messages`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| argos_fuzz::messages(data));
