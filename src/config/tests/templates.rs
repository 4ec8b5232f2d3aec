//! `[[templates]]` of the file: what is parsed, what is rejected, what a reload changes.

use std::fs;
use std::time::{Duration, Instant};

use super::super::Config;
use super::Setup;
use crate::template::{Settle, SharedCatalogue, Sound};

const VIP_CALL: &str = r#"
[[templates]]
name = "vip_call"
title = "{customerName|A customer} is calling"     # {name} or {name|default}
icon = "phone"
timeout = "20s"            # display time, 100ms to 1h, default 120s
queueTimeout = "45s"       # queue time, default: timeout
showTimeout = true         # whether pages show the countdown; the timer runs either way
autoAccept = false
autoAcceptOnTimeout = false
settle = "firstResponse"   # or "firstAccept"
buttons = { accept = "Take it", reject = "Not now" }
fields = [ { label = "Number", value = "{phoneNumber|unknown}" }, { label = "Queue", value = "{queue}" } ]
"#;

#[test]
fn the_documented_template_is_parsed() {
    let config = Setup::file(VIP_CALL).load();
    let queue = |name: &str| (name == "queue").then_some("gold");
    let rendered = config.templates.render("vip_call", &queue).unwrap();
    assert_eq!(&*rendered.title, "A customer is calling");
    assert_eq!((rendered.timeout.0, rendered.queue_timeout.0), (20_000, 45_000));
    assert_eq!((&*rendered.accept_label, &*rendered.reject_label), ("Take it", "Not now"));
    assert_eq!((&*rendered.fields[0].value, &*rendered.fields[1].value), ("unknown", "gold"));
}

#[test]
fn every_part_of_a_template_can_be_set() {
    let config = Setup::file(
        "[[templates]]\nname='t'\ntitle=''\nshowTimeout=false\nautoAccept=true\nautoAcceptOnTimeout=true\n\
         settle='firstAccept'\npriority=9\nlink='https://crm.example/{a|b c}'\nsound='soft'\nbuttons.reject='No'",
    )
    .load();
    let rendered = config.templates.render("t", &|_| None).unwrap();
    assert!(!rendered.show_timeout && rendered.auto_accept && rendered.auto_accept_on_timeout);
    assert_eq!((rendered.settle, rendered.priority), (Settle::FirstAccept, 9));
    assert_eq!((rendered.link.as_deref(), rendered.sound), (Some("https://crm.example/b%20c"), Some(Sound::Soft)));
    assert_eq!((&*rendered.accept_label, &*rendered.reject_label), ("Accept", "No"));
}

