//! The context of a notify: what its provider tells the agent who gets the session, and nobody else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Text;

/// The JSON text of a context, exactly as its provider wrote it. The edge checks that it is an object of at most
/// [`CONTEXT_BYTES_MAX`](crate::CONTEXT_BYTES_MAX) bytes.
///
/// `Debug` shows its size only, so that no log or error can contain it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context(Text);

impl Context {
    /// The context with this JSON text.
    #[must_use]
    pub fn new(json: &str) -> Self {
        Self(json.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({} bytes)", self.0.len())
    }
}
