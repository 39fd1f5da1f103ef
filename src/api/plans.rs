//! Plans: shown, approved of, rejected, cancelled.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, Query, State},
};
use homeostat_engine::{OperatorCommand, PlanState, PlanView};
use homeostat_model::PlanId;
use serde::Deserialize;

use super::{Api, access::Person, refusal::Refusal};

/// Plans that are listed unless said otherwise: what a person reads.
const LISTED: usize = 100;
/// Most plans that are listed at once.
const MAX_LISTED: usize = 1000;

/// Which plans are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// In these states, separated by commas; `all`; without it those that are open.
    state: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(Which { state, limit }): Query<Which>,
) -> Result<Json<Vec<PlanView>>, Refusal> {
    let states: Vec<PlanState> = match state.as_deref() {
        None => PlanState::ALL.into_iter().filter(|state| state.is_open()).collect(),
        Some("all") => PlanState::ALL.to_vec(),
        Some(words) => words
            .split(',')
            .map(|word| word.parse().map_err(|help: String| Refusal::bad(format!("`{word}` is no state"), help)))
            .collect::<Result<_, _>>()?,
    };
    let limit = limit.unwrap_or(LISTED).min(MAX_LISTED);
    Ok(Json(api.ask(move |engine| engine.plans(|state| states.contains(&state), limit)).await?))
}

pub(super) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<PlanView>, Refusal> {
    let id = plan_id(&id)?;
    match api.ask(move |engine| engine.plan(id)).await? {
        Some(view) => Ok(Json(view)),
        None => Err(unknown(&api, id).await),
    }
}

/// What somebody has seen of a plan.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    hash: Option<String>,
}

pub(super) async fn approve(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    body: Bytes,
) -> Result<Json<Option<PlanView>>, Refusal> {
    vote(api, &id, person, true, &body).await
}

pub(super) async fn reject(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    body: Bytes,
) -> Result<Json<Option<PlanView>>, Refusal> {
    vote(api, &id, person, false, &body).await
}

pub(super) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    Extension(person): Extension<Person>,
    body: Bytes,
) -> Result<Json<Option<PlanView>>, Refusal> {
    let id = plan_id(&id)?;
    if let Some(hash) = seen(&body)?.hash {
        // What is called off need not have been looked at; who has is told when it is another one.
        let right = api.ask(move |engine| engine.plan(id)).await?.map(|view| view.hash);
        if right.is_some_and(|right| right != hash) {
            return Err(Refusal::bad("the hash is not that of this plan", "leave it out, or look at the plan again"));
        }
    }
    tell(api, id, OperatorCommand::Cancel { plan: id, by: person.name }).await
}

async fn vote(
    api: Api,
    id: &str,
    person: Person,
    approve: bool,
    body: &[u8],
) -> Result<Json<Option<PlanView>>, Refusal> {
    let plan = plan_id(id)?;
    let hash = seen(body)?.hash;
    let help =
        "send {\"hash\": \"..\"} with the hash that the plan was shown with, so that nothing else is approved of";
    let hash = Some(hash.ok_or_else(|| Refusal::bad("the hash of what was seen is missing", help))?);
    tell(api, plan, OperatorCommand::Vote { plan, by: person.name, approve, hash }).await
}

/// Tells the engine, and shows what the plan is then.
async fn tell(api: Api, id: PlanId, command: OperatorCommand) -> Result<Json<Option<PlanView>>, Refusal> {
    if api.ask(move |engine| engine.plan(id)).await?.is_none() {
        return Err(unknown(&api, id).await);
    }
    api.tell(command).await?;
    Ok(Json(api.ask(move |engine| engine.plan(id)).await?))
}

fn seen(body: &[u8]) -> Result<Seen, Refusal> {
    if body.trim_ascii().is_empty() {
        return Ok(Seen::default());
    }
    let help = "send a JSON object such as {\"hash\": \"0123456789abcdef\"}";
    serde_json::from_slice(body).map_err(|error| Refusal::bad(format!("the body cannot be read: {error}"), help))
}

fn plan_id(text: &str) -> Result<PlanId, Refusal> {
    text.parse().map_err(|error| Refusal::bad(format!("{error}"), "`homeostat plan list` shows the plans"))
}

/// That there is no such plan, and which one may be meant.
async fn unknown(api: &Api, id: PlanId) -> Refusal {
    let known = api.ask(|engine| engine.plans(|_| true, MAX_LISTED)).await;
    let near = |id: PlanId| {
        move |other: &PlanId| (other.generation.0.abs_diff(id.generation.0), other.number.abs_diff(id.number))
    };
    let nearest = known.ok().and_then(|known| known.into_iter().map(|view| view.plan.id).min_by_key(near(id)));
    let older = format!("one that is long over is in the journal: `homeostat audit --plan {id}`");
    let help = match nearest {
        Some(nearest) => format!("the nearest one is {nearest}; {older}"),
        None => format!("there are no plans; {older}"),
    };
    Refusal::missing(format!("no plan {id} is known"), help)
}
