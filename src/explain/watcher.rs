//! Watches the fold for what is asked about.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use deskbell_core::effect::{Effect, Effects, Refusal, ReplyTo};
use deskbell_core::entry::{Action, AgentAction, Call, Entry, Input, NewNotification, ProviderAction, RenderError};
use deskbell_core::{
    ConnectionId, Core, Incarnation, Name, NotificationId, NotificationView, Outcome, Settled, Timestamp,
};

use super::question::Question;
use super::story::{
    DESKS_MAX, EVENT_BYTES, EVENT_BYTES_MAX, EVENTS_MAX, End, Event, Explained, Happened, NAMES_MAX, Refused,
    STORIES_MAX, Story,
};
use crate::protocol::{ErrorCode, error};

/// Sees every step of the fold.
#[derive(Debug)]
pub(super) struct Watcher<'q> {
    question: &'q Question,
    /// In the order of arrival.
    watched: Vec<Watched>,
    by_id: BTreeMap<NotificationId, usize>,
    refused: Vec<Refused>,
    left: Rc<Left>,
    cut: bool,
}

/// What the stories of one answer may still take, all together.
#[derive(Debug)]
struct Left {
    bytes: Cell<usize>,
    desks: Cell<u64>,
}

/// One notification that is meant.
#[derive(Debug)]
struct Watched {
    id: NotificationId,
    workspace: Name,
    story: Story,
    notified_at: Timestamp,
    settled_at: Option<Timestamp>,
    /// On how many desks it was at the last look, and where of these it waited.
    desks: u32,
    waits: BTreeSet<Name>,
    seen: BTreeSet<Name>,
    is_offered: bool,
    left: Rc<Left>,
}

impl<'q> Watcher<'q> {
    /// Begins with the state from which the log is folded.
    pub(super) fn new(question: &'q Question, core: &Core) -> Self {
        let left = Rc::new(Left { bytes: Cell::new(EVENT_BYTES_MAX), desks: Cell::new(DESKS_MAX) });
        let mut watcher =
            Self { question, watched: Vec::new(), by_id: BTreeMap::new(), refused: Vec::new(), left, cut: false };
        let now = core.now();
        for (workspace, settled) in core.all_retained() {
            if question.means(settled.notification_id.0, Some(&settled.correlation_id)) {
                let mut watched = Watched::settled(&watcher.left, workspace, settled);
                watched.end(settled);
                watcher.add(watched);
            }
        }
        for look in core.all_open() {
            let content = look.content();
            if question.means(content.notification_id.0, Some(&content.correlation_id)) {
                watcher.add(Watched::open(&watcher.left, &look, now));
            }
        }
        watcher
    }

    /// What was found.
    pub(super) fn finish(self, since: Option<Timestamp>) -> Explained {
        Explained {
            asked: self.question.asked.clone(),
            since,
            notifications: self.watched.into_iter().map(|watched| watched.story).collect(),
            refused: self.refused,
            cut: self.cut,
        }
    }

    /// One entry of that hub's was applied; `core` stands as it left it.
    pub(super) fn step(&mut self, core: &Core, incarnation: Incarnation, entry: &Entry, effects: &Effects) {
        let call = match &entry.input {
            Input::Call { call, .. } => Some(call),
            _ => None,
        };
        if let Some(call) = call {
            self.hear(core, &entry.workspace, call, effects);
        }
        if self.watched.is_empty() {
            return;
        }
        // The core tells a session before what began it.
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
        for watched in self.watched.iter_mut().filter(|watched| watched.settled_at.is_none()) {
            watched.look(core);
        }
    }

    fn add(&mut self, watched: Watched) {
        if self.watched.len() >= STORIES_MAX {
            self.cut = true;
            // As many as one likes can bear its id as their correlationId; they do not push it out.
            if !self.question.is_the_id_of(watched.id) {
                return;
            }
        }
        self.by_id.insert(watched.id, self.watched.len());
        self.watched.push(watched);
    }

    fn find(&mut self, id: NotificationId) -> Option<&mut Watched> {
        self.watched.get_mut(*self.by_id.get(&id)?)
    }

