//! What the linter refuses, and that it refuses nothing that drafts make.

#![expect(clippy::unwrap_used, clippy::as_conversions, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use homeostat_model::*;
use homeostat_plan::{ALL_WAYS_OPEN, Allowance, Draft, Projection, Surroundings, draft, lint};
use proptest::prelude::*;

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

/// What exists, and what can be done to it.
struct Centre {
    topology: Topology,
    capabilities: BTreeMap<AdapterName, Capabilities>,
}

impl Centre {
    fn new(resources: Vec<Resource>) -> Self {
        let adapter = AdapterName::new("a").unwrap();
        let everything =
            KindCapability { verbs: Verb::ALL.into(), attributes: ["cpus".into()].into(), ..KindCapability::default() };
        let kinds = ["host", "vm"].map(|kind| (Kind::new(kind).unwrap(), everything.clone())).into();
        let mut topology = Topology::default();
        topology.apply(InventoryChange::Snapshot { adapter: adapter.clone(), resources });
        Self { topology, capabilities: [(adapter.clone(), Capabilities { adapter, kinds })].into() }
    }

    fn around<'a>(&'a self, projection: &'a Projection) -> Surroundings<'a> {
        let (topology, capabilities) = (&self.topology, &self.capabilities);
        Surroundings { topology, capabilities, projection, barred: &ALL_WAYS_OPEN }
    }

    fn draft(&self, projection: &Projection, subject: &str, response: &Response) -> Option<Draft> {
        draft(&self.around(projection), &id(subject), response).ok()
    }

    /// The rules that these steps break, with what is said.
    fn lint(&self, projection: &Projection, steps: &[Step]) -> Vec<String> {
        self.lint_within(projection, &[], steps)
    }

    /// The same where budgets allow so much. The plan is for host/a.
    fn lint_within(&self, projection: &Projection, allowances: &[Allowance], steps: &[Step]) -> Vec<String> {
        lint(&self.around(projection), &id("host/a"), steps, allowances).iter().map(ToString::to_string).collect()
    }
}

fn host(name: &str, state: &str, cores: f64, gib: u64) -> Resource {
    let mut host = Resource::named(id(&format!("host/{name}")));
    host.attributes.insert("state".into(), state.into());
    host.capacity = Capacity { vcpus: Some(cores), memory_bytes: Some(gib << 30) };
    host
}

fn vm(name: &str, on: &str, vcpus: f64, gib: u64) -> Resource {
    let mut vm = Resource::named(id(&format!("vm/{name}")));
    vm.on = Some(id(&format!("host/{on}")));
    vm.attributes.insert("state".into(), "running".into());
    vm.capacity = Capacity { vcpus: Some(vcpus), memory_bytes: Some(gib << 30) };
    vm
}

/// Two hosts that are up, one that is dead, one that is off; a VM on each of the first three.
fn small() -> Vec<Resource> {
    vec![
        host("a", "up", 8.0, 16),
        host("b", "up", 8.0, 16),
        host("dead", "down", 8.0, 16),
        host("off", "off", 2.0, 4),
        vm("one", "a", 2.0, 4),
        vm("two", "b", 2.0, 4),
        vm("three", "dead", 2.0, 4),
    ]
}

fn step(number: u16, after: &[u16], resource: &str, action: Action) -> Step {
    Step {
        id: StepId(number),
        after: after.iter().map(|id| StepId(*id)).collect(),
        resource: id(resource),
        adapter: AdapterName::new("a").unwrap(),
        action,
        timeout: Duration::from_secs(1),
        reason: String::new(),
        preconditions: Vec::new(),
        retry: Retry::ONCE,
        compensation: None,
    }
}

fn to(host: &str) -> Action {
    Action::Migrate { to: id(host), live: true }
}

fn on(host: &str) -> Action {
    Action::Restart { on: Some(id(host)) }
}

fn vcpus(vcpus: f64) -> Action {
    Action::Resize(Amount { vcpus: Some(vcpus), ..Amount::default() }.into())
}

