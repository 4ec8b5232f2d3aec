//! What a setting is: where it can be given, what it may be, where it is kept; reading and writing its value.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;

use super::checked::Config;
use super::fault::quoted;
use super::value;
use crate::network::Network;
use crate::telemetry;

/// The most allowed origins.
pub const ORIGINS_MAX: usize = 100;
/// The most networks of trusted proxies.
pub const PROXIES_MAX: usize = 100;
/// The longest issuer or audience, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Table and key in the file.
    pub file: Option<(&'static str, &'static str)>,
    /// The flag, without its dashes.
    pub flag: Option<&'static str>,
    /// The environment variable.
    pub variable: &'static str,
    /// What it may be, and where it is kept.
    pub kind: Kind,
    /// What it means, for people.
    pub meaning: &'static str,
}

/// Where a value is kept.
type At<T> = fn(&mut Config) -> &mut T;

/// What a setting may be; ranges are inclusive.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Kind {
    Address(At<SocketAddr>),
    OptionalAddress(At<Option<SocketAddr>>),
    Path(At<PathBuf>),
    OptionalPath(At<Option<PathBuf>>),
    Switch(At<bool>),
    OptionalText(At<Option<String>>),
    Origins(At<Vec<String>>),
    Networks(At<Vec<Network>>),
    Time { min: Duration, max: Duration, at: At<Duration> },
    Count { min: u32, max: u32, at: At<u32> },
    Size { min: u64, max: u64, at: At<u64> },
    LogFormat(At<telemetry::Format>),
    LogFilter(At<String>),
}

/// A value as it was given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'g> {
    /// On the command line; several where a flag is repeated.
    Flag(&'g [String]),
    /// In the environment.
    Variable(&'g str),
    /// In the file.
    File(&'g DeValue<'g>),
}

/// One reason why a value cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Which part of the file's text, if not the value as a whole.
    pub(super) span: Option<Range<usize>>,
    pub(super) what: String,
}

/// Why a value cannot be taken; a list can have several reasons.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl From<String> for Problems {
    fn from(what: String) -> Self {
        Self(vec![Problem::of_all(what)])
    }
}

impl Problem {
    /// The value as a whole is wrong.
    fn of_all(what: String) -> Self {
        Self { span: None, what }
    }
}

impl Setting {
    /// As messages name it: its key, else its flag, else its variable.
    #[must_use]
    pub fn name(&self) -> String {
        match (self.file, self.flag) {
            (Some((table, key)), _) => format!("[{table}] {key}"),
            (None, Some(flag)) => format!("--{flag}"),
            (None, None) => self.variable.to_owned(),
        }
    }

