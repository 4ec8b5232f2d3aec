//! Which call of which role is which chapter's business.

use super::answering::Answer;
use super::effect::ReplyTo;
use super::entry::Action;
use super::ids::Name;
use super::session_calls::Ender;
use super::state::Workspace;
use super::step::Step;

impl Workspace {
    /// What a provider asks.
    pub(super) fn provider_call(&mut self, step: &mut Step<'_>, to: ReplyTo, provider_id: &Name, action: Action) {
        match action {
            Action::Notify(notify) => self.notify(step, to, provider_id, *notify),
            Action::Cancel { cancellation_token } => self.cancel(step, to, provider_id, cancellation_token),
            Action::Recall { notification_id } => self.recall(step, to, provider_id, notification_id),
            Action::Kpi { session_id, should_reset, details } => self.kpi(step, to, &session_id, should_reset, details),
            Action::Activity { session_id, count } => self.activity(step, to, &session_id, count),
            Action::EndSession { session_id } => {
                self.end_session_call(step, to, &Ender::Provider(provider_id.clone()), &session_id);
            }
            // The edge lets no provider send these.
            Action::Accept { .. } | Action::Reject { .. } | Action::Seen { .. } | Action::Presence(_) => {}
        }
    }

    /// What an agent asks.
    pub(super) fn agent_call(&mut self, step: &mut Step<'_>, to: ReplyTo, agent: u32, action: Action) {
        match action {
            Action::Accept { notification_id } => self.answer(step, to, agent, notification_id, Answer::Accept),
            Action::Reject { notification_id, reason } => {
                self.answer(step, to, agent, notification_id, Answer::Reject { reason });
            }
            Action::Seen { notification_id } => self.seen(agent, notification_id),
            Action::Presence(presence) => self.set_presence(step, agent, presence, Some(to)),
            Action::EndSession { session_id } => self.end_session_call(step, to, &Ender::Agent(agent), &session_id),
            // The edge lets no agent send these.
            Action::Notify(_) | Action::Cancel { .. } | Action::Recall { .. } => {}
            Action::Kpi { .. } | Action::Activity { .. } => {}
        }
    }
}
