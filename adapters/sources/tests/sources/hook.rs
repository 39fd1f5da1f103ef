//! A webhook of CloudEvents on a real socket, and requests to it as they are written.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use homeostat_model::{Observation, Timestamp};
use homeostat_port::{Clock, ObservationSink};
use homeostat_sources::{CloudEventsConfig, Inlet, Intake, Memory, Token, cloud_events};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::told::told;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Content types of the modes.
pub(crate) const STRUCTURED: &str = "Content-Type: application/cloudevents+json; charset=UTF-8\r\n";
pub(crate) const BATCHED: &str = "Content-Type: application/cloudevents-batch+json; charset=utf-8\r\n";
/// The attributes that have to be there, as headers.
pub(crate) const REQUIRED: &str = "ce-specversion: 1.0\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\n";

pub(crate) struct Hook {
    pub(crate) address: SocketAddr,
    pub(crate) receiver: mpsc::Receiver<Observation>,
    pub(crate) intake: Arc<Intake>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Serves a webhook whose sink has room for `capacity` observations.
pub(crate) async fn serve(config: &str, capacity: usize, token: Option<Token>) -> Hook {
    let config: CloudEventsConfig = serde_json::from_str(config).unwrap();
    let (sink, receiver) = ObservationSink::bounded(capacity);
    let clock = Clock::starting(Timestamp::from_millis(1_700_000_000_000), 1);
    let intake = Arc::<Intake>::default();
    let router = cloud_events(config, Inlet { sink, clock, intake: intake.clone(), token, memory: Memory::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Hook { address, receiver, intake }
}

impl Hook {
    pub(crate) async fn post(&self, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let length = body.as_ref().len();
        self.raw(&format!("POST /webhook/cloudevents HTTP/1.1\r\n{headers}Content-Length: {length}\r\n"), body).await
    }

    /// Sends a request as it is, and gives the whole answer.
    pub(crate) async fn raw(&self, head: &str, body: impl AsRef<[u8]>) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}Host: x\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        // Who is refused before everything was sent may be cut off.
        let _ = stream.write_all(body.as_ref()).await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("no answer");
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("no answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn received(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.receiver.try_recv().ok()).map(|one| told(&one)).collect()
    }
}

pub(crate) fn event(change: &str) -> String {
    let mut event =
        serde_json::json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "subject": "vm/v1"});
    let change: serde_json::Value = serde_json::from_str(change).unwrap();
    event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    event.to_string()
}
