//! The log on standard error: `grep` finds the trace of a conversation, and text from clients cannot leave its line.

use serde_json::{Value, json};

use crate::harness::{Setup, has, left_out_in_cluster, text};

const STORY: &str = "info,deskbell::story=debug";

#[tokio::test]
async fn one_grep_finds_all_log_lines_of_a_conversation() {
    if left_out_in_cluster("three hubs write into one text") {
        return;
    }
    for format in ["text", "json"] {
        let setup = Setup::new().variable("DESKBELL_LOG", STORY).args(&["--log-format", format]);
        let hub = setup.start().await;
        let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
        let correlation = "7f9c2ba4-e88f-4e00-9a3c-1e2f3a4b5c6d";
        let id = bot.ring_with("chat", json!({"correlationId": correlation})).await;
        let other = bot.ring("chat").await;
        ada.take_on(&id).await;
        bot.result_of(&id).await;
        hub.says(&["settled", "session started"]).await;
        hub.says(&["answered"]).await;
        let said = hub.stderr.so_far();
        let words = ["notify acknowledged", "displayed", "settled", "answered", "session started"];
        let story: Vec<&str> = said.lines().filter(|line| line.contains(correlation)).collect();
        for word in words {
            let line =
                story.iter().find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word} in {story:#?}"));
            assert!(line.contains(&id) && !line.contains(&other), "{line}");
            if format == "json" {
                let line: Value = serde_json::from_str(line).unwrap();
                assert_eq!(
                    (text(&line["correlationId"]), text(&line["notificationId"])),
                    (correlation.into(), id.clone())
                );
                let client = if ["answered", "session started"].contains(&word) { "ada" } else { "bot" };
                assert_eq!((&line["client"], &line["workspace"]), (&json!(client), &json!("default")), "{line}");
            }
        }
        // The client and its address.
        let joined = said.lines().find(|line| line.contains("joined") && line.contains("ada")).unwrap();
        assert!(joined.contains("127.0.0.1"), "{joined}");
    }
}

#[tokio::test]
async fn a_busy_hub_writes_each_notification_to_the_log_only_if_configured() {
    let hub = Setup::new().start().await;
    let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
    let id = bot.ring("chat").await;
    ada.take_on(&id).await;
    bot.result_of(&id).await;
    assert!(!hub.stderr.so_far().contains(&id));
}

#[tokio::test]
async fn the_warning_of_a_full_audience_is_found_by_each_of_its_ids() {
    if left_out_in_cluster("three hubs write into one text") {
        return;
    }
    let correlation = "{7F9C2BA4-E88F-4E00-9A3C-1E2F3A4B5C6D}";
    for format in ["text", "json"] {
        let setup = Setup::new().config("[limits]\ndisplayLimit = 1\nqueueLimit = 0");
        let hub = setup.args(&["--log-format", format]).start().await;
        let (_ada, mut bot) = (hub.agent_in("ada", &["billing"]).await, hub.provider("bot").await);
        let to = json!({"groups": ["billing"]});
        bot.ring_with("chat", json!({"to": to})).await;
        let id = bot.ring_with("chat", json!({"to": to, "correlationId": correlation})).await;
        let value = json!({"actionName": "Reject", "responseReason": "NotificationQueueLimitExceeded"});
        has(&bot.result_of(&id).await, json!({"value": value}));
        hub.says(&["this audience is full"]).await;
        let said = hub.stderr.so_far();
        let warning = said.lines().find(|line| line.contains("this audience is full")).unwrap();
        for part in [correlation, &id, "bot", "billing", "default"] {
            assert!(warning.contains(part), "no {part} in {warning}");
        }
        if format == "json" {
            let line: Value = serde_json::from_str(warning).unwrap();
            let expected = json!({"client": "bot", "notificationId": id, "correlationId": correlation});
            has(&line, expected);
        }
    }
}

/// Sends the text in every field of every message that can reach a log.
#[tokio::test]
async fn client_text_neither_adds_nor_hides_log_lines() {
    if left_out_in_cluster("three hubs write into one text") {
        return;
    }
    let hostile = "x\r\n2026-11-22T00:00:00Z ERROR FORGED \u{1b}[31m \u{202e}evil \u{2028}\u{85}\u{7}";
    for format in ["text", "json"] {
        let setup = Setup::new().variable("DESKBELL_LOG", "trace").args(&["--log-format", format]);
        let hub = setup.start().await;
        let (mut ada, mut bot) = (hub.agent("ada").await, hub.provider("bot").await);
        let id = bot.ring_with("chat", json!({"templateParameters": {"customerName": hostile}})).await;
        let fields = [
            "id",
            "correlationId",
            "templateName",
            "cancellationToken",
            "sessionId",
            "type",
            "to",
            "templateParameters",
            hostile,
        ];
        for field in fields {
            let mut message = json!({"type": "notify", "templateName": "chat"});
            message[field] = json!(hostile);
            bot.send_text(&message.to_string()).await;
            for (kind, more) in
                [("cancel", "cancellationToken"), ("kpi", "sessionId"), ("kpi", "details"), ("endSession", "sessionId")]
            {
                let mut message = json!({"type": kind, "sessionId": "s", "cancellationToken": "t"});
                message[field] = json!(hostile);
                message[more] = json!(hostile);
                bot.send_text(&message.to_string()).await;
            }
        }
        bot.send_text(
            &json!({"type": "notify", "templateName": "chat", "to": {"agents": [hostile], "groups": [hostile]}})
                .to_string(),
        )
        .await;
        bot.send_text(hostile).await;
        ada.send_text(&json!({"type": "reject", "notificationId": hostile, "reason": hostile}).to_string()).await;
        ada.send_text(&json!({"type": "presence", "presence": hostile}).to_string()).await;
        ada.send_text(&json!({"type": "reject", "notificationId": id, "reason": hostile}).to_string()).await;
        ada.round_trip().await;
        bot.round_trip().await;
        for hello in [
            json!({"type": "hello", "role": hostile}),
            json!({"type": "hello", "role": "agent", "agentId": hostile}),
            json!({"type": "hello", "role": "agent", "groups": [hostile]}),
            json!({"type": "hello", "role": "agent", "token": hostile}),
        ] {
            let mut client = hub.connect().await;
            client.send_text(&hello.to_string()).await;
            let _ = client.first_or_close().await;
        }
        let before = hub.stderr.so_far().len();
        hub.signal("-HUP");
        hub.says_after(before, "deskbell").await;
        let said = hub.stderr.so_far();
        assert!(said.contains("refused"), "nothing was logged: {said}");
        for line in said.lines() {
            assert!(!line.trim_start().starts_with("2026-11-22T00:00:00Z ERROR FORGED"), "{line}");
            assert!(!line.contains(['\u{1b}', '\u{202e}', '\u{2028}', '\u{85}', '\u{7}', '\r']), "{line:?}");
            if format == "json" {
                serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
}
