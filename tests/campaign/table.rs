//! The output of a command: one name and value per line.

use std::fmt::Display;

#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<(String, String)>,
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, value: impl Display) {
        self.rows.push((name.to_owned(), value.to_string()));
    }

    pub(crate) fn print(&self) {
        let width = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        println!("\n{}", self.title);
        for (name, value) in &self.rows {
            println!("  {name:<width$}  {value}");
        }
    }
}
