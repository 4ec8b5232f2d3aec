//! The table of all settings. The command line, the readers of the file and of the environment, and
//! docs/configuration.md are derived from it. A new setting is a new row here, a new [`Key`] and a new field of
//! [`Config`](super::checked::Config).

use std::time::Duration;

use super::key::Key;
use super::setting::{Accessor, Setting, ValueKind};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// How to read and write one field of the configuration.
macro_rules! at {
    ($($field:ident).+) => {
        Accessor { get: |config| &config.$($field).+, get_mut: |config| &mut config.$($field).+ }
    };
}

/// A row for a key of the file that has no flag.
macro_rules! key {
    ($key:ident, $table:literal, $name:literal, $variable:literal, $kind:expr, $meaning:literal) => {
        Setting {
            key: Key::$key,
            file: Some(($table, $name)),
            flag: None,
            variable: $variable,
            kind: $kind,
            meaning: $meaning,
        }
    };
}

macro_rules! limit {
    ($key:ident, $name:literal, $variable:literal, $min:literal ..= $max:literal, $field:ident, $meaning:literal) => {
        key!(
            $key,
            "limits",
            $name,
            $variable,
            ValueKind::Count { min: $min, max: $max, at: at!(limits.$field) },
            $meaning
        )
    };
}

/// The table, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: Key::Config,
        file: None,
        flag: Some("config"),
        variable: "DESKBELL_CONFIG",
        kind: ValueKind::OptionalPath(at!(file)),
        meaning: "The TOML file: everything below that has a key, and the templates.",
    },
    Setting {
        key: Key::Listen,
        file: Some(("server", "listen")),
        flag: Some("listen"),
        variable: "DESKBELL_LISTEN",
        kind: ValueKind::Address(at!(server.listen)),
        meaning: "The address that the hub serves; port 0 takes a free port. An address other than loopback needs authentication or --insecure.",
    },
    Setting {
        key: Key::Insecure,
        file: Some(("server", "insecure")),
        flag: Some("insecure"),
        variable: "DESKBELL_INSECURE",
        kind: ValueKind::Switch(at!(server.insecure)),
        meaning: "Serve other machines without authentication. This also applies to the admin listener, which has no authentication.",
    },
    Setting {
        key: Key::DataDir,
        file: Some(("server", "dataDir")),
        flag: Some("data-dir"),
        variable: "DESKBELL_DATA_DIR",
        kind: ValueKind::Path(at!(server.data_dir)),
        meaning: "The directory of the durable log. A relative path starts at the working directory.",
    },
    Setting {
        key: Key::Memory,
        file: Some(("server", "memory")),
        flag: Some("memory"),
        variable: "DESKBELL_MEMORY",
        kind: ValueKind::Switch(at!(server.memory)),
        meaning: "Keep everything in memory, without a durable log. This wins over a data directory that is given in the same place.",
    },
    Setting {
        key: Key::AllowedOrigin,
        file: Some(("server", "allowedOrigins")),
        flag: Some("allowed-origin"),
        variable: "DESKBELL_ALLOWED_ORIGIN",
        kind: ValueKind::OriginPatterns(at!(server.allowed_origins)),
        meaning: "Origins of pages that may connect, in addition to the hub's own pages. The flag can be repeated.",
    },
    key!(
        FrameAncestors,
        "server",
        "frameAncestors",
        "DESKBELL_FRAME_ANCESTORS",
        ValueKind::Origins(at!(server.frame_ancestors)),
        "Origins of pages that may show the hub's pages in a frame."
    ),
    Setting {
        key: Key::TlsCert,
        file: Some(("server", "tlsCert")),
        flag: Some("tls-cert"),
        variable: "DESKBELL_TLS_CERT",
        kind: ValueKind::OptionalPath(at!(server.tls_cert)),
        meaning: "Serve https and wss with this certificate chain (PEM). The hub reloads the file when it changes.",
    },
    Setting {
        key: Key::TlsKey,
        file: Some(("server", "tlsKey")),
        flag: Some("tls-key"),
        variable: "DESKBELL_TLS_KEY",
        kind: ValueKind::OptionalPath(at!(server.tls_key)),
        meaning: "The private key of the certificate (PEM).",
    },
    Setting {
        key: Key::AdminListen,
        file: Some(("server", "adminListen")),
        flag: Some("admin-listen"),
        variable: "DESKBELL_ADMIN_LISTEN",
        kind: ValueKind::OptionalAddress(at!(server.admin_listen)),
        meaning: "The admin listener: clients, disconnect, revoke, metrics, explain. It must be a loopback address unless --insecure is given.",
    },
    Setting {
        key: Key::PublicUrl,
        file: Some(("server", "publicUrl")),
        flag: Some("public-url"),
        variable: "DESKBELL_PUBLIC_URL",
        kind: ValueKind::PublicUrl(at!(server.public_url)),
        meaning: "Where people reach the hub, if that is not the listen address. With a path, everything is also served below it.",
    },
    Setting {
        key: Key::MetricsListen,
        file: Some(("server", "metricsListen")),
        flag: Some("metrics-listen"),
        variable: "DESKBELL_METRICS_LISTEN",
        kind: ValueKind::OptionalAddress(at!(server.metrics_listen)),
        meaning: "Serve `/metrics`, `/healthz` and `/readyz`, and nothing else, on this address, without authentication.",
    },
    key!(
        TrustedProxies,
        "server",
        "trustedProxies",
        "DESKBELL_TRUSTED_PROXIES",
        ValueKind::Networks(at!(server.trusted_proxies)),
        "Trusted proxies. The hub takes the client's address from their `X-Forwarded-For` header, and ignores the header from any other address."
    ),
    key!(
        HandshakeTimeout,
        "server",
        "handshakeTimeout",
        "DESKBELL_HANDSHAKE_TIMEOUT",
        ValueKind::Time { min: ms(100), max: seconds(300), at: at!(server.handshake_timeout) },
        "The time limit for a TLS handshake, for the head of a request, and for its body."
    ),
    key!(
        HttpIdleTimeout,
        "server",
        "httpIdleTimeout",
        "DESKBELL_HTTP_IDLE_TIMEOUT",
        ValueKind::Time { min: seconds(1), max: seconds(3600), at: at!(server.http_idle_timeout) },
        "How long an HTTP connection stays open between two requests. Make it longer than the keep-alive time of the proxy \
         in front of the hub."
    ),
    key!(
        HelloTimeout,
        "server",
        "helloTimeout",
        "DESKBELL_HELLO_TIMEOUT",
        ValueKind::Time { min: ms(100), max: seconds(300), at: at!(server.hello_timeout) },
        "The time limit for the hello of a new connection."
    ),
    key!(
        PingInterval,
        "server",
        "pingInterval",
        "DESKBELL_PING_INTERVAL",
        ValueKind::Time { min: ms(100), max: seconds(HOUR), at: at!(server.ping_interval) },
        "How often the hub pings each connection."
    ),
    key!(
        IdleTimeout,
        "server",
        "idleTimeout",
        "DESKBELL_IDLE_TIMEOUT",
        ValueKind::Time { min: ms(200), max: seconds(2 * HOUR), at: at!(server.idle_timeout) },
        "The hub drops a connection that sends nothing for this long. It must be longer than `pingInterval`."
    ),
    Setting {
        key: Key::AuthSecretFile,
        file: Some(("auth", "secretFile")),
        flag: Some("auth-secret-file"),
        variable: "DESKBELL_AUTH_SECRET_FILE",
        kind: ValueKind::OptionalPath(at!(auth.secret_file)),
        meaning: "Clients need a token (JWT) signed with HS256 and the content of this file, without one trailing line end. The hub reloads the file when it changes.",
    },
    Setting {
        key: Key::AuthPublicKeyFile,
        file: Some(("auth", "publicKeyFile")),
        flag: Some("auth-public-key-file"),
        variable: "DESKBELL_AUTH_PUBLIC_KEY_FILE",
        kind: ValueKind::OptionalPath(at!(auth.public_key_file)),
        meaning: "Clients need a token signed with one of the public keys in this file (PEM blocks or a JSON Web Key Set). The hub reloads the file when it changes.",
    },
    key!(
        AuthIssuer,
        "auth",
        "issuer",
        "DESKBELL_AUTH_ISSUER",
        ValueKind::OptionalText(at!(auth.issuer)),
        "The only `iss` that a token may have."
    ),
    key!(
        AuthAudience,
        "auth",
        "audience",
        "DESKBELL_AUTH_AUDIENCE",
        ValueKind::OptionalText(at!(auth.audience)),
        "The value that the `aud` of a token must be or contain."
    ),
    key!(
        AuthLeeway,
        "auth",
        "leeway",
        "DESKBELL_AUTH_LEEWAY",
        ValueKind::Time { min: ms(0), max: seconds(600), at: at!(auth.leeway) },
        "The tolerance for `exp`, `nbf` and `iat` of a token, because clocks differ."
    ),
    key!(
        AuthMaxTokenAge,
        "auth",
        "maxTokenAge",
        "DESKBELL_AUTH_MAX_TOKEN_AGE",
        ValueKind::OptionalTime { min: seconds(60), max: seconds(365 * DAY), at: at!(auth.max_token_age) },
        "Refuse tokens with an older `iat`, and tokens without `iat`."
    ),
    key!(
        OidcIssuer,
        "auth.oidc",
        "issuer",
        "DESKBELL_AUTH_OIDC_ISSUER",
        ValueKind::OptionalText(at!(auth.oidc.issuer)),
        "People sign in to the hub's pages at this issuer, one of `[[auth.issuers]]`."
    ),
    key!(
        OidcClientId,
        "auth.oidc",
        "clientId",
        "DESKBELL_AUTH_OIDC_CLIENT_ID",
        ValueKind::OptionalText(at!(auth.oidc.client_id)),
        "The id of the pages at the issuer: a public client (no secret) for the authorization code flow with PKCE."
    ),
    key!(
        OidcScopes,
        "auth.oidc",
        "scopes",
        "DESKBELL_AUTH_OIDC_SCOPES",
        ValueKind::Scopes(at!(auth.oidc.scopes)),
        "The scopes that the pages ask for. Many issuers give a refresh token only with `offline_access`."
    ),
    key!(
        OidcToken,
        "auth.oidc",
        "token",
        "DESKBELL_AUTH_OIDC_TOKEN",
        ValueKind::OidcToken(at!(auth.oidc.token)),
        "Which of the issuer's tokens the pages send to the hub."
    ),
    limit!(
        DisplayLimit,
        "displayLimit",
        "DESKBELL_LIMITS_DISPLAY_LIMIT",
        1..=1_000,
        display_limit,
        "Notifications displayed on one desk at once."
    ),
    limit!(
        QueueLimit,
        "queueLimit",
        "DESKBELL_LIMITS_QUEUE_LIMIT",
        0..=10_000,
        queue_limit,
        "Notifications that wait behind one desk, and notifications of one audience that wait for an agent."
    ),
    key!(
        Retention,
        "limits",
        "retention",
        "DESKBELL_LIMITS_RETENTION",
        ValueKind::Time { min: ms(100), max: seconds(7 * DAY), at: at!(limits.retention) },
        "How long a settled notification is kept for `resume` and for repeated calls."
    ),
    key!(
        MaxMessageBytes,
        "limits",
        "maxMessageBytes",
        "DESKBELL_LIMITS_MAX_MESSAGE_BYTES",
        ValueKind::Size { min: 1 << 10, max: 1 << 20, at: at!(limits.max_message_bytes) },
        "The size limit of a client's message. A larger message closes the connection with 1009."
    ),
    limit!(
        MaxConnections,
        "maxConnections",
        "DESKBELL_LIMITS_MAX_CONNECTIONS",
        1..=1_000_000,
        max_connections,
        "Connections at once. The hub answers a further one with HTTP 503."
    ),
    limit!(
        ConnectionsPerAddress,
        "connectionsPerAddress",
        "DESKBELL_LIMITS_CONNECTIONS_PER_ADDRESS",
        0..=1_000_000,
        connections_per_address,
        "WebSockets and HTTP providers of one address (an IPv6 /64 counts as one). The hub answers a further one with HTTP 429. 0: no limit, because a whole office can share one address."
    ),
    limit!(
        PendingConnections,
        "pendingConnections",
        "DESKBELL_LIMITS_PENDING_CONNECTIONS",
        1..=1_000_000,
        pending_connections,
        "WebSockets that have not completed their hello. The hub answers a further one with HTTP 503."
    ),
    limit!(
        MessagesPerSecond,
        "messagesPerSecond",
        "DESKBELL_LIMITS_MESSAGES_PER_SECOND",
        1..=1_000_000,
        messages_per_second,
        "Messages per second of one connection, with a burst of twice that."
    ),
    key!(
        OutboundBytes,
        "limits",
        "outboundBytes",
        "DESKBELL_LIMITS_OUTBOUND_BYTES",
        ValueKind::Size { min: 1 << 12, max: 1 << 30, at: at!(limits.outbound_bytes) },
        "Bytes that may wait for one slow client. The hub closes a slower client with 1013."
    ),
    limit!(
        OutboundFrames,
        "outboundFrames",
        "DESKBELL_LIMITS_OUTBOUND_FRAMES",
        1..=1_000_000,
        outbound_frames,
        "Frames that may wait for one slow client. The hub closes a slower client with 1013."
    ),
    limit!(
        OpenNotifications,
        "openNotifications",
        "DESKBELL_LIMITS_OPEN_NOTIFICATIONS",
        1..=1_000_000,
        open_notifications,
        "Open notifications per workspace. The hub refuses a further one."
    ),
    limit!(
        Sessions,
        "sessions",
        "DESKBELL_LIMITS_SESSIONS",
        1..=1_000_000,
        sessions,
        "Open sessions per workspace. A further one ends the session that was idle longest."
    ),
    limit!(
        KpiMarks,
        "kpiMarks",
        "DESKBELL_LIMITS_KPI_MARKS",
        1..=1_000_000,
        kpi_marks,
        "KPI marks per workspace. A further one removes the mark that was untouched longest."
    ),
    limit!(
        RetainedOutcomes,
        "retainedOutcomes",
        "DESKBELL_LIMITS_RETAINED_OUTCOMES",
        1..=10_000_000,
        retained_outcomes,
        "Settled notifications kept per workspace. The hub forgets the oldest ones first."
    ),
    key!(
        ContextBytes,
        "limits",
        "contextBytes",
        "DESKBELL_LIMITS_CONTEXT_BYTES",
        ValueKind::Size { min: 1 << 13, max: 1 << 40, at: at!(limits.context_bytes) },
        "Bytes of all contexts per workspace. The hub refuses a notification whose context would exceed it."
    ),
    limit!(
        RememberedAgents,
        "rememberedAgents",
        "DESKBELL_LIMITS_REMEMBERED_AGENTS",
        1..=10_000_000,
        remembered_agents,
        "Agents remembered per workspace. The hub forgets the ones that left first."
    ),
    limit!(
        DeliveriesPerSecond,
        "deliveriesPerSecond",
        "DESKBELL_LIMITS_DELIVERIES_PER_SECOND",
        1..=1_000_000_000,
        deliveries_per_second,
        "Deliveries per second that one provider's calls may cause, with a burst of twice that."
    ),
    key!(
        SessionIdle,
        "limits",
        "sessionIdle",
        "DESKBELL_LIMITS_SESSION_IDLE",
        ValueKind::Time { min: ms(100), max: seconds(30 * DAY), at: at!(limits.session_idle) },
        "A session or KPI mark ends when nothing touches it for this long."
    ),
    limit!(
        SessionLimit,
        "sessionLimit",
        "DESKBELL_LIMITS_SESSION_LIMIT",
        1..=100_000,
        session_limit,
        "The number of open sessions at which an agent gets no more automatic accepts."
    ),
    key!(
        RegroupTime,
        "limits",
        "regroupTime",
        "DESKBELL_LIMITS_REGROUP_TIME",
        ValueKind::Time { min: ms(0), max: seconds(600), at: at!(limits.regroup_time) },
        "How long after a start the hub waits for agents to reconnect before it refuses a notification for lack of agents."
    ),
    key!(
        LogHistory,
        "log",
        "history",
        "DESKBELL_LOG_HISTORY",
        ValueKind::Time { min: ms(0), max: seconds(365 * DAY), at: at!(log.history) },
        "How far back `explain` can reach …"
    ),
    key!(
        LogHistoryBytes,
        "log",
        "historyBytes",
        "DESKBELL_LOG_HISTORY_BYTES",
        ValueKind::Size { min: 0, max: 1 << 40, at: at!(log.history_bytes) },
        "… within this many bytes. The hub erases older records."
    ),
    Setting {
        key: Key::Cluster,
        file: Some(("cluster", "servers")),
        flag: Some("cluster"),
        variable: "DESKBELL_CLUSTER",
        kind: ValueKind::Servers(at!(cluster.servers)),
        meaning: "The NATS servers with JetStream that hold the log of several hubs, instead of a data directory.",
    },
    key!(
        ClusterPartitions,
        "cluster",
        "partitions",
        "DESKBELL_CLUSTER_PARTITIONS",
        ValueKind::Count { min: 1, max: 64, at: at!(cluster.partitions) },
        "The number of streams that share the workspaces. All hubs need the same number, and it cannot change while the streams exist."
    ),
    key!(
        ClusterCredsFile,
        "cluster",
        "credsFile",
        "DESKBELL_CLUSTER_CREDS_FILE",
        ValueKind::OptionalPath(at!(cluster.creds_file)),
        "A NATS credentials file."
    ),
    key!(
        ClusterPasswordFile,
        "cluster",
        "passwordFile",
        "DESKBELL_CLUSTER_PASSWORD_FILE",
        ValueKind::OptionalPath(at!(cluster.password_file)),
        "A file that contains `USER:PASSWORD`, the password of the user in the URL, or a token."
    ),
    Setting {
        key: Key::WaitLock,
        file: None,
        flag: Some("wait-lock"),
        variable: "DESKBELL_WAIT_LOCK",
        kind: ValueKind::Time { min: ms(0), max: seconds(HOUR), at: at!(wait_lock) },
        meaning: "How long to wait for another hub to release the data directory, for an upgrade without a gap.",
    },
    Setting {
        key: Key::LogFormat,
        file: None,
        flag: Some("log-format"),
        variable: "DESKBELL_LOG_FORMAT",
        kind: ValueKind::LogFormat(at!(log_format)),
        meaning: "The format of the log on standard error: text, or json (one object per line).",
    },
    Setting {
        key: Key::Log,
        file: None,
        flag: None,
        variable: "DESKBELL_LOG",
        kind: ValueKind::LogFilter(at!(log_filter)),
        meaning: "What to log: a level, or a level per module. `info,deskbell::story=debug` adds the course of every conversation.",
    },
];

