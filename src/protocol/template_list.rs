//! The response to `GET /templates`: the templates in force, for pages that build forms.

use deskbell_core::entry::Settle;
use serde::Serialize;

/// The body of the response.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateList {
    /// The templates, sorted by name.
    pub templates: Vec<ListedTemplate>,
}

/// A template in the list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedTemplate {
    /// The `templateName` of a notify.
    pub name: String,
    /// The title as written in the configuration, with its placeholders.
    pub title: String,
    /// The icon's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The display time in milliseconds.
    pub timeout_ms: u64,
    /// The queue time in milliseconds.
    pub queue_timeout_ms: u64,
    /// Whether the hub accepts it at once for the agent with the longest idle time.
    pub auto_accept: bool,
    /// Whether the hub accepts it for an agent when the display time ends.
    pub auto_accept_on_timeout: bool,
    /// Which answer settles it.
    pub settle: Settle,
    /// The placeholders in the order of their first use, each name once.
    pub placeholders: Vec<ListedPlaceholder>,
}

/// A placeholder in the list.
#[derive(Debug, Clone, Serialize)]
pub struct ListedPlaceholder {
    /// The parameter's name.
    pub name: String,
    /// The text without this parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether a notify without it is an error.
    pub required: bool,
}

impl TemplateList {
    /// The body of the response, with a line break at the end.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Strings, numbers and booleans are always valid JSON, and memory takes every write.
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}
