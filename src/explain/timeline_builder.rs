//! Builds the timelines of the notifications that match a query, while the log is replayed.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use deskbell_core::effect::{Effect, Effects, Refusal, ReplyTo};
use deskbell_core::entry::{Action, AgentAction, Call, Entry, Input, NewNotification, ProviderAction, RenderError};
use deskbell_core::{
    ConnectionId, Core, Incarnation, Name, NotificationId, NotificationView, Outcome, Settled, Timestamp,
};

use super::query::ExplainQuery;
use super::timeline::{
    DESKS_MAX, EVENT_BYTES, EVENT_BYTES_MAX, EVENTS_MAX, Explanation, NAMES_MAX, RefusedCall, TIMELINES_MAX, Timeline,
    TimelineEnd, TimelineEvent, TimelineEventKind,
};
use crate::protocol::{ErrorCode, error};

/// Builds timelines. It sees every step of the replay.
#[derive(Debug)]
pub(super) struct TimelineBuilder<'q> {
    query: &'q ExplainQuery,
    /// The matching notifications, in the order of arrival.
    tracked: Vec<TrackedNotification>,
    by_id: BTreeMap<NotificationId, usize>,
    refused: Vec<RefusedCall>,
    budget: Rc<Budget>,
    cut: bool,
}

/// The remaining budget of one explanation.
#[derive(Debug)]
struct Budget {
    bytes: Cell<usize>,
    desks: Cell<u64>,
}

/// One matching notification.
#[derive(Debug)]
struct TrackedNotification {
    id: NotificationId,
    workspace: Name,
    timeline: Timeline,
    notified_at: Timestamp,
    settled_at: Option<Timestamp>,
    /// The number of desks that had it at the last step, and the agents that had it in their queue.
    desks: u32,
    waits: BTreeSet<Name>,
    seen: BTreeSet<Name>,
    is_offered: bool,
    budget: Rc<Budget>,
}

impl<'q> TimelineBuilder<'q> {
    /// Starts with the state from which the log is replayed.
    pub(super) fn new(query: &'q ExplainQuery, core: &Core) -> Self {
        let budget = Rc::new(Budget { bytes: Cell::new(EVENT_BYTES_MAX), desks: Cell::new(DESKS_MAX) });
        let mut builder =
            Self { query, tracked: Vec::new(), by_id: BTreeMap::new(), refused: Vec::new(), budget, cut: false };
        let now = core.now();
        for (workspace, settled) in core.all_retained() {
            if query.matches(settled.notification_id.0, Some(&settled.correlation_id)) {
                let mut tracked = TrackedNotification::settled(&builder.budget, workspace, settled);
                tracked.end(settled);
                builder.add(tracked);
            }
        }
        for view in core.all_open() {
            let content = view.content();
            if query.matches(content.notification_id.0, Some(&content.correlation_id)) {
                builder.add(TrackedNotification::open(&builder.budget, &view, now));
            }
        }
        builder
    }

    /// Ends the timelines and returns the explanation.
    pub(super) fn finish(self, since: Option<Timestamp>) -> Explanation {
        Explanation {
            asked: self.query.asked.clone(),
            since,
            notifications: self.tracked.into_iter().map(|tracked| tracked.timeline).collect(),
            refused: self.refused,
            cut: self.cut,
        }
    }

    /// Records the effects of one entry of a hub. `core` has the state after the entry.
    pub(super) fn step(&mut self, core: &Core, incarnation: Incarnation, entry: &Entry, effects: &Effects) {
        let call = match &entry.input {
            Input::Call { call, .. } => Some(call),
            _ => None,
        };
        if let Some(call) = call {
            self.call(core, &entry.workspace, call, effects);
        }
        if self.tracked.is_empty() {
            return;
        }
        // The core lists a session before the accept that started it.
        let is_session = |effect: &Effect| matches!(effect, Effect::SessionStarted { .. });
        let (sessions, others): (Vec<_>, Vec<_>) = effects.list.iter().partition(|(_, effect)| is_session(effect));
        for (workspace, effect) in others.into_iter().chain(sessions) {
            self.effect(core, workspace, call, effect);
        }
        if let Input::Call { connection, call } = &entry.input
            && let Action::Agent(AgentAction::Seen { notification_id }) = call.action
        {
            self.seen(core, notification_id, ConnectionId { incarnation, serial: *connection });
        }
        for tracked in self.tracked.iter_mut().filter(|tracked| tracked.settled_at.is_none()) {
            tracked.view(core);
        }
    }

