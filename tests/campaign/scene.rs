//! What a campaign is played with: templates, groups, limits.

/// A template of the campaign.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    /// Display and queue time in milliseconds.
    pub(crate) timeout_ms: u64,
    pub(crate) queue_ms: u64,
    more: &'static str,
}

/// All kinds of notifications, none of which lives long.
pub(crate) const TEMPLATES: [Template; 6] = [
    Template { name: "c-plain", timeout_ms: 2500, queue_ms: 3000, more: "" },
    Template { name: "c-first", timeout_ms: 2500, queue_ms: 2000, more: "settle = \"firstAccept\"" },
    Template { name: "c-short", timeout_ms: 300, queue_ms: 500, more: "" },
    Template { name: "c-auto", timeout_ms: 1000, queue_ms: 1500, more: "autoAccept = true" },
    Template { name: "c-late", timeout_ms: 600, queue_ms: 2000, more: "autoAcceptOnTimeout = true" },
    Template { name: "c-long", timeout_ms: 5000, queue_ms: 4000, more: "" },
];

/// The one that mild providers use.
pub(crate) const CALM: &str = "c-long";

pub(crate) const GROUPS: [&str; 4] = ["billing", "sales", "support", "night"];

/// Agents that are rung by name.
pub(crate) const AGENTS_NAMED: u64 = 8;

/// The configuration: clients that do not answer are noticed soon, everything settled is retained to the end.
pub(crate) fn config() -> String {
    let mut toml = String::from(
        "[server]\npingInterval = \"1s\"\nidleTimeout = \"3s\"\n\
         [limits]\nretention = \"6h\"\nretainedOutcomes = 1000000\nregroupTime = \"1s\"\noutboundBytes = \"64KiB\"\n",
    );
    for Template { name, timeout_ms, queue_ms, more } in &TEMPLATES {
        toml += &format!(
            "[[templates]]\nname = \"{name}\"\ntitle = \"{{card}}\"\ntimeout = \"{timeout_ms}ms\"\n\
             queueTimeout = \"{queue_ms}ms\"\nfields = [{{ label = \"note\", value = \"{{note|-}}\" }}]\n{more}\n"
        );
    }
    toml
}