impl Setting {
    /// The row of `key`.
    #[must_use]
    pub fn of(key: Key) -> &'static Self {
        // A test ensures that every key has a row.
        SETTINGS.iter().find(|setting| setting.key == key).unwrap_or(&SETTINGS[0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::checked::Config;
    use super::super::setting::RawValue;
    use super::*;

    #[test]
    fn every_default_is_within_its_own_range() {
        for setting in SETTINGS {
            let mut config = Config::default();
            let shown = setting.show(&config);
            if shown.is_empty() {
                continue;
            }
            assert_eq!(setting.set(&mut config, RawValue::Variable(&shown)), Ok(()), "{}", setting.name());
            assert_eq!(setting.show(&config), shown);
        }
    }

    #[test]
    fn every_key_has_its_row() {
        for setting in SETTINGS {
            assert_eq!(Setting::of(setting.key).variable, setting.variable);
        }
    }

    #[test]
    fn no_name_stands_for_two_settings() {
        let count = |names: Vec<String>| (names.len(), names.into_iter().collect::<BTreeSet<_>>().len());
        for (all, different) in [
            count(SETTINGS.iter().map(|s| s.variable.to_owned()).collect()),
            count(SETTINGS.iter().filter_map(|s| s.flag).map(str::to_owned).collect()),
            count(SETTINGS.iter().map(Setting::name).collect()),
        ] {
            assert_eq!(all, different);
        }
    }

    #[test]
    fn a_variable_is_named_after_its_key() {
        for setting in SETTINGS {
            let Some((table, key)) = setting.file else { continue };
            let mut name = String::from("DESKBELL_");
            if table != "server" {
                name.push_str(&format!("{}_", table.to_uppercase().replace('.', "_")));
            }
            for c in key.chars() {
                if c.is_uppercase() {
                    name.push('_');
                }
                name.extend(c.to_uppercase());
            }
            // The names of these flags are given by the protocol, and the names of their variables follow from them.
            let expected = match (table, key) {
                ("server", "allowedOrigins") => "DESKBELL_ALLOWED_ORIGIN",
                ("cluster", "servers") => "DESKBELL_CLUSTER",
                _ => &name,
            };
            assert_eq!(setting.variable, expected);
        }
    }
}
