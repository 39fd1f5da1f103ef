//! Results as JUnit's XML, which build servers read: a suite for each file, a case for each test.
//!
//! There is no standard; this is the shape of Jenkins' `junit-10.xsd`, which GitLab and GitHub's actions understand as well.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use super::{Results, TestResult};
use crate::{files::TEST_SUFFIX, report::Flaw};

/// What is known of one file.
#[derive(Default)]
struct File<'a> {
    tests: Vec<&'a TestResult>,
    problems: Vec<&'a Flaw>,
}

/// The results as one XML document.
pub(super) fn text(results: &Results) -> String {
    let mut files: BTreeMap<&str, File<'_>> = BTreeMap::new();
    for test in &results.tests {
        files.entry(&test.file).or_default().tests.push(test);
    }
    for problem in &results.problems {
        files.entry(problem.file()).or_default().problems.push(problem);
    }
    let time: Duration = results.tests.iter().map(|test| test.took).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String does not fail; here and below.
    let _ = writeln!(
        out,
        "<testsuites name=\"homeostat\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        files.values().map(File::count).sum::<usize>(),
        files.values().map(File::failures).sum::<usize>(),
        files.values().map(File::errors).sum::<usize>(),
        seconds(time),
    );
    for (name, file) in &files {
        file.write(name, &mut out);
    }
    out + "</testsuites>\n"
}

impl File<'_> {
    fn count(&self) -> usize {
        self.tests.len() + self.problems.len()
    }

    fn failures(&self) -> usize {
        self.tests.iter().filter(|test| !test.failures.is_empty()).count()
    }

    fn errors(&self) -> usize {
        self.tests.iter().filter(|test| test.error.is_some()).count() + self.problems.len()
    }

    fn write(&self, name: &str, out: &mut String) {
        let time: Duration = self.tests.iter().map(|test| test.took).sum();
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{}\">",
            escape(name),
            self.count(),
            self.failures(),
            self.errors(),
            seconds(time),
        );
        for problem in &self.problems {
            let case = format!("{} can be read", problem.place());
            begin(&case, name, Duration::ZERO, out);
            ended("error", problem.code(), problem.message(), &problem.to_string(), out);
        }
        for test in &self.tests {
            begin(&test.name, name, test.took, out);
            match (&test.error, test.failures.as_slice()) {
                (Some(error), _) => ended("error", "homeostat::test::not_run", first_line(error), error, out),
                (None, []) => out.push_str("/>\n"),
                (None, failures @ [first, rest @ ..]) => {
                    let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
                    let message = format!("{}{more}", first_line(first));
                    ended("failure", "homeostat::test::expectation", &message, &failures.join("\n"), out);
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
}

/// Begins a case; its end is still to be written.
fn begin(name: &str, class: &str, took: Duration, out: &mut String) {
    let (name, class) = (escape(name), escape(&class_of(class)));
    let _ = write!(out, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{}\"", seconds(took));
}

/// The class that build servers sort the tests of `file` under: `policies/web.test.yaml` is `web` in the package `policies`. With the
/// path as it is they would take `yaml` for its name.
fn class_of(file: &str) -> String {
    let stem = file.strip_suffix(TEST_SUFFIX).or_else(|| file.strip_suffix(".yaml")).unwrap_or(file);
    let parts = stem.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | ".."));
    // A dot of a folder's name would begin another package.
    parts.map(|part| part.trim_start_matches('.').replace('.', "_")).collect::<Vec<_>>().join(".")
}

/// Ends a case that did not go well.
fn ended(how: &str, kind: &str, message: &str, text: &str, out: &mut String) {
    let (kind, message, text) = (escape(kind), escape(message), escape(text.trim_end()));
    let _ = writeln!(out, ">\n      <{how} type=\"{kind}\" message=\"{message}\">{text}</{how}>\n    </testcase>");
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches(':')
}

/// With the three digits that build servers expect at most.
fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Text for an element or an attribute. Characters that XML 1.0 cannot carry at all become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;

    use super::{TestResult, text};
    use crate::{command::test::Results, report::Flaw};

    #[test]
    fn what_xml_would_take_as_its_own_is_escaped() {
        let test = |name: &str, failures: &[&str], error: Option<&str>| TestResult {
            file: "a & b.test.yaml".into(),
            name: name.into(),
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
            error: error.map(str::to_owned),
            took: Duration::from_millis(1500),
        };
        let tests = vec![
            test("<good> \"one\"", &[], None),
            test("bad\u{7}", &["at 1m: plans made:\n  x > 1 && y", "second"], None),
            test("not run", &[], Some("1 problem in the policies\n]]>\u{1b}[31m")),
        ];
        let problems =
            vec![Flaw::new("homeostat::policy::yaml_syntax", "c.test.yaml", "this is not YAML").at("x", 1, 1)];
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="homeostat" tests="4" failures="1" errors="2" time="4.500">
              <testsuite name="a &amp; b.test.yaml" tests="3" failures="1" errors="1" skipped="0" time="4.500">
                <testcase name="&lt;good&gt; &quot;one&quot;" classname="a &amp; b" time="1.500"/>
                <testcase name="bad�" classname="a &amp; b" time="1.500">
                  <failure type="homeostat::test::expectation" message="at 1m: plans made (and 1 more)">at 1m: plans made:
              x &gt; 1 &amp;&amp; y
            second</failure>
                </testcase>
                <testcase name="not run" classname="a &amp; b" time="1.500">
                  <error type="homeostat::test::not_run" message="1 problem in the policies">1 problem in the policies
            ]]&gt;�[31m</error>
                </testcase>
              </testsuite>
              <testsuite name="c.test.yaml" tests="1" failures="0" errors="1" skipped="0" time="0.000">
                <testcase name="c.test.yaml:1 can be read" classname="c" time="0.000">
                  <error type="homeostat::policy::yaml_syntax" message="this is not YAML">homeostat::policy::yaml_syntax

              × this is not YAML
               ╭─[c.test.yaml:1:1]
             1 │ x
               · ▲
               · ╰── here
               ╰────</error>
                </testcase>
              </testsuite>
            </testsuites>
        "#]].assert_eq(&text(&Results { tests, problems, coverage: None }));
    }
}
