//! The ids of hellos under way, so that the welcome can carry them back.

use dashmap::DashMap;

use deskbell_core::Name;

/// What a hello may bear for its welcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HelloIds {
    pub(crate) id: Option<Name>,
    pub(crate) correlation_id: Option<Name>,
}

/// Put in by the connections' threads, taken out by the hub's. By the serial of the connection; at most one per
/// connection, and none once that is welcomed or gone.
#[derive(Debug, Default)]
pub(crate) struct PendingHelloIds(DashMap<u64, HelloIds>);

impl PendingHelloIds {
    /// Keeps what there is to keep.
    pub(crate) fn put(&self, serial: u64, ids: HelloIds) {
        if ids != HelloIds::default() {
            self.0.insert(serial, ids);
        }
    }

    /// Takes what was kept.
    pub(crate) fn take(&self, serial: u64) -> HelloIds {
        self.0.remove(&serial).map(|(_, ids)| ids).unwrap_or_default()
    }
}
