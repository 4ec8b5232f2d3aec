//! Tracks every notify and checks the hub's promises. It has no sockets and no clock.

use std::collections::VecDeque;

use deskbell_protocol::{NotificationId, Outcome};

use super::message_fields::AgentName;

/// What this tool does with a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Accept,
    Reject,
    Ignore,
    Cancel,
}

/// The promises of the hub that clients can check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Each notify has exactly one outcome.
    OneOutcome,
    /// Each notification that was displayed on a connection is closed there once.
    OneClosed,
    /// One answer settles a notification, not two.
    OneWinner,
    /// Every message about a notification has the same outcome.
    SameForAll,
    /// Each answer to a displayed notification receives the outcome.
    AnswerResult,
}

impl Promise {
    pub(crate) const ALL: [Self; 5] =
        [Self::OneOutcome, Self::OneClosed, Self::OneWinner, Self::SameForAll, Self::AnswerResult];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::OneOutcome => "each notify has exactly one outcome",
            Self::OneClosed => "a displayed notification is closed once on each connection",
            Self::OneWinner => "one answer settles a notification, not two",
            Self::SameForAll => "all clients receive the same outcome",
            Self::AnswerResult => "each answer to a displayed notification receives the outcome",
        }
    }
}

/// The broken promises: a count for each, and the first cases.
#[derive(Debug, Clone, Default)]
pub(crate) struct BrokenPromises {
    pub(crate) counts: [u64; Promise::ALL.len()],
    pub(crate) cases: Vec<String>,
}

impl BrokenPromises {
    const CASES_MAX: usize = 20;

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.cases.extend(other.cases);
        self.cases.truncate(Self::CASES_MAX);
    }

    fn add(&mut self, promise: Promise, case: impl FnOnce() -> String) {
        self.counts[promise as usize] += 1;
        if self.cases.len() < Self::CASES_MAX {
            self.cases.push(case());
        }
    }
}

/// The progress of a notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is sent, or waits for a connection.
    Asked,
    /// The hub has acknowledged it.
    Held,
    /// The hub refused it.
    Refused,
}

/// One notify.
#[derive(Debug, Clone)]
pub(crate) struct TrackedNotify {
    /// The scheduled time, in ns since the start of the run.
    pub(crate) intended: u64,
    pub(crate) provider: u32,
    pub(crate) audience: u32,
    pub(crate) fate: Fate,
    /// Whether it counts in the percentiles.
    pub(crate) measured: bool,
    pub(crate) stage: Stage,
    /// How often the hub asked to send it later.
    pub(crate) retries: u8,
    /// The scheduled time of the first answer, and the number of scheduled answers.
    pub(crate) answer_at: Option<u64>,
    pub(crate) answering: u32,
    /// The scheduled time of its cancel.
    pub(crate) cancel_at: Option<u64>,
    pub(crate) notification_id: Option<NotificationId>,
    pub(crate) displayed: bool,
    settled: Option<SeenOutcome>,
    /// Whether its provider has received the result.
    resulted: bool,
    winner: Option<AgentName>,
    /// The number of connections on which it is displayed.
    shown_on: u32,
    ended_at: u64,
}

/// The outcome in the first message that had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenOutcome {
    pub(crate) outcome: Outcome,
    pub(crate) agent: Option<AgentName>,
}

impl TrackedNotify {
    pub(crate) fn new(intended: u64, provider: u32, audience: u32, fate: Fate, measured: bool) -> Self {
        Self {
            intended,
            provider,
            audience,
            fate,
            measured,
            stage: Stage::Asked,
            retries: 0,
            answer_at: None,
            answering: 0,
            cancel_at: None,
            notification_id: None,
            displayed: false,
            settled: None,
            resulted: false,
            winner: None,
            shown_on: 0,
            ended_at: 0,
        }
    }

    /// Whether any client has received its outcome.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.is_some()
    }

    /// Whether its provider has received the final reply.
    pub(crate) fn has_ended(&self) -> bool {
        self.resulted || self.stage == Stage::Refused
    }
}

/// A finished notify is kept for this time, because further messages about it may arrive.
const KEPT_NS: u64 = 5_000_000_000;

