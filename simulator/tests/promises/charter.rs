//! Policies and guards, drawn: as text in the language that people write.

use std::sync::{Arc, OnceLock};

use homeostat_policy::{Catalogue, Policy, SourceText, UnknownMetrics, load};

use crate::draw::Draw;

/// Sets of policies. A seed has one of them, and a world of its own beside it: to read a set takes as long as to run a seed.
const SETS: usize = 512;

/// The policies of a seed.
pub(crate) fn charter(seed: u64) -> &'static (String, Vec<Arc<Policy>>) {
    static READ: [OnceLock<(String, Vec<Arc<Policy>>)>; SETS] = [const { OnceLock::new() }; SETS];
    let number = seed % SETS as u64;
    READ[number as usize].get_or_init(|| {
        let text = text(&mut Draw::new(number, 2));
        let policies = read(&text);
        (text, policies)
    })
}

fn problems(text: &str) -> Vec<homeostat_policy::Problem> {
    let source = SourceText { name: "drawn.yaml".into(), text: text.to_owned() };
    load(&[source], &Catalogue::new(UnknownMetrics::Allow)).problems
}

fn read(text: &str) -> Vec<Arc<Policy>> {
    let source = SourceText { name: "drawn.yaml".into(), text: text.to_owned() };
    let loaded = load(&[source], &Catalogue::new(UnknownMetrics::Allow));
    assert!(loaded.problems.is_empty(), "{text}\n{:#?}", loaded.problems);
    loaded.policies.into_iter().map(Arc::new).collect()
}

/// What a policy waits for, and the ladder that fits it.
struct Pattern {
    name: &'static str,
    condition: &'static str,
    rungs: &'static [&'static str],
    verify: &'static [&'static str],
}

/// Of machines and of hosts. What is measured is called `load` and `drain`.
const PATTERNS: [Pattern; 10] = [
    Pattern {
        name: "crash",
        condition: "select: {kind: vm}\non: vm.crashed",
        rungs: &["restart:", "migrate:", "recreate:", "restart:"],
        verify: &["state == \"running\""],
    },
    Pattern {
        name: "stopped",
        condition: "select: {kind: vm}\non: vm.stopped",
        rungs: &["start:"],
        verify: &["state == \"running\""],
    },
    Pattern {
        name: "hot",
        condition: "select: {kind: vm, matchLabels: {tier: web}}\nwhen: last(\"load\") > 80%\nclear: last(\"load\") < 60%",
        rungs: &["resize: {vcpus: +1, maxVcpus: 4}", "migrate:", "fisicalize: {pool: micro}", "restart:"],
        verify: &["last(\"load\") < 70%", "state == \"running\""],
    },
    Pattern {
        name: "busy",
        condition: "select: {kind: vm}\nwhen: avg(\"load\", 2m) > 75%",
        rungs: &["migrate:", "resize: {memory: +1Gi, maxMemory: 8Gi}", "migrate:"],
        verify: &["host.state == \"up\"", "last(\"load\") < 70%"],
    },
    Pattern {
        name: "idle",
        condition: "select: {kind: vm, matchLabels: {tier: db}}\nwhen: last(\"load\") < 10%",
        rungs: &["resize: {vcpus: -1, minVcpus: 1}"],
        verify: &["capacity.vcpus <= 1"],
    },
    Pattern {
        name: "small",
        condition: "select: {kind: vm, matchLabels: {tier: db}}\nwhen: capacity.vcpus < 2 && state == \"running\"",
        rungs: &["resize: {vcpus: 2}", "migrate:"],
        verify: &["capacity.vcpus >= 2"],
    },
    Pattern {
        // No move is enough for it, so that the next would lead back.
        name: "restless",
        condition: "select: {kind: vm}\nwhen: last(\"load\") > 60%",
        rungs: &["migrate:", "migrate:", "migrate:"],
        verify: &["state == \"running\""],
    },
    Pattern {
        name: "down",
        condition: "select: {kind: host}\nwhen: state == \"down\"",
        rungs: &["evacuate:"],
        verify: &["children.all(state == \"running\")"],
    },
    Pattern {
        name: "drain",
        condition: "select: {kind: host}\nwhen: last(\"drain\") > 50%",
        rungs: &["evacuate:", "evacuate:"],
        verify: &["children.count(true) < 1"],
    },
    Pattern {
        name: "sleepless",
        condition: "select: {kind: vm}\nwhen: last(\"load\") > 95%",
        rungs: &["fisicalize: {pool: micro}", "migrate:"],
        verify: &["last(\"load\") < 95%"],
    },
];

fn text(draw: &mut Draw) -> String {
    let mut text = String::new();
    // Those that save what is lost are rarely left out.
    for pattern in &PATTERNS {
        let wanted = if matches!(pattern.name, "crash" | "stopped" | "down") { 75 } else { 45 };
        if draw.chance(wanted) {
            text += &policy(draw, pattern);
        }
    }
    for number in 0..draw.below(3) {
        text += &guard(draw, number);
    }
    if text.is_empty() { policy(draw, &PATTERNS[0]) } else { text }
}