    fn add(&mut self, tracked: TrackedNotification) {
        if self.tracked.len() >= TIMELINES_MAX {
            self.cut = true;
            // Any number of other notifications may use its id as their correlationId. They do not displace it.
            if !self.query.is_id_of(tracked.id) {
                return;
            }
        }
        self.by_id.insert(tracked.id, self.tracked.len());
        self.tracked.push(tracked);
    }

    fn find(&mut self, id: NotificationId) -> Option<&mut TrackedNotification> {
        self.tracked.get_mut(*self.by_id.get(&id)?)
    }

    /// Records a matching call: it starts a timeline, or it was refused.
    fn call(&mut self, core: &Core, workspace: &Name, call: &Call, effects: &Effects) {
        for (_, effect) in &effects.list {
            match (effect, &call.action) {
                (
                    Effect::Ack { to, notification_id, duplicate: false, .. },
                    Action::Provider(ProviderAction::Notify(notify)),
                ) => {
                    let correlation = to.correlation_id.as_deref();
                    if self.query.matches(notification_id.0, correlation) {
                        let provider = core.provider_of(to.connection).map(|(_, provider)| provider.clone());
                        self.add(TrackedNotification::notified(
                            &self.budget,
                            core.now(),
                            workspace,
                            provider,
                            call,
                            notify,
                        ));
                    }
                }
                (Effect::Refused { to, refusal }, Action::Provider(action)) if is_call(action) => {
                    let correlation = call.correlation_id.as_deref();
                    if !self.query.matches(0, correlation) {
                        continue;
                    }
                    match self.refused.len() {
                        0..TIMELINES_MAX => self.refused.push(refused(core, workspace, to, refusal)),
                        _ => self.cut = true,
                    }
                }
                _ => {}
            }
        }
    }

    fn effect(&mut self, core: &Core, workspace: &Name, call: Option<&Call>, effect: &Effect) {
        let now = core.now();
        match effect {
            // A lookup is not a repeated notify.
            Effect::Ack { .. }
                if call.is_some_and(|call| matches!(call.action, Action::Provider(ProviderAction::Lookup { .. }))) => {}
            Effect::Ack { notification_id, duplicate: true, .. } => {
                if let Some(tracked) = self.find(*notification_id) {
                    tracked.record(now, TimelineEventKind::Repeated, Vec::new());
                }
            }
            Effect::Display { agents, card } => {
                let names = agents.iter().filter_map(|&agent| core.agent_name(workspace, agent)).cloned();
                if let Some(tracked) = self.find(card.content.notification_id) {
                    tracked.is_offered = true;
                    tracked.record(now, TimelineEventKind::Displayed, names.collect());
                }
            }
            Effect::Settled { settled, .. } => {
                if let Some(tracked) = self.find(settled.notification_id) {
                    tracked.end(settled);
                }
            }
            Effect::Answered { to, notification_id, outcome, won, .. } => {
                if let Some(tracked) = self.find(*notification_id) {
                    tracked.answered(core, to, call, outcome.is_some(), *won);
                }
            }
            Effect::Refused { to, .. } => {
                let answer = call.and_then(answer);
                if let Some(tracked) = answer.and_then(|(id, ..)| self.find(id)) {
                    let agent = core.agent_of(to.connection).map(|(_, agent)| agent.clone());
                    tracked.record(now, TimelineEventKind::NotTheirs, agent.into_iter().collect());
                }
            }
            Effect::CancelResult { notification_id, outcome, .. } => {
                if let Some(tracked) = self.find(*notification_id) {
                    let settled_at = tracked.settled_at;
                    let won = *outcome == Outcome::Cancelled;
                    let event = tracked.record(now, TimelineEventKind::CancelAsked, Vec::new());
                    if let Some(event) = event {
                        event.won = Some(won);
                        event.late_ms = settled_at.filter(|_| !won).map(|at| now.since_ms(at));
                    }
                }
            }
            Effect::SessionStarted { agent, session, .. } => {
                let name = core.agent_name(workspace, *agent).cloned();
                if let Some(tracked) = self.find(session.notification_id) {
                    tracked.record(now, TimelineEventKind::Session, name.into_iter().collect());
                }
            }
            _ => {}
        }
    }

