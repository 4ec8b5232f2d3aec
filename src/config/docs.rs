//! The documentation of all settings, from their table.

use super::checked::Config;
use super::setting::Setting;
use super::settings::SETTINGS;

const BEFORE: &str = "\
# Configuration

<!-- Written by `deskbell check --list-settings`; a test holds it to the code. -->

A setting can be given by a flag, by an environment variable, or in the TOML file that `--config` names. A flag wins
over a variable, a variable over the file, the file over the default. An empty variable is as none.

Variables are named after the keys: `[server]` `helloTimeout` is `DESKBELL_HELLO_TIMEOUT`, a key of any other table has
the table's name in it: `[limits]` `displayLimit` is `DESKBELL_LIMITS_DISPLAY_LIMIT`.

- Durations are strings of whole numbers with the units `d`, `h`, `m`, `s`, `ms`: `\"90s\"`, `\"1m30s\"`, `\"100ms\"`.
- Sizes are integers (bytes) or strings with a unit: `65536`, `\"64KiB\"`, `\"256MiB\"`.
- Lists are arrays in the file, separated by commas in a variable, and repeated flags on the command line.
- Switches are `true` or `false`; on the command line the flag alone turns them on.

An unknown flag or key, a file that is no TOML, or a wrong value anywhere (also one that is overridden) stops the start
with exit code 64 before a port is bound. All faults are named at once, each with its place.
`deskbell check` takes the same flags, reads the same, and says `ok` or the faults; nothing is started.

";

const AFTER: &str = "
## Authentication

Without it whoever reaches the port is whoever they say, and the hub listens on loopback only. With a secret that signs
tokens (HS256; at least 32 bytes) everybody needs one:

```sh
(umask 077; openssl rand -base64 32 > secret)
deskbell --auth-secret-file secret
```

`deskbell token` prints a token, here for an hour; what issues them otherwise signs the same claims by the same secret, or
by a private key whose public one is in `--auth-public-key-file`:

```sh
deskbell token --secret-file secret --sub chat-bot-1 --role provider
deskbell token --secret-file secret --sub ada --role agent --groups billing
deskbell token --secret-file secret --sub wall --role observer --ttl 7d
```

`sub` is the providerId or agentId. The pages ask for a token, the SDK takes it as `token` ([sdk.md](sdk.md#tokens)), HTTP as
`Authorization: Bearer`, `bot.mjs` and `bot.py` in a file that `DESKBELL_TOKEN_FILE` names. What is checked stands in
[PROTOCOL.md](PROTOCOL.md#authentication-and-the-admin-listener), what is defended in [SECURITY.md](../SECURITY.md).

## Templates

```toml
[[templates]]
name = \"vip_call\"                                  # required
title = \"{customerName|A customer} is calling\"     # required; {name} or {name|default}
icon = \"phone\"
timeout = \"20s\"                    # display time, 100ms to 1h, default 120s
queueTimeout = \"45s\"               # queue time, 100ms to 1h, default: timeout
showTimeout = true                 # whether pages show the countdown; the timer runs either way
autoAccept = false
autoAcceptOnTimeout = false
settle = \"firstResponse\"           # or \"firstAccept\"
buttons = { accept = \"Take it\", reject = \"Not now\" }
fields = [ { label = \"Number\", value = \"{phoneNumber|unknown}\" }, { label = \"Queue\", value = \"{queue}\" } ]
```

A template replaces the built-in one of its name or is added to them. Built in are
`msdyn_chat_incoming_unauthenticated`, `msdyn_chat_incoming_authenticated`, `msdyn_sms_incoming_unauthenticated`
(parameters `customerName`, `phoneNumber`, `queueName`, as they apply) and `msdyn_call_incoming`.

Only `title` and the `value` of fields are expanded, once: braces in a parameter are just braces. `{{` and `}}` are
literal braces; a default runs to the closing brace. An empty parameter counts as given.

At most 1000 templates with at most 20 fields each; names, icons, labels and buttons have 1 to 128 bytes without control
characters, line separators and characters that change the text direction; a title or value has at most 4096 bytes as written and 1024 rendered; the file
has at most 4 MiB.

Templates, and nothing else, are reloaded within 2 s of a change of the file, and on SIGHUP. If anything in the
configuration is wrong then, that is logged and the templates in force stay.

`GET /templates` lists those in force, for pages that build forms of them; with authentication on it takes the token of a
provider or an observer as `Authorization: Bearer`. A placeholder is `required` if some place of it has no default.

```json
{\"templates\":[{\"name\":\"vip_call\",\"title\":\"{customerName|A customer} is calling\",\"icon\":\"phone\",\"timeoutMs\":20000,
 \"queueTimeoutMs\":45000,\"autoAccept\":false,\"autoAcceptOnTimeout\":false,\"settle\":\"firstResponse\",\"placeholders\":[
  {\"name\":\"customerName\",\"default\":\"A customer\",\"required\":false},{\"name\":\"phoneNumber\",\"default\":\"unknown\",\"required\":false},
  {\"name\":\"queue\",\"required\":true}]}]}
```
";

/// `docs/configuration.md`.
#[must_use]
pub fn markdown() -> String {
    let head = "| setting | flag | variable | default | allowed | meaning |\n|---|---|---|---|---|---|\n";
    let rows: String = SETTINGS.iter().map(row).collect();
    format!("{BEFORE}{head}{rows}{AFTER}")
}

fn row(setting: &Setting) -> String {
    let code = |text: String| if text.is_empty() { "–".to_owned() } else { format!("`{text}`") };
    let key = setting.file.map(|(table, key)| format!("[{table}] {key}")).unwrap_or_default();
    let flag = match (setting.flag, setting.value_name()) {
        (Some(flag), Some(value)) => format!("--{flag} {value}"),
        (Some(flag), None) => format!("--{flag}"),
        (None, _) => String::new(),
    };
    let default = setting.show(&Config::default());
    format!(
        "| {} | {} | `{}` | {} | {} | {} |\n",
        code(key),
        code(flag),
        setting.variable,
        code(default),
        setting.allowed(),
        setting.meaning
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == markdown(), "write it anew: cargo run -- check --list-settings >docs/configuration.md");
    }
}
