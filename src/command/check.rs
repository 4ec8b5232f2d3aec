//! `deskbell check`: makes the checks that `serve` would make with the same flags. With `--token FILE`, it also shows the
//! rights that the token in that file grants.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::answer::{load, print, print_errors};
use super::serve::verifier_settings;
use crate::auth::{Claims, TokenVerifier};
use crate::config::{Config, ConfigErrors, Sources};
use crate::hub::{Clock, WallClock};
use crate::outbound::HttpsClient;
use crate::telemetry::escape;

/// Prints `ok` with the warnings on standard error, or prints all errors and exits with
/// [`EXIT_USAGE`](super::EXIT_USAGE). With a token, prints the rights that it grants, or exits with 1 and prints the reason of the refusal.
pub(super) fn run(sources: &Sources, usage: ConfigErrors, token: Option<&Path>) -> ExitCode {
    let config = match load(sources, usage) {
        Ok(config) => config,
        Err(errors) => return print_errors(&errors),
    };
    for warning in &config.warnings {
        warn(warning);
    }
    match verifier(&config) {
        Err(why) => fail(&why),
        Ok(verifier) => match token {
            Some(path) => check_token(verifier.as_deref(), path),
            None => print("ok\n"),
        },
    }
}

fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "deskbell: warning: {}", escape(text));
}

fn fail(text: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "deskbell: {}", escape(text));
    ExitCode::FAILURE
}

/// The verifier with the keys of all issuers, if authentication is on. Warns about issuers if their keys cannot be fetched.
fn verifier(config: &Config) -> Result<Option<Arc<TokenVerifier>>, String> {
    if !config.auth.is_on() {
        return Ok(None);
    }
    let text = |error: &dyn std::error::Error| error.to_string();
    let verifier = Arc::new(TokenVerifier::open(verifier_settings(config, None)).map_err(|error| text(&error))?);
    if verifier.issuers_with_remote_keys() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| text(&error))?;
        let client = HttpsClient::with_system_roots().map_err(|error| text(&error))?;
        let fetched = Arc::clone(&verifier);
        runtime.block_on(async {
            tokio::select! {
                () = Arc::clone(&fetched).keep_keys_fresh(client) => {}
                () = fetched.wait_for_keys() => {}
            }
        });
    }
    for (issuer, why) in verifier.key_failures() {
        warn(&format!("[[auth.issuers]] {issuer:?}: its keys cannot be fetched: {why}"));
    }
    Ok(Some(verifier))
}

fn check_token(verifier: Option<&TokenVerifier>, path: &Path) -> ExitCode {
    let Some(verifier) = verifier else { return fail("authentication is off, so tokens are not checked") };
    let token = match fs::read_to_string(path) {
        Ok(token) => token,
        Err(error) => return fail(&format!("{}: cannot be read: {error}", path.display())),
    };
    match verifier.check(token.trim_start_matches('\u{feff}').trim(), WallClock.now().0) {
        Ok(claims) => print(&describe(&claims)),
        Err(why) => fail(&format!("the token is refused: {why}")),
    }
}

fn describe(claims: &Claims) -> String {
    let list = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let roles = list(claims.roles.iter().map(|role| role.as_str()).collect());
    let mut groups = list(claims.groups.iter().map(String::as_str).collect());
    if claims.groups_left_out > 0 {
        groups.push_str(&format!(" ({} left out)", claims.groups_left_out));
    }
    let now_ms = WallClock.now().0;
    let seconds = claims.ends_ms.saturating_sub(now_ms) / 1000;
    let rows = [
        ("subject", claims.subject.clone()),
        ("name", claims.name.clone().unwrap_or_else(|| "none".to_owned())),
        ("roles", roles),
        ("workspace", claims.workspace.clone()),
        ("groups", groups),
        ("issuer", claims.issuer.clone().unwrap_or_else(|| "the keys of [auth]".to_owned())),
        ("ends", format!("in {seconds} s")),
    ];
    rows.iter().map(|(name, value)| format!("{name}: {}\n", escape(value))).collect()
}
