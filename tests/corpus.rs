//! The fuzz targets' corpus, replayed on the ordinary toolchain, and a simple driver that continues with random mutations.
//!
//! `FUZZ_TIMES=100 FUZZ_SEED=2 cargo test --test corpus -- --nocapture` runs each target a hundred times as often as an
//! ordinary test run does, `FUZZ_ONLY=http` one of them. `CORPUS_WRITE=1` writes the seeds that are not text.

// Test helpers may do more than the hub: a failed expectation panics, on purpose.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, clippy::str_to_string)]

#[path = "campaign/chance.rs"]
#[allow(dead_code, reason = "made for the campaign")]
mod chance;
#[path = "fuzz/targets.rs"]
#[allow(clippy::disallowed_methods, clippy::mem_forget, reason = "also made for another package")]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chance::Chance;
use deskbell_core::entry::{
    Action, AgentAction, Call, Entry, Input, Joiner, NewNotification, ProviderAction, Recipients, Record, Rendered,
    Resume, Settle, Sound,
};
use deskbell_core::rules::RULES;
use deskbell_core::{Core, Incarnation, Limits, Millis, NotificationId, Timestamp};

/// A fuzz target: it must handle any bytes.
type Target = fn(&[u8]);

/// The longest input that is made.
const BYTES_MAX: usize = 4096;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        (path, bytes)
    };
    let mut corpus: Vec<_> = fs::read_dir(folder(target)).unwrap().map(read).collect();
    corpus.sort();
    assert!(!corpus.is_empty(), "no corpus for {target}");
    corpus
}

/// Panics in any thread, including those of connections.
fn count_panics() -> &'static AtomicUsize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
    &PANICS
}

#[test]
fn the_parsers_survive_the_corpus_and_its_random_mutations() {
    write_seeds();
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let (times, seed) = (number("FUZZ_TIMES").unwrap_or(1), number("FUZZ_SEED").unwrap_or(1));
    let panics = count_panics();
    // How often each runs by default: together a few seconds.
    let targets: [(&str, Target, u64); 6] = [
        ("wire", targets::wire, 20_000),
        ("config", targets::config, 3_000),
        ("template", targets::template, 20_000),
        ("record", targets::record, 20_000),
        ("disk", targets::disk, 1_000),
        ("http", targets::http, 300),
    ];
    let only = std::env::var("FUZZ_ONLY").ok();
    for (name, target, by_default) in
        targets.into_iter().filter(|(name, ..)| only.as_deref().is_none_or(|o| o == *name))
    {
        let corpus = corpus(name);
        let try_one = |from: &str, input: &[u8]| {
            let went = catch_unwind(AssertUnwindSafe(|| target(input)));
            if went.is_err() || panics.load(Ordering::Relaxed) > 0 {
                let kept = std::env::temp_dir().join(format!("deskbell-{name}-failed"));
                fs::write(&kept, input).unwrap();
                panic!("{name}: fails from {from} (seed {seed}); the input is kept as {}", kept.display());
            }
        };
        for (path, input) in &corpus {
            try_one(&path.display().to_string(), input);
        }
        let mut chance = Chance::of(seed, 7);
        let executions = times * by_default;
        for time in 0..executions {
            let input = mutate(&mut chance, &corpus);
            try_one(&format!("execution {time}"), &input);
        }
        println!("{name}: {} files of the corpus, {executions} executions, seed {seed}, 0 failures", corpus.len());
    }
}

/// One of the corpus with a few changes, or the head of one and the tail of another.
fn mutate(chance: &mut Chance, corpus: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut input = chance.pick(corpus).1.clone();
    for _ in 0..=chance.below(6) {
        let at = usize::try_from(chance.below(input.len() as u64 + 1)).unwrap();
        let to = (at + usize::try_from(chance.below(24)).unwrap()).min(input.len());
        match chance.below(8) {
            0 if at < input.len() => input[at] ^= 1 << chance.below(8),
            1 if at < input.len() => input[at] = u8::try_from(chance.below(256)).unwrap(),
            2 => drop(input.drain(at..to)),
            3 => {
                let copy = input[at..to].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let other = &chance.pick(corpus).1;
                let from = usize::try_from(chance.below(other.len() as u64 + 1)).unwrap();
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                let number = [0, 1, 127, 128, 255][usize::try_from(chance.below(5)).unwrap()];
                input.splice(at..to, std::iter::repeat_n(number, to - at));
            }
            6 => {
                let token = *chance.pick(&TOKENS);
                input.splice(at..at, token.bytes());
            }
            _ => input.truncate(at.max(input.len() / 2)),
        }
    }
    input.truncate(BYTES_MAX);
    input
}

