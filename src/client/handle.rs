//! The handles' side of a client: requests to the task that keeps the connection, and its status.

use std::time::Duration;

use deskbell_protocol::inbound::{Body, ClientMessage};
use deskbell_protocol::outbound::CallResult;
use deskbell_protocol::{Envelope, HubMessage, encode_inbound};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::{ConnectionTask, REQUESTS_MAX, RoleState, Status, TaskRequest};
use super::error::{CallError, ConnectError, EndReason};
use super::pending_calls::{ReplySenders, SentCall};

/// A random id for a call, so that the hub recognises the call when it is repeated.
pub(super) fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// A handle of a client's task. The task ends with its last handle.
#[derive(Debug, Clone)]
pub(super) struct TaskHandle {
    requests: mpsc::Sender<TaskRequest>,
    pub(super) status: watch::Receiver<Status>,
}

impl TaskHandle {
    /// Starts the task that `task` makes of the receiving ends.
    pub(super) fn start<R: RoleState>(
        task: impl FnOnce(mpsc::Receiver<TaskRequest>, watch::Sender<Status>) -> ConnectionTask<R>,
    ) -> Self {
        let (requests, request_receiver) = mpsc::channel(REQUESTS_MAX);
        let (status_sender, status) = watch::channel(Status::Connecting);
        tokio::spawn(task(request_receiver, status_sender).run());
        Self { requests, status }
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
                    return Err(EndReason::Closed);
                }
            }
        };
        match tokio::time::timeout(within, connected).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(ConnectError::TimedOut { within, last }),
        }
    }

    pub(super) async fn request(&self, request: TaskRequest) -> Result<(), CallError> {
        self.requests.send(request).await.map_err(|_| self.end_error())
    }

    /// The error of a call after the task has ended.
    pub(super) fn end_error(&self) -> CallError {
        match &*self.status.borrow() {
            Status::Ended(ended) => CallError::Ended(ended.clone()),
            _ => CallError::Ended(EndReason::Closed),
        }
    }

    /// Waits until the client has ended.
    pub(super) async fn ended(&self) -> EndReason {
        let mut status = self.status.clone();
        let ended = status.wait_for(|status| matches!(status, Status::Ended(_))).await;
        match ended.as_deref() {
            Ok(Status::Ended(ended)) => ended.clone(),
            _ => EndReason::Closed,
        }
    }

    /// Makes a call and waits for the message that settles it.
    pub(super) async fn call(&self, body: Body<'_>) -> Result<HubMessage, CallError> {
        let id = random_id();
        let text = encode_inbound(&ClientMessage { body, envelope: Envelope::of(Some(&id), None) });
        let (settled, reply) = oneshot::channel();
        let senders = ReplySenders { acked: None, settled };
        self.request(TaskRequest::Call(SentCall { id, text, senders })).await?;
        reply.await.unwrap_or_else(|_| Err(self.end_error()))
    }

    /// Makes a call that is answered by a `result`.
    pub(super) async fn result(&self, body: Body<'_>) -> Result<CallResult, CallError> {
        match self.call(body).await? {
            HubMessage::Result(result) => Ok(*result),
            _ => Err(CallError::UnexpectedReply),
        }
    }

    pub(super) async fn refresh(&self, token: &str) -> Result<(), CallError> {
        self.call(Body::Refresh { token: token.into() }).await?;
        self.request(TaskRequest::UseToken(token.to_owned())).await
    }
}
