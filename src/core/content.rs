//! What a notification is, apart from what becomes of it.

use serde::{Deserialize, Serialize};

use super::entry::Rendered;
use super::ids::{Name, NotificationId, Timestamp};

/// What a notification is: all that does not change while it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Its id.
    pub notification_id: NotificationId,
    /// Its correlationId.
    pub correlation_id: Name,
    /// The notify's own id, if it bore one.
    pub id: Option<Name>,
    /// Who raised it.
    pub provider_id: Name,
    /// The session it is about: its own, or its notificationId.
    pub session_id: Name,
    /// The token by which it can be cancelled.
    pub cancellation_token: Option<Name>,
    /// Its template's name.
    pub template_name: Name,
    /// What it says, for idempotence.
    pub fingerprint: u128,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// What is shown, and for how long.
    pub rendered: Rendered,
}
