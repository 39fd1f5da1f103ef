//! The fuzz targets: built with what the pinned toolchain has, then run side by side for a while.
//!
//! libFuzzer needs to see which branches a run takes. LLVM puts that in when it is told to, which takes neither a nightly
//! compiler nor cargo-fuzz; only sanitizers would, and the code has nothing for them to find: it forbids `unsafe`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::{
    interrupt::Interrupt,
    packages,
    process::{POLL, end_group},
    run::target_folder,
    stage::{self, Counts, Report, Verdict},
};

/// Each target, and the dictionary of words that its inputs are made of, if there is one.
const TARGETS: [Target; 12] = [
    ("policy", Some("policy")),
    ("policy_test", Some("policy")),
    ("expression", Some("policy")),
    ("script", Some("script")),
    ("json_line", None),
    ("alertmanager", None),
    ("remote_write", None),
    ("cloud_event", None),
    ("journal", None),
    ("exposition", None),
    ("configuration", Some("configuration")),
    ("request", Some("request")),
];

/// What `cargo xtask test` spends on each target: with two processors half a minute in all, enough for some ten thousand inputs
/// to the slowest. What needs longer is found by `cargo xtask fuzz`.
pub(crate) const SECONDS: u64 = 8;

/// Files of a corpus that is kept from run to run. Reading more of them would take the time that is there for new ones.
const MAX_KEPT: usize = 2_000;

/// Bounds of one input: of its bytes, of its time with all the checks in on a busy machine, and of the process's memory.
const BOUNDS: [&str; 3] = ["-max_len=8192", "-timeout=10", "-rss_limit_mb=1024"];

/// What makes LLVM tell libFuzzer about branches and comparisons. The last one keeps branches apart that could be folded.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// How long a target may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

const RUN: &str = "fuzz";

/// A target and its dictionary.
type Target = (&'static str, Option<&'static str>);

/// `cargo xtask fuzz`: the targets of these names, or every one, for `seconds` each.
pub(crate) fn some(root: &Path, names: &[&str], seconds: u64) -> Result<(), String> {
    let reports = run(root, chosen(names)?, seconds, &Interrupt::install()?);
    let bad = reports.iter().find(|report| report.verdict != Verdict::Passed);
    bad.map_or(Ok(()), |report| Err(format!("{}: {:?}", report.name, report.verdict)))
}

fn chosen(names: &[&str]) -> Result<Vec<Target>, String> {
    let all = || TARGETS.map(|(target, _)| target).join(", ");
    let find = |name: &&str| TARGETS.into_iter().find(|(target, _)| target == name);
    let one = |name: &&str| find(name).ok_or_else(|| format!("`{name}` is no fuzz target; there are {}", all()));
    if names.is_empty() { Ok(TARGETS.to_vec()) } else { names.iter().map(one).collect() }
}

/// The stages: building, then running each target.
pub(crate) fn stages(root: &Path, seconds: u64, interrupt: &Interrupt) -> Vec<Report> {
    run(root, TARGETS.to_vec(), seconds, interrupt)
}

fn run(root: &Path, targets: Vec<Target>, seconds: u64, interrupt: &Interrupt) -> Vec<Report> {
    if packages::find("c++").is_none() {
        return vec![Report::skipped(RUN, "there is no C++ compiler, with which libFuzzer is built")];
    }
    let folder = match target_folder() {
        Ok(folder) => folder.join("fuzz"),
        Err(problem) => return vec![Report::of(RUN, Err(problem), Duration::ZERO)],
    };
    let built = stage::run("fuzz build", &mut build(root, &folder), interrupt);
    let ran = if built.verdict == Verdict::Passed {
        Fuzzing { root: root.to_owned(), folder, targets, seconds }.report(interrupt)
    } else {
        Report::skipped(RUN, "the targets could not be built")
    };
    vec![built, ran]
}

fn build(root: &Path, folder: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root.join("tests/fuzz")).env("RUSTFLAGS", INSTRUMENTED).env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo.args(["build", "--release", "--locked", "--quiet", "--bins", "--target-dir"]).arg(folder);
    // With a target, what runs while building is not instrumented, and is taken from the cache of any other set of flags.
    cargo.args(["--target", TRIPLE]);
    cargo
}

/// Where this program was built, which is where the targets run.
const TRIPLE: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

struct Fuzzing {
    root: PathBuf,
    /// The build's folder; corpora, findings and logs are in it too.
    folder: PathBuf,
    targets: Vec<Target>,
    seconds: u64,
}

/// A target that runs.
struct Running {
    target: &'static str,
    child: Child,
}

impl Fuzzing {
    /// Runs all targets, as many at a time as there are processors.
    fn report(&self, interrupt: &Interrupt) -> Report {
        println!("\n== {RUN}: {} targets, {} s each", self.targets.len(), self.seconds);
        let began = Instant::now();
        let at_a_time = thread::available_parallelism().map_or(1, usize::from);
        let mut waiting = self.targets.iter();
        let mut running: Vec<Running> = Vec::new();
        let mut counts = Counts::default();
        loop {
            while running.len() < at_a_time && !interrupt.came() {
                let Some((target, words)) = waiting.next() else { break };
                match self.start(target, *words) {
                    Ok(child) => running.push(Running { target, child }),
                    Err(problem) => {
                        println!("fuzz {target}: {problem}");
                        counts.failed += 1;
                    }
                }
            }
            if running.is_empty() {
                break;
            }
            thread::sleep(POLL);
            if interrupt.came() {
                running.iter_mut().for_each(|one| end_group(&mut one.child, PATIENCE));
                return Report::skipped(RUN, "interrupted");
            }
            running.retain_mut(|one| self.goes_on(one, &mut counts));
        }
        let outcome = if counts.failed == 0 { Ok(()) } else { Err("a target found something".to_owned()) };
        Report { counts, ..Report::of(RUN, outcome, began.elapsed()) }
    }

