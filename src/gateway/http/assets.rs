//! The files for browsers. They are part of the binary.

use crate::protocol::{asyncapi, openapi};

/// One file that is served to browsers.
#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

impl Asset {
    /// Whether pages of other sites may load it: the SDK, modules of pages, and the documents of the protocol.
    pub(crate) fn is_public(&self) -> bool {
        self.content_type == SCRIPT || self.path.starts_with("/sdk/") || self.path.ends_with(".yaml")
    }
}

/// The file served at `path`.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

pub(crate) const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PLAIN: &str = "text/plain; charset=utf-8";
/// Served as plain text, because browsers download files with the media type of YAML.
const YAML: &str = PLAIN;

/// A file of `client-demo/`: the path at which it is served, its media type, and its path in the sources.
macro_rules! demo {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset { path: $path, content_type: $content_type, text: include_str!(concat!("../../../client-demo/", $file)) }
    };
}

const ASSETS: &[Asset] = &[
    demo!("/", HTML, "index.html"),
    demo!("/desk", HTML, "desk.html"),
    demo!("/console", HTML, "console.html"),
    demo!("/dashboard", HTML, "dashboard.html"),
    demo!("/favicon.svg", SVG, "favicon.svg"),
    demo!("/demo/calls-table.js", SCRIPT, "demo/calls-table.js"),
    demo!("/demo/charts.js", SCRIPT, "demo/charts.js"),
    demo!("/demo/code-sample.js", SCRIPT, "demo/code-sample.js"),
    demo!("/demo/connection-chip.js", SCRIPT, "demo/connection-chip.js"),
    demo!("/demo/console-page.js", SCRIPT, "demo/console-page.js"),
    demo!("/demo/console.css", STYLE, "demo/console.css"),
    demo!("/demo/dashboard-model.js", SCRIPT, "demo/dashboard-model.js"),
    demo!("/demo/dashboard-page.js", SCRIPT, "demo/dashboard-page.js"),
    demo!("/demo/dashboard.css", STYLE, "demo/dashboard.css"),
    demo!("/demo/dashboard.js", SCRIPT, "demo/dashboard.js"),
    demo!("/demo/desk-page.js", SCRIPT, "demo/desk-page.js"),
    // A service worker controls the pages below its own path. This one controls /desk, so it is not in a folder.
    demo!("/desk-worker.js", SCRIPT, "demo/desk-worker.js"),
    demo!("/demo/desk.css", STYLE, "demo/desk.css"),
    demo!("/demo/desk.js", SCRIPT, "demo/desk.js"),
    demo!("/demo/deskbell.css", STYLE, "demo/deskbell.css"),
    demo!("/demo/format.js", SCRIPT, "demo/format.js"),
    demo!("/demo/message-log.js", SCRIPT, "demo/message-log.js"),
    demo!("/demo/notify-form.js", SCRIPT, "demo/notify-form.js"),
    demo!("/demo/outcome-text.js", SCRIPT, "demo/outcome-text.js"),
    demo!("/demo/playground.js", SCRIPT, "demo/playground.js"),
    demo!("/demo/provider-console.js", SCRIPT, "demo/provider-console.js"),
    demo!("/demo/tab-storage.js", SCRIPT, "demo/tab-storage.js"),
    demo!("/demo/title-count.js", SCRIPT, "demo/title-count.js"),
    demo!("/demo/token-form.js", SCRIPT, "demo/token-form.js"),
    demo!("/sdk/sign-in.js", SCRIPT, "sdk/sign-in.js"),
    demo!("/sdk/sign-in.d.ts", PLAIN, "sdk/sign-in.d.ts"),
    demo!("/sdk/desk.d.ts", PLAIN, "sdk/desk.d.ts"),
    demo!("/sdk/desk.js", SCRIPT, "sdk/desk.js"),
    demo!("/sdk/desk/alarms.js", SCRIPT, "sdk/desk/alarms.js"),
    demo!("/sdk/desk/announcer.js", SCRIPT, "sdk/desk/announcer.js"),
    demo!("/sdk/desk/card-grid.js", SCRIPT, "sdk/desk/card-grid.js"),
    demo!("/sdk/desk/card.js", SCRIPT, "sdk/desk/card.js"),
    demo!("/sdk/desk/click-guard.js", SCRIPT, "sdk/desk/click-guard.js"),
    demo!("/sdk/desk/connection-health.js", SCRIPT, "sdk/desk/connection-health.js"),
    demo!("/sdk/desk/connection-status.js", SCRIPT, "sdk/desk/connection-status.js"),
    demo!("/sdk/desk/customer.js", SCRIPT, "sdk/desk/customer.js"),
    demo!("/sdk/desk/desk-keys.js", SCRIPT, "sdk/desk/desk-keys.js"),
    demo!("/sdk/desk/desk-view.js", SCRIPT, "sdk/desk/desk-view.js"),
    demo!("/sdk/desk/desktop-notifications.js", SCRIPT, "sdk/desk/desktop-notifications.js"),
    demo!("/sdk/desk/dom.js", SCRIPT, "sdk/desk/dom.js"),
    demo!("/sdk/desk/icons.js", SCRIPT, "sdk/desk/icons.js"),
    demo!("/sdk/desk/keys-dialog.js", SCRIPT, "sdk/desk/keys-dialog.js"),
    demo!("/sdk/desk/menu.js", SCRIPT, "sdk/desk/menu.js"),
    demo!("/sdk/desk/model.js", SCRIPT, "sdk/desk/model.js"),
    demo!("/sdk/desk/preferences.js", SCRIPT, "sdk/desk/preferences.js"),
    demo!("/sdk/desk/readiness.js", SCRIPT, "sdk/desk/readiness.js"),
    demo!("/sdk/desk/ringtone.js", SCRIPT, "sdk/desk/ringtone.js"),
    demo!("/sdk/desk/session-list.js", SCRIPT, "sdk/desk/session-list.js"),
    demo!("/sdk/desk/short-ids.js", SCRIPT, "sdk/desk/short-ids.js"),
    demo!("/sdk/desk/shortcuts.js", SCRIPT, "sdk/desk/shortcuts.js"),
    demo!("/sdk/desk/sound-control.js", SCRIPT, "sdk/desk/sound-control.js"),
    demo!("/sdk/desk/styles.js", SCRIPT, "sdk/desk/styles.js"),
    demo!("/sdk/desk/styles/alarms.js", SCRIPT, "sdk/desk/styles/alarms.js"),
    demo!("/sdk/desk/styles/base.js", SCRIPT, "sdk/desk/styles/base.js"),
    demo!("/sdk/desk/styles/cards.js", SCRIPT, "sdk/desk/styles/cards.js"),
    demo!("/sdk/desk/styles/css.js", SCRIPT, "sdk/desk/styles/css.js"),
    demo!("/sdk/desk/styles/header.js", SCRIPT, "sdk/desk/styles/header.js"),
    demo!("/sdk/desk/styles/keys.js", SCRIPT, "sdk/desk/styles/keys.js"),
    demo!("/sdk/desk/styles/sessions.js", SCRIPT, "sdk/desk/styles/sessions.js"),
    demo!("/sdk/desk/tab-lock.js", SCRIPT, "sdk/desk/tab-lock.js"),
    demo!("/sdk/desk/texts.js", SCRIPT, "sdk/desk/texts.js"),
    demo!("/sdk/desk/texts/de.js", SCRIPT, "sdk/desk/texts/de.js"),
    demo!("/sdk/desk/texts/en.js", SCRIPT, "sdk/desk/texts/en.js"),
    demo!("/sdk/desk/texts/es.js", SCRIPT, "sdk/desk/texts/es.js"),
    demo!("/sdk/desk/texts/fr.js", SCRIPT, "sdk/desk/texts/fr.js"),
    demo!("/sdk/desk/texts/test-languages.js", SCRIPT, "sdk/desk/texts/test-languages.js"),
    demo!("/sdk/desk/visibility.js", SCRIPT, "sdk/desk/visibility.js"),
    demo!("/sdk/deskbell.d.ts", PLAIN, "sdk/deskbell.d.ts"),
    demo!("/sdk/deskbell.js", SCRIPT, "sdk/deskbell.js"),
    Asset { path: "/asyncapi.yaml", content_type: YAML, text: asyncapi::DOCUMENT },
    Asset { path: "/openapi.yaml", content_type: YAML, text: openapi::DOCUMENT },
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_that_pages_load_is_served() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("client-demo");
        let mut folders = vec!["demo".to_owned(), "sdk".to_owned()];
        while let Some(folder) = folders.pop() {
            for file in fs::read_dir(root.join(&folder)).unwrap().map(Result::unwrap) {
                let path = format!("{folder}/{}", file.file_name().into_string().unwrap());
                if file.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else {
                    let served =
                        if path == "demo/desk-worker.js" { "/desk-worker.js".into() } else { format!("/{path}") };
                    assert!(find(&served).is_some(), "{path}");
                }
            }
        }
    }

    #[test]
    fn pages_load_nothing_from_other_sites_and_have_no_inline_scripts() {
        for asset in ASSETS.iter().filter(|asset| [HTML, STYLE].contains(&asset.content_type)) {
            // Absolute paths are not allowed either: the hub may be served below the path of `publicUrl`.
            for part in [
                "src=\"http",
                "src=\"/",
                "href=\"/",
                "url('/",
                "url(\"/",
                "url(/",
                "url('http",
                "<script>",
                "<style",
                " style=\"",
                " onclick=",
            ] {
                assert!(!asset.text.contains(part), "{}: {part}", asset.path);
            }
        }
    }
}
