//! What a policy can say is read.

use expect_test::expect;
use homeostat_model::{Change, Duration, EventType, Kind, Mode, Resizing, Response, Severity};
use homeostat_policy::{
    EventMatch, Figure, Guard, On, OnUnknown, Operator, Part, Prescription, Requirement, Rung, Selector, Sizing,
    SizingChange, SourceText,
};

use crate::{check, file, load_all, policy};

const WHOLE: &str = include_str!("../good/whole.yaml");

#[test]
fn a_whole_policy_is_read_field_by_field() {
    let loaded = load_all(&[file("whole.yaml", WHOLE)]);
    check(&loaded, expect!["vm-cpu-pressure"]);
    let policy = &loaded.policies[0];
    assert_eq!(policy.labels["team"], "web");
    assert_eq!(policy.description, "Grow a hot VM, or move it.");
    assert_eq!(policy.select.kind.as_str(), "vm");
    assert_eq!(policy.select.match_labels["version"], "1.10", "a label is text, also when it looks like a number");
    assert_eq!(policy.on, None);
    let when = policy.when.as_ref().unwrap();
    assert_eq!(&when.text[when.expr.span.clone()], when.text);
    assert!(when.text.starts_with("avg(\"cpu.utilization\", 5m) > 85% && state"), "{}", when.text);
    assert_eq!((policy.hold_for, policy.stale_after), (Duration::from_mins(2), Duration::from_secs(90)));
    assert_eq!((policy.mode, policy.priority, policy.cooldown), (Mode::Approve, 50, Duration::from_mins(10)));
    assert_eq!(policy.text, WHOLE);
    let resizing = |change| Resizing { change, min: None, max: None };
    let gib = 1024.0 * 1024.0 * 1024.0;
    let responses = [
        Response::Resize {
            vcpus: Some(Resizing { max: Some(16.0), ..resizing(Change::By(2.0)) }),
            memory: Some(Resizing { min: Some(gib), ..resizing(Change::By(gib / 2.0)) }),
        },
        Response::Resize { vcpus: None, memory: Some(resizing(Change::To(2.0 * gib))) },
        Response::Resize { vcpus: Some(resizing(Change::ByShare(-0.25))), memory: None },
        Response::Migrate,
        Response::Migrate,
        Response::Recreate { image: Some("web-2".into()) },
        Response::Fisicalize { pool: Some("microservers".into()) },
        Response::Notify {
            severity: Severity::Warning,
            message: "no room for ${resource}".into(),
            to: Default::default(),
        },
        Response::Restart,
    ];
    let attempts = |index| if index == 0 { 2 } else { 1 };
    let rung = |(i, response)| Rung {
        within: None,
        guards: Vec::new(),
        response: Prescription::Fixed(response),
        attempts: attempts(i),
        cooldown: None,
        verify: None,
        compensate: true,
        timeout: None,
        retry: None,
    };
    assert_eq!(policy.then, responses.into_iter().enumerate().map(rung).collect::<Vec<_>>());
}

#[test]
fn a_response_may_have_a_pause_of_its_own() {
    let text = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: crash}\nspec:\n  select: {kind: vm}\n  \
                on: vm.crashed\n  cooldown: 1m\n  then: [{restart: {}, cooldown: 10m}, {restart: {}, cooldown: 0s}, restart]\n";
    let loaded = load_all(&[file("crash.yaml", text)]);
    check(&loaded, expect!["crash"]);
    let policy = &loaded.policies[0];
    let pauses: Vec<_> = policy.then.iter().map(|rung| rung.cooldown).collect();
    assert_eq!(pauses, [Some(Duration::from_mins(10)), Some(Duration::ZERO), None]);
    assert_eq!(policy.recurs_within(), Duration::from_mins(20));
    let long = file("crash.yaml", text.replace("10m", "8d"));
    let problems = load_all(&[long]).problems;
    assert!(problems.len() == 1 && problems[0].to_string().contains("`cooldown`"), "{problems:?}");
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: host-down}\nspec:\n  \
                select: {kind: host}\n  on: host.down\n  when: event.reason == \"panic\"\n  then: [evacuate]\n";
    let loaded = load_all(&[file("host.yaml", text)]);
    check(&loaded, expect!["host-down"]);
    let policy = &loaded.policies[0];
    let of = EventMatch { types: vec![EventType::new("host.down").unwrap()], filter: None };
    assert_eq!(policy.on, Some(On::Count { of, count: 1, within: Duration::ZERO }));
    assert_eq!(
        (policy.clear.as_ref(), policy.keep_firing_for, policy.on_unknown),
        (None, Duration::ZERO, OnUnknown::Hold)
    );
    assert_eq!(policy.time_zone, "UTC");
    assert_eq!((policy.mode, policy.priority), (Mode::Auto, 0));
    assert_eq!((policy.hold_for, policy.stale_after), (Duration::ZERO, Duration::from_mins(2)));
    assert_eq!(policy.cooldown, Duration::from_mins(5));
    assert!(policy.labels.is_empty() && policy.description.is_empty() && policy.select.match_labels.is_empty());
}

