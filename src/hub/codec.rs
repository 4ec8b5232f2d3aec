//! Records and snapshots as bytes (postcard).

use deskbell_core::entry::{Entry, RULES, Record};
use deskbell_core::{Core, Incarnation, Timestamp};
use serde::{Deserialize, Serialize};

/// The form of the bytes of records and snapshots; raised when a type in them changes its shape.
const FORMAT: u32 = 3;

/// Why encoding is not expected to fail.
const INFALLIBLE: &str = "into memory, without maps of unknown length or custom serializers, encoding cannot fail";

/// The bytes are no record or snapshot that this hub may fold.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Another version wrote it.
    #[error(
        "record {number} was written by rules {theirs}, this hub has rules {ours}: stop the version that wrote it \
         cleanly (it leaves a snapshot and no records), then start this one"
    )]
    OtherRules {
        /// The record.
        number: u64,
        /// Its rules.
        theirs: u32,
        /// This hub's.
        ours: u32,
    },
    /// The snapshot is of another form.
    #[error("the snapshot has form {theirs}, this hub reads form {FORMAT}: use the version that wrote it")]
    OtherForm {
        /// The snapshot's.
        theirs: u32,
    },
    /// The checksum was right, the contents are not.
    #[error("record {number} cannot be read: {why}")]
    Unreadable {
        /// The record; for a snapshot, the last one in it.
        number: u64,
        /// What the decoder said.
        why: String,
    },
}

/// What stands before a record's entries.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    rules: u32,
    incarnation: Incarnation,
    group: u64,
    time: Timestamp,
}

/// A group in the making: entries are encoded as they come, so that its size is known.
#[derive(Debug, Default)]
pub(super) struct GroupBytes {
    entries: Vec<u8>,
    count: usize,
}

