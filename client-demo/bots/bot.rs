//! A provider bot: it raises a notification for every line of standard input (`<conversation> <customer>`) and prints every
//! outcome, including the outcomes of an earlier run.
//!
//! `cargo run -p deskbell-client --example bot -- ws://127.0.0.1:8080/ws`, and then type a line such as `conv-42 Grace`, with a new id for every conversation.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::HashSet;
use std::error::Error;
use std::fs;

use deskbell_client::{Notify, Provider, ProviderOptions};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// The file with the position of the last printed outcome, in the working directory.
const POSITION: &str = "bot.position";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:8080/ws".to_owned());
    let options = ProviderOptions::new().id("rust-bot");
    let options = match fs::read_to_string(POSITION) {
        Ok(position) => options.resume_after(position.trim()),
        Err(_) => options.resume_all(),
    };
    let (provider, mut results) = Provider::connect_with_results(&url, options).await?;
    if provider.missed() {
        eprintln!("the hub has forgotten some outcomes: this bot was away for too long");
    }
    let mut lines = BufReader::new(stdin()).lines();
    let (mut more, mut rung, mut open) = (true, HashSet::new(), HashSet::new());
    while more || !open.is_empty() {
        tokio::select! {
            line = lines.next_line(), if more => {
                let Some(line) = line? else { more = false; continue };
                let (conversation, customer) = line.split_once(' ').unwrap_or((&line, "Somebody"));
                if conversation.is_empty() || !rung.insert(conversation.to_owned()) {
                    continue;
                }
                // The id of the conversation: after a crash of this bot, the hub recognises the same notification.
                let notify = Notify::template("msdyn_chat_incoming_unauthenticated").id(conversation);
                let notify = notify.session(conversation).parameter("customerName", customer);
                match provider.ring(notify).await?.acked().await {
                    Ok(_) => drop(open.insert(conversation.to_owned())),
                    Err(error) => eprintln!("{conversation}: {error}"),
                }
            }
            result = results.next() => {
                let Some(result) = result else { return Err(provider.ended().await.into()) };
                let conversation = result.ids.id.as_deref().unwrap_or("a notify without an id");
                println!("{conversation}: {} {}", result.value.response_reason(), result.agent_id.as_deref().unwrap_or("by nobody"));
                rung.insert(conversation.to_owned());
                open.remove(conversation);
                fs::write(POSITION, &*result.position)?;
            }
        }
    }
    Ok(())
}
