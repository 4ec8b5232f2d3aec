//! What the fuzz targets do, shared with the ordinary test that replays the corpus (`tests/corpus.rs`). Each takes any
//! bytes, must not panic, and checks what must hold whatever they are.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deskbell::command::serve::gateway_settings;
use deskbell::config::{Config, SETTINGS, Sources};
use deskbell::gateway::{Backend, Gateway, Settings};
use deskbell::hub::{
    Hub, HubSettings, InputQueue, SnapshotInterval, WallClock, decode_record, decode_snapshot, encode_snapshot,
};
use deskbell::log::{Disk, Log as _, Memory, OwnLog as _, Retention, Stored, disk};
use deskbell::protocol::{decode, encode};
use deskbell::template::{Catalogue, ExpandFault, RENDERED_BYTES_MAX, SharedCatalogue, TemplateText, escape};
use deskbell_core::rules::RULES;
use deskbell_core::{Core, Incarnation, Limits};

/// One message of a client: it is decoded, or refused with an `error` that is valid JSON and names the fault.
pub(crate) fn wire(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match decode(text) {
        Ok(message) => assert_eq!(format!("{message:?}"), format!("{:?}", decode(text).expect("the same again"))),
        Err(fault) => {
            let reply = encode(&fault.reply());
            assert!(reply.starts_with(b"{\"type\":\"error\""), "{reply:?}");
        }
    }
}

/// A configuration file: it is accepted, or refused with at least one line that describes the fault.
pub(crate) fn config(data: &[u8]) {
    thread_local!(static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new_in(quick()).expect("a file"));
    FILE.with(|file| {
        fs::write(file.path(), data).expect("written");
        let path = file.path().to_str().expect("a path").to_owned();
        let sources = Sources::new(HashMap::from([("config", vec![path])]), []);
        match Config::load(&sources) {
            Ok(config) => SETTINGS.iter().for_each(|setting| drop(setting.show(&config))),
            Err(faults) => assert!(!faults.lines().is_empty()),
        }
    });
}

/// A template's text, and behind the first zero byte a parameter's value.
pub(crate) fn template(data: &[u8]) {
    let Ok(all) = std::str::from_utf8(data) else { return };
    let (source, value) = all.split_once('\0').unwrap_or((all, "value"));
    let literal = TemplateText::parse(&escape(source));
    if let Ok(literal) = &literal
        && let Ok(expanded) = literal.expand(&|_| None)
    {
        assert_eq!(expanded, source, "what is escaped is just text");
    }
    let Ok(text) = TemplateText::parse(source) else { return };
    let names: Vec<String> = text.placeholders().map(|(name, _)| name.to_owned()).collect();
    if let Ok(expanded) = text.expand(&|_| Some(value)) {
        assert!(expanded.len() <= RENDERED_BYTES_MAX, "{} bytes", expanded.len());
    }
    // With a value for each name nothing stays open.
    let missing = text.expand(&|name| names.iter().any(|known| known == name).then_some(""));
    assert!(!matches!(missing, Err(ExpandFault::Unresolved { .. })), "{missing:?}");
}

/// A record of the log, or a snapshot (by the first byte). What can be read is folded.
pub(crate) fn record(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else { return };
    if kind % 2 == 0 {
        if let Ok(record) = decode_record(&Stored { number: 1, time_ms: None, bytes: bytes.to_vec() }, RULES) {
            let mut core = Core::default();
            core.apply(&record, |_, _| {});
            let _ = core.next_deadline();
        }
    } else if let Ok(core) = decode_snapshot(1, bytes, RULES) {
        let written = encode_snapshot(&core);
        let again = decode_snapshot(1, &written, RULES).expect("what was written is read");
        assert_eq!(written, encode_snapshot(&again));
    }
}

/// A data directory in which one file (by the first byte) has been replaced: it opens with records as they were
/// written, or does not open.
pub(crate) fn disk(data: &[u8]) {
    let Some((which, bytes)) = data.split_first() else { return };
    let whole = whole_log();
    let directory = tempfile::tempdir_in(quick()).expect("a directory");
    let at = directory.path().join("data");
    fs::create_dir(&at).expect("made");
    for (name, contents) in &whole.files {
        fs::write(at.join(name), contents).expect("written");
    }
    fs::write(at.join(whole.name(*which)), bytes).expect("written");
    let Ok((mut log, _)) = Disk::open(&disk::Options::new(&at, || NOW_MS)) else { return };
    let snapshot = log.history().and_then(|mut history| history.snapshot().ok().flatten());
    if let Some((number, contents)) = snapshot {
        assert_eq!(contents, snapshot_at(number), "a snapshot came back otherwise than it was written");
    }
    while let Ok(Some((number, record))) = log.next().map(|stored| stored.map(Stored::record)) {
        assert_eq!(record, record_at(number), "a record came back otherwise than it was written");
    }
}