    fn seen(&mut self, core: &Core, id: NotificationId, by: ConnectionId) {
        let Some((workspace, agent)) = core.agent_of(by) else { return };
        let Some(tracked) = self.find(id) else { return };
        let really = core.open(workspace, id).is_some_and(|view| view.is_seen_by(agent));
        if really && tracked.seen.insert(agent.clone()) {
            tracked.record(core.now(), TimelineEventKind::Seen, vec![agent.clone()]);
        }
    }
}

impl Budget {
    /// Takes bytes from the budget, if it has them.
    fn take_bytes(&self, bytes: usize) -> bool {
        let rest = self.bytes.get().checked_sub(bytes);
        rest.inspect(|rest| self.bytes.set(*rest)).is_some()
    }

    /// Takes desks from the budget, if it has them.
    fn take_desks(&self, desks: u32) -> bool {
        let rest = self.desks.get().checked_sub(u64::from(desks));
        rest.inspect(|rest| self.desks.set(*rest)).is_some()
    }
}

impl TrackedNotification {
    /// A notification that arrives now.
    fn notified(
        budget: &Rc<Budget>,
        now: Timestamp,
        workspace: &Name,
        provider: Option<Name>,
        call: &Call,
        notify: &NewNotification,
    ) -> Self {
        let id = notify.notification_id;
        let texts = |names: &[Name]| names.iter().map(|name| name.to_string()).collect();
        let timeline = Timeline {
            notification_id: id.to_string(),
            correlation_id: call.correlation_id.as_deref().unwrap_or_default().to_owned(),
            id: call.id.as_deref().map(str::to_owned),
            workspace: workspace.to_string(),
            provider_id: provider.map(|name| name.to_string()).unwrap_or_default(),
            session_id: notify.session_id.as_deref().map_or_else(|| id.to_string(), str::to_owned),
            template_name: Some(notify.template_name.to_string()),
            title: notify.rendered.as_ref().ok().map(|rendered| rendered.title.to_string()),
            to_agents: Some(texts(&notify.to.agents)),
            to_groups: Some(texts(&notify.to.groups)),
            notified_at: now,
            whole: true,
            events: Vec::new(),
            end: None,
            cut: false,
        };
        let mut tracked = Self::new(budget, id, workspace, timeline, now);
        tracked.record(now, TimelineEventKind::Notified, Vec::new());
        tracked
    }

    /// A notification that is open at the start of the replay.
    fn open(budget: &Rc<Budget>, view: &NotificationView<'_>, now: Timestamp) -> Self {
        let content = view.content();
        let timeline = Timeline {
            notification_id: content.notification_id.to_string(),
            correlation_id: content.correlation_id.to_string(),
            id: content.id.as_deref().map(str::to_owned),
            workspace: view.workspace().to_string(),
            provider_id: content.provider_id.to_string(),
            session_id: content.session_id.to_string(),
            template_name: Some(content.template_name.to_string()),
            title: Some(content.rendered.title.to_string()),
            to_agents: None,
            to_groups: None,
            notified_at: content.notified_at,
            whole: false,
            events: Vec::new(),
            end: None,
            cut: false,
        };
        let mut tracked = Self::new(budget, content.notification_id, view.workspace(), timeline, content.notified_at);
        tracked.seen = view.seen_by().cloned().collect();
        tracked.is_offered = view.desks() > 0;
        for (happened, names) in [
            (TimelineEventKind::DisplayedBefore, view.displayed_to().cloned().collect::<Vec<_>>()),
            (TimelineEventKind::SeenBefore, view.seen_by().cloned().collect()),
        ] {
            if !names.is_empty() {
                tracked.is_offered = true;
                tracked.record(now, happened, names);
            }
        }
        tracked
    }

