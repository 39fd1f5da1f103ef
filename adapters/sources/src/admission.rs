//! The one door for whatever comes in through HTTP: who may come in, how much at once, and what happens when there is no room.
//!
//! ```text
//!   request -> the token? -> not too large? -> space for its body? -> its body -> the source reads it -> Turn -> sink
//!               401           413               503                    408         400, 415               503
//! ```
//!
//! Back-pressure is said, not suffered: who has to wait longer than a moment is told to come again, with `Retry-After`. What was
//! taken of a delivery until then stays taken and is remembered, and the rest is not: whoever sends the same again loses nothing
//! and doubles nothing.
//!
//! Invariant: nothing waits in a queue of its own; the sink is the only one, and it is bounded.
//! Invariant: the bodies that are held at one time have a bounded size together, whatever senders announce.
//! Invariant: what is remembered as taken was sent.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use homeostat_model::Observation;
use homeostat_port::{Clock, Closed, ObservationSink, Room};
use serde::Deserialize;
use thiserror::Error;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    complaint::Complaints,
    intake::{Intake, Reason},
    lock::lock,
    memory::Memory,
    refusal::{Answer, Refusal},
    seen::Key,
    token::Token,
};

/// How long a delivery waits for room without getting any. An engine that is behind for longer is not helped by waiting requests.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a delivery may take though it gets room now and then: shorter than senders wait for an answer (Alertmanager 10 s or
/// more, Prometheus 30 s), so that they hear one.
const LONGEST: Duration = Duration::from_secs(8);

/// How long any body may take to begin, and a small one to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes of a body are to come a second at least, on the whole: a line of 2 Mbit/s.
const BODY_BYTES_A_SECOND: usize = 256 << 10;

/// Bodies of the largest size that are held at one time; of smaller ones, as many more.
const LARGEST_AT_ONCE: usize = 4;

/// Bytes in which the space for bodies is counted.
const UNIT_BYTES: usize = 1 << 10;

/// What a source that listens is given.
#[derive(Debug, Clone)]
pub struct Inlet {
    /// Where what is taken goes.
    pub sink: ObservationSink,
    /// The time.
    pub clock: Clock,
    /// Where it is counted.
    pub intake: Arc<Intake>,
    /// What senders have to show; without it everybody is let in.
    pub token: Option<Token>,
    /// What it took before.
    pub memory: Memory,
}

/// The largest body that is read, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct BodyLimit(usize);

/// A limit that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is not a limit for bodies: it has to be from {least} to {most} bytes", least = BodyLimit::LEAST, most = BodyLimit::MOST)]
pub struct InvalidBodyLimit(u64);

impl BodyLimit {
    /// A body of a few items.
    const LEAST: u64 = 1 << 10;
    /// Four of these fit into the memory of any machine that this runs on.
    const MOST: u64 = 64 << 20;

    /// The limit of a source whose user says nothing else.
    pub(crate) const fn by_default(bytes: usize) -> Self {
        Self(bytes)
    }

    /// In bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.0
    }
}

impl TryFrom<u64> for BodyLimit {
    type Error = InvalidBodyLimit;

    fn try_from(bytes: u64) -> Result<Self, InvalidBodyLimit> {
        let allowed = (Self::LEAST..=Self::MOST).contains(&bytes);
        usize::try_from(bytes).ok().filter(|_| allowed).map(Self).ok_or(InvalidBodyLimit(bytes))
    }
}

/// The door of one source.
#[derive(Debug)]
pub(crate) struct Admission {
    inlet: Inlet,
    limit: BodyLimit,
    /// What a sender of too large a body can do.
    smaller: &'static str,
    /// Space for bodies, in units.
    space: Semaphore,
    complaints: Mutex<Complaints>,
}

/// A request whose body has arrived. The body's space is given back with the value.
#[derive(Debug)]
pub(crate) struct Arrived<'a> {
    pub(crate) head: Parts,
    pub(crate) body: Vec<u8>,
    _space: SemaphorePermit<'a>,
}

impl Admission {
    /// A door for the source called `name`; `smaller` says what a sender of too large a body can do.
    pub(crate) fn new(name: &str, inlet: Inlet, limit: BodyLimit, smaller: &'static str) -> Self {
        let space = Semaphore::new(LARGEST_AT_ONCE * units(limit.bytes()));
        let complaints = Mutex::new(Complaints::new(name, inlet.clock));
        Self { inlet, limit, smaller, space, complaints }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.inlet.clock
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.inlet.intake
    }

