//! Plans: shown, approved of, rejected, cancelled.

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use homeostat_engine::{OperatorCommand, PlanState, PlanView};
use homeostat_model::PlanId;
use homeostat_request::{Seen, Which, plan_id};
use serde::{Deserialize, Serialize};

use super::{Api, access::Person, named::Named, refusal::Refusal, sent::Sent};

/// Plans that fit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// The newest first.
    pub(crate) plans: Vec<PlanView>,
    /// How many older ones fit, too.
    pub(crate) left_out: usize,
}

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<Listed>, Refusal> {
    let Which { states, limit } = Which::read(&query.unwrap_or_default())?;
    let states: Vec<PlanState> = match states {
        None => PlanState::ALL.into_iter().filter(|state| state.is_open()).collect(),
        Some(words) if words == ["all"] => PlanState::ALL.to_vec(),
        Some(words) => words
            .iter()
            .map(|word| word.parse().map_err(|help: String| Refusal::bad(format!("`{word}` is no state"), help)))
            .collect::<Result<_, _>>()?,
    };
    let listed = api.ask(move |engine| {
        let fits = |state| states.contains(&state);
        Listed { plans: engine.plans(fits, limit), left_out: engine.plan_ids(fits).len().saturating_sub(limit) }
    });
    Ok(Json(listed.await?))
}

pub(super) async fn show(State(api): State<Api>, Named(id): Named) -> Result<Json<PlanView>, Refusal> {
    let id = plan_id(&id)?;
    match api.ask(move |engine| engine.plan(id)).await? {
        Some(view) => Ok(Json(view)),
        None => Err(unknown(&api, id).await),
    }
}

pub(super) async fn approve(
    State(api): State<Api>,
    Named(id): Named,
    Extension(person): Extension<Person>,
    Sent(body): Sent,
) -> Result<Json<Option<PlanView>>, Refusal> {
    vote(api, &id, person, true, &body).await
}

pub(super) async fn reject(
    State(api): State<Api>,
    Named(id): Named,
    Extension(person): Extension<Person>,
    Sent(body): Sent,
) -> Result<Json<Option<PlanView>>, Refusal> {
    vote(api, &id, person, false, &body).await
}

pub(super) async fn cancel(
    State(api): State<Api>,
    Named(id): Named,
    Extension(person): Extension<Person>,
    Sent(body): Sent,
) -> Result<Json<Option<PlanView>>, Refusal> {
    let id = plan_id(&id)?;
    if let Some(hash) = Seen::read(&body)?.hash {
        // What is called off need not have been looked at; who has is told when it is another one.
        let right = api.ask(move |engine| engine.plan(id)).await?.map(|view| view.hash);
        if right.is_some_and(|right| right != hash) {
            let help = "leave it out, or look at the plan again";
            return Err(Refusal::new(StatusCode::CONFLICT, "the hash is not that of this plan", help));
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
    let hash = Some(Seen::read(body)?.hash()?);
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

/// That there is no such plan, and which one may be meant.
async fn unknown(api: &Api, id: PlanId) -> Refusal {
    let near = move |other: &PlanId| (other.generation.0.abs_diff(id.generation.0), other.number.abs_diff(id.number));
    let nearest = api.ask(move |engine| engine.plan_ids(|_| true).into_iter().min_by_key(near)).await;
    let older = format!("one that is long over is in the journal: `homeostat audit --plan {id}`");
    let help = match nearest.ok().flatten() {
        Some(nearest) => format!("the nearest one is {nearest}; {older}"),
        None => format!("there are no plans; {older}"),
    };
    Refusal::missing(format!("no plan {id} is known"), help)
}
