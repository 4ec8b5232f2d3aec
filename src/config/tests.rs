//! The configuration as a whole: what is read, what wins, what is refused and how it is said.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

mod templates;

/// A configuration file in a directory of its own, and what else is given.
struct Given {
    directory: tempfile::TempDir,
    sources: Sources,
}

impl Given {
    fn file(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deskbell.toml");
        fs::write(&path, text).unwrap();
        let mut given = Self { directory, sources: Sources::default() };
        given.sources.flags.insert("config", vec![path.to_str().unwrap().to_owned()]);
        given
    }

    fn nothing() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn flag(mut self, flag: &'static str, value: &str) -> Self {
        self.sources.flags.entry(flag).or_default().push(value.to_owned());
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.sources).unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// All faults, without the file's directory.
    fn faults(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let faults = Config::load(&self.sources).expect_err("a fault");
        faults.lines().iter().map(|line| line.replace(&directory, "")).collect()
    }
}

#[test]
fn with_nothing_given_the_defaults_are_the_contracts() {
    let config = Given::nothing().load();
    assert_eq!(config.server, Server::default());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.core_limits(), deskbell_core::Limits::default());
    assert_eq!(config.log.history, Duration::from_secs(24 * 3600));
    assert_eq!(config.templates.len(), 4);
}

#[test]
fn every_key_of_the_file_is_read() {
    let config = Given::file(
        r#"
        [server]
        listen = "[::1]:0"
        dataDir = "/var/lib/deskbell"
        memory = false
        allowedOrigins = ["https://Desk.example.org"]
        helloTimeout = "1s"
        pingInterval = "1m30s"
        idleTimeout = "4m"
        insecure = false
        [limits]
        displayLimit = 5
        queueLimit = 0
        retention = "1m"
        maxMessageBytes = "32KiB"
        maxConnections = 1_000
        messagesPerSecond = 7
        outboundBytes = 4096
        outboundFrames = 8
        openNotifications = 9
        sessions = 10
        kpiMarks = 11
        retainedOutcomes = 12
        rememberedAgents = 13
        deliveriesPerSecond = 14
        sessionIdle = "15m"
        sessionLimit = 16
        regroupTime = "0s"
        [log]
        history = "1d"
        historyBytes = 0x100000
        "#,
    )
    .load();
    assert_eq!(config.server.listen.to_string(), "[::1]:0");
    assert_eq!(config.server.allowed_origins, ["https://desk.example.org"]);
    assert_eq!(config.server.ping_interval, Duration::from_secs(90));
    assert_eq!(config.limits.max_message_bytes, 32768);
    assert_eq!(config.log.history_bytes, 1 << 20);
    let core = config.core_limits();
    assert_eq!((core.display_limit, core.queue_limit, core.retention.0), (5, 0, 60_000));
    assert_eq!((core.session_limit, core.session_idle.0, core.regroup_time.0), (16, 900_000, 0));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let given = Given::file("server.listen = '127.0.0.1:1'\nlimits.displayLimit = 4");
    assert_eq!(given.load().server.listen.port(), 1);
    let given = given.variable("DESKBELL_LISTEN", "127.0.0.1:2").variable("DESKBELL_LIMITS_DISPLAY_LIMIT", "6");
    assert_eq!((given.load().server.listen.port(), given.load().limits.display_limit), (2, 6));
    assert_eq!(given.flag("listen", "localhost:3").load().server.listen.port(), 3);
}

#[test]
fn the_file_can_be_named_by_a_variable_and_an_empty_variable_is_none() {
    let given = Given::file("limits.displayLimit = 4");
    let path = given.sources.flags["config"][0].clone();
    let named = Given::nothing().variable("DESKBELL_CONFIG", &path).variable("DESKBELL_LISTEN", "");
    assert_eq!(named.load().limits.display_limit, 4);
    assert_eq!(named.load().file, Some(PathBuf::from(path)));
}

#[test]
fn a_data_directory_from_a_stronger_place_ends_memory() {
    let given = Given::file("[server]\nmemory = true\ndataDir = 'a'");
    assert!(given.load().server.memory);
    assert_eq!(given.load().notices.len(), 1);
    assert!(!given.flag("data-dir", "b").load().server.memory);
    let config = Given::nothing().variable("DESKBELL_DATA_DIR", "a").flag("memory", "true").load();
    assert!(config.server.memory);
}

#[test]
fn lists_are_arrays_commas_or_repeated_flags_and_replace_each_other() {
    let given = Given::file("server.allowedOrigins = ['https://a']");
    assert_eq!(given.load().server.allowed_origins, ["https://a"]);
    let given = given.variable("DESKBELL_ALLOWED_ORIGIN", "https://b, https://c");
    assert_eq!(given.load().server.allowed_origins, ["https://b", "https://c"]);
    let given = given.flag("allowed-origin", "https://d").flag("allowed-origin", "https://e");
    assert_eq!(given.load().server.allowed_origins, ["https://d", "https://e"]);
}

