//! The link of a template: an address with placeholders, whose values cannot change where it leads.

use deskbell_core::Text;

use super::text::{ExpandFault, TemplateText, TextFault};
use crate::outbound::OutboundUrl;

/// The longest rendered link, in bytes. A notification whose link would be longer has none.
pub const LINK_BYTES_MAX: usize = 1_024;

/// A parsed link. Scheme, host and port are literal and end with `/` before the first placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateLink {
    text: TemplateText,
}

/// Why a text is not a valid link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// It is not a valid template text.
    #[error(transparent)]
    Text(#[from] TextFault),
    /// The part before the first placeholder is not an allowed address.
    #[error(
        "it must begin with \"https://host/\", or \"http://\" and a loopback host; the \"/\" after the host comes before the first \
         placeholder"
    )]
    Address,
    /// A character outside the placeholders that a URL cannot have.
    #[error("a URL cannot have the character {character:?}; write it percent-encoded")]
    Character {
        /// The first such character.
        character: char,
    },
}

impl TemplateLink {
    /// Reads a link.
    ///
    /// # Errors
    /// The first fault.
    pub fn parse(source: &str) -> Result<Self, LinkFault> {
        let text = TemplateText::parse(source)?;
        let start = text.literal_start();
        let after_scheme = start.find("://").map(|at| at + 3).ok_or(LinkFault::Address)?;
        let host = start[after_scheme..].find('/').ok_or(LinkFault::Address)?;
        let origin = &start[..=after_scheme + host];
        // Backslashes and the like are separators for some browsers, so the address must be plain.
        if origin.contains(['\\', '?', '#']) || origin.parse::<OutboundUrl>().is_err() {
            return Err(LinkFault::Address);
        }
        let allowed = |character: char| {
            character.is_ascii_graphic() && !matches!(character, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '}' | '|')
        };
        let refused = text.literals().flat_map(str::chars).find(|&character| !allowed(character));
        match refused {
            Some(character) => Err(LinkFault::Character { character }),
            None => Ok(Self { text }),
        }
    }

    /// The text with its placeholders.
    pub(super) fn text(&self) -> &TemplateText {
        &self.text
    }

    /// Fills in the placeholders; each value is percent-encoded. `None`: a value is `.` or `..`, which browsers read as a
    /// step in the path, or the result is longer than [`LINK_BYTES_MAX`].
    ///
    /// # Errors
    /// A placeholder has neither a parameter nor a default.
    pub(super) fn expand<'p>(&self, parameters: &dyn Fn(&str) -> Option<&'p str>) -> Result<Option<Text>, ExpandFault> {
        let mut link = String::new();
        let mut is_safe = true;
        self.text.each_part(parameters, |part, is_value| {
            is_safe &= !(is_value && matches!(part, "." | ".."));
            // A long value is not encoded further than needed to see that it does not fit.
            if link.len() > LINK_BYTES_MAX {
                return;
            }
            if is_value {
                link.extend(percent_encoding::utf8_percent_encode(part, VALUE));
            } else {
                link.push_str(part);
            }
        })?;
        Ok((is_safe && link.len() <= LINK_BYTES_MAX).then(|| link.into()))
    }
}

/// Everything but the characters that a URL never encodes: `A-Z a-z 0-9 - . _ ~`.
const VALUE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &str, parameters: &[(&str, &str)]) -> Option<Text> {
        let link = TemplateLink::parse(source).unwrap();
        link.expand(&|name| parameters.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)).unwrap()
    }

    #[test]
    fn values_are_percent_encoded_and_defaults_too() {
        let source = "https://crm.example:8443/cases/{id}?q={q|a b/c}#x";
        let encoded = link(source, &[("id", "../ä?&\u{202e}~-_.")]).unwrap();
        assert_eq!(&*encoded, "https://crm.example:8443/cases/..%2F%C3%A4%3F%26%E2%80%AE~-_.?q=a%20b%2Fc#x");
    }

    #[test]
    fn a_step_in_the_path_or_a_long_value_gives_no_link() {
        let source = "https://crm.example/{a}/{b|x}";
        assert_eq!(link(source, &[("a", ".")]), None);
        assert_eq!(link(source, &[("a", "1"), ("b", "..")]), None);
        assert_eq!(link(source, &[("a", "...")]).as_deref(), Some("https://crm.example/.../x"));
        let fits = LINK_BYTES_MAX - "https://crm.example//x".len();
        assert!(link(source, &[("a", &"y".repeat(fits))]).is_some());
        assert_eq!(link(source, &[("a", &"y".repeat(fits + 1))]), None);
        assert_eq!(link(source, &[("a", &"ä".repeat(fits / 6 + 1))]), None);
    }

    #[test]
    fn the_address_is_literal_and_allowed() {
        for source in [
            "https://crm.example/",
            "https://crm.example/{a}",
            "http://127.0.0.1:8000/{a}",
            "http://localhost/x",
            "http://[::1]:1/{a}",
        ] {
            assert!(TemplateLink::parse(source).is_ok(), "{source}");
        }
        for source in [
            "",
            "/cases/{a}",
            "https://crm.example",
            "https://crm.example{a}/",
            "https://{host}/",
            "{all}",
            "https://crm.example:{port}/",
            "https://crm.example?{a}/",
            "http://crm.example/",
            "javascript:alert(1)//x/",
            "data://x/",
            "https:///x",
            "https://me@crm.example/",
            "https://crm.example\\@evil.example/",
        ] {
            assert_eq!(TemplateLink::parse(source), Err(LinkFault::Address), "{source}");
        }
        assert_eq!(TemplateLink::parse("https://a/ b").unwrap_err(), LinkFault::Character { character: ' ' });
        assert!(matches!(TemplateLink::parse("https://a/{"), Err(LinkFault::Text(_))));
    }

    #[test]
    fn a_missing_parameter_is_named() {
        let fault = TemplateLink::parse("https://a/{id}").unwrap().expand(&|_| None).unwrap_err();
        assert_eq!(fault, ExpandFault::Unresolved { placeholder: "id".into() });
    }
}
