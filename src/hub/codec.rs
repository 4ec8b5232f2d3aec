//! Records and snapshots as bytes (postcard).
//!
//! Both begin with the number of the rules in force when they were written. These rules give them their shape. A hub that is
//! ahead of the rules in force writes and reads the older shape (`shape`).

mod shape;

use deskbell_core::entry::{Entry, Record};
use deskbell_core::rules::{RULES, RulesRange};
use deskbell_core::{Core, Incarnation, Timestamp};
use serde::{Deserialize, Serialize};

use self::shape::Shape;
use crate::log::{RecordNumber, Stored};

/// The first number of a snapshot: the rules of its shape follow, then the state.
const FORMAT: u32 = 4;

/// The first number of a snapshot from before its rules were written: the state follows.
const FORMAT_WITHOUT_RULES: u32 = 3;

/// The rules that give a snapshot of [`FORMAT_WITHOUT_RULES`] its shape.
const RULES_OF_FORMAT_3: u32 = 3;

/// Why encoding is not expected to fail.
const INFALLIBLE: &str = "into memory, without maps of unknown length or custom serializers, encoding cannot fail";

/// A record or snapshot that this hub cannot read or apply.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The log follows rules that this program does not have yet.
    #[error(
        "at record {number} the log follows rules {theirs}, and this version of deskbell applies rules {} to {}: start \
         a version that applies rules {theirs}. Rules are never lowered, so an older version cannot go on with this log",
        ours.oldest, ours.newest
    )]
    NewerRules {
        /// The record at which the hub stops.
        number: RecordNumber,
        /// The record's rules, or those in force after it.
        theirs: u32,
        /// This hub's.
        ours: RulesRange,
    },
    /// The log follows rules that this program does not have any more.
    #[error(
        "record {number} follows rules {theirs}, and this version of deskbell applies rules {} to {}: first start a \
         version that applies both, or stop the version that wrote the record with SIGTERM (it leaves a snapshot and no \
         records after it)",
        ours.oldest, ours.newest
    )]
    OlderRules {
        /// The record at which the hub stops.
        number: RecordNumber,
        /// The record's rules.
        theirs: u32,
        /// This hub's.
        ours: RulesRange,
    },
    /// The snapshot has another format.
    #[error(
        "the snapshot has format {theirs}, and this version of deskbell reads format {FORMAT}: use the version that wrote it"
    )]
    OtherFormat {
        /// The format of the snapshot.
        theirs: u32,
    },
    /// The checksum is right, but the contents cannot be decoded.
    #[error("record {number} cannot be read: {source}")]
    Unreadable {
        /// The record; for a snapshot, the last one in it.
        number: RecordNumber,
        /// The decoder's error.
        source: postcard::Error,
    },
}

impl CodecError {
    /// Checks that a hub with the rules `ours` can apply what has rules `theirs`.
    fn check(number: RecordNumber, theirs: u32, ours: RulesRange) -> Result<(), Self> {
        if theirs > ours.newest {
            Err(Self::NewerRules { number, theirs, ours })
        } else if theirs < ours.oldest {
            Err(Self::OlderRules { number, theirs, ours })
        } else {
            Ok(())
        }
    }
}

/// The start of a record, before its entries.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    rules: u32,
    incarnation: Incarnation,
    group: u64,
    time: Timestamp,
}

/// The entries of a group that is being built. Each is encoded as it comes, so that the size is known.
#[derive(Debug)]
pub(super) struct GroupBytes {
    rules: u32,
    entries: Vec<u8>,
    count: usize,
}

impl GroupBytes {
    /// Starts a group in the shape that the state's rules give it.
    pub(super) fn new(core: &Core) -> Self {
        Self { rules: shape_to_write(core), entries: Vec::new(), count: 0 }
    }

    /// Adds an entry. Returns the group's size in bytes.
    pub(super) fn push(&mut self, entry: &Entry) -> usize {
        self.entries = encode(entry, self.rules, std::mem::take(&mut self.entries));
        self.count += 1;
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The whole record: exactly the encoding of a [`Record`] with these entries.
    pub(super) fn seal(self, incarnation: Incarnation, group: u64, time: Timestamp) -> Vec<u8> {
        let head = Head { rules: self.rules, incarnation, group, time };
        let mut bytes = postcard::to_extend(&(head, self.count as u64), Vec::new()).expect(INFALLIBLE);
        bytes.extend_from_slice(&self.entries);
        bytes
    }
}

/// The rules that give the shape in which a hub writes: those in force, so that every living hub can read it.
fn shape_to_write(core: &Core) -> u32 {
    core.rules().clamp(RULES.oldest, RULES.newest)
}

fn encode(value: &impl Serialize, rules: u32, bytes: Vec<u8>) -> Vec<u8> {
    if rules < RULES.newest {
        postcard::to_extend(&Shape::of_rules(rules).value(value), bytes).expect(INFALLIBLE)
    } else {
        postcard::to_extend(value, bytes).expect(INFALLIBLE)
    }
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8], rules: u32) -> Result<T, postcard::Error> {
    if rules < RULES.newest {
        T::deserialize(Shape::of_rules(rules).reader(&mut postcard::Deserializer::from_bytes(bytes)))
    } else {
        postcard::from_bytes(bytes)
    }
}

