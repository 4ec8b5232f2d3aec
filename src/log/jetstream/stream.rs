//! The streams: their settings when created, and the settings of existing streams that could lose entries.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use tokio::time::{Instant, sleep};

use super::error::{StreamError, chain};
use crate::log::RECORD_BYTES_MAX;

/// Replicas of a stream if there are enough servers: one of three may fail.
const REPLICAS: usize = 3;

/// The time limit until a cluster of servers can create a stream; it may still be electing its leader.
const CREATE_MAX: Duration = Duration::from_secs(20);

/// The most partitions of a cluster (`[cluster] partitions`).
const PARTITIONS_MAX: u32 = 64;

const CREATE_AGAIN: Duration = Duration::from_millis(500);

/// Identifies one of the partitions over which a cluster's workspaces are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPartition {
    /// The partition's number, counted from 0.
    pub partition: u32,
    /// The number of partitions.
    pub of: u32,
}

/// The names of one partition's NATS objects. They contain no text from clients.
#[derive(Debug, Clone)]
pub(super) struct Names {
    place: StreamPartition,
    pub(super) stream: String,
    pub(super) subject: String,
    pub(super) digests: String,
    bucket: String,
    /// The connection's name at the servers.
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

/// It contains the number of partitions: a hub with another number would look for workspaces in other streams. The number is in the
/// subject, because anybody may edit a stream's description.
fn subject(StreamPartition { partition, of }: StreamPartition) -> String {
    if of == 1 { format!("deskbell.{partition}.log") } else { format!("deskbell.{partition}.of.{of}.log") }
}

/// Creates the stream, or checks an existing one, and returns it with its number of replicas.
pub(super) async fn open(context: &Context, names: &Names, servers: usize) -> Result<Stream, StreamError> {
    let client = context.client();
    let payload_max = client.max_payload();
    if payload_max < RECORD_BYTES_MAX {
        return Err(StreamError::PayloadTooSmall(payload_max));
    }
    let began = Instant::now();
    let stream = loop {
        match existing_or_new(context, &client, names, servers).await {
            Ok(stream) => break stream,
            Err(error) if began.elapsed() > CREATE_MAX => {
                return Err(StreamError::Stream { name: names.stream.clone(), source: Box::new(error) });
            }
            Err(error) => {
                tracing::warn!(stream = names.stream, %error, "the stream cannot be had yet");
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

/// Opens the object store for snapshots, and creates it if it does not exist.
pub(super) async fn open_snapshots(
    context: &Context,
    names: &Names,
    replicas: usize,
) -> Result<ObjectStore, StreamError> {
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
            let source = Box::new(StreamError::request(error));
            return Err(StreamError::ObjectStore { name: names.bucket.clone(), source });
        }
        sleep(CREATE_AGAIN).await;
    }
}

async fn existing_or_new(
    context: &Context,
    client: &Client,
    names: &Names,
    servers: usize,
) -> Result<Stream, StreamError> {
    match context.get_stream(&names.stream).await {
        Ok(stream) => return Ok(stream),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(StreamError::request(error)),
        },
    }
    let clustered = client.server_info().cluster.is_some();
    if !clustered {
        return create(context, names, 1).await.map_err(StreamError::request);
    }
    match create(context, names, REPLICAS).await {
        Err(error) if servers < REPLICAS && is_want_of_servers(&error) => {
            tracing::debug!(why = chain(&error), "there are not servers enough for replicas");
            create(context, names, 1).await
        }
        created => created,
    }
    .map_err(StreamError::request)
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

/// Refuses a stream that was created for another number of partitions.
fn refuse_another_number(have: &Config, names: &Names) -> Result<(), StreamError> {
    let StreamPartition { partition, of } = names.place;
    let [subject] = &have.subjects[..] else { return Ok(()) };
    let is = |of: &u32| *subject == self::subject(StreamPartition { partition, of: *of });
    match (1..=PARTITIONS_MAX).find(is) {
        Some(others) if others != of => Err(StreamError::OtherPartitions { name: names.stream.clone(), others, of }),
        _ => Ok(()),
    }
}

/// Refuses a stream with settings that could lose entries or change their order.
fn refuse_what_loses(have: &Config, names: &Names) -> Result<(), StreamError> {
    let faults: Vec<&str> = [
        (have.subjects != [names.subject.clone()], "other subjects than the hub's own"),
        (!have.max_age.is_zero(), "max_age: the stream would delete old entries"),
        (have.max_messages > 0, "max_msgs: the stream would delete or refuse entries above a number"),
        (have.max_messages_per_subject > 0, "max_msgs_per_subject: the stream would delete entries above a number"),
        (have.max_message_size > 0 && (have.max_message_size as usize) < RECORD_BYTES_MAX, "max_msg_size below 1 MiB"),
        (
            have.retention != RetentionPolicy::Limits,
            "a retention other than limits: the stream would delete delivered entries",
        ),
        (have.storage != StorageType::File, "storage in memory: a restart of the servers would lose everything"),
        (have.discard != DiscardPolicy::New, "discard old: a full stream would delete its oldest entries"),
        (have.no_ack, "no_ack: the hub could not notice refused entries"),
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
    Err(StreamError::Settings { name: names.stream.clone(), faults })
}

/// Warns once about servers that are too old.
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
        // A stream for another number of partitions gets its own error instead.
        let of = |of| Names::of(StreamPartition { partition: 0, of });
        refuse_another_number(&config(&of(3), 3), &of(3)).unwrap();
        for (stream, asked) in [(1, 3), (3, 1), (64, 2)] {
            let error = refuse_another_number(&config(&of(stream), 3), &of(asked)).unwrap_err().to_string();
            assert!(error.contains(&format!("one of {stream}, and [cluster] partitions says {asked}")), "{error}");
        }
        // The operator may limit the stream's bytes: above that, new work is refused and nothing is lost.
        refuse_what_loses(&Config { max_bytes: 1 << 30, ..config(&names, 1) }, &names).unwrap();
    }
}