    /// A notification that was settled before the start of the replay.
    fn settled(budget: &Rc<Budget>, workspace: &Name, settled: &Settled) -> Self {
        let timeline = Timeline {
            notification_id: settled.notification_id.to_string(),
            correlation_id: settled.correlation_id.to_string(),
            id: settled.id.as_deref().map(str::to_owned),
            workspace: workspace.to_string(),
            provider_id: settled.provider_id.to_string(),
            session_id: settled.session_id.to_string(),
            template_name: None,
            title: None,
            to_agents: None,
            to_groups: None,
            notified_at: settled.notified_at,
            whole: false,
            events: Vec::new(),
            end: None,
            cut: false,
        };
        Self::new(budget, settled.notification_id, workspace, timeline, settled.notified_at)
    }

    fn new(
        budget: &Rc<Budget>,
        id: NotificationId,
        workspace: &Name,
        timeline: Timeline,
        notified_at: Timestamp,
    ) -> Self {
        Self {
            budget: Rc::clone(budget),
            id,
            workspace: workspace.clone(),
            timeline,
            notified_at,
            settled_at: None,
            desks: 0,
            waits: BTreeSet::new(),
            seen: BTreeSet::new(),
            is_offered: false,
        }
    }

    /// Adds an event if the budget allows it. The event that settles the notification is always added.
    fn record(&mut self, at: Timestamp, event: TimelineEventKind, agents: Vec<Name>) -> Option<&mut TimelineEvent> {
        let bytes = EVENT_BYTES + agents.iter().take(NAMES_MAX).map(|name| name.len()).sum::<usize>();
        let has_room = self.timeline.events.len() < EVENTS_MAX && self.budget.take_bytes(bytes);
        if !has_room && event != TimelineEventKind::Settled {
            self.timeline.cut = true;
            return None;
        }
        let count = agents.len();
        self.timeline.cut |= count > NAMES_MAX;
        self.timeline.events.push(TimelineEvent {
            at,
            after_ms: at.since_ms(self.notified_at),
            event,
            agents: agents.into_iter().take(NAMES_MAX).map(|name| name.to_string()).collect(),
            count,
            won: None,
            late_ms: None,
            reason: None,
        });
        self.timeline.events.last_mut()
    }

    fn end(&mut self, settled: &Settled) {
        let outcome = settled.outcome;
        self.settled_at = Some(settled.settled_at);
        self.timeline.end = Some(TimelineEnd {
            at: settled.settled_at,
            elapsed_ms: settled.elapsed().0,
            action_name: outcome.action_name(),
            response_reason: outcome.response_reason(),
            agent_id: settled.agent_id.as_deref().map(str::to_owned),
            decline_reason: settled.decline_reason.as_deref().map(str::to_owned),
            displayed: settled.reach.displayed,
            seen: settled.reach.seen,
            rejected: settled.reach.rejected,
        });
        let agent = settled.agent_id.clone();
        self.record(settled.settled_at, TimelineEventKind::Settled, agent.into_iter().collect());
    }