/// Words and signs that mean something to one parser or another.
const TOKENS: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "\\u0000",
    "\\ud800",
    "{{",
    "}}",
    "|",
    "\r\n",
    "\0",
    "1e999",
    "-0",
    "9223372036854775808",
    "é",
    "\u{202e}",
];

/// The binary seeds, produced by the code that writes such data.
fn write_seeds() {
    if std::env::var_os("CORPUS_WRITE").is_none() {
        return;
    }
    let write = |target: &str, name: &str, bytes: Vec<u8>| {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    };
    let mut core = Core::default();
    for (number, record) in records().iter().enumerate() {
        core.apply(record, |_, _| {});
        let bytes = postcard::to_allocvec(record).unwrap();
        write("record", &format!("record-{number}"), [&[0], bytes.as_slice()].concat());
    }
    write("record", "snapshot", [&[1], deskbell::hub::encode_snapshot(&core).as_slice()].concat());
    let whole = targets::whole_log();
    for (which, (name, bytes)) in (0u8..).zip(&whole.files) {
        write("disk", name, [&[which], bytes.as_slice()].concat());
    }
}

/// A little of everything that an entry can be.
fn records() -> Vec<Record> {
    fn call(connection: u64, action: impl Into<Action>) -> Input {
        let call =
            Call { id: Some("c-1".into()), correlation_id: Some("7f9c".into()), number: None, action: action.into() };
        Input::Call { connection, call }
    }
    let notification_id = NotificationId(0x0192_f0c4_7e3a_7b21_8c55_0123_4567_89ab);
    let rendered = Rendered {
        title: "Grace wants to chat".into(),
        icon: Some("chat".into()),
        fields: Vec::new(),
        accept_label: "Accept".into(),
        reject_label: "Reject".into(),
        timeout: Millis(1000),
        queue_timeout: Millis(2000),
        show_timeout: true,
        auto_accept: false,
        auto_accept_on_timeout: true,
        priority: 5,
        settle: Settle::FirstAccept,
        link: Some("https://crm.example/1".into()),
        sound: Some(Sound::Soft),
    };
    let notify = NewNotification {
        notification_id,
        template_name: "chat".into(),
        fingerprint: 5,
        session_id: Some("conv-42".into()),
        cancellation_token: Some("tok-1".into()),
        to: Recipients { agents: vec!["ada".into()], groups: vec!["billing".into()] },
        context: None,
        rendered: Ok(rendered),
        unused: Vec::new(),
    };
    let agent = Joiner::Agent { id: "ada".into(), groups: Some(vec!["billing".into()]), presence: None };
    let provider = Joiner::Provider { id: "bot".into(), resume: Resume::All };
    let mark =
        |should_reset| ProviderAction::Kpi { session_id: "conv-42".into(), should_reset, details: Some("late".into()) };
    let inputs = vec![
        vec![Input::started(9, RULES.newest), Input::Configured(Limits::default())],
        vec![Input::Join { connection: 1, client: agent }, Input::Join { connection: 2, client: provider }],
        vec![
            Input::Join { connection: 3, client: Joiner::Observer },
            call(2, ProviderAction::Notify(Box::new(notify))),
        ],
        vec![call(1, AgentAction::Seen { notification_id }), call(1, AgentAction::Accept { notification_id })],
        vec![call(2, mark(false)), call(2, ProviderAction::Activity { session_id: "conv-42".into(), count: 3 })],
        vec![call(1, AgentAction::Reject { notification_id, reason: Some("busy".into()) }), call(2, mark(true))],
        vec![call(2, ProviderAction::Cancel { cancellation_token: "tok-1".into() }), Input::Tick],
        vec![call(1, AgentAction::EndSession { session_id: "conv-42".into() }), Input::Leave { connection: 1 }],
        vec![Input::Removed { incarnation: Incarnation(1) }],
    ];
    let entry = |input| Entry { workspace: "default".into(), input };
    let record = |(group, inputs): (u64, Vec<Input>)| Record {
        rules: RULES.newest,
        incarnation: Incarnation(1),
        group,
        time: Timestamp(1_800_000_000_000 + group * 10),
        entries: inputs.into_iter().map(entry).collect(),
    };
    (1..).zip(inputs).map(record).collect()
}
