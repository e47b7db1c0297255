//! `tcpkit doctor`: what was typed.

use clap::Args as ClapArgs;

/// `tcpkit doctor`.
#[derive(Clone, Debug, ClapArgs)]
#[command(disable_help_flag = true)]
pub struct DoctorCommandArgs {
    /// Examine this interface; may be repeated [default: all that are up, but for the loopback].
    #[arg(short, long, value_name = "INTERFACE")]
    pub interface: Vec<String>,
    /// Print what was found as JSON.
    #[arg(long)]
    pub json: bool,
}
