//! The journal's records, read from its files: the engine's loop is not asked and never waits.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use homeostat_journal::History;
use homeostat_model::{Record, Timestamp};
use homeostat_request::{Asked, Wanted};
use serde_json::json;

use super::{Api, page::Newest, refusal::Refusal};
use crate::command::audit::{Selection, Teller};

/// How many may read the journal at a time: each reads all of it, from the disk that the engine's records go to.
pub(crate) const READERS: usize = 2;

/// Tells whoever reads for a request that nobody waits for it any more.
struct Abandon(Arc<AtomicBool>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn audit(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
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
        // It is somebody else's turn when this one has stopped, not when nobody waits for it any more; and when the page was sent.
        read(&api.journal, wanted, limit, &abandoned).map(|page| page.answer(reader))
    });
    let page =
        reading.await.map_err(|error| Refusal::unavailable(&format!("the journal was not read: {error}"), ""))?;
    page.map_err(|why| Refusal::unavailable(&why, "look at the journal with `homeostat audit` on the machine itself"))
}

/// The newest records that are `wanted`.
fn read(folder: &Path, wanted: Wanted, limit: usize, abandoned: &AtomicBool) -> Result<Newest, String> {
    let mut history = History::open(folder).map_err(|error| format!("the journal cannot be read: {error}"))?;
    let mut selection = Selection::new(wanted, history.plans_before());
    let mut teller = Teller::new(history.plans_before(), false);
    let mut newest = Newest::new(limit);
    while !abandoned.load(Ordering::Relaxed) {
        match history.next_record() {
            Ok(None) => break,
            Ok(Some(kept)) => {
                let told = teller.told(&kept.record);
                if selection.takes(&kept.record) {
                    let Record { at, entry } = &kept.record;
                    newest.add(&json!({"number": kept.number, "hash": kept.hash.to_string(), "at": at, "entry": entry, "told": told}));
                }
            }
            Err(error) => {
                newest.about.damage = Some(error.to_string());
                break;
            }
        }
    }
    newest.about.note = selection.unmet();
    Ok(newest)
}
