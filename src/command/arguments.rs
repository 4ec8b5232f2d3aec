//! Reads the command line. Its flags come from the table of settings; all that is wrong is collected, not only the
//! first.

use std::collections::HashMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use crate::config::{Fault, Faults, Kind, Origin, SETTINGS, Setting, Sources, markdown, nearest};

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// A command.
    Command(Command),
    /// Nothing but a text on standard output: help, the version, the list of settings.
    Text(String),
}

/// A command with what it needs. `usage` is what is wrong with the command line, to be reported with what else is.
#[derive(Debug)]
pub(super) enum Command {
    Serve { sources: Sources, usage: Faults },
    Check { sources: Sources, usage: Faults },
}

/// Reads `arguments`, which begin with the program's own name.
pub(super) fn parse(mut arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> Asked {
    let mut usage = Faults::default();
    let matches = loop {
        match command_line().try_get_matches_from(&arguments) {
            Ok(matches) => break matches,
            Err(error) if !error.use_stderr() => return Asked::Text(error.render().to_string()),
            Err(error) => {
                usage.add(fault(&error));
                if !drop_wrong(&mut arguments, &error) {
                    break ArgMatches::default();
                }
            }
        }
    };
    let mut flags = given_flags(&matches);
    let Some((name, of_command)) = matches.subcommand() else {
        return Asked::Command(Command::Serve { sources: Sources::new(flags, environment), usage });
    };
    // `deskbell --memory serve` is `deskbell serve --memory`.
    for (flag, values) in given_flags(of_command) {
        flags.entry(flag).or_default().extend(values);
    }
    let sources = Sources::new(flags, environment);
    if ["explain", "load", "token"].contains(&name) {
        let what = "must be the first word, with its own flags after it".to_owned();
        usage.add(Fault { origin: Origin::CommandLine(name.to_owned()), what });
    }
    match name {
        "check" if of_command.get_flag(LIST_SETTINGS) && usage.is_empty() => Asked::Text(markdown()),
        "check" => Asked::Command(Command::Check { sources, usage }),
        _ => Asked::Command(Command::Serve { sources, usage }),
    }
}

const LIST_SETTINGS: &str = "list-settings";

const AFTER_HELP: &str = "\
To try it:
  deskbell --memory                    then open http://127.0.0.1:8080: ring from one pane, answer in another
  deskbell check --config hub.toml     says \"ok\", or everything that is wrong with a configuration
  deskbell explain NOTIFICATION-ID     tells what became of a notification
  deskbell COMMAND --help              what a command takes

Stop it with Ctrl-C. A change of the file's templates is taken up while it runs.
All settings, with their environment variables and their keys in the file: deskbell check --list-settings";

fn command_line() -> clap::Command {
    let list = Arg::new(LIST_SETTINGS)
        .long(LIST_SETTINGS)
        .action(ArgAction::SetTrue)
        .help("Print all settings as a Markdown page.");
    clap::Command::new("deskbell")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A realtime notification hub: providers ring, agents' desks show it, the first answer wins.")
        .after_help(AFTER_HELP)
        .args(flags())
        .subcommand(clap::Command::new("serve").about("Run the hub (also without any command)").args(flags()))
        .subcommand(clap::Command::new("check").about("Say \"ok\", or all that is wrong").args(flags()).arg(list))
        .subcommand(super::explain::command_line())
        .subcommand(super::load::command_line())
        .subcommand(super::token::command_line())
}

fn flags() -> impl Iterator<Item = Arg> {
    SETTINGS.iter().filter_map(|setting| {
        let name = setting.flag?;
        let flag = Arg::new(name).long(name).action(ArgAction::Append).help(setting.meaning);
        Some(match setting.value_name() {
            Some(value) => flag.value_name(value).num_args(1),
            None => flag.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("true|false"),
        })
    })
}

fn given_flags(matches: &ArgMatches) -> HashMap<&'static str, Vec<String>> {
    let given = |setting: &Setting| {
        let flag = setting.flag?;
        // Where the command line could not be read to its end, no flag is known.
        let values = matches.try_get_many::<String>(flag).ok().flatten()?;
        Some((flag, values.cloned().collect()))
    };
    SETTINGS.iter().filter_map(given).collect()
}

/// What a fault of the command line is about: a flag or a word.
fn wrong_word(error: &clap::Error) -> Option<&str> {
    let words = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    words.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(word)) => word.split(' ').next(),
        _ => None,
    })
}