/// Everything that a policy can say.
const FULL: &str = include_str!("../good/full.yaml");

fn full() -> [SourceText; 3] {
    [
        file("good/lib/decide.rhai", include_str!("../good/lib/decide.rhai")),
        file("good/full.yaml", FULL),
        file("shared/grow.rhai", include_str!("../shared/grow.rhai")),
    ]
}

#[test]
fn everything_that_a_policy_can_say_is_read() {
    let loaded = load_all(&full());
    check(&loaded, expect!["full"]);
    let policy = &loaded.policies[0];
    let of = |kind, name: Option<&str>| Selector {
        kind: Kind::new(kind).unwrap(),
        name: name.map(Into::into),
        match_labels: std::collections::BTreeMap::new(),
        match_expressions: Vec::new(),
        within: None,
    };
    let requirement = |key: &str, operator| Requirement { key: key.into(), operator };
    let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let expected = Selector {
        match_labels: [("tier".to_owned(), "web".to_owned())].into(),
        match_expressions: vec![
            requirement("zone", Operator::In(list(&["a", "b"]))),
            requirement("zone", Operator::NotIn(list(&["b"]))),
            requirement("app", Operator::Exists),
            requirement("legacy", Operator::DoesNotExist),
        ],
        within: Some(Box::new(Selector {
            match_labels: [("pool".to_owned(), "blue".to_owned())].into(),
            within: Some(Box::new(of("host", Some("r1")))),
            ..of("host", None)
        })),
        ..of("vm", Some("web-1"))
    };
    assert_eq!(policy.select, expected);
    let Some(On::Absence { of, window }) = &policy.on else { panic!("{:?}", policy.on) };
    assert_eq!((of.types.len(), of.filter.as_ref().unwrap().text.as_str()), (2, "event.code == 3"));
    assert_eq!(
        (*window, policy.hold_for, policy.keep_firing_for),
        (Duration::from_mins(2), Duration::from_mins(1), Duration::from_mins(5))
    );
    assert_eq!((policy.on_unknown, policy.time_zone.as_str()), (OnUnknown::Notify, "Europe/Berlin"));
    // The ladder, with the branches as guards and the formulas as they were written.
    let shown = policy.then.iter().map(show).collect::<Vec<_>>().join("\n");
    expect![[r#"
        [labels.a == "x"] vcpus By(capacity.vcpus * 2) max 16; memory ByShare(last("cpu.utilization")) min last("memory.used"), 2 times
        [!labels.a == "x", labels.b == "x"] Fixed(Migrate), 1 times
        [!labels.a == "x", !labels.b == "x"] Info: {resource}" is "{labels["}"]}" in "{policy}, 1 times
        [!labels.a == "x"] script #{resize: #{memory: last("memory.used") * 2}}, 1 times
        [] vcpus To(capacity.vcpus * 2); memory ByShare(0.25), 1 times, then last("cpu.utilization") < 90% within 10m for 2m, for good, 10m each, 4 tries after 20s
        [] script let now = state;
        if now == "stopped" { "restart" } else { () }
        , 1 times"#]]
    .assert_eq(&shown);
    // A script that changes is a policy that changes.
    assert!(policy.text.starts_with(FULL) && policy.text.contains("used > 50%"), "{}", policy.text);
    let mut changed = full();
    changed[2].text.push_str(" // more");
    assert_ne!(load_all(&changed).policies[0].text, policy.text);
}

#[test]
fn clear_is_refused_only_when_it_certainly_meets_the_condition() {
    let hot = "avg(\"cpu.utilization\", 5m) > 85%";
    for (when, clear, refused) in [
        (hot, "avg(\"cpu.utilization\", 5m) < 60%", false),
        (hot, "avg(\"cpu.utilization\", 5m) < 90%", true),
        (hot, "avg(\"cpu.utilization\", 5m) < 90% || state == \"idle\"", false),
        (hot, "avg(\"cpu.utilization\", 10m) < 90%", false),
        (hot, "state == \"idle\"", false),
        ("avg(\"cpu.utilization\", 5m) > 85% && state == \"running\"", "state == \"running\"", true),
        ("state.len() > 3", "state.len() < 5", false),
        ("state.len() > 3", "state.len()>3", true),
    ] {
        let text = policy("p", &format!("'{when}'\n  clear: '{clear}'"));
        let problems = load_all(&[file("p.yaml", text)]).problems;
        let codes: Vec<String> = problems.iter().map(homeostat_policy::Problem::code).collect();
        let expected: &[&str] = if refused { &["homeostat::policy::flapping"] } else { &[] };
        assert_eq!(codes, expected, "{when} and {clear}");
    }
}

#[test]
fn a_ratio_is_a_share_but_processors_times_a_ratio_are_processors() {
    for (vcpus, expected) in [
        ("+ last(\"cpu.utilization\")", "vcpus ByShare(last(\"cpu.utilization\"))"),
        ("- last(\"cpu.utilization\") / 2", "vcpus ByShare(last(\"cpu.utilization\") / 2)"),
        ("+ capacity.vcpus * 50%", "vcpus By(capacity.vcpus * 50%)"),
        ("+ 50% * (capacity.vcpus - 2)", "vcpus By(50% * (capacity.vcpus - 2))"),
        ("capacity.vcpus * 150%", "vcpus To(capacity.vcpus * 150%)"),
        ("+ capacity.vcpus / capacity.vcpus * 50%", "vcpus ByShare(capacity.vcpus / capacity.vcpus * 50%)"),
    ] {
        let text = policy("p", "state == \"x\"").replace("[restart]", &format!("[resize: {{vcpus: '{vcpus}'}}]"));
        let loaded = load_all(&[file("p.yaml", text)]);
        assert!(loaded.problems.is_empty(), "{vcpus}: {:?}", loaded.problems);
        assert_eq!(show(&loaded.policies[0].then[0]), format!("[] {expected}; , 1 times"));
    }
}

fn show(rung: &Rung) -> String {
    let guard = |guard: &Guard| format!("{}{}", if guard.wanted { "" } else { "!" }, guard.condition.text);
    let guards: Vec<String> = rung.guards.iter().map(guard).collect();
    let figure = |figure: &Figure| match figure {
        Figure::Number(number) => number.to_string(),
        Figure::Formula(formula) => formula.text.trim().to_owned(),
    };
    let sizing = |name: &str, sizing: &Option<Sizing>| {
        let Some(Sizing { change, min, max }) = sizing else { return String::new() };
        let change = match change {
            SizingChange::To(by) => format!("To({})", figure(by)),
            SizingChange::By(by, _) => format!("By({})", figure(by)),
            SizingChange::ByShare(by, _) => format!("ByShare({})", figure(by)),
        };
        let bound = |word: &str, bound: &Option<Figure>| {
            bound.as_ref().map(|bound| format!(" {word} {}", figure(bound))).unwrap_or_default()
        };
        format!("{name} {change}{}{}", bound("min", min), bound("max", max))
    };
    let part = |part: &Part| match part {
        Part::Text(text) => format!("{text:?}"),
        Part::Resource => "{resource}".into(),
        Part::Policy => "{policy}".into(),
        Part::Formula(formula) => format!("{{{}}}", formula.text),
    };
    let response = match &rung.response {
        Prescription::Resize { vcpus, memory } => format!("{}; {}", sizing("vcpus", vcpus), sizing("memory", memory)),
        Prescription::Notify { severity, message, .. } => {
            format!("{severity:?}: {}", message.iter().map(part).collect::<String>())
        }
        Prescription::Script(formula) => format!("script {}", formula.text),
        fixed @ Prescription::Fixed(_) => format!("{fixed:?}"),
    };
    let verify = rung.verify.as_ref().map_or_else(String::new, |verify| {
        format!(", then {} within {} for {}", verify.that.text.trim(), verify.within, verify.stable_for)
    });
    let lasting = if rung.compensate { "" } else { ", for good" };
    let limit = rung.timeout.map_or_else(String::new, |timeout| format!(", {timeout} each"));
    let tries =
        rung.retry.map_or_else(String::new, |retry| format!(", {} tries after {}", retry.attempts, retry.pause));
    format!("[{}] {response}, {} times{verify}{lasting}{limit}{tries}", guards.join(", "), rung.attempts)
}

#[test]
fn the_place_of_each_formula_is_known() {
    let [decide, document, grow] = full();
    let count = load_all(&full()).policies[0].formulas().count();
    let places: Vec<String> = (0..count)
        .map(|index| {
            let mut loaded = load_all(&full());
            let name = loaded.policies[0].name.clone();
            let text = loaded.policies[0].formulas().nth(index).unwrap().text.clone();
            let offset = text.len() - text.trim_start().len();
            loaded.refuse_script(&name, index, Some(offset), "no".into());
            assert!(loaded.policies.is_empty());
            let problem = &loaded.problems[0];
            let source = [&decide, &document, &grow].into_iter().find(|source| source.name == problem.file()).unwrap();
            let there = source.text[problem.span().start..].chars().take(24).collect::<String>();
            format!("{}:{} {there:?}", problem.file(), problem.line())
        })
        .collect();
    expect![[r##"
        good/lib/decide.rhai:1 "// Not when idle.\nlet us"
        good/full.yaml:17 "avg(\"cpu.utilization\", 5"
        good/full.yaml:15 "event.code == 3, for: 2m"
        good/full.yaml:23 "labels.a == \"x\"\n      re"
        good/full.yaml:24 "capacity.vcpus * 2\", max"
        good/full.yaml:24 "last(\\\"cpu.utilization\\\""
        good/full.yaml:24 "last(\"memory.used\")}\n   "
        good/full.yaml:23 "labels.a == \"x\"\n      re"
        good/full.yaml:27 "labels.b == \"x\"\n        "
        good/full.yaml:23 "labels.a == \"x\"\n      re"
        good/full.yaml:27 "labels.b == \"x\"\n        "
        good/full.yaml:29 "labels[\\\"}\\\"]} in ${poli"
        good/full.yaml:23 "labels.a == \"x\"\n      re"
        shared/grow.rhai:1 "#{resize: #{memory: last"
        good/full.yaml:31 "capacity.vcpus * 2, memo"
        good/full.yaml:32 "last(\"cpu.utilization\") "
        good/full.yaml:37 "let now = state;\n       ""##]]
    .assert_eq(&places.join("\n"));
}

#[test]
fn patterns_of_events_are_read() {
    let on = |on: &str| {
        let text = policy("on", "state == \"x\"").replace("  when:", &format!("  on: {on}\n  when:"));
        let loaded = load_all(&[file("on.yaml", text)]);
        assert_eq!(loaded.problems.len(), 0, "{on}: {:?}", loaded.problems);
        let shown = |of: &EventMatch| {
            let types: Vec<&str> = of.types.iter().map(EventType::as_str).collect();
            let filter = of.filter.as_ref().map(|filter| format!(" where {}", filter.text)).unwrap_or_default();
            format!("{}{filter}", types.join("|"))
        };
        let all = |of: &[EventMatch]| of.iter().map(shown).collect::<Vec<_>>().join(", ");
        match loaded.policies[0].on.as_ref().unwrap() {
            On::Count { of, count, within } => format!("{count} of {} within {within}", shown(of)),
            On::Sequence { of, within } => format!("[{}] within {within}", all(of)),
            On::All { of, within } => format!("{{{}}} within {within}", all(of)),
            On::Absence { of, window } => format!("no {} for {window}", shown(of)),
        }
    };
    for (written, expected) in [
        ("vm.crashed", "1 of vm.crashed within 0s"),
        ("{event: vm.crashed}", "1 of vm.crashed within 0s"),
        ("{event: [vm.crashed, vm.started], count: 1}", "1 of vm.crashed|vm.started within 0s"),
        (
            "{event: vm.crashed, where: event.code > 3 && state == \"x\", count: 3, within: 10m}",
            "3 of vm.crashed where event.code > 3 && state == \"x\" within 10m",
        ),
        (
            "{sequence: [vm.crashed, {event: vm.started, where: event.ok}], within: 1h}",
            "[vm.crashed, vm.started where event.ok] within 1h",
        ),
        ("{all: [vm.crashed, vm.crashed], within: 7d}", "{vm.crashed, vm.crashed} within 7d"),
        ("{absent: vm.started, for: 5m}", "no vm.started for 5m"),
    ] {
        assert_eq!(on(written), expected, "{written}");
    }
}

#[test]
fn what_is_wrong_with_a_script_is_said_once_and_there() {
    let by = |name: &str| file(&format!("{name}.yaml"), policy(name, "{file: bad.rhai}"));
    let sources = [by("one"), by("two"), file("bad.rhai", "let x = last(\"cpu.utilisation\");\nx > stat")];
    check(
        &load_all(&sources),
        expect![[r#"
        bad.rhai:1:14 homeostat::policy::unknown_metric `cpu.utilisation` is not a metric that is known of a vm
        bad.rhai:2:5 homeostat::policy::unknown_attribute a vm has no attribute `stat`"#]],
    );
    let near = [by("one"), file("bat.rhai", "")];
    let loaded = load_all(&near);
    assert_eq!(loaded.problems[0].help().as_deref(), Some("did you mean `bat.rhai`?"));
}
