//! One setting: its names, its allowed values, the field that holds it, and how its value is parsed and shown.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use deskbell_protocol::{format_duration, parse_duration as duration_of};
use toml::de::DeValue;

use super::checked::{Config, OidcToken};
use super::error::quoted;
use super::key::Key;
use super::value;
use crate::network::{self, Network, PublicUrl};
use crate::telemetry;

/// The most allowed origins.
pub const ORIGINS_MAX: usize = 100;
/// The most networks of trusted proxies.
pub const PROXIES_MAX: usize = 100;
/// The longest issuer or audience, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// The most scopes of `[auth.oidc]`.
const SCOPES_MAX: usize = 20;

/// The most NATS servers.
pub(super) const SERVERS_MAX: usize = 100;

/// One row of the table of settings.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key that identifies it in the code.
    pub key: Key,
    /// Table and key in the file.
    pub file: Option<(&'static str, &'static str)>,
    /// The flag, without its dashes.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: &'static str,
    /// The allowed values, and the field that holds the value.
    pub kind: ValueKind,
    /// The explanation in `--help` and in docs/configuration.md.
    pub meaning: &'static str,
}

/// How to read and write one field of the configuration.
#[derive(Debug)]
pub struct Accessor<T: 'static> {
    /// Reads the field.
    pub get: fn(&Config) -> &T,
    /// Writes the field.
    pub get_mut: fn(&mut Config) -> &mut T,
}

impl<T> Clone for Accessor<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Accessor<T> {}

/// The kind of value that a setting takes. Ranges are inclusive.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum ValueKind {
    Address(Accessor<SocketAddr>),
    OptionalAddress(Accessor<Option<SocketAddr>>),
    Path(Accessor<PathBuf>),
    OptionalPath(Accessor<Option<PathBuf>>),
    Switch(Accessor<bool>),
    OptionalText(Accessor<Option<String>>),
    Origins(Accessor<Vec<String>>),
    OriginPatterns(Accessor<Vec<String>>),
    PublicUrl(Accessor<Option<PublicUrl>>),
    OptionalTime { min: Duration, max: Duration, at: Accessor<Option<Duration>> },
    Servers(Accessor<Vec<String>>),
    Networks(Accessor<Vec<Network>>),
    Time { min: Duration, max: Duration, at: Accessor<Duration> },
    Count { min: u32, max: u32, at: Accessor<u32> },
    Size { min: u64, max: u64, at: Accessor<u64> },
    LogFormat(Accessor<telemetry::LogFormat>),
    LogFilter(Accessor<String>),
    Scopes(Accessor<Vec<String>>),
    OidcToken(Accessor<OidcToken>),
}

/// A value before it is parsed.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawValue<'g> {
    /// From the command line; several if a flag is repeated.
    Flag(&'g [String]),
    /// From the environment.
    Variable(&'g str),
    /// From the file.
    File(&'g DeValue<'g>),
}

/// One reason for which a value is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueError {
    /// The part of the file's text, if it is not the value as a whole.
    pub(super) span: Option<Range<usize>>,
    pub(super) what: String,
}

/// The reasons for which a value is rejected. A list can have several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ValueErrors(pub(super) Vec<ValueError>);

impl From<String> for ValueErrors {
    fn from(what: String) -> Self {
        Self(vec![ValueError::of_all(what)])
    }
}

impl ValueError {
    /// The value as a whole is wrong.
    fn of_all(what: String) -> Self {
        Self { span: None, what }
    }
}

