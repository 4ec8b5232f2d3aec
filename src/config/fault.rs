//! What is wrong with the configuration, and where.

use std::fmt;

use crate::telemetry::escape;

/// The most faults that are reported singly; the rest is counted.
pub const FAULTS_MAX: usize = 100;

/// The most characters of a wrong value that a message repeats.
const QUOTED_CHARACTERS_MAX: usize = 60;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line: the flag or word that it is about.
    CommandLine(String),
    /// An environment variable.
    Variable(String),
    /// The configuration file as a whole.
    File(String),
    /// A place in the configuration file.
    Place {
        /// The file as it was given.
        file: String,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(word) | Self::Variable(word) | Self::File(word) => f.write_str(&escape(word)),
            Self::Place { file, line, column } => write!(f, "{}:{line}:{column}", escape(file)),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{origin}: {what}")]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// What is wrong, and what is allowed; one line.
    pub what: String,
}

/// Everything that is wrong; never nothing. Displays as one line each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    listed: Vec<Fault>,
    /// Faults past [`FAULTS_MAX`].
    more: usize,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        if self.listed.len() < FAULTS_MAX {
            self.listed.push(fault);
        } else {
            self.more += 1;
        }
    }

    /// Counts `more` faults without listing them.
    pub(super) fn count(&mut self, more: usize) {
        self.more += more;
    }

    /// Adds all of another's.
    pub fn extend(&mut self, other: Self) {
        other.listed.into_iter().for_each(|fault| self.add(fault));
        self.more += other.more;
    }

    /// The faults that are listed: the first [`FAULTS_MAX`].
    #[must_use]
    pub fn listed(&self) -> &[Fault] {
        &self.listed
    }

    /// How many there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.len() + self.more
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One line per fault, and one for those that are not listed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let more = (self.more > 0).then(|| format!("… and {} more", self.more));
        self.listed.iter().map(ToString::to_string).chain(more).collect()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// A wrong value as messages repeat it: quoted, on one line, cut if long.
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
    fn past_the_bound_faults_are_counted() {
        let mut faults = Faults::default();
        for _ in 0..FAULTS_MAX + 5 {
            faults.add(Fault { origin: Origin::Variable("V".into()), what: "wrong".into() });
        }
        assert_eq!(faults.len(), FAULTS_MAX + 5);
        assert_eq!(faults.lines().len(), FAULTS_MAX + 1);
        assert!(faults.to_string().ends_with("… and 5 more"));
    }

    #[test]
    fn a_wrong_value_is_quoted_on_one_line_and_cut() {
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"é".repeat(100)), format!("\"{}…\"", "é".repeat(60)));
    }
}
