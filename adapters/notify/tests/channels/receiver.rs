//! A receiver over HTTP that does to each request what it is told.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::PATIENCE;

/// What is done to a request after it was read.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Answered with this status, and a text.
    Say(u16, &'static str),
    /// Answered with a redirect to there.
    Redirect(String),
    /// Never answered.
    Hang,
    /// The connection is closed.
    Die,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Value,
}

#[derive(Debug, Default)]
struct Shared {
    requests: Vec<Request>,
    answers: VecDeque<Answer>,
}

/// The receiver. It is gone with this value; its address is not.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// One that does these things, one after the other, and says 200 after that.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answers).await
    }

    pub(crate) async fn start_at(address: SocketAddr, answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared { requests: Vec::new(), answers: answers.into_iter().collect() }));
        let own = shared.clone();
        let task = tokio::spawn(async move {
            // Those that it holds end with it.
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, own.clone()));
            }
        });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// Waits until `enough` says that what came is enough.
    pub(crate) async fn until(&self, enough: impl Fn(&[Request]) -> bool) -> Vec<Request> {
        let waited = async {
            while !enough(&self.requests()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waited).await;
        assert!(waited.is_ok(), "it did not come: {:?}", self.requests());
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Mutex<Shared>>) {
    while let Some(request) = read(&mut stream).await {
        let answer = {
            let mut shared = shared.lock().unwrap();
            shared.requests.push(request);
            shared.answers.pop_front().unwrap_or(Answer::Say(200, ""))
        };
        let text = match answer {
            Answer::Say(status, text) => format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}", text.len()),
            Answer::Redirect(to) => format!("HTTP/1.1 307 X\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
            Answer::Hang => std::future::pending().await,
            Answer::Die => return,
        };
        stream.write_all(text.as_bytes()).await.unwrap();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(Request { head, body: serde_json::from_slice(&bytes[end..]).unwrap() })
}
