//! Any text as a script, with its first line as the configuration that it refers to.
#![no_main]

use device::inspect;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let (configuration, script) = text.split_once('\n').unwrap_or(("{}", text));
    let configuration: Value = serde_json::from_str(configuration).unwrap_or_default();
    let Ok((replaced, complaints)) = inspect::interpolate(&script.into(), &configuration, &["d"]) else { return };
    let replaced = replaced.as_str().expect("a text stays a text");
    if !script.contains('{') {
        assert_eq!((replaced, complaints), (script, 0));
    }
});
