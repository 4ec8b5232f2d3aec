//! The Rust client over wss and with tokens, which run out in mid-ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use deskbell_client::{
    Agent, AgentEvent, AgentOptions, ConnectError, EndReason, Notify, Outcome, Provider, ProviderOptions, Token, Trust,
    Tuning,
};
use serde_json::json;
use tokio::time::timeout;

use crate::harness::{Hub, PATIENCE, Setup};
use crate::keys::key_file;
use crate::tls::sealed;
use crate::{SECRET, guard, now, signed, token};

fn url(hub: &Hub) -> String {
    format!("wss://localhost:{}/ws", hub.port)
}

fn authority() -> Trust {
    Trust::Authorities(std::fs::read(key_file("ca.pem")).unwrap())
}

fn quick() -> Tuning {
    let (backoff_first, backoff_max) = (Duration::from_millis(20), Duration::from_millis(200));
    Tuning { backoff_first, backoff_max, connect_within: PATIENCE, ..Tuning::default() }
}

#[tokio::test]
async fn a_ring_outlives_its_tokens() {
    let hub = guard(sealed(Setup::new())).start().await;
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let source = Token::source(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        // The hub closes with 4401 whenever the token expires.
        let short = signed(SECRET, json!({"sub": "bot", "role": "provider", "exp": now() + 2}));
        async { Ok(short) }
    });
    let options = ProviderOptions::new().token(source).trust(authority()).tuning(quick());
    let provider = Provider::connect(&url(&hub), options).await.unwrap();
    assert_eq!(provider.id().as_deref(), Some("bot"));
    let options = AgentOptions::new().token(Token::Fixed(token("ada", "agent"))).trust(authority()).tuning(quick());
    let (ada, mut events) = Agent::connect(&url(&hub), options).await.unwrap();
    let ring = provider.ring(Notify::template("chat").parameter("customerName", "Grace")).await.unwrap();
    let ringing = async {
        loop {
            if let AgentEvent::Notification(one) = events.next().await.unwrap() {
                return one.notification_id;
            }
        }
    };
    let id = timeout(PATIENCE, ringing).await.unwrap();
    let renewed = async {
        while asked.load(Ordering::Relaxed) < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, renewed).await.unwrap();
    assert!(ada.accept(id).await.unwrap().won);
    let result = timeout(PATIENCE, ring.outcome()).await.unwrap().unwrap();
    assert_eq!((result.value, result.agent_id.as_deref()), (Outcome::Accepted, Some("ada")));
}

#[tokio::test]
async fn a_client_refuses_a_hub_with_an_untrusted_certificate() {
    let hub = guard(sealed(Setup::new())).start().await;
    // Long enough for one handshake on a slow machine: the refusal repeats the last failure.
    let within = Tuning { connect_within: Duration::from_secs(8), ..quick() };
    let options = |trust| ProviderOptions::new().token(Token::Fixed(token("bot", "provider"))).trust(trust);
    let other = Trust::Authorities(std::fs::read(key_file("tls-2.pem")).unwrap());
    let refused = Provider::connect(&url(&hub), options(other).tuning(within.clone())).await.unwrap_err();
    assert!(matches!(&refused, ConnectError::TimedOut { last, .. } if last.contains("certificate")), "{refused}");
    let by_address = format!("wss://127.0.0.2:{}/ws", hub.port);
    let refused = Provider::connect(&by_address, options(authority()).tuning(within)).await.unwrap_err();
    assert!(matches!(refused, ConnectError::TimedOut { .. }), "{refused}");
}

#[tokio::test]
async fn a_bad_token_ends_the_client() {
    let hub = guard(sealed(Setup::new())).start().await;
    let options = ProviderOptions::new().token(Token::Fixed("no token".to_owned())).trust(authority()).tuning(quick());
    let refused = Provider::connect(&url(&hub), options).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Ended(EndReason::ClosedByHub { code: 4401, .. })), "{refused}");
}
