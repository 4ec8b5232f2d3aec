//! The hub's dependencies: licences, sources, and banned crates. `deny.toml` has the same rules for cargo-deny, which takes long to
//! build; this test checks them on every machine.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn deny() -> toml::Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml");
    std::fs::read_to_string(path).expect("deny.toml is there").parse().expect("it is TOML")
}

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("a list").clone()
}

/// Whether one of the alternatives of a licence expression is allowed in all its parts.
fn is_allowed(licence: &str, allowed: &BTreeSet<&str>) -> bool {
    let licence = licence.replace('/', " OR ");
    licence.split(" AND ").all(|part| {
        let alternatives = part.trim_matches(['(', ')']).split(" OR ");
        alternatives.map(str::trim).any(|one| allowed.contains(one))
    })
}

#[test]
fn licences_sources_and_bans_are_as_deny_toml_says() {
    let deny = deny();
    let allowed: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().expect("a list").iter().filter_map(toml::Value::as_str).collect();
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).collect();
    let mut faults = Vec::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap_or_default();
        if !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed) {
            faults.push(format!("{name}: the licence {} is not allowed", package["license"]));
        }
        if banned.contains(name) {
            faults.push(format!("{name} is banned"));
        }
        if !package["source"].is_null() && package["source"] != REGISTRY {
            faults.push(format!("{name} comes from {}", package["source"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Unicode-3.0"]);
    for fine in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_allowed(fine, &allowed), "{fine}");
    }
    for not in ["GPL-3.0", "MIT AND GPL-3.0", "", "LGPL-2.1 OR GPL-3.0"] {
        assert!(!is_allowed(not, &allowed), "{not}");
    }
}
