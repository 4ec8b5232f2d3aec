//! The ids of hellos under way, so that the welcome can carry them back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::workspace::Name;

/// What a hello may bear for its welcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct HelloIds {
    pub(super) id: Option<Name>,
    pub(super) correlation_id: Option<Name>,
}

/// By the serial of the connection; at most one per connection, and none once that is welcomed or gone.
#[derive(Debug, Default)]
pub(super) struct Hellos(Mutex<HashMap<u64, HelloIds>>);

impl Hellos {
    /// Keeps what there is to keep.
    pub(super) fn put(&self, serial: u64, ids: HelloIds) {
        if ids != HelloIds::default() {
            self.lock().insert(serial, ids);
        }
    }

    /// Takes what was kept.
    pub(super) fn take(&self, serial: u64) -> HelloIds {
        self.lock().remove(&serial).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, HelloIds>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
