//! Any bytes as a recipe: read, chosen for a platform, its variables replaced.
#![no_main]

use device::inspect;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

fuzz_target!(|text: &[u8]| {
    let platform = BTreeMap::from([("os".into(), "linux".into()), ("architecture".into(), "amd64".into())]);
    let chosen = inspect::choose(text, &platform);
    if let Ok(chosen) = &chosen {
        inspect::read(text).expect("a recipe that is chosen from can be read");
        _ = inspect::interpolate(&chosen.lifecycle, &chosen.lifecycle, &["dependency"]);
    }
    if let Ok(text) = std::str::from_utf8(text)
        && let Ok(node) = inspect::Node::parse(text)
    {
        _ = inspect::is_requirement(text);
        drop(node.value());
    }
});
