//! `deskbell explain`: shows the course of a notification, from the data directory or from a running hub.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{CommandFactory, Parser};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::{load, print_clap, print_errors};
use crate::config::{ConfigError, ConfigErrors, Location, Sources};
use crate::explain::{self, ExplainQuery};
use crate::log::disk::ReadOnlyLog;
use crate::telemetry::escape;

/// The time limit for a running hub, which replays its whole log.
const ANSWER_MAX: Duration = Duration::from_secs(130);

/// The size limit of the answer, larger than any real one.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How many characters of a text from another program an error message repeats.
const SHOWN_MAX: usize = 300;

/// Show the course of a notification: the desks that displayed it, the agents that saw it, each answer, and the outcome
#[derive(Debug, Parser)]
#[command(name = "explain", bin_name = "deskbell explain")]
struct ExplainArguments {
    /// The notificationId, or a correlationId
    id: String,
    /// The data directory of the hub; the hub may be running, and nothing is changed
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The TOML file of the hub, which names the data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask a running hub instead, at its --admin-listen: http://127.0.0.1:PORT
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "config"])]
    admin: Option<String>,
    /// Print the explanation as JSON
    #[arg(long)]
    json: bool,
}

/// The flags of the command.
pub(super) fn command_line() -> clap::Command {
    ExplainArguments::command()
}

/// Prints the explanation. Exits with 0, with 1 if the log does not contain the notification or cannot be read, and with
/// 64 for a wrong command line. `arguments` start with `explain`.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut usage = ConfigErrors::default();
    let mut usage_error = |what: String| {
        usage.add(ConfigError { location: Location::CommandLine("explain".to_owned()), what });
        print_errors(&usage)
    };
    let arguments = match ExplainArguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return print_clap(&error),
    };
    let question: ExplainQuery = match arguments.id.parse() {
        Ok(question) => question,
        Err(error) => return usage_error(format!("\"{}\" is {error}", shown(&arguments.id))),
    };
    if let Some(admin) = &arguments.admin {
        return match ask(admin, &arguments.id, arguments.json) {
            Ok((found, text)) => print_explanation(found, &text),
            Err(why) => failed(&why),
        };
    }
    let directory = match data_directory(&arguments) {
        Ok(directory) => directory,
        Err(errors) => return print_errors(&errors),
    };
    let explained = ReadOnlyLog::open(&directory).map_err(|error| {
        format!(
            "{error}; name the log of the hub with --data-dir DIR or --config FILE, or ask the hub with --admin URL"
        )
    });
    let explained = explained
        .and_then(|mut log| explain::explain(&mut log, &question, &|| true).map_err(|error| error.to_string()));
    match explained {
        Ok(explained) if arguments.json => print_explanation(!explained.is_empty(), &explained.json()),
        Ok(explained) => print_explanation(!explained.is_empty(), explained.to_string().as_bytes()),
        Err(why) => failed(&why),
    }
}

fn print_explanation(found: bool, text: &[u8]) -> ExitCode {
    // A closed standard output is not an error.
    let _ = io::stdout().write_all(text);
    if found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "deskbell: {}", escape(why));
    ExitCode::FAILURE
}

/// Finds the data directory as the hub itself would.
fn data_directory(arguments: &ExplainArguments) -> Result<PathBuf, ConfigErrors> {
    if let Some(directory) = &arguments.data_dir {
        return Ok(directory.clone());
    }
    let config = arguments.config.iter().map(|file| ("config", vec![file.to_string_lossy().into_owned()]));
    let flags: HashMap<&'static str, Vec<String>> = config.collect();
    let environment: Vec<_> = std::env::vars_os().collect();
    let config = load(&Sources::new(flags, environment), ConfigErrors::default())?;
    Ok(config.server.data_dir)
}

/// Asks a running hub. Returns whether it knows the notification, and its answer.
fn ask(admin: &str, id: &str, json: bool) -> Result<(bool, Vec<u8>), String> {
    let wrong = || format!("{admin}: not the address of an admin listener; write it as http://127.0.0.1:PORT");
    let uri: Uri = admin.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|_| uri.scheme_str().is_none_or(|scheme| scheme == "http"));
    let authority = authority.ok_or_else(wrong)?.clone();
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    // The id is a GUID, so only braces need care.
    let id = id.trim_matches(['{', '}']);
    let path = format!("/explain?id={id}{}", if json { "" } else { "&format=text" });
    let request = Request::get(path).header("host", authority.as_str()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let answer = runtime.block_on(async { timeout(ANSWER_MAX, exchange(&address, request)).await });
    let (status, body) = answer
        .map_err(|_| format!("{admin} did not answer within {} s", ANSWER_MAX.as_secs()))?
        .map_err(|why| format!("{admin}: {why}"))?;
    match status {
        StatusCode::OK => Ok((true, lines(&body))),
        StatusCode::NOT_FOUND if body.starts_with(b"{") || body.starts_with(b"The log") => Ok((false, lines(&body))),
        StatusCode::NOT_FOUND => Err(wrong()),
        _ => Err(format!("{admin}: {}", shown(String::from_utf8_lossy(&body).trim()))),
    }
}

/// A text from another program as a part of a line: escaped and cut.
fn shown(text: &str) -> String {
    let more = if text.chars().nth(SHOWN_MAX).is_some() { "…" } else { "" };
    escape(&text.chars().take(SHOWN_MAX).collect::<String>()) + more
}

/// An answer from the network with every line escaped, because another program may listen on that port.
fn lines(body: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(body)
        .lines()
        .flat_map(|line| [escape(line), "\n".to_owned()])
        .collect::<String>()
        .into_bytes()
}

async fn exchange(address: &str, request: Request<Empty<Bytes>>) -> Result<(StatusCode, Vec<u8>), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes().to_vec()))
    };
    let answer = answer.await;
    connection.abort();
    answer
}
