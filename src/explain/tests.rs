//! Stories of logs whose beginning is gone, or was written by others.

use deskbell_core::entry::{
    Action, AgentAction, Call, Entry, Input, Joiner, NewNotification, Presence, ProviderAction, Recipients, Record,
    Rendered, Resume,
};
use deskbell_core::rules::RULES;
use deskbell_core::{Core, Incarnation, Millis, NotificationId, Timestamp};

use super::timeline::{DESKS_MAX, EVENT_BYTES_MAX, EVENTS_MAX, TIMELINES_MAX};
use super::{ExplainError, ExplainQuery, Explanation, TimelineEventKind, explain};
use crate::hub::encode_snapshot;
use crate::log::{History, LogError, RecordNumber, Stored};

const HUB: Incarnation = Incarnation(7);
const ID: NotificationId = NotificationId(0x0192_f0c4_7e3a_7b21_8c55_0123_4567_89ab);

/// Some records, and the state before the first of them.
#[derive(Debug)]
struct Kept {
    starts: Vec<(RecordNumber, Vec<u8>)>,
    records: Vec<Record>,
}

impl History for Kept {
    fn snapshot(&mut self) -> Result<Option<(RecordNumber, Vec<u8>)>, LogError> {
        Ok(self.starts.last().cloned())
    }

    fn replay_points(&mut self) -> Result<Vec<RecordNumber>, LogError> {
        Ok(self.starts.iter().map(|(number, _)| *number).collect())
    }

    fn snapshot_at(&mut self, number: RecordNumber) -> Result<Vec<u8>, LogError> {
        let start = self.starts.iter().find(|(other, _)| *other == number);
        start.map(|(_, bytes)| bytes.clone()).ok_or(LogError::Trimmed(number))
    }

    fn oldest(&self) -> RecordNumber {
        1
    }

    fn after(&mut self, number: RecordNumber) -> Result<Option<Stored>, LogError> {
        let record = self.records.get(number as usize);
        Ok(record.map(|record| Stored::new(number + 1, postcard::to_stdvec(record).unwrap())))
    }
}

fn entry(input: Input) -> Entry {
    Entry { workspace: "default".into(), input }
}

fn call(connection: u64, action: impl Into<Action>) -> Entry {
    let call = Call {
        id: None,
        correlation_id: Some("7f9c2ba4e88f4e009a3c1e2f3a4b5c6d".into()),
        number: None,
        action: action.into(),
    };
    entry(Input::Call { connection, call })
}

fn ring() -> Entry {
    ring_as(ID)
}

fn ring_as(notification_id: NotificationId) -> Entry {
    let rendered = Rendered::titled("t", Millis(120_000));
    let notify = NewNotification {
        notification_id,
        template_name: "chat".into(),
        fingerprint: 1,
        session_id: None,
        cancellation_token: None,
        to: Recipients::default(),
        context: None,
        rendered: Ok(rendered),
        unused: Vec::new(),
    };
    call(1, ProviderAction::Notify(Box::new(notify)))
}

/// That call with the correlationId that [`ID`] would be.
fn with_correlation(mut entry: Entry) -> Entry {
    if let Input::Call { call, .. } = &mut entry.input {
        call.correlation_id = Some(ID.to_string().as_str().into());
    }
    entry
}

/// A provider rings, ada sees it, then accepts.
fn records() -> Vec<Record> {
    let ada = Joiner::Agent { id: "ada".into(), groups: None, presence: None };
    let bot = Joiner::Provider { id: "bot".into(), resume: Resume::Nothing };
    let groups = [
        vec![
            entry(Input::started(1, RULES.newest)),
            entry(Input::Join { connection: 1, client: bot }),
            entry(Input::Join { connection: 2, client: ada }),
        ],
        vec![ring()],
        vec![call(2, AgentAction::Seen { notification_id: ID })],
        vec![call(2, AgentAction::Accept { notification_id: ID })],
        vec![call(2, AgentAction::Accept { notification_id: ID })],
    ];
    let numbered = groups.into_iter().zip(1..);
    numbered
        .map(|(entries, group)| Record {
            rules: RULES.newest,
            incarnation: HUB,
            group,
            time: Timestamp(1_000 * group),
            entries,
        })
        .collect()
}

/// The state after so many records.
fn state(records: &[Record], count: usize) -> (RecordNumber, Vec<u8>) {
    let mut core = Core::default();
    records.iter().take(count).for_each(|record| core.apply(record, |_, _| {}));
    (count as u64, encode_snapshot(&core))
}

fn told(starts: Vec<(RecordNumber, Vec<u8>)>, records: Vec<Record>) -> Result<Explanation, ExplainError> {
    let query: ExplainQuery = ID.to_string().parse().unwrap();
    explain(&mut Kept { starts, records }, &query, &|| true)
}

fn events(explained: &Explanation) -> Vec<TimelineEventKind> {
    explained.notifications[0].events.iter().map(|event| event.event).collect()
}

#[test]
fn a_story_is_whole_as_long_as_its_beginning_is_kept() {
    use TimelineEventKind::{Accepted, Displayed, DisplayedBefore, Notified, Seen, SeenBefore, Session, Settled};
    for (start, whole, expected) in [
        (0, true, &[Notified, Displayed, Seen, Accepted, Settled, Session, Accepted][..]),
        (1, true, &[Notified, Displayed, Seen, Accepted, Settled, Session, Accepted]),
        (2, false, &[DisplayedBefore, Seen, Accepted, Settled, Session, Accepted]),
        (3, false, &[DisplayedBefore, SeenBefore, Accepted, Settled, Session, Accepted]),
        (4, false, &[Settled, Accepted]),
    ] {
        let explained = told(vec![state(&records(), start)], records()).unwrap();
        let timeline = &explained.notifications[0];
        assert_eq!((timeline.whole, events(&explained)), (whole, expected.to_vec()), "from {start} on");
        assert_eq!(timeline.end.as_ref().map(|end| end.elapsed_ms), Some(2_000));
        assert_eq!(explained.since.is_some(), start > 0);
        assert_eq!(timeline.provider_id, "bot");
    }
}

