//! The sources that run: each with what it was configured by, so that a change of one leaves the others alone.
//!
//! ```text
//!   configuration --> which are new, gone, changed? --> stop, start --> tasks
//!                                                                 \--> routes of those that listen, put together anew
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::Router;
use homeostat_port::{Clock, ObservationSink, Secret};
use homeostat_sources::{Inlet, Memory, Token};
use serde_json::Value;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Loaded, SourceConfig},
    metrics::Metrics,
    report::Failure,
};

/// What sources are given.
#[derive(Clone)]
pub(crate) struct Feed {
    pub(crate) sink: ObservationSink,
    pub(crate) clock: Clock,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) memories: Memories,
}

/// What sources keep when they are started again, by their names.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memories(Arc<Mutex<BTreeMap<String, Memory>>>);

impl Memories {
    /// That of the source called `name`.
    pub(crate) fn of(&self, name: &str) -> Memory {
        self.lock().entry(name.to_owned()).or_default().clone()
    }

    /// Forgets those of all other sources than these.
    fn keep(&self, names: &[&str]) {
        self.lock().retain(|name, _| names.contains(&name.as_str()));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Memory>> {
        // Whoever panicked left a whole map: an entry is made at once.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// What the source called `name`, which listens, is given.
    ///
    /// # Errors
    /// When what `token` refers to is no token.
    pub(crate) fn inlet(&self, name: &str, token: Option<&Secret>) -> Result<Inlet, Failure> {
        let token = token.map(Token::read).transpose();
        let token = token.map_err(|error| Failure::new(format!("source {name}: {error}")))?;
        Ok(Inlet {
            sink: self.sink.clone(),
            clock: self.clock,
            intake: self.metrics.intake(name),
            token,
            memory: self.memories.of(name),
        })
    }
}

/// Starts the source of that number in the configuration: its tasks are to end at the token, its routes are returned.
pub(crate) type Start =
    fn(&Loaded, usize, &Feed, &CancellationToken, &mut JoinSet<Result<(), Failure>>) -> Result<Router, Failure>;

/// The sources that run.
pub(crate) struct Sources {
    start: Start,
    feed: Feed,
    running: Vec<Running>,
    tasks: JoinSet<Result<(), Failure>>,
    /// The routes that there are without any source.
    own: Router,
    routes: watch::Sender<Router>,
}

struct Running {
    /// What it was configured by: two that are equal need not be told apart.
    by: Value,
    stop: CancellationToken,
    routes: Router,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Sources {
    /// None yet; `own` are the routes besides those of sources.
    pub(crate) fn new(start: Start, feed: Feed, own: Router) -> Self {
        let routes = watch::Sender::new(own.clone());
        Self { start, feed, running: Vec::new(), tasks: JoinSet::new(), own, routes }
    }

    /// The routes, now and whenever they change.
    pub(crate) fn routes(&self) -> watch::Receiver<Router> {
        self.routes.subscribe()
    }

    /// Runs the sources of `loaded`: those that ran with the same configuration and the same secrets go on, the others are
    /// stopped or started. Gives the number of those that were not running like that before.
    ///
    /// # Errors
    /// [`Failure`] when one cannot be started; those that could be run on.
    pub(crate) fn replace(&mut self, loaded: &Loaded) -> Result<usize, Failure> {
        let mut before = std::mem::take(&mut self.running);
        let mut started = 0;
        let mut outcome = Ok(());
        let mut waiting = Vec::new();
        for number in 0..loaded.configuration.sources.len() {
            let by = loaded.source_identity(number);
            match before.iter().position(|running| running.by == by) {
                Some(at) => self.running.push(before.swap_remove(at)),
                None => waiting.push((number, by)),
            }
        }
        // They end before others take their places. Those that are gone for good leave nothing behind.
        drop(before);
        let names: Vec<&str> = loaded.configuration.sources.iter().map(SourceConfig::name).collect();
        self.feed.memories.keep(&names);
        for (number, by) in waiting {
            let stop = CancellationToken::new();
            match (self.start)(loaded, number, &self.feed, &stop, &mut self.tasks) {
                Ok(routes) => {
                    started += 1;
                    self.running.push(Running { by, stop, routes });
                }
                Err(failure) => outcome = Err(failure),
            }
        }
        let routes = self.running.iter().map(|running| running.routes.clone());
        let _ = self.routes.send_replace(routes.fold(self.own.clone(), Router::merge));
        outcome.map(|()| started)
    }

    /// Stops them, and waits for their end.
    pub(crate) async fn end(mut self) {
        self.running.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Waits until one of them fails; those that come to their end well are done.
    pub(crate) async fn failed(&mut self) -> Failure {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => return failure,
                Some(Err(error)) => return Failure::new(format!("a source ended unexpectedly: {error}")),
                None => std::future::pending().await,
            }
        }
    }
}
