//! Holds the lines of ARCHITECTURE.md that Cargo cannot hold within one package: which room may name which, and which words a
//! room must not use. To allow an arrow, change [`ROOMS`]; the order of the files in a room is the list in its `mod.rs`.
//!
//! The sources are parsed, from `lib.rs` and `main.rs` of each package under `src/` on. Tests (`#[cfg(test)]`) do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Item};

/// The rooms of `src/`, and which rooms each may name. A room not in the list fails the test.
const ROOMS: &[(&str, &[&str])] = &[
    // The core is a package of its own: other rooms name it `deskbell_core`, and the compiler keeps them out of it.
    ("core", &[]),
    // Packages, too: the wire, and the two programs that speak it. The hub does not use them.
    ("protocol", &["core"]),
    ("client", &["protocol"]),
    ("load", &["client", "protocol"]),
    ("network", &[]),
    ("outbound", &[]),
    ("metrics", &[]),
    ("watched", &[]),
    ("template", &["core", "outbound", "protocol", "watched"]),
    ("auth", &["outbound", "protocol"]),
    ("tls", &[]),
    ("log", &["network"]),
    ("hub", &["log", "metrics", "core"]),
    (
        "gateway",
        &["auth", "explain", "hub", "log", "metrics", "network", "protocol", "telemetry", "template", "tls", "core"],
    ),
    ("config", &["auth", "network", "outbound", "protocol", "telemetry", "template", "tls", "core"]),
    ("telemetry", &["protocol"]),
    ("explain", &["hub", "log", "protocol", "telemetry", "core"]),
    (
        "command",
        &[
            "auth",
            "config",
            "explain",
            "gateway",
            "hub",
            "log",
            "outbound",
            "protocol",
            "telemetry",
            "template",
            "tls",
            "watched",
            "core",
        ],
    ),
];

/// The layers of a folder, from the lowest to the highest: each may use those before it. Folders that are not here may list their
/// files in `mod.rs` instead, with the same meaning.
const LAYERS: &[(&str, &[&str])] =
    &[("gateway", &["limits", "shared", "connection", "fanout", "session", "http", "admin", "listener"])];

/// Files that still use a higher layer. One that does not any more fails the test until it is taken out here.
const EXCEPTIONS: &[(&str, &str)] = &[
    // These two name the kinds of a typed slot, and use nothing else of the workspace.
    ("core/effect.rs", "workspace"),
    ("core/collections/expiry_index.rs", "workspace"),
];

/// Words that must not occur in a room's code, with the reason.
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
        &["hyper", "tungstenite", "SystemTime"],
        "tokens are checked at a time that is an argument, and keys are fetched through outbound/",
    ),
    ("gateway", &["serde_json"], "only protocol/ knows the wire's JSON"),
    ("protocol", &["tokio::", "hyper"], "the wire's words need no I/O"),
];

/// A module, as the names that lead to it from `src/`: `gateway/outbox.rs` is `gateway`, `outbox`. A package in a folder of its
/// own (`src/core`) counts like the room of that name.
type Module = Vec<String>;

/// One file that is compiled into the hub, without its tests.
struct File {
    path: PathBuf,
    module: Module,
    /// The items of other modules that it names, each with its line.
    names: Vec<(Module, usize)>,
    /// The words of its code: neither comments nor strings.
    words: Vec<(String, usize)>,
}

/// All files of `src/` that are compiled outside tests, and those that belong to tests.
struct Sources {
    files: Vec<File>,
    tests: BTreeSet<PathBuf>,
    /// The packages below `src/`, as code names them: `deskbell_core` is the folder `core`.
    packages: BTreeMap<String, Module>,
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

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

impl Sources {
    fn read() -> Self {
        let mut sources = Self { files: Vec::new(), tests: BTreeSet::new(), packages: BTreeMap::new() };
        let folders = fs::read_dir(source()).expect("readable").map(|entry| entry.expect("readable").path());
        let packages: Vec<PathBuf> = folders.filter(|folder| folder.join("Cargo.toml").is_file()).collect();
        for folder in &packages {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("readable");
            let manifest: toml::Table = manifest.parse().expect("a manifest");
            let name = manifest["package"]["name"].as_str().expect("a name").replace('-', "_");
            sources.packages.insert(name, vec![file_name(folder)]);
        }
        sources.packages.insert("deskbell".to_owned(), Module::new());
        for root in ["lib.rs", "main.rs"] {
            sources.follow(&source().join(root), &source(), &Module::new(), &Module::new(), false);
        }
        for folder in &packages {
            let package = vec![file_name(folder)];
            for root in ["lib.rs", "main.rs", "src/lib.rs", "src/main.rs"].map(|root| folder.join(root)) {
                if root.is_file() {
                    let beside = root.parent().expect("a folder").to_owned();
                    sources.follow(&root, &beside, &package, &package, false);
                }
            }
        }
        sources
    }

