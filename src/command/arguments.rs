//! Parses the command line. Its flags come from the table of settings. All errors are collected, not only the first.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use crate::config::{ConfigError, ConfigErrors, Location, SETTINGS, Setting, Sources, ValueKind, markdown, nearest};

/// The meaning of a command line.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Run a command.
    Command(Command),
    /// Print a text: the help, the version, or the list of settings.
    Text(String),
}

/// A command with its settings. `usage` holds the errors of the command line, to be reported with all others.
#[derive(Debug)]
pub(super) enum Command {
    Serve { sources: Sources, usage: ConfigErrors },
    Check { sources: Sources, usage: ConfigErrors, token: Option<PathBuf> },
}

/// Parses `arguments`, which start with the name of the program.
pub(super) fn parse(mut arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> Invocation {
    let mut usage = ConfigErrors::default();
    let matches = loop {
        match command_line().try_get_matches_from(&arguments) {
            Ok(matches) => break matches,
            Err(error) if !error.use_stderr() => return Invocation::Text(error.render().to_string()),
            Err(error) => {
                usage.add(usage_error(&error));
                if !drop_wrong(&mut arguments, &error) {
                    break ArgMatches::default();
                }
            }
        }
    };
    let mut flags = given_flags(&matches);
    let Some((name, of_command)) = matches.subcommand() else {
        return Invocation::Command(Command::Serve { sources: Sources::new(flags, environment), usage });
    };
    // `deskbell --memory serve` is `deskbell serve --memory`.
    for (flag, values) in given_flags(of_command) {
        flags.entry(flag).or_default().extend(values);
    }
    let sources = Sources::new(flags, environment);
    if ["explain", "load", "token"].contains(&name) {
        let what = "must be the first word, followed by its own flags".to_owned();
        usage.add(ConfigError { location: Location::CommandLine(name.to_owned()), what });
    }
    match name {
        "check" if of_command.get_flag(LIST_SETTINGS) && usage.is_empty() => Invocation::Text(markdown()),
        "check" => {
            let token = of_command.get_one::<String>(TOKEN).map(PathBuf::from);
            Invocation::Command(Command::Check { sources, usage, token })
        }
        _ => Invocation::Command(Command::Serve { sources, usage }),
    }
}

const LIST_SETTINGS: &str = "list-settings";
const TOKEN: &str = "token";

const AFTER_HELP: &str = "\
To try it:
  deskbell --memory                    then open http://127.0.0.1:8080: ring in one pane, answer in another
  deskbell check --config hub.toml     says \"ok\", or everything that is wrong with a configuration
  deskbell explain NOTIFICATION-ID     show the course of a notification
  deskbell COMMAND --help              show the flags of a command

Stop it with Ctrl-C. Changes to templates in the file take effect without a restart.
All settings, with their environment variables and their keys in the file: deskbell check --list-settings";

fn command_line() -> clap::Command {
    let list = Arg::new(LIST_SETTINGS)
        .long(LIST_SETTINGS)
        .action(ArgAction::SetTrue)
        .help("Print all settings as a Markdown page.");
    let token = Arg::new(TOKEN)
        .long(TOKEN)
        .value_name("FILE")
        .help("Also show what the token in this file grants, or why it is refused.");
    clap::Command::new("deskbell")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "A realtime notification hub: providers ring, agents' desks show the notification, the first answer wins.",
        )
        .after_help(AFTER_HELP)
        .args(flags())
        .subcommand(clap::Command::new("serve").about("Run the hub (the default command)").args(flags()))
        .subcommand(
            clap::Command::new("check")
                .about("Print \"ok\", or all errors of the configuration")
                .args(flags())
                .arg(list)
                .arg(token),
        )
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
        // After a fatal error of the command line, no flag is defined.
        let values = matches.try_get_many::<String>(flag).ok().flatten()?;
        Some((flag, values.cloned().collect()))
    };
    SETTINGS.iter().filter_map(given).collect()
}

/// The flag or word that an error is about.
fn wrong_word(error: &clap::Error) -> Option<&str> {
    let words = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand];
    words.into_iter().find_map(|kind| match error.get(kind) {
        Some(ContextValue::String(word)) => word.split(' ').next(),
        _ => None,
    })
}

fn usage_error(error: &clap::Error) -> ConfigError {
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
            format!("the value is missing; write {word} {value}")
        }
        (ErrorKind::TooManyValues, Some(Setting { kind: ValueKind::Switch(_), .. })) => {
            "does not take a value".to_owned()
        }
        _ => {
            let message = error.render().to_string();
            message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    };
    ConfigError { location: Location::CommandLine(word.to_owned()), what }
}

/// Removes the word that `error` is about, so that the rest can be parsed. Returns `false` if the word is not found.
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
    // The word after an unknown flag is probably its value.
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

    fn invocation(arguments: &[&str]) -> Invocation {
        parse([&["deskbell"], arguments].concat().into_iter().map(OsString::from).collect(), Vec::new())
    }

    fn serve(arguments: &[&str]) -> (HashMap<&'static str, Vec<String>>, Vec<String>) {
        match invocation(arguments) {
            Invocation::Command(Command::Serve { sources, usage }) => (sources.flags, usage.lines()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_command_it_serves() {
        assert_eq!(serve(&[]), serve(&["serve"]));
        let (flags, errors) =
            serve(&["--listen", "127.0.0.1:0", "serve", "--memory", "--allowed-origin=a", "--allowed-origin", "b"]);
        assert_eq!(errors, [""; 0]);
        assert_eq!(flags["listen"], ["127.0.0.1:0"]);
        assert_eq!(flags["memory"], ["true"]);
        assert_eq!(flags["allowed-origin"], ["a", "b"]);
        assert_eq!(serve(&["--memory=false"]).0["memory"], ["false"]);
    }

    #[test]
    fn all_errors_are_reported_and_the_rest_is_parsed() {
        let (flags, errors) =
            serve(&["--lisen", "x", "--kubeconfig=f", "--memory", "srv", "-xz", "--config", "a.toml", "--data-dir"]);
        assert_eq!(
            errors,
            [
                "--lisen: unknown flag; did you mean --listen?",
                "--kubeconfig: unknown flag; did you mean --config?",
                "srv: unknown command; known: serve, check, explain, load, token",
                "-x: unknown flag; deskbell --help lists them",
                "--data-dir: the value is missing; write --data-dir DIR",
            ]
        );
        assert_eq!((flags["memory"].len(), flags["config"][0].as_str()), (1, "a.toml"));
    }

    #[test]
    fn a_flag_is_not_the_value_of_the_flag_before_it() {
        let (flags, errors) = serve(&["--data-dir", "--memory"]);
        assert_eq!(errors, ["--data-dir: the value is missing; write --data-dir DIR"]);
        assert!(flags.contains_key("memory"));
    }

    #[test]
    fn an_argument_that_is_not_utf8_is_refused() {
        use std::os::unix::ffi::OsStringExt;
        let arguments = vec!["deskbell".into(), "--data-dir".into(), OsString::from_vec(vec![0xff])];
        let Invocation::Command(Command::Serve { usage, .. }) = parse(arguments, Vec::new()) else { panic!() };
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
            let Invocation::Text(text) = invocation(arguments) else { panic!("{arguments:?}") };
            assert!(text.contains(contains), "{text}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command_line().debug_assert();
    }
}
