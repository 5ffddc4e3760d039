//! Tells `train info` which compiler and which burn it was built with.

use std::{env, fs, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");

    let compiler = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version =
        Command::new(compiler).arg("--version").output().ok().and_then(|out| String::from_utf8(out.stdout).ok());
    // "rustc 1.95.0 (59807616e 2026-04-14)"
    let version =
        version.as_deref().and_then(|text| text.split(" (").next()).unwrap_or("rustc of unknown version").trim();
    println!("cargo::rustc-env=KILN_RUSTC_VERSION={version}");

    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = fs::read_to_string(Path::new(&folder).join("../../Cargo.lock")).unwrap_or_default();
    let burn = lock.split("[[package]]").find(|package| package.contains("\nname = \"burn\"\n"));
    let version = burn.and_then(|package| package.lines().find_map(|line| line.strip_prefix("version = ")));
    println!("cargo::rustc-env=KILN_BURN_VERSION={}", version.unwrap_or("of unknown version").trim_matches('"'));
}
