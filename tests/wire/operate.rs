//! The operating contract: start, configuration, reload, stop.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Exit, Hub, Setup, has, hub, is_error, left_out_in_cluster, text};
use crate::raw::Raw;

#[track_caller]
fn refused(exit: &Exit, words: &[&str]) {
    assert_eq!(exit.code, Some(64), "{exit:?}");
    assert_eq!(exit.stdout, "", "it served");
    for word in words {
        assert!(exit.stderr.contains(word), "nothing about {word:?} in: {}", exit.stderr);
    }
}

#[track_caller]
fn names_line(exit: &Exit, line: usize) {
    let said = &exit.stderr;
    let named = said.contains(&format!("deskbell.toml:{line}")) || said.contains(&format!("line {line}"));
    assert!(named, "line {line} is not named in: {said}");
    assert!(said.contains("deskbell.toml"), "the file is not named in: {said}");
}

// ---------------------------------------------------------------- start

#[tokio::test]
async fn it_prints_one_line_to_standard_output() {
    let hub = hub("").await;
    hub.agent("ada").await;
    hub.terminate();
    let exit = hub.exit().await;
    assert_eq!(exit.stdout.lines().count(), 1, "{}", exit.stdout);
}

#[tokio::test]
async fn without_arguments_it_serves_as_the_environment_says() {
    let setup = Setup::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    command.current_dir(setup.home());
    let environment = [
        ("DESKBELL_LISTEN", "127.0.0.1:0".to_owned()),
        ("DESKBELL_CONFIG", setup.config_path().display().to_string()),
        ("DESKBELL_DATA_DIR", setup.home().join("elsewhere").display().to_string()),
        ("DESKBELL_ALLOWED_ORIGIN", "http://a.example,http://b.example".to_owned()),
    ];
    let home = setup.home().to_owned();
    let mut hub = Hub::spawn_with(command, setup, &environment);
    hub.await_listening().await;
    let mut bot = hub.provider("bot").await;
    bot.ring("chat").await;
    assert!(home.join("elsewhere").is_dir());
    assert!(hub.connect_with(None, &[("Origin", "http://b.example")]).await.is_ok());
}

#[tokio::test]
async fn the_default_data_directory_is_deskbell_data() {
    let setup = Setup::on_disk().without_data_dir();
    let hub = setup.start().await;
    hub.agent("ada").await;
    assert!(setup.home().join("deskbell-data").is_dir());
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let first = hub("").await;
    let address = format!("127.0.0.1:{}", first.port);
    let exit = Setup::new().listen(&address).fail().await;
    assert!(exit.code.is_some_and(|code| code != 0), "{exit:?}");
    assert!(exit.stderr.contains(&address) && !exit.stderr.contains("panicked"), "{}", exit.stderr);
    assert_eq!(exit.stdout, "");
    first.agent("ada").await;
}

#[tokio::test]
async fn an_address_that_is_not_loopback_needs_insecure() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        refused(&Setup::new().listen(address).fail().await, &["--insecure"]);
    }
    let setup = Setup::new().config("[server]\nlisten = \"0.0.0.0:0\"").listen("");
    refused(&setup.fail().await, &["insecure"]);
}

// ---------------------------------------------------------------- faults of the configuration

#[tokio::test]
async fn unknown_flags_and_addresses_stop_the_start_with_64() {
    for args in [
        &["--no-such-flag"][..],
        &["--allowed-origin", "no origin"],
        &["--wait-lock", "soon"],
        &["surplus"],
        &["--config"],
    ] {
        refused(&Setup::new().args(args).fail().await, &[]);
    }
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", ":8080"] {
        refused(&Setup::new().listen(address).fail().await, &[]);
    }
    let mut absent = Setup::new().args(&["--config", "no-such-file.toml"]);
    absent = absent.without_config();
    refused(&absent.fail().await, &["no-such-file.toml"]);
}

