//! The OpenAPI document, both ways: every exchange of the tests conforms to it, and the tests show everything in it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::ask::{Answer, Ask, recall, ring};
use crate::harness::{Setup, document, hub, within};
use crate::{guarded, raw, token};

/// Answers that any request may get, described in words.
const EVERYWHERE: [u16; 2] = [405, 408];

/// The document, and the AsyncAPI document, whose schemas of the same messages are stricter, as one.
fn both() -> &'static Value {
    static BOTH: OnceLock<Value> = OnceLock::new();
    BOTH.get_or_init(|| {
        let open: Value = yaml_serde::from_str(include_str!("../../client-demo/openapi.yaml")).expect("it is YAML");
        let mut both = json!({"openapi": open, "asyncapi": {"components": document().root["components"]}});
        for name in ["openapi", "asyncapi"] {
            redirect(&mut both[name], name);
        }
        both
    })
}

fn redirect(value: &mut Value, own: &str) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(pointer)) = fields.get_mut("$ref") {
                let path = pointer.strip_prefix('#').unwrap_or_else(|| panic!("{pointer} is in another file"));
                *pointer = format!("#/{own}{path}");
            }
            fields.values_mut().for_each(|value| redirect(value, own));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, own)),
        _ => {}
    }
}

fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(pointer) => resolve(both().pointer(&pointer[1..]).unwrap_or_else(|| panic!("no {pointer}"))),
        None => value,
    }
}

/// The schema's validator, created once, because that takes long.
fn validator(schema: &Value) -> Arc<Validator> {
    static MADE: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(made.entry(schema.to_string()).or_insert_with(|| Arc::new(make(schema))))
}

fn make(schema: &Value) -> Validator {
    let whole = json!({"openapi": both()["openapi"], "asyncapi": both()["asyncapi"], "allOf": [schema]});
    jsonschema::draft202012::new(&whole).unwrap_or_else(|fault| panic!("{schema}: {fault}"))
}

/// Whether the value fits the schema, with sizes counted in bytes.
fn fits(schema: &Value, value: &Value) -> bool {
    document().takes(&validator(schema), value)
}

/// The operation that a request means.
fn operation(ask: &Ask) -> Option<(String, &'static Value)> {
    let path = ask.target.split('?').next().unwrap();
    let paths = both()["openapi"]["paths"].as_object().unwrap();
    let (_, methods) = paths.iter().find(|(template, _)| match template.split_once('{') {
        Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| !rest.is_empty() && !rest.contains('/')),
        None => **template == path,
    })?;
    // HEAD is GET without a body.
    let method = if ask.method == "HEAD" { "get".to_owned() } else { ask.method.to_lowercase() };
    let operation = methods.get(&method)?;
    Some((operation["operationId"].as_str().unwrap().to_owned(), operation))
}

/// The values of a request's parameters, by name.
fn parameters(ask: &Ask, operation: &'static Value) -> Vec<(String, &'static Value, String)> {
    let (path, query) = ask.target.split_once('?').unwrap_or((&ask.target, ""));
    let mut found = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten().map(resolve) {
        let name = parameter["name"].as_str().unwrap();
        let value = match parameter["in"].as_str().unwrap() {
            "path" => path.rsplit('/').next().map(str::to_owned),
            "header" => ask
                .headers
                .iter()
                .find(|(have, _)| have.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim_matches('"').to_owned()),
            _ => query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).map(decoded),
        };
        found.extend(value.map(|value| (name.to_owned(), &parameter["schema"], value)));
    }
    found
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits: String = if byte == b'%' { rest.by_ref().take(2).map(char::from).collect() } else { String::new() };
        bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The AsyncAPI schema of the same message as this one of the document, if there is one.
fn original(schema: &Value) -> Option<Value> {
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    let lower = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
    let schemas = &both()["asyncapi"]["components"]["schemas"];
    let ours = both()["openapi"]["components"]["schemas"][name]["properties"]["type"]["const"] == "error";
    let found = if ours { "error" } else { &lower };
    schemas[found].is_object().then(|| json!({"$ref": format!("#/asyncapi/components/schemas/{found}")}))
}

fn sent(ask: &Ask) -> Option<Value> {
    serde_json::from_slice(ask.body.as_deref()?).ok()
}

