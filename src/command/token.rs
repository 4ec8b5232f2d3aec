//! `deskbell token`: prints a token for development.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use deskbell_protocol::parse_duration;

use super::answer::{print, print_clap, print_errors};
use crate::auth::{GROUPS_OF_TOKEN_MAX, TokenRequest, mint};
use crate::config::{ConfigError, ConfigErrors, Location};
use crate::hub::{Clock, WallClock};
use deskbell_protocol::{Role, check_name};

/// The longest lifetime of a token.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Print a token for development, signed with HS256 and the secret of --auth-secret-file
#[derive(Debug, Parser)]
#[command(name = "token", bin_name = "deskbell token")]
struct TokenArguments {
    /// The file that the hub gets with --auth-secret-file
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// The agentId or providerId
    #[arg(long, value_name = "ID")]
    sub: String,
    /// provider, agent or observer
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// The agent's groups
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    groups: Vec<String>,
    /// The workspace [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// The iss claim, if the hub checks it
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// The aud claim, if the hub checks it
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// The lifetime, such as 90s, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    ttl: String,
}

/// The flags of the command.
pub(super) fn command_line() -> clap::Command {
    TokenArguments::command()
}

/// Prints the token, or the errors of `arguments`, which start with `token`.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut usage = ConfigErrors::default();
    let arguments = match TokenArguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return print_clap(&error),
    };
    let TokenArguments { secret_file, sub, role: role_name, groups, workspace, issuer, audience, ttl } = arguments;
    let mut error =
        |flag: &str, what: String| usage.add(ConfigError { location: Location::CommandLine(flag.to_owned()), what });
    let role = Role::ALL.into_iter().find(|role| role.as_str() == role_name);
    if role.is_none() {
        error("--role", "allowed: provider, agent, observer".to_owned());
    }
    let ttl = parse_duration(&ttl).filter(|ttl| (Duration::from_secs(1)..=TTL_MAX).contains(ttl));
    if ttl.is_none() {
        error("--ttl", "allowed: 1s to 3650d, such as 90s, 1h or 7d".to_owned());
    }
    let names = [("--sub", Some(&sub)), ("--workspace", workspace.as_ref())];
    let of_groups = groups.iter().map(|group| ("--groups", Some(group)));
    for (flag, name) in names.into_iter().chain(of_groups) {
        if let Some(Err(what)) = name.map(|name| check_name(name)) {
            error(flag, what);
        }
    }
    if groups.len() > GROUPS_OF_TOKEN_MAX {
        error("--groups", format!("more than {GROUPS_OF_TOKEN_MAX} groups"));
    }
    let (Some(role), Some(ttl), true) = (role, ttl, usage.is_empty()) else { return print_errors(&usage) };
    let issued = WallClock.now().0 / 1000;
    let expires = issued + ttl.as_secs();
    let request = TokenRequest { subject: sub, role, groups, workspace, issuer, audience, issued, expires };
    match mint(&secret_file, &request) {
        Ok(token) => print(&format!("{token}\n")),
        Err(error) => {
            usage.add(ConfigError {
                location: Location::CommandLine("--secret-file".to_owned()),
                what: error.to_string(),
            });
            print_errors(&usage)
        }
    }
}
