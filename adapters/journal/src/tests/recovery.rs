//! What was under way when the journal ended: within one segment, and carried over from older ones.

use homeostat_model::{Hold, PlanResult};

use super::*;

fn load(generation: u32) -> Record {
    at(0, Entry::PoliciesLoaded { generation: Generation(generation), policies: vec![], texts: vec![] })
}

fn made(number: u64) -> Record {
    at(1, Entry::PlanMade(plan(number).into()))
}

fn ended(number: u64) -> Record {
    let plan = PlanId { generation: Generation(3), number };
    at(4, Entry::PlanFinished { plan, result: PlanResult::Cancelled { reason: "operator".into() } })
}

#[test]
fn recovery_names_the_newest_generation_and_the_open_plans() {
    let finding = FindingRef { policy: "p".parse().unwrap(), resource: "vm/v1".parse().unwrap() };
    let held = at(5, Entry::Held { finding, hold: Hold::Paused });
    let doubted = |number| {
        let plan = PlanId { generation: Generation(3), number };
        let result = StepResult::Unknown { reason: "nobody answers".into() };
        at(3, Entry::StepFinished { plan, step: StepId(1), result })
    };
    for (name, records, generation, open) in [
        ("nothing dispatched", vec![load(1), held], Some(1), vec![]),
        ("made", vec![load(3), made(1)], Some(3), vec![("p3-1", 0)]),
        ("a step is done", vec![load(3), made(1), dispatched(1, 1), finished(1, 1)], Some(3), vec![("p3-1", 2)]),
        ("ended", vec![load(3), made(1), dispatched(1, 1), finished(1, 1), ended(1)], Some(3), vec![]),
        ("ended in doubt", vec![made(2), dispatched(2, 1), doubted(2), ended(2)], Some(3), vec![("p3-2", 3)]),
        ("somebody has looked", vec![made(2), dispatched(2, 1), doubted(2), ended(2), ended(2)], Some(3), vec![]),
        ("a plan that the journal does not know", vec![load(9), dispatched(7, 1)], Some(9), vec![]),
        (
            "several, in order",
            vec![made(2), made(1), dispatched(2, 2), dispatched(2, 1), dispatched(1, 1)],
            Some(3),
            vec![("p3-1", 1), ("p3-2", 2)],
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
            let plans = recovered.open.iter().map(|open| (open.made.id.to_string(), open.history.len()));
            let expected: Vec<_> = open.iter().map(|(plan, history)| (String::from(*plan), *history)).collect();
            assert_eq!(plans.collect::<Vec<_>>(), expected, "{name}, a segment ends after {end}");
        }
    }
}

#[test]
fn a_plan_that_is_only_shown_is_not_carried_over() {
    let folder = scratch();
    let (journal, _) = open(folder.path()).unwrap();
    let mut shown = plan(1);
    shown.mode = Mode::Recommend;
    drop(journal.append(&[at(1, Entry::PlanMade(shown.into())), made(2)]).unwrap());
    drop(journal.roll(vec![]).unwrap());
    drop(journal);
    let text = fs::read_to_string(segment::path(folder.path(), 2)).unwrap();
    assert!(text.contains("p3-2") && !text.contains("p3-1"), "{text}");
}

#[test]
fn what_people_have_not_been_told_yet_is_known_wherever_a_segment_ends() {
    let channel = |name: &str| homeostat_model::ChannelName::new(name).unwrap();
    let notified = |number, to: &[&str]| {
        let Entry::Notified(mut notification) = note("m").entry else { panic!() };
        notification.id = NoticeId { generation: Generation(1), number };
        notification.to = to.iter().map(|name| channel(name)).collect();
        at(1, Entry::Notified(notification))
    };
    let delivered = |number, name: &str, given_up: Option<&str>| {
        let notification = NoticeId { generation: Generation(1), number };
        let given_up = given_up.map(Into::into);
        at(2, Entry::Delivered(homeostat_model::Delivery { notification, channel: channel(name), given_up }))
    };
    let records = [
        load(1),
        notified(1, &["pager", "chat"]),
        notified(2, &["chat"]),
        delivered(1, "chat", None),
        notified(3, &[]),
        delivered(2, "chat", Some("a day is over")),
        notified(4, &["pager"]),
    ];
    for end in 0..=records.len() {
        let folder = scratch();
        let (journal, _) = super::open(folder.path()).unwrap();
        let (before, after) = records.split_at(end);
        drop(journal.append(before).unwrap());
        drop(journal.roll(vec![]).unwrap());
        drop(journal.append(after).unwrap());
        drop(journal);
        let notices = opened(folder.path()).recovered.notices;
        let left: Vec<_> = notices.iter().map(|one| (one.id.to_string(), one.to.clone())).collect();
        let pager = BTreeSet::from([channel("pager")]);
        assert_eq!(
            left,
            [("n1-1".to_owned(), pager.clone()), ("n1-4".to_owned(), pager)],
            "a segment ends after {end}"
        );
    }
}