    /// What its flag's value is called; `None`: the flag stands alone.
    #[must_use]
    pub fn value_name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Address(_) | Kind::OptionalAddress(_) => Some("ADDR:PORT"),
            Kind::Path(_) => Some("DIR"),
            Kind::OptionalPath(_) => Some("FILE"),
            Kind::Switch(_) => None,
            Kind::OptionalText(_) => Some("TEXT"),
            Kind::Origins(_) => Some("ORIGIN"),
            Kind::Networks(_) => Some("NETWORK"),
            Kind::Time { .. } => Some("DURATION"),
            Kind::Count { .. } => Some("N"),
            Kind::Size { .. } => Some("SIZE"),
            Kind::LogFormat(_) => Some("FORMAT"),
            Kind::LogFilter(_) => Some("FILTER"),
        }
    }

    /// Puts a value where it belongs.
    pub(super) fn set(&self, config: &mut Config, given: Given<'_>) -> Result<(), Problems> {
        match self.kind {
            Kind::Address(at) => *at(config) = read(given, value::address, "is no address with a port")?,
            Kind::OptionalAddress(at) => {
                *at(config) = Some(read(given, value::address, "is no address with a port")?);
            }
            Kind::OptionalText(at) => *at(config) = Some(read(given, plain_text, "is no text of that kind")?),
            Kind::Path(at) => *at(config) = read(given, path, "is no path")?,
            Kind::OptionalPath(at) => *at(config) = Some(read(given, path, "is no path")?),
            Kind::Switch(at) => *at(config) = switch(given)?,
            Kind::Origins(at) => *at(config) = list(given, value::origin, "is no origin", ORIGINS_MAX)?,
            Kind::Networks(at) => *at(config) = list(given, |text| text.parse().ok(), "is no network", PROXIES_MAX)?,
            Kind::Time { min, max, at } => {
                let time = duration(given)?;
                *at(config) = if (min..=max).contains(&time) { time } else { return Err(out_of_range(given).into()) };
            }
            Kind::Count { min, max, at } => {
                let count = u32::try_from(integer(given)?).ok().filter(|count| (min..=max).contains(count));
                *at(config) = count.ok_or_else(|| out_of_range(given))?;
            }
            Kind::Size { min, max, at } => {
                let size = u64::try_from(size(given)?).ok().filter(|size| (min..=max).contains(size));
                *at(config) = size.ok_or_else(|| out_of_range(given))?;
            }
            Kind::LogFormat(at) => *at(config) = read(given, |text| text.parse().ok(), "is no log format")?,
            Kind::LogFilter(at) => {
                let filter = text(given)?;
                telemetry::check_filter(filter).map_err(|why| format!("{} is no filter ({why})", quoted(filter)))?;
                filter.clone_into(at(config));
            }
        }
        Ok(())
    }

    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Address(_) | Kind::OptionalAddress(_) => "ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080".to_owned(),
            Kind::OptionalText(_) => format!("1 to {TEXT_BYTES_MAX} bytes"),
            Kind::Networks(_) => format!("at most {PROXIES_MAX} like 10.0.0.7 or 10.0.0.0/8"),
            Kind::Path(_) | Kind::OptionalPath(_) => "a path".to_owned(),
            Kind::Switch(_) => "true, false".to_owned(),
            Kind::Origins(_) => format!("at most {ORIGINS_MAX} like https://desk.example.org, without a path"),
            Kind::Time { min, max, .. } => {
                format!("{} to {}", value::show_duration(min), value::show_duration(max))
            }
            Kind::Count { min, max, .. } => format!("{min} to {max}"),
            Kind::Size { min, max, .. } => format!("{} to {}", value::show_size(min), value::show_size(max)),
            Kind::LogFormat(_) => "text, json".to_owned(),
            Kind::LogFilter(_) => "levels such as info or deskbell=debug,info".to_owned(),
        }
    }

    /// The value that `config` holds, as it would be written; empty for none.
    #[must_use]
    pub fn show(&self, config: &Config) -> String {
        // The table reaches values only to change them; this is not done often.
        let mut config = config.clone();
        match self.kind {
            Kind::Address(at) => at(&mut config).to_string(),
            Kind::OptionalAddress(at) => at(&mut config).map(|address| address.to_string()).unwrap_or_default(),
            Kind::OptionalText(at) => at(&mut config).clone().unwrap_or_default(),
            Kind::Networks(at) => at(&mut config).iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            Kind::Path(at) => at(&mut config).display().to_string(),
            Kind::OptionalPath(at) => {
                at(&mut config).as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
            Kind::Switch(at) => at(&mut config).to_string(),
            Kind::Origins(at) => at(&mut config).join(","),
            Kind::Time { at, .. } => value::show_duration(*at(&mut config)),
            Kind::Count { at, .. } => at(&mut config).to_string(),
            Kind::Size { at, .. } => value::show_size(*at(&mut config)),
            Kind::LogFormat(at) => at(&mut config).to_string(),
            Kind::LogFilter(at) => at(&mut config).clone(),
        }
    }
}

/// The one text of a value.
fn text<'g>(given: Given<'g>) -> Result<&'g str, String> {
    match given {
        Given::Flag(texts) => Ok(texts.last().map_or("", String::as_str)),
        Given::Variable(text) => Ok(text),
        Given::File(DeValue::String(text)) => Ok(text),
        Given::File(other) => Err(format!("{} is no string; write it in quotes", shown(other))),
    }
}

