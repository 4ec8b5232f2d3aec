//! Tokens: which are taken, for which identity, and for how long.

use std::time::Duration;

use serde_json::json;

use crate::forge::{by_ec, by_ed, by_rsa, by_secret, token_of};
use crate::harness::{Client, Hub, Setup, accepted, has, is_error};
use crate::keys::key_file;
use crate::raw::{CLOSE, Raw, TEXT, frame, get, http, status, upgrade};
use crate::{SECRET, attempt, guarded, join, minted, now, signed, token, token_with};

#[tokio::test]
async fn everything_that_a_client_is_comes_from_its_token() {
    let hub = guarded().start().await;
    let mut ada = join(&hub, "ada", "agent", json!({"groups": ["billing"]})).await;
    has(&ada.welcome.clone(), json!({"agentId": "ada", "groups": ["billing"], "workspace": "default"}));
    let hello = json!({"role": "agent", "token": token_with("bob", "agent", json!({})), "groups": ["billing", "vip"],
        "agentId": "bob"});
    let bob = hub.join(hello).await;
    has(&bob.welcome, json!({"agentId": "bob", "groups": []}));
    let mut bot = join(&hub, "bot", "provider", json!({})).await;
    assert_eq!(bot.welcome["providerId"], "bot");
    let ring = bot.ring_with("chat", json!({"to": {"groups": ["billing"]}})).await;
    ada.take_on(&ring).await;
    has(&bot.result_of(&ring).await, json!({"value": accepted(), "agentId": "ada"}));
    let observer = join(&hub, "board", "observer", json!({})).await;
    assert_eq!(observer.welcome["role"], "observer");
}

#[tokio::test]
async fn groups_that_the_next_token_does_not_name_are_gone() {
    let hub = guarded().start().await;
    let ada = join(&hub, "ada", "agent", json!({"groups": ["billing"]})).await;
    ada.leave().await;
    let ada = join(&hub, "ada", "agent", json!({})).await;
    assert_eq!(ada.welcome["groups"], json!([]));
}