#[test]
fn all_faults_of_all_places_are_named_at_once() {
    let given = Given::file(
        "server.listen = '0.0.0.0:80'\n\
         [limits]\n\
         displayLimit = 0\n\
         display_limit = 3\n\
         \tqueueLimit = 'é'\n\
         helloTimeout = '5s'\n\
         [[templates]]\n\
         name = 'a'\n\
         title = 'é {'\n\
         [tls]\n",
    )
    .variable("DESKBELL_LIMITS_SESSIONS", "many")
    .flag("wait-lock", "10");
    assert_eq!(
        given.faults(),
        [
            "deskbell.toml:3:16: [limits] displayLimit: 0 is out of range; allowed: 1 to 1000",
            "deskbell.toml:4:1: unknown key \"display_limit\" in [limits]; did you mean displayLimit?",
            "deskbell.toml:5:15: [limits] queueLimit: \"é\" is no integer; allowed: 0 to 10000",
            "deskbell.toml:6:1: unknown key \"helloTimeout\" in [limits]; it belongs in [server]",
            "deskbell.toml:9:9: [[templates]] \"a\" title: character 3: this \"{\" is never closed; a literal brace is \
             written \"{{\"",
            "deskbell.toml:10:2: unknown table or key \"tls\"; known: server, auth, limits, log, cluster, templates",
            "DESKBELL_LIMITS_SESSIONS: \"many\" is no integer; allowed: 1 to 1000000",
            "--wait-lock: \"10\" is no duration such as 90s or 1m30s; allowed: 0s to 1h",
            "deskbell.toml:1:17: 0.0.0.0:80 can be reached from other machines, and there is no authentication; give \
             --auth-secret-file or --auth-public-key-file, listen on 127.0.0.1:80, or give --insecure if everybody who \
             can reach it may use it",
        ]
    );
}

#[test]
fn one_wrong_value_is_one_fault_that_says_what_is_allowed() {
    for (text, fault) in [
        ("listen = '127.0.0.1:1'", "1:1: listen belongs in [server]"),
        ("server = 5", "1:10: server is 5; it is a table: [server]"),
        ("[auth]\nsecretFile = 's'", "2:14: s: it cannot be read: No such file or directory (os error 2)"),
        (
            "[cluster]\nservers = ['a:1']\ncredsFile = 'c'",
            "3:13: c: it cannot be read: No such file or directory (os error 2)",
        ),
        (
            "[cluster]\nservers = ['a:1']\ncredsFile = '/dev/null'",
            "3:13: /dev/null: it is no NATS credentials file (JWT and seed)",
        ),
        ("[cluster]\nservers = ['a:1']\npasswordFile = '/dev/null'", "3:16: /dev/null: its first line is empty"),
        ("[serverz]", "1:2: unknown table or key \"serverz\"; did you mean server?"),
        ("server.tlsCert = 'c'", "1:18: --tls-key is missing: certificate and key go together"),
        (
            "server.listen = 8080",
            "1:17: [server] listen: 8080 is no string; write it in quotes; allowed: ADDR:PORT such \
          as 127.0.0.1:8080 or [::1]:8080",
        ),
        ("server.memory = 'yes'", "1:17: [server] memory: \"yes\" is neither true nor false; allowed: true, false"),
        ("server.dataDir = ''", "1:18: [server] dataDir: \"\" is no path; allowed: a path"),
        (
            "server.helloTimeout = 5",
            "1:23: [server] helloTimeout: 5 is no duration; it is a string with a unit, such as \"90s\"; allowed: 100ms to 5m",
        ),
        (
            "server.helloTimeout = '5'",
            "1:23: [server] helloTimeout: \"5\" is no duration such as 90s or 1m30s; allowed: 100ms to 5m",
        ),
        ("server.helloTimeout = '1h'", "1:23: [server] helloTimeout: \"1h\" is out of range; allowed: 100ms to 5m"),
        (
            "server.allowedOrigins = 'https://a'",
            "1:25: [server] allowedOrigins: \"https://a\" is no array of strings; \
          allowed: at most 100 like https://desk.example.org, without a path",
        ),
        (
            "server.allowedOrigins = ['https://a', '*']",
            "1:39: [server] allowedOrigins: \"*\" is no origin; allowed: at \
          most 100 like https://desk.example.org, without a path",
        ),
        (
            "server.pingInterval = '40s'",
            "1:23: [server] idleTimeout (40s) is not longer than pingInterval (40s): every \
          quiet client would be dropped",
        ),
        ("limits.sessions = -1", "1:19: [limits] sessions: -1 is out of range; allowed: 1 to 1000000"),
        ("limits.sessions = 1e3", "1:19: [limits] sessions: 1e3 is no integer; allowed: 1 to 1000000"),
        (
            "limits.sessions = 99999999999999999999999999999999999999999999",
            "1:19: [limits] sessions: \
          99999999999999999999999999999999999999999999 is out of range; allowed: 1 to 1000000",
        ),
        (
            "log.historyBytes = '1MB'",
            "1:20: [log] historyBytes: \"1MB\" is no size such as 65536 or 64KiB; allowed: 0 \
          to 1TiB",
        ),
        (
            "log.historyBytes = true",
            "1:20: [log] historyBytes: true is no size such as 65536 or \"64KiB\"; allowed: 0 \
          to 1TiB",
        ),
    ] {
        let fault = format!("deskbell.toml:{fault}");
        let mut faults = Given::file(text).faults();
        // Where the cluster is left out of the build, naming its servers is a fault besides.
        faults.retain(|fault| cfg!(feature = "cluster") || !fault.contains("built without the feature"));
        assert_eq!(faults, [fault], "{text}");
    }
}

