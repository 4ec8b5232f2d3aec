//! The streams: as they are made, and what of one that is there already this hub would lose entries by.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use tokio::time::{Instant, sleep};

use super::connect::chain;
use crate::log::{LogError, RECORD_BYTES_MAX};

/// Replicas of a stream where there are servers enough: one may be lost.
const REPLICAS: usize = 3;

/// How long a cluster of servers may take to be able to hold a new stream: it may be electing its leader.
const CREATE_MAX: Duration = Duration::from_secs(20);

/// The most that a cluster can have (`[cluster] partitions`).
const PARTITIONS_MAX: u32 = 64;

const CREATE_AGAIN: Duration = Duration::from_millis(500);

/// Which of the streams among which a cluster's workspaces are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPartition {
    /// Counted from 0.
    pub partition: u32,
    /// How many there are.
    pub of: u32,
}

/// The names of one partition's things. No client's word is in them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    place: StreamPartition,
    pub(super) stream: String,
    pub(super) subject: String,
    pub(super) digests: String,
    bucket: String,
    /// What the servers call the connection.
    pub(super) client: String,
}

impl Names {
    pub(super) fn of(place: StreamPartition) -> Self {
        let partition = place.partition;
        Self {
            place,
            stream: format!("DESKBELL_{partition}"),
            subject: subject(place),
            digests: format!("deskbell.{partition}.digest"),
            bucket: format!("DESKBELL_{partition}_SNAPSHOTS"),
            client: if place.of == 1 { "deskbell".to_owned() } else { format!("deskbell-{partition}") },
        }
    }
}

/// It says of how many the stream is one: a hub that counts otherwise would look for workspaces elsewhere. In the
/// subject, since what a stream is described as anybody may edit.
fn subject(StreamPartition { partition, of }: StreamPartition) -> String {
    if of == 1 { format!("deskbell.{partition}.log") } else { format!("deskbell.{partition}.of.{of}.log") }
}

/// The stream, made if it is not there, checked if it is; and how many replicas it has.
pub(super) async fn open(context: &Context, names: &Names, servers: usize) -> Result<Stream, LogError> {
    let client = context.client();
    let payload_max = client.max_payload();
    if payload_max < RECORD_BYTES_MAX {
        let text =
            format!("the NATS servers take messages of {payload_max} bytes only: set max_payload to 1MB or more");
        return Err(LogError::Device(text));
    }
    let began = Instant::now();
    let stream = loop {
        match existing_or_new(context, &client, names, servers).await {
            Ok(stream) => break stream,
            Err(why) if began.elapsed() > CREATE_MAX => {
                return Err(LogError::Device(format!("the stream {} cannot be had: {why}", names.stream)));
            }
            Err(why) => {
                tracing::warn!(stream = names.stream, why, "the stream cannot be had yet");
                sleep(CREATE_AGAIN).await;
            }
        }
    };
    let info = stream.cached_info();
    refuse_another_number(&info.config, names)?;
    refuse_what_loses(&info.config, names)?;
    say(&client, info);
    if names.place.partition == 0 {
        warn_of_old_servers(&client);
    }
    Ok(stream)
}

/// Where the snapshots are kept, made if it is not there.
pub(super) async fn open_snapshots(context: &Context, names: &Names, replicas: usize) -> Result<ObjectStore, LogError> {
    let config = object_store::Config {
        bucket: names.bucket.clone(),
        storage: StorageType::File,
        num_replicas: replicas,
        ..object_store::Config::default()
    };
    let began = Instant::now();
    loop {
        let error = match context.get_object_store(&names.bucket).await {
            Ok(store) => return Ok(store),
            Err(_) => match context.create_object_store(config.clone()).await {
                Ok(store) => return Ok(store),
                Err(error) => error,
            },
        };
        if began.elapsed() > CREATE_MAX {
            let why = chain(&error);
            return Err(LogError::Device(format!("the object store {} cannot be had: {why}", names.bucket)));
        }
        sleep(CREATE_AGAIN).await;
    }
}

async fn existing_or_new(context: &Context, client: &Client, names: &Names, servers: usize) -> Result<Stream, String> {
    match context.get_stream(&names.stream).await {
        Ok(stream) => return Ok(stream),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(chain(&error)),
        },
    }
    let clustered = client.server_info().cluster.is_some();
    if !clustered {
        return create(context, names, 1).await.map_err(|error| chain(&error));
    }
    match create(context, names, REPLICAS).await {
        Err(error) if servers < REPLICAS && is_want_of_servers(&error) => {
            tracing::debug!(why = chain(&error), "there are not servers enough for replicas");
            create(context, names, 1).await
        }
        created => created,
    }
    .map_err(|error| chain(&error))
}

async fn create(context: &Context, names: &Names, replicas: usize) -> Result<Stream, CreateStreamError> {
    context.create_stream(config(names, replicas)).await
}

fn is_want_of_servers(error: &CreateStreamError) -> bool {
    matches!(error.kind(), CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::CLUSTER_NO_PEERS)
}

fn config(names: &Names, replicas: usize) -> Config {
    Config {
        name: names.stream.clone(),
        subjects: vec![names.subject.clone()],
        description: Some("deskbell: the one order of everything that happens".to_owned()),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        max_message_size: -1,
        num_replicas: replicas,
        deny_delete: true,
        ..Config::default()
    }
}