fn policy(draw: &mut Draw, pattern: &Pattern) -> String {
    let mut spec = format!("{}\n", pattern.condition);
    if pattern.condition.contains("when:") {
        spec += *draw.pick(&["", "for: 30s\n", "for: 1m\n"]);
        spec += *draw.pick(&["", "", "keepFiringFor: 1m\n", "onUnknown: close\n"]);
    }
    spec += &format!("cooldown: {}\n", draw.pick(&["0s", "20s", "1m", "5m"]));
    spec += &format!("priority: {}\n", draw.pick(&[0, 10, 20]));
    match draw.below(100) {
        0..70 => {}
        70..85 => {
            spec += "mode: approve\n";
            spec += *draw.pick(&[
                "",
                "approval: {quorum: 2}\n",
                "approval: {quorum: 2, within: 3m, otherwise: approve}\n",
                "approval: {quorum: 1, within: 2m, otherwise: reject}\n",
            ]);
        }
        85..93 => spec += "mode: recommend\n",
        _ => spec += "mode: observe\n",
    }
    let label = if pattern.condition.contains("kind: vm") { "label:tier" } else { "label:pool" };
    if draw.chance(35) {
        spec += &format!("budgets: [{}]\n", budget(draw, &["policy", "policy", "host", "rack", "kind", label]));
    }
    spec += *draw.pick(&["", "", "", "", "maxUnhealthy: 3\n", "maxUnhealthy: 50%\n"]);
    spec += *draw.pick(&["", "", "", "", "flap: {changes: 3, within: 10m}\n"]);
    if pattern.condition.contains("kind: vm") {
        spec += *draw.pick(&["", "", "returnAfter: 10m\n", "returnAfter: 30m\n"]);
        spec += *draw.pick(&["", "", "minGain: 5%\n", "minGain: 20%\n"]);
    }
    let ceiling = *draw.pick(&["", "", "", "ceiling: live\n", "ceiling: restart\n"]);
    spec += &ladder(draw, pattern);
    let bounded = document("Policy", pattern.name, &format!("{ceiling}{spec}"));
    // A ladder that is certainly higher is refused.
    if problems(&bounded).is_empty() { bounded } else { document("Policy", pattern.name, &spec) }
}

fn ladder(draw: &mut Draw, pattern: &Pattern) -> String {
    let mut then = "then:\n".to_owned();
    for rung in &pattern.rungs[..draw.between(1, pattern.rungs.len() as u64) as usize] {
        then += &format!("  - {rung}\n");
        if draw.chance(40) {
            then += &format!("    attempts: {}\n", draw.between(2, 3));
        }
        if draw.chance(35) {
            let that = draw.pick(pattern.verify);
            let stable = draw.pick(&["", ", stableFor: 10s"]);
            then += &format!("    verify: {{that: '{that}', within: {}{stable}}}\n", draw.pick(&["30s", "1m", "3m"]));
        }
        then += *draw.pick(&["", "", "", "    cooldown: 30s\n", "    compensate: false\n"]);
    }
    if draw.chance(40) {
        then += "  - notify: {message: \"${resource} needs a person\"}\n";
    }
    then
}

/// Some have room for plans of several resources, some for one at a time; some are in force only when the worlds have their troubles.
fn budget(draw: &mut Draw, scopes: &[&str]) -> String {
    let scope = draw.pick(scopes);
    let max = if draw.chance(25) {
        format!("{}%", draw.pick(&[10, 25, 34, 50]))
    } else {
        let most = if draw.chance(50) { 3 } else { 6 };
        draw.between(1, most).to_string()
    };
    let per = draw.pick(&["", ", per: 3m", ", per: 15m"]);
    let during = draw.pick(&[
        "",
        "",
        "",
        "",
        ", schedule: \"0 23 * * *\", duration: 5m",
        ", schedule: \"*/10 * * * *\", duration: 4m, timezone: UTC",
        ", schedule: \"55 23 * * *\", duration: 10m, timezone: Europe/Berlin",
    ]);
    format!("{{scope: {scope}, max: {max}{per}{during}}}")
}

fn guard(draw: &mut Draw, number: u64) -> String {
    let (kind, scopes) = *draw.pick(&[
        ("{kind: vm}", ["all", "host", "rack", "policy", "kind", "label:tier"]),
        ("{kind: vm, matchLabels: {tier: web}}", ["all", "host", "rack", "policy", "kind", "label:tier"]),
        ("{kind: host}", ["all", "host", "rack", "policy", "kind", "label:pool"]),
    ]);
    let mut spec = format!("select: {kind}\n");
    if draw.chance(50) {
        spec += &format!("budgets: [{}]\n", budget(draw, &scopes));
    }
    if draw.chance(60) {
        let pause = draw.pick(&["2m", "5m"]);
        spec += &format!("breaker: {{failures: {}, within: 10m, pause: {pause}}}\n", draw.between(1, 3));
    }
    spec += *draw.pick(&["", "", "maxUnhealthy: 2\n", "maxUnhealthy: 40%\n"]);
    spec += *draw.pick(&["", "", "", "silentHosts: {max: 1, after: 2m}\n"]);
    spec += *draw.pick(&["", "", "", "settle: 2m\n"]);
    spec += *draw.pick(&["", "", "", "", "ceiling: restart\n"]);
    spec += *draw.pick(&[
        "",
        "",
        "",
        "",
        "maintenance: [{schedule: \"5 23 * * *\", duration: 4m, timezone: UTC}]\n",
        "onlyWithin: [{schedule: \"0 0 * * *\", duration: 6h, timezone: UTC}]\n",
    ]);
    spec += "description: drawn\n";
    if spec.lines().count() < 3 {
        spec += "maxUnhealthy: 4\n";
    }
    document("Guard", &format!("guard-{number}"), &spec)
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    format!("---\napiVersion: homeostat.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}