impl Setting {
    /// Its name in messages: its key in the file, else its flag, else its variable.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.file, self.flag) {
            (Some((table, key)), _) => format!("[{table}] {key}"),
            (None, Some(flag)) => format!("--{flag}"),
            (None, None) => self.variable.to_owned(),
        }
    }

    /// The placeholder of its flag's value in `--help`; `None` for a flag without a value.
    #[must_use]
    pub fn value_name(&self) -> Option<&'static str> {
        match self.kind {
            ValueKind::Address(_) | ValueKind::OptionalAddress(_) => Some("ADDR:PORT"),
            ValueKind::Path(_) => Some("DIR"),
            ValueKind::OptionalPath(_) => Some("FILE"),
            ValueKind::Switch(_) => None,
            ValueKind::OptionalText(_) => Some("TEXT"),
            ValueKind::Origins(_) | ValueKind::OriginPatterns(_) => Some("ORIGIN"),
            ValueKind::PublicUrl(_) => Some("URL"),
            ValueKind::Servers(_) => Some("URL[,URL…]"),
            ValueKind::Networks(_) => Some("NETWORK"),
            ValueKind::Time { .. } | ValueKind::OptionalTime { .. } => Some("DURATION"),
            ValueKind::Count { .. } => Some("N"),
            ValueKind::Size { .. } => Some("SIZE"),
            ValueKind::LogFormat(_) => Some("FORMAT"),
            ValueKind::LogFilter(_) => Some("FILTER"),
            ValueKind::Scopes(_) => Some("SCOPE"),
            ValueKind::OidcToken(_) => Some("TOKEN"),
        }
    }

    /// Parses a value and writes it into `config`.
    pub(super) fn set(&self, config: &mut Config, raw: RawValue<'_>) -> Result<(), ValueErrors> {
        match self.kind {
            ValueKind::Address(at) => *(at.get_mut)(config) = parse(raw, value::address, NOT_AN_ADDRESS)?,
            ValueKind::OptionalAddress(at) => {
                *(at.get_mut)(config) = Some(parse(raw, value::address, NOT_AN_ADDRESS)?);
            }
            ValueKind::OptionalText(at) => *(at.get_mut)(config) = Some(parse(raw, plain_text, "is not allowed")?),
            ValueKind::Path(at) => *(at.get_mut)(config) = parse(raw, path, "is not a path")?,
            ValueKind::OptionalPath(at) => *(at.get_mut)(config) = Some(parse(raw, path, "is not a path")?),
            ValueKind::Switch(at) => *(at.get_mut)(config) = switch(raw)?,
            ValueKind::Origins(at) => {
                *(at.get_mut)(config) = list(raw, value::origin, "is not an origin", ORIGINS_MAX)?;
            }
            ValueKind::OriginPatterns(at) => {
                *(at.get_mut)(config) = list(raw, value::origin_pattern, "is not an origin", ORIGINS_MAX)?;
            }
            ValueKind::PublicUrl(at) => {
                *(at.get_mut)(config) = Some(parse(raw, value::public_url, "is not a public URL")?);
            }
            ValueKind::OptionalTime { min, max, at } => {
                let time = parse_duration(raw)?;
                let in_range = (min..=max).contains(&time);
                *(at.get_mut)(config) = if in_range { Some(time) } else { return Err(out_of_range(raw).into()) };
            }
            ValueKind::Servers(at) => *(at.get_mut)(config) = servers(raw)?,
            ValueKind::Networks(at) => {
                *(at.get_mut)(config) = list(raw, network::parse_network, "is not a network", PROXIES_MAX)?;
            }
            ValueKind::Time { min, max, at } => {
                let time = parse_duration(raw)?;
                let in_range = (min..=max).contains(&time);
                *(at.get_mut)(config) = if in_range { time } else { return Err(out_of_range(raw).into()) };
            }
            ValueKind::Count { min, max, at } => {
                let count = u32::try_from(integer(raw)?).ok().filter(|count| (min..=max).contains(count));
                *(at.get_mut)(config) = count.ok_or_else(|| out_of_range(raw))?;
            }
            ValueKind::Size { min, max, at } => {
                let size = u64::try_from(size(raw)?).ok().filter(|size| (min..=max).contains(size));
                *(at.get_mut)(config) = size.ok_or_else(|| out_of_range(raw))?;
            }
            ValueKind::LogFormat(at) => {
                *(at.get_mut)(config) = parse(raw, |text| text.parse().ok(), "is not a log format")?;
            }
            ValueKind::LogFilter(at) => {
                let filter = text(raw)?;
                telemetry::check_filter(filter)
                    .map_err(|why| format!("{} is not a log filter ({why})", quoted(filter)))?;
                filter.clone_into((at.get_mut)(config));
            }
            ValueKind::Scopes(at) => *(at.get_mut)(config) = scopes(raw)?,
            ValueKind::OidcToken(at) => {
                *(at.get_mut)(config) = parse(raw, OidcToken::named, "is neither \"access\" nor \"id\"")?;
            }
        }
        Ok(())
    }

    /// The allowed values, as they appear in messages and in docs/configuration.md.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            ValueKind::Address(_) | ValueKind::OptionalAddress(_) => {
                "ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080".to_owned()
            }
            ValueKind::OptionalText(_) => format!("1 to {TEXT_BYTES_MAX} bytes"),
            ValueKind::Networks(_) => format!("at most {PROXIES_MAX} like 10.0.0.7 or 10.0.0.0/8"),
            ValueKind::Path(_) | ValueKind::OptionalPath(_) => "a path".to_owned(),
            ValueKind::Switch(_) => "true, false".to_owned(),
            ValueKind::Origins(_) => format!("at most {ORIGINS_MAX} like https://desk.example.org, without a path"),
            ValueKind::OriginPatterns(_) => {
                format!("at most {ORIGINS_MAX} like https://desk.example.org or https://*.example.org, or [\"*\"]")
            }
            ValueKind::PublicUrl(_) => "a URL such as https://desk.example.org/bell/".to_owned(),
            ValueKind::Servers(_) => format!("at most {SERVERS_MAX} like nats://a:4222 or tls://a:4222"),
            ValueKind::Time { min, max, .. } | ValueKind::OptionalTime { min, max, .. } => {
                format!("{} to {}", format_duration(min), format_duration(max))
            }
            ValueKind::Count { min, max, .. } => format!("{min} to {max}"),
            ValueKind::Size { min, max, .. } => format!("{} to {}", value::show_size(min), value::show_size(max)),
            ValueKind::LogFormat(_) => "text, json".to_owned(),
            ValueKind::LogFilter(_) => "levels such as info or deskbell=debug,info".to_owned(),
            ValueKind::Scopes(_) => format!("at most {SCOPES_MAX} with `openid` among them"),
            ValueKind::OidcToken(_) => "access, id".to_owned(),
        }
    }

    /// The value in `config`, written as a user would write it; empty if there is none. Credentials in URLs are left out.
    #[must_use]
    pub fn show(&self, config: &Config) -> String {
        match self.kind {
            ValueKind::Address(at) => (at.get)(config).to_string(),
            ValueKind::OptionalAddress(at) => (at.get)(config).map(|address| address.to_string()).unwrap_or_default(),
            ValueKind::OptionalText(at) => (at.get)(config).clone().unwrap_or_default(),
            ValueKind::Networks(at) => (at.get)(config).iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            ValueKind::Path(at) => (at.get)(config).display().to_string(),
            ValueKind::OptionalPath(at) => {
                (at.get)(config).as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
            ValueKind::Switch(at) => (at.get)(config).to_string(),
            ValueKind::Origins(at) | ValueKind::OriginPatterns(at) => (at.get)(config).join(","),
            ValueKind::PublicUrl(at) => (at.get)(config).as_ref().map(ToString::to_string).unwrap_or_default(),
            ValueKind::OptionalTime { at, .. } => (at.get)(config).map(format_duration).unwrap_or_default(),
            ValueKind::Servers(at) => {
                let shown: Vec<String> = (at.get)(config).iter().map(|url| network::without_userinfo(url)).collect();
                shown.join(",")
            }
            ValueKind::Time { at, .. } => format_duration(*(at.get)(config)),
            ValueKind::Count { at, .. } => (at.get)(config).to_string(),
            ValueKind::Size { at, .. } => value::show_size(*(at.get)(config)),
            ValueKind::LogFormat(at) => (at.get)(config).to_string(),
            ValueKind::LogFilter(at) => (at.get)(config).clone(),
            ValueKind::Scopes(at) => (at.get)(config).join(","),
            ValueKind::OidcToken(at) => (at.get)(config).as_str().to_owned(),
        }
    }
}

