//! What every policy thinks of a resource.

use axum::{Json, extract::State};
use homeostat_engine::{Engine, Explanation, Unconcerned};
use homeostat_model::{ResourceId, Timestamp};
use homeostat_request::resource_id;
use serde::{Deserialize, Serialize};

use super::{Api, named::Named, refusal::Refusal};

/// What is thought of a resource at a moment, by every loaded policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Of when this is.
    pub(crate) now: Timestamp,
    /// By the policies that watch it.
    pub(crate) explanations: Vec<Explanation>,
    /// By those that do not.
    #[serde(default)]
    pub(crate) others: Vec<Unconcerned>,
}

impl Answer {
    /// What `engine` thinks; `None` when it knows no such resource.
    pub(crate) fn of(engine: &Engine, resource: &ResourceId, now: Timestamp) -> Option<Self> {
        engine.topology().get(resource)?;
        Some(Self { now, explanations: engine.explain(resource), others: engine.unconcerned(resource) })
    }
}

pub(super) async fn explain(State(api): State<Api>, Named(resource): Named) -> Result<Json<Answer>, Refusal> {
    let resource = resource_id(&resource)?;
    let answer = api.ask(move |engine| Answer::of(engine, &resource, engine.overview().now)).await?;
    answer.map(Json).ok_or_else(|| {
        Refusal::missing(
            "no such resource is known",
            "names are kind/name, such as vm/web-1; is its adapter connected?",
        )
    })
}
