//! Promise 12: what no adapter can do is an error when a policy loads, not a surprise later.

use std::collections::BTreeSet;

use homeostat_model::*;
use homeostat_policy::{Catalogue, SourceText, UnknownMetrics, load};

use crate::{
    draw::Draw,
    scene::Scene,
    watch::{Fact, Watch},
};

#[test]
fn nothing_is_dispatched_that_its_adapter_cannot_do() {
    crate::sweep::holds(12);
}

/// Each response, what it is done to, and what it takes.
const RESPONSES: [(&str, &str, &[Verb]); 12] = [
    ("restart:", "vm", &[Verb::Restart]),
    ("start:", "vm", &[Verb::Start]),
    ("stop:", "vm", &[Verb::Stop]),
    ("pause:", "vm", &[Verb::Pause]),
    ("unpause:", "vm", &[Verb::Pause]),
    ("kill:", "vm", &[Verb::Kill]),
    ("recreate:", "vm", &[Verb::Recreate]),
    ("resize: {vcpus: 2}", "vm", &[Verb::Resize]),
    ("resize: {memory: +1Gi}", "vm", &[Verb::Resize]),
    ("migrate:", "vm", &[Verb::Migrate]),
    ("fisicalize: {pool: micro}", "vm", &[Verb::Migrate]),
    ("notify: {message: hello}", "vm", &[]),
];

#[test]
fn a_policy_is_refused_exactly_when_no_adapter_can_do_what_it_wants() {
    let mut refused = 0;
    for seed in 0..2_000 {
        let mut draw = Draw::new(seed, 12);
        let verbs: BTreeSet<Verb> = Verb::ALL.into_iter().filter(|_| draw.chance(60)).collect();
        let kind =
            KindCapability { verbs: verbs.clone(), attributes: ["state".into()].into(), ..KindCapability::default() };
        let kinds = [(Kind::new("vm").unwrap(), kind)].into();
        let offered = Capabilities { adapter: AdapterName::new("drawn").unwrap(), kinds };
        let (response, kind, needs) = draw.pick(&RESPONSES);
        let spec = format!("select: {{kind: {kind}}}\nwhen: state == \"odd\"\nthen:\n  - {response}");
        let source = SourceText { name: "drawn.yaml".into(), text: crate::bench::policy("one", &spec) };
        let loaded = load(&[source], &Catalogue::new(UnknownMetrics::Refuse).with(&offered));
        let can = needs.iter().all(|verb| verbs.contains(verb));
        assert_eq!(
            loaded.policies.len(),
            usize::from(can),
            "seed {seed}: {response} with {verbs:?}: {:#?}",
            loaded.problems
        );
        assert_eq!(loaded.problems.is_empty(), can, "seed {seed}: {:#?}", loaded.problems);
        refused += usize::from(!can);
    }
    assert!((200..1_800).contains(&refused), "{refused}: this would not notice");
}

#[derive(Debug)]
pub(crate) struct Watcher;

impl Watch for Watcher {
    fn promise(&self) -> usize {
        12
    }

    fn see(&mut self, scene: &Scene, fact: &Fact<'_>) -> Result<(), String> {
        let Fact::Dispatched(command, _) = fact else { return Ok(()) };
        let can = |offered: &Capabilities| {
            offered.adapter == command.adapter && offered.can(command.resource.kind(), command.action.verb())
        };
        match scene.capabilities.as_ref().is_some_and(can) {
            true => Ok(()),
            false => Err(format!("{} is dispatched: {}, which its adapter cannot do", command.key, command.action)),
        }
    }
}
