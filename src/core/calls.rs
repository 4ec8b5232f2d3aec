//! Which call of which role is which chapter's business.

use super::answering::Answer;
use super::effect::ReplyTo;
use super::entry::{AgentAction, ProviderAction};
use super::ids::Name;
use super::session_calls::Ender;
use super::state::Workspace;
use super::step::Step;

impl Workspace {
    /// What a provider asks.
    pub(super) fn provider_call(
        &mut self,
        step: &mut Step<'_>,
        to: ReplyTo,
        provider_id: &Name,
        action: ProviderAction,
    ) {
        match action {
            ProviderAction::Notify(notify) => self.notify(step, to, provider_id, *notify),
            ProviderAction::Cancel { cancellation_token } => self.cancel(step, to, provider_id, cancellation_token),
            ProviderAction::Lookup { notification_id } => self.lookup(step, to, provider_id, notification_id),
            ProviderAction::Kpi { session_id, should_reset, details } => {
                self.kpi(step, to, &session_id, should_reset, details)
            }
            ProviderAction::Activity { session_id, count } => self.activity(step, to, &session_id, count),
            ProviderAction::EndSession { session_id } => {
                self.end_session_call(step, to, &Ender::Provider(provider_id.clone()), &session_id);
            }
        }
    }

    /// What an agent asks.
    pub(super) fn agent_call(&mut self, step: &mut Step<'_>, to: ReplyTo, agent: u32, action: AgentAction) {
        match action {
            AgentAction::Accept { notification_id } => self.answer(step, to, agent, notification_id, Answer::Accept),
            AgentAction::Reject { notification_id, reason } => {
                self.answer(step, to, agent, notification_id, Answer::Reject { reason });
            }
            AgentAction::Seen { notification_id } => self.seen(agent, notification_id),
            AgentAction::Presence(presence) => self.set_presence(step, agent, presence, Some(to)),
            AgentAction::EndSession { session_id } => {
                self.end_session_call(step, to, &Ender::Agent(agent), &session_id)
            }
        }
    }
}
