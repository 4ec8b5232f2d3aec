//! The documentation of all settings, from their table.

use super::checked::Config;
use super::setting::Setting;
use super::settings::SETTINGS;

const BEFORE: &str = "\
# Configuration

<!-- Written by `deskbell check --list-settings`. A test compares it with the code. -->

You can give a setting as a flag, as an environment variable, or in the TOML file that `--config` names. A flag takes precedence
over a variable, a variable over the file, and the file over the default. An empty variable counts as unset.

Variables are named after the keys. `[server]` `helloTimeout` is `DESKBELL_HELLO_TIMEOUT`. A key of any other table has the table's
name in it: `[limits]` `displayLimit` is `DESKBELL_LIMITS_DISPLAY_LIMIT`.

- Durations are strings of whole numbers with the units `d`, `h`, `m`, `s`, `ms`: `\"90s\"`, `\"1m30s\"`, `\"100ms\"`.
- Sizes are integers (bytes) or strings with a unit: `65536`, `\"64KiB\"`, `\"256MiB\"`.
- Lists are arrays in the file, separated by commas in a variable, and repeated flags on the command line.
- Switches are `true` or `false`; on the command line the flag alone turns them on.

An unknown flag or key, a file that is not valid TOML, or a wrong value anywhere (even one that is overridden) stops the start with
exit code 64 before a port is bound. All errors are listed at once, each with its place. `deskbell check` takes the same flags,
reads the same files, and prints `ok` or the errors; it starts nothing.

";

const AFTER: &str = "
## Authentication

Without authentication the hub believes the id and the role that a client claims, and listens on loopback only. With a secret for signing
tokens (HS256; at least 32 bytes) every client needs a token:

```sh
(umask 077; openssl rand -base64 32 > secret)
deskbell --auth-secret-file secret
```

`deskbell token` prints a token, by default for one hour. Your own token service signs the same claims with the same secret, or
with a private key; its public key is then in `--auth-public-key-file`:

```sh
deskbell token --secret-file secret --sub chat-bot-1 --role provider
deskbell token --secret-file secret --sub ada --role agent --groups billing
deskbell token --secret-file secret --sub wall --role observer --ttl 7d
```

`sub` is the providerId or agentId. The pages ask for a token, the SDK has the option `token` ([sdk.md](sdk.md#tokens)), HTTP requests
have the header `Authorization: Bearer`, and `bot.mjs` and `bot.py` read it from the file that `DESKBELL_TOKEN_FILE` names.
[PROTOCOL.md](PROTOCOL.md#authentication-and-the-admin-listener) describes the checks, and [SECURITY.md](../SECURITY.md) the
security model.

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
priority = 0                       # 0 to 9; what waits is ordered by it, the highest first
link = \"https://crm.example/cases/{caseId|new}\"   # the customer's page; https, or http with a loopback host
sound = \"phone\"                    # \"phone\", \"chat\", \"soft\" or \"none\"; default: the page chooses by the icon
buttons = { accept = \"Take it\", reject = \"Not now\" }
fields = [ { label = \"Number\", value = \"{phoneNumber|unknown}\" }, { label = \"Queue\", value = \"{queue}\" } ]
```

A template replaces the built-in one of the same name, or is added to them. The built-in templates are
`msdyn_chat_incoming_unauthenticated`, `msdyn_chat_incoming_authenticated`, `msdyn_sms_incoming_unauthenticated` (with those of the
parameters `customerName`, `phoneNumber` and `queueName` that apply) and `msdyn_call_incoming`.

Only `title`, the `value` of fields and `link` are expanded, and only once: braces in a parameter are ordinary text. `{{` and `}}` are
literal braces; a default runs to the closing brace. An empty parameter counts as given.

In `link`, scheme, host and port are literal and end with `/` before the first placeholder. Values are percent-encoded, all characters but
`A-Z a-z 0-9 - . _ ~`, so a parameter cannot change where the link leads. A notification has no link if a value is `.` or `..`, or if
the link would have more than 1024 bytes.

There can be at most 1000 templates with at most 20 fields each. Names, icons, labels and buttons have 1 to 128 bytes without control
characters, line separators and characters that change the text direction. A title or value has at most 4096 bytes as written and
1024 bytes as rendered. The file has at most 4 MiB.

Templates, and no other settings, are reloaded within 2 s of a change of the file, and on SIGHUP. If anything in the configuration is
wrong then, the hub logs it and keeps the templates in use.

`GET /templates` lists the templates in use, for pages that build forms from them. With authentication it needs the token of a
provider or an observer as `Authorization: Bearer`. A placeholder is `required` if it occurs anywhere without a default.

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
        assert!(page == markdown(), "write it again: cargo run -- check --list-settings >docs/configuration.md");
    }
}