    /// Reads a file and those that its `mod` items lead to, which are in `beside`.
    fn follow(&mut self, path: &Path, beside: &Path, module: &Module, package: &Module, in_tests: bool) {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let in_tests = in_tests || is_for_tests(&parsed.attrs);
        let mut file = File { path: path.to_owned(), module: module.clone(), names: Vec::new(), words: Vec::new() };
        self.items(parsed.items, &mut file, module, beside, package, in_tests);
        if in_tests {
            self.tests.insert(path.to_owned());
        } else {
            self.files.push(file);
        }
    }

    fn items(
        &mut self,
        items: Vec<Item>,
        file: &mut File,
        module: &Module,
        beside: &Path,
        package: &Module,
        in_tests: bool,
    ) {
        for item in items {
            let in_tests = in_tests || is_for_tests(attributes(&item));
            let Item::Mod(inner) = item else {
                if !in_tests {
                    let tokens = without_tests(item).into_token_stream();
                    read_words(tokens.clone(), &mut file.words);
                    read_names(tokens, module, package, &self.packages, &mut file.names);
                }
                continue;
            };
            let name = inner.ident.to_string();
            let of_inner: Module = module.iter().cloned().chain([name.clone()]).collect();
            if let Some((_, items)) = inner.content {
                self.items(items, file, &of_inner, &beside.join(&name), package, in_tests);
                continue;
            }
            // A test may include a file from another place with `#[path]`.
            if inner.attrs.iter().any(|attribute| attribute.path().is_ident("path")) {
                assert!(in_tests, "{}: `#[path]` is for tests only", file.path.display());
                continue;
            }
            let [flat, folder] = [beside.join(format!("{name}.rs")), beside.join(&name).join("mod.rs")];
            let next = if flat.is_file() { flat } else { folder };
            self.follow(&next, &beside.join(&name), &of_inner, package, in_tests);
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether `#[cfg(test)]` or `#[test]` is among them; `#[cfg(not(test))]` is not.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string().replace(' ', "");
        text == "test" || (text.starts_with("cfg(") && text.contains("test") && !text.contains("not(test)"))
    })
}

/// An `impl` without its functions, and a struct without its fields, that are for tests only.
fn without_tests(mut item: Item) -> Item {
    if let Item::Impl(block) = &mut item {
        block.items.retain(|inner| match inner {
            syn::ImplItem::Fn(function) => !is_for_tests(&function.attrs),
            syn::ImplItem::Const(constant) => !is_for_tests(&constant.attrs),
            _ => true,
        });
    }
    if let Item::Struct(syn::ItemStruct { fields: syn::Fields::Named(fields), .. }) = &mut item {
        let kept = fields.named.iter().filter(|field| !is_for_tests(&field.attrs)).cloned();
        fields.named = kept.collect();
    }
    item
}

fn read_words(tokens: TokenStream, words: &mut Vec<(String, usize)>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => read_words(group.stream(), words),
            TokenTree::Ident(ident) => words.push((ident.to_string(), ident.span().start().line)),
            // A path is its words with `::` between them.
            TokenTree::Punct(punct) => words.push((punct.as_char().to_string(), punct.span().start().line)),
            TokenTree::Literal(_) => words.push((String::new(), 0)),
        }
    }
}

