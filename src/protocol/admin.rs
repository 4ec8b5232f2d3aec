//! Requests to the admin listener and its responses: JSON over HTTP, for operators.

use serde::{Deserialize, Serialize};

use deskbell_core::Timestamp;

use crate::vocabulary::Role;

/// A request to close one connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Disconnect {
    /// The `connectionId` in its welcome.
    pub connection_id: String,
    /// Whether the client should reconnect (close 1001, the default) or not (4403).
    #[serde(default = "yes")]
    pub come_back: bool,
}

fn yes() -> bool {
    true
}

/// A request to refuse all tokens of a subject that were issued until now, and to close its connections; or to lift that.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revoke {
    /// The token's `sub`.
    pub subject: String,
    /// The workspace; if absent, all workspaces.
    pub workspace: Option<String>,
    /// The issuer of the tokens, empty for the keys of `[auth]`; needed where several could have issued them.
    pub issuer: Option<String>,
}

/// A revocation in the list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokedEntry<'a> {
    /// The subject of the revoked tokens.
    pub subject: &'a str,
    /// The workspace; absent: all workspaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<&'a str>,
    /// The issuer, empty for the keys of `[auth]`; absent: all issuers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    /// Tokens that were issued until then are refused.
    pub at: Timestamp,
    /// When it is forgotten; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The response with all revocations.
#[must_use]
pub fn revoked(entries: &[RevokedEntry<'_>]) -> Vec<u8> {
    // Strings and times are always valid JSON.
    serde_json::to_vec(&serde_json::json!({ "revoked": entries })).unwrap_or_default()
}

/// The response to a revocation that was lifted.
#[must_use]
pub fn lifted() -> Vec<u8> {
    b"{\"lifted\":true}".to_vec()
}

/// Parses the body of a request.
///
/// # Errors
/// A text for people.
pub fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// A connected client.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientInfo<'a> {
    /// The `connectionId` in its welcome.
    pub connection_id: String,
    /// The client's workspace.
    pub workspace: &'a str,
    /// The client's role.
    pub role: Role,
    /// The agentId or providerId; for an observer, the subject of its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The client's address.
    pub address: std::net::IpAddr,
    /// The time since its last message, in milliseconds.
    pub silent_ms: u64,
    /// When its token expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ends: Option<Timestamp>,
}

/// A page of connected clients, as JSON.
#[derive(Debug)]
pub struct Clients {
    json: Vec<u8>,
    count: usize,
}

impl Default for Clients {
    fn default() -> Self {
        Self { json: b"{\"clients\":[".to_vec(), count: 0 }
    }
}

impl Clients {
    /// Adds a client.
    pub fn add(&mut self, client: &ClientInfo<'_>) {
        if self.count > 0 {
            self.json.push(b',');
        }
        self.count += 1;
        // Strings and numbers are always valid JSON, and memory takes every write.
        let _ = serde_json::to_writer(&mut self.json, client);
    }

    /// The number of clients on the page.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The response. `more` says whether there are further clients.
    #[must_use]
    pub fn finish(mut self, more: bool) -> Vec<u8> {
        self.json.extend_from_slice(format!("],\"more\":{more}}}\n").as_bytes());
        self.json
    }
}

/// The response with the number of closed connections.
#[must_use]
pub fn disconnected(count: usize) -> Vec<u8> {
    format!("{{\"disconnected\":{count}}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_posted_is_read_strictly() {
        let disconnect = |body: &str| read::<Disconnect>(body.as_bytes());
        assert!(disconnect(r#"{"connectionId":"7-1"}"#).is_ok_and(|ask| ask.come_back));
        for wrong in
            ["", "{}", r#"{"connectionId":7}"#, r#"{"connectionId":"7-1","comeback":false}"#, "connectionId=7-1"]
        {
            assert!(disconnect(wrong).is_err(), "{wrong}");
        }
        let revoke: Revoke = read(br#"{"subject":"ada"}"#).unwrap();
        assert_eq!((revoke.subject.as_str(), revoke.workspace), ("ada", None));
    }

    #[test]
    fn clients_are_one_json_object() {
        let mut clients = Clients::default();
        for id in [Some("a\"da"), None] {
            let (connection_id, address) = ("7-1".to_owned(), [127, 0, 0, 1].into());
            let (workspace, role) = ("default", Role::Agent);
            clients.add(&ClientInfo { connection_id, workspace, role, id, address, silent_ms: 5, token_ends: None });
        }
        let json: serde_json::Value = serde_json::from_slice(&clients.finish(true)).unwrap();
        assert_eq!(json["clients"][0]["id"], "a\"da");
        assert_eq!((&json["clients"][1]["address"], &json["more"]), (&"127.0.0.1".into(), &true.into()));
    }
}
