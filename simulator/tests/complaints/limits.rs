//! Complaints 2, 5 and 6: limits on how many and how often.

use crate::{
    bench::{Bench, CRASH, centre, policy, slow},
    explain, plans, times,
};

/// Ten machines crash, one every half minute from second 10; each is back at once.
fn ten_crashes(limits: &str, takes: u64) -> Vec<u64> {
    let yaml = policy("crash", &format!("{CRASH}{limits}then: [restart]"));
    let mut bench = Bench::new(&yaml, centre(5), slow(takes));
    for number in 0..10 {
        let name = format!("vm/{}{}", if number < 5 { "a" } else { "b" }, number % 5);
        bench.event(10 + 30 * number, &name, "vm.crashed", &[]);
    }
    times(&plans(&mut bench, 3_600))
}

fn most_within(times: &[u64], window: u64) -> usize {
    times
        .iter()
        .map(|first| times.iter().filter(|at| (*first..first + window).contains(*at)).count())
        .max()
        .unwrap_or(0)
}

/// karpenter #2909, aws/karpenter-provider-aws #6911: one at a time is no limit where each takes a second; a fleet is gone within minutes.
#[test]
fn complaint_02_budgets_cap_concurrency_and_not_rate() {
    let one_at_a_time = ten_crashes("budgets: [{max: 1, inFlight: true}]\n", 1);
    assert_eq!(one_at_a_time.len(), 10, "that alone stops nothing: {one_at_a_time:?}");
    let slowly = ten_crashes("budgets: [{max: 1, inFlight: true}, {max: 2, per: 10m}]\n", 1);
    assert!(slowly.len() < 10 && most_within(&slowly, 600) == 2, "{slowly:?}");
}

/// keda #737 #5321 #6787 #6844: a cooldown that holds for one direction, or begins when the last sample was seen, or only at zero.
#[test]
fn complaint_05_a_cooldown_means_something_else() {
    let climb = |cooldown: &str| {
        let spec = format!(
            "select: {{kind: vm}}\nwhen: last(\"load\") > 80%\ncooldown: {cooldown}\nthen: [{{resize: {{vcpus: +1}}, attempts: 9}}]"
        );
        let mut bench = Bench::new(&policy("hot", &spec), centre(1), slow(60));
        bench.samples(10..=900, "vm/a0", "load", 0.9);
        bench
    };
    let mut bench = climb("5m");
    // From the end of a plan to the beginning of the next, to the second; and whoever asks is told so.
    let asked = explain(&mut climb("5m"), 900, "vm/a0");
    assert_eq!(times(&plans(&mut bench, 900)), [10, 370, 730]);
    assert!(asked[0].because.contains("in flight") || asked[0].acts_at.is_some(), "{asked:?}");
    let rests = {
        let mut bench = Bench::new(
            &policy(
                "hot",
                "select: {kind: vm}\nwhen: last(\"load\") > 80%\ncooldown: 5m\nthen: [{resize: {vcpus: +1}, attempts: 9}]",
            ),
            centre(1),
            slow(60),
        );
        bench.samples(10..=200, "vm/a0", "load", 0.9);
        explain(&mut bench, 200, "vm/a0")
    };
    assert_eq!(rests[0].acts_at, Some(crate::bench::at(370)), "{rests:?}");
    // Without one the next begins as soon as the last has ended.
    assert_eq!(times(&plans(&mut climb("0s"), 900))[..4], [10, 70, 130, 190]);
}

/// argo-events #1765 #2851 #3326: what is meant as a limit lets a burst through at the seam of two windows, or starts from zero when the
/// configuration is read again.
#[test]
fn complaint_06_a_debounce_is_no_rate_limit_and_limits_leak() {
    // Around the tenth minute, and around a midnight.
    for start in [540, 86_340] {
        let run = |limits: &str| {
            let yaml = |turn: &str| policy("crash", &format!("{CRASH}description: {turn}\n{limits}then: [restart]"));
            let mut bench = Bench::new(&yaml("first"), centre(5), vec![]);
            for number in 0..10 {
                let name = format!("vm/{}{}", if number < 5 { "a" } else { "b" }, number % 5);
                bench.event(start + 12 * number, &name, "vm.crashed", &[]);
                if number == 5 {
                    bench.replace(start + 12 * number + 1, &yaml("again"));
                }
            }
            times(&plans(&mut bench, start + 3_600))
        };
        assert_eq!(run("").len(), 10);
        let limited = run("budgets: [{max: 2, per: 10m}]\n");
        assert_eq!(most_within(&limited, 600), 2, "{limited:?}");
    }
}