/// The tracked notifies: a window that starts with the oldest that may still get messages.
#[derive(Debug, Default)]
pub(crate) struct PromiseChecker {
    calls: VecDeque<TrackedNotify>,
    /// The number of the first notify in the window.
    first: u64,
    unended: u64,
    /// A count of acks, results and closed displays: the progress of a drain.
    endings: u64,
    pub(crate) broken: BrokenPromises,
    pub(crate) outcomes: [u64; Outcome::ALL.len()],
    /// Results that the hub repeated on a new connection, which is allowed.
    pub(crate) repeated: u64,
}

impl PromiseChecker {
    /// The most notifies in the window, about 200 bytes each. At this number the tool sends no more.
    pub(crate) const CALLS_MAX: usize = 4_000_000;

    pub(crate) fn begin(&mut self, call: TrackedNotify) -> u64 {
        self.calls.push_back(call);
        self.unended += 1;
        self.first + self.calls.len() as u64 - 1
    }

    pub(crate) fn is_full(&self) -> bool {
        self.calls.len() >= Self::CALLS_MAX
    }

    /// A notify, if it is still in the window.
    pub(crate) fn call(&mut self, number: u64) -> Option<&mut TrackedNotify> {
        let at = number.checked_sub(self.first)?;
        self.calls.get_mut(usize::try_from(at).ok()?)
    }

