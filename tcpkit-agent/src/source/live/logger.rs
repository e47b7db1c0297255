//! What the programs log, handed on to `tracing`.
//!
//! The programs write into a ring of aya-log's; it is read when the capture is asked for changes. While it is full
//! they log nothing: messages are for looking at single frames, counters for counting them.

use aya::Ebpf;
use aya_log::EbpfLogger;

/// Target of the programs' messages, by which a subscriber may let them through at a level of their own.
pub const TARGET: &str = "kernel";

/// Reads what the programs log.
pub(super) struct Logger(EbpfLogger<ToTracing>);

impl Logger {
    /// To be called before frames come; a refusal becomes a note.
    pub(super) fn start(ebpf: &mut Ebpf, notes: &mut Vec<String>) -> Option<Self> {
        match EbpfLogger::init_with_logger(ebpf, ToTracing) {
            Ok(logger) => Some(Self(logger)),
            Err(error) => {
                notes.push(format!("the kernel side cannot log: {error}"));
                None
            }
        }
    }

    /// Hands on what was logged since the last call.
    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Logger")
    }
}

/// One message, one event.
struct ToTracing;

impl log::Log for ToTracing {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let message = record.args();
        match record.level() {
            log::Level::Error => tracing::error!(target: TARGET, "kernel: {message}"),
            log::Level::Warn => tracing::warn!(target: TARGET, "kernel: {message}"),
            log::Level::Info => tracing::info!(target: TARGET, "kernel: {message}"),
            log::Level::Debug => tracing::debug!(target: TARGET, "kernel: {message}"),
            log::Level::Trace => tracing::trace!(target: TARGET, "kernel: {message}"),
        }
    }

    fn flush(&self) {}
}
