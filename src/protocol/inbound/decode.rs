//! Reads the text of one frame as a client's message.

use deskbell_core::entry::Presence;
use deskbell_core::{CONTEXT_BYTES_MAX, PRIORITY_MAX};
use serde_json::error::Category;

use super::fields::{FieldKey, Fields, Wrong, missing, shortened};
use super::message::{AddressedTo, Body, ClientMessage, Hello, HelloRole, NotifyMessage, ResumeFrom, Text};
use crate::envelope::Envelope;
use crate::error::ErrorCode;
use crate::outbound::ErrorReply;
use crate::size::{DETAILS_BYTES_MAX, GROUPS_MAX, REASON_BYTES_MAX, TO_NAMES_MAX};
use crate::vocabulary::CallName;

/// A text that is not a valid message: everything that the `error` reply needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError<'a> {
    /// The valid ids of the message; the reply carries them back.
    pub envelope: Envelope<'a>,
    /// The call, if the `type` could be read and has a name.
    pub call: Option<CallName>,
    /// [`ErrorCode::BadMessage`] or [`ErrorCode::BadParameter`].
    pub code: ErrorCode,
    /// Says what is wrong, and in which field. At most a few hundred bytes.
    pub detail: String,
}

impl DecodeError<'_> {
    /// The `error` reply.
    #[must_use]
    pub fn reply(&self) -> ErrorReply<'_> {
        ErrorReply::new(self.envelope.reply(), self.call, self.code, self.detail.as_str())
    }
}

/// Reads one message.
///
/// # Errors
/// The text is not a JSON object, its type is unknown, or a field is missing or invalid.
pub fn decode(text: &str) -> Result<ClientMessage<'_>, DecodeError<'_>> {
    let fields = Fields::parse(text).map_err(|error| not_an_object("text", &error))?;
    let kind = match fields.string(FieldKey::Type, "type") {
        Ok(Some(kind)) => kind,
        Ok(None) => return Err(fault(envelope(&fields).0, None, ErrorCode::BadMessage, missing("type"))),
        Err(detail) => return Err(fault(envelope(&fields).0, None, ErrorCode::BadMessage, detail)),
    };
    decode_fields(&fields, &kind)
}

/// Reads the fields of a message of type `kind`.
///
/// # Errors
/// The type is unknown, or a field is missing or invalid.
pub(crate) fn decode_fields<'a>(fields: &Fields<'a>, kind: &str) -> Result<ClientMessage<'a>, DecodeError<'a>> {
    let (envelope, envelope_fault) = envelope(fields);
    let call = CallName::of_type(kind);
    let Some(read) = reader(kind) else {
        let detail = format!("the type {:?} is unknown", shortened(kind));
        return Err(fault(envelope, None, ErrorCode::BadMessage, detail));
    };
    if let Some(detail) = envelope_fault {
        return Err(fault(envelope, call, ErrorCode::BadParameter, detail));
    }
    match read(fields) {
        Ok(body) => Ok(ClientMessage { envelope, body }),
        Err(detail) => Err(fault(envelope, call, ErrorCode::BadParameter, detail)),
    }
}

fn fault(envelope: Envelope<'_>, call: Option<CallName>, code: ErrorCode, detail: String) -> DecodeError<'_> {
    DecodeError { envelope, call, code, detail }
}

/// The error about a text that is not a JSON object; `what` is "text" or "body".
pub(crate) fn not_an_object(what: &str, error: &serde_json::Error) -> DecodeError<'static> {
    // A data error of the parser quotes the text, which may be as long as the message. A syntax error does not.
    let detail = match error.classify() {
        Category::Data => format!("the {what} is not a JSON object"),
        Category::Syntax | Category::Eof | Category::Io => format!("the {what} is not valid JSON: {error}"),
    };
    fault(Envelope::default(), None, ErrorCode::BadMessage, detail)
}