#[test]
fn what_another_version_wrote_is_left_out_and_nothing_else() {
    let mut others = records();
    others[0].rules = RULES.oldest - 1;
    let (from_the_beginning, later) = (state(&records(), 0), state(&records(), 2));
    let explained = told(vec![from_the_beginning.clone(), later], others.clone()).unwrap();
    assert!(!explained.notifications[0].whole);
    assert!(matches!(told(vec![from_the_beginning], others), Err(ExplainError::Codec(_))));
}

#[test]
fn whoever_says_it_again_and_again_fills_no_memory_and_hides_no_outcome() {
    let mut records = records();
    let reject = AgentAction::Reject { notification_id: ID, reason: Some("\u{1}".repeat(1024).into()) };
    let late = (0..30_000).map(|_| call(2, reject.clone())).collect();
    let time = Timestamp(9_000);
    records.push(Record { rules: RULES.newest, incarnation: HUB, group: 6, time, entries: late });
    let explained = told(vec![state(&records, 0)], records).unwrap();
    let timeline = &explained.notifications[0];
    assert!(timeline.cut && timeline.end.is_some());
    let bytes: usize = timeline.events.iter().map(|event| event.reason.as_deref().map_or(0, str::len)).sum();
    assert!(
        bytes <= EVENT_BYTES_MAX && timeline.events.len() <= EVENTS_MAX,
        "{bytes} bytes, {}",
        timeline.events.len()
    );

    // Before it is settled: ada goes and comes, and is given it again each time.
    let mut records = self::records();
    let presence = |to| call(2, AgentAction::Presence(to));
    let before = (0..EVENTS_MAX).flat_map(|_| [presence(Presence::Away), presence(Presence::Available)]).collect();
    records
        .insert(1, Record { rules: RULES.newest, incarnation: HUB, group: 2, time: Timestamp(1_500), entries: before });
    for (record, group) in records.iter_mut().zip(1..) {
        record.group = group;
    }
    let explained = told(vec![state(&records, 0)], records).unwrap();
    assert!(explained.to_string().contains("settled: Accept/Accept by ada"), "{explained}");
}

#[test]
fn a_crowd_that_goes_and_comes_is_not_looked_at_for_ever() {
    const AGENTS: u64 = 1_000;
    let mut entries = records().remove(0).entries;
    entries.truncate(2);
    let agent = |n| Joiner::Agent { id: format!("a{n}").as_str().into(), groups: None, presence: None };
    entries.extend((0..AGENTS).map(|n| entry(Input::Join { connection: 10 + n, client: agent(n) })));
    // Three are displayed; the fourth waits on all desks.
    let many = (0..4).map(|n| NotificationId(ID.0 + n));
    entries.extend(many.map(|id| with_correlation(ring_as(id))));
    let presence = |to| call(10, AgentAction::Presence(to));
    let turns = 2 * DESKS_MAX / AGENTS;
    entries.extend((0..turns).map(|n| presence(if n % 2 == 0 { Presence::Away } else { Presence::Available })));
    let records = vec![Record { rules: RULES.newest, incarnation: HUB, group: 1, time: Timestamp(1_000), entries }];
    let explained = told(vec![state(&records, 0)], records).unwrap();
    let cut: Vec<bool> = explained.notifications.iter().map(|timeline| timeline.cut).collect();
    assert_eq!(cut, [false, false, false, true], "what is not told is said");
}

#[test]
fn it_ends_when_nobody_waits_for_it() {
    let query: ExplainQuery = ID.to_string().parse().unwrap();
    let asked = std::cell::Cell::new(0);
    let wanted = || asked.replace(asked.get() + 1) < 2;
    let mut kept = Kept { starts: vec![state(&records(), 0)], records: records() };
    assert!(matches!(explain(&mut kept, &query, &wanted), Err(ExplainError::GivenUp)));
    assert_eq!(asked.get(), 3, "and at once");
}

/// Anybody may give calls of its own that id as their correlationId.
#[test]
fn whose_id_it_is_is_told_however_many_bear_it_besides() {
    let mut entries = records().remove(0).entries;
    let others = (1..=TIMELINES_MAX as u128 + 5).map(|n| with_correlation(ring_as(NotificationId(ID.0 + n))));
    entries.extend(others);
    entries.push(ring());
    let records = vec![Record { rules: RULES.newest, incarnation: HUB, group: 1, time: Timestamp(1_000), entries }];
    let explained = told(vec![state(&records, 0)], records).unwrap();
    let ids: Vec<&str> = explained.notifications.iter().map(|timeline| &*timeline.notification_id).collect();
    assert_eq!((ids.len(), explained.cut), (TIMELINES_MAX + 1, true));
    assert!(ids.contains(&ID.to_string().as_str()));
}

#[test]
fn what_is_not_there_is_not_told() {
    let explained = told(vec![state(&records(), 0)], records()[..1].to_vec()).unwrap();
    assert!(explained.is_empty());
    assert!(explained.to_string().contains("has no notification with the id"), "{explained}");
}
