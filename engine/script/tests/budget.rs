//! The budget is one of time, whatever a single operation costs.
#![expect(clippy::disallowed_types, reason = "the time is what is tested; the engine itself has no clock")]

use std::time::{Duration, Instant};

use homeostat_script::Sandbox;

/// Many times what the slowest script takes without optimisation on a busy machine. With a budget of 100,000 operations over
/// texts of 16 KiB and lists of 1,000 elements, the second script took 7 seconds with optimisation and minutes without.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn operations_that_are_dear_end_the_script_in_time_too() {
    let sandbox = Sandbox::default();
    for source in [
        "let text = \"\"; text.pad(4000, \"a\"); loop { text.index_of(\"b\"); }",
        "let list = []; list.pad(256, 0.5); loop { list.to_string(); }",
        "let list = []; list.pad(25, 0.5); let lists = []; lists.pad(8, list); loop { `${lists}`; }",
        "let list = []; list.pad(256, 0.5); loop { let copy = list; copy[0] = 1.0; copy.sort(); }",
        "let bytes = blob(256, 1); loop { bytes.to_string(); }",
        "let list = [2, 1]; loop { list.sort(|a, b| list.len); }",
    ] {
        let script = sandbox.compile(source, 0).unwrap();
        let began = Instant::now();
        let ended = sandbox.evaluate(&script, &[]);
        assert!(ended.is_err(), "{source} gave {ended:?}");
        assert!(began.elapsed() < PATIENCE, "{source} took {:?}", began.elapsed());
    }
}
