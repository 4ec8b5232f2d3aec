//! What only a stream can do, with a real nats-server. Where there is none the tests are left out.

use std::sync::Arc;

use super::{JetStream, Servers, StreamPartition};
use crate::log::{AppendError, Log, LogError, RECORD_BYTES_MAX, Retention, SharedLog, Stored};

#[path = "../../../tests/support/left_out.rs"]
mod left_out;
#[path = "../../../tests/support/nats.rs"]
mod nats;

/// A server with one stream.
pub(in crate::log) struct Nats(nats::Server);

impl Nats {
    pub(in crate::log) fn start() -> Option<Self> {
        nats::is_there().then(|| Self(nats::Server::alone()))
    }

    pub(in crate::log) fn open(&self) -> JetStream {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<JetStream, LogError> {
        let servers = Servers { urls: vec![self.0.url()], creds_file: None, password_file: None };
        JetStream::open(&servers, StreamPartition { partition: 0, of: 1 }, Arc::new(|| {}))
    }
}

fn await_next(log: &mut JetStream) -> Stored {
    loop {
        if let Some(stored) = log.next().unwrap() {
            return stored;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

const NOTHING: Retention = Retention { history_ms: 0, history_bytes: 0 };

#[test]
fn two_logs_are_one_order_with_the_streams_own_stamps() {
    let Some(nats) = Nats::start() else { return };
    let (mut a, mut b) = (nats.open(), nats.open());
    for number in 0..20_u8 {
        let log = if number % 2 == 0 { &mut a } else { &mut b };
        log.append(&[number]).unwrap();
        let (in_a, in_b) = (await_next(&mut a), await_next(&mut b));
        assert_eq!((in_a.number, &in_a.bytes[..]), (u64::from(number) + 1, &[number][..]));
        assert_eq!(in_a, in_b);
        assert!(in_a.time_ms.is_some_and(|ms| ms > 1_600_000_000_000));
    }
}

#[test]
fn the_server_may_go_and_come_back() {
    let Some(mut nats) = Nats::start() else { return };
    let mut log = nats.open();
    log.append(b"one").unwrap();
    assert_eq!(await_next(&mut log).number, 1);
    nats.0.kill();
    log.append(b"lost, or late").unwrap();
    assert!(log.next().unwrap().is_none());
    nats.0.start();
    // The caller repeats the append until it is read back.
    let began = std::time::Instant::now();
    let stored = loop {
        log.append(b"two").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        if let Some(stored) = log.next().unwrap() {
            break stored;
        }
        assert!(began.elapsed().as_secs() < 20);
    };
    assert_eq!(stored.number, 2);
}

#[test]
fn who_was_away_while_the_log_was_trimmed_is_told_and_restarts_with_the_snapshot() {
    let Some(nats) = Nats::start() else { return };
    let (mut away, mut log) = (nats.open(), nats.open());
    for _ in 0..200 {
        log.append(b"record").unwrap();
        await_next(&mut log);
    }
    let mut history = log.snapshots();
    // A reader that reads on only now finds that its place is gone.
    let mut late = away.history().unwrap();
    while away.next().unwrap().is_some_and(|stored| stored.number < 200) {}
    history.save_snapshot(100, b"hundred", &NOTHING).unwrap();
    history.save_snapshot(150, b"hundred and fifty", &NOTHING).unwrap();
    assert!(matches!(late.after(10), Err(LogError::Trimmed(11))));
    away.restart().unwrap();
    assert_eq!(away.next().unwrap().map(|stored| stored.number), Some(151));
}

#[test]
fn a_full_stream_says_so_and_takes_records_again_when_there_is_room() {
    let Some(nats) = Nats::start() else { return };
    let mut log = nats.open();
    log.append(&[1; 1000]).unwrap();
    await_next(&mut log);
    nats.0.limit_stream("DESKBELL_0", "deskbell.0.log", 100_000);
    let began = std::time::Instant::now();
    let why = 'full: loop {
        log.append(&[2; 50_000]).unwrap();
        for _ in 0..100 {
            if let Some(why) = log.take_refusal() {
                break 'full why;
            }
            if log.next().unwrap().is_some() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(began.elapsed().as_secs() < 20);
    };
    assert!(why.to_string().contains("maximum bytes"), "{why}");
    nats.0.limit_stream("DESKBELL_0", "deskbell.0.log", -1);
    log.append(b"there is room").unwrap();
    assert_eq!(await_next(&mut log).bytes, b"there is room");
    assert!(matches!(log.append(&vec![0; RECORD_BYTES_MAX + 1]), Err(AppendError::Full(_))));
}

#[test]
fn a_stream_that_could_lose_entries_is_refused() {
    let Some(nats) = Nats::start() else { return };
    drop(nats.open());
    nats.0.request(
        "$JS.API.STREAM.UPDATE.DESKBELL_0",
        r#"{"name":"DESKBELL_0","subjects":["deskbell.0.log"],"retention":"limits","storage":"file","num_replicas":1,"discard":"old","max_age":60000000000,"deny_delete":true}"#,
    );
    let refused = nats.try_open().unwrap_err().to_string();
    assert!(refused.contains("max_age") && refused.contains("discard old"), "{refused}");
}
