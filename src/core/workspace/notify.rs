//! The providers' requests about notifications: notify, lookup, cancel.

use std::sync::Arc;

use super::audiences::{Audience, Rank};
use super::notification::OpenNotification;
use super::providers::NotificationRef;
use super::settle::Settlement;
use super::step::Step;
use super::{AudienceSlot, OpenSlot, Workspace};
use crate::content::Content;
use crate::context::Context;
use crate::effect::{AgentSlot, Effect, Event, OpenView, Refusal, ReplyTo};
use crate::entry::{NewNotification, Recipients};
use crate::ids::{Name, NotificationId};
use crate::outcome::{Outcome, Settled};

impl Workspace {
    /// A notify. It is checked in this order: duplicate, template, token, owner of the session, limits.
    pub(crate) fn notify(
        &mut self,
        step: &mut Step<'_>,
        mut to: ReplyTo,
        provider_id: &Name,
        notify: &NewNotification,
    ) {
        if let Some(found) = self.find_by_id(provider_id, to.id.as_ref()) {
            self.notify_again(step, to, found, notify);
            return;
        }
        if let Err(refusal) = self.admit(step, provider_id, notify) {
            step.emit(&self.name, Effect::Refused { to, refusal });
            return;
        }
        let Ok(rendered) = &notify.rendered else { return };
        let content = Arc::new(Content {
            notification_id: notify.notification_id,
            // The edge mints one if the provider sent none.
            correlation_id: to.correlation_id.clone().unwrap_or_else(|| notify.notification_id.to_name()),
            id: to.id.clone(),
            provider_id: provider_id.clone(),
            session_id: notify.session_id.clone().unwrap_or_else(|| notify.notification_id.to_name()),
            cancellation_token: notify.cancellation_token.clone(),
            template_name: notify.template_name.clone(),
            fingerprint: notify.fingerprint,
            notified_at: step.now,
            rendered: rendered.clone(),
        });
        to.correlation_id = Some(content.correlation_id.clone());
        let notification_id = content.notification_id;
        let unknown = notify.to.agents.iter().filter(|name| !self.agents.has_seen(name)).cloned().collect();
        let unused = notify.unused.clone();
        step.emit(&self.name, Effect::Ack { to, notification_id, duplicate: false, unused, unknown });
        self.observe(step, || Event::Notified { content: Arc::clone(&content) });
        self.arrive(step, &content, notify);
    }

    fn find_by_id(&self, provider_id: &Name, id: Option<&Name>) -> Option<NotificationRef> {
        self.providers.get(provider_id)?.by_id(id?)
    }

    /// The id was used before. A notify with the same content gets the replies of the first one; any other is refused.
    fn notify_again(&self, step: &mut Step<'_>, mut to: ReplyTo, found: NotificationRef, notify: &NewNotification) {
        let (fingerprint, notification_id, correlation_id, settled) = match found {
            NotificationRef::Open(slot) => {
                let content = &self.open[slot].content;
                (content.fingerprint, content.notification_id, &content.correlation_id, None)
            }
            NotificationRef::Settled(number) => {
                let Some(settled) = self.providers.settled(number) else { return };
                (settled.fingerprint, settled.notification_id, &settled.correlation_id, Some(settled))
            }
        };
        if fingerprint != notify.fingerprint {
            step.emit(&self.name, Effect::Refused { to, refusal: Refusal::IdTaken });
            return;
        }
        let connection = to.connection;
        // The ack carries the ids of this message, the result those of the notification.
        to.correlation_id = to.correlation_id.or_else(|| Some(correlation_id.clone()));
        step.emit(&self.name, Effect::ack_again(to, notification_id));
        if let Some(settled) = settled {
            let position = step.position(settled.number);
            step.emit(&self.name, Effect::SettledAgain { to: connection, settled: Arc::clone(settled), position });
        }
    }

    /// A provider asks for a notification by its id. It receives the replies that a repeated notify would get.
    pub(crate) fn lookup(&self, step: &mut Step<'_>, mut to: ReplyTo, provider_id: &Name, asked: NotificationId) {
        let open = self.open_by_id.get(&asked).map(|&slot| &self.open[slot].content);
        let open = open.filter(|content| content.provider_id == *provider_id);
        let settled = self.providers.by_notification(asked).filter(|settled| settled.provider_id == *provider_id);
        (to.id, to.correlation_id) = match (open, settled) {
            (Some(content), _) => (content.id.clone(), Some(content.correlation_id.clone())),
            (None, Some(settled)) => (settled.id.clone(), Some(settled.correlation_id.clone())),
            (None, None) => {
                step.emit(&self.name, Effect::Refused { to, refusal: Refusal::NotificationUnknownToProvider });
                return;
            }
        };
        let connection = to.connection;
        step.emit(&self.name, Effect::ack_again(to, asked));
        if let Some(settled) = settled {
            let position = step.position(settled.number);
            step.emit(&self.name, Effect::SettledAgain { to: connection, settled: Arc::clone(settled), position });
        }
    }

