//! From the text of one frame to a client's message, or to what is wrong with it.

use serde_json::error::Category;

use super::super::error::ErrorCode;
use super::super::name::{CallName, Presence};
use super::super::outbound::ErrorReply;
use super::super::size::{DETAILS_BYTES_MAX, GROUPS_MAX, REASON_BYTES_MAX, TO_NAMES_MAX};
use super::fields::{Fields, Key, Wrong, missing, shortened};
use super::message::{Body, ClientMessage, Envelope, Hello, HelloRole, NotifyMessage, Recipients, ResumeFrom, Text};

/// A text that is no message: what the `error` reply is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError<'a> {
    /// What of the envelope was valid, to be carried back.
    pub envelope: Envelope<'a>,
    /// The call that it would have been, if its `type` could be read.
    pub call: Option<CallName>,
    /// [`ErrorCode::BadMessage`] or [`ErrorCode::BadParameter`].
    pub code: ErrorCode,
    /// For people: what is wrong, and where. At most a few hundred bytes.
    pub detail: String,
}

impl DecodeError<'_> {
    /// The reply to it.
    #[must_use]
    pub fn reply(&self) -> ErrorReply<'_> {
        ErrorReply {
            ids: self.envelope.reply_ids(),
            call: self.call,
            code: self.code,
            detail: &self.detail,
            retry_after_ms: None,
        }
    }
}

/// Reads one message.
///
/// # Errors
/// [`DecodeError`], if the text is no JSON object, of no known type, or a field is missing or wrong.
pub fn decode(text: &str) -> Result<ClientMessage<'_>, DecodeError<'_>> {
    let fields = Fields::parse(text).map_err(|error| no_object("the text", &error))?;
    let kind = match fields.string(Key::Type, "type") {
        Ok(Some(kind)) => kind,
        Ok(None) => return Err(fault(envelope(&fields).0, None, ErrorCode::BadMessage, missing("type"))),
        Err(detail) => return Err(fault(envelope(&fields).0, None, ErrorCode::BadMessage, detail)),
    };
    decode_fields(&fields, &kind)
}

/// Reads the fields of a message of type `kind`.
///
/// # Errors
/// [`DecodeError`], if there is no such type, or a field is missing or wrong.
pub(in crate::protocol) fn decode_fields<'a>(
    fields: &Fields<'a>,
    kind: &str,
) -> Result<ClientMessage<'a>, DecodeError<'a>> {
    let (envelope, envelope_fault) = envelope(fields);
    let call = CallName::of_type(kind);
    let Some(read) = reader(kind) else {
        let detail = format!("no message has the type {:?}", shortened(kind));
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

/// The error for text that is not a JSON object; `what` names the text.
pub(in crate::protocol) fn no_object(what: &str, error: &serde_json::Error) -> DecodeError<'static> {
    // An error about data quotes what it found, which may be as long as the message; one about syntax does not.
    let detail = match error.classify() {
        Category::Data => format!("{what} is no JSON object"),
        Category::Syntax | Category::Eof | Category::Io => format!("{what} is no JSON: {error}"),
    };
    fault(Envelope::default(), None, ErrorCode::BadMessage, detail)
}

/// What of the envelope is valid, and what is wrong with the rest.
fn envelope<'a>(fields: &Fields<'a>) -> (Envelope<'a>, Option<Wrong>) {
    let id = fields.name(Key::Id, "id");
    let correlation_id = guid(fields);
    let wrong = id.as_ref().err().or(correlation_id.as_ref().err()).cloned();
    (Envelope { id: id.ok().flatten(), correlation_id: correlation_id.ok().flatten() }, wrong)
}

fn guid<'a>(fields: &Fields<'a>) -> Result<Option<Text<'a>>, Wrong> {
    let Some(text) = fields.string(Key::CorrelationId, "correlationId")? else { return Ok(None) };
    if is_guid(&text) { Ok(Some(text)) } else { Err("`correlationId` must be a GUID".to_owned()) }
}

/// 8-4-4-4-12 or 32 hexadecimal digits, any case, in braces or not.
fn is_guid(text: &str) -> bool {
    let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
    let hyphenated = bare.len() == 36;
    (hyphenated || bare.len() == 32)
        && bare.bytes().enumerate().all(|(at, byte)| {
            if hyphenated && matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

type Reader = for<'f, 'a> fn(&'f Fields<'a>) -> Result<Body<'a>, Wrong>;

/// What reads the fields of a message of that type; `None` if there is no such type.
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
        "accept" => accept,
        "reject" => reject,
        "seen" => seen,
        "presence" => set_presence,
        _ => return None,
    })
}