/// A stream of another number of partitions is not this cluster's.
fn refuse_another_number(have: &Config, names: &Names) -> Result<(), LogError> {
    let StreamPartition { partition, of } = names.place;
    let [subject] = &have.subjects[..] else { return Ok(()) };
    let is = |of: &u32| *subject == self::subject(StreamPartition { partition, of: *of });
    match (1..=PARTITIONS_MAX).find(is) {
        Some(others) if others != of => Err(LogError::Device(format!(
            "the stream {} is one of {others}, and [cluster] partitions says {of}: the number holds for as long as there \
             are streams; set partitions = {others}, or begin with new ones in another NATS account",
            names.stream
        ))),
        _ => Ok(()),
    }
}

/// A stream by whose settings entries could go, or not come in order, is none for this.
fn refuse_what_loses(have: &Config, names: &Names) -> Result<(), LogError> {
    let faults: Vec<&str> = [
        (have.subjects != [names.subject.clone()], "other subjects than the hub's own"),
        (!have.max_age.is_zero(), "max_age: entries would vanish by their age"),
        (have.max_messages > 0, "max_msgs: entries would vanish or be refused by their number"),
        (have.max_messages_per_subject > 0, "max_msgs_per_subject: entries would vanish by their number"),
        (have.max_message_size > 0 && (have.max_message_size as usize) < RECORD_BYTES_MAX, "max_msg_size below 1 MiB"),
        (have.retention != RetentionPolicy::Limits, "a retention other than limits: what was read would vanish"),
        (have.storage != StorageType::File, "storage in memory: a restart of the servers would lose everything"),
        (have.discard != DiscardPolicy::New, "discard old: where there is no room, the oldest entries would vanish"),
        (have.no_ack, "no_ack: what was refused could not be told"),
        (have.sealed, "sealed: nothing can be written"),
        (have.mirror.is_some() || have.sources.as_ref().is_some_and(|s| !s.is_empty()), "mirror or sources"),
        (have.allow_rollup, "allow_rollup_hdrs: one message could erase all"),
    ]
    .into_iter()
    .filter_map(|(wrong, what)| wrong.then_some(what))
    .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(LogError::Device(format!(
        "the stream {} has settings with which a hub must not run: {}; change them (nats stream edit {}) or rename it",
        names.stream,
        faults.join("; "),
        names.stream
    )))
}

/// Says once what old servers are not good for.
fn warn_of_old_servers(client: &Client) {
    let info = client.server_info();
    if info.cluster.is_some() && !client.is_server_compatible(2, 10, 0) {
        tracing::warn!(
            nats = info.version,
            "if servers older than NATS 2.10 are cut off from each other, one of them may keep records that the others \
             never had, and hubs that read these come to another state: bring the servers up to 2.10 or later"
        );
    }
}

fn say(client: &Client, info: &Info) {
    let replicas = info.config.num_replicas;
    let version = client.server_info().version;
    let stream = &info.config.name;
    tracing::info!(stream, replicas, records = info.state.last_sequence, nats = version, "the cluster's log is open");
    if replicas < REPLICAS {
        tracing::warn!(
            stream,
            replicas,
            "the stream is kept by one server only: if that one is lost, so is the log. With three servers: \
             nats stream edit {stream} --replicas 3"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = fn(&mut Config);

    #[test]
    fn the_stream_as_it_is_made_is_accepted_and_each_setting_that_loses_is_named() {
        let names = Names::of(StreamPartition { partition: 0, of: 1 });
        refuse_what_loses(&config(&names, 3), &names).unwrap();
        let spoil: [(Spoil, &str); 9] = [
            (|c| c.max_age = Duration::from_secs(1), "max_age"),
            (|c| c.max_messages = 5, "max_msgs:"),
            (|c| c.max_messages_per_subject = 1, "max_msgs_per_subject"),
            (|c| c.retention = RetentionPolicy::WorkQueue, "retention"),
            (|c| c.storage = StorageType::Memory, "memory"),
            (|c| c.discard = DiscardPolicy::Old, "discard old"),
            (|c| c.subjects = vec!["deskbell.>".into()], "subjects"),
            (|c| c.max_message_size = 1000, "max_msg_size"),
            (|c| c.allow_rollup = true, "rollup"),
        ];
        for (spoil, named) in spoil {
            let mut config = config(&names, 3);
            spoil(&mut config);
            let error = refuse_what_loses(&config, &names).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        // A stream of another number of partitions says so, instead.
        let of = |of| Names::of(StreamPartition { partition: 0, of });
        refuse_another_number(&config(&of(3), 3), &of(3)).unwrap();
        for (stream, asked) in [(1, 3), (3, 1), (64, 2)] {
            let error = refuse_another_number(&config(&of(stream), 3), &of(asked)).unwrap_err().to_string();
            assert!(error.contains(&format!("one of {stream}, and [cluster] partitions says {asked}")), "{error}");
        }
        // A bound on the bytes is the operator's right: past it new work is refused, nothing is lost.
        refuse_what_loses(&Config { max_bytes: 1 << 30, ..config(&names, 1) }, &names).unwrap();
    }
}
