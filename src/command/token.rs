//! `deskbell token`: a token for development.

use std::process::ExitCode;
use std::time::Duration;

use super::answer::{refuse, say};
use super::arguments::TokenArguments;
use crate::auth::{Wanted, mint};
use crate::config::{Fault, Origin, duration};
use crate::hub::{Clock, WallClock};
use crate::protocol::size::GROUPS_MAX;
use crate::protocol::{Role, check_name};

/// The longest that a token can be asked for.
const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Prints the token alone, or what is wrong.
pub(super) fn run(arguments: TokenArguments) -> ExitCode {
    let TokenArguments { secret_file, sub, role: role_name, groups, workspace, issuer, audience, ttl, mut usage } =
        arguments;
    if !usage.is_empty() {
        // What is missing would be named twice.
        return refuse(&usage);
    }
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
