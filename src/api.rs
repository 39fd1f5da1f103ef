//! The HTTP side: health, metrics, what people ask and want, and the webhooks of sources.
//!
//! ```text
//!   unix socket --whoever can open it is admin, by the name of its user--+
//!                                                                        +-> access -> role -> plans, control, explain, audit
//!   spec.listen (TLS) --bearer token, known by its hash--> name, role ---+                          |
//!                                                                              questions, commands  v
//!                                                                         the engine's loop, the journal's files
//! ```
//!
//! What people send is read by `homeostat-request`, which has a fuzz target.
//!
//! Invariant: each path of people's takes a role. Sources have paths and tokens of their own, which say nothing about people.
//! Invariant: who may only view changes nothing. What changes something is recorded with who wanted it, and answered when that is durable.

mod access;
mod ask;
mod audit;
mod connections;
mod control;
mod explain;
mod health;
mod named;
mod page;
mod patience;
mod plans;
mod refusal;
mod sent;
mod settings;
mod socket;
mod tls;
mod token;

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use homeostat_request::MAX_BODY;
use tokio::sync::{Semaphore, mpsc};

pub(crate) use access::{Access, Role};
pub(crate) use audit::READERS;
pub(crate) use connections::{Door, serve};
pub(crate) use control::Report as StatusReport;
pub(crate) use explain::Answer;
pub(crate) use page::Page;
pub(crate) use plans::Listed;
pub(crate) use refusal::Told;
pub(crate) use settings::{ApiConfig, checked_name};
pub(crate) use socket::{Place, Socket};
pub(crate) use tls::{Certificate, server_config};
pub(crate) use token::fresh;

use crate::{
    live::{Message, Question},
    metrics::Metrics,
};

/// The paths that are homeostat's own; no source may listen on them.
pub(crate) const PATHS: [&str; 8] = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/status",
    "/api/v1/plans",
    "/api/v1/audit",
    "/api/v1/pause",
    "/api/v1/resume",
];

/// How long a question may take, its body's way included.
const MAX_REQUEST: Duration = Duration::from_secs(10);
/// The same where the journal is read: a gigabyte of it takes a while.
const MAX_READING: Duration = Duration::from_secs(60);

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) questions: mpsc::Sender<Question>,
    pub(crate) metrics: Arc<Metrics>,
    /// Adapters that have not connected for the first time yet.
    pub(crate) awaited: Arc<AtomicUsize>,
    /// Who may do what.
    pub(crate) access: Arc<Access>,
    /// The journal's folder.
    pub(crate) journal: PathBuf,
    /// Whoever reads the journal.
    pub(crate) readers: Arc<Semaphore>,
}

impl Api {
    /// The routes.
    pub(crate) fn router(self) -> Router {
        let open = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(health::ready))
            .route("/metrics", get(health::metrics));
        let view = Router::new()
            .route("/api/v1/status", get(control::status))
            .route("/api/v1/plans", get(plans::list))
            .route("/api/v1/plans/{id}", get(plans::show))
            .route("/api/v1/explain/{*resource}", get(explain::explain));
        let reading = Router::new().route("/api/v1/audit", get(audit::audit));
        let approve = Router::new()
            .route("/api/v1/plans/{id}/approve", post(plans::approve))
            .route("/api/v1/plans/{id}/reject", post(plans::reject));
        let admin = Router::new()
            .route("/api/v1/plans/{id}/cancel", post(plans::cancel))
            .route("/api/v1/pause", post(control::pause))
            .route("/api/v1/resume", post(control::resume))
            .route("/api/v1/release/{*resource}", post(control::release));
        open.merge(self.for_role(view, Role::View, MAX_REQUEST))
            .merge(self.for_role(reading, Role::View, MAX_READING))
            .merge(self.for_role(approve, Role::Approve, MAX_REQUEST))
            .merge(self.for_role(admin, Role::Admin, MAX_REQUEST))
            .method_not_allowed_fallback(refusal::wrong_method)
            .fallback(refusal::unknown_path)
            .with_state(self)
    }

    /// Routes that take a role, and at most so long.
    fn for_role(&self, routes: Router<Self>, role: Role, within: Duration) -> Router<Self> {
        let gate = access::Gate { access: self.access.clone(), role, within };
        routes.layer(DefaultBodyLimit::max(MAX_BODY)).route_layer(middleware::from_fn_with_state(gate, access::admit))
    }
}