const NOT_AN_ADDRESS: &str = "is not an address with a port";

/// The text of a value that is not a list.
fn text<'g>(raw: RawValue<'g>) -> Result<&'g str, String> {
    match raw {
        RawValue::Flag(texts) => Ok(texts.last().map_or("", String::as_str)),
        RawValue::Variable(text) => Ok(text),
        RawValue::File(DeValue::String(text)) => Ok(text),
        RawValue::File(other) => Err(format!("{} is not a string; write it in quotes", shown(other))),
    }
}

fn parse<T>(raw: RawValue<'_>, parser: impl Fn(&str) -> Option<T>, problem: &str) -> Result<T, String> {
    let text = text(raw)?;
    parser(text).ok_or_else(|| format!("{} {problem}", quoted(text)))
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

fn plain_text(text: &str) -> Option<String> {
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn switch(raw: RawValue<'_>) -> Result<bool, String> {
    match raw {
        RawValue::File(DeValue::Boolean(on)) => Ok(*on),
        RawValue::File(other) => Err(format!("{} is neither true nor false", shown(other))),
        RawValue::Flag(_) | RawValue::Variable(_) => {
            let on_or_off = |text: &str| match text {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            };
            parse(raw, on_or_off, "is neither true nor false")
        }
    }
}

fn parse_duration(raw: RawValue<'_>) -> Result<Duration, String> {
    match raw {
        RawValue::File(other) if !other.is_str() => {
            Err(format!("{} is not a duration; write a string with a unit, such as \"90s\"", shown(other)))
        }
        _ => parse(raw, duration_of, "is not a duration such as 90s or 1m30s"),
    }
}

fn integer(raw: RawValue<'_>) -> Result<i128, String> {
    match raw {
        RawValue::File(DeValue::Integer(integer)) => Ok(from_toml(integer)),
        RawValue::File(other) => Err(format!("{} is not an integer", shown(other))),
        RawValue::Flag(_) | RawValue::Variable(_) => parse(raw, |text| text.parse().ok(), "is not an integer"),
    }
}

fn size(raw: RawValue<'_>) -> Result<i128, String> {
    match raw {
        RawValue::File(DeValue::Integer(integer)) => Ok(from_toml(integer)),
        RawValue::File(other @ DeValue::String(_)) => {
            parse(RawValue::File(other), value::size, "is not a size such as 65536 or 64KiB").map(i128::from)
        }
        RawValue::File(other) => Err(format!("{} is not a size such as 65536 or \"64KiB\"", shown(other))),
        RawValue::Flag(_) | RawValue::Variable(_) => {
            parse(raw, value::size, "is not a size such as 65536 or 64KiB").map(i128::from)
        }
    }
}

/// An integer of the file. One that is too large for 128 bits becomes the largest, which no range includes.
fn from_toml(integer: &toml::de::DeInteger<'_>) -> i128 {
    i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX)
}

fn out_of_range(raw: RawValue<'_>) -> String {
    let shown = match raw {
        RawValue::File(value) => shown(value),
        RawValue::Flag(_) | RawValue::Variable(_) => quoted(text(raw).unwrap_or_default()),
    };
    format!("{shown} is out of range")
}

/// Parses NATS servers. Messages never repeat the credentials in a URL.
fn servers(raw: RawValue<'_>) -> Result<Vec<String>, ValueErrors> {
    let read = |raw: RawValue<'_>| {
        let text = text(raw)?;
        value::server(text).ok_or_else(|| format!("{} is not a NATS server", quoted(&network::without_userinfo(text))))
    };
    if let RawValue::Flag(texts) = raw {
        let all = texts.join(",");
        return list_by(RawValue::Variable(&all), &read, SERVERS_MAX);
    }
    list_by(raw, &read, SERVERS_MAX)
}

