//! Dispatches the requests of each role.

use super::Workspace;
use super::answer::AgentAnswer;
use super::session_requests::SessionParty;
use super::step::Step;
use crate::effect::{AgentSlot, ReplyTo};
use crate::entry::{AgentAction, ProviderAction};
use crate::ids::Name;

impl Workspace {
    /// A request of a provider.
    pub(crate) fn provider_call(
        &mut self,
        step: &mut Step<'_>,
        to: ReplyTo,
        provider_id: &Name,
        action: &ProviderAction,
    ) {
        match action {
            ProviderAction::Notify(notify) => self.notify(step, to, provider_id, notify),
            ProviderAction::Cancel { cancellation_token } => self.cancel(step, to, provider_id, cancellation_token),
            ProviderAction::Lookup { notification_id } => self.lookup(step, to, provider_id, *notification_id),
            ProviderAction::Kpi { session_id, should_reset, details } => {
                self.kpi(step, to, session_id, *should_reset, details.clone());
            }
            ProviderAction::Activity { session_id, count } => self.activity(step, to, session_id, *count),
            ProviderAction::EndSession { session_id } => {
                self.end_session_call(step, to, &SessionParty::Provider(provider_id.clone()), session_id);
            }
        }
    }

    /// A request of an agent.
    pub(crate) fn agent_call(&mut self, step: &mut Step<'_>, to: ReplyTo, agent: AgentSlot, action: &AgentAction) {
        match action {
            AgentAction::Accept { notification_id } => {
                self.answer(step, to, agent, *notification_id, AgentAnswer::Accept);
            }
            AgentAction::Reject { notification_id, reason } => {
                self.answer(step, to, agent, *notification_id, AgentAnswer::Reject { reason: reason.clone() });
            }
            AgentAction::Seen { notification_id } => self.seen(agent, *notification_id),
            AgentAction::Presence(presence) => self.set_presence(step, agent, *presence, Some(to)),
            AgentAction::EndSession { session_id } => {
                self.end_session_call(step, to, &SessionParty::Agent(agent), session_id);
            }
            AgentAction::GetContext { session_id } => self.get_context(step, to, agent, session_id),
        }
    }
}
