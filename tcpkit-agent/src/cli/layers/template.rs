//! A configuration file with every option in it, as the package installs it.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, CommandFactory as _};

use super::{Reach, is_flag, key, options, reload::CLASSIFIED};
use crate::cli::args::Args;

/// Every option as a comment: what it means, and its default, or the form of its value where it has none.
#[must_use]
pub fn template() -> String {
    let mut command = Args::command();
    command.build();
    let mut text = String::from(HEAD);
    let mut heading = None;
    for option in options(&command) {
        if option.get_help_heading() != heading {
            heading = option.get_help_heading();
            let _infallible = write!(text, "\n## {}\n", heading.unwrap_or("General"));
        }
        describe(&mut text, option);
    }
    text
}

fn describe(text: &mut String, option: &Arg) {
    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
    text.push('\n');
    for line in wrapped(&help) {
        let _infallible = writeln!(text, "# {line}");
    }
    let values = option.get_possible_values();
    if !values.is_empty() && !is_flag(option.get_action()) {
        let names: Vec<_> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
        let _infallible = writeln!(text, "# One of: {}.", names.join(", "));
    }
    if changes_at_reload(option) {
        text.push_str("# Changes at a reload.\n");
    }
    let _infallible = writeln!(text, "#{} = {}", key(option), value(option));
}

fn changes_at_reload(option: &Arg) -> bool {
    CLASSIFIED.iter().any(|(id, reach)| option.get_id() == id && *reach != Reach::Start)
}

/// The default, or what stands for a value: the same word as in the help.
fn value(option: &Arg) -> String {
    if is_flag(option.get_action()) {
        return "false".to_owned();
    }
    let default = option.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    let name = option.get_value_names().and_then(<[_]>::first).map(ToString::to_string);
    let value = default.or(name).unwrap_or_default();
    let value = if value.parse::<f64>().is_ok() { value } else { format!("{value:?}") };
    if matches!(option.get_action(), ArgAction::Append) { format!("[{value}]") } else { value }
}

fn wrapped(help: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in help.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() && line.len() + word.len() >= WIDTH {
                lines.push(word.to_owned());
                continue;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

const WIDTH: usize = 98;

const HEAD: &str = "\
# Configuration of tcpkit: tcpkit --config FILE.
#
# A key is the long name of an option; what is typed on the command line goes before the environment
# (TCPKIT_RING_BYTES for ring-bytes), and that before this file. Take the # away from what you want
# to change, then ask: tcpkit config check FILE
#
# A running tcpkit reads it again at SIGHUP (systemctl reload): some options change at once, which
# is said here, all others when it is started again.
";
