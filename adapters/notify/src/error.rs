//! Why a notification was not delivered.

use std::{io, time::Duration};

use homeostat_port::SecretError;
use hyper::StatusCode;
use thiserror::Error;

/// Why a notification was not delivered. It is tried again, whatever the reason: receivers come back, and people correct what
/// is wrong with them.
#[derive(Debug, Error)]
pub enum DeliveryError {
    /// Nobody answers.
    #[error("it cannot be reached: {0}; check the address, and that it runs")]
    Unreachable(String),
    /// It takes too long.
    #[error("it was not done within {0:?}; raise `timeout`, or look at what it waits for")]
    TimedOut(Duration),
    /// It says no.
    #[error("it answered {status}{}{said}; look at its log", if said.is_empty() { "" } else { ": " })]
    Refused {
        /// The status.
        status: StatusCode,
        /// The first line of what it says.
        said: String,
    },
    /// It is elsewhere. That is not followed: it may be anywhere.
    #[error("it answered {status}, a redirect to {to}, which is not followed; configure that address if it is right")]
    Redirected {
        /// The status.
        status: StatusCode,
        /// Where.
        to: String,
    },
    /// What is to be shown there cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What is to be shown there cannot be sent.
    #[error("the secret or a header cannot be sent: it has to be one line of text")]
    NotALine,
    /// The request cannot be made.
    #[error("the request cannot be made: {0}")]
    Malformed(String),
    /// The command cannot be started.
    #[error("{command} cannot be started: {error}; check that it is there, and that homeostat's user may run it")]
    NotStarted {
        /// The command.
        command: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The command says that it has failed.
    #[error("it ended with {status}{}{said}", if said.is_empty() { "" } else { ": " })]
    Failed {
        /// Its exit status.
        status: String,
        /// The last line of what it printed.
        said: String,
    },
}
