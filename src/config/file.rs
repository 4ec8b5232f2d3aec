//! The configuration file: its text, its tables and keys, and the place of every fault.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::checked::Config;
use crate::template::nearest;

use super::fault::{FAULTS_MAX, Fault, Faults, Origin, quoted};
use super::setting::{Given, Setting, shown};
use super::settings::SETTINGS;

/// The largest configuration file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The array of tables that holds the templates.
pub(super) const TEMPLATES: &str = "templates";

/// Reads the file's text.
///
/// # Errors
/// The one fault for which it cannot be read.
pub(super) fn text(path: &Path) -> Result<String, Fault> {
    let file = path.display().to_string();
    let unreadable = |what: String| Fault { origin: Origin::File(file.clone()), what };
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
        let (line, column) = Places::new(&before).place(valid);
        Fault { origin: Origin::Place { file: file.clone(), line, column }, what: "not UTF-8".to_owned() }
    })
}

/// Collects the faults of one file by their place in it.
pub(super) struct FileFaults<'t> {
    file: String,
    text: &'t str,
    found: Vec<(usize, String)>,
}

impl<'t> FileFaults<'t> {
    /// For the file at `path` that contains `text`.
    pub(super) fn new(path: &Path, text: &'t str) -> Self {
        Self { file: path.display().to_string(), text, found: Vec::new() }
    }

    /// `what` is wrong with what begins at `span`.
    pub(super) fn add(&mut self, span: &Range<usize>, what: String) {
        self.found.push((span.start.min(self.text.len()), what));
    }

    /// Where in the file `span` is.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let (line, column) = Places::new(self.text).place(span.start.min(self.text.len()));
        Origin::Place { file: self.file.clone(), line, column }
    }

    /// Parses the text. Whatever of it is no TOML is a fault; the rest is returned all the same, so that its faults can
    /// be named too.
    pub(super) fn parse(&mut self) -> Document<'t> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        let spans: Vec<Range<usize>> = errors.iter().map(|error| error.span().unwrap_or(0..0)).collect();
        for (error, span) in errors.iter().zip(&spans) {
            self.add(span, format!("no TOML: {}", error.message()));
        }
        Document { table, spoilt: Spoilt::by(self.text, &spans) }
    }

    /// All faults, in the order of the file.
    pub(super) fn finish(mut self, spoilt: &Spoilt) -> Faults {
        self.found.retain(|(at, what)| spoilt.tells(self.text, *at) || what.starts_with("no TOML"));
        self.found.sort();
        let listed = self.found.len().min(FAULTS_MAX);
        let mut faults = Faults::default();
        faults.count(self.found.len() - listed);
        let mut places = Places::new(self.text);
        for (at, what) in self.found.drain(..).take(listed) {
            let (line, column) = places.place(at);
            faults.add(Fault { origin: Origin::Place { file: self.file.clone(), line, column }, what });
        }
        faults
    }
}

/// A file as far as it could be parsed.
pub(super) struct Document<'t> {
    pub(super) table: Spanned<DeTable<'t>>,
    pub(super) spoilt: Spoilt,
}

/// How far what follows from a file can be trusted that is no whole TOML.
pub(super) enum Spoilt {
    /// Not in these lines (by their first byte); in all if there are none.
    Lines(Vec<usize>),
    /// Nowhere: a bracket is missing, so keys are not in the tables where their author sees them.
    All,
}

impl Spoilt {
    fn by(text: &str, spans: &[Range<usize>]) -> Self {
        let lines: Vec<usize> = spans.iter().map(|span| line_start(text, span.start)).collect();
        let structural = |line: &usize| {
            let line = text[*line..].trim_start();
            line.is_empty() || line.starts_with('[')
        };
        if lines.iter().any(structural) { Self::All } else { Self::Lines(lines) }
    }

    /// Whether a fault found at byte `at` is one, and not a consequence of broken syntax.
    fn tells(&self, text: &str, at: usize) -> bool {
        match self {
            Self::Lines(lines) => lines.is_empty() || !lines.contains(&line_start(text, at)),
            Self::All => false,
        }
    }
}

/// The first byte of the line that byte `at` is in.
fn line_start(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1)
}

/// Turns ascending byte offsets into lines and columns, in one pass.
struct Places<'t> {
    text: &'t str,
    line: usize,
    line_start: usize,
    read: usize,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, line: 1, line_start: 0, read: 0 }
    }

    /// Line and column, both from 1, of byte `at`, which is not before the last one asked for.
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

/// Puts all settings of the document into `config`; returns which of them it names and where. Its templates are left.
pub(super) fn apply(
    document: &DeTable<'_>,
    config: &mut Config,
    faults: &mut FileFaults<'_>,
) -> Vec<(&'static Setting, Origin)> {
    let mut named = Vec::new();
    for (table, content) in document.iter() {
        if table.get_ref() == TEMPLATES {
            continue;
        }
        if !tables().any(|known| known == table.get_ref()) {
            faults.add(&table.span(), unknown_at_top(table.get_ref()));
        } else if let DeValue::Table(keys) = content.get_ref() {
            apply_table(table.get_ref(), keys, config, faults, &mut named);
        } else {
            let what = format!("{} is {}; it is a table: [{0}]", table.get_ref(), shown(content.get_ref()));
            faults.add(&content.span(), what);
        }
    }
    named
}

fn apply_table(
    table: &str,
    keys: &DeTable<'_>,
    config: &mut Config,
    faults: &mut FileFaults<'_>,
    named: &mut Vec<(&'static Setting, Origin)>,
) {
    for (key, value) in keys.iter() {
        let setting = SETTINGS.iter().find(|s| s.file.is_some_and(|file| file == (table, key.get_ref().as_ref())));
        let Some(setting) = setting else {
            faults.add(&key.span(), unknown_in(table, key.get_ref()));
            continue;
        };
        named.push((setting, faults.origin(&value.span())));
        let problems = setting.set(config, Given::File(value.get_ref())).err();
        for problem in problems.map(|problems| problems.0).unwrap_or_default() {
            let what = format!("{}: {}; allowed: {}", setting.name(), problem.what, setting.allowed());
            faults.add(&problem.span.unwrap_or_else(|| value.span()), what);
        }
    }
}

/// The tables that hold settings, each once.
fn tables() -> impl Iterator<Item = &'static str> {
    let mut tables: Vec<_> = SETTINGS.iter().filter_map(|setting| Some(setting.file?.0)).collect();
    tables.dedup();
    tables.into_iter()
}

fn keys(table: &str) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter_map(move |setting| setting.file.filter(|file| file.0 == table).map(|file| file.1))
}

fn unknown_at_top(name: &str) -> String {
    if let Some((table, _)) = SETTINGS.iter().filter_map(|setting| setting.file).find(|file| file.1 == name) {
        return format!("{name} belongs in [{table}]");
    }
    let known: Vec<_> = tables().chain([TEMPLATES]).collect();
    unknown(&format!("unknown table or key {}", quoted(name)), name, &known)
}

fn unknown_in(table: &str, name: &str) -> String {
    let unknown_here = format!("unknown key {} in [{table}]", quoted(name));
    match tables().find(|other| keys(other).any(|key| key == name)) {
        Some(other) => format!("{unknown_here}; it belongs in [{other}]"),
        None => unknown(&unknown_here, name, &keys(table).collect::<Vec<_>>()),
    }
}

/// `what` is unknown: says what was probably meant, else what there is.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("{what}; did you mean {nearest}?"),
        None => format!("{what}; known: {}", known.join(", ")),
    }
}
