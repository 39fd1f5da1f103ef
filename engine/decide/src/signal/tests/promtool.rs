//! The functions that Prometheus has, against Prometheus: random series go to `promtool test rules` and to a [`Series`].
//!
//! Expressions are expected to give nothing, so promtool complains of each and says what it got.
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "Prometheus is another program")]

use std::{collections::BTreeMap, fmt::Write, path::Path, process::Command};

use super::{
    naive::{Model, Near, agrees},
    *,
};

const SERIES: u32 = 12;
/// Steps of a second, one in a few of which has a sample.
const STEPS: u32 = 1500;
const SPANS: [u64; 3] = [37, 300, 900];

/// Equal on every run.
struct Dice(u64);

impl Dice {
    /// A number below `sides`: a linear congruential generator with Knuth's constants (MMIX).
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % sides
    }
}

/// One value or none a second: a counter with restarts, a gauge, or one of great numbers, with gaps and jitter.
fn random(number: u32, dice: &mut Dice) -> Vec<Option<f64>> {
    let (rarity, mut level, mut gap) = (1 + dice.roll(20), f64::from(dice.roll(1000)), 0);
    let step = |_| {
        if dice.roll(200) == 0 {
            gap = dice.roll(500);
        }
        gap = u32::saturating_sub(gap, 1);
        if gap > 0 || dice.roll(rarity) > 0 {
            return None;
        }
        level = match number % 3 {
            0 if dice.roll(30) == 0 => f64::from(dice.roll(5)),
            0 => level + f64::from(dice.roll(40)),
            1 => f64::from(dice.roll(2000)) / 8.0 - 100.0,
            _ => 1e12 + f64::from(dice.roll(1000)) / 8.0,
        };
        Some(level)
    };
    (0..STEPS).map(step).collect()
}

/// What Prometheus calls it; `None` for what it has not.
fn expression(function: Function, metric: &str, span: Duration) -> Option<String> {
    let name = match function {
        Function::Last => return Some(format!("last_over_time({metric}[1d])")),
        Function::Quantile(share) => {
            return Some(format!("quantile_over_time({}, {metric}[{span}])", share.as_ratio()));
        }
        Function::Predict(ahead) => {
            return Some(format!("predict_linear({metric}[{span}], {})", ahead.as_secs_f64()));
        }
        Function::Avg => "avg_over_time",
        Function::Min => "min_over_time",
        Function::Max => "max_over_time",
        Function::Sum => "sum_over_time",
        Function::Count => "count_over_time",
        Function::Stddev => "stddev_over_time",
        Function::Rate => "rate",
        Function::Increase => "increase",
        Function::Delta => "delta",
        Function::Slope => "deriv",
        Function::Changes => "changes",
        Function::Ewma | Function::Absent => return None,
    };
    Some(format!("{name}({metric}[{span}])"))
}

/// When to look: between two samples, so that none lies on the edge of a window, which belongs to it up to version 2 only.
fn moments() -> impl Iterator<Item = Timestamp> {
    (1..15).map(|n| at(n * 101_000 + 500))
}

/// The evaluation interval is that of the series, since promtool loads samples up to whole multiples of it only.
fn rules_test(series: &[Vec<Option<f64>>], layout: &Layout) -> String {
    let mut text = "rule_files: []\nevaluation_interval: 1s\ntests:\n  - interval: 1s\n    input_series:\n".to_owned();
    for (number, values) in series.iter().enumerate() {
        let values: Vec<String> =
            values.iter().map(|value| value.map_or_else(|| "_".to_owned(), |v| v.to_string())).collect();
        writeln!(text, "      - {{series: m{number}, values: \"{}\"}}", values.join(" ")).unwrap();
    }
    text.push_str("    promql_expr_test:\n");
    for number in 0..series.len() {
        for (function, span) in layout.windows() {
            let Some(expression) = expression(*function, &format!("m{number}"), *span) else { continue };
            for now in moments() {
                let time = Duration::from_millis(now.as_millis().try_into().unwrap());
                writeln!(text, "      - {{expr: \"{expression}\", eval_time: {time}, exp_samples: []}}").unwrap();
            }
        }
    }
    text
}

/// What promtool got, by expression and time as it writes them.
fn ask_prometheus(test: &str) -> BTreeMap<(String, String), f64> {
    let prometheus = std::env::var("HOMEOSTAT_TEST_PROMETHEUS_BIN").expect("the test bed: cargo xtask test");
    let file = std::env::temp_dir().join(format!("homeostat-promtool-{}.yaml", std::process::id()));
    std::fs::write(&file, test).unwrap();
    let output =
        Command::new(Path::new(&prometheus).with_file_name("promtool")).args(["test", "rules"]).arg(&file).output();
    let _ = std::fs::remove_file(&file);
    let output = output.unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let mut got = BTreeMap::new();
    let mut asked = None;
    for line in told.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("expr: \"") {
            let (expression, rest) = rest.split_once("\", time: ").unwrap();
            asked = Some((expression.to_owned(), rest.trim_end_matches(',').to_owned()));
        } else if let Some(rest) = line.strip_prefix("got:") {
            let value = rest.trim_matches(['"', ' ']).rsplit(' ').next().unwrap();
            got.insert(asked.take().unwrap(), value.parse().unwrap_or_else(|_| panic!("promtool got {line}")));
        }
    }
    assert!(!got.is_empty(), "promtool said: {told}");
    got
}

#[test]
#[ignore = "needs the test bed: cargo xtask test"]
fn prometheus_computes_the_same() {
    let mut dice = Dice(20_260_101);
    let series: Vec<Vec<Option<f64>>> = (0..SERIES).map(|number| random(number, &mut dice)).collect();
    let layout = all_over(&SPANS.map(Duration::from_secs));
    let got = ask_prometheus(&rules_test(&series, &layout));
    let (mut compared, mut passed_over) = (0, 0);
    for (number, values) in series.iter().enumerate() {
        let (mut ours, mut model) = (Series::new(&layout, at(0)), Model::new(at(0)));
        let mut samples = (0..).map(|step| at(step * 1000)).zip(values).peekable();
        for now in moments() {
            while let Some((time, value)) = samples.next_if(|(time, _)| *time < now) {
                if let Some(value) = value {
                    ours.push(&layout, time, *value);
                    model.push(&layout, time, *value);
                }
            }
            ours.advance(&layout, now);
            for (place, (function, span)) in layout.windows().iter().enumerate() {
                let Some(expression) = expression(*function, &format!("m{number}"), *span) else { continue };
                if matches!(function, Function::Rate | Function::Increase)
                    && model.was_extrapolated_otherwise(*span, now)
                {
                    passed_over += 1;
                    continue;
                }
                let time = Duration::from_millis(now.as_millis().try_into().unwrap()).to_string();
                let tolerance = model.value(*function, *span, now).map_or(0.0, |near| near.tolerance);
                let theirs = got.get(&(expression.clone(), time.clone()));
                let value = ours.value(&layout, place, now);
                let expected = theirs.map(|value| Near { value: *value, tolerance });
                assert!(agrees(value, expected), "{expression} at {time}: {value:?}, not {expected:?}");
                compared += usize::from(theirs.is_some());
            }
        }
    }
    println!("{compared} values are equal; {passed_over} were extrapolated otherwise before Prometheus 2.53");
    assert!(compared > 5000 && passed_over * 20 < compared, "{compared} compared, {passed_over} not");
}
