//! Template texts: `{name}` and `{name|default}` are placeholders, `{{` and `}}` the braces themselves.
//!
//! A text is expanded once: braces in a parameter or a default are plain text. A default ends at the next closing brace, so it
//! can contain anything else.

use std::borrow::Cow;

/// The longest template text in the configuration, in bytes. [`RENDERED_BYTES_MAX`] limits its rendered form.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// The longest rendered title or field value, in bytes (the contract's "Sizes").
pub const RENDERED_BYTES_MAX: usize = 1_024;
/// The longest placeholder name, in bytes.
pub const PLACEHOLDER_BYTES_MAX: usize = 128;

/// A parsed template text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateText {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Placeholder { name: String, default: Option<String> },
}

/// Why a text is not a valid template text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// A `{` without a `}` after it.
    #[error("character {at}: this \"{{\" is never closed; a literal brace is written \"{{{{\"")]
    Unclosed {
        /// The position of the character in the text, from 1.
        at: usize,
    },
    /// A `}` that belongs to no placeholder.
    #[error("character {at}: this \"}}\" closes nothing; a literal brace is written \"}}}}\"")]
    LoneClosing {
        /// The position of the character in the text, from 1.
        at: usize,
    },
    /// `{}` or `{|default}`.
    #[error("character {at}: the placeholder has no name; write {{name}} or {{name|default}}")]
    NoName {
        /// The position of the character in the text, from 1.
        at: usize,
    },
    /// A placeholder with a name that a parameter cannot have.
    #[error(
        "character {at}: a placeholder's name has at most {PLACEHOLDER_BYTES_MAX} bytes, no \"{{\" and no control characters"
    )]
    BadName {
        /// The position of the character in the text, from 1.
        at: usize,
    },
    /// The text is longer than [`TEXT_BYTES_MAX`].
    #[error("{bytes} bytes long; allowed: at most {TEXT_BYTES_MAX}")]
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// The part outside the placeholders is longer than [`RENDERED_BYTES_MAX`], so the text could never be rendered.
    #[error("{bytes} bytes outside its placeholders; rendered it may have at most {RENDERED_BYTES_MAX}")]
    NeverFits {
        /// The length of that part.
        bytes: usize,
    },
}

/// Why a text cannot be rendered with these parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpandFault {
    /// A placeholder has neither a parameter nor a default.
    Unresolved {
        /// The placeholder's name.
        placeholder: String,
    },
    /// The rendered text would be longer than [`RENDERED_BYTES_MAX`].
    TooLong {
        /// The length of the rendered text.
        bytes: usize,
    },
}

impl TemplateText {
    /// Reads a template text.
    ///
    /// # Errors
    /// The first fault, with its place in the text.
    pub fn parse(source: &str) -> Result<Self, TextFault> {
        if source.len() > TEXT_BYTES_MAX {
            return Err(TextFault::TooLong { bytes: source.len() });
        }
        let mut reader = TextReader { source, at: 0, pieces: Vec::new(), literal: String::new() };
        while reader.step()? {}
        let text = Self { pieces: reader.finish() };
        let bytes = text.literal_bytes();
        if bytes > RENDERED_BYTES_MAX { Err(TextFault::NeverFits { bytes }) } else { Ok(text) }
    }

    /// The placeholders with their defaults, in order. A name that is used twice occurs twice.
    pub fn placeholders(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Placeholder { name, default } => Some((name.as_str(), default.as_deref())),
            Piece::Literal(_) => None,
        })
    }

    /// The text as one can write it: [`parse`](Self::parse) gives an equal one.
    #[must_use]
    pub fn written(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(literal) => escape(literal).into_owned(),
            Piece::Placeholder { name, default: Some(default) } => format!("{{{name}|{default}}}"),
            Piece::Placeholder { name, default: None } => format!("{{{name}}}"),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// Puts `parameters` in the places of the placeholders. An empty parameter counts as given.
    ///
    /// # Errors
    /// [`ExpandFault`]: a placeholder with neither a parameter nor a default comes before a text too long.
    pub fn expand<'p>(&self, parameters: &dyn Fn(&str) -> Option<&'p str>) -> Result<String, ExpandFault> {
        let parts = self.pieces.iter().map(|piece| piece.resolve(parameters)).collect::<Result<Vec<_>, _>>()?;
        let bytes = parts.iter().map(|part| part.len()).sum();
        if bytes > RENDERED_BYTES_MAX { Err(ExpandFault::TooLong { bytes }) } else { Ok(parts.concat()) }
    }

    /// Passes the parts in order, each with whether it is a placeholder's value.
    ///
    /// # Errors
    /// [`ExpandFault::Unresolved`], after the parts before it.
    pub(super) fn each_part<'p>(
        &self,
        parameters: &dyn Fn(&str) -> Option<&'p str>,
        mut each: impl FnMut(&str, bool),
    ) -> Result<(), ExpandFault> {
        for piece in &self.pieces {
            each(piece.resolve(parameters)?, matches!(piece, Piece::Placeholder { .. }));
        }
        Ok(())
    }

    /// The text before the first placeholder.
    pub(super) fn literal_start(&self) -> &str {
        match self.pieces.first() {
            Some(Piece::Literal(literal)) => literal,
            _ => "",
        }
    }

    /// The text outside the placeholders.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(literal) => Some(literal.as_str()),
            Piece::Placeholder { .. } => None,
        })
    }

    fn literal_bytes(&self) -> usize {
        self.literals().map(str::len).sum()
    }
}

