//! The journal's records, read from its files: the engine's loop is not asked and never waits.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use homeostat_journal::History;
use homeostat_model::Timestamp;
use homeostat_request::{Asked, Wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Api, refusal::Refusal};
use crate::command::audit::{Selection, Teller};

/// How many may read the journal at a time: each reads all of it, from the disk that the engine's records go to.
pub(crate) const READERS: usize = 2;
/// Records of the journal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    /// The newest that are asked for, in the order in which they were made.
    pub(crate) records: Vec<Value>,
    /// How many older ones were left out.
    #[serde(rename = "leftOut")]
    pub(crate) left_out: usize,
    /// What is damaged, after which nothing can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) damage: Option<String>,
    /// What to know about what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// Tells whoever reads for a request that nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn audit(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<Page>, Refusal> {
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let Asked { wanted, limit } = Asked::read(&query.unwrap_or_default(), now)?;
    let busy = || {
        let why = format!("{READERS} others are reading the journal already");
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, why, "try again in a few seconds")
    };
    let reader = api.readers.clone().try_acquire_owned().map_err(|_| busy())?;
    let abandoned = Arc::new(AtomicBool::new(false));
    let _abandon = Abandon(abandoned.clone());
    let reading = tokio::task::spawn_blocking(move || {
        // It is somebody else's turn when this one has stopped, not when nobody waits for it any more.
        let _reader = reader;
        read(&api.journal, wanted, limit, &abandoned)
    });
    let page =
        reading.await.map_err(|error| Refusal::unavailable(&format!("the journal was not read: {error}"), ""))?;
    page.map(Json)
        .map_err(|why| Refusal::unavailable(&why, "look at the journal with `homeostat audit` on the machine itself"))
}

/// The newest records that are `wanted`.
fn read(folder: &Path, wanted: Wanted, limit: usize, abandoned: &AtomicBool) -> Result<Page, String> {
    let mut history = History::open(folder).map_err(|error| format!("the journal cannot be read: {error}"))?;
    let mut selection = Selection::new(wanted, history.plans_before());
    let mut teller = Teller::new(history.plans_before(), false);
    let (mut newest, mut left_out, mut damage) = (VecDeque::new(), 0, None);
    while !abandoned.load(Ordering::Relaxed) {
        match history.next_record() {
            Ok(None) => break,
            Ok(Some(kept)) => {
                let told = teller.told(&kept.record);
                if selection.takes(&kept.record) {
                    newest.push_back((kept, told));
                }
                if newest.len() > limit {
                    newest.pop_front();
                    left_out += 1;
                }
            }
            Err(error) => {
                damage = Some(error.to_string());
                break;
            }
        }
    }
    let records = newest.into_iter().map(|(kept, told)| {
        let record = kept.record;
        json!({"number": kept.number, "hash": kept.hash.to_string(), "at": record.at, "entry": record.entry, "told": told})
    });
    Ok(Page { records: records.collect(), left_out, damage, note: selection.unmet() })
}
