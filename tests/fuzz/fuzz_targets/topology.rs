//! A topology file of any text gives a topology that can be drawn and whose tests run, or faults
//! that can be shown; never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tallyd_runtime::test_driver;
use tallyd_topology::{dot, mermaid, parse};

fuzz_target!(|text: &str| {
    match parse("fuzz.toml", text, &|name| (name != "UNSET").then(|| "value".to_owned())) {
        Err(faults) => {
            assert!(!faults.faults.is_empty());
            assert!(faults.faults.iter().all(|fault| fault.span.end <= text.len() + 1));
            assert!(!faults.render(false).is_empty());
        }
        Ok(topology) => {
            assert!(!mermaid(&topology).is_empty() && !dot(&topology).is_empty());
            let topology = Arc::new(topology);
            for test in &topology.tests {
                test_driver::run(&topology, test_driver::entries(test)).expect("frames");
            }
        }
    }
});
