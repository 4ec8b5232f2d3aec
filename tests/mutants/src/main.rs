//! Mutation testing. Takes a random sample of the defects that could be put into a room, compiles all of them into one build of
//! a copy of the repository, each behind a number that the environment turns on, and runs the tests against one after another.

mod build;
mod equivalent;
mod find;
mod sample;
mod trial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use build::Tree;
use trial::{Outcome, Stage};

/// What the command line asks for.
struct Asked {
    room: String,
    count: usize,
    seed: u64,
    /// Only the unit tests.
    unit: bool,
    /// Only those that survived the last run with this room and seed.
    again: bool,
}

impl Asked {
    fn read() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let mut asked = Self { room: words.next()?, count: 40, seed: 1, unit: false, again: false };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--count" => asked.count = words.next()?.parse().ok()?,
                "--seed" => asked.seed = words.next()?.parse().ok()?,
                "--unit" => asked.unit = true,
                "--again" => asked.again = true,
                _ => return None,
            }
        }
        Some(asked)
    }
}

fn main() -> ExitCode {
    let Some(asked) = Asked::read() else {
        eprintln!("usage: tests/mutants/run ROOM [--count 40] [--seed 1] [--unit] [--again]");
        return ExitCode::from(2);
    };
    let repository = std::env::current_dir().expect("a working directory");
    let room = repository.join("src").join(&asked.room);
    if !room.is_dir() {
        eprintln!("src/{} is not a folder", asked.room);
        return ExitCode::from(2);
    }
    let all = find::in_room(&repository, &room);
    println!("{}: {} mutants are possible; {} of them by seed {}", asked.room, all.len(), asked.count, asked.seed);
    let shuffled = sample::shuffle(all, asked.seed);
    let tree = Tree::copy_of(&repository);
    let built = tree.build(&shuffled, asked.count, &asked.room, asked.unit);
    let stages = Stage::measure(&built, &asked.room);
    let known = equivalent::read(&repository.join("tests/mutants/equivalent.txt"));
    let before = if asked.again { trial::read(&results_file(&asked, &repository)) } else { Vec::new() };
    let results = trial::run(&built, &stages, &known, &before);
    report(&asked, &repository, &results)
}

fn results_file(asked: &Asked, repository: &Path) -> PathBuf {
    repository.join(format!("target/mutants/{}-{}.txt", asked.room, asked.seed))
}

/// Prints the result of each mutant, and keeps it under `target/mutants`.
fn report(asked: &Asked, repository: &Path, results: &[(find::Mutant, Outcome)]) -> ExitCode {
    let mut text = String::new();
    let (mut caught, mut own, mut equivalent) = (0, 0, 0);
    for (mutant, outcome) in results {
        match outcome {
            Outcome::Caught { stage, .. } => {
                caught += 1;
                own += usize::from(*stage == 0);
            }
            Outcome::Equivalent(_) => equivalent += 1,
            Outcome::Survived => {}
        }
        text.push_str(&format!("{outcome}\t{mutant}\n"));
    }
    let file = results_file(asked, repository);
    std::fs::write(&file, &text).expect("writable");
    println!("\nsurvivors:");
    for (mutant, _) in results.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Survived)) {
        println!("  {mutant}");
    }
    println!("equivalent, by tests/mutants/equivalent.txt:");
    for (mutant, outcome) in results {
        if let Outcome::Equivalent(why) = outcome {
            println!("  {mutant}: {why}");
        }
    }
    let counted = results.len() - equivalent;
    println!(
        "{}: {caught} of {counted} caught ({own} by the room's own unit tests), {} survived, {equivalent} equivalent; \
         each: {}",
        asked.room,
        counted - caught,
        file.display()
    );
    if caught == counted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
