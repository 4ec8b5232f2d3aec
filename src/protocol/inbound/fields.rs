//! Splits one JSON object into its fields in one pass, and checks single fields.
//!
//! A field is kept as the JSON text of its value and parsed only if the message's type has it. So an invalid value in an
//! unused field is not an error, a number keeps the text that the client wrote, and nesting costs no stack, because the
//! inside of a value is skipped by a loop and not by recursion.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::BytesDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::message::Text;
use crate::names::{check_name, too_long};
use crate::raw_json::RawJson;

/// The `detail` of an error about a field.
pub(super) type Wrong = String;

/// The fields that a message, or an object in one, may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
pub(crate) enum FieldKey {
    Type,
    Id,
    CorrelationId,
    Role,
    ProviderId,
    AgentId,
    Groups,
    Agents,
    Presence,
    Resume,
    Token,
    TemplateName,
    TemplateParameters,
    CancellationToken,
    SessionId,
    To,
    Priority,
    Context,
    ShouldReset,
    Details,
    Count,
    NotificationId,
    Reason,
    /// Any other key, which is ignored. It must be the last variant, because its number is the count of the others.
    #[serde(other)]
    Other,
}

/// The fields of one object. If a key occurs twice, the last one counts, as in every browser.
#[derive(Debug)]
pub(crate) struct Fields<'a> {
    values: [Option<&'a str>; FieldKey::Other as usize],
}

impl<'a> Fields<'a> {
    /// # Errors
    /// The text is not a JSON object.
    pub(crate) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The JSON text of a field's value. `null` counts as absent.
    fn value(&self, key: FieldKey) -> Option<&'a str> {
        self.values[key as usize].filter(|text| *text != "null")
    }

    /// A string of any content; `None` if absent.
    pub(crate) fn string(&self, key: FieldKey, called: &str) -> Result<Option<Text<'a>>, Wrong> {
        self.value(key).map(|json| string(json, &called)).transpose()
    }

    /// A string of at most `bytes_max` bytes, which may be empty; `None` if absent.
    pub(super) fn text(&self, key: FieldKey, called: &str, bytes_max: usize) -> Result<Option<Text<'a>>, Wrong> {
        let text = self.string(key, called)?;
        text.map(|text| no_longer_than(bytes_max, text, &called)).transpose()
    }

    /// A name; `None` if absent.
    pub(super) fn name(&self, key: FieldKey, called: &str) -> Result<Option<Text<'a>>, Wrong> {
        self.value(key).map(|json| name(string(json, &called)?, &called)).transpose()
    }

    /// A required name.
    pub(super) fn required_name(&self, key: FieldKey, called: &str) -> Result<Text<'a>, Wrong> {
        self.name(key, called)?.ok_or_else(|| missing(called))
    }

    /// A list of names in the client's order, which may be empty; `None` if absent.
    pub(super) fn names(&self, key: FieldKey, called: &str) -> Result<Option<Vec<Text<'a>>>, Wrong> {
        let Some(json) = self.value(key) else { return Ok(None) };
        let items: Vec<&RawValue> =
            serde_json::from_str(json).map_err(|_| format!("`{called}` must be an array of strings"))?;
        let names = items.into_iter().map(|item| name(string(item.get(), &called)?, &called));
        names.collect::<Result<_, _>>().map(Some)
    }

    /// `true` or `false`; `None` if absent.
    pub(super) fn boolean(&self, key: FieldKey, called: &str) -> Result<Option<bool>, Wrong> {
        match self.value(key) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(format!("`{called}` must be true or false")),
        }
    }

    /// A required whole number from 0 to `u32::MAX`. 3.0 and 3e0 count as 3.
    pub(super) fn required_count(&self, key: FieldKey, called: &str) -> Result<u32, Wrong> {
        let json = self.value(key).ok_or_else(|| missing(called))?;
        let wrong = || format!("`{called}` must be a whole number from 0 to {}", u32::MAX);
        if let Ok(number) = json.parse::<u32>() {
            return Ok(number);
        }
        let number: f64 = serde_json::from_str(json).map_err(|_| wrong())?;
        let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        if whole { Ok(number as u32) } else { Err(wrong()) }
    }

    /// A whole number from 0 to `max`; `None` if absent. 3.0 and 3e0 count as 3.
    pub(super) fn small_number(&self, key: FieldKey, called: &str, max: u8) -> Result<Option<u8>, Wrong> {
        let Some(json) = self.value(key) else { return Ok(None) };
        let number: Option<f64> = serde_json::from_str(json).ok();
        let whole = number.filter(|number| number.fract() == 0.0 && (0.0..=f64::from(max)).contains(number));
        whole
            .map(|number| Some(number as u8))
            .ok_or_else(|| format!("`{called}` must be a whole number from 0 to {max}"))
    }

    /// An object inside this one; `None` if absent.
    pub(super) fn object(&self, key: FieldKey, called: &str) -> Result<Option<Self>, Wrong> {
        let object = self.value(key).map(Fields::parse).transpose();
        object.map_err(|_| format!("`{called}` must be an object"))
    }

    /// An object of at most `bytes_max` bytes, as the client wrote it; `None` if absent.
    pub(super) fn raw_object(
        &self,
        key: FieldKey,
        called: &str,
        bytes_max: usize,
    ) -> Result<Option<RawJson<'a>>, Wrong> {
        let Some(json) = self.value(key) else { return Ok(None) };
        if !json.starts_with('{') {
            return Err(format!("`{called}` must be an object"));
        }
        if json.len() > bytes_max {
            return Err(format!("`{called}` has {} bytes; at most {bytes_max} are allowed", json.len()));
        }
        Ok(Some(RawJson::checked(json)))
    }

    /// The first member of an object field that is not in `known`.
    pub(super) fn unknown_member(&self, key: FieldKey, known: &[&str]) -> Option<Text<'a>> {
        let Pairs(pairs) = serde_json::from_str(self.value(key)?).ok()?;
        pairs.into_iter().map(|(name, _)| name).find(|name| !known.contains(&&**name))
    }

    /// An object of names with strings, numbers or booleans as values: sorted by name, no name twice, empty if absent. A
    /// number or boolean is kept as the text that the client wrote.
    pub(super) fn parameters(&self, key: FieldKey, called: &str) -> Result<Vec<(Text<'a>, Text<'a>)>, Wrong> {
        let Some(json) = self.value(key) else { return Ok(Vec::new()) };
        let Pairs(mut pairs) = serde_json::from_str(json).map_err(|_| format!("`{called}` must be an object"))?;
        // The sort is stable, so of two pairs with the same name the later one comes second and is kept.
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                kept.1 = later.1;
            }
            same
        });
        pairs.retain(|(_, json)| *json != "null");
        let read = |(key, json)| {
            let key = name(key, &format_args!("a name in {called}"))?;
            let value = scalar(json, &format_args!("{called}.{}", shortened(&key)))?;
            Ok((key, value))
        };
        pairs.into_iter().map(read).collect()
    }
}