#[tokio::test]
async fn a_missing_or_bad_token_closes_with_4401() {
    let hub = guarded().start().await;
    let expired = token_with("ada", "agent", json!({"exp": now()}));
    let early = token_with("ada", "agent", json!({"nbf": now() + 30}));
    let by_another = signed(
        "another secret that is as long as the right one",
        json!({"sub": "ada", "role": "agent",
        "exp": now() + 60}),
    );
    let without_exp = signed(SECRET, json!({"sub": "ada", "role": "agent"}));
    let without_sub = signed(SECRET, json!({"role": "agent", "exp": now() + 60}));
    let without_role = signed(SECRET, json!({"sub": "ada", "exp": now() + 60}));
    let unsigned =
        token_of(&json!({"alg": "none"}), json!({"sub": "ada", "role": "agent", "exp": now() + 60}), |_| Vec::new());
    let good = token("ada", "agent");
    let swapped = [
        good.split('.').next().unwrap(),
        token("boss", "agent").split('.').nth(1).unwrap(),
        good.split('.').nth(2).unwrap(),
    ]
    .join(".");
    assert_eq!(attempt(&hub, json!({"role": "agent", "agentId": "ada"})).await, Err(4401));
    for bad in [
        expired,
        early,
        by_another,
        without_exp,
        without_sub,
        without_role,
        unsigned,
        swapped,
        String::new(),
        "nonsense".into(),
        "..".into(),
        "\u{202e}\r\n".into(),
    ] {
        assert_eq!(attempt(&hub, json!({"role": "agent", "token": bad})).await, Err(4401), "{bad}");
    }
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_hello_that_disagrees_with_its_token_is_4403() {
    let hub = guarded().start().await;
    let ada = || token("ada", "agent");
    for hello in [
        json!({"role": "provider", "token": ada()}),
        json!({"role": "observer", "token": ada()}),
        json!({"role": "agent", "agentId": "boss", "token": ada()}),
        json!({"role": "agent", "agentId": "Ada", "token": ada()}),
        json!({"role": "provider", "providerId": "other", "token": token("bot", "provider")}),
    ] {
        assert_eq!(attempt(&hub, hello.clone()).await, Err(4403), "{hello}");
    }
    for (hello, reason) in [
        (json!({"type": "hello", "role": "provider", "token": ada()}), "the token's role is agent, not provider"),
        (
            json!({"type": "hello", "role": "agent", "agentId": "boss", "token": ada()}),
            "the agentId is not the subject of the token",
        ),
    ] {
        let mut raw = Raw::connect(hub.port).await;
        raw.send(upgrade(hub.port, "").as_bytes()).await;
        raw.head().await;
        raw.send(&frame(TEXT, true, hello.to_string().as_bytes())).await;
        let (opcode, payload) = raw.frame().await.unwrap();
        let said = String::from_utf8_lossy(&payload[2..]);
        assert!(opcode == CLOSE && said.contains(reason), "{said}");
    }
    let mut client = hub.connect().await;
    client.send_wrong(json!({"type": "hello", "role": "boss", "token": ada()})).await;
    assert_eq!(
        client.expect("error").await["code"],
        "badParameter",
        "what is wrong as a hello is 4400 before all else"
    );
    client.expect_close(4400).await;
}

#[tokio::test]
async fn a_token_on_the_upgrade_works_like_one_in_the_hello() {
    let hub = guarded().start().await;
    let good = format!("bearer  {}", token("bot", "provider"));
    let (mut bot, _) = hub.connect_with(None, &[("Authorization", &good)]).await.unwrap();
    bot.hello(json!({"role": "provider", "token": token("bot", "provider")})).await;
    assert_eq!(bot.welcome["providerId"], "bot");
    for bad in ["Bearer nonsense", "Bearer ", &format!("Bearer {}", token_with("bot", "provider", json!({"exp": 1})))] {
        assert_eq!(hub.upgrade_refused(None, &[("Authorization", bad)]).await, 401, "{bad}");
    }
    assert_eq!(hub.upgrade_refused(None, &[("Authorization", &good), ("Authorization", &good)]).await, 401);
    // The refusal says which kind of token is wanted.
    let upgrade = upgrade(hub.port, "Authorization: Bearer nonsense\r\n");
    let refused = http(hub.port, &upgrade).await.to_lowercase();
    assert!(refused.starts_with("http/1.1 401") && refused.contains("\r\nwww-authenticate: bearer"), "{refused}");
    // Of a proxy's own password the hub knows nothing: the token comes in the hello.
    let (mut ada, _) = hub.connect_with(None, &[("Authorization", "Basic YTpi")]).await.unwrap();
    ada.hello(json!({"role": "agent", "token": token("ada", "agent")})).await;
}

#[tokio::test]
async fn a_token_that_ends_between_the_upgrade_and_the_hello_is_refused() {
    let hub = guarded().start().await;
    // On a slow machine the token may expire before the upgrade: then one that lasts longer.
    let mut lasts = 2;
    let (exp, mut ada) = loop {
        let exp = now() + lasts;
        let bearer = format!("Bearer {}", token_with("ada", "agent", json!({"exp": exp})));
        match hub.connect_with(None, &[("Authorization", &bearer)]).await {
            Ok((ada, _)) => break (exp, ada),
            Err(error) => assert!(lasts < 60, "{error:?}"),
        }
        lasts *= 2;
    };
    // A token expires by the wall clock, so there is no event to wait for.
    while now() <= exp {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ada.send(json!({"type": "hello", "role": "agent"})).await;
    assert_eq!(ada.first_or_close().await, Err(4401));
}

#[tokio::test]
async fn the_hello_cannot_change_the_identity_of_the_upgrade() {
    let hub = guarded().start().await;
    for hello in [
        json!({"role": "agent", "token": token("boss", "agent")}),
        json!({"role": "agent", "token": token_with("ada", "agent", json!({"workspace": "acme"}))}),
        json!({"role": "agent", "agentId": "boss"}),
        json!({"role": "observer"}),
    ] {
        let bearer = format!("Bearer {}", token("ada", "agent"));
        let (mut client, _) = hub.connect_with(None, &[("Authorization", &bearer)]).await.unwrap();
        client.send(crate::harness::with(json!({"type": "hello"}), hello.clone())).await;
        assert_eq!(client.first_or_close().await, Err(4403), "{hello}");
    }
}

/// An agent whose token expires soon, and when. On a slow machine the token may expire before the hello: then one that lasts
/// longer.
async fn join_for_a_while(hub: &Hub) -> (u64, Client) {
    let mut lasts = 2;
    loop {
        let exp = now() + lasts;
        let mut client = hub.connect().await;
        client
            .send(json!({"type": "hello", "role": "agent", "token": token_with("ada", "agent", json!({"exp": exp}))}))
            .await;
        match client.first_or_close().await {
            Ok(_) => return (exp, client),
            Err(code) => assert!(code == 4401 && lasts < 60, "{code}"),
        }
        lasts *= 2;
    }
}

#[tokio::test]
async fn a_token_that_expires_ends_the_connection_at_its_exp() {
    let hub = guarded().start().await;
    let mut bot = join(&hub, "bot", "provider", json!({})).await;
    let (exp, mut ada) = join_for_a_while(&hub).await;
    ada.expect_close(4401).await;
    assert!(now() >= exp, "not before its exp");
    has(&bot.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_fresh_token_of_the_same_person_lets_it_stay() {
    let hub = guarded().start().await;
    // Long enough for the refusals to arrive before.
    let exp = now() + 8;
    let mut ada = join(&hub, "ada", "agent", json!({"exp": exp})).await;
    for (other, code) in [
        (token("bob", "agent"), "notAllowed"),
        (token("ada", "provider"), "notAllowed"),
        (token_with("ada", "agent", json!({"workspace": "acme"})), "notAllowed"),
        (token_with("ada", "agent", json!({"exp": now()})), "notAllowed"),
        ("nonsense".to_owned(), "notAllowed"),
    ] {
        is_error(&ada.call(json!({"type": "refresh", "token": other})).await, code, None);
    }
    let refreshed = ada.call(json!({"type": "refresh", "token": token("ada", "agent")})).await;
    assert_eq!(refreshed["type"], "refreshed");
    // Another one that was not refreshed shows when the time has come.
    join(&hub, "eve", "observer", json!({"exp": exp})).await.expect_close(4401).await;
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_flood_of_bad_tokens_does_not_delay_clients() {
    let hub = guarded().start().await;
    let mut ada = join(&hub, "ada", "agent", json!({})).await;
    let mut limited = 0;
    for _ in 0..30 {
        let reply = ada.call(json!({"type": "refresh", "token": token("bob", "agent")})).await;
        limited += u32::from(reply["code"] == "rateLimited");
    }
    assert!(limited > 0);
    has(&ada.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn keys_by_name_are_exchanged_while_the_hub_runs() {
    let setup = Setup::new();
    let file = setup.home().join("keys.pem");
    let pem = |name: &str| std::fs::read_to_string(key_file(name)).unwrap();
    let keys = [("old", "rsa.pub.pem"), ("ec", "ec.pub.pem"), ("ed", "ed.pub.pem")];
    let keys: String = keys.iter().map(|(kid, name)| format!("kid: {kid}\n{}\n", pem(name))).collect();
    std::fs::write(&file, keys).unwrap();
    let hub = setup.args(&["--auth-public-key-file", file.to_str().unwrap()]).start().await;
    let claims = || json!({"sub": "ada", "role": "agent", "exp": now() + 60});
    let old = || token_of(&json!({"alg": "RS256", "kid": "old"}), claims(), by_rsa("rsa.key.pem"));
    let new = || token_of(&json!({"alg": "RS256", "kid": "new"}), claims(), by_rsa("rsa-other.key.pem"));
    let ec = token_of(&json!({"alg": "ES256", "kid": "ec"}), claims(), by_ec);
    let ed = token_of(&json!({"alg": "EdDSA", "kid": "ed"}), claims(), by_ed);
    let hello = |token: String| json!({"role": "agent", "token": token});
    assert!(attempt(&hub, hello(old())).await.is_ok());
    assert!(attempt(&hub, hello(ec)).await.is_ok());
    assert!(attempt(&hub, hello(ed)).await.is_ok());
    assert_eq!(attempt(&hub, hello(new())).await, Err(4401));
    // The public key as if it were a secret.
    let confused = token_of(&json!({"alg": "HS256", "kid": "old"}), claims(), by_secret(pem("rsa.pub.pem").as_bytes()));
    assert_eq!(attempt(&hub, hello(confused)).await, Err(4401));
    let mut stays = hub.join(hello(old())).await;
    let skip = hub.stderr.so_far().len();
    std::fs::write(&file, format!("kid: new\n{}", pem("rsa-other.pub.pem"))).unwrap();
    hub.says_after(skip, "keys reloaded").await;
    assert!(attempt(&hub, hello(new())).await.is_ok());
    assert_eq!(attempt(&hub, hello(old())).await, Err(4401));
    has(&stays.call(json!({"type": "ping"})).await, json!({"type": "pong"}));
    let skip = hub.stderr.so_far().len();
    std::fs::write(&file, "nonsense").unwrap();
    hub.says_after(skip, "cannot reload keys, the old ones stay").await;
    assert!(attempt(&hub, hello(new())).await.is_ok());
}

#[tokio::test]
async fn issuer_audience_and_leeway_are_as_configured() {
    let setup = guarded()
        .config("[auth]\nissuer = \"https://id.example\"\naudience = \"deskbell\"\nleeway = \"30s\"")
        .variable("DESKBELL_AUTH_LEEWAY", "30s");
    let hub = setup.start().await;
    let ours = json!({"iss": "https://id.example", "aud": ["deskbell", "crm"], "exp": now() - 5});
    join(&hub, "ada", "agent", ours).await;
    for other in [
        json!({}),
        json!({"iss": "https://id.example"}),
        json!({"aud": "deskbell"}),
        json!({"iss": "https://evil.example", "aud": "deskbell"}),
    ] {
        let hello = json!({"role": "agent", "token": token_with("ada", "agent", other.clone())});
        assert_eq!(attempt(&hub, hello).await, Err(4401), "{other}");
    }
}

#[tokio::test]
async fn minted_tokens_are_taken() {
    let setup = guarded();
    let home = setup.home().to_owned();
    let hub = setup.start().await;
    let token = minted(
        &home,
        &["--sub", "ada", "--role", "agent", "--groups", "billing,vip", "--workspace", "acme", "--ttl", "90s"],
    );
    let ada = hub.join(json!({"role": "agent", "token": token})).await;
    has(&ada.welcome, json!({"agentId": "ada", "groups": ["billing", "vip"], "workspace": "acme"}));
}

#[tokio::test]
async fn other_machines_are_served_without_insecure_and_metrics_are_not_for_everybody() {
    let hub = guarded().start().await;
    assert_eq!(status(&get(hub.port, "/metrics").await), 404);
    assert_eq!(status(&get(hub.port, "/healthz").await), 200);
    // On all addresses; the line on standard output then names that one.
    let anywhere = guarded().listen("0.0.0.0:0").spawn();
    anywhere.says(&["clients need tokens", "serving", "their tokens in clear text"]).await;
    anywhere.terminate();
    assert_eq!(anywhere.exit().await.code, Some(0));
    let refused = Setup::new().listen("0.0.0.0:0").fail().await;
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("--auth-secret-file"), "{}", refused.stderr);
}

#[tokio::test]
async fn tokens_and_secrets_are_never_logged() {
    let hub = guarded().variable("DESKBELL_LOG", "trace").start().await;
    let tokens: Vec<String> =
        vec![token("ada", "agent"), token_with("bad", "agent", json!({"exp": 1})), token("bot", "provider")];
    let mut ada = hub.join(json!({"role": "agent", "token": tokens[0]})).await;
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": tokens[1]})).await, Err(4401));
    let value = format!("Bearer {}", tokens[2]);
    let (mut bot, _) = hub.connect_with(None, &[("Authorization", &value)]).await.unwrap();
    bot.hello(json!({"role": "provider"})).await;
    ada.call(json!({"type": "refresh", "token": tokens[1]})).await;
    ada.call(json!({"type": "refresh", "token": token("ada", "agent")})).await;
    hub.terminate();
    let said = hub.exit().await.stderr;
    for token in &tokens {
        for part in token.split('.').skip(1) {
            assert!(!said.contains(part), "{part} in the log");
        }
    }
    assert!(!said.contains(SECRET) && said.contains("a token was refused"), "{said}");
}

#[tokio::test]
async fn a_refused_token_is_logged_with_its_reason_and_key_and_none_of_its_claims() {
    let hub = guarded().variable("DESKBELL_LOG", "debug").start().await;
    // The subject used to be logged, as a claim. It can be a person's address, and nobody has verified it.
    let forged = |kid: &str| {
        let claims = json!({"sub": "grace@example.com", "name": "Grace Hopper", "email": "grace@example.com",
            "iss": "https://grace.example", "groups": ["graces"], "role": "agent", "exp": now() + 60});
        token_of(&json!({"alg": "HS256", "kid": kid}), &claims, by_secret(b"another secret, as long as the right one"))
    };
    let lines = |said: &str| said.lines().filter(|line| line.contains("refused token")).count();
    // In the hello, at the upgrade, by plain HTTP, and in a refresh.
    assert_eq!(attempt(&hub, json!({"role": "agent", "token": forged("key-1")})).await, Err(4401));
    let bearer = format!("Bearer {}", forged("key-2"));
    assert_eq!(hub.upgrade_refused(None, &[("Authorization", &bearer)]).await, 401);
    let head = format!("GET /templates HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {bearer}\r\n\r\n");
    assert_eq!(status(&http(hub.port, &head).await), 401);
    let mut cy = join(&hub, "cy", "agent", json!({})).await;
    cy.call(json!({"type": "refresh", "token": forged("key-3")})).await;
    // Text that is not a valid name, or not a token, is not repeated in the log.
    for bad in [forged("x\n2026 INFO forged"), forged(&"s".repeat(129)), "nonsense".into(), "\u{202e}.\r\n.".into()] {
        assert_eq!(attempt(&hub, json!({"role": "agent", "token": bad})).await, Err(4401));
    }
    hub.terminate();
    let said = hub.exit().await.stderr;
    for known in ["kid=\"key-1\"", "kid=\"key-2\"", "kid=\"key-3\"", "reason=\"malformed\""] {
        assert!(said.contains(known), "{known}: {said}");
    }
    assert_eq!(lines(&said), 8, "{said}");
    let each = said.lines().filter(|line| line.contains("refused token")).all(|line| line.contains("from=127.0.0.1"));
    assert!(each && !said.contains("forged") && !said.contains("sss"), "{said}");
    assert!(!said.to_lowercase().contains("grace"), "a claim is in the log: {said}");
    assert!(said.lines().all(|line| !line.contains(".eyJ") && !line.contains("eyJ")), "a token is in the log: {said}");
}

#[tokio::test]
async fn keys_that_cannot_be_used_stop_the_start() {
    let setup = Setup::new();
    let empty = setup.home().join("empty");
    std::fs::write(&empty, "").unwrap();
    let pem = key_file("rsa.pub.pem");
    let weak = key_file("rsa-weak.pub.pem");
    let private = key_file("rsa.key.pem");
    // The port is taken: a hub that tried it first would say that instead.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, file, says) in [
        ("--auth-secret-file", setup.home().join("missing"), "cannot be read"),
        ("--auth-secret-file", empty, "is empty"),
        ("--auth-secret-file", pem, "it is a PEM file, not a secret"),
        ("--auth-public-key-file", weak, "1024 bits"),
        ("--auth-public-key-file", private, "belongs to the token service"),
    ] {
        let exit = Setup::new().listen(&address).args(&[flag, file.to_str().unwrap()]).fail().await;
        assert_eq!(exit.code, Some(64), "{file:?}");
        assert!(exit.stderr.contains(says) && exit.stderr.contains(flag), "{}", exit.stderr);
    }
    let exit = Setup::new().config("[auth]\nissuer = \"x\"").fail().await;
    assert_eq!((exit.code, exit.stderr.contains("secretFile or publicKeyFile")), (Some(64), true), "{}", exit.stderr);
}

#[tokio::test]
async fn templates_are_for_providers_and_observers() {
    let hub = guarded().start().await;
    let ask = async |authorization: &str| {
        let head = format!("GET /templates HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{authorization}\r\n");
        status(&http(hub.port, &head).await)
    };
    let bearer = |role| format!("Authorization: Bearer {}\r\n", token("someone", role));
    assert_eq!(ask("").await, 401);
    assert_eq!(ask("Authorization: Bearer nonsense\r\n").await, 401);
    assert_eq!(ask(&bearer("agent")).await, 403);
    assert_eq!(ask(&bearer("provider")).await, 200);
    assert_eq!(ask(&bearer("observer")).await, 200);
}
