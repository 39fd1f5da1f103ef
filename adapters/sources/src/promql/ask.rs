//! One query, asked at every step.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use homeostat_model::{Observation, Timestamp};
use thiserror::Error;

use super::{
    Query, Server,
    answer::{self, AnswerError},
    endpoint,
    steps::{Due, Steps},
};
use crate::{
    http::{HttpError, Question},
    lock::lock,
    series::SeriesReader,
    series_mapping::NAME,
    target::InvalidAddress,
};

/// Refusals of one answer that are told in full.
const TOLD: usize = 5;

/// A question brought nothing.
#[derive(Debug, Error)]
enum AskError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("it answers {0}; check `url`, and who may ask")]
    Status(String),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("reading its answer failed: {0}; this is a bug")]
    Unread(#[from] tokio::task::JoinError),
}

impl AskError {
    /// Whether there was more than one answer may have. A smaller question may have one.
    fn is_too_much(&self) -> bool {
        matches!(self, Self::Http(HttpError::TooLarge(_)) | Self::Answer(AnswerError::TooManySamples(_)))
    }

    /// Whether it may be that the server had too much to do: by its own limits, `query.max-samples` and `query.timeout`, or by ours.
    fn is_overload(&self) -> bool {
        match self {
            Self::Http(HttpError::TimedOut(_)) => true,
            Self::Answer(AnswerError::Refused { kind, .. }) => ["execution", "timeout"].contains(&&**kind),
            _ => false,
        }
    }
}

/// Who asks.
struct Asker {
    server: Arc<Server>,
    query: Arc<Query>,
    /// Nobody else asks for it; it goes to another thread and comes back.
    reader: Arc<Mutex<SeriesReader>>,
}

/// Asks until nobody listens any more.
pub(super) async fn ask(server: Arc<Server>, query: Query) {
    let (config, clock) = (&server.config, server.clock);
    let mut steps = Steps::new(config.step, config.delay, config.catch_up);
    let mapping = query.one.as_ref().map_or(&config.mapping, |(_, mapping)| mapping);
    let reader = Arc::new(Mutex::new(SeriesReader::new(mapping.clone())));
    let query = Arc::new(query);
    let asker = Asker { server: server.clone(), query: query.clone(), reader };
    let (source, query) = (&config.name, &query.expression);
    let mut failing: Option<String> = None;
    loop {
        let Some(due) = steps.due(clock.now()) else {
            clock.sleep_until(steps.next(clock.now())).await;
            continue;
        };
        // Closing a semaphore is nothing that we do. The turn ends when the engine has what was answered.
        let turn = server.turns.acquire().await;
        let asked = asker.once(&due).await;
        server.intake.request(if asked.is_ok() { "ok" } else { "failed" });
        match asked {
            Ok(observations) => {
                if failing.take().is_some() {
                    tracing::info!(%source, %query, "it answers again");
                }
                if due.passed_over > 0 {
                    tracing::warn!(
                        %source, %query, steps = due.passed_over,
                        "passed over what is longer ago than `catchUp`"
                    );
                }
                steps.answered(due.last);
                if server.sink.send_all(observations).await.is_err() {
                    return;
                }
            }
            // Half of it can be asked for at once: nothing is wrong with the server.
            Err(error) if error.is_too_much() && steps.too_much(&due) => {}
            Err(error) => {
                drop(turn);
                if error.is_overload() {
                    steps.too_much(&due);
                }
                let (error, wait) = (error.to_string(), steps.failed(&due, query));
                // The same failure is told once; that it is over is told, too.
                if failing.as_ref() != Some(&error) {
                    tracing::warn!(%source, %query, again_in = %wait, "no answer: {error}");
                    failing = Some(error);
                }
                clock.sleep(wait).await;
            }
        }
    }
}