fn hello<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    let token = fields.string(Key::Token, "token")?;
    let role = fields.string(Key::Role, "role")?.ok_or_else(|| missing("role"))?;
    let role = match &*role {
        "provider" => {
            HelloRole::Provider { provider_id: fields.name(Key::ProviderId, "providerId")?, resume: resume(fields)? }
        }
        "agent" => HelloRole::Agent {
            agent_id: fields.name(Key::AgentId, "agentId")?,
            groups: groups(fields)?,
            presence: presence(fields)?,
        },
        "observer" => HelloRole::Observer,
        _ => return Err("`role` must be \"provider\", \"agent\" or \"observer\"".to_owned()),
    };
    Ok(Body::Hello(Hello { role, token }))
}

fn resume<'a>(fields: &Fields<'a>) -> Result<ResumeFrom<'a>, Wrong> {
    if let Ok(flag) = fields.boolean(Key::Resume, "resume") {
        return Ok(if flag == Some(true) { ResumeFrom::All } else { ResumeFrom::Nothing });
    }
    match fields.string(Key::Resume, "resume") {
        Ok(Some(position)) if !position.is_empty() => Ok(ResumeFrom::After(position)),
        _ => Err("`resume` must be a position or true".to_owned()),
    }
}

fn groups<'a>(fields: &Fields<'a>) -> Result<Option<Vec<Text<'a>>>, Wrong> {
    let Some(listed) = fields.names(Key::Groups, "groups")? else { return Ok(None) };
    let mut groups: Vec<Text<'a>> = Vec::with_capacity(listed.len().min(GROUPS_MAX));
    for group in listed {
        if groups.contains(&group) {
            continue;
        }
        // Checked here, not after: so that a long list costs no more than its length times the limit.
        if groups.len() == GROUPS_MAX {
            return Err(format!("`groups` has more than {GROUPS_MAX} names"));
        }
        groups.push(group);
    }
    Ok(Some(groups))
}

fn presence(fields: &Fields<'_>) -> Result<Option<Presence>, Wrong> {
    match fields.string(Key::Presence, "presence")?.as_deref() {
        None => Ok(None),
        Some("available") => Ok(Some(Presence::Available)),
        Some("away") => Ok(Some(Presence::Away)),
        Some(_) => Err("`presence` must be \"available\" or \"away\"".to_owned()),
    }
}

fn refresh<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    match fields.string(Key::Token, "token")? {
        None => Err(missing("token")),
        Some(token) if token.is_empty() => Err("`token` is empty".to_owned()),
        Some(token) => Ok(Body::Refresh { token }),
    }
}

fn notify<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Notify(NotifyMessage {
        template_name: fields.required_name(Key::TemplateName, "templateName")?,
        template_parameters: fields.parameters(Key::TemplateParameters, "templateParameters")?,
        session_id: fields.name(Key::SessionId, "sessionId")?,
        cancellation_token: fields.name(Key::CancellationToken, "cancellationToken")?,
        to: to(fields)?,
    }))
}

fn to<'a>(fields: &Fields<'a>) -> Result<Recipients<'a>, Wrong> {
    let Some(to) = fields.object(Key::To, "to")? else { return Ok(Recipients::default()) };
    let sorted = |key, called: &str| -> Result<Vec<Text<'a>>, Wrong> {
        let mut names = to.names(key, called)?.unwrap_or_default();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    };
    let to = Recipients { agents: sorted(Key::Agents, "to.agents")?, groups: sorted(Key::Groups, "to.groups")? };
    let named = to.agents.len() + to.groups.len();
    if named > TO_NAMES_MAX {
        return Err(format!("`to` names {named} agents and groups; {TO_NAMES_MAX} are allowed"));
    }
    Ok(to)
}

fn cancel<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Cancel { cancellation_token: fields.required_name(Key::CancellationToken, "cancellationToken")? })
}

fn session_id<'a>(fields: &Fields<'a>) -> Result<Text<'a>, Wrong> {
    fields.required_name(Key::SessionId, "sessionId")
}

fn kpi<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Kpi {
        session_id: session_id(fields)?,
        should_reset: fields.boolean(Key::ShouldReset, "shouldReset")?.unwrap_or(false),
        details: fields.text(Key::Details, "details", DETAILS_BYTES_MAX)?,
    })
}

fn activity<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Activity { session_id: session_id(fields)?, count: fields.required_count(Key::Count, "count")? })
}

fn end_session<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::EndSession { session_id: session_id(fields)? })
}

fn notification_id<'a>(fields: &Fields<'a>) -> Result<Text<'a>, Wrong> {
    fields.required_name(Key::NotificationId, "notificationId")
}

fn accept<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Accept { notification_id: notification_id(fields)? })
}

fn reject<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    let reason = fields.text(Key::Reason, "reason", REASON_BYTES_MAX)?;
    Ok(Body::Reject { notification_id: notification_id(fields)?, reason })
}

fn seen<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    Ok(Body::Seen { notification_id: notification_id(fields)? })
}

fn set_presence<'a>(fields: &Fields<'a>) -> Result<Body<'a>, Wrong> {
    presence(fields)?.map(Body::Presence).ok_or_else(|| missing("presence"))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
