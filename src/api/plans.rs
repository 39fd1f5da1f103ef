//! Plans: shown, approved of, rejected, cancelled.

use std::collections::BTreeSet;

use axum::{
    Extension, Json,
    extract::{RawQuery, State},
    http::StatusCode,
};
use homeostat_engine::{OperatorCommand, PlanState, PlanView};
use homeostat_model::PlanId;
use homeostat_request::{Seen, Which, plan_id};
use serde::{Deserialize, Serialize};

use super::{Api, access::Person, named::Named, page::MAX_BYTES, refusal::Refusal, sent::Sent};

/// Plans that fit.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// The newest first.
    pub(crate) plans: Vec<PlanView>,
    /// How many older ones fit, too.
    pub(crate) left_out: usize,
    /// Where the next list is to go on, if there are any: after this one, with `continue`.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<PlanId>,
}

impl Listed {
    /// The newest of `ids`, as `view` shows them: at most `limit`, and no more bytes than `max_bytes`. The newest has a place in any case.
    fn of(ids: &BTreeSet<PlanId>, limit: usize, max_bytes: usize, view: impl Fn(PlanId) -> Option<PlanView>) -> Self {
        let (mut plans, mut bytes, mut left) = (Vec::new(), 0_usize, ids.len());
        let mut next = None;
        for id in ids.iter().rev().take(limit) {
            let Some(view) = view(*id) else { continue };
            bytes = bytes.saturating_add(serde_json::to_vec(&view).map_or(0, |json| json.len()));
            if bytes > max_bytes && !plans.is_empty() {
                break;
            }
            plans.push(view);
            (left, next) = (left.saturating_sub(1), Some(*id));
        }
        Self { plans, left_out: left, next: next.filter(|_| left > 0) }
    }
}

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<Listed>, Refusal> {
    let Which { states, limit, after } = Which::read(&query.unwrap_or_default())?;
    let states: Vec<PlanState> = match states {
        None => PlanState::ALL.into_iter().filter(|state| state.is_open()).collect(),
        Some(words) if words == ["all"] => PlanState::ALL.to_vec(),
        Some(words) => words
            .iter()
            .map(|word| word.parse().map_err(|help: String| Refusal::bad(format!("`{word}` is no state"), help)))
            .collect::<Result<_, _>>()?,
    };
    let listed = api.ask(move |engine| {
        let mut ids = engine.plan_ids(|state| states.contains(&state));
        if let Some(after) = after {
            drop(ids.split_off(&after));
        }
        Listed::of(&ids, limit, MAX_BYTES, |id| engine.plan(id))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: PlanId) -> Option<PlanView> {
        let view = serde_json::json!({
            "plan": {
                "id": id, "created": 0, "policy": "p", "subject": "vm/a", "response": "restart", "rung": 1, "mode": "approve",
                "evidence": {"truth": "true", "clauses": []}, "priority": 0, "effect": "vm/a runs", "steps": [],
            },
            "hash": "00", "state": "waiting", "steps": [],
        });
        Some(serde_json::from_value(view).unwrap())
    }

    #[test]
    fn a_list_is_bounded_by_number_and_by_bytes_and_the_next_one_goes_on_where_it_ended() {
        let all: BTreeSet<PlanId> = (1..=10).map(|number| format!("p1-{number}").parse().unwrap()).collect();
        let one = serde_json::to_vec(&view(all.iter().next().copied().unwrap())).unwrap().len();
        for (limit, max_bytes, pages) in [
            (100, usize::MAX, vec![10]),
            (4, usize::MAX, vec![4, 4, 2]),
            (5, usize::MAX, vec![5, 5]),
            (100, 3 * one + one / 2, vec![3, 3, 3, 1]),
            (100, 0, vec![1; 10]),
        ] {
            let (mut ids, mut seen, mut sizes) = (all.clone(), Vec::new(), Vec::new());
            loop {
                let listed = Listed::of(&ids, limit, max_bytes, view);
                sizes.push(listed.plans.len());
                seen.extend(listed.plans.iter().map(|view| view.plan.id));
                assert_eq!(listed.left_out, all.len() - seen.len());
                let Some(next) = listed.next else { break };
                drop(ids.split_off(&next));
            }
            assert_eq!(sizes, pages, "{limit} {max_bytes}");
            assert!(seen.iter().eq(all.iter().rev()), "{seen:?}");
        }
    }
}
