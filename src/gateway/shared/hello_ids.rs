//! The ids of pending hellos, for the welcome to repeat.

use dashmap::DashMap;

use deskbell_core::Name;

/// The ids of a hello that its welcome repeats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HelloIds {
    pub(crate) id: Option<Name>,
    pub(crate) correlation_id: Option<Name>,
}

/// The ids of hellos without a welcome, by the serial of the connection. The threads of the connections add them, and the hub's
/// thread removes them. After the welcome or the end of a connection there is no entry for it.
#[derive(Debug, Default)]
pub(crate) struct PendingHelloIds(DashMap<u64, HelloIds>);

impl PendingHelloIds {
    /// Stores the ids, if the hello has any.
    pub(crate) fn put(&self, serial: u64, ids: HelloIds) {
        if ids != HelloIds::default() {
            self.0.insert(serial, ids);
        }
    }

    /// Removes and returns the stored ids.
    pub(crate) fn take(&self, serial: u64) -> HelloIds {
        self.0.remove(&serial).map(|(_, ids)| ids).unwrap_or_default()
    }
}
