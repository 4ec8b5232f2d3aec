//! The files that the binary carries in itself and serves to browsers.

use crate::protocol::{asyncapi, openapi};

/// One file.
#[derive(Debug)]
pub(crate) struct Asset {
    pub(crate) path: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
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
const YAML: &str = "application/yaml; charset=utf-8";

/// A file of `client-demo/`: where it is served, as what, and where it lies.
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
    demo!("/demo/console-page.js", SCRIPT, "demo/console-page.js"),
    demo!("/demo/console.css", STYLE, "demo/console.css"),
    demo!("/demo/caller.js", SCRIPT, "demo/caller.js"),
    demo!("/demo/caller-form.js", SCRIPT, "demo/caller-form.js"),
    demo!("/demo/calls-table.js", SCRIPT, "demo/calls-table.js"),
    demo!("/demo/charts.js", SCRIPT, "demo/charts.js"),
    demo!("/demo/code.js", SCRIPT, "demo/code.js"),
    demo!("/demo/store.js", SCRIPT, "demo/store.js"),
    demo!("/demo/dashboard.css", STYLE, "demo/dashboard.css"),
    demo!("/demo/dashboard.js", SCRIPT, "demo/dashboard.js"),
    demo!("/demo/dashboard-page.js", SCRIPT, "demo/dashboard-page.js"),
    demo!("/demo/floor.js", SCRIPT, "demo/floor.js"),
    // Where it lies decides what a service worker may serve: the whole of /desk, so not in a folder.
    demo!("/desk-worker.js", SCRIPT, "demo/desk/worker.js"),
    demo!("/demo/desk.css", STYLE, "demo/desk.css"),
    demo!("/demo/desk.js", SCRIPT, "demo/desk.js"),
    demo!("/demo/desk-page.js", SCRIPT, "demo/desk-page.js"),
    demo!("/demo/desk/announcer.js", SCRIPT, "demo/desk/announcer.js"),
    demo!("/demo/desk/card.js", SCRIPT, "demo/desk/card.js"),
    demo!("/demo/desk/cards.js", SCRIPT, "demo/desk/cards.js"),
    demo!("/demo/desk/eyes.js", SCRIPT, "demo/desk/eyes.js"),
    demo!("/demo/desk/icons.js", SCRIPT, "demo/desk/icons.js"),
    demo!("/demo/desk/keys.js", SCRIPT, "demo/desk/keys.js"),
    demo!("/demo/desk/link.js", SCRIPT, "demo/desk/link.js"),
    demo!("/demo/desk/preflight.js", SCRIPT, "demo/desk/preflight.js"),
    demo!("/demo/desk/prefs.js", SCRIPT, "demo/desk/prefs.js"),
    demo!("/demo/desk/rail.js", SCRIPT, "demo/desk/rail.js"),
    demo!("/demo/desk/sound.js", SCRIPT, "demo/desk/sound.js"),
    demo!("/demo/steady.js", SCRIPT, "demo/steady.js"),
    demo!("/demo/desk/tabs.js", SCRIPT, "demo/desk/tabs.js"),
    demo!("/demo/desk/tally.js", SCRIPT, "demo/desk/tally.js"),
    demo!("/demo/desk/times.js", SCRIPT, "demo/desk/times.js"),
    demo!("/demo/desk/toasts.js", SCRIPT, "demo/desk/toasts.js"),
    demo!("/demo/desk/tone.js", SCRIPT, "demo/desk/tone.js"),
    demo!("/demo/deskbell.css", STYLE, "demo/deskbell.css"),
    demo!("/demo/dom.js", SCRIPT, "demo/dom.js"),
    demo!("/demo/playground.js", SCRIPT, "demo/playground.js"),
    demo!("/demo/token.js", SCRIPT, "demo/token.js"),
    demo!("/demo/wire.js", SCRIPT, "demo/wire.js"),
    demo!("/demo/words.js", SCRIPT, "demo/words.js"),
    demo!("/sdk/deskbell.js", SCRIPT, "sdk/deskbell.js"),
    demo!("/sdk/deskbell.d.ts", PLAIN, "sdk/deskbell.d.ts"),
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
                        if path == "demo/desk/worker.js" { "/desk-worker.js".into() } else { format!("/{path}") };
                    assert!(find(&served).is_some(), "{path}");
                }
            }
        }
    }

    #[test]
    fn no_page_loads_anything_from_elsewhere_or_runs_what_stands_in_it() {
        for asset in ASSETS.iter().filter(|asset| asset.content_type == HTML) {
            for part in ["src=\"http", "src=\"//", "<script>", "<style", " style=\"", " onclick="] {
                assert!(!asset.text.contains(part), "{}: {part}", asset.path);
            }
        }
    }
}
