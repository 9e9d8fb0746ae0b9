//! Any bytes as the document of a deployment's job.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    _ = device::inspect::is_deployment(text);
});
