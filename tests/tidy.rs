//! Holds the house's lines, which Cargo cannot hold within one package: who may know whom, and what the core may not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of `src/`, and which rooms each may name. A room not in the list fails the test.
const ROOMS: &[(&str, &[&str])] = &[
    // The core is a package of its own: other rooms name it `deskbell_core`, and the compiler keeps them out of it.
    ("core", &[]),
    ("protocol", &[]),
    ("network", &[]),
    ("metrics", &[]),
    ("watched", &[]),
    ("template", &["watched"]),
    ("auth", &["protocol"]),
    ("tls", &[]),
    ("log", &[]),
    ("hub", &["log", "metrics", "core"]),
    ("gateway", &["auth", "explain", "hub", "log", "metrics", "network", "protocol", "template", "tls", "core"]),
    ("config", &["auth", "network", "telemetry", "template", "tls", "core"]),
    ("telemetry", &[]),
    ("client", &["protocol"]),
    ("explain", &["hub", "log", "protocol", "telemetry", "core"]),
    (
        "command",
        &[
            "auth",
            "client",
            "config",
            "explain",
            "gateway",
            "hub",
            "log",
            "protocol",
            "telemetry",
            "template",
            "tls",
            "watched",
            "core",
        ],
    ),
];

/// Words that must not stand in a room's code, with the reason.
const BANNED: &[(&str, &[&str], &str)] = &[
    (
        "core",
        &[
            "tokio",
            "async ",
            ".await",
            "std::net",
            "std::fs",
            "std::io",
            "std::time",
            "std::thread",
            "std::sync::Mutex",
            "SystemTime",
            "Instant",
            "rand",
            "getrandom",
            "serde_json",
            "HashMap",
            "HashSet",
            "tracing",
            "f32",
            "f64",
            "uuid",
        ],
        "the core knows no async, clock, randomness, I/O, JSON, unordered iteration or floats",
    ),
    ("hub", &["serde_json", "tungstenite", "hyper"], "the hub knows neither the wire nor the sockets"),
    ("log", &["serde_json", "tungstenite", "hyper"], "the log knows neither the wire nor the sockets"),
    ("template", &["serde_json", "tungstenite", "hyper"], "templates know neither the wire nor the sockets"),
    (
        "auth",
        &["tokio", "hyper", "tungstenite", "Instant", "tracing"],
        "who may come in is decided without I/O but files, and without a clock",
    ),
    ("gateway", &["serde_json"], "only protocol/ knows the wire's JSON"),
    ("protocol", &["tokio::", "hyper"], "the wire's words need no I/O"),
];

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("readable").path()) {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room of a file: the first part of its path below `src/`.
fn room_of(file: &Path) -> String {
    let below = file.strip_prefix(source()).expect("below src/");
    let first = below.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file, without comments and without its unit tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("readable");
    let tests = text.find("#[cfg(test)]\nmod ").filter(|&at| text[at..].contains('{')).unwrap_or(text.len());
    text[..tests].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether a file holds tests only.
fn is_test(file: &Path) -> bool {
    file.iter().any(|part| part == "tests" || part == "tests.rs" || part == "suite.rs")
}

/// Rooms that a text names by `crate::room`, also in `use crate::{a, b}`.
fn rooms_named(text: &str) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        for part in inner.unwrap_or(rest).split(',').take(if inner.is_some() { usize::MAX } else { 1 }) {
            let name: String = part.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            named.insert(name);
        }
    }
    if has_word(text, "deskbell_core") {
        named.insert("core".to_owned());
    }
    named
}

