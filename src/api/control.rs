//! The engine as a whole: how it is, and whether it may begin plans.

use axum::{Extension, Json, extract::State};
use homeostat_engine::{OperatorCommand, Overview};
use homeostat_request::resource_id;
use serde::{Deserialize, Serialize};

use super::{Api, access::Person, named::Named, refusal::Refusal};

/// How homeostat is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) overview: Overview,
    /// The journal's folder.
    pub(crate) journal: String,
    /// The program's version.
    pub(crate) version: String,
}

pub(super) async fn status(State(api): State<Api>) -> Result<Json<Report>, Refusal> {
    let overview = api.ask(homeostat_engine::Engine::overview).await?;
    let (journal, version) = (api.journal.display().to_string(), env!("CARGO_PKG_VERSION").to_owned());
    Ok(Json(Report { overview, journal, version }))
}

pub(super) async fn pause(
    State(api): State<Api>,
    Extension(person): Extension<Person>,
) -> Result<Json<Report>, Refusal> {
    api.tell(OperatorCommand::Pause { by: person.name }).await?;
    status(State(api)).await
}

pub(super) async fn resume(
    State(api): State<Api>,
    Extension(person): Extension<Person>,
) -> Result<Json<Report>, Refusal> {
    api.tell(OperatorCommand::Resume { by: person.name }).await?;
    status(State(api)).await
}

/// Lets policies act again on a resource that is in quarantine.
pub(super) async fn release(
    State(api): State<Api>,
    Extension(person): Extension<Person>,
    Named(resource): Named,
) -> Result<Json<Report>, Refusal> {
    let resource = resource_id(&resource)?;
    api.tell(OperatorCommand::Release { resource, by: person.name }).await?;
    status(State(api)).await
}
