//! Loads the configuration from flags, environment and file, and loads it again for a reload of the templates.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use deskbell_protocol::format_duration;

use super::checked::{ClusterSettings, Config, OidcToken, PREFIX, ServerSettings, Sources};
use super::error::{ConfigError, ConfigErrors, Location};
use super::key::Key;
use super::setting::{RawValue, Setting};
use super::settings::SETTINGS;
use super::{file, issuers, templates};
use crate::auth::{JwksLocation, KeyFiles, KeySet};
use crate::network::without_userinfo;
use crate::outbound::OutboundUrl;
use crate::telemetry;
use crate::template::{Catalogue, Load, ReloadHandle, SharedCatalogue, Watch, nearest};
use crate::tls::Certificate;

impl Config {
    /// Loads and checks everything.
    ///
    /// # Errors
    /// All errors of command line, environment and file; at least one.
    pub fn load(sources: &Sources) -> Result<Self, ConfigErrors> {
        let mut loader = Loader::default();
        loader.config.sources = Arc::new(sources.clone());
        let environment = loader.environment(sources);
        let file = sources.flags.get("config").and_then(|values| values.last()).map(String::as_str);
        let file = file.or(environment.iter().find(|(setting, _)| setting.key == Key::Config).map(|(_, v)| *v));
        if let Some(file) = file.filter(|file| !file.is_empty()) {
            loader.file(Path::new(file));
        }
        loader.set_variables(&environment);
        loader.set_flags(sources);
        loader.finish()
    }

    /// Keeps `catalogue`, which starts with [`Config::templates`], up to date with the file; `None` without a file.
    #[must_use]
    pub fn watch_templates(&self, catalogue: SharedCatalogue) -> Option<(Watch, ReloadHandle)> {
        self.file.as_ref().map(|file| Watch::new(file.clone(), catalogue, self.reload()))
    }

    /// The function that reloads the templates. It loads and checks the whole configuration again, and logs the other settings
    /// that have changed, because those need a restart.
    pub(super) fn reload(&self) -> Load {
        let running = self.clone();
        Arc::new(move || {
            let now = Self::load(&running.sources).map_err(|errors| errors.lines())?;
            for setting in running.differences(&now) {
                tracing::warn!("{setting} has changed in the configuration; the change needs a restart");
            }
            Ok(now.templates)
        })
    }

    /// The names of the settings that differ from `other`.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let settings = SETTINGS.iter().filter(|s| s.show(self) != s.show(other)).map(Setting::name);
        let issuers = (self.auth.issuers != other.auth.issuers).then(|| "[[auth.issuers]]".to_owned());
        settings.chain(issuers).collect()
    }
}

/// The configuration while it is loaded, from the weakest layer to the strongest.
#[derive(Default)]
struct Loader {
    config: Config,
    errors: ConfigErrors,
    /// The strongest layer that gives each setting, and the place in it.
    given: HashMap<Key, (Layer, Location)>,
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
    fn error(&mut self, location: Location, what: String) {
        self.errors.add(ConfigError { location, what });
    }

    fn file(&mut self, path: &Path) {
        let text = match file::text(path) {
            Ok(text) => text,
            Err(error) => return self.errors.add(error),
        };
        let mut errors = file::FileErrors::new(path, &text);
        let document = errors.parse();
        let table = document.table.get_ref();
        for (setting, location) in file::apply(table, &mut self.config, &mut errors) {
            self.given.insert(setting.key, (Layer::File, location));
        }
        let (auth, key) = file::ISSUERS;
        if let Some(value) = table.get(auth).and_then(|auth| auth.get_ref().as_table()?.get(key)) {
            self.config.auth.issuers = issuers::parse(value, &mut errors, &mut self.config.warnings);
        }
        let templates = table.get(file::TEMPLATES).map(|value| templates::read(value, &mut errors));
        self.config.templates = Arc::new(Catalogue::with(templates.unwrap_or_default()));
        self.errors.extend(errors.finish(&document.unreliable));
    }

