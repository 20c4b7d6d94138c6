//! The target `filter` for libfuzzer; its body is in src/.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| karin_gateway_fuzz::filter(bytes));