/// Bytes on a socket, from the request line on: whatever they are, the hub answers others afterwards.
pub(crate) fn http(data: &[u8]) {
    let address = *gateway();
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        let _ = stream.write_all(data);
        let _ = stream.shutdown(Shutdown::Write);
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..n]);
        }
    }
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    let mut stream = TcpStream::connect(address).expect("it still listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("written");
    let mut alive = String::new();
    stream.read_to_string(&mut alive).expect("an answer");
    assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
}

/// A file system in memory, if there is one: these tests are about bytes, not about devices.
fn quick() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

const NOW_MS: u64 = 1_800_000_000_000;

/// Records and snapshots of the log that [`disk`] begins with.
pub(crate) fn record_at(number: u64) -> Vec<u8> {
    let length = usize::try_from(number * 37 % 700).expect("small");
    (0..length).map(|at| u8::try_from(at % 251).expect("small") ^ u8::try_from(number % 256).expect("small")).collect()
}

pub(crate) fn snapshot_at(number: u64) -> Vec<u8> {
    [b"snapshot".as_slice(), &record_at(number + 5)].concat()
}

/// The files of a small log: two snapshots, a finished segment and an open one.
#[derive(Debug)]
pub(crate) struct WholeLog {
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl WholeLog {
    /// The file with this number; one of them does not exist yet.
    pub(crate) fn name(&self, which: u8) -> String {
        let files = self.files.get(usize::from(which) % (self.files.len() + 1));
        files.map_or_else(|| "snapshot-00000000000000000099".to_owned(), |(name, _)| name.clone())
    }
}

pub(crate) fn whole_log() -> &'static WholeLog {
    static WHOLE: OnceLock<WholeLog> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let directory = tempfile::tempdir_in(quick()).expect("a directory");
        let at = directory.path().join("data");
        let options = disk::Options::new(&at, || NOW_MS).new_id(7);
        let keep = Retention { history_ms: 1 << 40, history_bytes: 1 << 40 };
        let mut number = 0;
        for records in [5, 4] {
            let (mut log, _) = Disk::open(&options).expect("opens");
            for _ in 0..records {
                number += 1;
                log.append(&record_at(number)).expect("appended");
            }
            log.snapshots().expect("kept").save_snapshot(number, &snapshot_at(number), &keep).expect("kept");
            if number == 5 {
                Box::new(log).close().expect("closed");
                continue;
            }
            number += 1;
            log.append(&record_at(number)).expect("appended");
        }
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("listed").path();
            let name = path.file_name().expect("named").to_str().expect("text").to_owned();
            (name, fs::read(&path).expect("read"))
        };
        let mut files: Vec<_> = fs::read_dir(&at).expect("there").map(file).collect();
        files.sort();
        WholeLog { files }
    })
}

/// A gateway with a hub behind it that keeps nothing.
fn gateway() -> &'static SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            hello_timeout: Duration::from_millis(100),
            ..gateway_settings(&Config::default())
        };
        let gateway = Gateway::bind(settings).expect("bound");
        let address = gateway.local_addr();
        let inputs = Arc::new(InputQueue::default());
        let hub_settings = HubSettings {
            incarnation: Incarnation(1),
            next_incarnation: || Incarnation(u64::MAX),
            epoch: 1,
            limits: Limits::default(),
            rules: RULES,
            deliveries_per_second: 1 << 40,
            snapshot_every: SnapshotInterval::default(),
            retention: Retention { history_ms: 0, history_bytes: 0 },
        };
        let delivery = gateway.delivery(0, hub_settings.incarnation);
        let log = Box::new(Memory::default());
        let hub = Hub::start(log, delivery, inputs, Arc::new(WallClock), hub_settings, || {});
        let hub = hub.expect("started");
        let behind = Backend {
            hubs: vec![hub.handle().clone()],
            templates: SharedCatalogue::new(Arc::new(Catalogue::with(Vec::new()))),
            verifier: None,
            clock: Arc::new(WallClock),
            histories: None,
        };
        // Both live as long as the process.
        std::mem::forget(gateway.serve(behind).expect("serves"));
        std::mem::forget(hub);
        address
    })
}