/// The valid ids of the envelope, and the error about an invalid one.
fn envelope<'a>(fields: &Fields<'a>) -> (Envelope<'a>, Option<Wrong>) {
    let id = fields.name(FieldKey::Id, "id");
    let correlation_id = guid(fields);
    let wrong = id.as_ref().err().or(correlation_id.as_ref().err()).cloned();
    (Envelope { id: id.ok().flatten(), correlation_id: correlation_id.ok().flatten() }, wrong)
}

fn guid<'a>(fields: &Fields<'a>) -> Result<Option<Text<'a>>, Wrong> {
    let Some(text) = fields.string(FieldKey::CorrelationId, "correlationId")? else { return Ok(None) };
    if is_guid(&text) { Ok(Some(text)) } else { Err("`correlationId` must be a GUID".to_owned()) }
}

/// Whether a text has 32 hexadecimal digits of any case, with or without hyphens (8-4-4-4-12) and braces.
fn is_guid(text: &str) -> bool {
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let hyphenated = bare.len() == 36;
    (hyphenated || bare.len() == 32)
        && bare.bytes().enumerate().all(|(at, byte)| {
            if hyphenated && matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

type Reader = for<'f, 'a> fn(&'f Fields<'a>) -> Result<Body<'a>, Wrong>;

/// The function that reads the fields of a message of this type; `None` if the type is unknown.
fn reader(kind: &str) -> Option<Reader> {
    Some(match kind {
        "hello" => hello,
        "refresh" => refresh,
        "ping" => |_| Ok(Body::Ping),
        "notify" => notify,
        "cancel" => cancel,
        "kpi" => kpi,
        "activity" => activity,
        "endSession" => end_session,
        "getContext" => |fields| Ok(Body::GetContext { session_id: session_id(fields)? }),
        "accept" => accept,
        "reject" => reject,
        "seen" => seen,
        "presence" => set_presence,
        _ => return None,
    })
}

fn hello<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    let token = fields.string(FieldKey::Token, "token")?;
    let Some(role) = fields.string(FieldKey::Role, "role")? else {
        // Only a token can decide the role.
        let role = HelloRole::ByToken {
            provider_id: fields.name(FieldKey::ProviderId, "providerId")?,
            resume: resume(fields)?,
            agent_id: fields.name(FieldKey::AgentId, "agentId")?,
            groups: groups(fields)?,
            presence: presence(fields)?,
        };
        return if token.is_some() { Ok(Body::Hello(Hello { role, token })) } else { Err(missing("role")) };
    };
    let role = match &*role {
        "provider" => HelloRole::Provider {
            provider_id: fields.name(FieldKey::ProviderId, "providerId")?,
            resume: resume(fields)?,
        },
        "agent" => HelloRole::Agent {
            agent_id: fields.name(FieldKey::AgentId, "agentId")?,
            groups: groups(fields)?,
            presence: presence(fields)?,
        },
        "observer" => HelloRole::Observer,
        _ => return Err("`role` must be \"provider\", \"agent\" or \"observer\"".to_owned()),
    };
    Ok(Body::Hello(Hello { role, token }))
}

fn resume<'a>(fields: &Fields<'a>) -> Result<ResumeFrom<'a>, Wrong> {
    if let Ok(flag) = fields.boolean(FieldKey::Resume, "resume") {
        return Ok(if flag == Some(true) { ResumeFrom::All } else { ResumeFrom::Nothing });
    }
    match fields.string(FieldKey::Resume, "resume") {
        Ok(Some(position)) if !position.is_empty() => Ok(ResumeFrom::After(position)),
        _ => Err("`resume` must be a position or true".to_owned()),
    }
}

fn groups<'a>(fields: &Fields<'a>) -> Result<Option<Vec<Text<'a>>>, Wrong> {
    let Some(listed) = fields.names(FieldKey::Groups, "groups")? else { return Ok(None) };
    let mut groups: Vec<Text<'a>> = Vec::with_capacity(listed.len().min(GROUPS_MAX));
    for group in listed {
        if groups.contains(&group) {
            continue;
        }
        // Checked in the loop, so that a long list costs at most its length times the limit.
        if groups.len() == GROUPS_MAX {
            return Err(format!("`groups` has more than {GROUPS_MAX} names"));
        }
        groups.push(group);
    }
    Ok(Some(groups))
}

