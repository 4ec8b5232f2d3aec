//! Configuration errors: the problem, and its place.

use std::fmt;

use crate::telemetry::escape;

/// How many errors are listed one by one. Further ones are only counted.
pub const ERRORS_MAX: usize = 100;

/// How many characters of a wrong value a message repeats.
const QUOTED_CHARACTERS_MAX: usize = 60;

/// The place of an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// A flag or word of the command line.
    CommandLine(String),
    /// An environment variable.
    Variable(String),
    /// The configuration file as a whole.
    File(String),
    /// A place in the configuration file.
    Place {
        /// The path as the user wrote it.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(word) | Self::Variable(word) | Self::File(word) => f.write_str(&escape(word)),
            Self::Place { file, line, column } => write!(f, "{}:{line}:{column}", escape(file)),
        }
    }
}

/// One error in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{location}: {what}")]
pub struct ConfigError {
    /// The place of the error.
    pub location: Location,
    /// The problem and the allowed values, on one line.
    pub what: String,
}

/// All errors of a configuration, which `Display` writes one per line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors {
    listed: Vec<ConfigError>,
    /// The number of errors past [`ERRORS_MAX`].
    more: usize,
}

impl ConfigErrors {
    /// Adds one error.
    pub fn add(&mut self, error: ConfigError) {
        if self.listed.len() < ERRORS_MAX {
            self.listed.push(error);
        } else {
            self.more += 1;
        }
    }

    /// Counts `more` errors without listing them.
    pub(super) fn count(&mut self, more: usize) {
        self.more += more;
    }

    /// Adds all errors of `other`.
    pub fn extend(&mut self, other: Self) {
        other.listed.into_iter().for_each(|error| self.add(error));
        self.more += other.more;
    }

    /// The listed errors: the first [`ERRORS_MAX`].
    #[must_use]
    pub fn listed(&self) -> &[ConfigError] {
        &self.listed
    }

    /// The number of all errors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len() + self.more
    }

    /// Whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One line per listed error, and one line that counts the others.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("… and {} more", self.more));
        self.listed.iter().map(ToString::to_string).chain(more).collect()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// A wrong value as it appears in messages: in quotes, on one line, and cut if it is long.
pub(super) fn quoted(value: &str) -> String {
    let escaped = escape(value);
    match escaped.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("\"{}…\"", &escaped[..end]),
        None => format!("\"{escaped}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_past_the_limit_are_counted() {
        let mut errors = ConfigErrors::default();
        for _ in 0..ERRORS_MAX + 5 {
            errors.add(ConfigError { location: Location::Variable("V".into()), what: "wrong".into() });
        }
        assert_eq!(errors.len(), ERRORS_MAX + 5);
        assert_eq!(errors.lines().len(), ERRORS_MAX + 1);
        assert!(errors.to_string().ends_with("… and 5 more"));
    }

    #[test]
    fn a_wrong_value_is_quoted_on_one_line_and_cut() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"é".repeat(100)), format!("\"{}…\"", "é".repeat(60)));
    }
}
