//! Policy files of any content end in policies and problems that can be shown.
#![no_main]

use std::{collections::BTreeSet, sync::LazyLock};

use homeostat_fuzz::{can_be_shown, catalogue};
use homeostat_policy::{Catalogue, SourceText, UnknownMetrics, load};
use libfuzzer_sys::fuzz_target;

static REFUSING: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Refuse).unwrap());
static ALLOWING: LazyLock<Catalogue> = LazyLock::new(|| catalogue(UnknownMetrics::Allow).unwrap());

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let sources = [SourceText { name: "fuzzed.yaml".into(), text: text.to_owned() }];
    let refused = load(&sources, &REFUSING);
    let allowed = load(&sources, &ALLOWING);
    can_be_shown(text, &refused.problems);
    can_be_shown(text, &allowed.problems);
    let names: BTreeSet<_> = allowed.policies.iter().map(|policy| &policy.name).collect();
    for policy in &refused.policies {
        assert!(policy.on.is_some() || policy.when.is_some(), "{} has no trigger", policy.name);
        assert!(!policy.then.is_empty(), "{} does nothing", policy.name);
        assert!(names.contains(&policy.name), "{} is refused by the catalogue that allows more", policy.name);
    }
});
