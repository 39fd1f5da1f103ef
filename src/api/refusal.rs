//! What somebody is told whose request is not answered as they wanted: what is wrong, and what to do about it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use homeostat_engine::CommandRefused;
use homeostat_request::Mistake;
use serde::{Deserialize, Serialize};

/// A status with `{error, help}`.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    told: Told,
}

/// The body of a refusal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// What is wrong.
    pub(crate) error: String,
    /// What to do about it.
    #[serde(default)]
    pub(crate) help: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { status, told: Told { error: error.into(), help: help.into() } }
    }

    pub(super) fn bad(error: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, help)
    }

    pub(super) fn missing(error: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, help)
    }

    pub(super) fn unavailable(error: &str, help: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, help)
    }

    /// What the engine does not do.
    pub(super) fn of(refused: &CommandRefused) -> Self {
        let why = refused.to_string();
        match refused {
            CommandRefused::UnknownPlan { .. } | CommandRefused::NotUnderWay { .. } => {
                Self::missing(why, "`homeostat plan list` shows those that there are")
            }
            CommandRefused::NotWaiting { plan, .. } | CommandRefused::Over { plan, .. } => {
                Self::new(StatusCode::CONFLICT, why, format!("`homeostat plan show {plan}` says what became of it"))
            }
            CommandRefused::OnlyRecommended { .. } => Self::new(
                StatusCode::CONFLICT,
                why,
                "with `mode: approve` the plans of its policy wait for people, and are carried out when they approve",
            ),
            CommandRefused::OtherPlan { .. } => Self::new(
                StatusCode::CONFLICT,
                format!("what was seen is not what would be done: {why}"),
                "look at the plan again, and say what you think of what it is now",
            ),
            CommandRefused::AtLarge { resource } => Self::new(
                StatusCode::CONFLICT,
                why,
                format!("`homeostat explain {resource}` says what holds policies back"),
            ),
            CommandRefused::Outdated { .. } => Self::new(
                StatusCode::CONFLICT,
                format!("{why}; it was withdrawn"),
                "`homeostat plan list` shows what is proposed now",
            ),
        }
    }
}

/// There is nothing at this path.
pub(super) async fn unknown_path() -> Refusal {
    Refusal::missing("there is nothing at this path", "README.md lists the paths; they begin with /api/v1/")
}

/// The path is right, and what is to be done there is not.
pub(super) async fn wrong_method() -> Refusal {
    let help = "GET asks, POST changes; README.md lists which path takes which";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method", help)
}

impl From<Mistake> for Refusal {
    fn from(mistake: Mistake) -> Self {
        Self::bad(mistake.error(), mistake.help())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.told)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
