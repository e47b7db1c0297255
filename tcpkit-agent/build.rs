//! Embeds the eBPF object that `cargo xtask build` made, if there is one.
//!
//! Without it the agent builds all the same: files and libpcap need no object, and live eBPF capture then says what
//! is missing.

use std::{env, path::Path};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let object = Path::new(&manifest).join("../target/ebpf/tcpkit-ebpf.o");
    println!("cargo::rustc-check-cfg=cfg(ebpf_object)");
    println!("cargo::rerun-if-changed={}", object.display());
    if object.is_file() {
        println!("cargo::rustc-cfg=ebpf_object");
        println!("cargo::rustc-env=TCPKIT_EBPF_OBJECT={}", object.display());
    }
}