    fn admit(&self, step: &Step<'_>, provider_id: &Name, notify: &NewNotification) -> Result<(), Refusal> {
        if let Err(fault) = &notify.rendered {
            return Err(Refusal::Render(fault.clone()));
        }
        if let Some(token) = &notify.cancellation_token
            && let Some(provider) = self.providers.get(provider_id)
            && let Some(NotificationRef::Open(_)) = provider.by_token(token)
        {
            return Err(Refusal::TokenTaken);
        }
        if let Some(session) = &notify.session_id
            && self.sessions.owner(session).is_some_and(|owner| owner != provider_id)
        {
            return Err(Refusal::SessionOwnedByAnother);
        }
        let id = notify.notification_id;
        if self.open_by_id.contains_key(&id) || self.providers.by_notification(id).is_some() {
            return Err(Refusal::IdTaken);
        }
        let limit = step.limits.open_notifications;
        if self.arrivals.len() >= limit as usize {
            return Err(Refusal::OpenNotifications { limit });
        }
        let bytes = notify.context.as_ref().map_or(0, Context::bytes);
        let limit = step.limits.context_bytes;
        if bytes > 0 && self.context_bytes.saturating_add(bytes) > limit {
            return Err(Refusal::ContextBytes { limit });
        }
        Ok(())
    }

    /// A notification enters the indexes. Then rules 1 to 3 and 8 decide about it.
    fn arrive(&mut self, step: &mut Step<'_>, content: &Arc<Content>, notify: &NewNotification) {
        let to = &notify.to;
        let arrival = step.next_arrival();
        let audience = self.enter_audience(to);
        let auto = content.rendered.auto_accept;
        let notification = OpenNotification::new(Arc::clone(content), notify.context.clone(), arrival, audience);
        self.context_bytes += notify.context.as_ref().map_or(0, Context::bytes);
        let (due, rank) = (notification.due, notification.rank());
        let slot = self.open.insert(notification);
        step.deadlines.insert((due, arrival, self.slot, slot));
        let same_id = self.open_by_id.insert(content.notification_id, slot);
        assert!(same_id.is_none(), "two open notifications have the id {}", content.notification_id);
        self.arrivals.insert(arrival, slot);
        self.auto_accepts += u32::from(auto);
        self.never_displayed += 1;
        let (id, token) = (content.id.as_ref(), content.cancellation_token.as_ref());
        self.providers.open(&content.provider_id, id, token, arrival, slot);
        self.sessions.retain_name(&content.session_id, &content.provider_id);
        self.enter_indexes(audience, rank, slot, auto);

        self.auto_accept_waiting(step, Some(rank));
        if auto && self.auto_accept_arriving(step, slot) {
            return;
        }
        let offered = self.offer(step, slot);
        let full = if offered.found_eligible {
            !offered.found_place
        } else {
            self.audiences.get(audience).never_displayed > step.limits.queue_limit
        };
        if full && !self.is_regrouping(step.now) {
            step.emit(&self.name, Effect::AudienceFull { to: to.clone(), content: Arc::clone(content) });
            self.settle(step, slot, Settlement::without_agent(Outcome::QueueFull));
        }
    }

    fn enter_audience(&mut self, to: &Recipients) -> AudienceSlot {
        let slot = match self.audiences.find(to) {
            Some(slot) => slot,
            None => {
                let agents: Vec<AgentSlot> = to.agents.iter().map(|name| self.agents.ensure(name)).collect();
                for &agent in &agents {
                    self.agents.retain(agent);
                }
                let groups = to.groups.iter().map(|name| self.groups.retain(name)).collect();
                self.audiences.insert(Audience { to: to.clone(), agents, groups, open: 0, never_displayed: 0 })
            }
        };
        let audience = self.audiences.get_mut(slot);
        audience.open += 1;
        audience.never_displayed += 1;
        slot
    }

    fn enter_indexes(&mut self, audience: AudienceSlot, rank: Rank, slot: OpenSlot, auto: bool) {
        let audience = self.audiences.get(audience);
        if audience.to.is_everyone() {
            self.everybody.insert(rank, slot, auto);
        }
        for &agent in &audience.agents {
            self.agents.get_mut(agent).addressed.insert(rank, slot, auto);
        }
        for &group in &audience.groups {
            self.groups.get_mut(group).open.insert(rank, slot, auto);
        }
    }

    /// Rule 9: a cancel settles a notification, unless another outcome came first.
    pub(crate) fn cancel(&mut self, step: &mut Step<'_>, to: ReplyTo, provider_id: &Name, token: &Name) {
        let found = self.providers.get(provider_id).and_then(|provider| provider.by_token(token));
        let settled: Option<Arc<Settled>> = match found {
            Some(NotificationRef::Open(slot)) => {
                Some(self.settle(step, slot, Settlement::without_agent(Outcome::Cancelled)))
            }
            Some(NotificationRef::Settled(number)) => self.providers.settled(number).cloned(),
            None => None,
        };
        let effect = match settled {
            Some(settled) => Effect::CancelResult {
                to,
                cancellation_token: token.clone(),
                notification_id: settled.notification_id,
                outcome: settled.outcome,
            },
            None => Effect::Refused { to, refusal: Refusal::TokenNotFound },
        };
        step.emit(&self.name, effect);
    }

    /// A provider's open notifications, by arrival.
    pub(crate) fn open_of(&self, provider_id: &Name) -> Vec<OpenView> {
        let Some(provider) = self.providers.get(provider_id) else { return Vec::new() };
        let view = |&slot: &OpenSlot| {
            let content = &self.open[slot].content;
            OpenView {
                notification_id: content.notification_id,
                id: content.id.clone(),
                correlation_id: content.correlation_id.clone(),
                cancellation_token: content.cancellation_token.clone(),
            }
        };
        provider.open.values().map(view).collect()
    }
}