fn fault(error: &clap::Error) -> Fault {
    let word = wrong_word(error).unwrap_or("the command line");
    let flag = |name: &str| SETTINGS.iter().find(|setting| setting.flag == Some(name));
    let known = word.strip_prefix("--").and_then(flag);
    let what = match (error.kind(), known) {
        (ErrorKind::UnknownArgument, None) if word.starts_with('-') => {
            let near = nearest(word, SETTINGS.iter().filter_map(|setting| setting.flag));
            let hint =
                near.map_or("; deskbell --help lists them".to_owned(), |near| format!("; did you mean --{near}?"));
            format!("unknown flag{hint}")
        }
        (ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand, _) => {
            let line = command_line();
            let known: Vec<_> = line.get_subcommands().map(clap::Command::get_name).collect();
            format!("unknown command; known: {}", known.join(", "))
        }
        (ErrorKind::InvalidValue, Some(setting)) => {
            let value = setting.value_name().unwrap_or_default();
            format!("its value is missing; write {word} {value}")
        }
        (ErrorKind::TooManyValues, Some(Setting { kind: Kind::Switch(_), .. })) => "takes no value".to_owned(),
        _ => {
            let message = error.render().to_string();
            message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    };
    Fault { origin: Origin::CommandLine(word.to_owned()), what }
}

/// Takes what `error` is about out of the arguments, so that the rest can be read; `false` if it cannot be found.
fn drop_wrong(arguments: &mut Vec<OsString>, error: &clap::Error) -> bool {
    let is_wrong = |argument: &OsString| match (wrong_word(error), argument.to_str()) {
        (Some(word), Some(argument)) => {
            let short = word.starts_with('-') && !word.starts_with("--") && argument.starts_with(word);
            argument == word || short || argument.split_once('=').is_some_and(|(flag, _)| flag == word)
        }
        (None, argument) => argument.is_none(),
        (Some(_), None) => false,
    };
    let Some(at) = arguments.iter().skip(1).position(is_wrong).map(|at| at + 1) else { return false };
    let word = arguments.remove(at);
    // What follows an unknown flag is probably its value.
    let unknown_flag = error.kind() == ErrorKind::UnknownArgument && word.to_string_lossy().starts_with('-');
    let value = arguments.get(at).and_then(|next| next.to_str()).is_some_and(|next| {
        !next.starts_with('-') && !command_line().get_subcommands().any(|command| command.get_name() == next)
    });
    if unknown_flag && value && !word.to_string_lossy().contains('=') {
        arguments.remove(at);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Asked {
        parse([&["deskbell"], arguments].concat().into_iter().map(OsString::from).collect(), Vec::new())
    }

    fn serve(arguments: &[&str]) -> (HashMap<&'static str, Vec<String>>, Vec<String>) {
        match asked(arguments) {
            Asked::Command(Command::Serve { sources, usage }) => (sources.flags, usage.lines()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_command_it_serves() {
        assert_eq!(serve(&[]), serve(&["serve"]));
        let (flags, faults) =
            serve(&["--listen", "127.0.0.1:0", "serve", "--memory", "--allowed-origin=a", "--allowed-origin", "b"]);
        assert_eq!(faults, [""; 0]);
        assert_eq!(flags["listen"], ["127.0.0.1:0"]);
        assert_eq!(flags["memory"], ["true"]);
        assert_eq!(flags["allowed-origin"], ["a", "b"]);
        assert_eq!(serve(&["--memory=false"]).0["memory"], ["false"]);
    }

    #[test]
    fn everything_that_is_wrong_is_named_and_the_rest_is_read() {
        let (flags, faults) =
            serve(&["--lisen", "x", "--kubeconfig=f", "--memory", "srv", "-xz", "--config", "a.toml", "--data-dir"]);
        assert_eq!(
            faults,
            [
                "--lisen: unknown flag; did you mean --listen?",
                "--kubeconfig: unknown flag; did you mean --config?",
                "srv: unknown command; known: serve, check, explain, load, token",
                "-x: unknown flag; deskbell --help lists them",
                "--data-dir: its value is missing; write --data-dir DIR",
            ]
        );
        assert_eq!((flags["memory"].len(), flags["config"][0].as_str()), (1, "a.toml"));
    }

    #[test]
    fn a_flag_is_no_value_of_the_flag_before_it() {
        let (flags, faults) = serve(&["--data-dir", "--memory"]);
        assert_eq!(faults, ["--data-dir: its value is missing; write --data-dir DIR"]);
        assert!(flags.contains_key("memory"));
    }

    #[test]
    fn an_argument_that_is_not_utf8_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let arguments = vec!["deskbell".into(), "--data-dir".into(), OsString::from_vec(vec![0xff])];
        let Asked::Command(Command::Serve { usage, .. }) = parse(arguments, Vec::new()) else { panic!() };
        assert!(!usage.is_empty());
    }

    #[test]
    fn help_version_and_settings_are_texts() {
        for (arguments, contains) in [
            (&["--help"][..], "--allowed-origin <ORIGIN>"),
            (&["serve", "--help"], "--wait-lock <DURATION>"),
            (&["--version"], concat!("deskbell ", env!("CARGO_PKG_VERSION"))),
            (&["check", "--list-settings"], "DESKBELL_LIMITS_DISPLAY_LIMIT"),
        ] {
            let Asked::Text(text) = asked(arguments) else { panic!("{arguments:?}") };
            assert!(text.contains(contains), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command_line().debug_assert();
    }
}
