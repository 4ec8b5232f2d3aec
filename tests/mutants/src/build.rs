//! The copy of the repository in which all mutants of a sample are compiled at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::find::{Form, Mutant};

/// The variable that turns a mutant on, by its number in the build; `reached` makes the programs note what they came by.
pub(crate) const ON: &str = "MUTANT_ON";

/// The file into which the mutants write that they were reached.
pub(crate) const REACHED: &str = "MUTANT_REACHED";

/// What each package with mutants gets.
const SWITCH: &str = r#"
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod mutant_switch {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, Ordering};
    const COUNT: usize = @COUNT@ + 1;
    pub fn on(number: usize) -> bool {
        static ON: OnceLock<usize> = OnceLock::new();
        static REACHED: [AtomicBool; COUNT] = [const { AtomicBool::new(false) }; COUNT];
        let on = *ON.get_or_init(|| match std::env::var("MUTANT_ON") {
            Ok(value) if value == "reached" => usize::MAX,
            Ok(value) => value.parse().unwrap_or(0),
            Err(_) => 0,
        });
        if on == usize::MAX && !REACHED[number].swap(true, Ordering::Relaxed) {
            use std::io::Write as _;
            if let Some(path) = std::env::var_os("MUTANT_REACHED") {
                let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
                let _ = file.and_then(|mut file| file.write_all(format!("{number}\n").as_bytes()));
            }
        }
        on == number
    }
}
"#;

/// The copy.
pub(crate) struct Tree {
    repository: PathBuf,
    root: PathBuf,
}

/// A build with mutants in it.
pub(crate) struct Built {
    /// By their numbers, from 1 on.
    pub(crate) mutants: BTreeMap<usize, Mutant>,
    /// The test programs, by their targets' names.
    pub(crate) programs: BTreeMap<String, PathBuf>,
    pub(crate) root: PathBuf,
}

/// The position of a mutant in its file.
struct Placed {
    file: String,
    range: Range<usize>,
    number: usize,
}

impl Tree {
    pub(crate) fn copy_of(repository: &Path) -> Self {
        let root = repository.join("target/mutants/tree");
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(repository)
            .output()
            .expect("git runs");
        let names = String::from_utf8(listed.stdout).expect("names are text");
        let mut wanted = BTreeSet::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let from = repository.join(name);
            if from.is_file() {
                write_if_other(&root.join(name), &std::fs::read(&from).expect("readable"));
                std::fs::set_permissions(root.join(name), std::fs::metadata(&from).expect("there").permissions())
                    .expect("permitted");
                wanted.insert(root.join(name));
            }
        }
        remove_others(&root, &wanted);
        Self { repository: repository.to_owned(), root }
    }

    /// Compiles the first `count` of the mutants that can be compiled.
    pub(crate) fn build(&self, shuffled: &[Mutant], count: usize, room: &str, unit: bool) -> Built {
        let mut refused = BTreeSet::new();
        loop {
            let chosen = (0..shuffled.len()).filter(|index| !refused.contains(index)).take(count);
            let mutants: BTreeMap<usize, Mutant> = chosen.map(|index| (index + 1, shuffled[index].clone())).collect();
            let placed = self.write(&mutants, shuffled.len());
            match self.compile(room, unit) {
                Ok(programs) => {
                    println!("{} mutants in one build; {} could not be compiled", mutants.len(), refused.len());
                    return Built { mutants, programs, root: self.root.clone() };
                }
                Err(errors) => {
                    let before = refused.len();
                    for (file, range) in &errors {
                        let inside = placed.iter().filter(|placed| {
                            placed.file == *file && placed.range.start <= range.end && range.start <= placed.range.end
                        });
                        // If a `match` lacks an arm, the compiler reports the error at the matched expression, before the arm.
                        let behind =
                            placed.iter().filter(|placed| placed.file == *file && placed.range.start > range.end);
                        let closest = inside.min_by_key(|placed| placed.range.len());
                        if let Some(cause) = closest.or_else(|| behind.min_by_key(|placed| placed.range.start)) {
                            refused.insert(cause.number - 1);
                        }
                    }
                    assert!(refused.len() > before, "errors that no mutant explains: {errors:?}");
                    println!("{} mutants cannot be compiled; others take their places", refused.len());
                }
            }
        }
    }

    /// Writes the files with their mutants in them.
    fn write(&self, mutants: &BTreeMap<usize, Mutant>, all: usize) -> Vec<Placed> {
        let mut by_file: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
        for (number, mutant) in mutants {
            by_file.entry(&mutant.file).or_default().push((*number, mutant));
        }
        let mut placed = Vec::new();
        // Restores files that had mutants in an earlier attempt.
        for (file, mutants) in
            self.sources().iter().map(|file| (file, by_file.remove(file.as_str()).unwrap_or_default()))
        {
            let text = std::fs::read_to_string(self.repository.join(file)).expect("readable");
            let mut with = insert(&text, file, &mutants, &mut placed);
            if file.ends_with("/lib.rs") && self.repository.join(file).with_file_name("Cargo.toml").is_file()
                || file == "src/lib.rs"
            {
                with.push_str(&SWITCH.replace("@COUNT@", &all.to_string()));
            }
            write_if_other(&self.root.join(file), with.as_bytes());
        }
        placed
    }

    fn sources(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut folders = vec![self.repository.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
                if entry.is_dir() {
                    folders.push(entry);
                } else if entry.extension().is_some_and(|extension| extension == "rs") {
                    all.push(entry.strip_prefix(&self.repository).expect("below it").display().to_string());
                }
            }
        }
        all
    }

    fn compile(&self, room: &str, unit: bool) -> Result<BTreeMap<String, PathBuf>, Vec<(String, Range<usize>)>> {
        let mut packages: Vec<Vec<&str>> = Vec::new();
        let own = package_of(&self.root, room);
        if let Some(own) = &own {
            packages.push(vec!["-p", own, "--lib"]);
        }
        let mut rest = vec!["-p", "deskbell", "--lib"];
        if !unit {
            rest.extend(["--test", "wire", "--test", "auth", "--test", "api"]);
            if ["hub", "log"].contains(&room) {
                rest.extend(["--test", "cluster"]);
            }
        }
        packages.push(rest);
        let mut programs = BTreeMap::new();
        let mut errors = Vec::new();
        for package in packages {
            let output = Command::new("cargo")
                .args(["test", "--no-run", "--message-format=json", "--quiet"])
                .args(package)
                .current_dir(&self.root)
                .env("CARGO_TARGET_DIR", self.repository.join("target/mutants/build"))
                .output()
                .expect("cargo runs");
            let mut other = Vec::new();
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
                if message["reason"] == "compiler-artifact" && message["profile"]["test"] == true {
                    if let (Some(program), Some(name)) =
                        (message["executable"].as_str(), message["target"]["name"].as_str())
                    {
                        let is_bin = message["target"]["kind"][0] == "bin";
                        programs.insert(if is_bin { format!("bin {name}") } else { name.to_owned() }, program.into());
                    }
                }
                let message = &message["message"];
                if message["level"] == "error" {
                    let spans = message["spans"].as_array().map_or(&[][..], Vec::as_slice);
                    let found = spans.iter().filter(|span| span["is_primary"] == true).filter_map(place_of);
                    let before = errors.len();
                    errors.extend(found);
                    if errors.len() == before {
                        other.push(message["rendered"].as_str().unwrap_or_default().to_owned());
                    }
                }
            }
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(!errors.is_empty(), "cargo failed: {said}{}", other.concat());
                return Err(errors);
            }
        }
        Ok(programs)
    }
}

