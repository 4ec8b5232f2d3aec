//! How a hub gets past the servers' door: by TLS, by user and password, by a token, by NATS' own credentials.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

use crate::fixture::{CONFIG, await_ready};
use crate::harness::{Hub, Setup};
use crate::nats::{self, Server};

/// A hub of a cluster at these servers.
fn at(url: &str) -> Setup {
    Setup::new().without_data_dir().config(CONFIG).args(&["--cluster", url])
}

/// With one more setting of `[cluster]`.
fn at_with(url: &str, setting: &str, path: &Path) -> Setup {
    let cluster = format!("{CONFIG}\n[cluster]\nservers = [\"{url}\"]\n{setting} = \"{}\"\n", path.display());
    Setup::new().without_data_dir().config(&cluster)
}

/// The hub serves, and its log does not contain these secrets.
async fn serves(setup: &Setup, secrets: &[&str]) -> Hub {
    let hub = setup.start().await;
    await_ready(&hub, true, Duration::from_secs(20)).await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    let said = hub.stderr.so_far();
    assert!(secrets.iter().all(|secret| !said.contains(secret)), "{said}");
    hub
}

/// The hub gives up and logs which server refused it, without these secrets.
async fn is_refused(setup: &Setup, server: &str, secrets: &[&str]) {
    let exit = setup.fail().await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains(server) && exit.stderr.contains("authorization violation"), "{}", exit.stderr);
    assert!(secrets.iter().all(|secret| !exit.stderr.contains(secret)), "{}", exit.stderr);
}

fn server(configuration: &str) -> Server {
    Server::with(configuration, nats::free_port(), "locked")
}

fn host(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

#[tokio::test]
async fn user_and_password_come_from_a_file_or_from_the_url_which_warns() {
    if !nats::is_there() {
        return;
    }
    let server = server("authorization { user: ada, password: \"s3cret\" }");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("nats");
    let host = host(&server);
    // Both in the file; the password in the file and the user in the URL.
    for (url, text) in [(format!("nats://{host}"), "ada:s3cret\n"), (format!("nats://ada@{host}"), "s3cret")] {
        std::fs::write(&file, text).unwrap();
        serves(&at_with(&url, "passwordFile", &file), &["s3cret"]).await;
    }
    // Both in the URL: it works, warns, and is shown nowhere.
    let hub = serves(&at(&format!("nats://ada:s3cret@{host}")), &["s3cret", "ada:"]).await;
    hub.says(&["passwordFile keeps it from them"]).await;

    std::fs::write(&file, "ada:wr0ng").unwrap();
    is_refused(&at_with(&format!("nats://{host}"), "passwordFile", &file), &host, &["wr0ng"]).await;
    is_refused(&at(&format!("nats://ada:wr0ng@{host}")), &host, &["wr0ng", "ada:"]).await;
    is_refused(&at(&format!("nats://{host}")), &host, &[]).await;
}

#[tokio::test]
async fn a_token_comes_from_a_file_or_from_the_url() {
    if !nats::is_there() {
        return;
    }
    let server = server("authorization { token: \"t0ken\" }");
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("nats");
    std::fs::write(&file, "t0ken\n").unwrap();
    let host = host(&server);
    serves(&at_with(&format!("nats://{host}"), "passwordFile", &file), &["t0ken"]).await;
    let hub = serves(&at(&format!("nats://t0ken@{host}")), &["t0ken"]).await;
    hub.says(&["passwordFile keeps it from them"]).await;
}

#[tokio::test]
async fn a_nats_server_with_a_trusted_certificate_is_used_over_tls() {
    if !nats::is_there() {
        return;
    }
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/auth/keys");
    let [certificate, key, roots] = ["tls-1.pem", "tls-1.key.pem", "ca.pem"].map(|name| keys.join(name));
    let tls = format!("tls {{ cert_file: \"{}\", key_file: \"{}\" }}", certificate.display(), key.display());
    let server = server(&tls);
    let url = format!("tls://localhost:{}", server.port());
    let believes = |setup: Setup, roots: &PathBuf| setup.variable("SSL_CERT_FILE", roots.to_str().unwrap());
    serves(&believes(at(&url), &roots), &[]).await;
    // Roots that do not include the signer of the certificate.
    let hub = believes(at(&url), &keys.join("tls-2.pem")).spawn();
    hub.says(&["no NATS server yet", "invalid peer certificate"]).await;
}

/// Claims as NATS signs them: a token of its own format, signed with the ed25519 key that it names.
fn signed(by: &KeyPair, of: &str, name: &str, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let body = part(&json!({"jti": name, "iat": 1_700_000_000, "iss": by.public_key(), "sub": of, "name": name,
        "nats": claims}));
    let signature = by.sign(format!("{head}.{body}").as_bytes()).unwrap();
    format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Everything is allowed: -1 is as much as you like.
fn account_claims() -> Value {
    json!({"type": "account", "version": 2, "limits": {"subs": -1, "data": -1, "payload": -1, "imports": -1,
        "exports": -1, "wildcards": true, "conn": -1, "leaf": -1, "mem_storage": -1, "disk_storage": -1,
        "streams": -1, "consumer": -1}})
}

/// The credentials that `nsc` writes for a user.
fn credentials(token: &str, user: &KeyPair) -> String {
    let seed = user.seed().unwrap();
    format!(
        "-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
}

#[tokio::test]
async fn a_credentials_file_works_as_nats_documents_it() {
    if !nats::is_there() {
        return;
    }
    let (operator, system, account) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let user = KeyPair::new_user();
    let by_operator = |of: &str, name: &str, claims: &Value| signed(&operator, of, name, claims);
    let operator_token = by_operator(&operator.public_key(), "operator", &json!({"type": "operator", "version": 2}));
    // The operator's own account may not store anything.
    let mut system_claims = account_claims();
    system_claims["limits"]["disk_storage"] = json!(0);
    system_claims["limits"]["mem_storage"] = json!(0);
    let accounts = [(&system, "system", system_claims), (&account, "hubs", account_claims())]
        .map(|(key, name, claims)| format!("{}: {}", key.public_key(), by_operator(&key.public_key(), name, &claims)));
    let server = server(&format!(
        "operator: {operator_token}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n}}",
        system.public_key(),
        accounts.join("\n")
    ));
    let claims = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}});
    let user_token = signed(&account, &user.public_key(), "hub", &claims);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("hub.creds");
    std::fs::write(&file, credentials(&user_token, &user)).unwrap();
    let url = server.url();
    serves(&at_with(&url, "credsFile", &file), &[&user_token, &user.seed().unwrap()]).await;

    // The key of another user with the same token; no credentials; a file that does not contain credentials.
    let other = KeyPair::new_user();
    std::fs::write(home.path().join("wrong.creds"), credentials(&user_token, &other)).unwrap();
    std::fs::write(home.path().join("none.creds"), "nothing").unwrap();
    is_refused(&at_with(&url, "credsFile", &home.path().join("wrong.creds")), &url, &[&user_token]).await;
    is_refused(&at(&url), &url, &[]).await;
    let none = at_with(&url, "credsFile", &home.path().join("none.creds")).fail().await;
    assert!(none.code == Some(64) && none.stderr.contains("none.creds"), "{}", none.stderr);
}
