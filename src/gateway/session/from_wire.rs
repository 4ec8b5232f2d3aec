//! The mapping from a client's message to an input of the hub. Everything that the core must not do is done here: ids are
//! minted, and the template is rendered.

use std::borrow::Cow;

use deskbell_core::entry::{self, Action, AgentAction, Call, Joiner, ProviderAction, Recipients, Resume};
use deskbell_core::{Context, Name, NotificationId};
use uuid::Uuid;

use crate::auth::Claims;
use crate::protocol::inbound::{self, Body, ClientMessage, HelloRole};
use crate::protocol::{Envelope, Role};
use crate::template::SharedCatalogue;

/// What a message of a client that has joined asks for.
#[derive(Debug)]
pub(crate) enum Intent {
    /// A call for the hub.
    Call(Call),
    /// Its notificationId is not one that a hub could have minted.
    NoSuchNotification,
    /// Nothing, and there is no reply.
    Ignore,
    /// Something that the connection itself answers: `hello`, `refresh`, `ping`.
    NotACall,
}

/// The client of a hello without a token.
pub(crate) fn client(who: &HelloRole<'_>) -> Joiner {
    match who {
        HelloRole::Provider { provider_id, .. } => provider(given_or_minted(provider_id.as_ref()), who),
        HelloRole::Agent { agent_id, groups, .. } => {
            agent(given_or_minted(agent_id.as_ref()), groups.as_ref().map(|groups| names(groups)), who)
        }
        HelloRole::Observer | HelloRole::ByToken { .. } => Joiner::Observer,
    }
}

/// The client of a hello with a token. A token without groups means no groups, whatever an earlier token had.
pub(crate) fn client_of(claims: &Claims, who: &HelloRole<'_>) -> Joiner {
    let id = Name::from(claims.subject.as_str());
    match who {
        HelloRole::Provider { .. } => provider(id, who),
        HelloRole::Agent { .. } => {
            agent(id, Some(claims.groups.iter().map(|group| Name::from(group.as_str())).collect()), who)
        }
        HelloRole::Observer | HelloRole::ByToken { .. } => Joiner::Observer,
    }
}

fn provider(id: Name, who: &HelloRole<'_>) -> Joiner {
    let resume = if let HelloRole::Provider { resume, .. } = who { resume_from(resume) } else { Resume::Nothing };
    Joiner::Provider { id, resume }
}

fn agent(id: Name, groups: Option<Vec<Name>>, who: &HelloRole<'_>) -> Joiner {
    let presence = if let HelloRole::Agent { presence, .. } = who { *presence } else { None };
    Joiner::Agent { id, groups, presence }
}

/// The intent of a message of a client with the role `role`.
pub(crate) fn intent(role: Role, message: &ClientMessage<'_>, catalogue: &SharedCatalogue) -> Intent {
    let envelope = &message.envelope;
    let of_call = |action| Intent::Call(call(envelope, correlation(envelope), action));
    // The reply carries the correlationId of the notify, so that of this message is not used.
    let of_answer = |id: &str, action: &dyn Fn(NotificationId) -> AgentAction| match id.parse() {
        Ok(id) => Intent::Call(call(envelope, None, action(id).into())),
        Err(_) => Intent::NoSuchNotification,
    };
    match &message.body {
        Body::Notify(notify) => {
            let action = ProviderAction::Notify(Box::new(self::notify(notify, catalogue)));
            Intent::Call(call(envelope, correlation_or_minted(envelope), action.into()))
        }
        Body::Cancel { cancellation_token } => {
            let action = ProviderAction::Cancel { cancellation_token: name(cancellation_token) };
            Intent::Call(call(envelope, correlation_or_minted(envelope), action.into()))
        }
        Body::Kpi { session_id, should_reset, details } => {
            let (session_id, details) = (name(session_id), details.as_ref().map(name));
            let action = ProviderAction::Kpi { session_id, should_reset: *should_reset, details };
            Intent::Call(call(envelope, correlation_or_minted(envelope), action.into()))
        }
        Body::Activity { session_id, count } => {
            of_call(ProviderAction::Activity { session_id: name(session_id), count: *count }.into())
        }
        Body::EndSession { session_id } => of_call(match role {
            Role::Provider => ProviderAction::EndSession { session_id: name(session_id) }.into(),
            _ => AgentAction::EndSession { session_id: name(session_id) }.into(),
        }),
        Body::GetContext { session_id } => of_call(AgentAction::GetContext { session_id: name(session_id) }.into()),
        Body::Presence { presence } => of_call(AgentAction::Presence(*presence).into()),
        Body::Accept { notification_id } => {
            of_answer(notification_id, &|notification_id| AgentAction::Accept { notification_id })
        }
        Body::Reject { notification_id, reason } => of_answer(notification_id, &|notification_id| {
            AgentAction::Reject { notification_id, reason: reason.as_ref().map(name) }
        }),
        Body::Seen { notification_id } => {
            match of_answer(notification_id, &|notification_id| AgentAction::Seen { notification_id }) {
                Intent::NoSuchNotification => Intent::Ignore,
                intent => intent,
            }
        }
        Body::Hello(_) | Body::Refresh { .. } | Body::Ping => Intent::NotACall,
    }
}

