//! People are told once of each plan that waits for them; and that it is over, however it comes that nobody has to say anything more.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{CRASH, at, centre, chat, guard, policies, policy};
use homeostat_engine::{Engine, Generation, Input, OperatorCommand, Output, Past};
use homeostat_model::*;
use homeostat_simulator::AssumedWorld;

/// An engine with what it has said, and when.
struct Site {
    engine: Engine,
    said: Vec<(u64, Output)>,
}

impl Site {
    fn new(generation: u32, yaml: &str, begins: u64) -> Self {
        let mut site = Self { engine: Engine::new(Generation(generation)), said: Vec::new() };
        site.replace(begins, yaml);
        site
    }

    /// One with a machine on each of two hosts, and somebody who wants to know of everything. A machine has crashed at second 10.
    fn crashed(yaml: &str) -> Self {
        let mut site = Self::new(1, yaml, 0);
        site.observe(0);
        site.handle(0, Input::Channels(vec![chat()]));
        site.event(10, "vm/a0");
        site
    }

    fn observe(&mut self, second: u64) {
        let world = AssumedWorld::new(AdapterName::new("assumed").unwrap(), centre(1), Vec::new());
        world.announcements().into_iter().for_each(|input| self.handle(second, input));
    }

    fn heard(&mut self, second: u64, hear: impl FnOnce(&mut Engine, &mut Vec<Output>)) {
        let mut out = Vec::new();
        hear(&mut self.engine, &mut out);
        self.said.extend(out.into_iter().map(|output| (second, output)));
    }

    fn handle(&mut self, second: u64, input: Input) {
        self.heard(second, |engine, out| engine.handle(at(second), input, out));
    }

    fn replace(&mut self, second: u64, yaml: &str) {
        self.heard(second, |engine, out| engine.replace_policies(at(second), &policies(yaml), out).unwrap());
    }

    fn event(&mut self, second: u64, resource: &str) {
        let (id, attributes, time) = (String::new(), Default::default(), at(second));
        let event = Event {
            resource: resource.parse().unwrap(),
            event_type: EventType::new("vm.crashed").unwrap(),
            time,
            id,
            attributes,
        };
        self.handle(second, Input::Observed(Observation::Event(event)));
    }

    fn vote(&mut self, second: u64, by: &str, approve: bool) {
        let plan = PlanId { generation: Generation(1), number: 1 };
        self.handle(second, Input::Operator(OperatorCommand::Vote { plan, by: by.into(), approve, hash: None }));
    }

    fn until(&mut self, second: u64) {
        self.heard(second, |engine, out| engine.advance(at(second), out));
    }

    fn records(&self) -> Vec<Record> {
        let record = |(_, output): &(u64, Output)| match output {
            Output::Record(record) => Some(record.clone()),
            _ => None,
        };
        self.said.iter().filter_map(record).collect()
    }

    /// What people are told and asked of it. What is known of that is the same as what follows from the records.
    fn people(&self) -> Vec<String> {
        let told = |(second, output): &(u64, Output)| match output {
            Output::Notify(notice) => Some(format!("{second}s {} asks: {}", notice.id, notice.message)),
            Output::Stands(notice) => Some(format!("{second}s {} stands", notice.id)),
            Output::Resolved(topic) => Some(format!("{second}s {topic} is over")),
            _ => None,
        };
        self.said.iter().filter_map(told).collect()
    }
}

fn waits(more: &str) -> String {
    policy("crash", &format!("{CRASH}mode: approve\n{more}then: [restart]"))
}

const ASKS: &str = "10s n1-1 asks: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again";
const OVER: &str = "plan p1-1 of crash on vm/a0 is over";

/// What people are told, but for the hash.
fn told(site: &Site) -> Vec<String> {
    site.people().into_iter().map(|line| line.split("; its hash").next().unwrap().to_owned()).collect()
}

#[test]
fn people_are_asked_once_with_all_that_they_need_to_answer() {
    let mut site = Site::crashed(&waits("approval: {quorum: 2, within: 4h, otherwise: approve}\n"));
    site.until(100);
    // Channels that are started anew are told that it stands; nobody is asked anew.
    site.handle(101, Input::Channels(vec![chat()]));
    let notices: Vec<Notification> = site
        .records()
        .into_iter()
        .filter_map(|record| match record.entry {
            Entry::Notified(notice) => Some(*notice),
            _ => None,
        })
        .collect();
    assert_eq!(notices.len(), 1, "once");
    let plan = PlanId { generation: Generation(1), number: 1 };
    let hash = site.engine.plan(plan).unwrap().hash;
    let asks =
        Question { plan, hash: hash.clone(), quorum: 2, until: Some(at(10 + 4 * 3600)), otherwise: Otherwise::Approve };
    assert_eq!((notices[0].asks.as_ref(), notices[0].severity), (Some(&asks), Severity::Info));
    assert_eq!(
        site.people(),
        [
            format!(
                "10s n1-1 asks: plan p1-1 waits for approval by 2 people within 4h, after which it begins all the same: restart vm/a0, \
                 1 step; then vm/a0 runs again; its hash is {hash}"
            ),
            "101s n1-1 stands".into()
        ]
    );
}

