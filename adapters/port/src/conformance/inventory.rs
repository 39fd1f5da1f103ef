//! Promises about what is seen: discovery, and the stream of observations.

use std::collections::BTreeSet;

use homeostat_model::{Capabilities, InventoryChange, Observation, Resource, ResourceId};

use super::{
    Suite,
    observed::Observer,
    report::{Stop, Verdict, ensure},
};

/// Times that a snapshot and a discovery are compared: between the two something may change in a living system.
const COMPARISONS: usize = 5;

pub(super) async fn ids(suite: &Suite<'_>) -> Verdict {
    let workload = suite.harness.workload().await;
    let capabilities = suite.adapter.capabilities().await.map_err(Stop::broken("capabilities failed"))?;
    let name = suite.adapter.name();
    ensure!(capabilities.adapter == *name, "its capabilities name {}, itself it is {name}", capabilities.adapter);
    let resources = suite.adapter.discover().await.map_err(Stop::broken("discover failed"))?;
    let mut ids = BTreeSet::new();
    for resource in &resources {
        ensure!(ids.insert(&resource.id), "{} was discovered twice", resource.id);
        declared(&capabilities, resource)?;
    }
    for resource in &resources {
        let on = resource.on.as_ref().filter(|on| capabilities.kinds.contains_key(on.kind()));
        ensure!(on.is_none_or(|on| ids.contains(on)), "{} is on {on:?}, which was not discovered", resource.id);
    }
    ensure!(ids.contains(&workload), "{workload} was not discovered");
    Ok(())
}

pub(super) async fn snapshot(suite: &Suite<'_>) -> Verdict {
    suite.harness.workload().await;
    let mut difference = String::new();
    for _ in 0..COMPARISONS {
        let mut observer = Observer::start(suite.adapter.clone());
        let seen = by_id(observer.snapshot(suite.harness.patience()).await?);
        let discovered = by_id(suite.adapter.discover().await.map_err(Stop::broken("discover failed"))?);
        if seen == discovered {
            return Ok(());
        }
        let only = |of: &[Resource], other: &[Resource]| {
            of.iter().filter(|resource| !other.contains(resource)).map(|r| format!("{r:?}")).collect::<Vec<_>>()
        };
        difference = format!(
            "only in the snapshot: {:?}; only discovered: {:?}",
            only(&seen, &discovered),
            only(&discovered, &seen)
        );
    }
    Err(Stop::Broken(difference))
}

pub(super) async fn failure(suite: &Suite<'_>) -> Verdict {
    let (harness, patience) = (suite.harness, suite.harness.patience());
    let workload = harness.workload().await;
    let state = state(suite, &workload).await?;
    let mut observer = Observer::start(suite.adapter.clone());
    observer.snapshot(patience).await?;
    let is_sampled = |seen: &Observation| matches!(seen, Observation::Sample(sample) if sample.resource == workload);
    observer.wait_for(&format!("sample of {workload}"), patience, is_sampled).await?;
    harness.fail(&workload).await;
    let wanted = harness.failure_event();
    let is_failure = |seen: &Observation| matches!(seen, Observation::Event(event) if event.resource == workload && event.event_type == wanted);
    observer.wait_for(&format!("{wanted} of {workload}"), patience, is_failure).await?;
    let after = self::state(suite, &workload).await?;
    ensure!(state != after, "{workload} failed, and its state is still {state:?}");
    let capabilities = suite.adapter.capabilities().await.map_err(Stop::broken("capabilities failed"))?;
    for seen in &observer.seen {
        observation_declared(&capabilities, seen)?;
    }
    observer.stop().await
}

pub(super) async fn stop(suite: &Suite<'_>) -> Verdict {
    let mut observer = Observer::start(suite.adapter.clone());
    observer.snapshot(suite.harness.patience()).await?;
    observer.stop().await?;
    // A stop that comes before it has begun is a stop too.
    Observer::start(suite.adapter.clone()).stop().await
}

pub(super) async fn again(suite: &Suite<'_>) -> Verdict {
    for _ in 0..2 {
        let mut observer = Observer::start(suite.adapter.clone());
        observer.snapshot(suite.harness.patience()).await?;
        observer.stop().await?;
    }
    Ok(())
}

async fn state(suite: &Suite<'_>, workload: &ResourceId) -> Result<Option<String>, Stop> {
    let resources = suite.adapter.discover().await.map_err(Stop::broken("discover failed"))?;
    Ok(resources.iter().find(|resource| resource.id == *workload).and_then(|found| found.state().map(str::to_owned)))
}

/// In order, and without the adapter's name, which whoever receives a snapshot fills in.
fn by_id(mut resources: Vec<Resource>) -> Vec<Resource> {
    resources.sort_by(|a, b| a.id.cmp(&b.id));
    for resource in &mut resources {
        resource.adapter = None;
    }
    resources
}

fn declared(capabilities: &Capabilities, resource: &Resource) -> Verdict {
    let id = &resource.id;
    let Some(kind) = capabilities.kinds.get(id.kind()) else {
        return Err(Stop::Broken(format!("{id} is of a kind that is not declared")));
    };
    for name in resource.attributes.keys() {
        ensure!(kind.attributes.contains(name), "the attribute {name} of {id} is not declared");
    }
    Ok(())
}

fn observation_declared(capabilities: &Capabilities, seen: &Observation) -> Verdict {
    match seen {
        Observation::Inventory(InventoryChange::Snapshot { resources, .. }) => {
            resources.iter().try_for_each(|resource| declared(capabilities, resource))
        }
        Observation::Inventory(InventoryChange::Upsert(resource)) => declared(capabilities, resource),
        Observation::Inventory(InventoryChange::Gone { .. }) | Observation::Labels { .. } => Ok(()),
        Observation::Sample(sample) => {
            let kind = capabilities.kinds.get(sample.resource.kind());
            let declared = kind.is_some_and(|kind| kind.metrics.contains_key(sample.metric.as_str()));
            ensure!(declared, "the metric {} of {} is not declared", sample.metric, sample.resource);
            ensure!(sample.value.is_finite(), "{} of {} is {}", sample.metric, sample.resource, sample.value);
            Ok(())
        }
        Observation::Event(event) => {
            let kind = capabilities.kinds.get(event.resource.kind());
            let declared = kind.is_some_and(|kind| kind.events.contains(event.event_type.as_str()));
            ensure!(declared, "the event {} of {} is not declared", event.event_type, event.resource);
            Ok(())
        }
    }
}