fn read<T>(given: Given<'_>, read: impl Fn(&str) -> Option<T>, problem: &str) -> Result<T, String> {
    let text = text(given)?;
    read(text).ok_or_else(|| format!("{} {problem}", quoted(text)))
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty() && !text.contains('\0')).then(|| PathBuf::from(text))
}

fn plain_text(text: &str) -> Option<String> {
    let fits = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn switch(given: Given<'_>) -> Result<bool, String> {
    match given {
        Given::File(DeValue::Boolean(on)) => Ok(*on),
        Given::File(other) => Err(format!("{} is neither true nor false", shown(other))),
        Given::Flag(_) | Given::Variable(_) => {
            let on_or_off = |text: &str| match text {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            };
            read(given, on_or_off, "is neither true nor false")
        }
    }
}

fn duration(given: Given<'_>) -> Result<Duration, String> {
    match given {
        Given::File(other) if !other.is_str() => {
            Err(format!("{} is no duration; it is a string with a unit, such as \"90s\"", shown(other)))
        }
        _ => read(given, value::duration, "is no duration such as 90s or 1m30s"),
    }
}

fn integer(given: Given<'_>) -> Result<i128, String> {
    match given {
        Given::File(DeValue::Integer(integer)) => Ok(from_toml(integer)),
        Given::File(other) => Err(format!("{} is no integer", shown(other))),
        Given::Flag(_) | Given::Variable(_) => read(given, |text| text.parse().ok(), "is no integer"),
    }
}

fn size(given: Given<'_>) -> Result<i128, String> {
    match given {
        Given::File(DeValue::Integer(integer)) => Ok(from_toml(integer)),
        Given::File(other @ DeValue::String(_)) => {
            read(Given::File(other), value::size, "is no size such as 65536 or 64KiB").map(i128::from)
        }
        Given::File(other) => Err(format!("{} is no size such as 65536 or \"64KiB\"", shown(other))),
        Given::Flag(_) | Given::Variable(_) => {
            read(given, value::size, "is no size such as 65536 or 64KiB").map(i128::from)
        }
    }
}

/// An integer of the file; one that is too large for any range counts as the largest there is.
fn from_toml(integer: &toml::de::DeInteger<'_>) -> i128 {
    i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX)
}

fn out_of_range(given: Given<'_>) -> String {
    let shown = match given {
        Given::File(value) => shown(value),
        Given::Flag(_) | Given::Variable(_) => quoted(text(given).unwrap_or_default()),
    };
    format!("{shown} is out of range")
}

/// A list of at most `max` values, each read by `one`.
fn list<T>(given: Given<'_>, one: fn(&str) -> Option<T>, problem: &str, max: usize) -> Result<Vec<T>, Problems> {
    let read = |given: Given<'_>| read(given, one, problem);
    let values: Vec<Result<T, Problem>> = match given {
        Given::Flag(texts) => texts.iter().map(|text| read(Given::Variable(text)).map_err(Problem::of_all)).collect(),
        Given::Variable(text) => {
            text.split(',').map(|text| read(Given::Variable(text.trim())).map_err(Problem::of_all)).collect()
        }
        Given::File(DeValue::Array(values)) => values
            .iter()
            .map(|value| read(Given::File(value.get_ref())).map_err(|what| Problem { span: Some(value.span()), what }))
            .collect(),
        Given::File(other) => return Err(format!("{} is no array of strings", shown(other)).into()),
    };
    if values.len() > max {
        return Err(format!("{} of them", values.len()).into());
    }
    let (values, problems): (Vec<_>, Vec<_>) = values.into_iter().partition(Result::is_ok);
    if problems.is_empty() {
        Ok(values.into_iter().flatten().collect())
    } else {
        Err(Problems(problems.into_iter().filter_map(Result::err).collect()))
    }
}

/// A value of the file as messages repeat it.
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
