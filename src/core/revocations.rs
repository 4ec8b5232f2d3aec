//! Revoked subjects. The log keeps the list, so that all hubs know it and a restart does not lose it; checking tokens
//! against it is the gateway's task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{Name, Text, Timestamp};

/// The most revocations. At the bound those that have expired are dropped; if none has, a further one changes nothing.
pub const REVOCATIONS_MAX: usize = 10_000;

/// Whose tokens are revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RevokedSubject {
    /// The subject of the tokens.
    pub subject: Name,
    /// The workspace; `None`: every workspace.
    pub workspace: Option<Name>,
    /// The issuer, empty for tokens by the hub's own keys; `None`: every issuer.
    pub issuer: Option<Text>,
}

/// Which tokens of a subject are revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Those that were issued until then.
    pub at: Timestamp,
    /// When it may be forgotten, because all those tokens have expired; `None`: never.
    pub until: Option<Timestamp>,
}

/// All revocations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocations {
    list: BTreeMap<RevokedSubject, Revocation>,
    /// Counts the changes, so that a reader sees whether there was one.
    changes: u64,
}

impl Revocations {
    /// Adds a revocation. Of two of the same subject the later one counts.
    pub(crate) fn revoke(&mut self, subject: &RevokedSubject, revocation: Revocation, now: Timestamp) {
        self.changes += 1;
        if let Some(before) = self.list.get_mut(subject) {
            if before.at <= revocation.at {
                *before = revocation;
            }
            return;
        }
        if self.list.len() >= REVOCATIONS_MAX {
            self.list.retain(|_, old| old.until.is_none_or(|until| until > now));
        }
        if self.list.len() < REVOCATIONS_MAX {
            self.list.insert(subject.clone(), revocation);
        }
    }

    /// Removes a revocation.
    pub(crate) fn lift(&mut self, subject: &RevokedSubject) {
        self.changes += 1;
        self.list.remove(subject);
    }

    /// The number of changes so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The revocation of exactly this subject, workspace and issuer.
    #[must_use]
    pub fn get(&self, subject: &RevokedSubject) -> Option<&Revocation> {
        self.list.get(subject)
    }

    /// Whether there is no space for a further revocation at `now`.
    #[must_use]
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.list.len() >= REVOCATIONS_MAX && self.list.values().all(|old| old.until.is_none_or(|until| until > now))
    }

    /// All revocations, by subject.
    pub fn iter(&self) -> impl Iterator<Item = (&RevokedSubject, &Revocation)> {
        self.list.iter()
    }

    /// Whether a token that was issued at that time is revoked. One without a time counts as issued before.
    #[must_use]
    pub fn includes(&self, workspace: &str, subject: &str, issuer: &str, issued: Option<Timestamp>) -> bool {
        if self.list.is_empty() {
            return false;
        }
        let first = RevokedSubject { subject: subject.into(), workspace: None, issuer: None };
        self.list.range(first..).take_while(|(revoked, _)| *revoked.subject == *subject).any(|(revoked, revocation)| {
            revoked.workspace.as_deref().is_none_or(|name| name == workspace)
                && revoked.issuer.as_deref().is_none_or(|name| name == issuer)
                && issued.is_none_or(|issued| issued <= revocation.at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, workspace: Option<&str>, issuer: Option<&str>) -> RevokedSubject {
        RevokedSubject { subject: name.into(), workspace: workspace.map(Into::into), issuer: issuer.map(Into::into) }
    }

    fn until(at: u64, until: Option<u64>) -> Revocation {
        Revocation { at: Timestamp(at), until: until.map(Timestamp) }
    }

    #[test]
    fn a_revocation_concerns_the_named_subject_workspace_and_issuer_and_tokens_issued_until_then() {
        let mut all = Revocations::default();
        all.revoke(&subject("ada", None, None), until(100, None), Timestamp(0));
        all.revoke(&subject("bob", Some("acme"), Some("https://id.example")), until(100, None), Timestamp(0));
        let includes =
            |name, workspace, issuer, issued: Option<u64>| all.includes(workspace, name, issuer, issued.map(Timestamp));
        assert!(includes("ada", "any", "", Some(100)) && includes("ada", "any", "https://any.example", None));
        assert!(!includes("ada", "any", "", Some(101)) && !includes("ad", "any", "", None));
        assert!(includes("bob", "acme", "https://id.example", Some(1)));
        assert!(!includes("bob", "acme", "", Some(1)) && !includes("bob", "other", "https://id.example", Some(1)));
    }

    #[test]
    fn the_later_revocation_counts_and_a_lifted_one_is_gone() {
        let (ada, mut all) = (subject("ada", None, None), Revocations::default());
        all.revoke(&ada, until(100, None), Timestamp(0));
        all.revoke(&ada, until(50, None), Timestamp(0));
        assert_eq!(all.get(&ada), Some(&until(100, None)));
        all.lift(&ada);
        assert_eq!((all.get(&ada), all.changes()), (None, 3));
    }

    #[test]
    fn there_is_a_bound_and_only_expired_revocations_make_space() {
        let mut all = Revocations::default();
        for number in 0..REVOCATIONS_MAX {
            let ends = (number == 7).then_some(1_000);
            all.revoke(&subject(&number.to_string(), None, None), until(1, ends), Timestamp(0));
        }
        let more = subject("one more", None, None);
        assert!(all.is_full(Timestamp(999)) && !all.is_full(Timestamp(1_000)));
        all.revoke(&more, until(1, None), Timestamp(999));
        assert_eq!(all.get(&more), None);
        all.revoke(&more, until(1, None), Timestamp(1_000));
        assert!(all.get(&more).is_some() && all.get(&subject("7", None, None)).is_none());
        // One that is there already can always be renewed.
        all.revoke(&subject("8", None, None), until(2, None), Timestamp(1_000));
        assert_eq!(all.get(&subject("8", None, None)), Some(&until(2, None)));
    }
}
