//! The load tool, a package of its own: `deskbell load` runs the executable beside the hub's.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

/// Builds the load tool beside the hub, once per test program. Nothing is done if it is up to date.
pub(crate) fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let hub = Path::new(env!("CARGO_BIN_EXE_deskbell"));
        let profile = hub.parent().and_then(Path::file_name).is_some_and(|folder| folder == "release");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "deskbell-load"]).args(profile.then_some("--release"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        assert!(cargo.status().expect("cargo runs").success(), "the load tool is built");
    });
}
