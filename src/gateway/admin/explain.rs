//! `/explain` of the admin listener: the history of one notification.

use std::sync::{Arc, PoisonError, TryLockError};
use std::thread;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::explain::{self, ExplainQuery};
use crate::gateway::http::request_checks::HttpRefusal;
use crate::gateway::http::response::{self, HttpResponse, JSON};
use crate::gateway::shared::bounds::EXPLAIN_MAX;
use crate::gateway::shared::state::Histories;

/// Answers by replaying the log on a thread of its own, so that no connection waits for it. There is one replay at a time,
/// partition by partition, since it needs as much memory as the hub's state, and one processor. It ends when the client
/// has gone, or after [`EXPLAIN_MAX`].
///
/// # Errors
/// The hub keeps no log, `id` is not valid, another replay is under way, or the log cannot be read.
pub(crate) async fn explain(
    histories: Option<&Arc<Histories>>,
    id: &str,
    as_text: bool,
) -> Result<HttpResponse, HttpRefusal> {
    let Some(histories) = histories else {
        let text = "this hub keeps no log (--memory), so it cannot explain anything";
        return Err(HttpRefusal::new(StatusCode::CONFLICT, text));
    };
    let question: ExplainQuery =
        id.parse().map_err(|error| HttpRefusal::new(StatusCode::BAD_REQUEST, format!("?id= is {error}")))?;
    let histories = Arc::clone(histories);
    let (sender, receiver) = oneshot::channel();
    let replay = move || {
        let mut histories = match histories.try_lock() {
            Ok(histories) => histories,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return drop(sender.send(None)),
        };
        let explained = explain::explain_all(&mut histories, &question, &|| !sender.is_closed());
        // This comes before the answer, because the client may ask the next question at once.
        drop(histories);
        // The client may have gone.
        let _ = sender.send(Some(explained));
    };
    let unavailable = |text: String| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let started = thread::Builder::new().name("explain".to_owned()).spawn(replay);
    started.map_err(|error| unavailable(format!("the system has no thread for the explanation: {error}")))?;
    let explained = timeout(EXPLAIN_MAX, receiver).await.map_err(|_| {
        let seconds = EXPLAIN_MAX.as_secs();
        unavailable(format!("it takes longer than {seconds} s; `deskbell explain --data-dir` has no such limit"))
    })?;
    let explained = explained.ok().flatten();
    let explained =
        explained.ok_or_else(|| unavailable("another explanation is under way; ask again later".to_owned()))?;
    let explained =
        explained.map_err(|error| HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let status = if explained.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(if as_text {
        response::plain(status, explained.to_string())
    } else {
        response::response(status, JSON, Bytes::from(explained.json()))
    })
}