    fn start(&self, target: &str, words: Option<&str>) -> Result<Child, String> {
        let folder = |what: &str| self.folder.join(what).join(target);
        let (corpus, found) = (folder("corpus"), folder("artifacts"));
        if fs::read_dir(&corpus).map_or(0, Iterator::count) > MAX_KEPT {
            fs::remove_dir_all(&corpus).map_err(|error| format!("cannot empty {}: {error}", corpus.display()))?;
        }
        for folder in [&corpus, &found] {
            fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        }
        let log = File::create(self.log(target)).map_err(|error| format!("cannot write its log: {error}"))?;
        let errors = log.try_clone().map_err(|error| format!("cannot write its log: {error}"))?;
        let fuzz = self.root.join("tests/fuzz");
        let mut command = Command::new(self.folder.join(TRIPLE).join("release").join(target));
        command.arg(&corpus).arg(fuzz.join("seeds").join(target)).args(BOUNDS);
        command.arg(format!("-max_total_time={}", self.seconds)).arg("-print_final_stats=1");
        command.arg(format!("-artifact_prefix={}/", found.display()));
        command.args(words.map(|words| format!("-dict={}/dictionaries/{words}.dict", fuzz.display())));
        stage::quietly(&mut command).stdout(log).stderr(errors).spawn().map_err(|error| error.to_string())
    }

    fn log(&self, target: &str) -> PathBuf {
        self.folder.join(format!("{target}.log"))
    }

    /// Whether it is still at it; when it is not, says how it went.
    fn goes_on(&self, one: &mut Running, counts: &mut Counts) -> bool {
        let status = match one.child.try_wait() {
            Ok(None) => return true,
            Ok(Some(status)) => status,
            Err(error) => {
                println!("fuzz {}: {error}", one.target);
                counts.failed += 1;
                return false;
            }
        };
        let log = fs::read(self.log(one.target)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        if status.success() {
            counts.passed += 1;
            println!("fuzz {}: {} inputs, nothing found", one.target, inputs(&log).unwrap_or("no"));
        } else {
            counts.failed += 1;
            println!("{}", finding(one.target, &log, &self.log(one.target)));
        }
        false
    }
}

/// How many inputs were run, of libFuzzer's statistics.
fn inputs(log: &str) -> Option<&str> {
    log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).map(str::trim)
}

/// What was found: the lines that say what went wrong, and where the input is.
fn finding(target: &str, log: &str, path: &Path) -> String {
    const MARKS: [&str; 5] = ["panicked at", "ERROR:", "SUMMARY:", "ALARM:", "Test unit written to"];
    let lines: Vec<&str> = log.lines().collect();
    let mut said = format!("fuzz {target}: FOUND SOMETHING; all that it said is in {}", path.display());
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| MARKS.iter().any(|mark| line.contains(mark))) {
        said.push_str(&format!("\n    {}", line.trim()));
        // The message of a panic is below its place.
        if let Some(message) = lines.get(number + 1).filter(|_| line.contains("panicked at")) {
            said.push_str(&format!("\n    {}", message.trim()));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: &str = "INFO: Seed: 1\n#2 INITED\nthread '<unnamed>' panicked at targets/policy.rs:9:1:\nno such place\n\
        ==7== ERROR: libFuzzer: deadly signal\nSUMMARY: libFuzzer: deadly signal\nMS: 1\n\
        artifact_prefix='/t/'; Test unit written to /t/crash-0123\nBase64: Cg==\n";

    #[test]
    fn a_finding_says_what_and_where_its_input_is() {
        let said = finding("policy", CRASH, Path::new("/t/policy.log"));
        for part in ["fuzz policy", "/t/policy.log", "policy.rs:9:1", "no such place", "/t/crash-0123", "deadly signal"]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        assert!(!said.contains("Base64") && !said.contains("INITED"), "{said}");
    }

    #[test]
    fn targets_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), TARGETS.len());
        assert_eq!(
            chosen(&["expression", "policy"]).unwrap(),
            [("expression", Some("policy")), ("policy", Some("policy"))]
        );
        assert!(chosen(&["polcy"]).unwrap_err().contains("`polcy` is no fuzz target; there are policy, "));
    }

    #[test]
    fn statistics_are_read() {
        assert_eq!(
            inputs("Done\nstat::number_of_executed_units: 4711\nstat::slowest_unit_time_sec: 0\n"),
            Some("4711")
        );
        assert_eq!(inputs(CRASH), None);
    }

    #[test]
    fn every_target_of_the_manifest_is_run() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let manifest = fs::read_to_string(root.join("tests/fuzz/Cargo.toml")).unwrap();
        let all = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1));
        assert_eq!(all.collect::<Vec<_>>(), TARGETS.map(|(target, _)| target));
        for (target, words) in TARGETS {
            assert!(root.join("tests/fuzz/seeds").join(target).read_dir().unwrap().count() > 0, "{target}");
            let words = words.map(|words| root.join(format!("tests/fuzz/dictionaries/{words}.dict")));
            assert!(words.is_none_or(|words| words.is_file()), "{target}");
        }
    }
}