    /// Lets a request in, and waits for its body: it is refused before anything of it is read when its sender shows no token, or
    /// announces too much.
    pub(crate) async fn body(&self, request: Request) -> Result<Arrived<'_>, Refusal> {
        let (head, body) = request.into_parts();
        if self.inlet.token.as_ref().is_some_and(|token| !token.is_shown(&head.headers, &head.uri)) {
            let help = "send it as `Authorization: Bearer TOKEN`; it is what `token` of the source refers to";
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, Reason::Unauthorized, "the token is not right", help));
        }
        let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        // What announces nothing may come to be as large as anything.
        let bytes: usize = announced.unwrap_or(self.limit.bytes());
        if bytes > self.limit.bytes() {
            return Err(self.too_large());
        }
        let units = u32::try_from(units(bytes)).unwrap_or(u32::MAX);
        let space = match timeout(PATIENCE, self.space.acquire_many(units)).await {
            Ok(Ok(space)) => space,
            _ => return Err(Refusal::busy("other bodies take all the space that there is for them at the moment")),
        };
        let allowed = time_for(bytes);
        match timeout(allowed, self.collect(body)).await {
            Ok(body) => Ok(Arrived { head, body: body?, _space: space }),
            Err(_) => {
                let what = format!("the body did not arrive within {} seconds", allowed.as_secs());
                Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, Reason::Late, what, "send it again"))
            }
        }
    }

    async fn collect(&self, body: Body) -> Result<Vec<u8>, Refusal> {
        let mut chunks = body.into_data_stream();
        let mut collected = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| {
                let what = format!("the body could not be read: {error}");
                Refusal::new(StatusCode::BAD_REQUEST, Reason::Malformed, what, "send it again")
            })?;
            if collected.len() + chunk.len() > self.limit.bytes() {
                return Err(self.too_large());
            }
            collected.extend_from_slice(&chunk);
        }
        Ok(collected)
    }

    fn too_large(&self) -> Refusal {
        let what = format!("the body is larger than {} bytes", self.limit.bytes());
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, Reason::TooLarge, what, self.smaller)
    }

    /// A delivery's turn to be taken. Its time runs from now on.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let began = Instant::now();
        Turn { admission: self, began, deadline: began + PATIENCE }
    }

    /// Counts an item that is refused by itself.
    pub(crate) fn refuse_item(&self, reason: Reason) {
        self.intake().refuse(reason, 1);
    }

    /// Tells what was refused of a delivery that is over; not of one that comes again for want of room, so that it is
    /// told of once.
    pub(crate) fn refused(&self, answer: &Answer) {
        let mut complaints = lock(&self.complaints);
        let (told, more) = answer.refused();
        told.for_each(|reason| complaints.refused(reason));
        complaints.also(more);
    }

    /// Counts and tells that a request was refused; gives the answer.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response {
        self.intake().refuse(refusal.malformed.reason, 1);
        lock(&self.complaints).refused(&refusal.malformed);
        refusal.into_response()
    }
}

/// The turn of one delivery.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    admission: &'a Admission,
    began: Instant,
    deadline: Instant,
}

impl<'a> Turn<'a> {
    /// Sends an observation that was not sent before under the same `key`, as soon as there is room. Whether it did.
    ///
    /// # Errors
    /// [`Refusal`] when there is no room in time. Then it is not remembered, and is taken when it comes again.
    pub(crate) async fn take_once(&mut self, key: Key, observation: Observation) -> Result<bool, Refusal> {
        let admission = self.admission;
        // What is known needs no room. The memory is never locked while somebody waits for room.
        if !admission.inlet.memory.seen().contains(key) {
            let room = self.room().await?;
            let mut seen = admission.inlet.memory.seen();
            if !seen.contains(key) {
                room.send(observation);
                admission.intake().forget(seen.insert(key));
                admission.intake().took(1);
                return Ok(true);
            }
        }
        admission.intake().repeat(1);
        Ok(false)
    }

    async fn room(&mut self) -> Result<Room<'a>, Refusal> {
        match timeout_at(self.deadline, self.admission.inlet.sink.reserve()).await {
            Ok(Ok(room)) => {
                self.deadline = (self.began + LONGEST).min(Instant::now() + PATIENCE);
                Ok(room)
            }
            Ok(Err(Closed)) => Err(Refusal::busy("homeostat is shutting down")),
            Err(_) => Err(Refusal::busy("the engine is behind and takes no more at the moment")),
        }
    }
}

/// How long so many bytes may take to arrive.
fn time_for(bytes: usize) -> Duration {
    BODY_TIMEOUT + Duration::from_secs(u64::try_from(bytes / BODY_BYTES_A_SECOND).unwrap_or(u64::MAX))
}

/// Units that so many bytes take; also an empty body takes one.
fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES).max(1)
}
