//! Whether homeostat lives, is ready, and what it counts: for machines, and open to all.

use std::sync::atomic::Ordering;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Api;

/// Ready means: every adapter was connected, and the loop around the engine turns.
pub(super) async fn ready(State(api): State<Api>) -> Response {
    match api.awaited.load(Ordering::Relaxed) {
        0 => match api.ping().await {
            Ok(()) => "ready\n".into_response(),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        },
        missing => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{missing} adapters have not connected yet\n")).into_response()
        }
    }
}

pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], api.metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{
        extract::State,
        http::{Response, StatusCode},
    };
    use tokio::sync::{Semaphore, mpsc};

    use super::{super::Access, Api, ready};
    use crate::{live::Message, metrics::Metrics};

    fn api() -> (Api, mpsc::Receiver<Message>) {
        let (messages, inbox) = mpsc::channel(1);
        let api = Api {
            messages,
            questions: mpsc::channel(1).0,
            metrics: Arc::new(Metrics::new()),
            awaited: Arc::default(),
            access: Arc::new(Access::new(None)),
            journal: "journal".into(),
            readers: Arc::new(Semaphore::new(1)),
        };
        (api, inbox)
    }

    async fn status(api: &Api) -> StatusCode {
        Response::status(&ready(State(api.clone())).await)
    }

    #[tokio::test]
    async fn ready_is_what_the_loop_says() {
        let (api, mut inbox) = api();
        let turning = tokio::spawn(async move {
            let Some(Message::Ping(reply)) = inbox.recv().await else { panic!("not asked") };
            reply.send(()).unwrap();
            inbox
        });
        assert_eq!(status(&api).await, StatusCode::OK);
        // The loop is stuck: first one question waits, then the queue is full as well.
        let inbox = turning.await.unwrap();
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        drop(inbox);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
        api.awaited.store(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(status(&api).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