/// The name of the package in a folder, if the folder is a package.
pub(crate) fn package_of(root: &Path, room: &str) -> Option<String> {
    let manifest = std::fs::read_to_string(root.join("src").join(room).join("Cargo.toml")).ok()?;
    let name = manifest.lines().find_map(|line| line.strip_prefix("name = \""))?;
    Some(name.trim_end_matches('"').to_owned())
}

/// Where an error is; of an expanded macro, where that is written.
fn place_of(span: &Value) -> Option<(String, Range<usize>)> {
    let mut span = span;
    while span["expansion"].is_object() {
        span = &span["expansion"]["span"];
    }
    let number = |name: &str| span[name].as_u64().and_then(|number| usize::try_from(number).ok());
    Some((span["file_name"].as_str()?.to_owned(), number("byte_start")?..number("byte_end")?))
}

/// A file's text with the mutants in it. Their places nest or are apart, since they are places of one syntax tree.
fn insert(text: &str, file: &str, mutants: &[(usize, &Mutant)], placed: &mut Vec<Placed>) -> String {
    let switch = "crate::mutant_switch::on";
    // Position; ends before beginnings, inner ends before outer ones, outer beginnings before inner ones; then the text.
    let mut insertions: Vec<((usize, u8, usize, usize), usize, bool, String)> = Vec::new();
    for (number, mutant) in mutants {
        let Range { start, end } = mutant.range.clone();
        let long = usize::MAX - (end - start);
        let (before, after) = match mutant.form {
            Form::Expression => {
                (format!("(if {switch}({number}) {{ {} }} else {{ ", mutant.replacement), " })".to_owned())
            }
            Form::Statement => (format!("if {switch}({number}) {{}} else {{ "), " }".to_owned()),
            Form::Body => (format!(" if {switch}({number}) {{ return {}; }} ", mutant.replacement), String::new()),
            Form::Arm => (format!(" if !{switch}({number})"), String::new()),
        };
        insertions.push(((start, 1, long, *number), *number, true, before));
        if !after.is_empty() {
            insertions.push(((end, 0, end - start, usize::MAX - number), *number, false, after));
        }
    }
    insertions.sort();
    let mut out = String::with_capacity(text.len() * 2);
    let mut at = 0;
    for ((position, ..), number, begins, inserted) in insertions {
        out.push_str(&text[at..position]);
        at = position;
        let from = out.len();
        out.push_str(&inserted);
        if begins {
            placed.push(Placed { file: file.to_owned(), range: from..out.len(), number });
        } else if let Some(own) = placed.iter_mut().find(|placed| placed.number == number) {
            // An error in the original's text is due to this mutant, if to no smaller one.
            let whole = own.range.start..out.len();
            placed.push(Placed { file: file.to_owned(), range: whole, number });
        }
    }
    out.push_str(&text[at..]);
    out
}

/// Leaves a file alone that is as it should be, so that cargo does not build it again.
fn write_if_other(path: &Path, bytes: &[u8]) {
    if std::fs::read(path).is_ok_and(|have| have == bytes) {
        return;
    }
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            remove_others(&entry, wanted);
        } else if !wanted.contains(&entry) && entry.file_name().is_some_and(|name| name != "Cargo.lock") {
            std::fs::remove_file(&entry).expect("removable");
        }
    }
}
