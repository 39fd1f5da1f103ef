//! What the API of a Prometheus answers: `/api/v1/query` and `/api/v1/query_range`.

use std::{borrow::Cow, collections::BTreeMap};

use homeostat_model::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use thiserror::Error;

use crate::exposition::number;

/// What was answered.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer<'a> {
    pub(super) series: Vec<Series<'a>>,
    /// Why the answer may be partial, and other remarks of the server.
    pub(super) warnings: Vec<String>,
    /// Parts that are of no use: what is wrong, and what to do.
    pub(super) refused: Vec<String>,
}

/// One series, with its values in the order of time.
#[derive(Debug, PartialEq)]
pub(super) struct Series<'a> {
    pub(super) labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    pub(super) values: Vec<(Timestamp, f64)>,
}

/// There was no answer to the question.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum AnswerError {
    #[error("it refuses the query: {kind}: {message}")]
    Refused { kind: String, message: String },
    #[error("its answer is not that of a Prometheus: {0}; check `url`, and what is in between")]
    Foreign(String),
    #[error("its answer has more than {0} samples; raise `sampleLimit`, or aggregate in the query")]
    TooManySamples(usize),
    #[error("the query gives a text, and not numbers; ask for a vector or a scalar")]
    Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    error_type: Option<String>,
    error: Option<String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data<'a> {
    #[serde(borrow)]
    Vector(Vec<Item<'a>>),
    #[serde(borrow)]
    Matrix(Vec<Item<'a>>),
    #[serde(borrow)]
    Scalar(Pair<'a>),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    metric: BTreeMap<Text<'a>, Text<'a>>,
    #[serde(borrow)]
    value: Option<Pair<'a>>,
    #[serde(borrow, default)]
    values: Vec<Pair<'a>>,
    histogram: Option<IgnoredAny>,
    #[serde(default)]
    histograms: Vec<IgnoredAny>,
}

/// Borrowed where there are no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Seconds since the epoch, and a number as a text.
#[derive(Deserialize)]
struct Pair<'a>(f64, #[serde(borrow)] Cow<'a, str>);

/// Reads the body of an answer, whatever its status.
pub(super) fn read(body: &[u8], sample_limit: usize) -> Result<Answer<'_>, AnswerError> {
    let document: Document<'_> =
        serde_json::from_slice(body).map_err(|error| AnswerError::Foreign(error.to_string()))?;
    let data = match (document.data, document.error) {
        (Some(data), None) => data,
        (_, Some(message)) => {
            let kind = document.error_type.unwrap_or_else(|| "error".into());
            return Err(AnswerError::Refused { kind, message });
        }
        (None, None) => return Err(AnswerError::Foreign("it has neither `data` nor `error`".into())),
    };
    let mut answer = Answer { warnings: document.warnings, ..Answer::default() };
    answer.warnings.extend(document.infos);
    let items = match data {
        Data::Vector(items) | Data::Matrix(items) => items,
        Data::Scalar(pair) => vec![Item {
            metric: BTreeMap::new(),
            value: Some(pair),
            values: Vec::new(),
            histogram: None,
            histograms: Vec::new(),
        }],
        Data::String(_) => return Err(AnswerError::Text),
    };
    let samples: usize = items.iter().map(|item| item.values.len() + usize::from(item.value.is_some())).sum();
    if samples > sample_limit {
        return Err(AnswerError::TooManySamples(sample_limit));
    }
    for item in items {
        answer.take(item);
    }
    Ok(answer)
}

impl<'a> Answer<'a> {
    fn take(&mut self, item: Item<'a>) {
        let labels: BTreeMap<_, _> = item.metric.into_iter().map(|(name, value)| (name.0, value.0)).collect();
        if item.histogram.is_some() || !item.histograms.is_empty() {
            let help = "ask for a number of it, as with histogram_quantile() or histogram_avg()";
            self.refused.push(format!("{labels:?} is a native histogram; {help}"));
        }
        let mut values = Vec::with_capacity(item.values.len() + 1);
        for Pair(seconds, text) in item.value.into_iter().chain(item.values) {
            match (number::of_seconds(seconds), number::value(&text)) {
                (Some(time), Some(value)) => values.push((time, value)),
                _ => self.refused.push(format!("[{seconds}, {text:?}] of {labels:?} is not a time and a number")),
            }
        }
        if !values.is_empty() {
            self.series.push(Series { labels, values });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> String {
        match read(body.as_bytes(), 3) {
            Err(error) => error.to_string(),
            Ok(Answer { series, warnings, refused }) => {
                let series = series.iter().map(|series| {
                    let labels: Vec<String> = series.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    let values = series.values.iter().map(|(time, value)| format!(" {value}@{}", time.as_millis()));
                    format!("{}{}; ", labels.join(","), values.collect::<String>())
                });
                format!("{}{warnings:?} {refused:?}", series.collect::<String>())
            }
        }
    }

    #[test]
    fn answers_are_vectors_matrices_and_scalars() {
        let good = |data: &str| format!(r#"{{"status":"success","data":{data}}}"#);
        for (body, expected) in [
            (
                good(
                    r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"h\n1"},"value":[1700000000.789,"1"]},
                     {"metric":{},"value":[1700000000,"NaN"]}],"stats":{}}"#,
                ),
                "__name__=up,instance=h\n1 1@1700000000789;  NaN@1700000000000; [] []",
            ),
            (
                good(r#"{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1,"0.5"],[2,"+Inf"]]}]}"#),
                "a=b 0.5@1000 inf@2000; [] []",
            ),
            (good(r#"{"resultType":"scalar","result":[1.5,"2"]}"#), " 2@1500; [] []"),
            (good(r#"{"result":[1.5,"2"],"resultType":"scalar"}"#), " 2@1500; [] []"),
            (good(r#"{"resultType":"vector","result":[]}"#), "[] []"),
            (
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]},"warnings":["one store is away"],"infos":["i"]}"#
                    .into(),
                r#" 2@1000; ["one store is away", "i"] []"#,
            ),
            (
                good(
                    r#"{"resultType":"vector","result":[{"metric":{"a":"b"},"histogram":[1,{"count":"1"}]},{"metric":{},"value":[1,"x"]},{"metric":{"c":"d"},"value":[1,"2"]}]}"#,
                ),
                r#"c=d 2@1000; [] ["{\"a\": \"b\"} is a native histogram; ask for a number of it, as with histogram_quantile() or histogram_avg()", "[1, \"x\"] of {} is not a time and a number"]"#,
            ),
            (good(r#"{"resultType":"string","result":[1,"x"]}"#), "the query gives a text"),
            (
                good(r#"{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"1"],[3,"1"],[4,"1"]]}]}"#),
                "more than 3 samples",
            ),
            (
                r#"{"status":"error","errorType":"bad_data","error":"1:3: parse error"}"#.into(),
                "it refuses the query: bad_data: 1:3: parse error",
            ),
            (r#"{"status":"error","data":null,"error":"x"}"#.into(), "it refuses the query: error: x"),
            ("<html>".into(), "not that of a Prometheus: expected value at line 1"),
            ("{}".into(), "neither `data` nor `error`"),
            (good(r#"{"resultType":"streams","result":[]}"#), "unknown variant `streams`"),
        ] {
            let said = told(&body);
            assert!(said == expected || said.contains(expected) && read(body.as_bytes(), 3).is_err(), "{body}\n{said}");
        }
    }
}
