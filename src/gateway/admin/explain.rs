//! `/explain` of the admin listener: what became of a notification.

use std::sync::{Arc, PoisonError, TryLockError};
use std::thread;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::explain::{self, Question};
use crate::gateway::http::response::{self, HttpRefusal, HttpResponse, JSON};
use crate::gateway::shared::bounds::EXPLAIN_MAX;
use crate::gateway::shared::state::Histories;

/// Answers by folding the log once more, on a thread of its own, so that no connection waits for it. One at a time: it
/// costs as much memory as the hub's state, and one core; the partitions one after the other. It ends when nobody waits
/// for it any longer, and after [`EXPLAIN_MAX`].
pub(crate) async fn explain(
    past: Option<&Arc<Histories>>,
    asked: &str,
    as_text: bool,
) -> Result<HttpResponse, HttpRefusal> {
    let Some(past) = past else {
        return Err(HttpRefusal::new(
            StatusCode::CONFLICT,
            "this hub keeps no log (--memory), so it can explain nothing",
        ));
    };
    let question: Question =
        asked.parse().map_err(|error| HttpRefusal::new(StatusCode::BAD_REQUEST, format!("?id= is {error}")))?;
    let past = Arc::clone(past);
    let (tell, told) = oneshot::channel();
    let folding = move || {
        let mut histories = match past.try_lock() {
            Ok(histories) => histories,
            Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(TryLockError::WouldBlock) => return drop(tell.send(None)),
        };
        let explained = explain::explain_all(&mut histories, &question, &|| !tell.is_closed());
        // Before it is told: who hears it may ask the next question at once.
        drop(histories);
        // HelloRole asked may have gone.
        let _ = tell.send(Some(explained));
    };
    let started = thread::Builder::new().name("explain".to_owned()).spawn(folding);
    started.map_err(|error| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, format!("no thread for it: {error}")))?;
    let unavailable = |text: &'static str| HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let explained = timeout(EXPLAIN_MAX, told)
        .await
        .map_err(|_| unavailable("it takes too long here; `deskbell explain --data-dir` takes its time"))?;
    let explained = explained.ok().flatten();
    let explained = explained.ok_or_else(|| unavailable("another explanation is under way; ask again"))?;
    let explained =
        explained.map_err(|error| HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let status = if explained.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(if as_text {
        response::plain(status, explained.to_string())
    } else {
        response::reply(status, JSON, Bytes::from(explained.json()))
    })
}