impl Piece {
    fn resolve<'a, 'p: 'a>(&'a self, parameters: &dyn Fn(&str) -> Option<&'p str>) -> Result<&'a str, ExpandFault> {
        match self {
            Self::Literal(literal) => Ok(literal),
            Self::Placeholder { name, default } => parameters(name)
                .or(default.as_deref())
                .ok_or_else(|| ExpandFault::Unresolved { placeholder: name.clone() }),
        }
    }
}

/// Writes `literal` so that [`TemplateText::parse`] reads it back as that literal.
#[must_use]
pub fn escape(literal: &str) -> Cow<'_, str> {
    if literal.contains(['{', '}']) { literal.replace('{', "{{").replace('}', "}}").into() } else { literal.into() }
}

struct TextReader<'s> {
    source: &'s str,
    /// The byte to read next; always at a character's start.
    at: usize,
    pieces: Vec<Piece>,
    /// Literal text that no piece holds yet.
    literal: String,
}

impl TextReader<'_> {
    /// Reads up to and including the next brace; `false` at the end.
    fn step(&mut self) -> Result<bool, TextFault> {
        let rest = &self.source[self.at..];
        let Some(brace) = rest.find(['{', '}']) else {
            self.literal.push_str(rest);
            self.at = self.source.len();
            return Ok(false);
        };
        self.literal.push_str(&rest[..brace]);
        let opening = self.at + brace;
        let rest = &rest[brace..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            self.literal.push_str(&rest[..1]);
            self.at = opening + 2;
        } else if rest.starts_with('}') {
            return Err(TextFault::LoneClosing { at: self.character(opening) });
        } else {
            self.placeholder(opening)?;
        }
        Ok(true)
    }

    /// Reads the placeholder with its brace at byte `opening`.
    fn placeholder(&mut self, opening: usize) -> Result<(), TextFault> {
        let at = self.character(opening);
        let inside = &self.source[opening + 1..];
        let closing = inside.find('}').ok_or(TextFault::Unclosed { at })?;
        let (name, default) = match inside[..closing].split_once('|') {
            Some((name, default)) => (name, Some(default.to_owned())),
            None => (&inside[..closing], None),
        };
        if name.is_empty() {
            return Err(TextFault::NoName { at });
        }
        if name.len() > PLACEHOLDER_BYTES_MAX || name.contains('{') || name.contains(char::is_control) {
            return Err(TextFault::BadName { at });
        }
        self.end_literal();
        self.pieces.push(Piece::Placeholder { name: name.to_owned(), default });
        self.at = opening + 1 + closing + 1;
        Ok(())
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            self.pieces.push(Piece::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        self.end_literal();
        self.pieces
    }

    /// The place of byte `byte`, as people count: in characters, from 1.
    fn character(&self, byte: usize) -> usize {
        self.source[..byte].chars().count() + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expand(source: &str, parameters: &[(&str, &str)]) -> Result<String, ExpandFault> {
        TemplateText::parse(source)
            .unwrap()
            .expand(&|name| parameters.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
    }

    #[test]
    fn placeholders_defaults_and_braces() {
        for (source, parameters, expected) in [
            ("", &[][..], ""),
            ("{customerName|A customer} is calling", &[], "A customer is calling"),
            ("{customerName|A customer} is calling", &[("customerName", "Grace")], "Grace is calling"),
            ("{a}{b}", &[("a", "1"), ("b", "2")], "12"),
            ("{a|x}", &[("a", "")], ""),
            ("{a|}", &[], ""),
            ("{{a}}", &[("a", "1")], "{a}"),
            ("{{{a}}}", &[("a", "1")], "{1}"),
            ("{a|b|c}", &[], "b|c"),
            ("{a|b{c}", &[], "b{c"),
            ("{a|b}}}", &[], "b}"),
            ("{a}", &[("a", "{b}}{{"), ("b", "no")], "{b}}{{"),
            ("{ a }", &[(" a ", "spaces belong to the name")], "spaces belong to the name"),
            ("é{ü|ö}", &[], "éö"),
        ] {
            assert_eq!(expand(source, parameters).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_written_down_reads_as_the_same() {
        for source in ["", "{a|x} calls {b}", "{{a}} {a|}", "{a|b{c}}}", "{{{a|b|c}}}"] {
            let text = TemplateText::parse(source).unwrap();
            assert_eq!(text.written(), source);
            assert_eq!(TemplateText::parse(&text.written()), Ok(text));
        }
    }

    #[test]
    fn a_fault_says_where_it_is() {
        for (source, fault) in [
            ("é{a", TextFault::Unclosed { at: 2 }),
            ("{", TextFault::Unclosed { at: 1 }),
            ("{{{", TextFault::Unclosed { at: 3 }),
            ("a}", TextFault::LoneClosing { at: 2 }),
            ("{a|b}}", TextFault::LoneClosing { at: 6 }),
            ("x{}", TextFault::NoName { at: 2 }),
            ("x{|d}", TextFault::NoName { at: 2 }),
            ("{a{b}", TextFault::BadName { at: 1 }),
            ("{a\n}", TextFault::BadName { at: 1 }),
        ] {
            assert_eq!(TemplateText::parse(source), Err(fault), "{source}");
        }
        let long_name = format!("{{{}}}", "n".repeat(PLACEHOLDER_BYTES_MAX + 1));
        assert_eq!(TemplateText::parse(&long_name), Err(TextFault::BadName { at: 1 }));
    }

    #[test]
    fn a_placeholder_without_parameter_or_default_is_unresolved() {
        let fault = ExpandFault::Unresolved { placeholder: "queue".to_owned() };
        assert_eq!(expand("{a|x} in {queue}", &[]), Err(fault));
    }

    #[test]
    fn lengths_are_counted_in_bytes_and_held() {
        let fits = "é".repeat(RENDERED_BYTES_MAX / 2);
        assert_eq!(expand("{a}", &[("a", &fits)]).as_deref(), Ok(fits.as_str()));
        assert_eq!(expand(".{a}", &[("a", &fits)]), Err(ExpandFault::TooLong { bytes: 1025 }));
        assert_eq!(TemplateText::parse(&"x".repeat(1025)), Err(TextFault::NeverFits { bytes: 1025 }));
        assert_eq!(TemplateText::parse(&"x".repeat(4097)), Err(TextFault::TooLong { bytes: 4097 }));
        assert!(TemplateText::parse(&format!("{{a|{}}}", "x".repeat(2000))).is_ok());
        // Each limit is the largest that is allowed; a placeholder adds nothing to the literal text.
        assert!(TemplateText::parse(&format!("{{a|}}{}", "x".repeat(RENDERED_BYTES_MAX))).is_ok());
        assert!(TemplateText::parse(&"x".repeat(RENDERED_BYTES_MAX)).is_ok());
        let longest = format!("{{a|{}}}", "x".repeat(TEXT_BYTES_MAX - "{a|}".len()));
        assert!(TemplateText::parse(&longest).is_ok());
        assert_eq!(TemplateText::parse(&format!("{longest}x")), Err(TextFault::TooLong { bytes: TEXT_BYTES_MAX + 1 }));
        assert!(TemplateText::parse(&format!("{{{}}}", "n".repeat(PLACEHOLDER_BYTES_MAX))).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_never_panics(
            source in "([{}|a-cé\u{202e}\n]|\\PC){0,40}",
            value in "\\PC{0,8}",
        ) {
            if let Ok(text) = TemplateText::parse(&source) {
                let _ = text.expand(&|_| None);
                prop_assert!(text.expand(&|_| Some(&value)).is_ok());
            }
        }

        #[test]
        fn an_escaped_literal_comes_back_as_it_was(literal in "([{}|a]|\\PC){0,60}") {
            let text = TemplateText::parse(&escape(&literal)).unwrap();
            prop_assert_eq!(text.placeholders().count(), 0);
            prop_assert_eq!(text.expand(&|_| None), Ok(literal));
        }

        #[test]
        fn a_parameter_stands_in_the_text_as_it_is(before in "\\PC{0,9}", value in "([{}|a]|\\PC){0,30}") {
            let text = TemplateText::parse(&format!("{}{{p}}", escape(&before))).unwrap();
            prop_assert_eq!(text.expand(&|_| Some(&value)), Ok(format!("{before}{value}")));
        }
    }
}
