//! The files that the binary carries in itself and serves to browsers.

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";

const fn asset(path: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { path, content_type, bytes }
}

/// All of them.
const ASSETS: &[Asset] = &[asset("/", HTML, b"<!doctype html><title>deskbell</title><p>deskbell\n")];

/// The file served at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