#[tokio::test]
async fn a_wrong_value_stops_the_start_with_64_and_its_line() {
    let wrong = [
        "[limits]\ndisplayLimit = 0",
        "[limits]\ndisplayLimit = -1",
        "[limits]\ndisplayLimit = \"3\"",
        "[limits]\ndisplayLimit = 1.5",
        "[limits]\nqueueLimit = 99999999999999999999",
        "[limits]\nnoSuchKey = 1",
        "[limits]\nDisplayLimit = 1",
        "[limits]\nretention = \"soon\"",
        "[limits]\nretention = 600",
        "[limits]\nretention = \"-5s\"",
        "[limits]\nmaxMessageBytes = 0",
        "[server]\nlisten = \"nonsense\"",
        "[server]\nlisten = 8080",
        "[server]\nmemory = \"yes\"",
        "[server]\nallowedOrigins = \"http://a.example\"",
        "[server]\nhelloTimeout = \"0s\"",
        "[log]\nhistory = 5",
        "\n[[templates]]\nname = \"x\"\ntitle = \"{unclosed\"",
        "\n[[templates]]\nname = \"x\"\ntitle = \"lone }\"",
    ];
    for toml in wrong {
        let exit = Setup::new().only_config(toml).fail().await;
        let line = toml.lines().count();
        assert_eq!(exit.code, Some(64), "{toml}: {exit:?}");
        names_line(&exit, line);
        refused(&exit, &[]);
    }
}

#[tokio::test]
async fn a_wrong_template_stops_the_start_with_64() {
    let template = |more: &str| format!("[[templates]]\nname = \"x\"\ntitle = \"t\"\n{more}");
    let wrong = [
        "[[templates]]\ntitle = \"no name\"".to_owned(),
        "[[templates]]\nname = \"no title\"".to_owned(),
        "[[templates]]\nname = \"\"\ntitle = \"t\"".to_owned(),
        format!("[[templates]]\nname = \"{}\"\ntitle = \"t\"", "x".repeat(129)),
        template("timeout = \"99ms\""),
        template("timeout = \"61m\""),
        template("timeout = 20"),
        template("queueTimeout = \"never\""),
        template("settle = \"sometimes\""),
        template("autoAccept = \"yes\""),
        template("showTimeout = 1"),
        template("icon = 5"),
        template("buttons = \"Accept\""),
        template("buttons = { accept = \"a\", decline = \"b\" }"),
        template("fields = [{ label = \"l\" }]"),
        template("fields = [{ value = \"v\" }]"),
        template("fields = [{ label = \"l\", value = \"{\" }]"),
        template("colour = \"blue\""),
        format!("{}\n{}", template(""), template("")),
        "templates = 5".to_owned(),
        "[nosuch]\nx = 1".to_owned(),
        "x = 1".to_owned(),
        "this is no toml".to_owned(),
        "[limits".to_owned(),
    ];
    for toml in wrong {
        let exit = Setup::new().only_config(&toml).fail().await;
        assert_eq!(exit.code, Some(64), "{toml}: {exit:?}");
        refused(&exit, &["deskbell.toml"]);
    }
}

#[tokio::test]
async fn all_faults_are_named_at_once() {
    let toml = "[server]\npingInterval = 5\n\n[limits]\ndisplayLimit = 0\nnope = 1\n\n[[templates]]\nname = \"x\"\n\
                title = \"{broken\"\ntimeout = \"1ms\"\n";
    // The port is taken: a hub that tried it first would say that instead.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup = Setup::new().only_config(toml).listen(&address).args(&["--no-such-flag"]);
    let exit = setup.fail().await;
    assert_eq!(exit.code, Some(64), "{exit:?}");
    let exit = Setup::new().only_config(toml).listen(&address).fail().await;
    refused(&exit, &["pingInterval", "displayLimit", "nope", "timeout"]);
    for line in [2, 5, 6, 10, 11] {
        names_line(&exit, line);
    }
}

#[tokio::test]
async fn a_wrong_environment_variable_stops_the_start_with_64() {
    let setup = Setup::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    command.args(["serve", "--memory"]).current_dir(setup.home());
    let hub = Hub::spawn_with(command, setup, &[("DESKBELL_LISTEN", "nonsense".to_owned())]);
    refused(&hub.exit().await, &["DESKBELL_LISTEN"]);
}

// ---------------------------------------------------------------- reload

const BEFORE: &str = "[[templates]]\nname = \"one\"\ntitle = \"before\"\n";
const AFTER: &str = "[[templates]]\nname = \"one\"\ntitle = \"after\"\n[[templates]]\nname = \"two\"\ntitle = \"t\"\n";

