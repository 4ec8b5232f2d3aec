//! How the handles of a client speak to its task.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::calls::{Call, Waiting};
use super::error::{CallError, ConnectError, Ended};
use super::link::{ASKED_MAX, Asked, Link, Peer, Status};
use crate::protocol::inbound::{Body, ClientMessage, Envelope};
use crate::protocol::outbound::received::CallResult;
use crate::protocol::{HubMessage, encode_inbound};

/// A handle's way to the task.
#[derive(Debug, Clone)]
pub(super) struct Line {
    asked: mpsc::Sender<Asked>,
    pub(super) status: watch::Receiver<Status>,
}

impl Line {
    /// Starts the task.
    pub(super) fn open<P: Peer>(link: impl FnOnce(mpsc::Receiver<Asked>, watch::Sender<Status>) -> Link<P>) -> Self {
        let (asked, asked_of) = mpsc::channel(ASKED_MAX);
        let (status_of, status) = watch::channel(Status::Connecting);
        tokio::spawn(link(asked_of, status_of).run());
        Self { asked, status }
    }

    /// Waits for the first welcome.
    pub(super) async fn connected(&self, within: Duration) -> Result<(), ConnectError> {
        let mut status = self.status.clone();
        let mut last = "none".to_owned();
        let connected = async {
            loop {
                match &*status.borrow_and_update() {
                    Status::Open => return Ok(()),
                    Status::Ended(ended) => return Err(ended.clone()),
                    Status::Waiting { why, .. } => last.clone_from(why),
                    Status::Connecting => {}
                }
                if status.changed().await.is_err() {
                    return Err(Ended::Closed);
                }
            }
        };
        match tokio::time::timeout(within, connected).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(ConnectError::TimedOut { within, last }),
        }
    }

    pub(super) async fn ask(&self, asked: Asked) -> Result<(), CallError> {
        self.asked.send(asked).await.map_err(|_| self.gone())
    }

    /// Why the task is no more.
    pub(super) fn gone(&self) -> CallError {
        match &*self.status.borrow() {
            Status::Ended(ended) => CallError::Ended(ended.clone()),
            _ => CallError::Ended(Ended::Closed),
        }
    }

    pub(super) async fn ended(&self) -> Ended {
        let mut status = self.status.clone();
        let ended = status.wait_for(|status| matches!(status, Status::Ended(_))).await;
        match ended.as_deref() {
            Ok(Status::Ended(ended)) => ended.clone(),
            _ => Ended::Closed,
        }
    }

    /// Calls, and waits for what settles it.
    pub(super) async fn call(&self, body: Body<'_>) -> Result<HubMessage, CallError> {
        let id = Uuid::new_v4().to_string();
        let envelope = Envelope { id: Some(id.as_str().into()), correlation_id: None };
        let text = encode_inbound(&ClientMessage { envelope, body });
        let (done, wait) = oneshot::channel();
        self.ask(Asked::Call(Call { id, text, waiting: Waiting { acked: None, done } })).await?;
        wait.await.unwrap_or_else(|_| Err(self.gone()))
    }

    pub(super) async fn result(&self, body: Body<'_>) -> Result<CallResult, CallError> {
        match self.call(body).await? {
            HubMessage::Result(result) => Ok(*result),
            _ => Err(CallError::Nonsense),
        }
    }

    pub(super) async fn refresh(&self, token: &str) -> Result<(), CallError> {
        self.call(Body::Refresh { token: token.into() }).await?;
        self.ask(Asked::UseToken(token.to_owned())).await
    }
}
