//! The content of a notification: everything that does not change while it is open.

use serde::{Deserialize, Serialize};

use crate::entry::Rendered;
use crate::ids::{Name, NotificationId, Timestamp};

/// Everything of a notification that does not change while it is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The id that the hub minted for it.
    pub notification_id: NotificationId,
    /// The correlationId of the notify, as the provider sent it or as the hub minted it.
    pub correlation_id: Name,
    /// The `id` of the notify, if it had one.
    pub id: Option<Name>,
    /// The provider that raised it.
    pub provider_id: Name,
    /// The session that the notify named; without one, the notificationId.
    pub session_id: Name,
    /// The token by which its provider can cancel it.
    pub cancellation_token: Option<Name>,
    /// The name of its template.
    pub template_name: Name,
    /// A digest of the content of the notify, for idempotence.
    pub fingerprint: u128,
    /// When it arrived.
    pub notified_at: Timestamp,
    /// The card, and how long it is displayed.
    pub rendered: Rendered,
}