#[test]
fn rooms_know_only_those_they_may() {
    let may: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut faults = Vec::new();
    for file in rust_files(&source()).iter().filter(|file| !is_test(file)) {
        let room = room_of(file);
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let Some(may) = may.get(room.as_str()) else {
            faults.push(format!("{}: the room {room} is not in the list", file.display()));
            continue;
        };
        for named in rooms_named(&code(file)) {
            let is_room = ROOMS.iter().any(|(room, _)| *room == named);
            if is_room && named != room && !may.contains(&named.as_str()) {
                faults.push(format!("{}: {room} may not know {named}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_room_names_what_it_must_not_know() {
    let mut faults = Vec::new();
    for file in rust_files(&source()).iter().filter(|file| !is_test(file)) {
        let room = room_of(file);
        for (_, words, why) in BANNED.iter().filter(|(banned, ..)| *banned == room) {
            let code = code(file);
            for word in words.iter().filter(|word| has_word(&code, word)) {
                faults.push(format!("{}: `{word}`: {why}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether `word` stands in `code` and not as a part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_name);
        let after = code[at + word.len()..].chars().next().is_some_and(is_name);
        let (first, last) = (word.starts_with(is_name), word.ends_with(is_name));
        !(first && before || last && after)
    })
}

/// Whether a room is a package of its own.
fn is_package(room: &Path) -> bool {
    room.join("Cargo.toml").is_file()
}

/// The files of a room in the order in which its `mod.rs` (a package: `lib.rs`) lists them, between backticks after "Files".
fn order_of(room: &Path) -> Vec<String> {
    let head = if is_package(room) { "lib.rs" } else { "mod.rs" };
    let text = fs::read_to_string(room.join(head)).unwrap_or_default();
    let doc: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let from = doc.iter().position(|line| line.contains("Files")).unwrap_or(doc.len());
    let list = doc[from..].join(" ");
    // What stands between an odd and the next even backtick.
    list.split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.chars().all(|c| c.is_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

/// The files of the same room that a file names by `super::`.
fn siblings_named(text: &str) -> BTreeSet<String> {
    let names = text.match_indices("super::").filter(|(at, _)| !text[..*at].ends_with("super::"));
    names
        .map(|(at, found)| {
            text[at + found.len()..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
        })
        .collect()
}

#[test]
fn a_file_uses_only_those_listed_above_it() {
    let mut faults = Vec::new();
    for room in fs::read_dir(source()).expect("readable").map(|room| room.expect("readable").path()) {
        if !room.join("mod.rs").is_file() && !is_package(&room) {
            continue;
        }
        let order = order_of(&room);
        let place = |name: &str| order.iter().position(|other| other == name);
        for file in fs::read_dir(&room).expect("readable").map(|file| file.expect("readable").path()) {
            let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
            let is_rust = file.extension().is_some_and(|extension| extension == "rs");
            if is_test(&file) || !is_rust || matches!(name.as_str(), "mod" | "lib") {
                continue;
            }
            let Some(own) = place(&name) else {
                if !fs::read_to_string(&file).expect("readable").contains("#[test]") {
                    faults.push(format!("{}: its room does not list it", file.display()));
                }
                continue;
            };
            for sibling in siblings_named(&code(&file)) {
                if place(&sibling).is_some_and(|place| place > own) {
                    faults.push(format!("{}: uses `{sibling}`, which is listed below it", file.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> = rust_files(&source())
        .into_iter()
        .filter(|file| !fs::read_to_string(file).expect("readable").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without a module doc: {silent:?}");
}

#[test]
fn only_the_clock_reads_the_wall_clock() {
    let readers: Vec<_> = rust_files(&source())
        .into_iter()
        .filter(|file| code(file).contains("SystemTime::now"))
        .map(|file| file.strip_prefix(source()).expect("below src/").to_owned())
        .collect();
    assert_eq!(readers, [Path::new("hub/clock.rs")]);
}

#[test]
fn only_the_clusters_log_knows_nats() {
    let elsewhere: Vec<_> = rust_files(&source())
        .into_iter()
        .filter(|file| code(file).contains("async_nats::") && !file.starts_with(source().join("log/jetstream")))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn nothing_is_left_unfinished() {
    let words = ["TO", "FIX", "XX"].map(|half| {
        format!(
            "{half}{}",
            if half == "TO" {
                "DO"
            } else if half == "FIX" {
                "ME"
            } else {
                "X"
            }
        )
    });
    let mut faults = Vec::new();
    for file in rust_files(&source()) {
        let text = fs::read_to_string(&file).expect("readable");
        for word in words.iter().filter(|word| has_word(&text, word)) {
            faults.push(format!("{}: {word}", file.display()));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
