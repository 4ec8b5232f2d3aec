//! The program's messages and exit codes when its command line or configuration is wrong, seen from outside.

#[path = "support/load_tool.rs"]
mod load_tool;

use std::process::{Command, Output};

fn deskbell(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deskbell"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DESKBELL_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("deskbell runs")
}

/// Standard output, standard error, exit code.
fn said(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn a_configuration_error_ends_the_start_with_64_and_no_output() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("deskbell.toml");
    std::fs::write(&file, "[limits]\ndisplayLimit = 0\nunknown = 1\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let (out, err, code) = said(&deskbell(&["--config", file, "--unknown-flag", "--listen", "0.0.0.0:0"]));
    assert_eq!((out.as_str(), code), ("", Some(64)));
    for fault in ["--unknown-flag: ", ":2:16: ", ":3:1: ", "--listen: 0.0.0.0:0 "] {
        assert!(err.contains(fault), "no {fault:?} in {err}");
    }
    assert_eq!(err.lines().count(), 5, "{err}");
}

#[test]
fn check_reports_ok_or_the_error_that_serve_would() {
    assert_eq!(said(&deskbell(&["check"])), ("ok\n".into(), String::new(), Some(0)));
    let (out, err, code) = said(&deskbell(&["check", "--config", "/nowhere/deskbell.toml"]));
    assert_eq!((out.as_str(), code), ("", Some(64)));
    assert!(err.contains("/nowhere/deskbell.toml: the configuration file cannot be read"), "{err}");
}

#[test]
fn check_warns_of_a_secret_that_can_be_guessed() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("secret");
    for (secret, warns) in [("short", true), ("a secret of these tests, long enough to be one", false)] {
        std::fs::write(&file, secret).expect("written");
        let (out, err, code) = said(&deskbell(&["check", "--auth-secret-file", file.to_str().expect("UTF-8")]));
        assert_eq!((out.as_str(), code), ("ok\n", Some(0)));
        assert_eq!(err.contains("warning: ") && err.contains("fewer than 32"), warns, "{err}");
    }
}

#[test]
fn a_command_says_how_it_is_used() {
    load_tool::build();
    for command in ["load", "token", "explain", "check", "serve"] {
        let (out, _, code) = said(&deskbell(&[command, "--help"]));
        assert!(out.contains(&format!("Usage: deskbell {command}")) && code == Some(0), "{out}");
    }
    for (arguments, wrong) in [
        (&["token", "--sub", "ada"][..], "--secret-file <FILE>"),
        (&["load", "--agents", "many"], "invalid value 'many'"),
        (&["explain"], "<ID>"),
    ] {
        let (out, err, code) = said(&deskbell(arguments));
        assert_eq!((out.as_str(), code), ("", Some(64)), "{err}");
        let usage = err.lines().any(|line| line.starts_with(&format!("Usage: deskbell {}", arguments[0])));
        assert!((usage || arguments[0] == "load") && err.contains(wrong) && err.lines().count() > 2, "{err}");
    }
}

#[test]
fn explain_says_how_to_name_the_data_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let id = "0192f0c4-7e3a-7b21-8c55-0123456789ab";
    for place in [directory.path().join("none"), directory.path().to_owned()] {
        let (_, err, code) = said(&deskbell(&["explain", id, "--data-dir", place.to_str().expect("UTF-8")]));
        assert!(code == Some(1) && err.contains("--data-dir") && err.contains("--admin"), "{err}");
    }
}

#[test]
fn version_and_help_are_on_standard_output() {
    let version = format!("deskbell {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&deskbell(&["--version"])), (version, String::new(), Some(0)));
    let (out, err, code) = said(&deskbell(&["--help"]));
    assert!(out.contains("--data-dir") && err.is_empty() && code == Some(0), "{out}{err}");
}

#[test]
fn a_missing_load_tool_is_named_with_the_command_that_builds_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let alone = directory.path().join("deskbell");
    std::fs::copy(env!("CARGO_BIN_EXE_deskbell"), &alone).expect("copied");
    let (out, err, code) = said(&Command::new(&alone).arg("load").output().expect("deskbell runs"));
    assert_eq!((out.as_str(), code), ("", Some(1)));
    assert!(err.contains("deskbell-load") && err.contains("cargo build --release -p deskbell-load"), "{err}");
}
