//! `deskbell token`: a token for development.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::answer::{help_or_refuse, refuse, say};
use crate::auth::{Wanted, mint};
use crate::config::{Fault, Faults, Origin, duration};
use crate::hub::{Clock, WallClock};
use crate::protocol::size::GROUPS_MAX;
use crate::protocol::{Role, check_name};

/// The longest that a token can be asked for.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Print a token for development, signed by HS256 as --auth-secret-file checks it
#[derive(Debug, Parser)]
#[command(name = "token", bin_name = "deskbell token")]
struct Arguments {
    /// The file that the hub is given by --auth-secret-file
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Whose it is: the agentId or providerId
    #[arg(long, value_name = "ID")]
    sub: String,
    /// provider, agent or observer
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// The agent's groups
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    groups: Vec<String>,
    /// The workspace; without it, it is default
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// Its iss, if the hub asks for one
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// Its aud, if the hub asks for one
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// For how long it is good, such as 90s, 1h or 7d
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    ttl: String,
}

/// Its flags, for the help of the whole program.
pub(super) fn command_line() -> clap::Command {
    Arguments::command()
}

/// Prints the token alone, or what is wrong with `arguments`, which begin with `token`.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut usage = Faults::default();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return help_or_refuse(&error),
    };
    let Arguments { secret_file, sub, role: role_name, groups, workspace, issuer, audience, ttl } = arguments;
    let mut fault = |flag: &str, what: String| usage.add(Fault { origin: Origin::CommandLine(flag.to_owned()), what });
    let role = Role::ALL.into_iter().find(|role| role.as_str() == role_name);
    if role.is_none() {
        fault("--role", "allowed: provider, agent, observer".to_owned());
    }
    let ttl = duration(&ttl).filter(|ttl| (Duration::from_secs(1)..=TTL_MAX).contains(ttl));
    if ttl.is_none() {
        fault("--ttl", "allowed: 1s to 3650d, such as 90s, 1h or 7d".to_owned());
    }
    let names = [("--sub", Some(&sub)), ("--workspace", workspace.as_ref())];
    let of_groups = groups.iter().map(|group| ("--groups", Some(group)));
    for (flag, name) in names.into_iter().chain(of_groups) {
        if let Some(Err(what)) = name.map(|name| check_name(name)) {
            fault(flag, what);
        }
    }
    if groups.len() > GROUPS_MAX {
        fault("--groups", format!("more than {GROUPS_MAX}"));
    }
    let (Some(role), Some(ttl), true) = (role, ttl, usage.is_empty()) else { return refuse(&usage) };
    let issued = WallClock.now().0 / 1000;
    let expires = issued + ttl.as_secs();
    let wanted = Wanted { subject: sub, role, groups, workspace, issuer, audience, issued, expires };
    match mint(&secret_file, &wanted) {
        Ok(token) => say(&format!("{token}\n")),
        Err(error) => {
            usage.add(Fault { origin: Origin::CommandLine("--secret-file".to_owned()), what: error.to_string() });
            refuse(&usage)
        }
    }
}
