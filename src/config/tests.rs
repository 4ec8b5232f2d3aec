//! The configuration as a whole: the order of the sources, the rejected values, and the messages.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

mod issuers;
mod oidc;
mod templates;

/// A configuration file in a directory of its own, with flags and variables.
struct Setup {
    directory: tempfile::TempDir,
    sources: Sources,
}

impl Setup {
    fn file(text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deskbell.toml");
        fs::write(&path, text).unwrap();
        let mut setup = Self { directory, sources: Sources::default() };
        setup.sources.flags.insert("config", vec![path.to_str().unwrap().to_owned()]);
        setup
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
        Config::load(&self.sources).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// All errors, without the directory of the file.
    fn errors(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let errors = Config::load(&self.sources).expect_err("an error");
        errors.lines().iter().map(|line| line.replace(&directory, "")).collect()
    }
}

#[test]
fn without_any_settings_the_documented_defaults_apply() {
    let config = Setup::nothing().load();
    assert_eq!(config.server, ServerSettings::default());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.core_limits(), deskbell_core::Limits::default());
    assert_eq!(config.log.history, Duration::from_secs(24 * 3600));
    assert_eq!(config.templates.len(), 4);
}

#[test]
fn every_key_of_the_file_is_read() {
    let config = Setup::file(
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
        contextBytes = "16KiB"
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
    assert_eq!(core.context_bytes, 16_384);
    assert_eq!((core.session_limit, core.session_idle.0, core.regroup_time.0), (16, 900_000, 0));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file() {
    let setup = Setup::file("server.listen = '127.0.0.1:1'\nlimits.displayLimit = 4");
    assert_eq!(setup.load().server.listen.port(), 1);
    let setup = setup.variable("DESKBELL_LISTEN", "127.0.0.1:2").variable("DESKBELL_LIMITS_DISPLAY_LIMIT", "6");
    assert_eq!((setup.load().server.listen.port(), setup.load().limits.display_limit), (2, 6));
    assert_eq!(setup.flag("listen", "localhost:3").load().server.listen.port(), 3);
}

#[test]
fn the_file_can_be_named_by_a_variable_and_an_empty_variable_is_none() {
    let setup = Setup::file("limits.displayLimit = 4");
    let path = setup.sources.flags["config"][0].clone();
    let named = Setup::nothing().variable("DESKBELL_CONFIG", &path).variable("DESKBELL_LISTEN", "");
    assert_eq!(named.load().limits.display_limit, 4);
    assert_eq!(named.load().file, Some(PathBuf::from(path)));
}

#[test]
fn a_data_directory_from_a_stronger_layer_turns_memory_off() {
    let setup = Setup::file("[server]\nmemory = true\ndataDir = 'a'");
    assert!(setup.load().server.memory);
    assert_eq!(setup.load().warnings.len(), 1);
    assert!(!setup.flag("data-dir", "b").load().server.memory);
    let config = Setup::nothing().variable("DESKBELL_DATA_DIR", "a").flag("memory", "true").load();
    assert!(config.server.memory);
}

#[test]
fn lists_are_arrays_commas_or_repeated_flags_and_replace_each_other() {
    let setup = Setup::file("server.allowedOrigins = ['https://a']");
    assert_eq!(setup.load().server.allowed_origins, ["https://a"]);
    let setup = setup.variable("DESKBELL_ALLOWED_ORIGIN", "https://b, https://c");
    assert_eq!(setup.load().server.allowed_origins, ["https://b", "https://c"]);
    let setup = setup.flag("allowed-origin", "https://d").flag("allowed-origin", "https://e");
    assert_eq!(setup.load().server.allowed_origins, ["https://d", "https://e"]);
}

#[test]
fn all_errors_of_all_sources_are_reported_together() {
    let setup = Setup::file(
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
        setup.errors(),
        [
            "deskbell.toml:3:16: [limits] displayLimit: 0 is out of range; allowed: 1 to 1000",
            "deskbell.toml:4:1: unknown key \"display_limit\" in [limits]; did you mean displayLimit?",
            "deskbell.toml:5:15: [limits] queueLimit: \"é\" is not an integer; allowed: 0 to 10000",
            "deskbell.toml:6:1: unknown key \"helloTimeout\" in [limits]; it belongs in [server]",
            "deskbell.toml:9:9: [[templates]] \"a\" title: character 3: this \"{\" is never closed; a literal brace is \
             written \"{{\"",
            "deskbell.toml:10:2: unknown table or key \"tls\"; known: server, auth, limits, log, cluster, templates",
            "DESKBELL_LIMITS_SESSIONS: \"many\" is not an integer; allowed: 1 to 1000000",
            "--wait-lock: \"10\" is not a duration such as 90s or 1m30s; allowed: 0s to 1h",
            "deskbell.toml:1:17: other machines can reach 0.0.0.0:80, and authentication is off; set --auth-secret-file \
             or --auth-public-key-file, listen on 127.0.0.1:80, or set --insecure if everybody on the network may use \
             the hub",
        ]
    );
}

#[test]
fn each_error_says_what_is_allowed() {
    for (text, error) in [
        ("listen = '127.0.0.1:1'", "1:1: listen belongs in [server]"),
        ("server = 5", "1:10: server is 5, but it must be a table: [server]"),
        ("[auth]\nsecretFile = 's'", "2:14: s: cannot be read: No such file or directory (os error 2)"),
        (
            "[cluster]\nservers = ['a:1']\ncredsFile = 'c'",
            "3:13: c: cannot be read: No such file or directory (os error 2)",
        ),
        (
            "[cluster]\nservers = ['a:1']\ncredsFile = '/dev/null'",
            "3:13: /dev/null: not a NATS credentials file (it needs a user JWT and a seed)",
        ),
        ("[cluster]\nservers = ['a:1']\npasswordFile = '/dev/null'", "3:16: /dev/null: the first line is empty"),
        ("[serverz]", "1:2: unknown table or key \"serverz\"; did you mean server?"),
        ("server.tlsCert = 'c'", "1:18: --tls-key is missing; a certificate needs its key"),
        (
            "server.listen = 8080",
            "1:17: [server] listen: 8080 is not a string; write it in quotes; allowed: ADDR:PORT such \
          as 127.0.0.1:8080 or [::1]:8080",
        ),
        ("server.memory = 'yes'", "1:17: [server] memory: \"yes\" is neither true nor false; allowed: true, false"),
        ("server.dataDir = ''", "1:18: [server] dataDir: \"\" is not a path; allowed: a path"),
        (
            "server.helloTimeout = 5",
            "1:23: [server] helloTimeout: 5 is not a duration; write a string with a unit, such as \"90s\"; allowed: 100ms to 5m",
        ),
        (
            "server.helloTimeout = '5'",
            "1:23: [server] helloTimeout: \"5\" is not a duration such as 90s or 1m30s; allowed: 100ms to 5m",
        ),
        ("server.helloTimeout = '1h'", "1:23: [server] helloTimeout: \"1h\" is out of range; allowed: 100ms to 5m"),
        (
            "server.allowedOrigins = 'https://a'",
            "1:25: [server] allowedOrigins: \"https://a\" is not an array of strings; \
          allowed: at most 100 like https://desk.example.org or https://*.example.org, or [\"*\"]",
        ),
        (
            "server.allowedOrigins = ['https://a', '*.a']",
            "1:39: [server] allowedOrigins: \"*.a\" is not an origin; allowed: at most 100 like \
             https://desk.example.org or https://*.example.org, or [\"*\"]",
        ),
        (
            "server.pingInterval = '40s'",
            "1:23: [server] idleTimeout (40s) must be longer than pingInterval (40s), or the hub \
             drops every quiet client",
        ),
        ("limits.sessions = -1", "1:19: [limits] sessions: -1 is out of range; allowed: 1 to 1000000"),
        ("limits.sessions = 1e3", "1:19: [limits] sessions: 1e3 is not an integer; allowed: 1 to 1000000"),
        (
            "limits.sessions = 99999999999999999999999999999999999999999999",
            "1:19: [limits] sessions: \
          99999999999999999999999999999999999999999999 is out of range; allowed: 1 to 1000000",
        ),
        (
            "log.historyBytes = '1MB'",
            "1:20: [log] historyBytes: \"1MB\" is not a size such as 65536 or 64KiB; allowed: 0 \
          to 1TiB",
        ),
        (
            "log.historyBytes = true",
            "1:20: [log] historyBytes: true is not a size such as 65536 or \"64KiB\"; allowed: 0 \
          to 1TiB",
        ),
    ] {
        let error = format!("deskbell.toml:{error}");
        let mut errors = Setup::file(text).errors();
        // In a build without the cluster, naming its servers is an additional error.
        errors.retain(|error| cfg!(feature = "cluster") || !error.contains("built without the feature"));
        assert_eq!(errors, [error], "{text}");
    }
}

#[test]
fn a_wrong_value_is_an_error_even_if_it_is_overridden() {
    let setup = Setup::file("server.listen = 'x'").flag("listen", "127.0.0.1:0");
    assert_eq!(setup.errors().len(), 1);
}

#[test]
fn a_syntax_error_has_a_place_and_does_not_hide_other_errors() {
    for (text, starts) in [
        (
            "[server]\nlisten = \n[limits]\ndisplayLimit = 0",
            &["deskbell.toml:2:10: TOML syntax error: ", "deskbell.toml:4:16: [limits] displayLimit: 0 is out"][..],
        ),
        ("[server]\nmemory = true\nmemory = true", &["deskbell.toml:3:1: TOML syntax error: duplicate key"]),
        // If a bracket is missing, it is unknown in which table a key is.
        ("[limits\ndisplayLimit = 0", &["deskbell.toml:1:8: TOML syntax error: "]),
    ] {
        let errors = Setup::file(text).errors();
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let setup = Setup::nothing();
    let missing = setup.directory.path().join("missing.toml").display().to_string();
    let setup = setup.flag("config", &missing);
    assert_eq!(
        setup.errors(),
        ["missing.toml: the configuration file cannot be read: No such file or directory (os error 2)"]
    );
    assert_eq!(Setup::file(b"a = 1\n# \xff").errors(), ["deskbell.toml:2:3: not valid UTF-8"]);
    let large = vec![b'#'; FILE_BYTES_MAX + 1];
    assert_eq!(
        Setup::file(large).errors(),
        ["deskbell.toml: the configuration file is too large; allowed: at most 4MiB"]
    );
    let directory = Setup::nothing();
    let path = directory.directory.path().display().to_string();
    assert_eq!(directory.flag("config", &path).errors().len(), 1);
    assert_eq!(Setup::nothing().flag("config", "").errors(), ["--config: \"\" is not a path; allowed: a path"]);
}

#[test]
fn many_errors_are_listed_up_to_a_limit() {
    let text: String = (0..500).map(|n| format!("unknown{n} = 1\n")).collect();
    let errors = Setup::file(text).errors();
    assert_eq!(errors.len(), ERRORS_MAX + 1);
    assert_eq!(errors[ERRORS_MAX], "… and 400 more");
}

#[test]
fn an_address_that_other_machines_can_reach_needs_insecure() {
    for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
        let errors = Setup::nothing().flag("listen", address).errors();
        assert!(errors[0].starts_with("--listen: ") && errors[0].contains("--insecure"), "{errors:?}");
        assert_eq!(Setup::nothing().flag("listen", address).flag("insecure", "true").load().server.listen.port(), 80);
    }
    for address in ["127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(Config::load(&Setup::nothing().flag("listen", address).sources).is_ok(), "{address}");
    }
}

#[test]
fn a_mistyped_variable_is_a_warning_and_other_variables_are_not() {
    let config = Setup::nothing()
        .variable("DESKBELL_LISTN", "x")
        .variable("DESKBELL_PORT_8080_TCP", "x")
        .variable("DESKBELL_SERVICE_HOST", "x")
        .variable("OTHER", "x")
        .load();
    assert_eq!(
        config.warnings,
        ["the environment variable DESKBELL_LISTN is not a setting; did you mean DESKBELL_LISTEN?"]
    );
    assert_eq!(Setup::nothing().variable("DESKBELL_LOG", "a=loud").errors().len(), 1);
}

#[test]
fn no_file_content_panics() {
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
        let mut errors = file::FileErrors::new(Path::new("f"), &text);
        let document = errors.parse();
        let table = document.table.get_ref();
        file::apply(table, &mut Config::default(), &mut errors);
        if let Some(value) = table.get(file::TEMPLATES) {
            super::templates::read(value, &mut errors);
        }
        let _ = errors.finish(&document.unreliable);
    });
}