#[test]
fn a_wrong_value_is_a_fault_even_where_another_place_overrides_it() {
    let given = Given::file("server.listen = 'x'").flag("listen", "127.0.0.1:0");
    assert_eq!(given.faults().len(), 1);
}

#[test]
fn what_is_no_toml_is_named_with_its_place_beside_what_else_is_wrong() {
    for (text, starts) in [
        (
            "[server]\nlisten = \n[limits]\ndisplayLimit = 0",
            &["deskbell.toml:2:10: no TOML: ", "deskbell.toml:4:16: [limits] displayLimit: 0 is out"][..],
        ),
        ("[server]\nmemory = true\nmemory = true", &["deskbell.toml:3:1: no TOML: duplicate key"]),
        // Without its bracket nobody knows which table a key is in.
        ("[limits\ndisplayLimit = 0", &["deskbell.toml:1:8: no TOML: "]),
    ] {
        let faults = Given::file(text).faults();
        assert_eq!(faults.len(), starts.len(), "{faults:#?}");
        for (fault, start) in faults.iter().zip(starts) {
            assert!(fault.starts_with(start), "{fault}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let given = Given::nothing();
    let missing = given.directory.path().join("missing.toml").display().to_string();
    let given = given.flag("config", &missing);
    assert_eq!(
        given.faults(),
        ["missing.toml: the configuration file cannot be read: No such file or directory (os error 2)"]
    );
    assert_eq!(Given::file(b"a = 1\n# \xff").faults(), ["deskbell.toml:2:3: not UTF-8"]);
    let large = vec![b'#'; FILE_BYTES_MAX + 1];
    assert_eq!(
        Given::file(large).faults(),
        ["deskbell.toml: the configuration file is too large; allowed: at most 4MiB"]
    );
    let directory = Given::nothing();
    let path = directory.directory.path().display().to_string();
    assert_eq!(directory.flag("config", &path).faults().len(), 1);
    assert_eq!(Given::nothing().flag("config", "").faults(), ["--config: \"\" is no path; allowed: a path"]);
}

#[test]
fn many_faults_are_named_up_to_a_bound() {
    let text: String = (0..500).map(|n| format!("unknown{n} = 1\n")).collect();
    let faults = Given::file(text).faults();
    assert_eq!(faults.len(), FAULTS_MAX + 1);
    assert_eq!(faults[FAULTS_MAX], "… and 400 more");
}

#[test]
fn an_address_that_others_can_reach_needs_insecure() {
    for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
        let faults = Given::nothing().flag("listen", address).faults();
        assert!(faults[0].starts_with("--listen: ") && faults[0].contains("--insecure"), "{faults:?}");
        assert_eq!(Given::nothing().flag("listen", address).flag("insecure", "true").load().server.listen.port(), 80);
    }
    for address in ["127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(Config::load(&Given::nothing().flag("listen", address).sources).is_ok(), "{address}");
    }
}

#[test]
fn a_mistyped_variable_is_told_and_others_are_passed_over() {
    let config = Given::nothing()
        .variable("DESKBELL_LISTN", "x")
        .variable("DESKBELL_PORT_8080_TCP", "x")
        .variable("DESKBELL_SERVICE_HOST", "x")
        .variable("OTHER", "x")
        .load();
    assert_eq!(
        config.notices,
        ["the environment variable DESKBELL_LISTN is no setting; did you mean DESKBELL_LISTEN?"]
    );
    assert_eq!(Given::nothing().variable("DESKBELL_LOG", "a=loud").faults().len(), 1);
}

#[test]
fn no_file_makes_it_panic() {
    use proptest::prelude::*;
    let pieces = prop::sample::select(vec![
        "[",
        "]",
        "[[templates]]\n",
        "[server]\n",
        "[limits]\n",
        "=",
        "\n",
        "'",
        "\"",
        "{",
        "}",
        ",",
        "name",
        "title",
        "fields",
        "buttons",
        "label",
        "value",
        "timeout",
        "listen",
        "displayLimit",
        "allowedOrigins",
        " ",
        "1",
        "true",
        "é",
        "\u{feff}",
        "\\",
        ".",
        "#",
        "\r",
        "\0",
        "'x'",
        "= [",
        "= {",
        "templates",
    ]);
    proptest!(|(text in prop::collection::vec(pieces, 0..60))| {
        let text = text.concat();
        let mut faults = file::FileFaults::new(Path::new("f"), &text);
        let document = faults.parse();
        let table = document.table.get_ref();
        file::apply(table, &mut Config::default(), &mut faults);
        if let Some(value) = table.get(file::TEMPLATES) {
            super::templates::read(value, &mut faults);
        }
        let _ = faults.finish(&document.spoilt);
    });
}
