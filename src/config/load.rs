//! Reads flags, environment and file into one configuration, and reads it again for a reload.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::checked::{Cluster, Config, PREFIX, Server, Sources};
use super::fault::{Fault, Faults, Origin};
use super::setting::{Given, Setting};
use super::settings::SETTINGS;
use super::{file, templates, value};
use crate::auth::{KeyFiles, Keys};
use crate::telemetry;
use crate::template::{Catalogue, Load, ReloadHandle, SharedCatalogue, Watch, nearest};
use crate::tls::Certificate;

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

    /// Watches the file's templates for `catalogue`, which starts with [`Config::templates`]; `None` without a file.
    #[must_use]
    pub fn watch_templates(&self, catalogue: SharedCatalogue) -> Option<(Watch, ReloadHandle)> {
        self.file.as_ref().map(|file| Watch::new(file.clone(), catalogue, self.reload()))
    }

    /// Reads the templates anew: the whole configuration is read and checked again, and settings other than templates
    /// that have changed are logged as waiting for a restart.
    pub(super) fn reload(&self) -> Load {
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
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        SETTINGS.iter().filter(|s| s.show(self) != s.show(other)).map(Setting::name).collect()
    }
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
        self.try_keys();
        self.try_certificate();
        self.tell_what_memory_hides();
        self.see_to_the_cluster();
        if self.faults.is_empty() { Ok(self.config) } else { Err(self.faults) }
    }

    fn refuse_strangers(&mut self) {
        let Server { listen, insecure, admin_listen, .. } = self.config.server;
        let reachable = |address: SocketAddr| !insecure && !address.ip().to_canonical().is_loopback();
        if reachable(listen) && !self.config.auth.is_on() {
            let what = format!(
                "{listen} can be reached from other machines, and there is no authentication; give \
                 --auth-secret-file or --auth-public-key-file, listen on 127.0.0.1:{}, or give --insecure if \
                 everybody who can reach it may use it",
                listen.port()
            );
            self.fault(self.origin("DESKBELL_LISTEN"), what);
        }
        if let Some(admin) = admin_listen.filter(|admin| reachable(*admin)) {
            let what = format!(
                "{admin} can be reached from other machines, and the admin listener asks nobody who they are; listen \
                 on 127.0.0.1:{}, or give --insecure if everybody who can reach it may use it",
                admin.port()
            );
            self.fault(self.origin("DESKBELL_ADMIN_LISTEN"), what);
        }
    }

    fn try_keys(&mut self) {
        let auth = &self.config.auth;
        if !auth.is_on() {
            let of_tokens = ["DESKBELL_AUTH_ISSUER", "DESKBELL_AUTH_AUDIENCE"];
            if let Some(named) = of_tokens.into_iter().find(|variable| self.named.contains_key(variable)) {
                let what = "it is asked of tokens, and there are none: give [auth] secretFile or publicKeyFile";
                self.fault(self.origin(named), what.to_owned());
            }
            return;
        }
        for (file, variable) in [
            (KeyFiles { public: None, ..auth.key_files() }, "DESKBELL_AUTH_SECRET_FILE"),
            (KeyFiles { secret: None, ..auth.key_files() }, "DESKBELL_AUTH_PUBLIC_KEY_FILE"),
        ] {
            match Keys::load(&file) {
                Ok(keys) => self.config.notices.extend_from_slice(keys.notices()),
                Err(error) => self.fault(self.origin(variable), error.to_string()),
            }
        }
        let server = &self.config.server;
        if !server.listen.ip().to_canonical().is_loopback() && server.certificate().is_none() {
            let notice = "tokens come in clear text from other machines: give --tls-cert and --tls-key, unless a proxy \
                          before the hub speaks TLS";
            self.config.notices.push(notice.to_owned());
        }
    }

    fn try_certificate(&mut self) {
        let server = &self.config.server;
        match (server.certificate(), server.tls_cert.is_some() || server.tls_key.is_some()) {
            (Some(files), _) => {
                if let Err(error) = Certificate::open(files) {
                    self.fault(self.origin("DESKBELL_TLS_CERT"), error.to_string());
                }
            }
            (None, true) => {
                let (given, missing) = match server.tls_cert {
                    Some(_) => ("DESKBELL_TLS_CERT", "--tls-key"),
                    None => ("DESKBELL_TLS_KEY", "--tls-cert"),
                };
                self.fault(self.origin(given), format!("{missing} is missing: certificate and key go together"));
            }
            (None, false) => {}
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

    fn see_to_the_cluster(&mut self) {
        let cluster = &self.config.cluster;
        if cluster.servers.is_empty() {
            return;
        }
        let open = cluster.servers.iter().any(|url| value::without_userinfo(url) != *url);
        if open {
            let notice = "a NATS server's URL holds what opens it, which others on this machine may read; \
                          [cluster] credsFile or passwordFile keeps it from them";
            self.config.notices.push(notice.to_owned());
        }
        if self.named.contains_key("DESKBELL_DATA_DIR") {
            let notice = "the data directory that is given is not used: the cluster's servers keep the log";
            self.config.notices.push(notice.to_owned());
        }
        if self.config.server.memory {
            let what = "a cluster's log is kept by its servers, and memory keeps none: leave one of them out";
            self.fault(self.origin("DESKBELL_MEMORY"), what.to_owned());
        }
        self.try_what_opens_the_cluster();
        if cfg!(not(feature = "cluster")) {
            let what = "this deskbell was built without the feature \"cluster\"";
            self.fault(self.origin("DESKBELL_CLUSTER"), what.to_owned());
        }
    }

    fn try_what_opens_the_cluster(&mut self) {
        let Cluster { creds_file, password_file, .. } = self.config.cluster.clone();
        let holds_creds = |text: &str| text.contains("NATS USER JWT") && text.contains("USER NKEY SEED");
        let has_first_line = |text: &str| text.lines().next().is_some_and(|line| !line.trim().is_empty());
        let no_creds = "it is no NATS credentials file (JWT and seed)";
        self.try_file("DESKBELL_CLUSTER_CREDS_FILE", creds_file.as_deref(), holds_creds, no_creds);
        let empty = "its first line is empty";
        self.try_file("DESKBELL_CLUSTER_PASSWORD_FILE", password_file.as_deref(), has_first_line, empty);
    }

    /// A fault if the file that this setting names cannot be read, or is not `good`: `otherwise`, for people.
    fn try_file(&mut self, variable: &str, path: Option<&Path>, good: impl Fn(&str) -> bool, otherwise: &str) {
        let Some(path) = path else { return };
        let what = match fs::read_to_string(path) {
            Ok(text) if good(&text) => return,
            Ok(_) => otherwise.to_owned(),
            Err(error) => format!("it cannot be read: {error}"),
        };
        self.fault(self.origin(variable), format!("{}: {what}", path.display()));
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