fn presence(fields: &Fields<'_>) -> Result<Option<Presence>, Wrong> {
    match fields.string(FieldKey::Presence, "presence")?.as_deref() {
        None => Ok(None),
        Some("available") => Ok(Some(Presence::Available)),
        Some("away") => Ok(Some(Presence::Away)),
        Some(_) => Err("`presence` must be \"available\" or \"away\"".to_owned()),
    }
}

fn refresh<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    match fields.string(FieldKey::Token, "token")? {
        None => Err(missing("token")),
        Some(token) if token.is_empty() => Err("`token` is empty".to_owned()),
        Some(token) => Ok(Body::Refresh { token }),
    }
}

fn notify<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Notify(NotifyMessage {
        template_name: fields.required_name(FieldKey::TemplateName, "templateName")?,
        template_parameters: fields.parameters(FieldKey::TemplateParameters, "templateParameters")?,
        session_id: fields.name(FieldKey::SessionId, "sessionId")?,
        cancellation_token: fields.name(FieldKey::CancellationToken, "cancellationToken")?,
        to: to(fields)?,
        priority: fields.small_number(FieldKey::Priority, "priority", PRIORITY_MAX)?,
        context: fields.raw_object(FieldKey::Context, "context", CONTEXT_BYTES_MAX)?,
    }))
}

fn to<'a>(fields: &Fields<'a>) -> Result<AddressedTo<'a>, Wrong> {
    let Some(to) = fields.object(FieldKey::To, "to")? else { return Ok(AddressedTo::default()) };
    if let Some(unknown) = fields.unknown_member(FieldKey::To, &["agents", "groups"]) {
        return Err(format!("`to` has the unknown member {:?}; allowed: agents, groups", shortened(&unknown)));
    }
    let lists = [to.names(FieldKey::Agents, "to.agents")?, to.names(FieldKey::Groups, "to.groups")?];
    if lists.iter().any(Option::is_some) && lists.iter().flatten().all(Vec::is_empty) {
        return Err("`to` names no agent and no group; leave it out to address everybody".to_owned());
    }
    let [agents, groups] = lists.map(|names| {
        let mut names = names.unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        names
    });
    let to = AddressedTo { agents, groups };
    let named = to.agents.len() + to.groups.len();
    if named > TO_NAMES_MAX {
        return Err(format!("`to` names {named} agents and groups; at most {TO_NAMES_MAX} are allowed"));
    }
    Ok(to)
}

fn cancel<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Cancel { cancellation_token: fields.required_name(FieldKey::CancellationToken, "cancellationToken")? })
}

fn session_id<'a>(fields: &Fields<'a>) -> Result<Text<'a>, Wrong> {
    fields.required_name(FieldKey::SessionId, "sessionId")
}

fn kpi<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Kpi {
        session_id: session_id(fields)?,
        should_reset: fields.boolean(FieldKey::ShouldReset, "shouldReset")?.unwrap_or(false),
        details: fields.text(FieldKey::Details, "details", DETAILS_BYTES_MAX)?,
    })
}

fn activity<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Activity { session_id: session_id(fields)?, count: fields.required_count(FieldKey::Count, "count")? })
}

fn end_session<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::EndSession { session_id: session_id(fields)? })
}

fn notification_id<'a>(fields: &Fields<'a>) -> Result<Text<'a>, Wrong> {
    fields.required_name(FieldKey::NotificationId, "notificationId")
}

fn accept<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Accept { notification_id: notification_id(fields)? })
}

fn reject<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    let reason = fields.text(FieldKey::Reason, "reason", REASON_BYTES_MAX)?;
    Ok(Body::Reject { notification_id: notification_id(fields)?, reason })
}

fn seen<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Seen { notification_id: notification_id(fields)? })
}

fn set_presence<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    presence(fields)?.map(|presence| Body::Presence { presence }).ok_or_else(|| missing("presence"))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
