//! A script of any content is refused with a place in it, or ends within its budget, the same each time.
//!
//! What a budget is in time and memory is said to the fuzzer: `-timeout=` and `-rss_limit_mb=`.
#![no_main]

use std::sync::LazyLock;

use homeostat_model::Value;
use homeostat_script::{ErrorKind, Sandbox};
use libfuzzer_sys::fuzz_target;

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(Sandbox::default);

fuzz_target!(|data: &[u8]| {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let inputs: [Value; 3] = [0.9.into(), "web-1".into(), true.into()];
    match SANDBOX.compile(source, inputs.len()) {
        Err(error) => {
            assert!(!error.message.is_empty(), "refused without a reason");
            assert_ne!(error.kind, ErrorKind::Failed, "nothing was run: {error}");
            let offset = error.offset.unwrap_or_default();
            assert!(source.get(offset..).is_some(), "{offset} is no place in {} bytes: {error}", source.len());
        }
        Ok(script) => {
            let first = SANDBOX.evaluate_data(&script, &inputs);
            let second = SANDBOX.evaluate_data(&script, &inputs);
            // As text, in which one that is not a number is equal to itself.
            assert_eq!(format!("{first:?}"), format!("{second:?}"), "two evaluations of one script differ");
            if let Err(error) = first {
                assert_ne!(error.kind, ErrorKind::Refused, "it was compiled: {error}");
            }
        }
    }
});
