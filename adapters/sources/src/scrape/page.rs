//! What a page says of the resources behind its target.

use std::collections::BTreeMap;

use homeostat_model::{Observation, Timestamp};
use thiserror::Error;

use crate::{
    Entry, Exposition, ExpositionError, ExpositionFormat, ExpositionProblem, Label,
    intake::{Became, Reason},
    series::SeriesReader,
    series_mapping::NAME,
    target::Target,
};

/// Refusals of one page that are told in full. A page that is wrong is wrong in one or two ways.
const TOLD: usize = 5;

/// What bounds the reading of a page.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) samples: usize,
    pub(super) honor_timestamps: bool,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) observations: Vec<Observation>,
    /// Lines and series that are of no use though they should be: what is wrong, and what to do.
    pub(super) refused: Vec<String>,
    pub(super) more_refused: u64,
    /// How many samples became what.
    pub(super) samples: BTreeMap<Became, u64>,
}

/// A page of which nothing is taken.
#[derive(Debug, Error)]
pub(super) enum PageError {
    #[error("its page has more than {0} samples; raise `sampleLimit`, or let it serve less")]
    TooManySamples(usize),
    #[error("{0}")]
    CutOff(ExpositionError),
    #[error("no line of its page can be read: {0}; check that the path is that of metrics")]
    NoMetrics(ExpositionError),
}

/// Reads a page; samples without a time of their own are of `now`.
pub(super) fn read(
    body: &[u8],
    format: ExpositionFormat,
    target: &Target,
    limits: &Limits,
    now: Timestamp,
    reader: &mut SeriesReader,
) -> Result<Page, PageError> {
    whole(body, format, limits)?;
    reader.begin(now);
    let mut exposition = Exposition::new(body, format);
    let mut page = Page::default();
    let mut names: Vec<(&str, &str)> = Vec::new();
    while let Some(entry) = exposition.next_entry() {
        let point = match entry {
            Ok(Entry::Point(point)) => point,
            Ok(_) => continue,
            Err(error) => {
                *page.samples.entry(Became::Refused(Reason::Malformed)).or_default() += 1;
                page.refuse(|| error.to_string());
                continue;
            }
        };
        let mut labels = emptied(names);
        labels.push((NAME, &point.name));
        labels.extend(target.labels.iter().map(|label| (&*label.name, &*label.value)));
        labels.extend(point.labels.iter().filter_map(|label| Some((renamed(label, target, point.labels)?, &*label.1))));
        labels.sort_unstable();
        let time = point.time.filter(|_| limits.honor_timestamps).unwrap_or(now);
        let fate = reader.series(&labels).observe(time, point.value, &mut page.observations);
        *page.samples.entry(fate.became()).or_default() += 1;
        if let Some(why) = fate.problem() {
            page.refuse(|| why.to_string());
        }
        names = emptied(labels);
    }
    Ok(page)
}

/// Finds out whether anything of the page may be taken. A second look at it is cheap, and nothing has to be taken back.
fn whole(body: &[u8], format: ExpositionFormat, limits: &Limits) -> Result<(), PageError> {
    let mut exposition = Exposition::new(body, format);
    let (mut samples, mut first_error) = (0, None);
    while let Some(entry) = exposition.next_entry() {
        match entry {
            Ok(Entry::Point(_)) => samples += 1,
            Ok(_) => {}
            Err(error) if error.problem == ExpositionProblem::Truncated => return Err(PageError::CutOff(error)),
            Err(error) => first_error = first_error.or(Some(error)),
        }
        if samples > limits.samples {
            return Err(PageError::TooManySamples(limits.samples));
        }
    }
    match first_error {
        Some(error) if samples == 0 => Err(PageError::NoMetrics(error)),
        _ => Ok(()),
    }
}

impl Page {
    fn refuse(&mut self, why: impl FnOnce() -> String) {
        if self.refused.len() < TOLD {
            self.refused.push(why());
        } else {
            self.more_refused += 1;
        }
    }
}

