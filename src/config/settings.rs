//! All settings as one table: where each can be given, what it may be, what it means. The command line, the readers
//! of the file and of the environment, and the documentation come from it; a new setting is a new row here and a new
//! field of [`Config`](super::checked::Config).

use std::time::Duration;

use super::setting::{Kind, Setting};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// A row for a key of the file that has no flag; its variable follows from table and key.
macro_rules! key {
    ($table:literal, $key:literal, $variable:literal, $kind:expr, $meaning:literal) => {
        Setting { file: Some(($table, $key)), flag: None, variable: $variable, kind: $kind, meaning: $meaning }
    };
}

macro_rules! limit {
    ($key:literal, $variable:literal, $min:literal ..= $max:literal, $field:ident, $meaning:literal) => {
        key!("limits", $key, $variable, Kind::Count { min: $min, max: $max, at: |c| &mut c.limits.$field }, $meaning)
    };
}

/// The table, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    Setting {
        file: None,
        flag: Some("config"),
        variable: "DESKBELL_CONFIG",
        kind: Kind::OptionalPath(|c| &mut c.file),
        meaning: "The TOML file: everything below that has a key, and the templates.",
    },
    Setting {
        file: Some(("server", "listen")),
        flag: Some("listen"),
        variable: "DESKBELL_LISTEN",
        kind: Kind::Address(|c| &mut c.server.listen),
        meaning: "Where the hub serves; port 0 takes a free one. Another address than loopback needs authentication, or --insecure.",
    },
    Setting {
        file: Some(("server", "insecure")),
        flag: Some("insecure"),
        variable: "DESKBELL_INSECURE",
        kind: Kind::Switch(|c| &mut c.server.insecure),
        meaning: "Serve other machines without authentication; also the admin listener, which has none.",
    },
    Setting {
        file: Some(("server", "dataDir")),
        flag: Some("data-dir"),
        variable: "DESKBELL_DATA_DIR",
        kind: Kind::Path(|c| &mut c.server.data_dir),
        meaning: "Where the durable log lives; a relative path counts from the working directory.",
    },
    Setting {
        file: Some(("server", "memory")),
        flag: Some("memory"),
        variable: "DESKBELL_MEMORY",
        kind: Kind::Switch(|c| &mut c.server.memory),
        meaning: "Keep nothing: no durable log. Beside a data directory given in the same place it wins.",
    },
    Setting {
        file: Some(("server", "allowedOrigins")),
        flag: Some("allowed-origin"),
        variable: "DESKBELL_ALLOWED_ORIGIN",
        kind: Kind::Origins(|c| &mut c.server.allowed_origins),
        meaning: "Origins whose pages may connect besides the hub's own; the flag is repeatable.",
    },
    Setting {
        file: Some(("server", "tlsCert")),
        flag: Some("tls-cert"),
        variable: "DESKBELL_TLS_CERT",
        kind: Kind::OptionalPath(|c| &mut c.server.tls_cert),
        meaning: "Serve https and wss with this certificate (PEM, with what leads to a known authority); read again when it changes.",
    },
    Setting {
        file: Some(("server", "tlsKey")),
        flag: Some("tls-key"),
        variable: "DESKBELL_TLS_KEY",
        kind: Kind::OptionalPath(|c| &mut c.server.tls_key),
        meaning: "The certificate's private key (PEM).",
    },
    Setting {
        file: Some(("server", "adminListen")),
        flag: Some("admin-listen"),
        variable: "DESKBELL_ADMIN_LISTEN",
        kind: Kind::OptionalAddress(|c| &mut c.server.admin_listen),
        meaning: "The operator's own listener: clients, disconnecting, revoking, metrics, explanations. Loopback, or --insecure.",
    },
    key!(
        "server",
        "trustedProxies",
        "DESKBELL_TRUSTED_PROXIES",
        Kind::Networks(|c| &mut c.server.trusted_proxies),
        "Proxies whose `X-Forwarded-For` says where a client comes from; nobody else's is believed."
    ),
    key!(
        "server",
        "handshakeTimeout",
        "DESKBELL_HANDSHAKE_TIMEOUT",
        Kind::Time { min: ms(100), max: seconds(300), at: |c| &mut c.server.handshake_timeout },
        "How long a client may take for its TLS handshake, for the head of a request, and for a body."
    ),
    key!(
        "server",
        "httpIdleTimeout",
        "DESKBELL_HTTP_IDLE_TIMEOUT",
        Kind::Time { min: seconds(1), max: seconds(3600), at: |c| &mut c.server.http_idle_timeout },
        "How long an HTTP connection stays open between two requests. Make it longer than the keep-alive time of the proxy \
         in front of the hub."
    ),
    key!(
        "server",
        "helloTimeout",
        "DESKBELL_HELLO_TIMEOUT",
        Kind::Time { min: ms(100), max: seconds(300), at: |c| &mut c.server.hello_timeout },
        "How long a connection may take to say hello."
    ),
    key!(
        "server",
        "pingInterval",
        "DESKBELL_PING_INTERVAL",
        Kind::Time { min: ms(100), max: seconds(HOUR), at: |c| &mut c.server.ping_interval },
        "How often the hub pings each connection."
    ),
    key!(
        "server",
        "idleTimeout",
        "DESKBELL_IDLE_TIMEOUT",
        Kind::Time { min: ms(200), max: seconds(2 * HOUR), at: |c| &mut c.server.idle_timeout },
        "A peer that sends nothing for so long is dropped; longer than `pingInterval`."
    ),
    Setting {
        file: Some(("auth", "secretFile")),
        flag: Some("auth-secret-file"),
        variable: "DESKBELL_AUTH_SECRET_FILE",
        kind: Kind::OptionalPath(|c| &mut c.auth.secret_file),
        meaning: "Clients need a token (JWT) signed by HS256 with this file's content, less one line end; read again when it changes.",
    },
    Setting {
        file: Some(("auth", "publicKeyFile")),
        flag: Some("auth-public-key-file"),
        variable: "DESKBELL_AUTH_PUBLIC_KEY_FILE",
        kind: Kind::OptionalPath(|c| &mut c.auth.public_key_file),
        meaning: "Clients need a token signed by RS256, ES256 or EdDSA with one of these keys; read again when it changes.",
    },
    key!(
        "auth",
        "issuer",
        "DESKBELL_AUTH_ISSUER",
        Kind::OptionalText(|c| &mut c.auth.issuer),
        "The only `iss` that a token may have."
    ),
    key!(
        "auth",
        "audience",
        "DESKBELL_AUTH_AUDIENCE",
        Kind::OptionalText(|c| &mut c.auth.audience),
        "What a token's `aud` must be, or have in its list."
    ),
    key!(
        "auth",
        "leeway",
        "DESKBELL_AUTH_LEEWAY",
        Kind::Time { min: ms(0), max: seconds(600), at: |c| &mut c.auth.leeway },
        "How far a token's `exp`, `nbf` and `iat` may be off, for clocks that disagree."
    ),
    limit!(
        "displayLimit",
        "DESKBELL_LIMITS_DISPLAY_LIMIT",
        1..=1_000,
        display_limit,
        "Notifications displayed on one desk at once."
    ),
    limit!(
        "queueLimit",
        "DESKBELL_LIMITS_QUEUE_LIMIT",
        0..=10_000,
        queue_limit,
        "Notifications waiting behind one desk; also how many of one audience wait for an agent."
    ),
    key!(
        "limits",
        "retention",
        "DESKBELL_LIMITS_RETENTION",
        Kind::Time { min: ms(100), max: seconds(7 * DAY), at: |c| &mut c.limits.retention },
        "How long what is settled is kept for `resume` and repeated calls."
    ),
    key!(
        "limits",
        "maxMessageBytes",
        "DESKBELL_LIMITS_MAX_MESSAGE_BYTES",
        Kind::Size { min: 1 << 10, max: 1 << 20, at: |c| &mut c.limits.max_message_bytes },
        "The largest message of a client; a larger one closes with 1009."
    ),
    limit!(
        "maxConnections",
        "DESKBELL_LIMITS_MAX_CONNECTIONS",
        1..=1_000_000,
        max_connections,
        "Connections at once; one more gets HTTP 503."
    ),
    limit!(
        "connectionsPerAddress",
        "DESKBELL_LIMITS_CONNECTIONS_PER_ADDRESS",
        0..=1_000_000,
        connections_per_address,
        "WebSockets, and providers by HTTP, of one address (an IPv6 /64 counts as one); one more gets HTTP 429. 0: no limit, as a whole office can have one address."
    ),
    limit!(
        "pendingConnections",
        "DESKBELL_LIMITS_PENDING_CONNECTIONS",
        1..=1_000_000,
        pending_connections,
        "WebSockets that have not said hello yet, or not got in; one more gets HTTP 503."
    ),
    limit!(
        "messagesPerSecond",
        "DESKBELL_LIMITS_MESSAGES_PER_SECOND",
        1..=1_000_000,
        messages_per_second,
        "Messages per second and connection, with a burst of twice that."
    ),
    key!(
        "limits",
        "outboundBytes",
        "DESKBELL_LIMITS_OUTBOUND_BYTES",
        Kind::Size { min: 1 << 12, max: 1 << 30, at: |c| &mut c.limits.outbound_bytes },
        "Bytes that may wait for one slow client; past it it is closed with 1013."
    ),
    limit!(
        "outboundFrames",
        "DESKBELL_LIMITS_OUTBOUND_FRAMES",
        1..=1_000_000,
        outbound_frames,
        "Frames that may wait for one slow client; past it it is closed with 1013."
    ),
    limit!(
        "openNotifications",
        "DESKBELL_LIMITS_OPEN_NOTIFICATIONS",
        1..=1_000_000,
        open_notifications,
        "Open notifications per workspace; one more is refused."
    ),
    limit!(
        "sessions",
        "DESKBELL_LIMITS_SESSIONS",
        1..=1_000_000,
        sessions,
        "Open sessions per workspace; past it the one untouched longest ends."
    ),
    limit!(
        "kpiMarks",
        "DESKBELL_LIMITS_KPI_MARKS",
        1..=1_000_000,
        kpi_marks,
        "KPI marks per workspace; past it the one untouched longest ends."
    ),
    limit!(
        "retainedOutcomes",
        "DESKBELL_LIMITS_RETAINED_OUTCOMES",
        1..=10_000_000,
        retained_outcomes,
        "Settled notifications kept per workspace; past it the oldest are forgotten."
    ),
    limit!(
        "rememberedAgents",
        "DESKBELL_LIMITS_REMEMBERED_AGENTS",
        1..=10_000_000,
        remembered_agents,
        "Agents remembered per workspace; past it the oldest are forgotten."
    ),
    limit!(
        "deliveriesPerSecond",
        "DESKBELL_LIMITS_DELIVERIES_PER_SECOND",
        1..=1_000_000_000,
        deliveries_per_second,
        "Deliveries per second that one provider's calls may cause, with a burst of twice that."
    ),
    key!(
        "limits",
        "sessionIdle",
        "DESKBELL_LIMITS_SESSION_IDLE",
        Kind::Time { min: ms(100), max: seconds(30 * DAY), at: |c| &mut c.limits.session_idle },
        "A session or mark that nothing touches for so long ends."
    ),
    limit!(
        "sessionLimit",
        "DESKBELL_LIMITS_SESSION_LIMIT",
        1..=100_000,
        session_limit,
        "Open sessions at which an agent gets no more automatic accepts."
    ),
    key!(
        "limits",
        "regroupTime",
        "DESKBELL_LIMITS_REGROUP_TIME",
        Kind::Time { min: ms(0), max: seconds(600), at: |c| &mut c.limits.regroup_time },
        "How long after a start nothing is refused while agents come back."
    ),
    key!(
        "log",
        "history",
        "DESKBELL_LOG_HISTORY",
        Kind::Time { min: ms(0), max: seconds(365 * DAY), at: |c| &mut c.log.history },
        "How far back what is settled can be explained …"
    ),
    key!(
        "log",
        "historyBytes",
        "DESKBELL_LOG_HISTORY_BYTES",
        Kind::Size { min: 0, max: 1 << 40, at: |c| &mut c.log.history_bytes },
        "… as long as it fits into so many bytes; what is over is erased."
    ),
    Setting {
        file: Some(("cluster", "servers")),
        flag: Some("cluster"),
        variable: "DESKBELL_CLUSTER",
        kind: Kind::Servers(|c| &mut c.cluster.servers),
        meaning: "The NATS servers whose JetStream carries the log of several hubs, instead of a data directory.",
    },
    key!(
        "cluster",
        "partitions",
        "DESKBELL_CLUSTER_PARTITIONS",
        Kind::Count { min: 1, max: 64, at: |c| &mut c.cluster.partitions },
        "Streams among which the workspaces are spread; the same at all hubs, and for as long as there are streams."
    ),
    key!(
        "cluster",
        "credsFile",
        "DESKBELL_CLUSTER_CREDS_FILE",
        Kind::OptionalPath(|c| &mut c.cluster.creds_file),
        "A NATS credentials file."
    ),
    key!(
        "cluster",
        "passwordFile",
        "DESKBELL_CLUSTER_PASSWORD_FILE",
        Kind::OptionalPath(|c| &mut c.cluster.password_file),
        "A file with `USER:PASSWORD`, the password of the user in the URL, or a token."
    ),
    Setting {
        file: None,
        flag: Some("wait-lock"),
        variable: "DESKBELL_WAIT_LOCK",
        kind: Kind::Time { min: ms(0), max: seconds(HOUR), at: |c| &mut c.wait_lock },
        meaning: "How long to wait for another hub to leave the data directory, for an upgrade that overlaps.",
    },
    Setting {
        file: None,
        flag: Some("log-format"),
        variable: "DESKBELL_LOG_FORMAT",
        kind: Kind::LogFormat(|c| &mut c.log_format),
        meaning: "How the log on standard error is written: text, or json (one object per line).",
    },
    Setting {
        file: None,
        flag: None,
        variable: "DESKBELL_LOG",
        kind: Kind::LogFilter(|c| &mut c.log_filter),
        meaning: "What is logged: a level, or one for each part; with `info,deskbell::story=debug` every conversation's story.",
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::checked::Config;
    use super::super::setting::Given;
    use super::*;

    #[test]
    fn every_default_is_within_its_own_range() {
        for setting in SETTINGS {
            let mut config = Config::default();
            let shown = setting.show(&config);
            if shown.is_empty() {
                continue;
            }
            assert_eq!(setting.set(&mut config, Given::Variable(&shown)), Ok(()), "{}", setting.name());
            assert_eq!(setting.show(&config), shown);
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
                name.push_str(&format!("{}_", table.to_uppercase()));
            }
            for c in key.chars() {
                if c.is_uppercase() {
                    name.push('_');
                }
                name.extend(c.to_uppercase());
            }
            // The contract's flags name these, and so their variables.
            let expected = match (table, key) {
                ("server", "allowedOrigins") => "DESKBELL_ALLOWED_ORIGIN",
                ("cluster", "servers") => "DESKBELL_CLUSTER",
                _ => &name,
            };
            assert_eq!(setting.variable, expected);
        }
    }
}
