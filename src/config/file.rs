//! The configuration file: its text, its tables and keys, and the place of every error.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::template::nearest;

use super::checked::Config;
use super::error::{ConfigError, ConfigErrors, ERRORS_MAX, Location, quoted};
use super::setting::{RawValue, Setting, shown};
use super::settings::SETTINGS;

/// The size limit of the configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The table and name of the array of tables with the issuers.
pub(super) const ISSUERS: (&str, &str) = ("auth", "issuers");
/// The name of the array of tables with the templates.
pub(super) const TEMPLATES: &str = "templates";

/// Reads the text of the file.
///
/// # Errors
/// The file cannot be read, is too large, or is not valid UTF-8.
pub(super) fn text(path: &Path) -> Result<String, ConfigError> {
    let file = path.display().to_string();
    let unreadable = |what: String| ConfigError { location: Location::File(file.clone()), what };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(format!("the configuration file cannot be read: {error}")))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(unreadable("the configuration file is too large; allowed: at most 4MiB".to_owned()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
        let (line, column) = LineIndex::new(&before).place(valid);
        ConfigError {
            location: Location::Place { file: file.clone(), line, column },
            what: "not valid UTF-8".to_owned(),
        }
    })
}

/// The beginning of the messages of syntax errors.
const SYNTAX: &str = "TOML syntax error: ";

/// Collects the errors of one file and sorts them by their place.
pub(super) struct FileErrors<'t> {
    file: String,
    text: &'t str,
    found: Vec<(usize, String)>,
}

impl<'t> FileErrors<'t> {
    /// Starts without errors for the file at `path`, which contains `text`.
    pub(super) fn new(path: &Path, text: &'t str) -> Self {
        Self { file: path.display().to_string(), text, found: Vec::new() }
    }

    /// Adds an error about the part of the text that starts at `span`.
    pub(super) fn add(&mut self, span: &Range<usize>, what: String) {
        self.found.push((span.start.min(self.text.len()), what));
    }

    /// The line and column of `span`.
    pub(super) fn location(&self, span: &Range<usize>) -> Location {
        let (line, column) = LineIndex::new(self.text).place(span.start.min(self.text.len()));
        Location::Place { file: self.file.clone(), line, column }
    }

    /// Parses the text. Syntax errors are added, and the parts that could be parsed are returned, so that their errors
    /// can be reported too.
    pub(super) fn parse(&mut self) -> Document<'t> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let spans: Vec<Range<usize>> = errors.iter().map(|error| error.span().unwrap_or(0..0)).collect();
        for (error, span) in errors.iter().zip(&spans) {
            self.add(span, format!("{SYNTAX}{}", error.message()));
        }
        Document { table, unreliable: Unreliable::by(self.text, &spans) }
    }

    /// All errors in the order of the file, without those that are only consequences of broken syntax.
    pub(super) fn finish(mut self, unreliable: &Unreliable) -> ConfigErrors {
        self.found.retain(|(at, what)| unreliable.is_real(self.text, *at) || what.starts_with(SYNTAX));
        self.found.sort();
        let listed = self.found.len().min(ERRORS_MAX);
        let mut errors = ConfigErrors::default();
        errors.count(self.found.len() - listed);
        let mut places = LineIndex::new(self.text);
        for (at, what) in self.found.drain(..).take(listed) {
            let (line, column) = places.place(at);
            errors.add(ConfigError { location: Location::Place { file: self.file.clone(), line, column }, what });
        }
        errors
    }
}

/// The parts of a file that could be parsed.
pub(super) struct Document<'t> {
    pub(super) table: Spanned<DeTable<'t>>,
    pub(super) unreliable: Unreliable,
}

/// The parts of a file with syntax errors that were parsed into something that its author did not mean.
pub(super) enum Unreliable {
    /// Only these lines, each given by the offset of its first byte.
    Lines(Vec<usize>),
    /// All lines: a bracket is missing, so keys can be in other tables than their author meant.
    All,
}

impl Unreliable {
    fn by(text: &str, spans: &[Range<usize>]) -> Self {
        let lines: Vec<usize> = spans.iter().map(|span| line_start(text, span.start)).collect();
        let structural = |line: &usize| {
            let line = text[*line..].trim_start();
            line.is_empty() || line.starts_with('[')
        };
        if lines.iter().any(structural) { Self::All } else { Self::Lines(lines) }
    }

    /// Whether an error at byte `at` is real, and not a consequence of broken syntax.
    fn is_real(&self, text: &str, at: usize) -> bool {
        match self {
            Self::Lines(lines) => lines.is_empty() || !lines.contains(&line_start(text, at)),
            Self::All => false,
        }
    }
}