#[test]
fn each_rule_says_what_is_wrong() {
    let (cordon, fence, power) = (Action::Cordon { on: true }, Action::Fence, Action::Power { on: true });
    for (steps, wanted) in [
        (vec![step(1, &[], "vm/one", to("host/b"))], ""),
        (
            vec![step(2, &[], "vm/one", vcpus(1.0)), step(1, &[], "vm/two", vcpus(1.0))],
            "order: step 1: it stands after step 2",
        ),
        (vec![step(1, &[7], "vm/one", vcpus(1.0))], "order: step 1: it waits for step 7, which is not before it"),
        (
            vec![step(1, &[], "vm/one", vcpus(3.0)), step(2, &[], "vm/one", to("host/b"))],
            "twice: step 2: vm/one is acted on by step 1 at the same time",
        ),
        (vec![step(1, &[], "vm/one", vcpus(3.0)), step(2, &[1], "vm/one", to("host/b"))], ""),
        // Before it: not only right before it.
        (
            vec![
                step(1, &[], "vm/one", vcpus(3.0)),
                step(2, &[1], "vm/two", vcpus(3.0)),
                step(3, &[2], "vm/one", to("host/b")),
            ],
            "",
        ),
        (
            vec![step(1, &[], "vm/three", on("host/a"))],
            "unproven: step 1: vm/three may still run on host/dead, which is not fenced before",
        ),
        (vec![step(1, &[], "host/dead", fence.clone()), step(2, &[1], "vm/three", on("host/a"))], ""),
        (
            vec![step(1, &[], "host/dead", fence.clone()), step(2, &[], "vm/three", on("host/a"))],
            "unproven: step 2: vm/three may still run on host/dead, which is not fenced before",
        ),
        (vec![step(1, &[], "vm/one", on("host/b"))], "unproven: step 1: vm/one may run on host/a, which is up"),
        (vec![step(1, &[], "vm/one", to("host/dead"))], "evacuating: step 1: host/dead is not up"),
        (vec![step(1, &[], "vm/one", to("host/off"))], "evacuating: step 1: host/off is not up"),
        (vec![step(1, &[], "host/off", power.clone()), step(2, &[1], "vm/one", to("host/off"))], ""),
        (
            vec![step(1, &[], "host/off", power), step(2, &[], "vm/one", to("host/off"))],
            "evacuating: step 2: host/off is not up",
        ),
        (
            vec![step(1, &[], "host/b", cordon.clone()), step(2, &[1], "vm/one", to("host/b"))],
            "evacuating: step 2: host/b is closed by step 1",
        ),
        (vec![step(1, &[], "vm/one", to("host/b")), step(2, &[1], "host/b", cordon)], ""),
        (vec![step(1, &[], "vm/one", vcpus(9.0))], "overload: step 1: host/a would bear 9 vcpus, and may give out 8"),
        (
            vec![step(1, &[], "vm/one", vcpus(7.0)), step(2, &[1], "vm/one", to("host/b"))],
            "overload: step 2: host/b would bear 9 vcpus, and may give out 8",
        ),
    ] {
        let found = Centre::new(small()).lint(&Projection::default(), &steps).join("; ");
        assert_eq!(found, wanted, "{steps:?}");
    }
}

#[test]
fn a_plan_that_no_budget_has_room_for_is_refused() {
    let centre = Centre::new(small());
    let allowance = |most: u32, per: Option<u64>, resources: &[&str]| Allowance {
        of: "guard web".into(),
        counted: "all that it guards".into(),
        most,
        per: per.map(Duration::from_secs),
        resources: resources.iter().map(|one| id(one)).collect(),
    };
    let steps = [
        step(1, &[], "vm/one", vcpus(1.0)),
        step(2, &[], "vm/two", vcpus(1.0)),
        step(3, &[], "vm/three", vcpus(1.0)),
        // What is acted on twice counts once.
        step(4, &[1], "vm/one", vcpus(2.0)),
    ];
    let (vms, half) = (["vm/one", "vm/two", "vm/three"], ["vm/one", "vm/two", "vm/four"]);
    for (allowances, wanted) in [
        (vec![], ""),
        (vec![allowance(3, Some(3600), &vms)], ""),
        (
            vec![allowance(2, Some(3600), &vms)],
            "budget: it acts on 3 for all that it guards, and the budget of guard web allows 2 within 1h",
        ),
        (vec![allowance(2, None, &half)], ""),
        (
            vec![allowance(3, Some(60), &vms), allowance(1, None, &half)],
            "budget: it acts on 2 for all that it guards, and the budget of guard web allows 1 in flight",
        ),
        // Its subject counts, also where no step is on it.
        (
            vec![allowance(1, None, &["host/a", "vm/two"])],
            "budget: it acts on 2 for all that it guards, and the budget of guard web allows 1 in flight",
        ),
    ] {
        let found = centre.lint_within(&Projection::default(), &allowances, &steps).join("; ");
        assert_eq!(found, wanted, "{allowances:?}");
    }
}