/// The faults of a request, according to the document.
fn faults(ask: &Ask, operation: &'static Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, schema, value) in parameters(ask, operation) {
        if !fits(schema, &json!(value)) {
            faults.push(format!("{name}={value}"));
        }
    }
    if operation["requestBody"].is_object() {
        let json = ask
            .headers
            .iter()
            .any(|(name, value)| name == "Content-Type" && value.split(';').next() == Some("application/json"));
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let original = original(schema).expect("each call is a message");
        let is_described = |mut body: Value| {
            // The path says which call it is, and `null` counts as absent.
            if body.is_object() && body["type"].is_null() {
                body["type"] = operation["operationId"].clone();
            }
            let (simple, strict) = (fits(schema, &body), fits(&original, &body));
            assert!(simple || !strict, "the simpler schema is the stricter one: {body}");
            strict
        };
        if !json || !sent(ask).is_some_and(is_described) {
            faults.push("the body".to_owned());
        }
    }
    faults
}

/// The rules that the document gives in words only.
fn is_beyond_schemas(ask: &Ask) -> bool {
    let key = ask.headers.iter().find(|(name, _)| name == "Idempotency-Key").map(|(_, key)| key.trim_matches('"'));
    let id = sent(ask).and_then(|body| body["id"].as_str().map(str::to_owned));
    key.is_some_and(|key| id.is_some_and(|id| id != key))
}

/// Holds an exchange to the document.
///
/// # Panics
/// If the document does not describe it.
pub(crate) fn judge(ask: &Ask, answer: &Answer) {
    let of = || format!("{} {} was answered with {answer:?}", ask.method, ask.target);
    let Some((_, operation)) = operation(ask) else {
        let expected =
            [404, 405].contains(&answer.status) || ask.method == "OPTIONS" && [204, 403].contains(&answer.status);
        assert!(expected || !ask.target.starts_with("/api") && ask.target != "/templates", "no operation: {}", of());
        return;
    };
    if EVERYWHERE.contains(&answer.status) {
        assert!(fits(&json!({"$ref": "#/asyncapi/components/schemas/error"}), &answer.body), "{}", of());
        return;
    }
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "no such status: {}", of());
    let response = resolve(response);
    if ask.method != "HEAD" && response["content"]["text/plain; charset=utf-8"].is_object() {
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"), "{}", of());
    } else if ask.method != "HEAD" {
        let schema = &response["content"]["application/json"]["schema"];
        for schema in [Some(schema.clone()), original(schema)].into_iter().flatten() {
            let faults: Vec<_> = validator(&schema).iter_errors(&answer.body).map(|fault| fault.to_string()).collect();
            assert!(faults.is_empty(), "{}\n{}", of(), faults.join("\n"));
        }
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", of());
    }
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolve(header);
        let value = answer.header(&name.to_lowercase()).unwrap_or_else(|| panic!("no {name}: {}", of()));
        let number = value.parse::<u64>().map(Value::from);
        assert!(fits(&header["schema"], &number.unwrap_or_else(|_| json!(value))), "{name}: {}", of());
    }
    let faults = faults(ask, operation);
    let malformed = matches!(answer.body["code"].as_str(), Some("badMessage" | "badParameter"));
    let beyond = is_beyond_schemas(ask) || answer.status == 413;
    assert!(!malformed || !faults.is_empty() || beyond, "the document has nothing against it: {}", of());
    assert!(faults.is_empty() || answer.status >= 400, "the document has {faults:?} against it, but {}", of());
}

/// What of the document has been shown.
#[derive(Debug, Default)]
pub(crate) struct Shown(BTreeSet<String>);

impl Shown {
    pub(crate) fn note(&mut self, ask: &Ask, answer: &Answer) {
        let Some((name, operation)) = operation(ask) else { return };
        self.0.insert(format!("{name} {}", answer.status));
        if answer.status >= 300 {
            return;
        }
        for (parameter, ..) in parameters(ask, operation) {
            self.0.insert(format!("{name} ?{parameter}"));
        }
        for field in sent(ask).iter().filter_map(Value::as_object).flat_map(|body| body.keys()) {
            self.0.insert(format!("{name} .{field}"));
        }
    }