/// Reads a record. If the log has a clock of its own, the record's time is the log's.
///
/// # Errors
/// [`CodecError`]: it cannot be read, or a hub with the rules `ours` cannot apply it.
pub fn decode_record(stored: &Stored, ours: RulesRange) -> Result<Record, CodecError> {
    let number = stored.number;
    let unreadable = |source| CodecError::Unreadable { number, source };
    let (theirs, _) = postcard::take_from_bytes::<u32>(&stored.bytes).map_err(unreadable)?;
    CodecError::check(number, theirs, ours)?;
    let mut record: Record = decode(&stored.bytes, theirs).map_err(unreadable)?;
    if let Some(ms) = stored.time_ms {
        record.time = Timestamp(ms);
    }
    Ok(record)
}

/// Checks after record `number` that a hub with the rules `ours` can go on: the record may have raised the rules.
///
/// # Errors
/// [`CodecError::NewerRules`]: the state and the effects may be wrong.
pub fn check_rules(number: RecordNumber, core: &Core, ours: RulesRange) -> Result<(), CodecError> {
    CodecError::check(number, core.rules().max(ours.oldest), ours)
}

/// The whole state as bytes, in the shape of the rules in force: all hubs have the same bytes for the same state.
#[must_use]
pub fn encode_snapshot(core: &Core) -> Vec<u8> {
    let rules = shape_to_write(core);
    encode(core, rules, postcard::to_extend(&(FORMAT, rules), Vec::new()).expect(INFALLIBLE))
}