#[test]
fn what_other_plans_do_counts() {
    let centre = Centre::new(small());
    let mut plan = plan_of(1, "host/b", vec![step(1, &[], "host/b", Action::Cordon { on: true })]);
    let moved = [step(1, &[], "vm/one", to("host/b"))];
    let found = centre.lint(&Projection::of([&plan]), &moved);
    assert_eq!(found, ["evacuating: step 1: host/b is being emptied by another plan"]);
    plan.steps = vec![step(1, &[], "vm/two", vcpus(7.0))];
    let found = centre.lint(&Projection::of([&plan]), &moved);
    assert_eq!(found, ["overload: step 1: host/b would bear 9 vcpus, and may give out 8"]);
}

fn plan_of(number: u64, subject: &str, steps: Vec<Step>) -> Plan {
    Plan {
        id: PlanId { generation: Generation(1), number },
        created: Timestamp::from_millis(0),
        policy: PolicyName::new("p").unwrap(),
        subject: id(subject),
        findings: Vec::new(),
        response: String::new(),
        rung: 1,
        evidence: Evidence { truth: Truth::True, clauses: Vec::new() },
        mode: Mode::Auto,
        priority: 0,
        effect: String::new(),
        reach: Default::default(),
        steps,
        cost: Cost::default(),
        verification: None,
    }
}

const HOSTS: usize = 5;
const VMS: usize = 10;

/// Hosts in all states, full or empty, with VMs of all sizes and states on them.
fn centre() -> impl Strategy<Value = Vec<Resource>> {
    let state = prop_oneof![6 => Just("up"), 1 => Just("down"), 1 => Just("off"), 1 => Just("unknown")];
    let flag = || prop::bool::weighted(0.1);
    let a_host = (state, 2..17_u32, 4..65_u64, flag(), flag(), 0..3_u8, 1..4_u32);
    let vm_state = prop_oneof![6 => Just("running"), 1 => Just("stopped"), 1 => Just("crashed"), 1 => Just("paused")];
    let a_vm = (0..HOSTS, 1..9_u32, 1..17_u64, vm_state);
    (prop::collection::vec(a_host, HOSTS), prop::collection::vec(a_vm, VMS)).prop_map(|(hosts, vms)| {
        let hosts = hosts.into_iter().enumerate().map(|(number, host_of)| {
            let (state, cores, gib, cordoned, fenced, pool, times) = host_of;
            let mut host = host(&format!("h{number}"), state, f64::from(cores), gib);
            host.attributes.insert("cordoned".into(), cordoned.into());
            host.attributes.insert("fenced".into(), fenced.into());
            host.attributes.insert("cpuOvercommit".into(), f64::from(times).into());
            if pool > 0 {
                host.labels.insert("pool".into(), if pool == 1 { "micro" } else { "big" }.into());
            }
            host
        });
        let vms = vms.into_iter().enumerate().map(|(number, (on, vcpus, gib, state))| {
            let mut vm = vm(&format!("v{number}"), &format!("h{on}"), f64::from(vcpus), gib);
            vm.attributes.insert("state".into(), state.into());
            vm
        });
        hosts.chain(vms).collect()
    })
}

