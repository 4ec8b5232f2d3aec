//! The configuration: flags, over environment, over the TOML file, over defaults, checked as a whole before anything
//! is started. A wrong value is a fault even where another place overrides it.
//!
//! Files here may use those above them: `value`, `fault`, `setting`, `settings`, `file`, `templates`, `docs`.

mod docs;
mod fault;
mod file;
mod setting;
mod settings;
mod templates;
mod value;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use docs::markdown;
pub use fault::{FAULTS_MAX, Fault, Faults, Origin, nearest};
pub use file::FILE_BYTES_MAX;
use setting::Given;
pub use setting::{Kind, ORIGINS_MAX, Setting};
pub use settings::SETTINGS;

use crate::telemetry;
use crate::template::{Catalogue, Load};

/// What the environment's names of settings begin with.
const PREFIX: &str = "DESKBELL_";

/// Everything that can be configured, checked: what stands here is what the hub does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// `[server]`
    pub server: Server,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: LogHistory,
    /// How long to wait for the data directory's lock.
    pub wait_lock: Duration,
    /// How the log is written.
    pub log_format: telemetry::Format,
    /// What is logged; see [`telemetry::check_filter`].
    pub log_filter: String,
    /// The built-in and the file's templates as they were at the start.
    pub templates: Arc<Catalogue>,
    /// What is no fault, but what whoever started the hub should know; to be logged.
    pub notices: Vec<String>,
    /// Where all this came from; [`Config::reload`] reads it again.
    pub sources: Arc<Sources>,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where to serve; port 0 means a free one.
    pub listen: SocketAddr,
    /// Whether other machines may connect though there is no authentication.
    pub insecure: bool,
    /// Where the durable log lives, unless `memory`.
    pub data_dir: PathBuf,
    /// No durable log.
    pub memory: bool,
    /// Origins besides the hub's own, as browsers write them; at most [`ORIGINS_MAX`].
    pub allowed_origins: Vec<String>,
    /// From the upgrade to the hello.
    pub hello_timeout: Duration,
    /// Between the hub's pings.
    pub ping_interval: Duration,
    /// Silence after which a peer is dropped; longer than `ping_interval`.
    pub idle_timeout: Duration,
}

/// `[limits]`; counts are per workspace where [`crate::workspace::Limits`] has them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is explained in its row of SETTINGS")]
pub struct Limits {
    pub display_limit: u32,
    pub queue_limit: u32,
    pub retention: Duration,
    pub max_message_bytes: u64,
    pub max_connections: u32,
    pub messages_per_second: u32,
    pub outbound_bytes: u64,
    pub outbound_frames: u32,
    pub open_notifications: u32,
    pub sessions: u32,
    pub kpi_marks: u32,
    pub retained_outcomes: u32,
    pub remembered_agents: u32,
    pub deliveries_per_second: u32,
    pub session_idle: Duration,
    pub session_limit: u32,
    pub regroup_time: Duration,
}

/// `[log]`: how far back what is settled can be explained; whichever ends first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHistory {
    /// By time.
    pub history: Duration,
    /// By size, in bytes.
    pub history_bytes: u64,
}

