#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ipam_tests::parsers::kubernetes(data));