fn response() -> impl Strategy<Value = (String, Response)> {
    let resizing = |by| Some(Resizing { change: Change::By(by), min: None, max: None });
    let grow = move |by: i32| Response::Resize { vcpus: resizing(f64::from(by)), memory: None };
    let more =
        move |gib: i32| Response::Resize { vcpus: None, memory: resizing(f64::from(gib) * (1_u64 << 30) as f64) };
    let of_vm = prop_oneof![
        Just(Response::Restart),
        Just(Response::Migrate),
        (-3..8).prop_map(grow),
        (-3..16).prop_map(more),
        Just(Response::Fisicalize { pool: Some("micro".into()) }),
        Just(Response::Fisicalize { pool: None }),
        Just(Response::Release),
    ];
    prop_oneof![
        2 => (0..VMS, of_vm).prop_map(|(vm, response)| (format!("vm/v{vm}"), response)),
        1 => (0..HOSTS).prop_map(|host| (format!("host/h{host}"), Response::Evacuate)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Plans are made one after the other and all stay in flight, each on what is free yet.
    #[test]
    fn what_drafts_make_is_never_refused(resources in centre(), wanted in prop::collection::vec(response(), 1..8)) {
        let centre = Centre::new(resources);
        let mut plans: Vec<Plan> = Vec::new();
        for (number, (subject, response)) in wanted.into_iter().enumerate() {
            let projection = Projection::of(&plans);
            let Some(draft) = centre.draft(&projection, &subject, &response) else { continue };
            let plan = plan_of(number as u64, &subject, draft.steps);
            // As the guard has it: what another plan acts on is not acted on, nor is it moved to.
            let taken = |other: &Plan| {
                plan.touches().iter().any(|one| other.touches().contains(one) || other.uses().contains(one))
                    || plan.uses().iter().any(|host| other.touches().contains(host))
            };
            if plans.iter().any(taken) {
                continue;
            }
            let found = centre.lint(&projection, &plan.steps);
            prop_assert!(found.is_empty(), "{subject} {response}: {found:?} in {:?}", plan.steps);
            plans.push(plan);
        }
    }

    /// A plan that was right is broken in one way, and refused by the rule for that.
    #[test]
    fn what_is_broken_is_refused_by_its_rule(resources in centre(), host_number in 0..HOSTS, way in 0..5_usize) {
        let centre = Centre::new(resources.clone());
        let none = Projection::default();
        let evacuated = format!("host/h{host_number}");
        let Some(draft) = centre.draft(&none, &evacuated, &Response::Evacuate) else { return Ok(()) };
        let mut steps = draft.steps;
        let last = steps.len() - 1;
        let target = match &steps[last].action {
            Action::Migrate { to, .. } | Action::Restart { on: Some(to) } => to.clone(),
            other => panic!("{other:?}"),
        };
        let mut changed = resources;
        let rule = match way {
            // The target is smaller than what comes to it.
            0 => {
                let target = changed.iter_mut().find(|one| one.id == target).unwrap();
                target.capacity.memory_bytes = Some(1 << 20);
                "overload"
            }
            // The same is done once more, at the same time.
            1 => {
                let again = Step { id: StepId(last as u16 + 2), ..steps[last].clone() };
                steps.push(again);
                "twice"
            }
            // The target is emptied too.
            2 => {
                let cordon = step(last as u16 + 2, &[], target.as_str(), Action::Cordon { on: true });
                steps.push(cordon);
                "evacuating"
            }
            // What runs is started elsewhere, without a fence that came before.
            3 => {
                let source = changed.iter_mut().find(|one| one.id == id(&evacuated)).unwrap();
                source.attributes.insert("fenced".into(), false.into());
                let moved = changed.iter_mut().find(|one| one.id == steps[last].resource).unwrap();
                moved.attributes.insert("state".into(), "running".into());
                steps[last].action = Action::Restart { on: Some(target) };
                steps[last].after.clear();
                "unproven"
            }
            _ => {
                steps[last].after.push(StepId(9999));
                "order"
            }
        };
        let found = Centre::new(changed);
        let rules: Vec<&str> = lint(&found.around(&none), &id(&evacuated), &steps, &[]).iter().map(|lint| lint.rule).collect();
        prop_assert!(rules.contains(&rule), "{rule} is not among {rules:?} for {steps:?}");
        if way != 0 {
            prop_assert!(rules.iter().all(|one| *one == rule), "{rules:?} for {steps:?}");
        }
    }
}