/// Every path that begins with `crate`, `self`, `super` or a package of this repository, also in nested `use`.
fn read_names(
    tokens: TokenStream,
    module: &Module,
    package: &Module,
    packages: &BTreeMap<String, Module>,
    names: &mut Vec<(Module, usize)>,
) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => read_names(group.stream(), module, package, packages, names),
            TokenTree::Ident(first) if !is_behind_colons(&tokens, at) && is_colons(&tokens, at + 1) => {
                let first = first.to_string();
                let base = match first.as_str() {
                    "crate" => Some(package.clone()),
                    "self" => Some(module.clone()),
                    "super" => Some(module[..module.len().saturating_sub(1)].to_vec()),
                    name => packages.get(name).cloned(),
                };
                if let Some(base) = base {
                    read_rest(&tokens[at + 3..], base, names);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// What follows `base::`: further names, `super` again, or a group of either.
fn read_rest(tokens: &[TokenTree], base: Module, names: &mut Vec<(Module, usize)>) {
    match tokens.first() {
        Some(TokenTree::Ident(ident)) => {
            let mut path = base;
            match ident.to_string().as_str() {
                "super" => drop(path.pop()),
                "self" => {}
                name => path.push(name.to_owned()),
            }
            if is_colons(tokens, 1) {
                read_rest(&tokens[3..], path, names);
            } else {
                names.push((path, ident.span().start().line));
            }
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            for part in inner.split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',')) {
                read_rest(part, base.clone(), names);
            }
        }
        // `*`, or a generic argument: the module itself.
        Some(token) => names.push((base, token.span().start().line)),
        None => {}
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(at) && colon(at + 1)
}

fn is_behind_colons(tokens: &[TokenTree], at: usize) -> bool {
    at >= 2 && is_colons(tokens, at - 2)
}

impl File {
    fn shown(&self) -> String {
        self.path.strip_prefix(source()).expect("below src/").display().to_string()
    }

    fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// The lines in which `word` is used: one name, or names with `::` between them.
    fn lines_with(&self, word: &str) -> Vec<usize> {
        let mut wanted = Vec::new();
        for (n, part) in word.trim().trim_start_matches('.').split("::").filter(|part| !part.is_empty()).enumerate() {
            if n > 0 {
                wanted.extend([":".to_owned(), ":".to_owned()]);
            }
            wanted.push(part.to_owned());
        }
        let words = self.words.windows(wanted.len());
        words.filter(|have| have.iter().map(|(word, _)| word).eq(&wanted)).map(|have| have[0].1).collect()
    }
}

#[test]
fn rooms_use_only_the_rooms_that_the_table_allows() {
    let allowed: BTreeMap<_, _> = ROOMS.iter().copied().collect();
    let mut faults = Vec::new();
    for file in &Sources::read().files {
        let Some(room) = file.room() else { continue };
        let Some(allowed) = allowed.get(room) else {
            faults.push(format!("{}: the room {room} is not in the table", file.shown()));
            continue;
        };
        for (name, line) in &file.names {
            let Some(named) = name.first().map(String::as_str) else { continue };
            let is_room = ROOMS.iter().any(|(room, _)| *room == named);
            if is_room && named != room && !allowed.contains(&named) {
                faults.push(format!("{}:{line}: {room} must not use {named}", file.shown()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn rooms_do_not_use_the_words_that_are_banned_there() {
    let mut faults = Vec::new();
    for file in &Sources::read().files {
        for (_, words, why) in BANNED.iter().filter(|(banned, ..)| Some(*banned) == file.room()) {
            for word in *words {
                let lines = file.lines_with(word);
                faults.extend(lines.iter().map(|line| format!("{}:{line}: `{word}`: {why}", file.shown())));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The modules of a folder in the order in which its `mod.rs` (or `lib.rs`) lists them, between backticks after "Files".
fn order_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let doc: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let from = doc.iter().position(|line| line.contains("Files")).unwrap_or(doc.len());
    let list = doc[from..].join(" ");
    // The text between an odd and the next even backtick.
    list.split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.chars().all(|c| c.is_lowercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn modules_use_only_those_listed_above_them() {
    let sources = Sources::read();
    // A folder's list, by the module that the folder is.
    let mut orders: BTreeMap<Module, Vec<String>> = BTreeMap::new();
    for file in &sources.files {
        if file.path.ends_with("mod.rs") || (file.path.ends_with("lib.rs") && !file.module.is_empty()) {
            let layers = LAYERS.iter().find(|(folder, _)| *folder == file.module.join("/"));
            let order = match layers {
                Some((_, layers)) => layers.iter().map(|&layer| layer.to_owned()).collect(),
                None => order_of(&file.path),
            };
            if !order.is_empty() {
                orders.insert(file.module.clone(), order);
            }
        }
    }
    let mut faults = Vec::new();
    let mut excused = BTreeSet::new();
    for file in &sources.files {
        if let Some((own, folder)) = file.module.split_last()
            && orders.get(folder).is_some_and(|order| !order.contains(own))
        {
            faults.push(format!("{}: the list of {} lacks it", file.shown(), folder.join("/")));
        }
        for (name, line) in &file.names {
            // The innermost folder that both have in common.
            let same = file.module.iter().zip(name).take_while(|(own, named)| own == named).count();
            let (Some(order), Some(own), Some(named)) =
                (orders.get(&file.module[..same]), file.module.get(same), name.get(same))
            else {
                continue;
            };
            let place = |name: &String| order.iter().position(|listed| listed == name);
            if let (Some(own_place), Some(place)) = (place(own), place(named))
                && place > own_place
            {
                let shown = file.shown();
                let is_excepted = |(excepted, used): &&(&str, &str)| *excepted == shown && used == named;
                if let Some(exception) = EXCEPTIONS.iter().find(is_excepted) {
                    excused.insert(*exception);
                    continue;
                }
                let folder = file.module[..same].join("/");
                faults.push(format!("{}:{line}: uses `{named}`, which {folder} lists below `{own}`", file.shown()));
            }
        }
    }
    let idle = EXCEPTIONS.iter().filter(|exception| !excused.contains(*exception));
    faults.extend(idle.map(|(file, used)| format!("{file} does not use {used} any more: take it out of EXCEPTIONS")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_file_of_the_sources_is_compiled() {
    let sources = Sources::read();
    let compiled: BTreeSet<_> = sources.files.iter().map(|file| file.path.clone()).chain(sources.tests).collect();
    let lost: Vec<_> = rust_files(&source()).into_iter().filter(|file| !compiled.contains(file)).collect();
    assert!(lost.is_empty(), "no `mod` leads to {lost:?}");
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
    let files = Sources::read().files;
    let readers: Vec<_> =
        files.iter().filter(|file| !file.lines_with("SystemTime::now").is_empty()).map(File::shown).collect();
    assert_eq!(readers, ["hub/clock.rs"]);
}

#[test]
fn only_the_clusters_log_knows_nats() {
    let files = Sources::read().files;
    let mut elsewhere = files.iter().filter(|file| !file.shown().starts_with("log/jetstream")).map(|file| {
        file.lines_with("async_nats").into_iter().map(|line| format!("{}:{line}", file.shown())).collect::<Vec<_>>()
    });
    let elsewhere = elsewhere.by_ref().flatten().collect::<Vec<_>>();
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

/// Whether `word` is in `text` and is not part of a longer name.
fn has_word(text: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(is_name);
        let after = text[at + word.len()..].chars().next().is_some_and(is_name);
        !before && !after
    })
}

/// The findings of the checks above in a sample file, so that a check that finds nothing any more fails.
#[test]
fn the_reader_of_the_sources_sees_every_form_of_use_and_no_tests() {
    let text = r#"
        #[cfg(test)] mod first_tests { use crate::command::A; }
        use crate::{log::{Disk as D, memory::*}, gateway::outbox::Outbox};
        use super::{fold, run::{self, Run}};
        use super::super::metrics;
        use deskbell_core::{Core, entry::Entry};
        mod inner { use super::near; use std::time::Instant; }
        /// In words: crate::explain, SystemTime::now.
        fn f() -> crate::auth::Gate { let _ = "crate::tls"; format!("{}", crate::template::X); Vec::<u8>::new() }
        impl D { #[cfg(test)] fn only(&self) { crate::config::x() } fn both(&self) { super::intake::y() } }
    "#;
    let mut sources = Sources { files: Vec::new(), tests: BTreeSet::new(), packages: BTreeMap::new() };
    sources.packages.insert("deskbell_core".to_owned(), vec!["core".to_owned()]);
    let module = vec!["hub".to_owned(), "part".to_owned()];
    let mut file = File { path: PathBuf::new(), module: module.clone(), names: Vec::new(), words: Vec::new() };
    let items = syn::parse_file(text).expect("parses").items;
    sources.items(items, &mut file, &module, Path::new(""), &Module::new(), false);
    let names: BTreeSet<String> = file.names.iter().map(|(name, _)| name.join("::")).collect();
    let expected = [
        "auth::Gate",
        "core::Core",
        "core::entry::Entry",
        "gateway::outbox::Outbox",
        "hub::fold",
        "hub::intake::y",
        "hub::part::near",
        "hub::run",
        "hub::run::Run",
        "log::Disk",
        "log::memory",
        "metrics",
        "template::X",
    ];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert_eq!(file.lines_with("Instant").len(), 1);
    assert_eq!(file.lines_with("std::time::Instant").len(), 1);
    assert!(file.lines_with("SystemTime").is_empty() && file.lines_with("explain").is_empty());
}
