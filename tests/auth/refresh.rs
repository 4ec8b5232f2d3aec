//! Tokens that are exchanged at the wrong moment, in masses, or for more than they were; keys that change under a rush.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Setup, has, is_error, within};
use crate::{attempt, guard, guarded, join, now, signed, token, token_with};

/// A client that receives `refreshed` stays connected; every other one is closed.
#[tokio::test]
async fn a_refresh_near_the_end_of_the_token_is_confirmed_and_holds_or_is_refused() {
    let hub = guarded().start().await;
    let exp = now() + 15;
    let mut racing = tokio::task::JoinSet::new();
    for n in 0_u64..65 {
        // The last five are in good time.
        let early = n >= 60;
        let mut ada = join(&hub, &format!("ada-{n}"), "agent", json!({"exp": exp})).await;
        let fresh = token(&format!("ada-{n}"), "agent");
        racing.spawn(async move {
            // From 30 ms before its end to 30 ms after it.
            let at = Duration::from_millis(exp * 1000 - 30 + n);
            #[allow(clippy::disallowed_methods)]
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            tokio::time::sleep(if early { Duration::ZERO } else { at.saturating_sub(since) }).await;
            ada.send(json!({"type": "refresh", "id": "r", "token": fresh})).await;
            match ada.first_or_close().await {
                Ok(told) if told["type"] == "error" => {
                    is_error(&told, "notAllowed", None);
                    ada.expect_close(4401).await;
                    assert!(!early, "a refresh in good time was refused");
                    false
                }
                Ok(told) => {
                    has(&told, json!({"type": "refreshed", "id": "r"}));
                    // Also behind the end of the first token.
                    tokio::time::sleep(if early { at.saturating_sub(since) } else { Duration::ZERO }).await;
                    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
                    true
                }
                Err(code) => {
                    assert_eq!(code, 4401);
                    assert!(!early, "a refresh in good time was not answered");
                    false
                }
            }
        });
    }
    let stayed = racing.join_all().await.into_iter().filter(|stayed| *stayed).count();
    assert!((5..65).contains(&stayed), "{stayed} stayed: some refresh before the end, some after it");
}