/// What a label is called beside those of the target; `None` when there is no room for it, or it is empty, which is as if it
/// was not there.
fn renamed<'a>(label: &'a Label<'_>, target: &'a Target, all: &[Label<'_>]) -> Option<&'a str> {
    let (name, value) = label;
    if value.is_empty() || name == NAME {
        return None;
    }
    let taken = |name: &str| target.labels.iter().find(|own| own.name == name);
    match taken(name) {
        None => Some(name),
        Some(own) => {
            let exported = &own.exported;
            let free = taken(exported).is_none() && !all.iter().any(|(other, _)| *other == **exported);
            free.then_some(exported)
        }
    }
}

/// The same memory, with nothing in it, for texts that live for another time.
fn emptied<'a>(mut labels: Vec<(&str, &str)>) -> Vec<(&'a str, &'a str)> {
    labels.clear();
    labels.into_iter().map(|_| ("", "")).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::target::Address;

    fn told(page: &str, format: ExpositionFormat, limits: &Limits) -> String {
        let mapping = r#"{"presets": ["node-exporter"], "series": [
            {"match": "queue", "part": "queue/${labels.exported_instance}", "metric": "length"},
            {"match": "load", "when": {"rack": "r1", "job": "nodes"}, "metric": "load.now"}
        ]}"#;
        let mut reader = SeriesReader::new(serde_json::from_str(mapping).unwrap());
        let labels = BTreeMap::from([("rack".to_owned(), "r1".to_owned())]);
        let address = Address::try_from("h1:9100".to_owned()).unwrap();
        let target = Target::new(&address, "/metrics", "nodes", &labels).unwrap();
        match read(page.as_bytes(), format, &target, limits, Timestamp::from_millis(5), &mut reader) {
            Err(error) => format!("{error}\n"),
            Ok(page) => {
                let refused = page.refused.iter().map(|why| format!("refused: {why}\n"));
                let observations = page.observations.iter().map(|observation| match observation {
                    Observation::Sample(s) => {
                        format!("{} {} {} @{}\n", s.resource, s.metric, s.value, s.time.as_millis())
                    }
                    other => format!("{other:?}\n"),
                });
                refused.chain(observations).collect::<String>() + &format!("and {}", page.more_refused)
            }
        }
    }

    const LIMITS: Limits = Limits { samples: 4, honor_timestamps: true };

    #[test]
    fn a_page_becomes_samples_of_what_is_behind_its_target() {
        let page =
            "# TYPE node_load1 gauge\nnode_load1 0.5\nload{rack=\"\"} 3 1000\nqueue{instance=\"q1\"} 7\nother 1\n";
        let told_of = told(page, ExpositionFormat::Text, &LIMITS);
        expect![[r#"
            host/h1 load.1m 0.5 @5
            host/h1 load.now 3 @1000
            Inventory(Upsert(Resource { id: "queue/h1/q1", adapter: None, on: Some("host/h1"), labels: {}, attributes: {}, capacity: Capacity { vcpus: None, memory_bytes: None } }))
            queue/h1/q1 length 7 @5
            and 0"#]].assert_eq(&told_of);
        let late = told("load 3 1000\n", ExpositionFormat::Text, &Limits { honor_timestamps: false, ..LIMITS });
        expect![[r#"
            host/h1 load.now 3 @5
            and 0"#]]
        .assert_eq(&late);
    }

    #[test]
    fn a_bad_line_is_refused_alone_and_a_bad_page_whole() {
        let bad: String = (0..8).map(|number| format!("{number}\n")).collect();
        expect![[r#"
            refused: line 2, column 1: there is '0' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
            refused: line 3, column 1: there is '1' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
            refused: line 4, column 1: there is '2' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
            refused: line 5, column 1: there is '3' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
            refused: line 6, column 1: there is '4' where the name of a metric (letters, digits, _ and :) has to be; look at what the exporter writes here
            host/h1 load.now 1 @5
            and 4"#]].assert_eq(&told(
            &format!("load 1\n{bad}node_load1 NaN\nqueue 1\n"),
            ExpositionFormat::Text,
            &LIMITS,
        ));
        for (page, format, problem) in [
            ("load 1\nload 2\nload 3\nload 4\nload 5\n", ExpositionFormat::Text, "more than 4 samples"),
            ("load 1\n", ExpositionFormat::OpenMetrics, "cut off"),
            ("<html>\n<p>no</p>\n</html>\n", ExpositionFormat::Text, "no line of its page"),
        ] {
            let said = told(page, format, &LIMITS);
            assert!(said.contains(problem), "{page}: {said}");
        }
        assert_eq!(told("", ExpositionFormat::Text, &LIMITS), "and 0", "a page may have nothing to say");
        assert_eq!(told("# EOF\n", ExpositionFormat::OpenMetrics, &LIMITS), "and 0");
    }

    #[test]
    fn a_label_that_has_no_room_is_left_out() {
        let page = "queue{instance=\"a\",exported_instance=\"b\"} 1\nload{__name__=\"x\"} 2\n";
        expect![[r#"
            Inventory(Upsert(Resource { id: "queue/h1/b", adapter: None, on: Some("host/h1"), labels: {}, attributes: {}, capacity: Capacity { vcpus: None, memory_bytes: None } }))
            queue/h1/b length 1 @5
            host/h1 load.now 2 @5
            and 0"#]].assert_eq(&told(page, ExpositionFormat::Text, &LIMITS));
    }
}
