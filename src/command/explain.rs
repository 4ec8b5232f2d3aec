//! `deskbell explain`: what became of a notification, from the data directory or from a running hub.

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

use super::answer::{help_or_refuse, load, refuse};
use crate::config::{Fault, Faults, Origin, Sources};
use crate::explain::{self, ExplainQuery};
use crate::log::disk::ReadOnlyLog;
use crate::telemetry::escape;

/// How long a running hub may take: it folds all that its log keeps.
const ANSWER_MAX: Duration = Duration::from_secs(130);

/// How much it may answer: more than a hub ever does.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Characters of what was not understood that are shown.
const SHOWN_MAX: usize = 300;

/// Tell what became of a notification: who was offered it, who saw it, who answered when, what settled it
#[derive(Debug, Parser)]
#[command(name = "explain", bin_name = "deskbell explain")]
struct Arguments {
    /// The notificationId, or a correlationId
    id: String,
    /// The hub's data directory, whether a hub uses it or not (nothing is changed)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The hub's TOML file, which says where its data directory is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask a running hub instead, at its --admin-listen: http://127.0.0.1:PORT
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "config"])]
    admin: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Its flags, for the help of the whole program.
pub(super) fn command_line() -> clap::Command {
    Arguments::command()
}

/// Prints the story. Exit code 0, 1 if the log knows nothing of it or cannot be read, 64 for a wrong command line.
/// `arguments` begin with `explain`.
pub(super) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut usage = Faults::default();
    let mut fault = |what: String| {
        usage.add(Fault { origin: Origin::CommandLine("explain".to_owned()), what });
        refuse(&usage)
    };
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return help_or_refuse(&error),
    };
    let question: ExplainQuery = match arguments.id.parse() {
        Ok(question) => question,
        Err(error) => return fault(format!("\"{}\" is {error}", shown(&arguments.id))),
    };
    if let Some(admin) = &arguments.admin {
        return match ask(admin, &arguments.id, arguments.json) {
            Ok((found, text)) => told(found, &text),
            Err(why) => failed(&why),
        };
    }
    let directory = match data_directory(&arguments) {
        Ok(directory) => directory,
        Err(faults) => return refuse(&faults),
    };
    let explained = ReadOnlyLog::open(&directory).map_err(|error| {
        format!(
            "{error}; say where the hub's log is with --data-dir DIR or --config FILE, or ask the hub with --admin URL"
        )
    });
    let explained = explained
        .and_then(|mut log| explain::explain(&mut log, &question, &|| true).map_err(|error| error.to_string()));
    match explained {
        Ok(explained) if arguments.json => told(!explained.is_empty(), &explained.json()),
        Ok(explained) => told(!explained.is_empty(), explained.to_string().as_bytes()),
        Err(why) => failed(&why),
    }
}

fn told(found: bool, text: &[u8]) -> ExitCode {
    // Nobody listening there is no failure.
    let _ = io::stdout().write_all(text);
    if found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "deskbell: {}", escape(why));
    ExitCode::FAILURE
}

/// As the hub itself would find it.
fn data_directory(arguments: &Arguments) -> Result<PathBuf, Faults> {
    if let Some(directory) = &arguments.data_dir {
        return Ok(directory.clone());
    }
    let config = arguments.config.iter().map(|file| ("config", vec![file.to_string_lossy().into_owned()]));
    let flags: HashMap<&'static str, Vec<String>> = config.collect();
    let environment: Vec<_> = std::env::vars_os().collect();
    let config = load(&Sources::new(flags, environment), Faults::default())?;
    Ok(config.server.data_dir)
}

/// Asks a running hub; whether it knows anything of it, and what.
fn ask(admin: &str, id: &str, json: bool) -> Result<(bool, Vec<u8>), String> {
    let wrong = || format!("{admin}: not the address of an admin listener; write it as http://127.0.0.1:PORT");
    let uri: Uri = admin.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|_| uri.scheme_str().is_none_or(|scheme| scheme == "http"));
    let authority = authority.ok_or_else(wrong)?.clone();
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    // The id is a GUID: nothing in it needs escaping but braces.
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

/// What somebody else wrote, as a part of a line.
fn shown(text: &str) -> String {
    let more = if text.chars().nth(SHOWN_MAX).is_some() { "…" } else { "" };
    escape(&text.chars().take(SHOWN_MAX).collect::<String>()) + more
}

/// What came from the network, line by line as the hub has escaped it: any program may have that port.
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