#[tokio::test]
async fn no_refresh_changes_identity_or_workspace_in_a_thousand_tries() {
    let hub = guarded().config("[limits]\nmessagesPerSecond = 10000").start().await;
    let groups = json!({"groups": ["billing"], "workspace": "acme", "exp": now() + 15});
    let mut ada = join(&hub, "ada", "agent", groups).await;
    let mut bot = join(&hub, "bot", "provider", json!({"workspace": "acme"})).await;
    let others = [
        token_with("ada", "agent", json!({"workspace": "globex"})),
        token_with("ada", "agent", json!({"workspace": "ACME"})),
        token_with("ada", "agent", json!({"workspace": "\u{430}cme"})),
        token_with("ada", "agent", json!({"workspace": "acme "})),
        token_with("ada", "agent", json!({"workspace": "acme\u{200b}"})),
        token_with("Ada", "agent", json!({"workspace": "acme"})),
        token_with("ada", "observer", json!({"workspace": "acme"})),
        token_with("ada", "agent", json!({})),
        signed("another secret, also long enough to be one", json!({"sub": "ada", "role": "agent", "exp": now() + 60})),
    ];
    for n in 0..1_000 {
        ada.send(json!({"type": "refresh", "id": format!("r-{n}"), "token": others[n % others.len()]})).await;
    }
    for n in 0..1_000 {
        let refused = ada.reply(&format!("r-{n}")).await;
        assert_eq!(refused["type"], "error", "{refused}");
        assert!(["notAllowed", "rateLimited"].contains(&refused["code"].as_str().unwrap()), "{refused}");
    }
    // Groups of a fresh token are those of the next hello.
    let refreshed = async {
        loop {
            let wider = json!({"workspace": "acme", "groups": ["billing", "board"], "exp": now() + 2});
            let wider = token_with("ada", "agent", wider);
            let told = ada.call(json!({"type": "refresh", "token": wider})).await;
            if told["type"] == "refreshed" {
                return;
            }
            is_error(&told, "rateLimited", None);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    within("a good refresh after so many bad ones", refreshed).await;
    bot.ring_with("chat", json!({"to": {"groups": ["board"]}})).await;
    let hers = bot.ring_with("chat", json!({"to": {"groups": ["billing"]}})).await;
    assert_eq!(ada.expect("notification").await["notificationId"], hers.as_str());
    ada.expect_silence().await;
    // A token that expires sooner has not shortened the session, and no token has extended it.
    ada.expect_close(4401).await;
}

#[tokio::test]
async fn a_revoked_token_refreshes_nothing() {
    let (hub, admin) = crate::admin::with_admin(guarded()).await;
    let issued = now() - 10;
    let old = || token_with("ada", "agent", json!({"iat": issued}));
    let body = r#"{"subject":"ada"}"#;
    let mut ada = hub.join(json!({"role": "agent", "token": old()})).await;
    let post = format!(
        "POST /revoke HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let before = now();
    assert!(crate::raw::http(admin, &post).await.contains("\"disconnected\":1"));
    ada.expect_close(4401).await;
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": old()})).await, Err(4401));
    // One issued later comes in, and is not kept in by the revoked one.
    let same_second = token_with("ada", "agent", json!({"iat": before, "nbf": 0}));
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": same_second})).await, Err(4401), "of the same second");
    let revoked = now();
    while now() <= revoked {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fresh = token_with("ada", "agent", json!({"iat": now()}));
    let mut again = hub.join(json!({"role": "agent", "token": fresh})).await;
    is_error(&again.call(json!({"type": "refresh", "token": old()})).await, "notAllowed", None);
}

#[tokio::test]
async fn malformed_tokens_are_refused_and_the_hub_goes_on() {
    let hub = guarded().start().await;
    let mut bob = join(&hub, "bob", "agent", json!({})).await;
    let good = json!({"sub": "ada", "role": "agent", "exp": now() + 60}).to_string();
    let inside = |more: &str| format!("{}{more}}}", good.strip_suffix('}').unwrap());
    let deep = |depth: usize| format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    let by = crate::forge::by_secret(crate::SECRET.as_bytes());
    let of = |header: &str, claims: &str| {
        let message =
            format!("{}.{}", crate::forge::base64(header.as_bytes()), crate::forge::base64(claims.as_bytes()));
        let signature = crate::forge::base64(&by(message.as_bytes()));
        format!("{message}.{signature}")
    };
    let head = r#"{"alg":"HS256"}"#;
    let taken = of(head, &good);
    let mut tried = vec![
        of(r#"{"alg":"HS256","alg":"none"}"#, &good),
        of(r#"{"alg":"none","alg":"HS256"}"#, &good),
        of(r#"{"alg":"HS256","kid":"a","kid":"b"}"#, &good),
        of(r#"{"alg":"HS256","kid":{"a":"b"}}"#, &good),
        of(r#"{"alg":["HS256"]}"#, &good),
        of(head, &inside(r#","sub":"bob""#)),
        of(head, &inside(r#","role":"provider""#)),
        of(head, &inside(r#","exp":32503680000"#)),
        of(head, &inside(r#","groups":["a"],"groups":["b"]"#)),
        of(head, &inside(r#","s\u0075b":"bob""#)),
        of(head, &inside(r#","workspace":{"name":"acme"}"#)),
        of(head, &inside(r#","workspace":"acme\u202e""#)),
        of(head, &inside(r#","workspace":"\ud800""#)),
        of(head, "[]"),
        of(head, "null"),
        of(head, &format!("{good}{good}")),
        of("", &good),
        format!("{taken}."),
        format!("{taken}="),
        format!("{taken}\0"),
        format!("{taken}\n"),
        taken.replace('.', ".."),
        format!("Bearer {taken}"),
        ".".repeat(10_000),
        "a".repeat(15_000),
        String::new(),
    ];
    tried.extend(["../../etc/passwd", "/dev/stdin", "| id", "' OR 1=1 --", "\u{0}"].map(|kid| {
        let header = json!({"alg": "HS256", "kid": kid, "x5u": kid, "jku": kid}).to_string();
        format!("{}x", of(&header, &good))
    }));
    for token in tried {
        let hello = json!({"role": "agent", "token": token});
        let came = attempt(&hub, hello).await;
        assert!(
            matches!(came, Err(4401 | 4400)) || came.as_ref().is_ok_and(|told| told["type"] == "error"),
            "{token:.200}: {came:?}"
        );
    }
    // Unknown claims are skipped, however deep they are.
    for good in [taken, of(head, &inside(&deep(3_000))), of(&format!(r#"{{"alg":"HS256"{}}}"#, deep(3_000)), &good)] {
        assert!(attempt(&hub, json!({"role": "agent", "token": good})).await.is_ok());
    }
    has(&bob.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

/// Names that look alike are names apart.
#[tokio::test]
async fn workspaces_that_look_alike_are_apart() {
    let hub = guarded().start().await;
    let alike = [
        "acme",
        "Acme",
        "\u{430}cme",
        "acme\u{200b}",
        "acm\u{e9}",
        "acme\u{301}",
        "acme ",
        "acme\u{a0}",
        "acme\u{feff}",
    ];
    let mut sides = Vec::new();
    for workspace in alike {
        let more = json!({"workspace": workspace});
        let ada = join(&hub, "ada", "agent", more.clone()).await;
        assert_eq!(ada.welcome["workspace"], workspace);
        sides.push((ada, join(&hub, "bot", "provider", more).await));
    }
    let mut rung = Vec::new();
    for (_, bot) in &mut sides {
        rung.push(bot.ring_with("chat", json!({"id": "n-1"})).await);
    }
    for ((ada, _), id) in sides.iter_mut().zip(&rung) {
        ada.shown(id).await;
        ada.expect_silence().await;
        for other in rung.iter().filter(|other| *other != id) {
            is_error(&ada.accept(other).await, "notFound", None);
        }
    }
}

/// Key files are replaced, and half written, while clients connect: a client with a key of all versions always gets in.
#[tokio::test]
async fn a_changing_key_file_never_refuses_a_key_that_stays() {
    let setup = Setup::new();
    let file = setup.home().join("secret");
    let hub = guard(setup).start().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = std::sync::Arc::clone(&stop);
        move || {
            let mut turns = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // The wrong way to replace a file: it is emptied first, then written.
                std::fs::write(&file, "").unwrap();
                std::thread::sleep(Duration::from_millis(7));
                std::fs::write(&file, crate::SECRET).unwrap();
                std::thread::sleep(Duration::from_millis(31));
                turns += 1;
            }
            turns
        }
    });
    for n in 0..2_000 {
        let came = attempt(&hub, json!({"role": "agent", "token": token(&format!("ada-{n}"), "agent")})).await;
        assert!(came.is_ok(), "{n}: {came:?}\n{}", hub.stderr.so_far());
        let said = hub.stderr.so_far();
        if n > 100 && (said.contains("keys reloaded") || said.contains("cannot reload keys")) {
            break;
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writer.join().unwrap() > 0);
}
