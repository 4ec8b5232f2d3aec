//! From a client's message to an input of the hub.

use std::borrow::Cow;

use uuid::Uuid;

use crate::auth::Claims;
use crate::gateway::session::render;
use crate::protocol::inbound::{self, Body, ClientMessage, Envelope, HelloRole};
use crate::protocol::{Position, Presence, Role};
use crate::template::SharedCatalogue;
use deskbell_core::entry::{self, Action, Call, Client, Resume, To};
use deskbell_core::{Name, NotificationId, Position as CorePosition};

/// What a message of a client that has said hello comes to.
#[derive(Debug)]
pub(crate) enum Intent {
    /// A call for the hub.
    Call(Call),
    /// It speaks of a notification that cannot be: its id is none of ours.
    NoSuchNotification,
    /// Nothing is to be done, and nothing said.
    Ignore,
    /// It is for the connection itself: `hello`, `refresh`, `ping`.
    NotACall,
}

/// HelloRole a hello brings, by its own word.
pub(crate) fn client(who: &HelloRole<'_>) -> Client {
    match who {
        HelloRole::Provider { provider_id, .. } => provider(given_or_minted(provider_id.as_ref()), who),
        HelloRole::Agent { agent_id, groups, .. } => {
            agent(given_or_minted(agent_id.as_ref()), groups.as_ref().map(|groups| names(groups)), who)
        }
        HelloRole::Observer => Client::Observer,
    }
}

/// HelloRole a hello brings whose token says `claims`; the role is the same. No groups in the token are no groups: what an
/// earlier one said is not remembered.
pub(crate) fn client_of(claims: &Claims, who: &HelloRole<'_>) -> Client {
    let id = Name::from(claims.subject.as_str());
    match claims.role {
        Role::Provider => provider(id, who),
        Role::Agent => agent(id, Some(claims.groups.iter().map(|group| Name::from(group.as_str())).collect()), who),
        Role::Observer => Client::Observer,
    }
}

fn provider(id: Name, who: &HelloRole<'_>) -> Client {
    let resume = if let HelloRole::Provider { resume, .. } = who { resume_from(resume) } else { Resume::Nothing };
    Client::Provider { id, resume }
}

fn agent(id: Name, groups: Option<Vec<Name>>, who: &HelloRole<'_>) -> Client {
    let presence = if let HelloRole::Agent { presence, .. } = who { presence.map(core_presence) } else { None };
    Client::Agent { id, groups, presence }
}

/// What a message asks of the hub. Everything that the core must not do is done here: ids are minted, the
/// template is rendered.
pub(crate) fn intent(message: &ClientMessage<'_>, catalogue: &SharedCatalogue) -> Intent {
    let envelope = &message.envelope;
    let of_call = |action| Intent::Call(call(envelope, correlation(envelope), action));
    // About a notification, so the reply bears the notify's correlationId; the message's own is not used.
    let of_answer = |id: &str, action: &dyn Fn(NotificationId) -> Action| match id.parse() {
        Ok(id) => Intent::Call(call(envelope, None, action(id))),
        Err(_) => Intent::NoSuchNotification,
    };
    match &message.body {
        Body::Notify(notify) => {
            let action = Action::Notify(Box::new(self::notify(notify, catalogue)));
            Intent::Call(call(envelope, correlation_or_minted(envelope), action))
        }
        Body::Cancel { cancellation_token } => {
            let action = Action::Cancel { cancellation_token: name(cancellation_token) };
            Intent::Call(call(envelope, correlation_or_minted(envelope), action))
        }
        Body::Kpi { session_id, should_reset, details } => {
            let (session_id, details) = (name(session_id), details.as_ref().map(name));
            let action = Action::Kpi { session_id, should_reset: *should_reset, details };
            Intent::Call(call(envelope, correlation_or_minted(envelope), action))
        }
        Body::Activity { session_id, count } => {
            of_call(Action::Activity { session_id: name(session_id), count: *count })
        }
        Body::EndSession { session_id } => of_call(Action::EndSession { session_id: name(session_id) }),
        Body::Presence(presence) => of_call(Action::Presence(core_presence(*presence))),
        Body::Accept { notification_id } => {
            of_answer(notification_id, &|notification_id| Action::Accept { notification_id })
        }
        Body::Reject { notification_id, reason } => of_answer(notification_id, &|notification_id| Action::Reject {
            notification_id,
            reason: reason.as_ref().map(name),
        }),
        Body::Seen { notification_id } => {
            match of_answer(notification_id, &|notification_id| Action::Seen { notification_id }) {
                Intent::NoSuchNotification => Intent::Ignore,
                intent => intent,
            }
        }
        Body::Hello(_) | Body::Refresh { .. } | Body::Ping => Intent::NotACall,
    }
}

fn notify(notify: &inbound::NotifyMessage<'_>, catalogue: &SharedCatalogue) -> entry::Notify {
    let parameters = &notify.template_parameters;
    let parameter = |name: &str| {
        let at = parameters.binary_search_by(|(have, _)| (**have).cmp(name)).ok()?;
        parameters.get(at).map(|(_, value)| &**value)
    };
    entry::Notify {
        notification_id: NotificationId(Uuid::now_v7().as_u128()),
        template_name: name(&notify.template_name),
        fingerprint: notify.fingerprint(),
        session_id: notify.session_id.as_ref().map(name),
        cancellation_token: notify.cancellation_token.as_ref().map(name),
        to: To { agents: names(&notify.to.agents), groups: names(&notify.to.groups) },
        rendered: render::render(catalogue, &notify.template_name, &parameter),
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
        inbound::ResumeFrom::After(text) => {
            Resume::After(Position::parse(text).map(|place| CorePosition { epoch: place.epoch, settled: place.number }))
        }
    }
}

fn core_presence(presence: Presence) -> entry::Presence {
    match presence {
        Presence::Available => entry::Presence::Available,
        Presence::Away => entry::Presence::Away,
    }
}

#[expect(clippy::ptr_arg, reason = "it is what the protocol gives, and so can be named where one is mapped")]
fn name(text: &Cow<'_, str>) -> Name {
    Name::from(&**text)
}

fn names(texts: &[Cow<'_, str>]) -> Vec<Name> {
    texts.iter().map(name).collect()
}
