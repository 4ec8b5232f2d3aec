//! The ids of hellos under way, so that the welcome can carry them back.

use dashmap::DashMap;

use deskbell_core::Name;

/// What a hello may bear for its welcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HelloIds {
    pub(super) id: Option<Name>,
    pub(super) correlation_id: Option<Name>,
}

/// Put in by the connections' threads, taken out by the hub's. By the serial of the connection; at most one per
/// connection, and none once that is welcomed or gone.
#[derive(Debug, Default)]
pub(super) struct Hellos(DashMap<u64, HelloIds>);

impl Hellos {
    /// Keeps what there is to keep.
    pub(super) fn put(&self, serial: u64, ids: HelloIds) {
        if ids != HelloIds::default() {
            self.0.insert(serial, ids);
        }
    }

    /// Takes what was kept.
    pub(super) fn take(&self, serial: u64) -> HelloIds {
        self.0.remove(&serial).map(|(_, ids)| ids).unwrap_or_default()
    }
}
