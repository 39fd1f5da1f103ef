//! A bench for the engine: inputs are written, decisions are told in lines and compared with what a test expects.

#![allow(dead_code, reason = "every test program compiles this module and uses a part of it")]

use std::{fmt::Write as _, sync::Arc};

use expect_test::Expect;
use homeostat_engine::{Generation, Input, OperatorCommand, Past};
use homeostat_model::*;
use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics, load};
use homeostat_simulator::{AssumedWorld, Assumption, VirtualDriver, World as _};

/// A small data centre under some policies, at second 0.
pub(crate) struct Bench {
    pub(crate) driver: VirtualDriver<AssumedWorld>,
    told: usize,
}

pub(crate) fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(0) + Duration::from_secs(seconds)
}

pub(crate) fn host(name: &str, cores: f64, attributes: &[(&str, Value)]) -> Resource {
    let mut host = Resource::named(id(name));
    host.capacity = Capacity { vcpus: Some(cores), memory_bytes: Some(64 << 30) };
    host.attributes.insert("state".into(), "up".into());
    host.attributes.extend(attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    host
}

pub(crate) fn vm(name: &str, on: &str, vcpus: f64) -> Resource {
    let mut vm = Resource::named(id(name));
    vm.on = Some(id(on));
    vm.capacity = Capacity { vcpus: Some(vcpus), memory_bytes: Some(8 << 30) };
    vm.attributes.insert("state".into(), "running".into());
    vm
}

pub(crate) fn policies(text: &str) -> Vec<Arc<Policy>> {
    // Several files, since one has a limit.
    let documents: Vec<&str> = text.split_inclusive("---\n").collect();
    let file = |documents: &[&str]| SourceText { name: "test".into(), text: documents.concat() };
    let sources: Vec<SourceText> = documents.chunks(900).map(file).collect();
    let loaded = load(&sources, &Catalogue::new(UnknownMetrics::Allow));
    assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
    loaded.policies.into_iter().map(Arc::new).collect()
}

/// A policy in short: its name and what stands under `spec`.
pub(crate) fn policy(name: &str, spec: &str) -> String {
    let spec = spec.trim().lines().map(|line| format!("  {}\n", line.trim_end())).collect::<String>();
    format!("---\napiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

/// A guard in short: its name and what stands under `spec`.
pub(crate) fn guard(name: &str, spec: &str) -> String {
    policy(name, spec).replace("kind: Policy", "kind: Guard")
}

pub(crate) const CRASH: &str = "select: {kind: vm}\non: vm.crashed\ncooldown: 0s\n";

/// Somebody who wants to know of everything.
pub(crate) fn chat() -> Channel {
    Channel { name: ChannelName::new("chat").unwrap(), from: Severity::Info }
}

/// Two hosts with `count` machines each: vm/a0, vm/a1, .. and vm/b0, ..
pub(crate) fn centre(count: usize) -> Vec<Resource> {
    let hosts = ["a", "b"].map(|name| host(&format!("host/{name}"), 64.0, &[]));
    let vms = ["a", "b"]
        .into_iter()
        .flat_map(|on| (0..count).map(move |i| vm(&format!("vm/{on}{i}"), &format!("host/{on}"), 1.0)));
    hosts.into_iter().chain(vms).collect()
}

/// A machine on one host.
pub(crate) fn small() -> Vec<Resource> {
    vec![host("host/a", 8.0, &[]), vm("vm/one", "host/a", 1.0)]
}

/// A policy on machines, under these lines.
pub(crate) fn on_vms(name: &str, lines: &str) -> String {
    policy(name, &format!("select: {{kind: vm}}\n{lines}"))
}

/// One that opens when a machine is hot, and does not forget that for a day.
pub(crate) fn hot(lines: &str) -> String {
    on_vms("hot", &format!("when: last(\"cpu\") > 80%\nstaleAfter: 1d\n{lines}"))
}

/// What one person says of a plan of the first generation.
pub(crate) fn vote(number: u64, by: &str, approve: bool) -> OperatorCommand {
    OperatorCommand::Vote { plan: plan(number), by: by.into(), approve, hash: None }
}

/// A plan of the first generation.
pub(crate) fn plan(number: u64) -> PlanId {
    PlanId { generation: Generation(1), number }
}

/// Steps of this verb fail, so often or always.
pub(crate) fn fails(verb: Verb, reason: &str, takes: u64, times: Option<u32>) -> Vec<Assumption> {
    let ends = Some(StepResult::Failed { reason: reason.into() });
    vec![Assumption { verb: Some(verb), takes: Duration::from_secs(takes), ends, times, ..Assumption::default() }]
}

/// A restart takes a second, and does not help.
pub(crate) fn failing() -> Vec<Assumption> {
    fails(Verb::Restart, "it does not come up", 1, None)
}

pub(crate) fn slow(seconds: u64) -> Vec<Assumption> {
    vec![Assumption { takes: Duration::from_secs(seconds), ..Assumption::default() }]
}

impl Bench {
    pub(crate) fn new(yaml: &str, resources: Vec<Resource>, assumptions: Vec<Assumption>) -> Self {
        let world = AssumedWorld::new(AdapterName::new("assumed").unwrap(), resources, assumptions);
        let announcements = world.announcements();
        let mut driver = VirtualDriver::new(Generation(1), world, at(0));
        for announcement in announcements {
            driver.handle(at(0), announcement);
        }
        driver.replace_policies(at(0), &policies(yaml)).unwrap();
        let told = driver.records().len();
        Self { driver, told }
    }

    /// The program is killed now, and started anew at `seconds` with what was recorded.
    pub(crate) fn killed_until(&self, seconds: u64, yaml: &str) -> Self {
        let mut world = self.driver.world().clone();
        // Nobody hears of what happens meanwhile.
        world.advance(at(seconds));
        let (records, announcements) = (self.driver.records(), world.announcements());
        let mut open = OpenPlans::default();
        records.iter().for_each(|record| open.apply(record));
        let since = records.iter().filter(|record| Past::concerns(&record.entry)).cloned().collect();
        let mut driver = VirtualDriver::new(Generation(2), world, at(seconds));
        driver.replace_policies(at(seconds), &policies(yaml)).unwrap();
        driver.handle(at(seconds), Input::Recalled { past: Box::default(), since });
        for plan in open.into_plans() {
            driver.handle(at(seconds), Input::Recovered(Box::new(plan)));
        }
        for announcement in announcements {
            driver.handle(at(seconds), announcement);
        }
        let told = driver.records().len();
        Self { driver, told }
    }

    pub(crate) fn sample(&mut self, seconds: u64, resource: &str, metric: &str, value: f64) -> &mut Self {
        let metric = MetricName::new(metric).unwrap();
        let sample = Sample { resource: id(resource), metric, time: at(seconds), value };
        self.driver.handle(at(seconds), Input::Observed(Observation::Sample(sample)));
        self
    }

    pub(crate) fn samples(
        &mut self,
        seconds: std::ops::RangeInclusive<u64>,
        resource: &str,
        metric: &str,
        value: f64,
    ) -> &mut Self {
        for second in seconds.step_by(10) {
            self.sample(second, resource, metric, value);
        }
        self
    }

    pub(crate) fn event(
        &mut self,
        seconds: u64,
        resource: &str,
        event_type: &str,
        attributes: &[(&str, Value)],
    ) -> &mut Self {
        let event = Event {
            resource: id(resource),
            event_type: EventType::new(event_type).unwrap(),
            time: at(seconds),
            id: String::new(),
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        };
        self.driver.handle(at(seconds), Input::Observed(Observation::Event(event)));
        self
    }

    pub(crate) fn operator(&mut self, seconds: u64, command: OperatorCommand) -> &mut Self {
        self.driver.handle(at(seconds), Input::Operator(command));
        self
    }

    /// Describes a resource anew, or a new one.
    pub(crate) fn describe(&mut self, seconds: u64, resource: Resource) -> &mut Self {
        let change = InventoryChange::Upsert(resource);
        self.driver.handle(at(seconds), Input::Observed(Observation::Inventory(change)));
        self
    }

    pub(crate) fn replace(&mut self, seconds: u64, yaml: &str) -> &mut Self {
        self.driver.replace_policies(at(seconds), &policies(yaml)).unwrap();
        self
    }

    /// What was decided since the last time, until `seconds`.
    pub(crate) fn until(&mut self, seconds: u64, expected: Expect) -> &mut Self {
        expected.assert_eq(&self.told(seconds));
        self
    }

    /// The same, as text.
    pub(crate) fn told(&mut self, seconds: u64) -> String {
        self.driver.run_until(at(seconds));
        let mut text = String::new();
        for record in &self.driver.records()[self.told..] {
            tell(&mut text, record);
        }
        self.told = self.driver.records().len();
        text
    }
}

pub(crate) fn tell(text: &mut String, record: &Record) {
    let second = record.at.as_millis() as f64 / 1000.0;
    let line = match &record.entry {
        Entry::PoliciesLoaded { policies, .. } => format!("loaded {policies:?}"),
        Entry::FindingOpened { finding, evidence } => format!("opened {finding}: {evidence}"),
        Entry::FindingClosed { finding, reason } => format!("closed {finding}: {reason}"),
        Entry::Skipped { finding, response, reason, .. } => format!("skipped {response} of {finding}: {reason}"),
        Entry::Held { finding, hold } => format!("held {finding}: {hold}"),
        Entry::PlanMade(plan) => {
            let steps: Vec<String> =
                plan.steps.iter().map(|step| format!("{}{} {}", step.resource, after(step), step.action)).collect();
            let whom: Vec<&str> = plan.findings.iter().map(|finding| finding.policy.as_str()).collect();
            format!("plan {} {} for {}: {}", plan.id, plan.response, whom.join(", "), steps.join(", "))
        }
        Entry::Joined { finding, plan, .. } => format!("{finding} joins plan {plan}"),
        Entry::PlanBegun { plan } => format!("begins plan {plan}"),
        Entry::StepDispatched { key, .. } => format!("begins {key}"),
        Entry::StepFinished { plan, step, result } => format!("ended {plan}/{step}: {result:?}"),
        Entry::PlanCalledOff { plan, reason, out_of_time } => {
            format!("{} {plan}: {reason}", if *out_of_time { "turns back" } else { "calls off" })
        }
        Entry::Verifying { plan, that, until } => {
            format!("verifies {plan}: {that}, until {}s", until.as_millis() / 1000)
        }
        Entry::PlanFinished { plan, result } => format!("plan {plan}: {result:?}"),
        Entry::Notified(notification) => format!("told: {}", notification.message),
        Entry::Delivered(delivery) => {
            format!("{} delivered {}: {:?}", delivery.channel, delivery.notification, delivery.given_up)
        }
        Entry::ResourceQuarantined { finding, lasts } => {
            format!("quarantine of {} by {finding}, {lasts}", finding.resource)
        }
        Entry::ResourceReleased { resource, reason } => format!("released {resource}: {reason}"),
        Entry::HandedOver { finding, reason } => format!("handed over {finding}: {reason}"),
        Entry::PolicyQuarantined { policy, reason } => format!("quarantine of {policy}: {reason}"),
        Entry::Voted { plan, by, approve } => {
            format!("{by} {} plan {plan}", if *approve { "approves of" } else { "rejects" })
        }
        Entry::Paused { by } => format!("paused by {by}"),
        Entry::Resumed { by } => format!("resumed by {by}"),
        Entry::AutonomyChanged { policy, mode, reason } => format!("{policy} may {mode}: {reason}"),
        Entry::BreakerChanged { guard, state, reason } => format!("breaker of {guard} is {state}: {reason}"),
        Entry::Counted { counting, ended } => format!("counts {} more, {} no longer", counting.len(), ended.len()),
        Entry::InputRefused { input, reason } => format!("refused {input}: {reason}"),
    };
    writeln!(text, "{second}s {line}").unwrap();
}

pub(crate) fn after(step: &Step) -> String {
    if step.after.is_empty() {
        String::new()
    } else {
        format!(" after {:?}", step.after.iter().map(|id| id.0).collect::<Vec<_>>())
    }
}
