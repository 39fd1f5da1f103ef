//! Files of policy tests of any content end in tests and problems that can be shown, the same each time.
#![no_main]

use homeostat_fuzz::can_be_shown;
use homeostat_policy::{SourceText, load_tests};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = [SourceText { name: "fuzzed.test.yaml".into(), text: text.to_owned() }];
    let (tests, problems) = load_tests(&sources);
    can_be_shown(text, &problems);
    let (again, _) = load_tests(&sources);
    assert_eq!(format!("{tests:?}"), format!("{again:?}"), "one file is read in two ways");
});