/// Scopes of OAuth 2.0 (RFC 6749, section 3.3). Without `openid`, an issuer does not sign anybody in.
fn scopes(raw: RawValue<'_>) -> Result<Vec<String>, ValueErrors> {
    let scope = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        ((1..=TEXT_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
    };
    let scopes = list_by(raw, &|raw| parse(raw, scope, "is not a scope"), SCOPES_MAX)?;
    if scopes.iter().any(|scope| scope == "openid") { Ok(scopes) } else { Err("openid is missing".to_owned().into()) }
}

/// A list of at most `max` values, each read by `one`.
fn list<T>(raw: RawValue<'_>, one: fn(&str) -> Option<T>, problem: &str, max: usize) -> Result<Vec<T>, ValueErrors> {
    list_by(raw, &|raw| parse(raw, one, problem), max)
}

fn list_by<T>(
    raw: RawValue<'_>,
    read: &dyn Fn(RawValue<'_>) -> Result<T, String>,
    max: usize,
) -> Result<Vec<T>, ValueErrors> {
    let values: Vec<Result<T, ValueError>> = match raw {
        RawValue::Flag(texts) => {
            texts.iter().map(|text| read(RawValue::Variable(text)).map_err(ValueError::of_all)).collect()
        }
        RawValue::Variable(text) => {
            text.split(',').map(|text| read(RawValue::Variable(text.trim())).map_err(ValueError::of_all)).collect()
        }
        RawValue::File(DeValue::Array(values)) => values
            .iter()
            .map(|value| {
                read(RawValue::File(value.get_ref())).map_err(|what| ValueError { span: Some(value.span()), what })
            })
            .collect(),
        RawValue::File(other) => return Err(format!("{} is not an array of strings", shown(other)).into()),
    };
    if values.len() > max {
        return Err(format!("{} of them", values.len()).into());
    }
    let (values, problems): (Vec<_>, Vec<_>) = values.into_iter().partition(Result::is_ok);
    if problems.is_empty() {
        Ok(values.into_iter().flatten().collect())
    } else {
        Err(ValueErrors(problems.into_iter().filter_map(Result::err).collect()))
    }
}

/// A value of the file as it appears in messages.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
