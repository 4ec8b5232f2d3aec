//! The list of templates that `GET /templates` serves.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::protocol::template_list::{ListedPlaceholder, ListedTemplate, TemplateList};
use crate::template::{Catalogue, Outline, SharedCatalogue};

/// The list as JSON, with its catalogue.
#[derive(Debug, Default)]
pub(crate) struct TemplateListCache(Mutex<Option<(Arc<Catalogue>, Bytes)>>);

impl TemplateListCache {
    /// The list of the templates in force. It can have several megabytes, and a slow client holds it until it has read
    /// everything. Therefore it is made once for each catalogue, and all clients share it.
    pub(crate) fn json(&self, templates: &SharedCatalogue) -> Bytes {
        let catalogue = templates.get();
        // The value is complete after every statement.
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, json)) = &*cached
            && Arc::ptr_eq(of, &catalogue)
        {
            return json.clone();
        }
        let json = Bytes::from(list(&catalogue));
        *cached = Some((catalogue, json.clone()));
        json
    }
}

fn list(catalogue: &Catalogue) -> Vec<u8> {
    let template = |outline: Outline<'_>| ListedTemplate {
        name: outline.name.to_string(),
        title: outline.title,
        icon: outline.card.icon.as_ref().map(ToString::to_string),
        timeout_ms: outline.card.timeout.0,
        queue_timeout_ms: outline.card.queue_timeout.0,
        auto_accept: outline.card.auto_accept,
        auto_accept_on_timeout: outline.card.auto_accept_on_timeout,
        settle: outline.card.settle,
        placeholders: outline
            .placeholders
            .into_iter()
            .map(|one| ListedPlaceholder { name: one.name, default: one.default, required: one.required })
            .collect(),
    };
    TemplateList { templates: catalogue.outlines().into_iter().map(template).collect() }.json()
}
