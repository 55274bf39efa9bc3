//! libFuzzer's program for the target of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sctp_fuzz::data_and_i_data(data));