#[test]
fn every_error_in_a_template_has_its_place() {
    let setup = Setup::file(
        "[[templates]]\n\
         name = ''\n\
         titel = 'x'\n\
         icon = 5\n\
         timeout = '99ms'\n\
         queueTimeout = 20\n\
         showTimeout = 'yes'\n\
         settle = 'lastAccept'\n\
         buttons = { accept = '', decline = 'x' }\n\
         fields = [ { label = 'a', value = '}' }, { lable = 'b', value = 1 }, 7 ]\n\
         [[templates]]\n\
         title = 'no name'\n\
         buttons = 'x'\n\
         fields = 'x'\n\
         [[templates]]\n\
         name = 't'\n\
         title = '{}'\n\
         [[templates]]\n\
         name = 't'\n\
         title = 'twice'\n\
         priority = 10\n\
         link = '{host}/x'\n\
         sound = 'loud'\n",
    );
    let expected = [
        "1:1: [[templates]] \"\": title is missing",
        "2:8: [[templates]] \"\" name: 0 bytes long; allowed: 1 to 128",
        "3:1: [[templates]] \"\": unknown key \"titel\"; did you mean title?",
        "4:8: [[templates]] \"\" icon: 5 is not a string",
        "5:11: [[templates]] \"\" timeout: out of range; allowed: 100ms to 1h",
        "6:16: [[templates]] \"\" queueTimeout: 20 is not a duration; allowed: \"100ms\" to \"1h\"",
        "7:15: [[templates]] \"\" showTimeout: \"yes\" is neither true nor false",
        "8:10: [[templates]] \"\" settle: \"lastAccept\"; allowed: \"firstResponse\", \"firstAccept\"",
        "9:22: [[templates]] \"\" buttons.accept: 0 bytes long; allowed: 1 to 128",
        "9:26: [[templates]] \"\" buttons: unknown key \"decline\"; known: accept, reject",
        "10:35: [[templates]] \"\" fields, number 1, value: character 1: this \"}\" closes nothing; a literal brace is \
         written \"}}\"",
        "10:42: [[templates]] \"\" fields, number 2: label is missing",
        "10:44: [[templates]] \"\" fields, number 2: unknown key \"lable\"; did you mean label?",
        "10:65: [[templates]] \"\" fields, number 2, value: 1 is not a string",
        "10:70: [[templates]] \"\" fields, number 3: 7; allowed: { label = \"…\", value = \"…\" }",
        "11:1: [[templates]] number 2: name is missing",
        "13:11: [[templates]] number 2 buttons: \"x\"; allowed: { accept = \"…\", reject = \"…\" }",
        "14:10: [[templates]] number 2 fields: \"x\"; allowed: [ { label = \"…\", value = \"…\" }, … ]",
        "17:9: [[templates]] \"t\" title: character 1: the placeholder has no name; write {name} or {name|default}",
        "19:8: [[templates]] \"t\": template 3 has this name already",
        "21:12: [[templates]] \"t\" priority: 10; allowed: 0 to 9",
        "22:8: [[templates]] \"t\" link: it must begin with \"https://host/\", or \"http://\" and a loopback host; the \"/\" \
         after the host comes before the first placeholder",
        "23:9: [[templates]] \"t\" sound: \"loud\"; allowed: \"phone\", \"chat\", \"soft\", \"none\"",
    ];
    let errors = setup.errors();
    for (error, expected) in errors.iter().zip(expected) {
        assert_eq!(error, &format!("deskbell.toml:{expected}"));
    }
    assert_eq!(errors.len(), expected.len());
}

#[test]
fn templates_are_an_array_of_tables_and_not_too_many() {
    for text in ["[templates]\nname = 't'", "templates = 5", "templates = ['t']"] {
        let errors = Setup::file(text).errors();
        assert!(errors[0].contains("[[templates]]") && errors.len() == 1, "{errors:?}");
    }
    let many =
        |count: usize| (0..count).map(|n| format!("[[templates]]\nname = 't{n}'\ntitle = ''\n")).collect::<String>();
    assert_eq!(Setup::file(many(1000)).load().templates.len(), 1004);
    assert!(Setup::file(many(1001)).errors()[0].ends_with("1001 templates; allowed: at most 1000"));
}

#[test]
fn a_reload_changes_the_templates_and_nothing_else() {
    let setup = Setup::file("limits.displayLimit = 4");
    let path = setup.directory.path().join("deskbell.toml");
    let config = setup.load();
    let reload = config.reload();
    fs::write(&path, format!("limits.displayLimit = 5\n{VIP_CALL}")).unwrap();
    assert_eq!(reload().unwrap().len(), 5);
    assert_eq!(config.differences(&setup.load()), ["[limits] displayLimit"]);
    fs::write(&path, "limits.displayLimit = 0").unwrap();
    assert_eq!(reload().unwrap_err().len(), 1);
    fs::remove_file(&path).unwrap();
    assert_eq!(reload().unwrap_err().len(), 1);
}

#[tokio::test]
async fn a_changed_file_takes_effect_and_a_wrong_one_never_does() {
    let setup = Setup::file("");
    let path = setup.directory.path().join("deskbell.toml");
    let config = setup.load();
    let catalogue = SharedCatalogue::new(config.templates.clone());
    let (watch, reload) = config.watch_templates(catalogue.clone()).unwrap();
    let task = tokio::spawn(watch.run());
    let has = async |count: usize| {
        let start = Instant::now();
        while catalogue.get().len() != count {
            assert!(start.elapsed() < Duration::from_secs(60), "not {count} templates after a minute");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    fs::write(&path, VIP_CALL).unwrap();
    has(5).await;
    fs::write(&path, "[[templates]]\nname = 't'").unwrap();
    reload.reload_now();
    fs::write(&path, format!("{VIP_CALL}[[templates]]\nname = 't'\ntitle = ''")).unwrap();
    has(6).await;
    task.abort();
    assert!(Config::default().watch_templates(catalogue).is_none());
}
