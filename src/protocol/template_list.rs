//! The list of templates that `GET /templates` returns: JSON over HTTP, for pages that build forms from it.

use deskbell_core::entry::Settle;
use serde::Serialize;

/// The response of `GET /templates`.
#[derive(Debug, Clone, Serialize)]
pub struct TemplateList {
    /// Sorted by name.
    pub templates: Vec<Template>,
}

/// One template.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The `templateName` of a notify.
    pub name: String,
    /// The title as written, with its placeholders.
    pub title: String,
    /// The icon's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The display time in milliseconds.
    pub timeout_ms: u64,
    /// The queue time in milliseconds.
    pub queue_timeout_ms: u64,
    /// As in the configuration.
    pub auto_accept: bool,
    /// As in the configuration.
    pub auto_accept_on_timeout: bool,
    /// As in the configuration.
    pub settle: Settle,
    /// The parameters in the order of their first use; each name once.
    pub placeholders: Vec<Placeholder>,
}

/// A template parameter.
#[derive(Debug, Clone, Serialize)]
pub struct Placeholder {
    /// The parameter's name.
    pub name: String,
    /// The text used if the parameter is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether a notify without it is an error.
    pub required: bool,
}

impl TemplateList {
    /// The answer's body, with a line end.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        // Serializing strings, numbers and booleans into memory cannot fail.
        let mut json = serde_json::to_vec(self).unwrap_or_default();
        json.push(b'\n');
        json
    }
}