#[tokio::test]
async fn a_change_of_the_file_reloads_the_templates() {
    let hub = Setup::new().only_config(BEFORE).start().await;
    let mut ada = hub.agent("ada").await;
    let mut bot = hub.provider("bot").await;
    let before = bot.ring("one").await;
    has(&ada.shown(&before).await, json!({"title": "before"}));
    hub.setup.write_config(AFTER);
    bot.await_template("two", true).await;
    let after = bot.ring("one").await;
    has(&ada.shown(&after).await, json!({"title": "after"}));
    // Open notifications keep their rendered text.
    let tab = hub.agent("ada").await;
    has(&tab.welcome["notifications"][0], json!({"notificationId": before, "title": "before"}));
    // A template removed from the file is unknown; the built-in ones stay.
    hub.setup.write_config(BEFORE);
    bot.await_template("two", false).await;
    has(&bot.call(json!({"type": "notify", "templateName": "msdyn_call_incoming"})).await, json!({"type": "ack"}));
}

#[tokio::test]
async fn sighup_reloads_the_templates() {
    let hub = Setup::new().only_config(BEFORE).start().await;
    let mut bot = hub.provider("bot").await;
    hub.setup.write_config(AFTER);
    hub.signal("-HUP");
    bot.await_template("two", true).await;
}

#[tokio::test]
async fn a_broken_file_is_reported_and_the_old_templates_stay() {
    let hub = Setup::new().only_config(BEFORE).start().await;
    let mut bot = hub.provider("bot").await;
    let wrong = [
        "this is no toml",
        "[[templates]]\nname = \"three\"\ntitle = \"t\"\ntimeout = \"1ms\"",
        "[[templates]]\nname = \"three\"\ntitle = \"t\"\n[limits]\ndisplayLimit = 0",
        "[[templates]]\nname = \"three\"\ntitle = \"t\"\nnope = 1",
    ];
    for (n, toml) in wrong.iter().enumerate() {
        let before = hub.stderr.so_far().len();
        hub.setup.write_config(toml);
        hub.signal("-HUP");
        hub.says_after(before, "deskbell.toml").await;
        bot.ring_with("one", json!({"to": {"agents": [format!("nobody-{n}")]}})).await;
        let three = bot.call(json!({"type": "notify", "templateName": "three"})).await;
        is_error(&three, "unknownTemplate", Some("NotifyEvent"));
    }
    hub.setup.write_config(AFTER);
    bot.await_template("two", true).await;
}

#[tokio::test]
async fn a_file_that_is_gone_for_a_moment_takes_nothing_away() {
    let hub = Setup::new().only_config(BEFORE).start().await;
    let mut bot = hub.provider("bot").await;
    std::fs::remove_file(hub.setup.config_path()).unwrap();
    hub.signal("-HUP");
    hub.says(&["deskbell.toml"]).await;
    bot.ring("one").await;
    hub.setup.write_config(AFTER);
    bot.await_template("two", true).await;
}

// ---------------------------------------------------------------- stop

#[tokio::test]
async fn a_signal_right_behind_the_line_is_an_orderly_stop_too() {
    for _ in 0..10 {
        let hub = Setup::new().start().await;
        hub.terminate();
        assert_eq!(hub.exit().await.code, Some(0));
    }
}

#[tokio::test]
async fn sigterm_and_sigint_close_clients_with_1001_and_end_with_0() {
    for signal in ["-TERM", "-INT"] {
        let hub = Setup::on_disk().start().await;
        let mut clients = [hub.agent("ada").await, hub.provider("bot").await, hub.observer().await];
        hub.signal(signal);
        for client in &mut clients {
            client.expect_close(1001).await;
        }
        let exit = hub.exit().await;
        assert_eq!(exit.code, Some(0), "{exit:?}");
    }
}

#[tokio::test]
async fn a_stop_spreads_its_closes() {
    if left_out_in_cluster("each hub spreads its own") {
        return;
    }
    let hub = hub("").await;
    let mut closes = tokio::task::JoinSet::new();
    for n in 0..60 {
        let mut agent = hub.agent(&format!("agent-{n}")).await;
        closes.spawn(async move {
            agent.expect_close(1001).await;
            Instant::now()
        });
    }
    hub.terminate();
    let mut closed: Vec<Instant> = closes.join_all().await;
    closed.sort_unstable();
    let over = closed[59] - closed[0];
    // 500 ms for a full hub. Readers may be late, so only a lower bound for many is certain.
    assert!(over > Duration::from_millis(50), "all within {over:?}");
    assert_eq!(hub.exit().await.code, Some(0));
}