fn notify(notify: &inbound::NotifyMessage<'_>, catalogue: &SharedCatalogue) -> entry::NewNotification {
    // One catalogue for all parts of the entry: a reload may come in between.
    let catalogue = catalogue.get();
    let parameters = &notify.template_parameters;
    let parameter = |name: &str| {
        let at = parameters.binary_search_by(|(have, _)| (**have).cmp(name)).ok()?;
        parameters.get(at).map(|(_, value)| &**value)
    };
    entry::NewNotification {
        notification_id: NotificationId(Uuid::now_v7().as_u128()),
        template_name: name(&notify.template_name),
        fingerprint: notify.fingerprint(),
        session_id: notify.session_id.as_ref().map(name),
        cancellation_token: notify.cancellation_token.as_ref().map(name),
        to: Recipients { agents: names(&notify.to.agents), groups: names(&notify.to.groups) },
        // An error becomes part of the entry, because a repeated notify is a duplicate even if its template has changed.
        rendered: catalogue
            .render(&notify.template_name, &parameter)
            .map(|rendered| entry::Rendered { priority: notify.priority.unwrap_or(rendered.priority), ..rendered }),
        unused: catalogue
            .unused(&notify.template_name, parameters.iter().map(|(parameter, _)| &**parameter))
            .into_iter()
            .map(Name::from)
            .collect(),
        context: notify.context.as_ref().map(|context| Context::new(context.text())),
    }
}

fn call(envelope: &Envelope<'_>, correlation_id: Option<Name>, action: Action) -> Call {
    Call { id: envelope.id.as_ref().map(name), correlation_id, number: None, action }
}

fn correlation(envelope: &Envelope<'_>) -> Option<Name> {
    envelope.correlation_id.as_ref().map(name)
}

fn correlation_or_minted(envelope: &Envelope<'_>) -> Option<Name> {
    Some(given_or_minted(envelope.correlation_id.as_ref()))
}

fn given_or_minted(given: Option<&Cow<'_, str>>) -> Name {
    given.map_or_else(|| Name::from(&*Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer())), name)
}

fn resume_from(resume: &inbound::ResumeFrom<'_>) -> Resume {
    match resume {
        inbound::ResumeFrom::Nothing => Resume::Nothing,
        inbound::ResumeFrom::All => Resume::All,
        inbound::ResumeFrom::After(text) => Resume::After(text.parse().ok()),
    }
}

#[expect(clippy::ptr_arg, reason = "the messages have this type, so that the function can be passed to `map`")]
fn name(text: &Cow<'_, str>) -> Name {
    Name::from(&**text)
}

fn names(texts: &[Cow<'_, str>]) -> Vec<Name> {
    texts.iter().map(name).collect()
}
