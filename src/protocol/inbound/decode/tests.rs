//! Every field of every message: absent, null, empty, of every wrong type, at its limit and past it.

use serde_json::{Value, json};

use super::*;
pub(super) const GUID: &str = "7F9cd1e2-0a1b-4c2d-8e3f-001122334455";

/// The values that a field accepts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A name.
    Name,
    /// A string of at most so many bytes, maybe empty.
    Text(usize),
    /// Any string.
    Any,
    /// A string that is not empty.
    Token,
    Flag,
    Count,
    Presence,
    Role,
    Resume,
    Names,
    Parameters,
    To,
}

use Kind::{
    Any, Count, Flag, Name, Names, Parameters, Resume as ResumeField, Role, Text as Words, To as ToField, Token,
};

/// A field's name, what it takes, whether it must be there.
type FieldOf = (&'static str, Kind, bool);

/// Each message with its fields.
#[rustfmt::skip]
pub(super) fn messages() -> Vec<(Value, Vec<FieldOf>)> {
    let id = json!("0192f0c4-7e3a-7b21-8c55-0123456789ab");
    vec![
        (json!({"type": "hello", "role": "provider"}),
            vec![("role", Role, true), ("providerId", Name, false), ("resume", ResumeField, false), ("token", Any, false)]),
        (json!({"type": "hello", "role": "agent"}),
            vec![("role", Role, true), ("agentId", Name, false), ("groups", Names, false),
                ("presence", Kind::Presence, false), ("token", Any, false)]),
        (json!({"type": "hello", "role": "observer"}), vec![("role", Role, true), ("token", Any, false)]),
        (json!({"type": "refresh", "token": "t"}), vec![("token", Token, true)]),
        (json!({"type": "ping"}), vec![]),
        (json!({"type": "notify", "templateName": "t"}),
            vec![("templateName", Name, true), ("templateParameters", Parameters, false), ("sessionId", Name, false),
                ("cancellationToken", Name, false), ("to", ToField, false)]),
        (json!({"type": "cancel", "cancellationToken": "tok"}), vec![("cancellationToken", Name, true)]),
        (json!({"type": "kpi", "sessionId": "s"}),
            vec![("sessionId", Name, true), ("shouldReset", Flag, false), ("details", Words(512), false)]),
        (json!({"type": "activity", "sessionId": "s", "count": 1}), vec![("sessionId", Name, true), ("count", Count, true)]),
        (json!({"type": "endSession", "sessionId": "s"}), vec![("sessionId", Name, true)]),
        (json!({"type": "accept", "notificationId": id}), vec![("notificationId", Name, true)]),
        (json!({"type": "reject", "notificationId": id}),
            vec![("notificationId", Name, true), ("reason", Words(1024), false)]),
        (json!({"type": "seen", "notificationId": id}), vec![("notificationId", Name, true)]),
        (json!({"type": "presence", "presence": "away"}), vec![("presence", Kind::Presence, true)]),
    ]
}

fn names(count: usize) -> Value {
    (0..count).map(|number| format!("n{number}")).collect()
}

/// The values that a field of that kind takes.
fn right(kind: Kind) -> Vec<Value> {
    match kind {
        Name => vec![json!("x"), json!("x".repeat(128)), json!("é".repeat(64)), json!("a b"), json!("\u{200d}\"\\")],
        Words(max) => vec![json!(""), json!("line\nline \u{202e}"), json!("x".repeat(max)), json!("é".repeat(max / 2))],
        Any => vec![json!(""), json!("t".repeat(10_000))],
        Token => vec![json!("t"), json!("t".repeat(10_000))],
        Flag => vec![json!(true), json!(false)],
        Count => vec![json!(0), json!(3), json!(u32::MAX), json!(3.0), json!(-0.0)],
        Kind::Presence => vec![json!("available"), json!("away")],
        Role => vec![],
        ResumeField => vec![json!(true), json!(false), json!("no position"), json!("x".repeat(1000))],
        Names => {
            vec![json!([]), json!(["a", "b", "a"]), names(64), json!(vec!["same"; 5000]), json!(["x".repeat(128)])]
        }
        Parameters => vec![
            json!({}),
            json!({"a": "", "b": 1, "c": true, "d": null, "e": "x".repeat(5000), "f": "line\n\u{202e}"}),
            json!({"x".repeat(128): "y"}),
            json!({"": null}),
        ],
        ToField => vec![
            json!({}),
            json!({"agents": null, "groups": ["g"]}),
            json!({"agents": [], "groups": ["g"]}),
            json!({"agents": ["a", "a"], "groups": ["g"]}),
            json!({"agents": names(50), "groups": names(50)}),
            json!({"agents": vec!["same"; 5000]}),
        ],
    }
}

/// The values that it does not take.
fn wrong(kind: Kind) -> Vec<Value> {
    let mut values = match kind {
        Name => {
            let mut values = vec![json!(""), json!("x".repeat(129)), json!("é".repeat(65)), json!("x".repeat(60_000))];
            let hidden = "\0\n\u{1f}\u{7f}\u{85}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                \u{2066}\u{2067}\u{2068}\u{2069}";
            values.extend(hidden.chars().map(|character| json!(format!("a{character}b"))));
            values
        }
        Words(max) => vec![json!("x".repeat(max + 1)), json!("é".repeat(max / 2 + 1))],
        Any => vec![],
        Token => vec![json!("")],
        Flag => vec![json!("true"), json!(0)],
        Count => {
            vec![
                json!(-1),
                json!(1.5),
                json!(u64::from(u32::MAX) + 1),
                json!(1e300),
                json!(u64::MAX),
                json!("3"),
                json!(""),
            ]
        }
        Kind::Presence => vec![json!(""), json!("Away"), json!("busy")],
        Role => vec![json!(""), json!("Agent"), json!("admin")],
        ResumeField => vec![json!("")],
        Names => vec![
            json!([""]),
            json!([1]),
            json!([null]),
            json!([["a"]]),
            names(65),
            json!(["a\n"]),
            json!(["x".repeat(129)]),
        ],
        Parameters => vec![
            json!({"": "x"}),
            json!({"x".repeat(129): "y"}),
            json!({"a\nb": "y"}),
            json!({"a": []}),
            json!({"a": {}}),
            json!({"a": ["x"]}),
        ],
        ToField => vec![
            json!({"agents": "ada"}),
            json!({"agents": [1]}),
            json!({"agents": [], "groups": []}),
            json!({"agents": ["a"], "other": 1}),
            json!({"groups": [null]}),
            json!({"groups": [""]}),
            json!({"groups": {}}),
            json!({"agents": ["x".repeat(129)]}),
            json!({"agents": names(101)}),
            json!({"agents": names(50), "groups": names(51)}),
        ],
    };
    if !matches!(kind, Name | Words(_) | Any | Token | ResumeField | Kind::Presence | Role) {
        values.push(json!("x"));
    }
    if !matches!(kind, Flag | ResumeField) {
        values.extend([json!(true), json!(false)]);
    }
    if kind != Count {
        values.extend([json!(1), json!(-1.5e3)]);
    }
    if kind != Names {
        values.extend([json!([]), json!(["x"])]);
    }
    if !matches!(kind, Parameters | ToField) {
        values.extend([json!({}), json!({"a": "b"})]);
    }
    values
}

fn with(message: &Value, field: &str, value: Value) -> String {
    let mut message = message.clone();
    message[field] = value;
    message["id"] = json!("m-1");
    message["correlationId"] = json!(GUID);
    message.to_string()
}

#[track_caller]
fn assert_taken(text: &str) {
    let message = decode(text).unwrap_or_else(|fault| panic!("{}: {}", shortened(text), fault.detail));
    assert_eq!(message.envelope.id.as_deref(), Some("m-1"));
    assert_eq!(message.envelope.correlation_id.as_deref(), Some(GUID));
    assert_eq!(serde_json::from_str::<Value>(text).unwrap()["type"], message.body.type_name());
}

#[track_caller]
fn assert_refused(text: &str, field: &str) {
    let fault = decode(text).expect_err(shortened(text));
    assert_eq!(fault.code, ErrorCode::BadParameter, "{text}");
    assert_eq!(fault.envelope.id.as_deref(), Some("m-1"));
    assert_eq!(fault.envelope.correlation_id.as_deref(), Some(GUID));
    let kind = serde_json::from_str::<Value>(text).unwrap()["type"].clone();
    assert_eq!(fault.call, CallName::of_type(kind.as_str().unwrap()));
    assert!(fault.detail.contains(field), "{field}: {}", fault.detail);
    assert!(fault.detail.len() < 300 && !fault.detail.contains('\n'), "{}", fault.detail);
}

#[test]
fn every_field_of_every_message() {
    for (message, fields) in messages() {
        for (field, kind, required) in fields {
            for value in right(kind) {
                assert_taken(&with(&message, field, value));
            }
            for value in wrong(kind) {
                assert_refused(&with(&message, field, value), field);
            }
            let null = with(&message, field, Value::Null);
            let mut absent: Value = serde_json::from_str(&null).unwrap();
            absent.as_object_mut().unwrap().remove(field);
            let absent = absent.to_string();
            if required {
                assert_refused(&null, field);
                assert_refused(&absent, field);
            } else {
                assert_taken(&null);
                assert_taken(&absent);
                let read = |text| decode(text).unwrap().body;
                assert_eq!(read(&null), read(&absent));
            }
        }
    }
}

#[test]
fn the_envelope_of_every_message() {
    let guids = [
        GUID,
        "7f9cd1e20a1b4c2d8e3f001122334455",
        "{7f9cd1e2-0A1B-4c2d-8e3f-001122334455}",
        "{7F9CD1E20A1B4C2D8E3F001122334455}",
    ];
    let no_guids = [
        json!(""),
        json!("7f9c"),
        json!("7f9cd1e2-0a1b-4c2d-8e3f-00112233445"),
        json!("7f9cd1e2-0a1b-4c2d-8e3f-0011223344556"),
        json!("7f9cd1e20-a1b-4c2d-8e3f-001122334455"),
        json!("{7f9cd1e20a1b4c2d8e3f001122334455"),
        json!("7f9cd1e20a1b4c2d8e3f001122334455}"),
        json!("(7f9cd1e20a1b4c2d8e3f001122334455)"),
        json!("7f9cd1e20a1b4c2d8e3f00112233445g"),
        json!("é".repeat(16)),
        json!(" 7f9cd1e20a1b4c2d8e3f001122334455"),
        json!(1),
        json!([]),
        json!({}),
        json!(true),
    ];
    for (mut message, _) in messages() {
        for guid in guids {
            message["correlationId"] = json!(guid);
            assert_eq!(decode(&message.to_string()).unwrap().envelope.correlation_id.as_deref(), Some(guid));
        }
        for wrong in &no_guids {
            message["id"] = json!("m-1");
            message["correlationId"] = wrong.clone();
            let text = message.to_string();
            let fault = decode(&text).unwrap_err();
            assert_eq!((fault.code, fault.envelope.id.as_deref()), (ErrorCode::BadParameter, Some("m-1")), "{text}");
            assert_eq!(fault.envelope.correlation_id, None);
        }
        message["correlationId"] = json!(GUID);
        for wrong in wrong(Name) {
            message["id"] = wrong;
            let text = message.to_string();
            let fault = decode(&text).unwrap_err();
            assert_eq!((fault.code, fault.envelope.id), (ErrorCode::BadParameter, None), "{text}");
            assert_eq!(fault.envelope.correlation_id.as_deref(), Some(GUID));
        }
        for right in right(Name) {
            message["id"] = right.clone();
            assert_eq!(decode(&message.to_string()).unwrap().envelope.id.as_deref(), right.as_str());
        }
    }
}

#[test]
fn what_is_no_message() {
    let deep = "[".repeat(60_000);
    let deep_object = r#"{"a":"#.repeat(10_000);
    let unknown = "x".repeat(60_000);
    for text in [
        "",
        " ",
        "null",
        "true",
        "7",
        "\"ping\"",
        "[]",
        r#"[{"type":"ping"}]"#,
        "{",
        r#"{"type":"ping"} x"#,
        r#"{"type":"ping"}{"type":"ping"}"#,
        r#"{"type":"ping",}"#,
        r#"{'type':'ping'}"#,
        "{\"type\":\"ping\",\"x\":\"\n\"}",
        r#"{"type":"ping","x":"\u12"}"#,
        r#"{"type":"ping","x":01}"#,
        "\u{feff}{\"type\":\"ping\"}",
        r#"{}"#,
        r#"{"type":null}"#,
        r#"{"type":""}"#,
        r#"{"type":"Ping"}"#,
        r#"{"type":1}"#,
        r#"{"type":["ping"]}"#,
        r#"{"type":"welcome"}"#,
        r#"{"type":"\ud800"}"#,
        &deep,
        &deep_object,
        &format!("{{\"type\":\"{unknown}\"}}"),
        &format!("\"{unknown}\""),
    ] {
        let fault = decode(text).expect_err(shortened(text));
        assert_eq!((fault.code, fault.call), (ErrorCode::BadMessage, None), "{text}");
        assert!(fault.detail.len() < 300, "{}", fault.detail);
    }
}

#[test]
fn an_unknown_type_carries_back_its_ids() {
    let text = format!(r#"{{"id":"m-1","type":"dance","correlationId":"{GUID}"}}"#);
    let fault = decode(&text).unwrap_err();
    assert_eq!((fault.code, fault.envelope.id.as_deref()), (ErrorCode::BadMessage, Some("m-1")));
    assert_eq!(fault.envelope.correlation_id.as_deref(), Some(GUID));
    assert!(fault.detail.contains("dance"));
}

#[test]
fn what_nobody_asked_for_is_ignored() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for extra in ["1", "[1,{\"a\":[]}]", "\"\\ud800\"", &deep] {
        let text = format!(r#"{{"zzz":{extra},"type":"ping","sessionId":{extra}}}"#);
        assert_eq!(decode(&text).unwrap().body, Body::Ping);
    }
    let message = decode(r#"{"\ud800":1,"id":"m-1","typ\udc00":"x","type":"ping"}"#).unwrap();
    assert_eq!((message.body, message.envelope.id.as_deref()), (Body::Ping, Some("m-1")));
    let agent = decode(r#"{"type":"hello","role":"agent","providerId":7,"resume":[]}"#).unwrap();
    let who = HelloRole::Agent { agent_id: None, groups: None, presence: None };
    assert_eq!(agent.body, Body::Hello(Hello { role: who, token: None }));
}

#[test]
fn depth_inside_a_field_is_a_wrong_type_and_no_more() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    for field in ["templateName", "templateParameters", "to", "sessionId"] {
        let text = format!(r#"{{"id":"m-1","type":"notify","templateName":"t","{field}":{deep}}}"#);
        assert_eq!(decode(&text).unwrap_err().code, ErrorCode::BadParameter);
    }
    let text = format!(r#"{{"type":"notify","templateName":"t","templateParameters":{{"a":{deep}}}}}"#);
    assert_eq!(decode(&text).unwrap_err().code, ErrorCode::BadParameter);
    let text = format!(r#"{{"type":"notify","templateName":"t","to":{{"agents":[{deep}]}}}}"#);
    assert_eq!(decode(&text).unwrap_err().code, ErrorCode::BadParameter);
}

#[test]
fn an_escape_that_is_no_character_is_a_wrong_field() {
    let text = r#"{"id":"m-1","type":"cancel","cancellationToken":"\ud800"}"#;
    let fault = decode(text).unwrap_err();
    assert_eq!((fault.code, fault.call), (ErrorCode::BadParameter, Some(CallName::CancelEvent)));
}

#[test]
fn escapes_are_read_everywhere() {
    let text = r#"{"\u0074ype":"cance\u006c","cancellationToken":"\ud83d\ude00\"","id":"\u0061"}"#;
    let message = decode(text).unwrap();
    assert_eq!(message.body, Body::Cancel { cancellation_token: "😀\"".into() });
    assert_eq!(message.envelope.id.as_deref(), Some("a"));
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let text = r#"{"type":"notify","type":"cancel","cancellationToken":7,"cancellationToken":"b","id":"x","id":null}"#;
    let message = decode(text).unwrap();
    assert_eq!(message.body, Body::Cancel { cancellation_token: "b".into() });
    assert_eq!(message.envelope.id, None);
}

fn notify(fields: &str) -> NotifyMessage<'static> {
    let text = format!(r#"{{"type":"notify","templateName":"t"{fields}}}"#);
    match decode(text.leak()).unwrap().body {
        Body::Notify(notify) => notify,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_parameter_keeps_the_text_that_was_written() {
    let read = notify(
        r#","templateParameters":{"z":1.0,"a":1e3,"n":-0,"big":123456789012345678901234567890,"t":true,"s":"é\n","gone":null,"":null,"twice":1,"twice":"2","late":"x","late":null}"#,
    );
    let expected = [("a", "1e3"), ("big", "123456789012345678901234567890"), ("n", "-0"), ("s", "é\n"), ("t", "true")];
    let mut expected = expected.map(|(name, value)| (Text::from(name), Text::from(value))).to_vec();
    expected.push(("twice".into(), "2".into()));
    expected.push(("z".into(), "1.0".into()));
    assert_eq!(read.template_parameters, expected);
}

#[test]
fn to_is_sorted_and_names_nobody_twice() {
    let read = notify(r#","to":{"groups":["b","a","b"],"agents":["z","y"]}"#);
    assert_eq!(read.to, AddressedTo { agents: vec!["y".into(), "z".into()], groups: vec!["a".into(), "b".into()] });
    for everybody in [r#","to":{}"#, r#","to":null"#, r#","to":{"agents":null}"#] {
        assert_eq!(notify(everybody).to, AddressedTo::default(), "{everybody}");
    }
    for (to, word) in [
        (r#"{"agents":[]}"#, "leave it out"),
        (r#"{"groups":[],"agents":null}"#, "leave it out"),
        (r#"{"agent":["ada"]}"#, "unknown member \"agent\""),
        (r#"{"agents":["ada"],"id":"x"}"#, "unknown member \"id\""),
    ] {
        let text = format!(r#"{{"type":"notify","templateName":"t","to":{to}}}"#);
        let error = decode(&text).unwrap_err();
        assert_eq!(error.code, ErrorCode::BadParameter);
        assert!(error.detail.contains(word), "{to}: {}", error.detail);
    }
}

#[test]
fn groups_keep_their_order_and_an_empty_list_is_not_absent() {
    let groups = |list: &str| {
        let text = format!(r#"{{"type":"hello","role":"agent","groups":{list}}}"#);
        match decode(text.leak()).unwrap().body {
            Body::Hello(Hello { role: HelloRole::Agent { groups, .. }, .. }) => groups,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(groups(r#"["b","a","b"]"#), Some(vec!["b".into(), "a".into()]));
    assert_eq!(groups("[]"), Some(vec![]));
    assert_eq!(groups("null"), None);
}

#[test]
fn what_stands_unescaped_is_borrowed() {
    let text = r#"{"type":"accept","id":"a-1","notificationId":"0192f0c4-7e3a-7b21-8c55-0123456789ab"}"#;
    let message = decode(text).unwrap();
    assert!(matches!(message.envelope.id, Some(Text::Borrowed(_))));
    assert!(matches!(message.body, Body::Accept { notification_id: Text::Borrowed(_) }));
}

#[test]
fn a_priority_is_a_whole_number_from_0_to_9() {
    assert_eq!(
        [r#","priority":0"#, r#","priority":9.0"#, ""].map(|fields| notify(fields).priority),
        [Some(0), Some(9), None]
    );
    for wrong in ["-1", "10", "1.5", "\"1\"", "true", "[1]"] {
        let text = format!(r#"{{"type":"notify","templateName":"t","priority":{wrong}}}"#);
        assert_eq!(decode(&text).unwrap_err().detail, "`priority` must be a whole number from 0 to 9", "{wrong}");
    }
}

#[test]
fn notifies_that_say_the_same_have_the_same_fingerprint() {
    let same =
        |one: &str, other: &str| assert_eq!(notify(one).fingerprint(), notify(other).fingerprint(), "{one} {other}");
    same("", r#","templateParameters":{},"to":{},"sessionId":null"#);
    same("", r#","templateParameters":{"a":null},"to":{"agents":null,"groups":null}"#);
    same("", r#","id":"x","correlationId":"7f9cd1e20a1b4c2d8e3f001122334455","other":1"#);
    same(r#","templateParameters":{"a":1,"b":true}"#, r#","templateParameters":{"b":"true","a":"1"}"#);
    same("", r#","priority":null"#);
    same(r#","priority":3"#, r#","priority":3.0"#);
    same(r#","to":{"agents":["a","b"]}"#, r#","to":{"agents":["b","\u0061","b"]}"#);
}

#[test]
fn notifies_that_say_something_else_have_another() {
    let all = [
        "",
        r#","templateParameters":{"a":""}"#,
        r#","templateParameters":{"a":"b"}"#,
        r#","templateParameters":{"ab":""}"#,
        r#","templateParameters":{"a":"b","c":"d"}"#,
        r#","templateParameters":{"a":1.0}"#,
        r#","templateParameters":{"a":1}"#,
        r#","sessionId":"x""#,
        r#","cancellationToken":"x""#,
        r#","to":{"agents":["x"]}"#,
        r#","to":{"groups":["x"]}"#,
        r#","to":{"groups":["x","y"]}"#,
        r#","to":{"groups":["xy"]}"#,
        r#","to":{"agents":["x"],"groups":["y"]}"#,
        r#","templateName":"u""#,
        r#","priority":0"#,
        r#","priority":9"#,
    ];
    let sums: std::collections::BTreeSet<u128> = all.iter().map(|fields| notify(fields).fingerprint()).collect();
    assert_eq!(sums.len(), all.len());
}

#[test]
fn a_fingerprint_never_changes() {
    // It stands in logs: another algorithm would make every repeated notify a stranger after an upgrade.
    let read = notify(r#","templateParameters":{"customerName":"Grace"},"to":{"groups":["billing"]}"#);
    assert_eq!(format!("{:032x}", read.fingerprint()), "6601bdc0e415015572d4bef01d10ca28");
}

#[test]
fn roles_may_send_what_the_contract_says() {
    let allowed = |kind: &str| -> Vec<&str> {
        let (message, _) = messages().into_iter().find(|(message, _)| message["type"] == kind).unwrap();
        let text = message.to_string();
        let body = decode(&text).unwrap().body;
        crate::Role::ALL.into_iter().filter(|role| body.is_for(*role)).map(|role| role.as_str()).collect()
    };
    for kind in ["hello", "refresh", "ping"] {
        assert_eq!(allowed(kind), ["provider", "agent", "observer"]);
    }
    for kind in ["notify", "cancel", "kpi", "activity"] {
        assert_eq!(allowed(kind), ["provider"]);
    }
    for kind in ["accept", "reject", "seen", "presence"] {
        assert_eq!(allowed(kind), ["agent"]);
    }
    assert_eq!(allowed("endSession"), ["provider", "agent"]);
}