    /// The settings that the environment gives. An empty variable counts as unset.
    fn environment<'s>(&mut self, sources: &'s Sources) -> Vec<(&'static Setting, &'s str)> {
        let mut known = Vec::new();
        for (name, value) in &sources.environment {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && !value.is_empty()) else {
                continue;
            };
            let Some(setting) = SETTINGS.iter().find(|setting| setting.variable == name) else {
                self.config.warnings.extend(unknown_variable(name));
                continue;
            };
            match value.to_str() {
                Some(value) => known.push((setting, value)),
                None => self.error(Location::Variable(name.to_owned()), "is not valid UTF-8".to_owned()),
            }
        }
        known
    }

    fn set_variables(&mut self, environment: &[(&'static Setting, &str)]) {
        for (setting, value) in environment {
            self.set(
                setting,
                Layer::Variable,
                Location::Variable(setting.variable.to_owned()),
                RawValue::Variable(value),
            );
        }
    }

    fn set_flags(&mut self, sources: &Sources) {
        for setting in SETTINGS {
            let Some((flag, values)) = setting.flag.and_then(|flag| Some((flag, sources.flags.get(flag)?))) else {
                continue;
            };
            self.set(setting, Layer::Flag, Location::CommandLine(format!("--{flag}")), RawValue::Flag(values));
        }
    }

    fn set(&mut self, setting: &'static Setting, layer: Layer, location: Location, raw: RawValue<'_>) {
        let memory_before = self.config.server.memory;
        let problems = setting.set(&mut self.config, raw).err();
        for problem in problems.map(|problems| problems.0).unwrap_or_default() {
            self.error(location.clone(), format!("{}; allowed: {}", problem.what, setting.allowed()));
        }
        // A data directory from a stronger layer than `memory` is meant to be used.
        if setting.key == Key::DataDir && memory_before && self.layer(Key::Memory) < layer {
            self.config.server.memory = false;
        }
        self.given.insert(setting.key, (layer, location));
    }

    fn layer(&self, key: Key) -> Layer {
        self.given.get(&key).map(|(layer, _)| *layer).unwrap_or_default()
    }

    fn is_given(&self, key: Key) -> bool {
        self.given.contains_key(&key)
    }

    fn finish(mut self) -> Result<Config, ConfigErrors> {
        self.check_reachable_listeners();
        self.check_idle_timeout();
        self.check_keys();
        self.check_oidc();
        self.check_certificate();
        self.check_origins();
        self.warn_about_public_address();
        self.warn_about_unused_data_dir();
        self.check_cluster();
        if self.errors.is_empty() { Ok(self.config) } else { Err(self.errors) }
    }

    fn check_reachable_listeners(&mut self) {
        let ServerSettings { listen, insecure, admin_listen, .. } = self.config.server;
        let reachable = |address: SocketAddr| !insecure && !address.ip().to_canonical().is_loopback();
        if reachable(listen) && !self.config.auth.is_on() {
            let what = format!(
                "other machines can reach {listen}, and authentication is off; set --auth-secret-file or \
                 --auth-public-key-file, listen on 127.0.0.1:{}, or set --insecure if everybody on the network may \
                 use the hub",
                listen.port()
            );
            self.error(self.location(Key::Listen), what);
        }
        if let Some(admin) = admin_listen.filter(|admin| reachable(*admin)) {
            let what = format!(
                "other machines can reach {admin}, and the admin listener has no authentication; listen on \
                 127.0.0.1:{}, or set --insecure if everybody on the network may use it",
                admin.port()
            );
            self.error(self.location(Key::AdminListen), what);
        }
    }

    fn check_keys(&mut self) {
        let auth = &self.config.auth;
        if !auth.is_on() {
            if let Some(given) = [Key::AuthIssuer, Key::AuthAudience].into_iter().find(|key| self.is_given(*key)) {
                let what = "this checks tokens, but authentication is off; set [auth] secretFile or publicKeyFile";
                self.error(self.location(given), what.to_owned());
            }
            return;
        }
        for (file, key) in [
            (KeyFiles { public: None, ..auth.key_files() }, Key::AuthSecretFile),
            (KeyFiles { secret: None, ..auth.key_files() }, Key::AuthPublicKeyFile),
        ] {
            match KeySet::load(&file) {
                Ok(keys) => self.config.warnings.extend_from_slice(keys.warnings()),
                Err(error) => self.error(self.location(key), error.to_string()),
            }
        }
        for issuer in self.config.auth.issuers.clone() {
            let JwksLocation::File(path) = issuer.jwks else { continue };
            match KeySet::load(&KeyFiles { secret: None, public: Some(path) }) {
                Ok(keys) => self.config.warnings.extend_from_slice(keys.warnings()),
                Err(error) => self
                    .error(self.location(Key::Config), format!("[[auth.issuers]] {:?} jwks: {error}", issuer.issuer)),
            }
        }
        let server = &self.config.server;
        if !server.listen.ip().to_canonical().is_loopback() && server.certificate().is_none() {
            let warning = "other machines send their tokens in clear text; set --tls-cert and --tls-key, unless a proxy in \
                          front of the hub terminates TLS";
            self.config.warnings.push(warning.to_owned());
        }
    }

    /// The pages sign in only where the hub accepts tokens from.
    fn check_oidc(&mut self) {
        let auth = &self.config.auth;
        let (issuer, client_id) = (auth.oidc.issuer.clone(), auth.oidc.client_id.clone());
        let keys = [Key::OidcIssuer, Key::OidcClientId, Key::OidcScopes, Key::OidcToken];
        let Some(given) = keys.into_iter().find(|key| self.is_given(*key)) else { return };
        let (Some(issuer), Some(client_id)) = (issuer, client_id) else {
            let missing = if auth.oidc.issuer.is_none() { "issuer" } else { "clientId" };
            return self.error(self.location(given), format!("[auth.oidc] {missing} is missing"));
        };
        let Some(listed) = auth.issuers.iter().find(|listed| listed.issuer == issuer).cloned() else {
            let what = format!("[auth.oidc] issuer: {issuer:?} is not an issuer of [[auth.issuers]]");
            return self.error(self.location(Key::OidcIssuer), what);
        };
        if let Err(error) = issuer.parse::<OutboundUrl>() {
            let what = format!("[auth.oidc] issuer: {issuer:?} is {error}, so browsers cannot sign in there");
            return self.error(self.location(Key::OidcIssuer), what);
        }
        if auth.oidc.token == OidcToken::Id && !listed.audiences.is_empty() && !listed.audiences.contains(&client_id) {
            let warning = "[auth.oidc]: an id token is for the clientId, which is not an audience of the issuer, so the hub \
                           refuses every sign-in; add it to the audience, or set token = \"access\"";
            self.config.warnings.push(warning.to_owned());
        }
        let server = &self.config.server;
        let is_secure = server.certificate().is_some()
            || server.public_url.as_ref().is_some_and(|url| url.origin.starts_with("https://"))
            || server.listen.ip().to_canonical().is_loopback();
        if !is_secure {
            let warning = "[auth.oidc]: browsers sign in only on https pages; set --tls-cert and --tls-key, or an https \
                           [server] publicUrl";
            self.config.warnings.push(warning.to_owned());
        }
        if !server.frame_ancestors.is_empty() {
            let warning = "[auth.oidc]: a page in a frame cannot sign in, and asks for a token instead; use the element \
                           <deskbell-desk> where people sign in";
            self.config.warnings.push(warning.to_owned());
        }
    }

    fn check_certificate(&mut self) {
        let server = &self.config.server;
        match (server.certificate(), server.tls_cert.is_some() || server.tls_key.is_some()) {
            (Some(files), _) => {
                if let Err(error) = Certificate::open(files) {
                    self.error(self.location(Key::TlsCert), error.to_string());
                }
            }
            (None, true) => {
                let (given, missing) = match server.tls_cert {
                    Some(_) => (Key::TlsCert, "--tls-key"),
                    None => (Key::TlsKey, "--tls-cert"),
                };
                self.error(self.location(given), format!("{missing} is missing; a certificate needs its key"));
            }
            (None, false) => {}
        }
    }

    /// Without authentication, the allowed origins are the only barrier for pages of other sites.
    fn check_origins(&mut self) {
        let wildcard = self.config.server.allowed_origins.iter().find(|origin| origin.contains('*'));
        if let Some(wildcard) = wildcard.filter(|_| !self.config.auth.is_on()) {
            let what = format!("{wildcard} has a wildcard, which needs authentication; list each origin");
            self.error(self.location(Key::AllowedOrigin), what);
        }
    }

    fn warn_about_public_address(&mut self) {
        let server = &self.config.server;
        let is_known = server.public_url.is_some() || !server.allowed_origins.is_empty();
        if !server.trusted_proxies.is_empty() && !is_known && !self.config.auth.is_on() {
            let warning = "the hub is behind a proxy, but its public address is unknown, so its pages cannot connect; \
                           set [server] publicUrl";
            self.config.warnings.push(warning.to_owned());
        }
    }

    fn check_idle_timeout(&mut self) {
        let ServerSettings { ping_interval, idle_timeout, .. } = self.config.server;
        if idle_timeout <= ping_interval {
            let what = format!(
                "[server] idleTimeout ({}) must be longer than pingInterval ({}), or the hub drops every quiet client",
                format_duration(idle_timeout),
                format_duration(ping_interval)
            );
            let idle_is_stronger = self.layer(Key::IdleTimeout) >= self.layer(Key::PingInterval);
            let key = if idle_is_stronger { Key::IdleTimeout } else { Key::PingInterval };
            self.error(self.location(key), what);
        }
    }

    fn warn_about_unused_data_dir(&mut self) {
        if self.config.server.memory && self.is_given(Key::DataDir) {
            let warning = "the data directory is not used, because memory is on: a restart loses everything";
            self.config.warnings.push(warning.to_owned());
        }
    }

    fn check_cluster(&mut self) {
        let cluster = &self.config.cluster;
        if cluster.servers.is_empty() {
            return;
        }
        let has_credentials = cluster.servers.iter().any(|url| without_userinfo(url) != *url);
        if has_credentials {
            let warning = "the URL of a NATS server contains credentials, which other users of this machine may see; \
                          use [cluster] credsFile or passwordFile instead";
            self.config.warnings.push(warning.to_owned());
        }
        if self.is_given(Key::DataDir) {
            let warning = "the data directory is not used, because the NATS servers of the cluster keep the log";
            self.config.warnings.push(warning.to_owned());
        }
        if self.config.server.memory {
            let what = "memory and a cluster exclude each other: the NATS servers of a cluster keep its log";
            self.error(self.location(Key::Memory), what.to_owned());
        }
        self.check_cluster_credentials();
        if cfg!(not(feature = "cluster")) {
            let what = "this binary was built without the feature \"cluster\"";
            self.error(self.location(Key::Cluster), what.to_owned());
        }
    }

    fn check_cluster_credentials(&mut self) {
        let ClusterSettings { creds_file, password_file, .. } = self.config.cluster.clone();
        let holds_creds = |text: &str| text.contains("NATS USER JWT") && text.contains("USER NKEY SEED");
        let has_first_line = |text: &str| text.lines().next().is_some_and(|line| !line.trim().is_empty());
        let no_creds = "not a NATS credentials file (it needs a user JWT and a seed)";
        self.check_file(Key::ClusterCredsFile, creds_file.as_deref(), holds_creds, no_creds);
        let empty = "the first line is empty";
        self.check_file(Key::ClusterPasswordFile, password_file.as_deref(), has_first_line, empty);
    }

    /// Reports an error if the file of this setting cannot be read, or if its text is not `good` (then `otherwise`).
    fn check_file(&mut self, key: Key, path: Option<&Path>, good: impl Fn(&str) -> bool, otherwise: &str) {
        let Some(path) = path else { return };
        let what = match fs::read_to_string(path) {
            Ok(text) if good(&text) => return,
            Ok(_) => otherwise.to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        self.error(self.location(key), format!("{}: {what}", path.display()));
    }

    /// The place that gives this setting its value. A setting that no layer gives is named by its variable.
    fn location(&self, key: Key) -> Location {
        let default = || Location::Variable(Setting::of(key).variable.to_owned());
        self.given.get(&key).map_or_else(default, |(_, location)| location.clone())
    }
}

/// The warning for a variable that is not a setting. It is not an error, because variables of other programs can have
/// the same prefix. Kubernetes sets some for every service; those get no warning.
fn unknown_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    if rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_") {
        return None;
    }
    let near = nearest(name, SETTINGS.iter().map(|setting| setting.variable));
    let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Some(format!("the environment variable {} is not a setting{hint}", telemetry::escape(name)))
}