impl Default for Config {
    /// The contract's defaults.
    fn default() -> Self {
        Self {
            file: None,
            server: Server::default(),
            limits: Limits::default(),
            log: LogHistory { history: Duration::from_secs(24 * 60 * 60), history_bytes: 256 * 1024 * 1024 },
            wait_lock: Duration::ZERO,
            log_format: telemetry::Format::Text,
            log_filter: telemetry::FILTER_DEFAULT.to_owned(),
            templates: Arc::default(),
            notices: Vec::new(),
            sources: Arc::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            insecure: false,
            data_dir: PathBuf::from("./deskbell-data"),
            memory: false,
            allowed_origins: Vec::new(),
            hello_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(40),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let core = crate::workspace::Limits::default();
        Self {
            display_limit: core.display_limit,
            queue_limit: core.queue_limit,
            retention: Duration::from_millis(core.retention_ms),
            max_message_bytes: 65_536,
            max_connections: 20_000,
            messages_per_second: 200,
            outbound_bytes: 1 << 20,
            outbound_frames: 1_024,
            open_notifications: core.open_notifications,
            sessions: core.sessions,
            kpi_marks: core.kpi_marks,
            retained_outcomes: core.retained_outcomes,
            remembered_agents: core.remembered_agents,
            deliveries_per_second: 50_000,
            session_idle: Duration::from_millis(core.session_idle_ms),
            session_limit: core.session_limit,
            regroup_time: Duration::from_millis(core.regroup_time_ms),
        }
    }
}

/// Where settings come from besides the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The values of each flag, by its name without dashes; `true` for a switch.
    pub flags: HashMap<&'static str, Vec<String>>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All faults of command line, environment and file; never none.
    pub fn load(sources: &Sources) -> Result<Self, Faults> {
        let mut loader = Loader::default();
        loader.config.sources = Arc::new(sources.clone());
        let environment = loader.environment(sources);
        let file = sources.flags.get("config").and_then(|values| values.last()).map(String::as_str);
        let file = file.or(environment.iter().find(|(setting, _)| setting.flag == Some("config")).map(|(_, v)| *v));
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            loader.file(Path::new(file));
        }
        loader.set_variables(&environment);
        loader.set_flags(sources);
        loader.finish()
    }

    /// What decides in the core.
    #[must_use]
    pub fn core_limits(&self) -> crate::workspace::Limits {
        let limits = &self.limits;
        crate::workspace::Limits {
            display_limit: limits.display_limit,
            queue_limit: limits.queue_limit,
            retention_ms: ms(limits.retention),
            open_notifications: limits.open_notifications,
            sessions: limits.sessions,
            kpi_marks: limits.kpi_marks,
            retained_outcomes: limits.retained_outcomes,
            remembered_agents: limits.remembered_agents,
            session_idle_ms: ms(limits.session_idle),
            session_limit: limits.session_limit,
            regroup_time_ms: ms(limits.regroup_time),
        }
    }

    /// How to read the templates anew (for [`crate::template::Watch`]): the whole configuration is read and checked
    /// again, and settings other than templates that have changed are logged as waiting for a restart.
    #[must_use]
    pub fn reload(&self) -> Load {
        let running = self.clone();
        Arc::new(move || {
            let now = Self::load(&running.sources).map_err(|faults| faults.lines())?;
            for setting in running.differences(&now) {
                tracing::warn!("{setting} has changed in the configuration; that takes a restart");
            }
            Ok(now.templates)
        })
    }

    /// The names of the settings that `other` has otherwise.
    fn differences(&self, other: &Self) -> Vec<String> {
        SETTINGS.iter().filter(|s| s.show(self) != s.show(other)).map(Setting::name).collect()
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The configuration while it is read: from the least place to the one that wins.
#[derive(Default)]
struct Loader {
    config: Config,
    faults: Faults,
    /// Where each setting that anybody named was named last, and in which layer.
    named: HashMap<&'static str, (Layer, Origin)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    #[default]
    Unset,
    File,
    Variable,
    Flag,
}

impl Loader {
    fn fault(&mut self, origin: Origin, what: String) {
        self.faults.add(Fault { origin, what });
    }

    fn file(&mut self, path: &Path) {
        let text = match file::text(path) {
            Ok(text) => text,
            Err(fault) => return self.faults.add(fault),
        };
        let mut faults = file::FileFaults::new(path, &text);
        let document = faults.parse();
        let table = document.table.get_ref();
        for (setting, origin) in file::apply(table, &mut self.config, &mut faults) {
            self.named.insert(setting.variable, (Layer::File, origin));
        }
        let templates = table.get(file::TEMPLATES).map(|value| templates::read(value, &mut faults));
        self.config.templates = Arc::new(Catalogue::with(templates.unwrap_or_default()));
        self.faults.extend(faults.finish(&document.spoilt));
    }

    /// The settings that the environment names. An empty variable is as none.
    fn environment<'s>(&mut self, sources: &'s Sources) -> Vec<(&'static Setting, &'s str)> {
        let mut known = Vec::new();
        for (name, value) in &sources.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !value.is_empty()) else {
                continue;
            };
            let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == name) else {
                self.config.notices.extend(unknown_variable(name));
                continue;
            };
            match value.to_str() {
                Some(value) => known.push((setting, value)),
                None => self.fault(Origin::Variable(name.to_owned()), "not UTF-8".to_owned()),
            }
        }
        known
    }

    fn set_variables(&mut self, environment: &[(&'static Setting, &str)]) {
        for (setting, value) in environment {
            self.set(setting, Layer::Variable, Origin::Variable(setting.variable.to_owned()), Given::Variable(value));
        }
    }

    fn set_flags(&mut self, sources: &Sources) {
        for setting in SETTINGS {
            let Some((flag, values)) = setting.flag.and_then(|flag| Some((flag, sources.flags.get(flag)?))) else {
                continue;
            };
            self.set(setting, Layer::Flag, Origin::CommandLine(format!("--{flag}")), Given::Flag(values));
        }
    }

    fn set(&mut self, setting: &'static Setting, layer: Layer, origin: Origin, given: Given<'_>) {
        let memory_before = self.config.server.memory;
        let problems = setting.set(&mut self.config, given).err();
        for problem in problems.map(|problems| problems.0).unwrap_or_default() {
            self.fault(origin.clone(), format!("{}; allowed: {}", problem.what, setting.allowed()));
        }
        // A data directory given in a stronger place than `memory` is meant to be used.
        if setting.flag == Some("data-dir") && memory_before && self.layer("DESKBELL_MEMORY") < layer {
            self.config.server.memory = false;
        }
        self.named.insert(setting.variable, (layer, origin));
    }

    fn layer(&self, variable: &str) -> Layer {
        self.named.get(variable).map(|(layer, _)| *layer).unwrap_or_default()
    }

    fn finish(mut self) -> Result<Config, Faults> {
        self.refuse_strangers();
        self.refuse_silence();
        self.tell_what_memory_hides();
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }

    fn refuse_strangers(&mut self) {
        let Server { listen, insecure, .. } = self.config.server;
        if !insecure && !listen.ip().to_canonical().is_loopback() {
            let what = format!(
                "{listen} can be reached from other machines, and there is no authentication; listen on \
                 127.0.0.1:{}, or give --insecure if everybody who can reach it may use it",
                listen.port()
            );
            self.fault(self.origin("DESKBELL_LISTEN"), what);
        }
    }

    fn refuse_silence(&mut self) {
        let Server { ping_interval, idle_timeout, .. } = self.config.server;
        if idle_timeout <= ping_interval {
            let what = format!(
                "[server] idleTimeout ({}) is not longer than pingInterval ({}): every quiet client would be dropped",
                value::show_duration(idle_timeout),
                value::show_duration(ping_interval)
            );
            let (idle, ping) = ("DESKBELL_IDLE_TIMEOUT", "DESKBELL_PING_INTERVAL");
            let origin = if self.layer(idle) >= self.layer(ping) { idle } else { ping };
            self.fault(self.origin(origin), what);
        }
    }

    fn tell_what_memory_hides(&mut self) {
        if self.config.server.memory && self.named.contains_key("DESKBELL_DATA_DIR") {
            let notice = "nothing is kept: memory is on, so the data directory that is given is not used";
            self.config.notices.push(notice.to_owned());
        }
    }

    /// Where the setting with this variable was named last.
    fn origin(&self, variable: &str) -> Origin {
        self.named.get(variable).map_or_else(|| Origin::Variable(variable.to_owned()), |(_, origin)| origin.clone())
    }
}

/// What to say of a variable that is no setting. No fault: other programs' variables begin so too, and Kubernetes sets
/// some for every service (those are passed over).
fn unknown_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_") {
        return None;
    }
    let near = nearest(name, SETTINGS.iter().map(|setting| setting.variable));
    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Some(format!("the environment variable {} is no setting{hint}", telemetry::escape(name)))
}

#[cfg(test)]
mod tests;
