//! The helper of `cargo xtask bench`: frames made inside the kernel, the cost of each eBPF program, what a flow costs.
//!
//! Each prints one JSON object on standard output. All but the last want root.

mod generate;
mod memory;
mod programs;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match reply(&words) {
        Ok(reply) => {
            let _ = writeln!(io::stdout(), "{reply}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "tcpkit-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn reply(words: &[String]) -> Result<serde_json::Value> {
    match words.split_first() {
        Some((word, options)) if word == "generate" => generate::run(options),
        Some((word, [])) if word == "memory" => memory::run(),
        Some((word, [])) if word == "programs" => programs::run(),
        _ => bail!(
            "call it `generate --interface NAME --share 0..1 --seconds N --flows N`, `memory` or `programs`"
        ),
    }
}
