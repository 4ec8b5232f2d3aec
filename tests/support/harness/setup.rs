//! How a hub is started: its arguments, configuration, home directory, and where its log is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use super::cluster::{self, Account};
use super::coverage::Seen;
use super::{Exit, Hub};

/// Templates that every hub of these tests has.
const TEMPLATES: &str = r#"
[[templates]]
name = "chat"
title = "{customerName|Someone} wants to chat"
icon = "chat"
fields = [{ label = "Customer", value = "{customerName|Someone}" }]

[[templates]]
name = "first"
title = "The first accept takes it"
settle = "firstAccept"

[[templates]]
name = "auto"
title = "Taken automatically"
autoAccept = true

[[templates]]
name = "needs"
title = "{customerName} needs help"

[[templates]]
name = "short"
title = "Be quick"
timeout = "300ms"

[[templates]]
name = "impatient"
title = "Hangs up soon"
queueTimeout = "300ms"
"#;

/// How a hub is started: arguments, configuration, home directory.
#[derive(Clone)]
pub(crate) struct Setup {
    home: Arc<tempfile::TempDir>,
    storage: Storage,
    config: bool,
    listen: String,
    args: Vec<String>,
    /// Another program than the one under test: another version.
    program: Option<PathBuf>,
    pub(super) seen: Option<Seen>,
    variables: Vec<(&'static str, String)>,
    /// The log of the three hubs that take the place of one, in a run over a cluster.
    account: Arc<OnceLock<Account>>,
}

#[derive(Clone, Copy)]
enum Storage {
    Memory,
    DataDir,
    AsItLikes,
}

impl Setup {
    /// A hub in memory, on a free port, with the tests' templates.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let setup = Self {
            home: Arc::new(home),
            storage: Storage::Memory,
            config: true,
            listen: "127.0.0.1:0".into(),
            args: Vec::new(),
            program: None,
            seen: None,
            variables: Vec::new(),
            account: Arc::default(),
        };
        setup.write_config(TEMPLATES);
        setup
    }

    /// The same with a durable log in its home.
    pub(crate) fn on_disk() -> Self {
        Self { storage: Storage::DataDir, ..Self::new() }
    }

    /// Passes no storage argument, so that the hub's default or further arguments decide.
    pub(crate) fn without_data_dir(self) -> Self {
        Self { storage: Storage::AsItLikes, ..self }
    }

    /// Passes no configuration file, so that further arguments can name one.
    pub(crate) fn without_config(self) -> Self {
        Self { config: false, ..self }
    }

    pub(super) fn may_be_one_of_several(&self) -> bool {
        cluster::in_cluster() || matches!(self.storage, Storage::AsItLikes)
    }

    pub(super) fn speaks_tls(&self) -> bool {
        self.args.iter().any(|arg| arg == "--tls-cert")
    }

    /// Puts `toml` before the tests' templates.
    pub(crate) fn config(self, toml: &str) -> Self {
        self.write_config(&format!("{toml}\n{TEMPLATES}"));
        self
    }

    /// Replaces the whole configuration.
    pub(crate) fn only_config(self, toml: &str) -> Self {
        self.write_config(toml);
        self
    }

    /// Runs the program at this path.
    pub(crate) fn program(mut self, program: &Path) -> Self {
        self.program = Some(program.to_owned());
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// Notes what of the AsyncAPI document this hub and its clients show.
    pub(crate) fn seen_by(self, seen: &Seen) -> Self {
        Self { seen: Some(seen.clone()), ..self }
    }

    /// Sets a variable of the hub's environment.
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(crate) fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.to_owned();
        self
    }

    /// The port in its arguments, unless it takes a free one.
    pub(crate) fn port(&self) -> Option<u16> {
        self.listen.rsplit(':').next()?.parse().ok().filter(|port| *port != 0)
    }

    /// In one step, so that a running hub never reads half of it.
    pub(crate) fn write_config(&self, toml: &str) {
        let new = self.home.path().join("deskbell.toml.new");
        std::fs::write(&new, toml).unwrap();
        std::fs::rename(new, self.config_path()).unwrap();
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.home.path().join("deskbell.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        let this = Path::new(env!("CARGO_BIN_EXE_deskbell"));
        let mut command = Command::new(self.program.as_deref().unwrap_or(this));
        command.arg("serve");
        if !self.listen.is_empty() {
            command.arg("--listen").arg(&self.listen);
        }
        if self.config {
            command.arg("--config").arg(self.config_path());
        }
        match self.storage {
            Storage::Memory => drop(command.arg("--memory")),
            Storage::DataDir => drop(command.arg("--data-dir").arg(self.data_dir())),
            Storage::AsItLikes => {}
        }
        command.args(&self.args).current_dir(self.home.path());
        command
    }

    /// Starts it and waits until it serves. In a run over a cluster these are several, with one log that is kept.
    pub(crate) async fn start(&self) -> Hub {
        if cluster::in_cluster() && !matches!(self.storage, Storage::AsItLikes) {
            return self.start_cluster().await;
        }
        let mut hub = self.spawn();
        hub.await_listening().await;
        hub
    }

    async fn start_cluster(&self) -> Hub {
        let account = self.account.get_or_init(Account::open);
        let secret = self.home.path().join("nats");
        std::fs::write(&secret, &account.secret).unwrap();
        let mut variables = self.variables.clone();
        variables.push(("DESKBELL_CLUSTER_PASSWORD_FILE", secret.display().to_string()));
        if let Ok(partitions) = std::env::var("DESKBELL_WIRE_PARTITIONS") {
            variables.push(("DESKBELL_CLUSTER_PARTITIONS", partitions));
        }
        let member = Self { storage: Storage::AsItLikes, ..self.clone() }.args(&["--cluster", &account.url]);
        let elsewhere = member.clone().listen("127.0.0.1:0");
        let commands = (1..cluster::HUBS).map(|_| elsewhere.command());
        Hub::spawn_several(member.command(), commands, self, &variables).await
    }

    /// Starts it without waiting.
    pub(crate) fn spawn(&self) -> Hub {
        Hub::spawn_with(self.command(), self.clone(), &self.variables)
    }

    /// Starts it and waits until it has given up.
    pub(crate) async fn fail(&self) -> Exit {
        self.spawn().exit().await
    }
}

/// A hub with `config` before the tests' templates, in memory.
pub(crate) async fn hub(config: &str) -> Hub {
    Setup::new().config(config).start().await
}