    /// The notifies in the window with their numbers.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (u64, &TrackedNotify)> {
        (self.first..).zip(&self.calls)
    }

    /// The notifies that have neither a result nor an error.
    pub(crate) fn unended(&self) -> u64 {
        self.unended
    }

    /// The progress so far.
    pub(crate) fn endings(&self) -> u64 {
        self.endings
    }

    /// Records an ack, and returns whether it is the first.
    pub(crate) fn held(&mut self, number: u64, id: Option<NotificationId>) -> bool {
        self.endings += 1;
        let Some(call) = self.call(number) else { return false };
        let news = call.stage == Stage::Asked;
        call.stage = Stage::Held;
        if id.is_some() {
            call.notification_id = id;
        }
        news
    }

    pub(crate) fn refused(&mut self, number: u64, now: u64) {
        self.endings += 1;
        let Some(call) = self.call(number) else { return };
        if !call.has_ended() {
            call.ended_at = now;
            self.unended -= 1;
        }
        if let Some(call) = self.call(number) {
            call.stage = Stage::Refused;
        }
    }

    /// Records a display. `again` says that it is displayed there already.
    pub(crate) fn displayed(&mut self, number: u64, again: bool) {
        if again {
            return self
                .broken
                .add(Promise::OneClosed, || format!("notify {number} was displayed twice on a connection"));
        }
        if let Some(call) = self.call(number) {
            call.shown_on += 1;
            call.displayed = true;
        }
    }

    /// Records the end of a connection on which it was displayed.
    pub(crate) fn vanished(&mut self, number: u64) {
        if let Some(call) = self.call(number) {
            call.shown_on = call.shown_on.saturating_sub(1);
        }
    }

    /// Records a `closed`. `shown` says that it was displayed there.
    pub(crate) fn closed(&mut self, number: u64, shown: bool, settled: Option<SeenOutcome>) {
        self.endings += 1;
        if !shown {
            self.broken.add(Promise::OneClosed, || {
                format!("notify {number} was closed on a connection that did not display it")
            });
        }
        if shown && let Some(call) = self.call(number) {
            call.shown_on = call.shown_on.saturating_sub(1);
        }
        self.told(number, settled, "a `closed`");
    }

    /// Records the reply to an answer.
    pub(crate) fn answered(&mut self, number: u64, agent: AgentName, won: bool, settled: Option<SeenOutcome>) {
        self.told(number, settled, "the reply to an answer");
        if !won {
            return;
        }
        let Some(call) = self.call(number) else { return };
        let other = call.winner.is_some_and(|winner| winner != agent);
        call.winner.get_or_insert(agent);
        if other {
            self.broken.add(Promise::OneWinner, || format!("two agents received `won` for notify {number}"));
        } else if settled.is_none_or(|settled| settled.agent != Some(agent)) {
            let case = || format!("the winner of notify {number} is not the agent in `agentId`");
            self.broken.add(Promise::OneWinner, case);
        }
    }

    /// Records an error in reply to an answer, although the notification was displayed.
    pub(crate) fn not_answered(&mut self, number: u64, code: &str) {
        self.broken.add(Promise::AnswerResult, || format!("an answer to notify {number} received the error {code}"));
    }

    /// Records a result, and returns whether it is the first. `may_repeat` says that the provider has reconnected since the
    /// notify.
    pub(crate) fn resulted(&mut self, number: u64, settled: Option<SeenOutcome>, may_repeat: bool, now: u64) -> bool {
        self.endings += 1;
        self.told(number, settled, "its result");
        let Some(call) = self.call(number) else { return false };
        if call.has_ended() {
            if may_repeat && call.resulted {
                self.repeated += 1;
            } else {
                self.broken.add(Promise::OneOutcome, || format!("notify {number} had more than one final reply"));
            }
            return false;
        }
        call.resulted = true;
        call.ended_at = now;
        self.unended -= 1;
        match settled {
            Some(settled) => self.outcomes[settled.outcome as usize] += 1,
            None => self.broken.add(Promise::OneOutcome, || format!("notify {number} had a result without an outcome")),
        }
        true
    }

    fn told(&mut self, number: u64, settled: Option<SeenOutcome>, by: &str) {
        let (Some(settled), Some(call)) = (settled, self.call(number)) else { return };
        let first = *call.settled.get_or_insert(settled);
        if first != settled {
            let (now, before) = (settled.outcome.response_reason(), first.outcome.response_reason());
            let case =
                || format!("{by} of notify {number} has {now}, but an earlier message had {before} or another agent");
            self.broken.add(Promise::SameForAll, case);
        }
    }

    /// Removes the oldest notifies that get no more messages.
    pub(crate) fn forget(&mut self, now: u64) {
        while let Some(call) = self.calls.front() {
            if !call.has_ended() || call.shown_on > 0 || now.saturating_sub(call.ended_at) < KEPT_NS {
                break;
            }
            self.calls.pop_front();
            self.first += 1;
        }
    }

    /// Whether no more messages are expected.
    pub(crate) fn is_done(&self) -> bool {
        self.unended == 0 && self.calls.iter().all(|call| call.shown_on == 0)
    }

    /// Checks at the end that nothing is missing.
    pub(crate) fn finish(&mut self) {
        for (number, call) in (self.first..).zip(&self.calls) {
            if !call.has_ended() {
                let what = match call.stage {
                    Stage::Asked => "had no reply",
                    _ => "was acknowledged and has no outcome",
                };
                self.broken.add(Promise::OneOutcome, || format!("notify {number} {what}"));
            } else if call.shown_on > 0 {
                let on = call.shown_on;
                self.broken.add(Promise::OneClosed, || {
                    format!("notify {number} is settled and still displayed on {on} connections")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: AgentName = AgentName::TEST_ADA;
    const BOB: AgentName = AgentName::TEST_BOB;

    fn by(agent: AgentName) -> Option<SeenOutcome> {
        Some(SeenOutcome { outcome: Outcome::Accepted, agent: Some(agent) })
    }

    fn judge() -> (PromiseChecker, u64) {
        let mut judge = PromiseChecker::default();
        let number = judge.begin(TrackedNotify::new(0, 0, 0, Fate::Accept, true));
        assert!(judge.held(number, None) && !judge.held(number, None));
        (judge, number)
    }

    fn broken(judge: &PromiseChecker) -> Vec<Promise> {
        Promise::ALL.into_iter().filter(|promise| judge.broken.counts[*promise as usize] > 0).collect()
    }

    #[test]
    fn a_hub_that_keeps_its_promises_has_broken_none() {
        let (mut judge, number) = judge();
        judge.displayed(number, false);
        judge.displayed(number, false);
        judge.answered(number, ADA, true, by(ADA));
        judge.answered(number, BOB, false, by(ADA));
        judge.closed(number, true, by(ADA));
        assert!(!judge.is_done());
        judge.closed(number, true, by(ADA));
        assert!(judge.resulted(number, by(ADA), false, 1));
        assert!(judge.is_done());
        judge.finish();
        assert_eq!(judge.broken.total(), 0);
        assert_eq!(judge.outcomes[Outcome::Accepted as usize], 1);
    }

    #[test]
    fn a_second_result_breaks_one_but_after_a_reconnect() {
        let (mut judge, number) = judge();
        judge.resulted(number, by(ADA), false, 1);
        assert!(!judge.resulted(number, by(ADA), true, 2));
        assert_eq!((judge.broken.total(), judge.repeated), (0, 1));
        judge.resulted(number, by(ADA), false, 3);
        assert_eq!(broken(&judge), [Promise::OneOutcome]);
    }

    #[test]
    fn a_refusal_and_a_result_are_one_too_many() {
        let (mut judge, number) = judge();
        judge.refused(number, 1);
        assert_eq!(judge.unended(), 0);
        judge.resulted(number, by(ADA), true, 2);
        assert_eq!((broken(&judge), judge.unended()), (vec![Promise::OneOutcome], 0));
    }

    #[test]
    fn what_never_ends_is_found_at_the_end() {
        let (mut judge, held) = judge();
        let asked = judge.begin(TrackedNotify::new(0, 0, 0, Fate::Accept, true));
        let shown = judge.begin(TrackedNotify::new(0, 0, 0, Fate::Accept, true));
        judge.displayed(shown, false);
        judge.resulted(shown, by(ADA), false, 1);
        judge.finish();
        assert_eq!(judge.broken.counts[Promise::OneOutcome as usize], 2);
        assert_eq!(judge.broken.counts[Promise::OneClosed as usize], 1);
        assert_eq!((held, asked), (0, 1));
    }

    #[test]
    fn a_connection_that_is_gone_is_owed_no_closed() {
        let (mut judge, number) = judge();
        judge.displayed(number, false);
        judge.vanished(number);
        judge.resulted(number, by(ADA), false, 1);
        judge.finish();
        assert_eq!(judge.broken.total(), 0);
    }

    #[test]
    fn displays_and_closes_come_in_pairs() {
        let (mut judge, number) = judge();
        judge.displayed(number, false);
        judge.displayed(number, true);
        judge.closed(number, true, None);
        judge.closed(number, false, None);
        assert_eq!(judge.broken.counts[Promise::OneClosed as usize], 2);
    }

    #[test]
    fn two_winners_and_two_stories_are_found() {
        let (mut judge, number) = judge();
        judge.answered(number, ADA, true, by(ADA));
        judge.answered(number, BOB, true, by(BOB));
        assert_eq!(broken(&judge), [Promise::OneWinner, Promise::SameForAll]);
        let (mut judge, number) = self::judge();
        judge.answered(number, ADA, true, by(BOB));
        assert_eq!(broken(&judge), [Promise::OneWinner]);
        let (mut judge, number) = self::judge();
        judge.closed(number, true, by(ADA));
        judge.resulted(number, Some(SeenOutcome { outcome: Outcome::Cancelled, agent: None }), false, 1);
        assert_eq!(broken(&judge), [Promise::SameForAll]);
        judge.not_answered(number, "notFound");
        assert_eq!(broken(&judge), [Promise::SameForAll, Promise::AnswerResult]);
    }

    #[test]
    fn what_ended_long_ago_is_forgotten_and_numbers_stay() {
        let (mut judge, first) = judge();
        let second = judge.begin(TrackedNotify::new(0, 0, 0, Fate::Accept, true));
        judge.resulted(first, by(ADA), false, 10);
        judge.forget(10 + KEPT_NS - 1);
        assert!(judge.call(first).is_some());
        judge.forget(10 + KEPT_NS);
        assert!(judge.call(first).is_none() && judge.call(second).is_some());
        assert_eq!(judge.begin(TrackedNotify::new(0, 0, 0, Fate::Accept, true)), 2);
    }

    #[test]
    fn only_the_first_cases_are_kept() {
        let (mut judge, number) = judge();
        for _ in 0..100 {
            judge.displayed(number, true);
        }
        assert_eq!((judge.broken.total(), judge.broken.cases.len()), (100, BrokenPromises::CASES_MAX));
    }
}