#[test]
fn what_people_were_asked_is_over_when_they_have_answered_or_the_plan_is_right_no_more() {
    let check = |more: &str, what: &dyn Fn(&mut Site), expected: &[&str]| {
        let mut site = Site::crashed(&waits(more));
        what(&mut site);
        let told = told(&site);
        assert_eq!(told[1..], *expected, "{more}");
        // Whoever knows the records knows whether people are still asked.
        let past = |past: Past, since: Vec<Record>| {
            let mut next = Site::new(2, &waits(more), 20_000);
            next.handle(20_000, Input::Recalled { past: Box::new(past), since });
            next.people()
        };
        assert_eq!(past(Past::default(), site.records()), past(site.engine.past(), Vec::new()), "{more}");
    };
    let over = |second: u64| format!("{second}s {OVER}");
    check("", &|site| site.vote(20, "ann", true), &[&over(20)]);
    check("", &|site| site.vote(20, "ann", false), &[&over(20)]);
    let cancel = OperatorCommand::Cancel { plan: PlanId { generation: Generation(1), number: 1 }, by: "ann".into() };
    check("", &|site| site.handle(20, Input::Operator(cancel.clone())), &[&over(20)]);
    let two = "approval: {quorum: 2, within: 1h}\n";
    check(two, &|site| site.vote(20, "ann", true), &[]);
    let both =
        |site: &mut Site| ["ann", "ann", "ben"].iter().zip(20..).for_each(|(by, second)| site.vote(second, by, true));
    check(two, &both, &[&over(22)]);
    // The ladder goes on, and is at its end.
    let handed = "3610s n1-2 asks: a person has to go on with vm/a0: the ladder is at its end: restart";
    check(two, &|site| site.until(3610), &[&over(3610), handed, "3610s crash on vm/a0 is over"]);
    check("approval: {within: 1h, otherwise: approve}\n", &|site| site.until(3610), &[&over(3610)]);
    // Another plan is right by now, about which people are asked anew.
    let edited = waits("description: edited\n");
    check("", &|site| site.replace(20, &edited), &[&over(20)]);
}

#[test]
fn who_has_approved_is_not_asked_while_a_guard_holds_the_plan_back() {
    let night = guard("night", "select: {kind: vm}\nbudgets: [{max: 0}]");
    let mut site = Site::crashed(&[waits(""), night].concat());
    site.vote(20, "ann", true);
    assert_eq!(told(&site), [ASKS, &format!("20s {OVER}")]);
    assert!(site.engine.plan(PlanId { generation: Generation(1), number: 1 }).unwrap().held.is_some());
}

#[test]
fn a_plan_that_waits_when_homeostat_ends_is_over_after_the_next_start_and_the_next_one_is_asked_about() {
    let yaml = policy("down", "select: {kind: vm}\nwhen: state == \"stopped\"\nmode: approve\nthen: [restart]");
    let stopped = |site: &mut Site, second| {
        let mut vm = bench::vm("vm/a0", "host/a", 1.0);
        vm.attributes.insert("state".into(), "stopped".into());
        vm.adapter = Some(AdapterName::new("assumed").unwrap());
        let change = InventoryChange::Upsert(vm);
        site.handle(second, Input::Observed(Observation::Inventory(change)));
    };
    let mut site = Site::new(1, &yaml, 0);
    site.handle(0, Input::Channels(vec![chat()]));
    site.observe(0);
    stopped(&mut site, 10);
    let records = site.records();
    let mut open = OpenPlans::default();
    records.iter().for_each(|record| open.apply(record));

    let mut next = Site::new(2, &yaml, 100);
    next.handle(100, Input::Channels(vec![chat()]));
    let since = records.iter().filter(|record| Past::concerns(&record.entry)).cloned().collect();
    next.handle(100, Input::Recalled { past: Box::default(), since });
    open.into_plans().into_iter().for_each(|plan| next.handle(100, Input::Recovered(Box::new(plan))));
    // It had not reached them: they hear of it, and that it is over.
    let undelivered = site.said.iter().find_map(|(_, output)| match output {
        Output::Notify(notice) => Some(notice.clone()),
        _ => None,
    });
    next.handle(100, Input::Undelivered(Box::new(undelivered.unwrap())));
    next.observe(101);
    stopped(&mut next, 102);
    assert_eq!(
        told(&next),
        [
            "100s n1-1 stands",
            "100s plan p1-1 of down on vm/a0 is over",
            "100s n1-1 asks: plan p1-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again",
            "100s plan p1-1 of down on vm/a0 is over",
            "102s n2-1 asks: plan p2-1 waits for approval: restart vm/a0, 1 step; then vm/a0 runs again",
        ]
    );
}