#[tokio::test]
async fn clients_that_neither_read_nor_answer_do_not_hold_the_stop_up() {
    let hub = hub("").await;
    let mut mute = Raw::connect(hub.port).await;
    mute.join(hub.port, &json!({"type": "hello", "role": "agent"})).await;
    let _no_hello = hub.connect().await;
    let _no_http = Raw::connect(hub.port).await;
    let mut half_http = Raw::connect(hub.port).await;
    half_http.send(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    let mut idle_http = Raw::connect(hub.port).await;
    idle_http.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle_http.head().await;
    hub.terminate();
    let exit = hub.exit().await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert_eq!(mute.close_code().await, Some(1001));
}

#[tokio::test]
async fn calls_before_the_stop_are_answered_or_not_done() {
    let hub = Setup::on_disk().start().await;
    let mut bot = hub.provider("bot").await;
    for n in 0..50 {
        let to = json!({"agents": [format!("nobody-{n}")]});
        bot.send(json!({"type": "notify", "id": format!("n-{n}"), "templateName": "chat", "to": to})).await;
    }
    let first = bot.expect("ack").await;
    hub.terminate();
    bot.expect_close(1001).await;
    let mut acks = vec![text(&first["notificationId"])];
    acks.extend(bot.arrived().iter().filter(|m| m["type"] == "ack").map(|m| text(&m["notificationId"])));
    let setup = hub.setup.clone();
    assert_eq!(hub.exit().await.code, Some(0));
    let hub = setup.start().await;
    let bot = hub.provider("bot").await;
    let open: Vec<String> =
        bot.welcome["open"].as_array().unwrap().iter().map(|n| text(&n["notificationId"])).collect();
    for ack in acks {
        assert!(open.contains(&ack), "{ack} was acknowledged and is not there");
    }
}

// ---------------------------------------------------------------- its output

#[tokio::test]
async fn it_warns_which_audience_is_full_at_most_once_a_minute() {
    let hub = hub("[limits]\ndisplayLimit = 1\nqueueLimit = 1").await;
    let _ada = hub.agent_in("ada", &["billing-and-refunds"]).await;
    let mut bot = hub.provider("bot").await;
    let to = json!({"to": {"groups": ["billing-and-refunds"]}});
    for _ in 0..10 {
        bot.ring_with("chat", to.clone()).await;
    }
    hub.says(&["billing-and-refunds"]).await;
    bot.round_trip().await;
    let said = hub.stderr.so_far();
    let times = said.matches("billing-and-refunds").count();
    assert!((1..=hub.size()).contains(&times), "each hub once, not {times} times: {said}");
}

#[tokio::test]
async fn client_text_cannot_forge_log_lines() {
    let hub = hub("[limits]\ndisplayLimit = 1\nqueueLimit = 1").await;
    let mut bot = hub.provider("bot").await;
    for name in ["a\u{2028}FORGED", "a\u{1b}[31mFORGED", "a\r\nFORGED"] {
        let to = json!({"agents": [name]});
        for _ in 0..3 {
            bot.send_text(&json!({"type": "notify", "templateName": "chat", "to": to}).to_string()).await;
        }
        bot.send_text(&json!({"type": name}).to_string()).await;
    }
    bot.round_trip().await;
    for line in hub.stderr.so_far().lines() {
        assert!(!line.starts_with("FORGED") && !line.contains('\u{1b}'), "{line:?}");
    }
}

#[tokio::test]
async fn help_names_every_flag_and_ends_with_0() {
    let setup = Setup::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    command.args(["serve", "--help"]);
    let exit = Hub::spawn_with(command, setup, &[]).exit().await;
    assert_eq!(exit.code, Some(0), "{exit:?}");
    for flag in ["--listen", "--config", "--data-dir", "--memory", "--allowed-origin", "--insecure", "--wait-lock"] {
        assert!(exit.stdout.contains(flag), "{flag} in {}", exit.stdout);
    }
}
