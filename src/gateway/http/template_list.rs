//! The list of templates that `GET /templates` serves.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::gateway::shared::state::whole_ms;
use crate::protocol::template_list::{self, TemplateList};
use crate::template::{self, Catalogue, SharedCatalogue};

/// The list as JSON, with the catalogue of which it was made.
#[derive(Debug, Default)]
pub(crate) struct TemplateListCache(Mutex<Option<(Arc<Catalogue>, Bytes)>>);

impl TemplateListCache {
    /// The list of the templates in force. It is made once for each catalogue and shared by all readers: it may be
    /// several megabytes long, and a slow reader holds it until it has read everything.
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
    let template = |outline: template::Outline| template_list::Template {
        name: outline.name.to_string(),
        title: outline.title,
        icon: outline.icon.map(|icon| icon.to_string()),
        timeout_ms: whole_ms(outline.timeout),
        queue_timeout_ms: whole_ms(outline.queue_timeout),
        auto_accept: outline.auto_accept,
        auto_accept_on_timeout: outline.auto_accept_on_timeout,
        settle: match outline.settle {
            template::Settle::FirstResponse => template_list::Settle::FirstResponse,
            template::Settle::FirstAccept => template_list::Settle::FirstAccept,
        },
        placeholders: outline
            .placeholders
            .into_iter()
            .map(|one| template_list::Placeholder { name: one.name, default: one.default, required: one.required })
            .collect(),
    };
    TemplateList { templates: catalogue.outlines().into_iter().map(template).collect() }.json()
}