/// The offset of the first byte of the line that contains byte `at`.
fn line_start(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// Converts ascending byte offsets into lines and columns in one pass over the text.
struct LineIndex<'t> {
    text: &'t str,
    line: usize,
    line_start: usize,
    read: usize,
}

impl<'t> LineIndex<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, line: 1, line_start: 0, read: 0 }
    }

    /// Line and column of byte `at`, both counted from 1. `at` must not decrease from call to call.
    fn place(&mut self, at: usize) -> (usize, usize) {
        let bytes = self.text.as_bytes();
        for (index, byte) in bytes.iter().enumerate().take(at).skip(self.read) {
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = index + 1;
            }
        }
        self.read = at;
        let column =
            String::from_utf8_lossy(&bytes[self.line_start..at]).trim_start_matches('\u{feff}').chars().count();
        (self.line, column + 1)
    }
}

/// Writes all settings of the document into `config`, and returns each setting that it contains with its place. The
/// templates are left for [`super::templates`].
pub(super) fn apply(
    document: &DeTable<'_>,
    config: &mut Config,
    errors: &mut FileErrors<'_>,
) -> Vec<(&'static Setting, Location)> {
    let mut named = Vec::new();
    for (table, content) in document.iter() {
        if table.get_ref() == TEMPLATES {
            continue;
        }
        if !top_tables().any(|known| known == table.get_ref()) {
            errors.add(&table.span(), unknown_at_top(table.get_ref()));
        } else if let DeValue::Table(keys) = content.get_ref() {
            apply_table(table.get_ref(), keys, config, errors, &mut named);
        } else {
            let what = format!("{} is {}, but it must be a table: [{0}]", table.get_ref(), shown(content.get_ref()));
            errors.add(&content.span(), what);
        }
    }
    named
}

fn apply_table(
    table: &str,
    keys: &DeTable<'_>,
    config: &mut Config,
    errors: &mut FileErrors<'_>,
    named: &mut Vec<(&'static Setting, Location)>,
) {
    for (key, value) in keys.iter() {
        if (table, key.get_ref().as_ref()) == ISSUERS {
            continue;
        }
        let inner = format!("{table}.{}", key.get_ref());
        if tables().any(|known| known == inner) {
            match value.get_ref() {
                DeValue::Table(keys) => apply_table(&inner, keys, config, errors, named),
                other => {
                    let what = format!("{inner} is {}, but it must be a table: [{inner}]", shown(other));
                    errors.add(&value.span(), what);
                }
            }
            continue;
        }
        let setting = SETTINGS.iter().find(|s| s.file.is_some_and(|file| file == (table, key.get_ref().as_ref())));
        let Some(setting) = setting else {
            errors.add(&key.span(), unknown_in(table, key.get_ref()));
            continue;
        };
        named.push((setting, errors.location(&value.span())));
        let problems = setting.set(config, RawValue::File(value.get_ref())).err();
        for problem in problems.map(|problems| problems.0).unwrap_or_default() {
            let what = format!("{}: {}; allowed: {}", setting.name(), problem.what, setting.allowed());
            errors.add(&problem.span.unwrap_or_else(|| value.span()), what);
        }
    }
}

/// The names of the tables with settings, without repeats.
fn tables() -> impl Iterator<Item = &'static str> {
    let mut tables: Vec<_> = SETTINGS.iter().filter_map(|setting| Some(setting.file?.0)).collect();
    tables.dedup();
    tables.into_iter()
}

/// The tables that are not within another one.
fn top_tables() -> impl Iterator<Item = &'static str> {
    tables().filter(|table| !table.contains('.'))
}

fn keys(table: &str) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(move |setting| setting.file.filter(|file| file.0 == table).map(|file| file.1))
}

fn unknown_at_top(name: &str) -> String {
    if let Some((table, _)) = SETTINGS.iter().filter_map(|setting| setting.file).find(|file| file.1 == name) {
        return format!("{name} belongs in [{table}]");
    }
    let known: Vec<_> = top_tables().chain([TEMPLATES]).collect();
    unknown(&format!("unknown table or key {}", quoted(name)), name, &known)
}

fn unknown_in(table: &str, name: &str) -> String {
    let unknown_here = format!("unknown key {} in [{table}]", quoted(name));
    match tables().find(|other| keys(other).any(|key| key == name)) {
        Some(other) => format!("{unknown_here}; it belongs in [{other}]"),
        None => unknown(&unknown_here, name, &keys(table).collect::<Vec<_>>()),
    }
}

/// A message for an unknown name: it suggests the most similar known name, or lists all known names.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("{what}; did you mean {nearest}?"),
        None => format!("{what}; known: {}", known.join(", ")),
    }
}