    fn answered(&mut self, core: &Core, to: &ReplyTo, call: Option<&Call>, is_settled: bool, won: bool) {
        let Some((_, happened, reason)) = call.and_then(answer) else { return };
        let agent = core.agent_of(to.connection).map(|(_, agent)| agent.clone());
        let (now, settled_at) = (core.now(), self.settled_at);
        // The answer that settled it comes before the event that it caused.
        let events = &self.timeline.events;
        let first = won && settled_at == Some(now) && events.iter().all(|event| event.won.is_none_or(|won| !won));
        let before =
            first.then(|| events.iter().rposition(|event| event.event == TimelineEventKind::Settled)).flatten();
        let kept = reason.filter(|reason| self.budget.take_bytes(reason.len()));
        self.timeline.cut |= kept.is_none() && reason.is_some();
        let Some(event) = self.record(now, happened, agent.into_iter().collect()) else { return };
        event.won = Some(won);
        event.late_ms = settled_at.filter(|_| is_settled && !won).map(|at| now.since_ms(at));
        event.reason = kept.map(|reason| reason.to_string());
        if let Some(before) = before {
            self.timeline.events[before..].rotate_right(1);
        }
    }

    /// Records on which desks it is queued now.
    fn view(&mut self, core: &Core) {
        let Some(view) = core.open(&self.workspace, self.id) else { return };
        // Thousands of desks are searched only if their number has changed, and within the budget.
        if view.desks() != self.desks && self.budget.take_desks(view.desks()) {
            self.desks = view.desks();
            let waits: BTreeSet<Name> = view.queued_at().cloned().collect();
            let new: Vec<Name> = waits.difference(&self.waits).cloned().collect();
            self.waits = waits;
            if !new.is_empty() {
                self.is_offered = true;
                self.record(core.now(), TimelineEventKind::Waits, new);
            }
        }
        self.timeline.cut |= view.desks() != self.desks;
        if !self.is_offered && self.timeline.whole && self.timeline.events.len() == 1 && view.desks() == 0 {
            self.record(core.now(), TimelineEventKind::NobodyThere, Vec::new());
        }
    }
}

/// The notification that a call answers, the event, and the reason of a reject.
fn answer(call: &Call) -> Option<(NotificationId, TimelineEventKind, Option<&Name>)> {
    match &call.action {
        Action::Agent(AgentAction::Accept { notification_id }) => {
            Some((*notification_id, TimelineEventKind::Accepted, None))
        }
        Action::Agent(AgentAction::Reject { notification_id, reason }) => {
            Some((*notification_id, TimelineEventKind::Rejected, reason.as_ref()))
        }
        _ => None,
    }
}

/// Whether a provider's request is a call that carries a correlationId of its own.
fn is_call(action: &ProviderAction) -> bool {
    match action {
        ProviderAction::Notify(_) | ProviderAction::Cancel { .. } => true,
        ProviderAction::Kpi { .. } | ProviderAction::Activity { .. } => true,
        ProviderAction::EndSession { .. } | ProviderAction::Lookup { .. } => false,
    }
}

fn refused(core: &Core, workspace: &Name, to: &ReplyTo, refusal: &Refusal) -> RefusedCall {
    let code = match refusal {
        Refusal::Render(RenderError::UnknownTemplate { .. }) => ErrorCode::UnknownTemplate,
        Refusal::Render(RenderError::Unresolved { .. }) => ErrorCode::UnresolvedParameter,
        Refusal::Render(RenderError::TooLong { .. }) => ErrorCode::BadParameter,
        Refusal::IdTaken => ErrorCode::IdTaken,
        Refusal::TokenTaken => ErrorCode::TokenTaken,
        Refusal::OpenNotifications { .. } | Refusal::ContextBytes { .. } => ErrorCode::Limit,
        Refusal::SessionOwnedByAnother | Refusal::WrongRole => ErrorCode::NotAllowed,
        Refusal::TokenNotFound | Refusal::NotificationUnknownToProvider => ErrorCode::NotFound,
        Refusal::SessionNotFound | Refusal::NoContext | Refusal::NotificationUnknownToAgent => ErrorCode::NotFound,
        Refusal::NotJoined => ErrorCode::Unavailable,
    };
    RefusedCall {
        at: core.now(),
        workspace: workspace.to_string(),
        provider_id: core.provider_of(to.connection).map(|(_, provider)| provider.to_string()),
        code: error::ERRORS[code as usize].name,
    }
}
