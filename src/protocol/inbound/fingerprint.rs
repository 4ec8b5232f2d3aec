//! What a notify says, as 128 bits, for idempotence.

use sha1::{Digest, Sha1};

use super::message::{NotifyMessage, Text};

impl NotifyMessage<'_> {
    /// 128 bits over what it says, as the hub understands it: two notifies that say the same have the same, whatever
    /// the order of their keys and names and however their JSON was written.
    ///
    /// SHA-1 over the fields in a fixed order, each behind its length so that no two notifies share a text; the first
    /// 128 bits of it. A provider that makes two of its own notifies collide harms itself alone.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let mut sum = Sum(Sha1::new());
        sum.text(&self.template_name);
        sum.count(self.template_parameters.len());
        for (name, value) in &self.template_parameters {
            sum.text(name);
            sum.text(value);
        }
        sum.maybe(self.session_id.as_ref());
        sum.maybe(self.cancellation_token.as_ref());
        sum.list(&self.to.agents);
        sum.list(&self.to.groups);
        // Nothing for an absent one, so that a notify of an older version keeps its fingerprint.
        if let Some(priority) = self.priority {
            sum.text("priority");
            sum.count(usize::from(priority));
        }
        if let Some(context) = &self.context {
            sum.text("context");
            sum.text(context.text());
        }
        sum.finish()
    }
}

struct Sum(Sha1);

impl Sum {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&Text<'_>>) {
        self.count(usize::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn list(&mut self, texts: &[Text<'_>]) {
        self.count(texts.len());
        for text in texts {
            self.text(text);
        }
    }

    fn finish(self) -> u128 {
        self.0.finalize().iter().take(16).fold(0, |sum, byte| sum << 8 | u128::from(*byte))
    }
}
