//! Runs the tests against one mutant after another: the room's own unit tests, then all unit tests, then from outside.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::build::{Built, ON, REACHED, package_of};
use crate::equivalent::Known;
use crate::find::Mutant;

/// A test program, and which of its tests.
pub(crate) struct Stage {
    name: String,
    program: PathBuf,
    filter: Option<String>,
    /// The tests that an earlier stage ran.
    skip: Option<String>,
    /// Tests that fail without any mutant.
    failing: Vec<String>,
    /// How long it took without one.
    took: Duration,
    /// The mutants that it reaches.
    reached: BTreeSet<usize>,
}

/// The result of a mutant.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Caught { stage: usize, by: String },
    Survived,
    Equivalent(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught { by, .. } => write!(f, "caught by {by}"),
            Self::Survived => f.write_str("survived"),
            Self::Equivalent(why) => write!(f, "equivalent: {why}"),
        }
    }
}

/// How a run of a stage ended.
enum End {
    Passed,
    Failed(Vec<String>),
    Hung,
}

impl Stage {
    /// Runs every stage once without a mutant: how long it takes, what fails anyway, and which mutants' code it runs.
    pub(crate) fn measure(built: &Built, room: &str) -> Vec<Self> {
        let mut stages = Vec::new();
        let own = format!("{room}::");
        let mut stage = |name: &str, program: &str, filter: Option<&str>, skip: Option<&str>| {
            let Some(program) = built.programs.get(program) else { return };
            let mut stage = Self {
                name: name.to_owned(),
                program: program.clone(),
                filter: filter.map(str::to_owned),
                skip: skip.map(str::to_owned),
                failing: Vec::new(),
                took: Duration::ZERO,
                reached: BTreeSet::new(),
            };
            let note = built.root.join("../reached");
            let _ = std::fs::remove_file(&note);
            let began = Instant::now();
            let end = stage.run(&built.root, "reached", &[(REACHED, &note)], Duration::from_secs(900), false);
            stage.took = began.elapsed();
            match end {
                End::Passed => {}
                End::Failed(tests) => stage.failing = tests,
                End::Hung => panic!("{name} hangs without a mutant"),
            }
            let noted = std::fs::read_to_string(&note).unwrap_or_default();
            stage.reached = noted.lines().filter_map(|line| line.parse().ok()).collect();
            let reached = built.mutants.keys().filter(|number| stage.reached.contains(number)).count();
            println!("{name}: {:.0?}, reaches {reached} of {}", stage.took, built.mutants.len());
            if !stage.failing.is_empty() {
                println!("  fails without a mutant, and does not count: {}", stage.failing.join(", "));
            }
            stages.push(stage);
        };
        if let Some(package) = package_of(&built.root, room) {
            stage("the room's unit tests", &package.replace('-', "_"), None, None);
        }
        stage("the room's unit tests", "deskbell", Some(&own), None);
        stage("the other unit tests", "deskbell", None, Some(&own));
        stage("wire", "wire", None, None);
        stage("auth", "auth", None, None);
        stage("cluster", "cluster", None, None);
        stage("api", "api", None, None);
        stages.retain(|stage| stage.took > Duration::from_millis(1));
        stages
    }

    /// One run, which ends at the first failure unless all are wanted.
    fn run(&self, root: &Path, on: &str, more: &[(&str, &Path)], longest: Duration, first: bool) -> End {
        let mut command = Command::new(&self.program);
        // The campaign of a cluster lets chance decide, and takes long.
        command.args(&self.filter).args(["--test-threads=4", "--skip", "campaign_of_faults"]);
        for test in self.failing.iter().chain(&self.skip) {
            command.args(["--skip", test]);
        }
        command.current_dir(root).env(ON, on).envs(more.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // A group of its own, so that hubs that a test started end with it.
        let mut child = command.process_group(0).spawn().expect("the test program runs");
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let began = Instant::now();
        let mut failed = Vec::new();
        loop {
            match lines.recv_timeout(longest.saturating_sub(began.elapsed())) {
                Ok(line) => {
                    let name = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... FAILED"));
                    if let Some((name, _)) = name {
                        failed.push(name.to_owned());
                        if first {
                            end(&mut child);
                            return End::Failed(failed);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    end(&mut child);
                    return End::Hung;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait().expect("it ends");
        end(&mut child);
        if !failed.is_empty() {
            End::Failed(failed)
        } else if status.success() {
            End::Passed
        } else {
            End::Failed(vec!["the test program died".to_owned()])
        }
    }

    fn longest(&self) -> Duration {
        self.took * 3 + Duration::from_secs(15)
    }
}

/// Ends a test program and whatever it started.
fn end(child: &mut Child) {
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}

/// The mutants that an earlier run caught, and what caught them.
pub(crate) fn read(file: &Path) -> Vec<(String, Outcome)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let caught = text.lines().filter_map(|line| line.strip_prefix("caught by ")?.split_once('\t'));
    caught.map(|(by, mutant)| (mutant.to_owned(), Outcome::Caught { stage: 1, by: by.to_owned() })).collect()
}

/// Tries all of them but those that were caught before.
pub(crate) fn run(
    built: &Built,
    stages: &[Stage],
    known: &Known,
    before: &[(String, Outcome)],
) -> Vec<(Mutant, Outcome)> {
    let mut results = Vec::new();
    for (number, mutant) in &built.mutants {
        if let Some((_, outcome)) = before.iter().find(|(shown, _)| *shown == mutant.to_string()) {
            results.push((mutant.clone(), outcome.clone()));
            continue;
        }
        let mut outcome = Outcome::Survived;
        for stage in stages.iter().filter(|stage| stage.reached.contains(number)) {
            let by = match stage.run(&built.root, &number.to_string(), &[], stage.longest(), true) {
                End::Passed => continue,
                End::Failed(tests) => tests.into_iter().next().unwrap_or_default(),
                End::Hung => "a hang".to_owned(),
            };
            outcome = Outcome::Caught { stage: usize::from(stage.name != stages[0].name), by };
            break;
        }
        if let (Outcome::Survived, Some(why)) = (&outcome, known.argument(mutant)) {
            outcome = Outcome::Equivalent(why.to_owned());
        }
        println!("{outcome}: {mutant}");
        results.push((mutant.clone(), outcome));
    }
    results
}