impl Asker {
    async fn once(&self, due: &Due) -> Result<Vec<Observation>, AskError> {
        let config = &self.server.config;
        let (what, form) = form(&self.query.expression, due, config.step.as_secs_f64(), config.timeout.as_secs_f64());
        let question = Question {
            uri: &endpoint(&config.url, what)?,
            accept: "application/json",
            access: &config.access,
            headers: &[],
            form: Some(form),
            timeout: self.server.clock.on_the_wall(config.timeout),
            max_bytes: config.body_limit_bytes,
        };
        let packed = self.server.http.ask(&question).await?;
        let (server, query, reader) = (self.server.clone(), self.query.clone(), self.reader.clone());
        // A large answer takes its time: no thread of the runtime is to wait with it.
        tokio::task::spawn_blocking(move || {
            let answer = packed.unpacked()?;
            match answer::read(&answer.body, server.config.sample_limit) {
                Ok(read) if answer.status.is_success() => Ok(placed(read, &query, &mut lock(&reader), &server)),
                // The API explains its errors; others come from something in between.
                Ok(_) => Err(AskError::Status(answer.refusal())),
                Err(AnswerError::Foreign(_)) if !answer.status.is_success() => Err(AskError::Status(answer.refusal())),
                Err(error) => Err(error.into()),
            }
        })
        .await?
    }
}

/// The endpoint, and what is posted to it.
fn form(expression: &str, due: &Due, step: f64, timeout: f64) -> (&'static str, String) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", expression);
    // The server is to give up when we do.
    form.append_pair("timeout", &format!("{timeout}s"));
    let what = if due.first == due.last {
        form.append_pair("time", &seconds(due.last));
        "query"
    } else {
        form.append_pair("start", &seconds(due.first)).append_pair("end", &seconds(due.last));
        form.append_pair("step", &step.to_string());
        "query_range"
    };
    (what, form.finish())
}

fn seconds(time: Timestamp) -> String {
    let (millis, sign) = (time.as_millis().unsigned_abs(), if time.as_millis() < 0 { "-" } else { "" });
    format!("{sign}{}.{:03}", millis / 1000, millis % 1000)
}

/// The observations that an answer leads to, in the order of their times.
fn placed(answer: answer::Answer<'_>, query: &Query, reader: &mut SeriesReader, server: &Server) -> Vec<Observation> {
    for warning in &answer.warnings {
        server.warn(&query.expression, warning);
    }
    let mut timed: Vec<(Timestamp, Vec<Observation>)> = Vec::new();
    let mut refused = answer.refused;
    let mut problems = BTreeSet::new();
    reader.begin(server.clock.now());
    for series in &answer.series {
        let mut labels: Vec<(&str, &str)> = series.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        if let Some((metric, _)) = &query.one {
            labels.retain(|(name, _)| *name != NAME);
            labels.push((NAME, metric.as_str()));
        } else if !series.labels.contains_key(NAME) {
            refused.push(format!("{:?} has no name; give the query a `metric`", series.labels));
            continue;
        }
        for (time, value) in &series.values {
            let mut observations = Vec::new();
            let fate = reader.series(&labels).observe(*time, *value, &mut observations);
            server.intake.count(fate.became(), 1);
            // Once for all of its values.
            problems.extend(fate.problem());
            timed.push((*time, observations));
        }
    }
    refused.extend(problems.iter().map(ToString::to_string));
    let mut complaints = server.complaints();
    for why in refused.iter().take(TOLD) {
        complaints.refused(&format!("{}: {why}", query.expression));
    }
    complaints.also(u64::try_from(refused.len().saturating_sub(TOLD)).unwrap_or(u64::MAX));
    drop(complaints);
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().flat_map(|(_, observations)| observations).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_is_a_query_and_several_are_a_range() {
        let due = |first, last| Due {
            first: Timestamp::from_millis(first),
            last: Timestamp::from_millis(last),
            passed_over: 0,
        };
        assert_eq!(
            form("a{b=\"c d\"} & e", &due(1_700_000_000_500, 1_700_000_000_500), 30.0, 10.0),
            ("query", "query=a%7Bb%3D%22c+d%22%7D+%26+e&timeout=10s&time=1700000000.500".into())
        );
        assert_eq!(
            form("up", &due(-1500, 30_000), 0.5, 2.5),
            ("query_range", "query=up&timeout=2.5s&start=-1.500&end=30.000&step=0.5".into())
        );
    }
}
