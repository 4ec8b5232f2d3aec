//! The files that the binary carries in itself and serves to browsers.

use crate::protocol::{asyncapi, openapi};

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

/// The file served at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PLAIN: &str = "text/plain; charset=utf-8";
const YAML: &str = "application/yaml; charset=utf-8";

/// A file of `client-demo/`: where it is served, as what, and where it lies.
macro_rules! demo {
    ($path:literal, $content_type:expr, $file:literal) => {
        Asset { path: $path, content_type: $content_type, text: include_str!(concat!("../../client-demo/", $file)) }
    };
}

const ASSETS: &[Asset] = &[
    demo!("/", HTML, "index.html"),
    demo!("/desk", HTML, "desk.html"),
    demo!("/console", HTML, "console.html"),
    demo!("/favicon.svg", SVG, "favicon.svg"),
    demo!("/demo/console.js", SCRIPT, "demo/console.js"),
    demo!("/demo/console-page.js", SCRIPT, "demo/console-page.js"),
    demo!("/demo/desk.js", SCRIPT, "demo/desk.js"),
    demo!("/demo/desk-page.js", SCRIPT, "demo/desk-page.js"),
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
        for folder in ["demo", "sdk"] {
            for file in fs::read_dir(root.join(folder)).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                assert!(find(&format!("/{folder}/{name}")).is_some(), "{folder}/{name}");
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
