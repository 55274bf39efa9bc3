//! libFuzzer's program for the target of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sctp_fuzz::received_tsns(data));