/// The beginning of a client's text, for a quote in an error.
pub(super) fn shortened(text: &str) -> &str {
    const QUOTED_BYTES_MAX: usize = 64;
    &text[..text.floor_char_boundary(QUOTED_BYTES_MAX)]
}

/// The error about a required field that is absent.
pub(super) fn missing(called: &str) -> Wrong {
    format!("`{called}` is missing")
}

/// Decodes a string from the JSON text of a value.
fn string<'a>(json: &'a str, called: &dyn fmt::Display) -> Result<Text<'a>, Wrong> {
    if !json.starts_with('"') {
        return Err(format!("`{called}` must be a string"));
    }
    // The text is valid JSON already. Only decoding shows whether its escapes are valid characters.
    let text: Borrowed<'_> =
        serde_json::from_str(json).map_err(|_| format!("`{called}` has an escape that is not a valid character"))?;
    Ok(text.0)
}

/// Decodes a string, or returns the text of a number or boolean.
fn scalar<'a>(json: &'a str, called: &dyn fmt::Display) -> Result<Text<'a>, Wrong> {
    match json.as_bytes().first() {
        Some(b'"') => string(json, called),
        Some(b'{' | b'[') | None => Err(format!("`{called}` must be a string, a number or a boolean")),
        Some(_) => Ok(Cow::Borrowed(json)),
    }
}

/// Checks that a text is a name.
fn name<'a>(text: Text<'a>, called: &dyn fmt::Display) -> Result<Text<'a>, Wrong> {
    match check_name(&text) {
        Ok(()) => Ok(text),
        Err(what) => Err(format!("`{called}` {what}")),
    }
}

fn no_longer_than<'a>(bytes_max: usize, text: Text<'a>, called: &dyn fmt::Display) -> Result<Text<'a>, Wrong> {
    if text.len() > bytes_max {
        return Err(format!("`{called}` {}", too_long(text.len(), bytes_max)));
    }
    Ok(text)
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Fields { values: Default::default() };
                while let Some(AnyKey(key)) = map.next_key()? {
                    match fields.values.get_mut(key as usize) {
                        Some(value) => *value = Some(map.next_value::<&RawValue>()?.get()),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Any key of an object. A key with an escape that is not a valid character is valid JSON and counts as unknown.
struct AnyKey(FieldKey);

impl<'de> Deserialize<'de> for AnyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl Visitor<'_> for Str {
            type Value = AnyKey;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Self::Value, E> {
                FieldKey::deserialize(BytesDeserializer::new(key)).map(AnyKey)
            }
        }
        // Read as bytes, because a text would need valid characters.
        deserializer.deserialize_bytes(Str)
    }
}

/// The pairs of an object in their order: decoded names, and values as JSON text.
struct Pairs<'a>(Vec<(Text<'a>, &'a str)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs = Vec::new();
                while let Some((Borrowed(key), value)) = map.next_entry::<Borrowed<'de>, &RawValue>()? {
                    pairs.push((key, value.get()));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A string, borrowed if it has no escapes (serde's own `Cow` always copies).
struct Borrowed<'a>(Text<'a>);

impl<'de> Deserialize<'de> for Borrowed<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Str;
        impl<'de> Visitor<'de> for Str {
            type Value = Borrowed<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Borrowed(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Str)
    }
}
