//! What was under way when the journal ended: within one segment, and carried over from older ones.

use homeostat_model::{Hold, PlanResult};

use super::*;

fn load(generation: u32) -> Record {
    at(0, Entry::PoliciesLoaded { generation: Generation(generation), policies: vec![] })
}

fn made(number: u64) -> Record {
    at(1, Entry::PlanMade(plan(number)))
}

fn ended(number: u64) -> Record {
    let plan = PlanId { generation: Generation(3), number };
    at(4, Entry::PlanFinished { plan, result: PlanResult::Cancelled { reason: "operator".into() } })
}

#[test]
fn recovery_names_the_newest_generation_and_the_open_steps() {
    let finding = FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() };
    let held = at(5, Entry::Held { finding, hold: Hold::Paused });
    for (name, records, generation, open) in [
        ("nothing dispatched", vec![load(1), held], Some(1), vec![]),
        ("finished", vec![load(3), made(1), dispatched(1, 1), finished(1, 1)], Some(3), vec![]),
        (
            "open",
            vec![load(3), made(1), dispatched(1, 1), finished(1, 1), dispatched(1, 2)],
            Some(3),
            vec![("p3-1", 2, true)],
        ),
        ("called off while a step ran", vec![made(2), dispatched(2, 1), ended(2)], Some(3), vec![("p3-2", 1, true)]),
        (
            "called off, and then the step ended",
            vec![made(2), dispatched(2, 1), ended(2), finished(2, 1)],
            Some(3),
            vec![],
        ),
        ("plan made before the journal began", vec![load(9), dispatched(7, 1)], Some(9), vec![("p3-7", 1, false)]),
        (
            "several, in order",
            vec![made(2), made(1), dispatched(2, 2), dispatched(2, 1), dispatched(1, 1)],
            Some(3),
            vec![("p3-1", 1, true), ("p3-2", 1, true), ("p3-2", 2, true)],
        ),
    ] {
        // Wherever a segment ends, the same is known.
        for end in 0..=records.len() {
            let folder = scratch();
            let (journal, _) = super::open(folder.path()).unwrap();
            let (before, after) = records.split_at(end);
            drop(journal.append(before).unwrap());
            drop(journal.roll(vec![]).unwrap());
            drop(journal.append(after).unwrap());
            drop(journal);
            let found = opened(folder.path());
            assert_eq!(found.records, after, "{name}");
            let recovered = found.recovered;
            assert_eq!(recovered.last_generation, generation.map(Generation), "{name}");
            let steps = recovered.unfinished.iter().map(|s| (s.plan.to_string(), s.step.0, s.made.is_some()));
            let expected: Vec<_> = open.iter().map(|(plan, step, made)| (String::from(*plan), *step, *made)).collect();
            assert_eq!(steps.collect::<Vec<_>>(), expected, "{name}, a segment ends after {end}");
            for step in &recovered.unfinished {
                assert_eq!(step.key, IdempotencyKey::new(step.plan, step.step), "{name}");
            }
        }
    }
}

#[test]
fn a_plan_that_is_only_shown_is_not_carried_over() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let mut shown = plan(1);
    shown.mode = Mode::Recommend;
    drop(journal.append(&[at(1, Entry::PlanMade(shown)), made(2)]).unwrap());
    drop(journal.roll(vec![]).unwrap());
    drop(journal);
    let text = fs::read_to_string(segment::path(folder.path(), 2)).unwrap();
    assert!(text.contains("p3-2") && !text.contains("p3-1"), "{text}");
}
