//! What a policy does: guards, computed parameters, scripts; and what becomes of scripts that do not end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that cannot go on has failed"
)]

mod bench;

use bench::{Bench, host, id, policy, tell, vm};
use expect_test::expect;
use homeostat_model::*;

fn small() -> Vec<Resource> {
    vec![host("host/a", 8.0, &[]), host("host/b", 8.0, &[]), vm("vm/one", "host/a", 2.0)]
}

const EITHER: &str = "
select: {kind: vm}
when: last(\"cpu\") > 80%
cooldown: 1m
then:
  - if: host.avg(\"cpu\", 1m) < 70%
    resize: {vcpus: +1}
    else: migrate
";

#[test]
fn if_and_else_choose_a_response() {
    let mut bench = Bench::new(&policy("either", EITHER), small(), vec![]);
    bench.sample(10, "host/a", "cpu", 0.9).sample(11, "vm/one", "cpu", 0.9).until(
        12,
        expect![[r#"
            11s opened either on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            11s skipped resize of either on vm/one: `if: host.avg("cpu", 1m) < 70%` is false
            11s skipped migrate of either on vm/one: it would gain nothing: host/b would have 75% left, host/a has 75%
            11s handed over either on vm/one: the ladder is at its end: resize, migrate
            11s told: a person has to go on with vm/one: the ladder is at its end: resize, migrate
        "#]],
    );
    let mut bench = Bench::new(&policy("either", EITHER), small(), vec![]);
    bench.sample(10, "host/a", "cpu", 0.5).sample(11, "vm/one", "cpu", 0.9).until(
        12,
        expect![[r#"
        11s opened either on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        11s plan p1-1 resize for either: vm/one resize to 3 vcpus
        11s begins p1-1/1
        11s ended p1-1/1: Done { observed: "assumed" }
        11s plan p1-1: Succeeded
        11s held either on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
    // Not known: neither of the two.
    let mut bench = Bench::new(&policy("either", EITHER), small(), vec![]);
    bench.sample(11, "vm/one", "cpu", 0.9).until(
        15,
        expect![[r#"
        11s opened either on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        11s held either on vm/one: what to do is not known: `if: host.avg("cpu", 1m) < 70%` is unknown
    "#]],
    );
    bench.sample(20, "host/a", "cpu", 0.5).until(
        30,
        expect![[r#"
        21s plan p1-1 resize for either: vm/one resize to 3 vcpus
        21s begins p1-1/1
        21s ended p1-1/1: Done { observed: "assumed" }
        21s plan p1-1: Succeeded
        21s held either on vm/one: cooldown: the policy acted here not long ago
    "#]],
    );
}

const COMPUTED: &str = "
select: {kind: vm}
when: last(\"cpu\") > 80%
then:
  - resize: {vcpus: 'ceiling(capacity.vcpus * last(\"cpu\") * 1.5)', maxVcpus: host.capacity.vcpus / 2}
  - notify: {severity: warning, message: '${resource} is at ${last(\"cpu\") * 100} of a hundred on ${host.name}, ${last(\"gone\")}'}
";

#[test]
fn parameters_and_messages_are_computed() {
    let mut bench = Bench::new(&policy("computed", COMPUTED), small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9).until(
        12,
        expect![[r#"
            10s opened computed on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
            10s plan p1-1 resize for computed: vm/one resize to 3 vcpus
            10s begins p1-1/1
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s held computed on vm/one: cooldown: the policy acted here not long ago
        "#]],
    );
    bench.samples(20..=400, "vm/one", "cpu", 0.9).until(
        400,
        expect![[r#"
        310s told: vm/one is at 90 of a hundred on a, unknown
    "#]],
    );
}

const SCRIPTED: &str = "
select: {kind: vm}
when: |
  let share = last(\"cpu\") / capacity.vcpus;
  share > 0.4
then:
  - script: |
      if last(\"mem\") > 4.0 { return \"migrate\"; }
      let wanted = 2 * capacity.vcpus;
      #{ resize: #{ vcpus: wanted } }
  - script: ()
  - script: '#{ resize: #{ vcpu: last(\"cpu\") } }'
";

#[test]
fn scripts_decide_and_prescribe() {
    let mut bench = Bench::new(&policy("scripted", SCRIPTED), small(), vec![]);
    bench.sample(10, "vm/one", "mem", 1.0).sample(11, "vm/one", "cpu", 0.9).until(
        12,
        expect![[r#"
            11s opened scripted on vm/one: let share = last("cpu") / capacity.vcpus; share > 0.4 is true (last(cpu) = 0.9, capacity.vcpus = 2)
            11s plan p1-1 resize for scripted: vm/one resize to 4 vcpus
            11s begins p1-1/1
            11s closed scripted on vm/one: let share = last("cpu") / capacity.vcpus; share > 0.4 is false (last(cpu) = 0.9, capacity.vcpus = 4)
            11s ended p1-1/1: Done { observed: "assumed" }
            11s plan p1-1: Succeeded
        "#]],
    );
    bench.samples(20..=600, "vm/one", "cpu", 9.0).until(600, expect![[r#"
        20s opened scripted on vm/one: let share = last("cpu") / capacity.vcpus; share > 0.4 is true (last(cpu) = 9, capacity.vcpus = 4)
        20s held scripted on vm/one: cooldown: the policy acted here not long ago
        311s held scripted on vm/one: what to do is not known: something that its script reads is unknown
        431s skipped script of scripted on vm/one: something that its script reads is unknown, for 2m by now
        431s skipped script of scripted on vm/one: its script asks for nothing
        431s skipped script of scripted on vm/one: its script gave {"resize": {"vcpu": 9}}: `resize` changes neither `vcpus` nor `memory` (add `vcpus: +2`, `memory: +25%`, or both); `resize` has no field `vcpu` (did you mean `vcpus`?)
        431s handed over scripted on vm/one: the ladder is at its end: script, script, script
        431s told: a person has to go on with vm/one: the ladder is at its end: script, script, script
    "#]]);
}

#[test]
fn a_script_that_does_not_end_takes_only_its_own_policy_with_it() {
    let hostile = |name: &str, script: &str| {
        policy(name, &format!("select: {{kind: vm}}\nwhen: |\n  {script}\nmode: observe\nthen: [restart]"))
    };
    let good = policy("good", "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nmode: observe\nthen: [restart]");
    let yaml = [
        hostile("loops", "if last(\"cpu\") > 0.5 { loop { } } else { false }"),
        hostile("grows", "let a = \"x\"; if last(\"cpu\") > 0.5 { loop { a += a; } }; a == \"\""),
        hostile("recurs", "fn f(n) { f(n + 1) }; if last(\"cpu\") > 0.5 { f(0) } else { false }"),
        good.clone(),
    ]
    .concat();
    let mut bench = Bench::new(&yaml, small(), vec![]);
    bench.sample(10, "vm/one", "cpu", 0.4).until(10, expect![[r#""#]]);
    bench.sample(20, "vm/one", "cpu", 0.9).sample(30, "vm/one", "cpu", 0.9).until(30, expect![[r#"
        20s quarantine of grows: the script was cut off because something grew too large (length of string); a text may have 4096 bytes, an array or a map 256 elements
        20s quarantine of loops: the script was cut off after 10,000 operations; does a loop never end, or is this too much work for one evaluation?
        20s quarantine of recurs: the script was cut off after 16 calls within calls; does a function call itself?
        20s opened good on vm/one: last("cpu") > 80% is true (last(cpu) = 0.9)
        20s held good on vm/one: mode observe: findings only
    "#]]);
    let explained = bench.driver.engine().explain(&id("vm/one"));
    expect![[r#"the policy is in quarantine: the script was cut off after 10,000 operations; does a loop never end, or is this too much work for one evaluation?; if last("cpu") > 0.5 { loop { } } else { false } is unknown (last(cpu) = 0.9, the script's error = "the policy is in quarantine: the script was cut off after 10,000 operations; does a loop never end, or is this too much work for one evaluation?")"#]].assert_eq(&explained[2].because);
    // Replaced, it is run again.
    let mended = hostile("loops", "last(\"cpu\") > 0.5");
    bench.replace(40, &[mended, good].concat()).sample(50, "vm/one", "cpu", 0.9).until(
        50,
        expect![[r#"
        40s loaded ["good", "loops"]
        40s opened loops on vm/one: last("cpu") > 0.5 is true (last(cpu) = 0.9)
        40s held loops on vm/one: mode observe: findings only
    "#]],
    );
}

/// Everything that was decided so far.
fn told(bench: &Bench) -> String {
    let mut text = String::new();
    bench.driver.records().iter().for_each(|record| tell(&mut text, record));
    text
}

#[test]
fn a_share_of_the_processors_of_a_vm_is_rounded_up_to_whole_ones() {
    for (has, change, expected) in [
        (14.0, "-25%", "11 vcpus"),
        (4.0, "-25%", "3 vcpus"),
        (2.0, "+25%", "3 vcpus"),
        (3.0, "'capacity.vcpus * 1.1'", "4 vcpus"),
    ] {
        let lines = format!("select: {{kind: vm}}\nwhen: last(\"cpu\") > 80%\nthen: [{{resize: {{vcpus: {change}}}}}]");
        let mut bench =
            Bench::new(&policy("share", &lines), vec![host("host/a", 16.0, &[]), vm("vm/one", "host/a", has)], vec![]);
        bench.sample(10, "vm/one", "cpu", 0.9);
        let records = told(&bench);
        let plan = format!("vm/one resize to {expected}");
        assert!(records.lines().any(|record| record.ends_with(&plan)), "{has} {change}: {records}");
    }
    // A quarter of two is not a whole one.
    let lines = "select: {kind: vm}\nwhen: last(\"cpu\") > 80%\nthen: [{resize: {vcpus: -25%}}]";
    let mut bench =
        Bench::new(&policy("share", lines), vec![host("host/a", 16.0, &[]), vm("vm/one", "host/a", 2.0)], vec![]);
    bench.sample(10, "vm/one", "cpu", 0.9);
    let records = told(&bench);
    assert!(records.contains("it already has 2 vcpus"), "{records}");
}

#[test]
fn of_several_that_leave_a_crowded_host_at_once_some_stay() {
    let lines = "select: {kind: vm}\nwhen: host.last(\"cpu\") > 80%\nthen: [migrate]";
    let mut resources = vec![host("host/a", 8.0, &[]), host("host/b", 8.0, &[])];
    resources.extend(["vm/1", "vm/2", "vm/3", "vm/4"].map(|name| vm(name, "host/a", 2.0)));
    let mut bench = Bench::new(&policy("crowded", lines), resources, vec![]);
    bench.sample(10, "host/a", "cpu", 0.95);
    bench.until(
        20,
        expect![[r#"
            10s opened crowded on vm/1: host.last("cpu") > 80% is true (host.last(cpu) = 0.95)
            10s opened crowded on vm/2: host.last("cpu") > 80% is true (host.last(cpu) = 0.95)
            10s opened crowded on vm/3: host.last("cpu") > 80% is true (host.last(cpu) = 0.95)
            10s opened crowded on vm/4: host.last("cpu") > 80% is true (host.last(cpu) = 0.95)
            10s plan p1-1 migrate for crowded: vm/1 migrate to host/b
            10s begins p1-1/1
            10s plan p1-2 migrate for crowded: vm/2 migrate to host/b
            10s begins p1-2/1
            10s skipped migrate of crowded on vm/3: it would gain nothing: host/b would have 25% left, host/a has 50%
            10s handed over crowded on vm/3: the ladder is at its end: migrate
            10s told: a person has to go on with vm/3: the ladder is at its end: migrate
            10s skipped migrate of crowded on vm/4: it would gain nothing: host/b would have 25% left, host/a has 50%
            10s handed over crowded on vm/4: the ladder is at its end: migrate
            10s told: a person has to go on with vm/4: the ladder is at its end: migrate
            10s ended p1-1/1: Done { observed: "assumed" }
            10s plan p1-1: Succeeded
            10s held crowded on vm/1: the condition is no longer known to hold
            10s ended p1-2/1: Done { observed: "assumed" }
            10s plan p1-2: Succeeded
            10s held crowded on vm/2: the condition is no longer known to hold
        "#]],
    );
}