    /// A call: one that is meant begins a story, or was refused.
    fn hear(&mut self, core: &Core, workspace: &Name, call: &Call, effects: &Effects) {
        for (_, effect) in &effects.list {
            match (effect, &call.action) {
                (
                    Effect::Ack { to, notification_id, duplicate: false },
                    Action::Provider(ProviderAction::Notify(notify)),
                ) => {
                    let correlation = to.correlation_id.as_deref();
                    if self.question.means(notification_id.0, correlation) {
                        let provider = core.provider_of(to.connection).map(|(_, provider)| provider.clone());
                        self.add(Watched::notified(&self.left, core.now(), workspace, provider, call, notify));
                    }
                }
                (Effect::Refused { to, refusal }, Action::Provider(action)) if is_call(action) => {
                    let correlation = call.correlation_id.as_deref();
                    if !self.question.means(0, correlation) {
                        continue;
                    }
                    match self.refused.len() {
                        0..STORIES_MAX => self.refused.push(refused(core, workspace, to, refusal)),
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
            // Who only asks after it has repeated nothing.
            Effect::Ack { .. }
                if call.is_some_and(|call| matches!(call.action, Action::Provider(ProviderAction::Lookup { .. }))) => {}
            Effect::Ack { notification_id, duplicate: true, .. } => {
                if let Some(watched) = self.find(*notification_id) {
                    watched.tell(now, Happened::Repeated, Vec::new());
                }
            }
            Effect::Display { agents, card } => {
                let names = agents.iter().filter_map(|&agent| core.agent_name(workspace, agent)).cloned();
                if let Some(watched) = self.find(card.content.notification_id) {
                    watched.is_offered = true;
                    watched.tell(now, Happened::Displayed, names.collect());
                }
            }
            Effect::Settled { settled, .. } => {
                if let Some(watched) = self.find(settled.notification_id) {
                    watched.end(settled);
                }
            }
            Effect::Answered { to, notification_id, outcome, won, .. } => {
                if let Some(watched) = self.find(*notification_id) {
                    watched.answered(core, to, call, outcome.is_some(), *won);
                }
            }
            Effect::Refused { to, .. } => {
                let answer = call.and_then(answer);
                if let Some(watched) = answer.and_then(|(id, ..)| self.find(id)) {
                    let agent = core.agent_of(to.connection).map(|(_, agent)| agent.clone());
                    watched.tell(now, Happened::NotTheirs, agent.into_iter().collect());
                }
            }
            Effect::CancelResult { notification_id, outcome, .. } => {
                if let Some(watched) = self.find(*notification_id) {
                    let settled_at = watched.settled_at;
                    let won = *outcome == Outcome::Cancelled;
                    let event = watched.tell(now, Happened::CancelAsked, Vec::new());
                    if let Some(event) = event {
                        event.won = Some(won);
                        event.late_ms = settled_at.filter(|_| !won).map(|at| now.since_ms(at));
                    }
                }
            }
            Effect::SessionStarted { agent, session } => {
                let name = core.agent_name(workspace, *agent).cloned();
                if let Some(watched) = self.find(session.notification_id) {
                    watched.tell(now, Happened::Session, name.into_iter().collect());
                }
            }
            _ => {}
        }
    }

    fn seen(&mut self, core: &Core, id: NotificationId, by: ConnectionId) {
        let Some((workspace, agent)) = core.agent_of(by) else { return };
        let Some(watched) = self.find(id) else { return };
        let really = core.open(workspace, id).is_some_and(|look| look.is_seen_by(agent));
        if really && watched.seen.insert(agent.clone()) {
            watched.tell(core.now(), Happened::Seen, vec![agent.clone()]);
        }
    }
}

impl Left {
    /// Takes so many bytes, if there are as many.
    fn takes(&self, bytes: usize) -> bool {
        let left = self.bytes.get().checked_sub(bytes);
        left.inspect(|left| self.bytes.set(*left)).is_some()
    }

    /// The same with desks.
    fn looks_at(&self, desks: u32) -> bool {
        let left = self.desks.get().checked_sub(u64::from(desks));
        left.inspect(|left| self.desks.set(*left)).is_some()
    }
}

impl Watched {
    /// It arrives now.
    fn notified(
        left: &Rc<Left>,
        now: Timestamp,
        workspace: &Name,
        provider: Option<Name>,
        call: &Call,
        notify: &NewNotification,
    ) -> Self {
        let id = notify.notification_id;
        let texts = |names: &[Name]| names.iter().map(|name| name.to_string()).collect();
        let story = Story {
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
        let mut watched = Self::new(left, id, workspace, story, now);
        watched.tell(now, Happened::Notified, Vec::new());
        watched
    }

    /// It is open in the state with which the fold begins.
    fn open(left: &Rc<Left>, look: &NotificationView<'_>, now: Timestamp) -> Self {
        let content = look.content();
        let story = Story {
            notification_id: content.notification_id.to_string(),
            correlation_id: content.correlation_id.to_string(),
            id: content.id.as_deref().map(str::to_owned),
            workspace: look.workspace().to_string(),
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
        let mut watched = Self::new(left, content.notification_id, look.workspace(), story, content.notified_at);
        watched.seen = look.seen_by().cloned().collect();
        watched.is_offered = look.desks() > 0;
        for (happened, names) in [
            (Happened::DisplayedBefore, look.displayed_to().cloned().collect::<Vec<_>>()),
            (Happened::SeenBefore, look.seen_by().cloned().collect()),
        ] {
            if !names.is_empty() {
                watched.is_offered = true;
                watched.tell(now, happened, names);
            }
        }
        watched
    }

    /// It was settled before the fold begins.
    fn settled(left: &Rc<Left>, workspace: &Name, settled: &Settled) -> Self {
        let story = Story {
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
        Self::new(left, settled.notification_id, workspace, story, settled.notified_at)
    }

    fn new(left: &Rc<Left>, id: NotificationId, workspace: &Name, story: Story, notified_at: Timestamp) -> Self {
        Self {
            left: Rc::clone(left),
            id,
            workspace: workspace.clone(),
            story,
            notified_at,
            settled_at: None,
            desks: 0,
            waits: BTreeSet::new(),
            seen: BTreeSet::new(),
            is_offered: false,
        }
    }

    /// Adds an event, if there is room for it; for what settled it there always is.
    fn tell(&mut self, at: Timestamp, event: Happened, agents: Vec<Name>) -> Option<&mut Event> {
        let bytes = EVENT_BYTES + agents.iter().take(NAMES_MAX).map(|name| name.len()).sum::<usize>();
        let has_room = self.story.events.len() < EVENTS_MAX && self.left.takes(bytes);
        if !has_room && event != Happened::Settled {
            self.story.cut = true;
            return None;
        }
        let count = agents.len();
        self.story.cut |= count > NAMES_MAX;
        self.story.events.push(Event {
            at,
            after_ms: at.since_ms(self.notified_at),
            event,
            agents: agents.into_iter().take(NAMES_MAX).map(|name| name.to_string()).collect(),
            count,
            won: None,
            late_ms: None,
            reason: None,
        });
        self.story.events.last_mut()
    }

    fn end(&mut self, settled: &Settled) {
        let outcome = settled.outcome;
        self.settled_at = Some(settled.settled_at);
        self.story.end = Some(End {
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
        self.tell(settled.settled_at, Happened::Settled, agent.into_iter().collect());
    }

    fn answered(&mut self, core: &Core, to: &ReplyTo, call: Option<&Call>, is_settled: bool, won: bool) {
        let Some((_, happened, reason)) = call.and_then(answer) else { return };
        let agent = core.agent_of(to.connection).map(|(_, agent)| agent.clone());
        let (now, settled_at) = (core.now(), self.settled_at);
        // The answer that settled it comes before what it did.
        let events = &self.story.events;
        let first = won && settled_at == Some(now) && events.iter().all(|event| event.won.is_none_or(|won| !won));
        let before = first.then(|| events.iter().rposition(|event| event.event == Happened::Settled)).flatten();
        let said = reason.filter(|reason| self.left.takes(reason.len()));
        self.story.cut |= said.is_none() && reason.is_some();
        let Some(event) = self.tell(now, happened, agent.into_iter().collect()) else { return };
        event.won = Some(won);
        event.late_ms = settled_at.filter(|_| is_settled && !won).map(|at| now.since_ms(at));
        event.reason = said.map(|reason| reason.to_string());
        if let Some(before) = before {
            self.story.events[before..].rotate_right(1);
        }
    }

    /// Looks where it waits now.
    fn look(&mut self, core: &Core) {
        let Some(look) = core.open(&self.workspace, self.id) else { return };
        // The desks of thousands are gone through only when there are others than before, and not for ever.
        if look.desks() != self.desks && self.left.looks_at(look.desks()) {
            self.desks = look.desks();
            let waits: BTreeSet<Name> = look.queued_at().cloned().collect();
            let new: Vec<Name> = waits.difference(&self.waits).cloned().collect();
            self.waits = waits;
            if !new.is_empty() {
                self.is_offered = true;
                self.tell(core.now(), Happened::Waits, new);
            }
        }
        self.story.cut |= look.desks() != self.desks;
        if !self.is_offered && self.story.whole && self.story.events.len() == 1 && look.desks() == 0 {
            self.tell(core.now(), Happened::NobodyThere, Vec::new());
        }
    }
}

/// Which notification a call answers, and how.
fn answer(call: &Call) -> Option<(NotificationId, Happened, Option<&Name>)> {
    match &call.action {
        Action::Agent(AgentAction::Accept { notification_id }) => Some((*notification_id, Happened::Accepted, None)),
        Action::Agent(AgentAction::Reject { notification_id, reason }) => {
            Some((*notification_id, Happened::Rejected, reason.as_ref()))
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

fn refused(core: &Core, workspace: &Name, to: &ReplyTo, refusal: &Refusal) -> Refused {
    let code = match refusal {
        Refusal::Render(RenderError::UnknownTemplate { .. }) => ErrorCode::UnknownTemplate,
        Refusal::Render(RenderError::Unresolved { .. }) => ErrorCode::UnresolvedParameter,
        Refusal::Render(RenderError::TooLong { .. }) => ErrorCode::BadParameter,
        Refusal::IdTaken => ErrorCode::IdTaken,
        Refusal::TokenTaken => ErrorCode::TokenTaken,
        Refusal::OpenNotifications { .. } => ErrorCode::Limit,
        Refusal::SessionOwnedByAnother | Refusal::WrongRole => ErrorCode::NotAllowed,
        Refusal::TokenNotFound | Refusal::NotificationUnknownToProvider => ErrorCode::NotFound,
        Refusal::SessionNotFound | Refusal::NotificationUnknownToAgent => ErrorCode::NotFound,
        Refusal::NotJoined => ErrorCode::Unavailable,
    };
    Refused {
        at: core.now(),
        workspace: workspace.to_string(),
        provider_id: core.provider_of(to.connection).map(|(_, provider)| provider.to_string()),
        code: error::ERRORS[code as usize].name,
    }
}