impl GroupBytes {
    /// Adds an entry; the group's size in bytes then.
    pub(super) fn push(&mut self, entry: &Entry) -> usize {
        let bytes = std::mem::take(&mut self.entries);
        self.entries = postcard::to_extend(entry, bytes).expect(INFALLIBLE);
        self.count += 1;
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The whole record: exactly the encoding of a [`Record`] with these entries.
    pub(super) fn seal(self, incarnation: Incarnation, group: u64, time: Timestamp) -> Vec<u8> {
        let head = Head { rules: RULES, incarnation, group, time };
        let mut bytes = postcard::to_extend(&(head, self.count as u64), Vec::new()).expect(INFALLIBLE);
        bytes.extend_from_slice(&self.entries);
        bytes
    }
}

/// Reads a record.
///
/// # Errors
/// [`CodecError`], naming the record's `number`.
pub fn decode_record(number: u64, bytes: &[u8]) -> Result<Record, CodecError> {
    let unreadable = |error: postcard::Error| CodecError::Unreadable { number, why: error.to_string() };
    let (theirs, _) = postcard::take_from_bytes::<u32>(bytes).map_err(unreadable)?;
    if theirs != RULES {
        return Err(CodecError::OtherRules { number, theirs, ours: RULES });
    }
    postcard::from_bytes(bytes).map_err(unreadable)
}

/// The whole state as bytes.
#[must_use]
pub fn encode_snapshot(core: &Core) -> Vec<u8> {
    postcard::to_extend(&(FORMAT, core), Vec::new()).expect(INFALLIBLE)
}

/// Reads a snapshot; `number` is the last record in it.
///
/// # Errors
/// [`CodecError`].
pub fn decode_snapshot(number: u64, bytes: &[u8]) -> Result<Core, CodecError> {
    let unreadable = |error: postcard::Error| CodecError::Unreadable { number, why: error.to_string() };
    let (theirs, rest) = postcard::take_from_bytes::<u32>(bytes).map_err(unreadable)?;
    if theirs != FORMAT {
        return Err(CodecError::OtherForm { theirs });
    }
    postcard::from_bytes(rest).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use deskbell_core::entry::Input;

    #[test]
    fn a_sealed_group_is_the_record() {
        let entry = |input| Entry { workspace: "default".into(), input };
        let entries = vec![entry(Input::Started { epoch: 7 }), entry(Input::Leave { connection: 300 })];
        let mut group = GroupBytes::default();
        for entry in &entries {
            group.push(entry);
        }
        let record =
            Record { rules: RULES, incarnation: Incarnation(1 << 60), group: 5, time: Timestamp(1 << 41), entries };
        let bytes = group.seal(record.incarnation, record.group, record.time);
        assert_eq!(decode_record(1, &bytes).unwrap(), record);
    }

    #[test]
    fn a_record_of_other_rules_is_refused_by_name() {
        let bytes = postcard::to_extend(&(RULES + 1), Vec::new()).unwrap();
        let error = decode_record(9, &bytes).unwrap_err();
        assert!(matches!(error, CodecError::OtherRules { number: 9, .. }), "{error}");
        assert!(matches!(decode_record(9, &[]), Err(CodecError::Unreadable { number: 9, .. })));
    }

    /// A provider rings and withdraws: the core then, and the records.
    fn with_settled(notifies: u64) -> (Core, Vec<Record>) {
        use deskbell_core::entry::{
            Action, Call, Joiner, NewNotification, ProviderAction, Recipients, Rendered, Resume,
        };
        use deskbell_core::{Millis, NotificationId};
        let rendered = Rendered::titled("t", Millis(1000));
        let call = |n: u64, action: ProviderAction| Input::Call {
            connection: 1,
            call: Call {
                id: Some(format!("the-id-{n}").into()),
                correlation_id: Some("c".into()),
                number: None,
                action: Action::from(action),
            },
        };
        let notify = |n: u64| NewNotification {
            notification_id: NotificationId(u128::from(n)),
            template_name: "x".into(),
            fingerprint: u128::from(n),
            session_id: None,
            cancellation_token: Some(format!("the-token-{n}").into()),
            to: Recipients::default(),
            rendered: Ok(rendered.clone()),
        };
        let bot = Joiner::Provider { id: "bot".into(), resume: Resume::Nothing };
        let mut inputs = vec![Input::Started { epoch: 1 }, Input::Join { connection: 1, client: bot }];
        for n in 0..notifies {
            inputs.push(call(n, ProviderAction::Notify(Box::new(notify(n)))));
            inputs.push(call(
                n + notifies,
                ProviderAction::Cancel { cancellation_token: format!("the-token-{n}").into() },
            ));
        }
        let mut core = Core::default();
        let record = |(group, input): (u64, Input)| Record {
            rules: RULES,
            incarnation: Incarnation(1),
            group,
            time: Timestamp(1 << 41),
            entries: vec![Entry { workspace: "default".into(), input }],
        };
        let records: Vec<Record> = (1..).zip(inputs).map(record).collect();
        records.iter().for_each(|record| core.apply(record, |_, _| {}));
        (core, records)
    }

    #[test]
    fn a_snapshot_says_the_names_of_what_is_retained_once() {
        let (core, _) = with_settled(20);
        let bytes = encode_snapshot(&core);
        for name in ["the-id-7", "the-token-7"] {
            let times = bytes.windows(name.len()).filter(|window| *window == name.as_bytes()).count();
            assert_eq!(times, 1, "{name}");
        }
        let again = decode_snapshot(0, &bytes).unwrap();
        assert_eq!(encode_snapshot(&again), bytes);
    }

    #[test]
    fn what_is_retained_is_found_again_after_a_snapshot() {
        let (mut core, records) = with_settled(20);
        let mut again = decode_snapshot(0, &encode_snapshot(&core)).unwrap();
        // The same notify, and the same cancel, once more.
        for mut repeated in records[2..4].iter().cloned() {
            repeated.group += 1000;
            let (mut told, mut told_again) = (Vec::new(), Vec::new());
            core.apply(&repeated, |_, effects| told.extend(effects.list));
            again.apply(&repeated, |_, effects| told_again.extend(effects.list));
            assert!(!told.is_empty());
            assert_eq!(told, told_again);
        }
    }

    #[test]
    fn a_snapshot_reads_back() {
        let core = Core::default();
        let bytes = encode_snapshot(&core);
        let again = decode_snapshot(0, &bytes).unwrap();
        assert_eq!(encode_snapshot(&again), bytes);
    }
}
