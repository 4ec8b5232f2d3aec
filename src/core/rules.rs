//! The rules by which entries are applied: their numbers, and everything that differs between them.
//!
//! The rules in force are part of the state ([`Core::rules`](crate::Core::rules)). Each hub announces the newest rules
//! that it can apply when it starts. The core raises the rules itself once every living hub can apply the higher
//! number, and never lowers them. So hubs of two versions share one log, and they decide alike until the last old hub
//! is gone.
//!
//! To change the behaviour of the core: raise [`RULES`], let the code ask `Rules` here for what differs, and list each
//! new field of a type in records or snapshots in [`ADDED_FIELDS`]. Once no supported version needs the old rules any
//! more, raise `oldest` and delete what asks for them.

use serde::{Deserialize, Serialize};

/// The numbers of the rules that a program can apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesRange {
    /// The lowest number.
    pub oldest: u32,
    /// The highest number. Records and snapshots can have any shape up to this one.
    pub newest: u32,
}

/// The rules that this program can apply: the newest, and those of the version before.
///
/// The feature `next-rules` is for tests of an upgrade: it adds one change of behaviour and some of shape.
pub const RULES: RulesRange = RulesRange { oldest: 4, newest: if cfg!(feature = "next-rules") { 5 } else { 4 } };

impl RulesRange {
    /// Whether a program with these rules can apply `rules`.
    #[must_use]
    pub fn contains(self, rules: u32) -> bool {
        (self.oldest..=self.newest).contains(&rules)
    }
}

/// A field that the types in records and snapshots gained: the name of the struct or enum, the name of the field, and
/// the first rules with it. Data of earlier rules is written without the field and read with its default. Such a field
/// comes last in its struct or variant, and has `#[serde(default)]`.
///
/// New variants of an enum need no line: they come last, and nothing makes one before the rules that know it are in
/// force.
pub const ADDED_FIELDS: &[(&str, &str, u32)] = &[
    ("Core", "rules", 4),
    ("HubState", "newest_rules", 4),
    ("Core", "revocations", 4),
    ("Rendered", "priority", 4),
    ("Rendered", "link", 4),
    ("Rendered", "sound", 4),
    ("Session", "icon", 4),
    ("Session", "fields", 4),
    ("Session", "link", 4),
    ("Session", "context", 4),
    ("OpenNotification", "context", 4),
    ("NewNotification", "context", 4),
    ("Workspace", "context_bytes", 4),
    ("Limits", "context_bytes", 4),
    #[cfg(feature = "next-rules")]
    ("Sessions", "capped", 5),
    #[cfg(feature = "next-rules")]
    ("Input", "capped_before", 5),
];

/// The number of the rules in force; 0 before the first hub started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rules(pub(crate) u32);

impl Rules {
    /// The highest unread count of a session.
    pub(crate) fn unread_max(self) -> u32 {
        if cfg!(feature = "next-rules") && self.0 >= 5 { 99 } else { u32::MAX }
    }
}
