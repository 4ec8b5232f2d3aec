//! Mutants that change nothing that anybody could notice, each with the argument for it.

use std::path::Path;

use crate::find::Mutant;

/// One line of the file: `FILE | FUNCTION | CHANGE | ARGUMENT`, where the change is written as the report writes it.
pub(crate) struct Known(Vec<[String; 4]>);

pub(crate) fn read(file: &Path) -> Known {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Known(
        lines
            .map(|line| {
                let parts: Vec<String> = line.split(" | ").map(|part| part.trim().to_owned()).collect();
                parts.try_into().unwrap_or_else(|_| panic!("{}: not four parts: {line}", file.display()))
            })
            .collect(),
    )
}

impl Known {
    pub(crate) fn argument(&self, mutant: &Mutant) -> Option<&str> {
        let found = self.0.iter().find(|[file, function, change, _]| {
            *file == mutant.file && *function == mutant.function && *change == mutant.change()
        });
        found.map(|[.., argument]| argument.as_str())
    }
}