    fn unseen(&self) -> Vec<String> {
        let mut described = BTreeSet::new();
        for operation in
            both()["openapi"]["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap())
        {
            let operation = operation.1;
            let name = operation["operationId"].as_str().unwrap();
            described
                .extend(operation["responses"].as_object().unwrap().keys().map(|status| format!("{name} {status}")));
            let parameters = operation["parameters"].as_array().unwrap().iter().map(resolve);
            described.extend(parameters.map(|one| format!("{name} ?{}", one["name"].as_str().unwrap())));
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if !body.is_null() {
                let fields = resolve(body)["properties"].as_object().unwrap().keys();
                described.extend(fields.map(|field| format!("{name} .{field}")));
            }
        }
        described.difference(&self.0).cloned().collect()
    }
}

#[tokio::test]
async fn the_hub_serves_both_documents_as_text_that_browsers_show() {
    let hub = hub("").await;
    for (path, text) in [
        ("/openapi.yaml", include_str!("../../client-demo/openapi.yaml")),
        ("/asyncapi.yaml", include_str!("../../client-demo/asyncapi.yaml")),
    ] {
        let response = raw::get(hub.port, path).await;
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.to_lowercase().contains("text/plain") && body == text, "{path}");
    }
}

#[test]
fn every_reference_resolves_and_every_definition_is_used() {
    let mut referred = BTreeSet::new();
    references(&both()["openapi"], &mut referred);
    for pointer in &referred {
        assert!(both().pointer(&pointer[1..]).is_some(), "{pointer} is not there");
    }
    for (kind, parts) in both()["openapi"]["components"].as_object().unwrap() {
        for name in parts.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(
                referred.contains(&format!("#/openapi/components/{kind}/{name}")),
                "nothing refers to {kind}/{name}"
            );
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    found.extend(value["$ref"].as_str().map(str::to_owned));
    value.as_object().into_iter().flat_map(|object| object.values()).for_each(|value| references(value, found));
    value.as_array().into_iter().flatten().for_each(|value| references(value, found));
}

/// Programs follow links, not headers: where an answer has a `Location`, the document has a link as well.
#[test]
fn where_an_answer_has_a_location_there_is_a_link() {
    let operations =
        || both()["openapi"]["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let mut followed = 0;
    for response in operations().flat_map(|(_, operation)| operation["responses"].as_object().unwrap().values()) {
        let response = resolve(response);
        if !response["headers"]["Location"].is_object() {
            continue;
        }
        let link = resolve(&response["links"]["outcome"]);
        let (_, goal) = operations().find(|(_, operation)| operation["operationId"] == link["operationId"]).unwrap();
        let known: Vec<_> =
            goal["parameters"].as_array().unwrap().iter().map(|one| resolve(one)["name"].as_str().unwrap()).collect();
        let said = link["parameters"].as_object().unwrap();
        assert!(
            said.contains_key("notificationId") && said.keys().all(|name| known.contains(&name.as_str())),
            "{link}"
        );
        followed += 1;
    }
    assert_eq!(followed, 4, "200 and 202 of notify and of asking again");
}

#[test]
fn every_example_matches_its_schema() {
    for path in both()["openapi"]["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values().filter(|operation| operation["requestBody"].is_object()) {
            let content = &operation["requestBody"]["content"]["application/json"];
            for example in content["examples"].as_object().unwrap().values() {
                assert!(fits(&content["schema"], &example["value"]), "{example}");
            }
        }
    }
    for parameter in both()["openapi"]["components"]["parameters"].as_object().unwrap().values() {
        assert!(fits(&parameter["schema"], &parameter["example"]), "{parameter}");
    }
}

const GUID: &str = "7f9c24e8-3b12-4fef-91e0-56e0c5a1b001";

/// The five calls, each as a valid message with every optional field.
fn whole_calls() -> Vec<(&'static str, Value)> {
    vec![
        (
            "notify",
            json!({"type": "notify", "id": "n-1", "correlationId": GUID, "templateName": "chat",
            "templateParameters": {"customerName": "Grace", "more": 1}, "cancellationToken": "t", "sessionId": "s",
            "to": {"agents": ["ada", "nobody"]}, "priority": 5, "context": {"language": "en"}}),
        ),
        (
            "kpi",
            json!({"type": "kpi", "id": "k-1", "correlationId": GUID, "sessionId": "s", "shouldReset": false,
            "details": "late"}),
        ),
        ("activity", json!({"type": "activity", "id": "v-1", "correlationId": GUID, "sessionId": "s", "count": 3})),
        ("endSession", json!({"type": "endSession", "id": "e-1", "correlationId": GUID, "sessionId": "s"})),
        ("cancel", json!({"type": "cancel", "id": "c-1", "correlationId": GUID, "cancellationToken": "t"})),
    ]
}

#[tokio::test]
async fn the_document_describes_nothing_that_the_hub_does_not_do() {
    let shown = &mut Shown::default();
    show_calls(shown).await;
    show_refusals(shown).await;
    show_tokens(shown).await;
    show_limits(shown).await;
    assert_eq!(shown.unseen(), [""; 0]);
}

async fn show_calls(shown: &mut Shown) {
    let hub = hub("").await;
    let mut ada = hub.agent("ada").await;
    for (name, body) in whole_calls() {
        let target = format!("/api/{name}?providerId=bot{}", if name == "notify" { "&wait=0s" } else { "" });
        let ask = Ask::post(&target, &body).header("Idempotency-Key", body["id"].as_str().unwrap());
        let answer = ask.shown(&hub, shown).await;
        if name == "notify" {
            let id = answer.is(202, "").notification();
            recall(&id, "?providerId=bot&wait=1ms").shown(&hub, shown).await.is(202, "");
            ada.accept(&id).await;
            recall(&id, "?providerId=bot&wait=30s").shown(&hub, shown).await.is(200, "");
            Ask::post(&target, &body).shown(&hub, shown).await.is(200, "");
        } else {
            answer.is(200, "");
        }
    }
}

async fn show_refusals(shown: &mut Shown) {
    let hub = hub("").await;
    Ask::new("GET", "/templates").shown(&hub, shown).await.is(200, "");
    Ask::new("HEAD", "/templates").shown(&hub, shown).await.is(200, "");
    let large = vec![b' '; 65_537];
    for (name, body) in whole_calls() {
        let target = format!("/api/{name}");
        let ask = Ask::post(&target, &body);
        Ask::post(&target, &json!([])).shown(&hub, shown).await.is(400, "badMessage");
        ask.clone().body(large.clone()).shown(&hub, shown).await.is(413, "");
        let plain = Ask::new("POST", &target).header("Content-Type", "text/plain").body("{}");
        plain.shown(&hub, shown).await.is(415, "");
        ask.header("Origin", "http://evil.example").shown(&hub, shown).await.is(403, "notAllowed");
    }
    for (name, body) in whole_calls().into_iter().filter(|(name, _)| !["notify", "kpi"].contains(name)) {
        Ask::post(&format!("/api/{name}"), &body).shown(&hub, shown).await.is(404, "notFound");
    }
    Ask::post("/api/notify", &json!({"templateName": "none"})).shown(&hub, shown).await.is(404, "unknownTemplate");
    Ask::post("/api/notify", &json!({"templateName": "needs"})).shown(&hub, shown).await.is(422, "unresolvedParameter");
    ring("", json!({"cancellationToken": "t"})).shown(&hub, shown).await.is(202, "");
    ring("", json!({"cancellationToken": "t"})).shown(&hub, shown).await.is(409, "tokenTaken");
    let nobodys = crate::harness::NOBODYS;
    recall(nobodys, "").shown(&hub, shown).await.is(404, "notFound");
    recall(nobodys, "?wait=long").shown(&hub, shown).await.is(400, "badParameter");
    recall(nobodys, "").header("Origin", "http://evil.example").shown(&hub, shown).await.is(403, "notAllowed");
}

async fn show_tokens(shown: &mut Shown) {
    let (setup, secret) = guarded(Setup::new());
    let hub = setup.start().await;
    let agents = token(&secret, &["--sub", "ada", "--role", "agent"]);
    for (name, body) in whole_calls() {
        Ask::post(&format!("/api/{name}"), &body).shown(&hub, shown).await.is(401, "badToken");
        Ask::post(&format!("/api/{name}"), &body).token(&agents).shown(&hub, shown).await.is(403, "notAllowed");
    }
    recall(crate::harness::NOBODYS, "").shown(&hub, shown).await.is(401, "badToken");
    Ask::new("GET", "/templates").shown(&hub, shown).await.is(401, "");
    Ask::new("GET", "/templates").token(&agents).shown(&hub, shown).await.is(403, "");
}

async fn show_limits(shown: &mut Shown) {
    let slow = hub("[limits]\nmessagesPerSecond = 1").await;
    let full = hub("[limits]\nmaxConnections = 1").await;
    let _only = full.agent("ada").await;
    let ask = |name: &str, body: &Value| Ask::post(&format!("/api/{name}?providerId={name}"), body);
    for (name, body) in whole_calls() {
        ask(name, &body).shown(&full, shown).await.is(503, "unavailable");
        let limited = async { while ask(name, &body).shown(&slow, shown).await.status != 429 {} };
        within("429 for too many calls", limited).await;
    }
    recall(crate::harness::NOBODYS, "").shown(&full, shown).await.is(503, "unavailable");
    let limited = async { while recall(crate::harness::NOBODYS, "").shown(&slow, shown).await.status != 429 {} };
    within("429 for too many questions", limited).await;
}