/// Reads a snapshot. `number` is the last record in it.
///
/// # Errors
/// [`CodecError`]: it cannot be read, or a hub with the rules `ours` cannot go on from it.
pub fn decode_snapshot(number: RecordNumber, bytes: &[u8], ours: RulesRange) -> Result<Core, CodecError> {
    let unreadable = |source| CodecError::Unreadable { number, source };
    let (format, rest) = postcard::take_from_bytes::<u32>(bytes).map_err(unreadable)?;
    match format {
        FORMAT => {
            let (theirs, rest) = postcard::take_from_bytes::<u32>(rest).map_err(unreadable)?;
            CodecError::check(number, theirs, ours)?;
            let core = decode(rest, theirs).map_err(unreadable)?;
            check_rules(number, &core, ours)?;
            Ok(core)
        }
        FORMAT_WITHOUT_RULES => decode(rest, RULES_OF_FORMAT_3).map_err(unreadable),
        theirs => Err(CodecError::OtherFormat { theirs }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deskbell_core::Name;
    use deskbell_core::entry::Input;

    #[test]
    fn a_sealed_group_is_the_record() {
        let entry = |input| Entry { workspace: "default".into(), input };
        let entries = vec![entry(Input::started(7, RULES.newest)), entry(Input::Leave { connection: 300 })];
        let core = with_settled(0).0;
        assert_eq!(core.rules(), RULES.newest);
        let mut group = GroupBytes::new(&core);
        for entry in &entries {
            group.push(entry);
        }
        let (incarnation, time) = (Incarnation(1 << 60), Timestamp(1 << 41));
        let record = Record { rules: RULES.newest, incarnation, group: 5, time, entries };
        let bytes = group.seal(record.incarnation, record.group, record.time);
        assert_eq!(decode_record(&stored(1, bytes), RULES).unwrap(), record);
    }

    fn stored(number: RecordNumber, bytes: Vec<u8>) -> Stored {
        Stored { number, time_ms: None, bytes }
    }

    #[test]
    fn the_log_has_a_clock_of_its_own_or_the_record_has() {
        let bytes = GroupBytes::new(&Core::default()).seal(Incarnation(1), 1, Timestamp(5));
        let mut stored = stored(1, bytes);
        assert_eq!(decode_record(&stored, RULES).unwrap().time, Timestamp(5));
        stored.time_ms = Some(9);
        assert_eq!(decode_record(&stored, RULES).unwrap().time, Timestamp(9));
    }

    #[test]
    fn a_hub_that_is_ahead_writes_the_shape_of_the_rules_in_force() {
        let mut core = Core::default();
        let entries = vec![Entry { workspace: Name::default(), input: Input::started(1, RULES.oldest) }];
        let (incarnation, time) = (Incarnation(1), Timestamp(1));
        core.apply(&Record { rules: RULES.oldest, incarnation, group: 1, time, entries: entries.clone() }, |_, _| {});
        let mut group = GroupBytes::new(&core);
        group.push(&entries[0]);
        let record = stored(2, group.seal(incarnation, 2, time));
        let only_oldest = RulesRange { newest: RULES.oldest, ..RULES };
        assert_eq!(decode_record(&record, only_oldest).unwrap().rules, RULES.oldest);
        let again = decode_snapshot(2, &encode_snapshot(&core), only_oldest).unwrap();
        assert_eq!(encode_snapshot(&again), encode_snapshot(&core));
    }

    #[test]
    fn a_record_of_other_rules_is_refused_by_number() {
        let of_rules = |rules: u32| stored(9, postcard::to_extend(&rules, Vec::new()).unwrap());
        let error = decode_record(&of_rules(RULES.newest + 1), RULES).unwrap_err();
        assert!(matches!(error, CodecError::NewerRules { number: 9, .. }), "{error}");
        let error = decode_record(&of_rules(RULES.oldest - 1), RULES).unwrap_err();
        assert!(matches!(error, CodecError::OlderRules { number: 9, .. }), "{error}");
        assert!(matches!(decode_record(&stored(9, Vec::new()), RULES), Err(CodecError::Unreadable { number: 9, .. })));
    }

    #[test]
    fn a_snapshot_of_rules_that_this_hub_cannot_apply_is_refused() {
        let bytes = |format: u32, rules: u32| postcard::to_extend(&(format, rules), Vec::new()).unwrap();
        let newer = decode_snapshot(9, &bytes(FORMAT, RULES.newest + 1), RULES);
        assert!(matches!(newer, Err(CodecError::NewerRules { number: 9, .. })));
        let older = decode_snapshot(9, &bytes(FORMAT, RULES.oldest - 1), RULES);
        assert!(matches!(older, Err(CodecError::OlderRules { number: 9, .. })));
        let format = decode_snapshot(9, &bytes(FORMAT + 1, RULES.newest), RULES);
        assert!(matches!(format, Err(CodecError::OtherFormat { theirs }) if theirs == FORMAT + 1));
    }

    #[test]
    fn a_snapshot_from_before_rules_were_written_is_readable() {
        let (core, _) = with_settled(3);
        let mut bytes = postcard::to_extend(&FORMAT_WITHOUT_RULES, Vec::new()).unwrap();
        bytes = postcard::to_extend(&Shape::of_rules(RULES_OF_FORMAT_3).value(&core), bytes).unwrap();
        let again = decode_snapshot(0, &bytes, RULES).unwrap();
        assert_eq!(again.rules(), 0, "the next hub that starts raises the rules");
        assert_eq!(again.totals(), core.totals());
    }

    /// The core and the records after a provider has raised and cancelled a notification.
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
            context: None,
            rendered: Ok(rendered.clone()),
            unused: Vec::new(),
        };
        let bot = Joiner::Provider { id: "bot".into(), resume: Resume::Nothing };
        let mut inputs = vec![Input::started(1, RULES.newest), Input::Join { connection: 1, client: bot }];
        for n in 0..notifies {
            inputs.push(call(n, ProviderAction::Notify(Box::new(notify(n)))));
            inputs.push(call(
                n + notifies,
                ProviderAction::Cancel { cancellation_token: format!("the-token-{n}").into() },
            ));
        }
        let mut core = Core::default();
        let record = |(group, input): (u64, Input)| Record {
            rules: RULES.newest,
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
        let again = decode_snapshot(0, &bytes, RULES).unwrap();
        assert_eq!(encode_snapshot(&again), bytes);
    }

    #[test]
    fn what_is_retained_is_found_again_after_a_snapshot() {
        let (mut core, records) = with_settled(20);
        let mut again = decode_snapshot(0, &encode_snapshot(&core), RULES).unwrap();
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
        let again = decode_snapshot(0, &bytes, RULES).unwrap();
        assert_eq!(encode_snapshot(&again), bytes);
    }
}
