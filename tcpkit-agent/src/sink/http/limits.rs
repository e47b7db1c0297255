//! What a client may cost.

use std::time::Duration;

/// Connections at one time; one more is told 503 and closed.
pub const CONNECTIONS: usize = 64;

/// Bytes of a request's line and headers; more is told 431 and closed.
pub const HEADER_BYTES: usize = 16 * 1024;

/// Headers of one request.
pub const HEADERS: usize = 64;

/// Time for a request's headers to arrive, and for an idle connection to send its next request.
pub const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that one connection may live, answers that nobody reads included.
pub const LIFETIME: Duration = Duration::from_secs(60);

/// Readers of events at one time, among the connections; one more is told 503.
pub const EVENT_READERS: usize = 16;

/// Time that a stream of events may go on beyond [`LIFETIME`]; its reader comes again by itself.
pub const STREAM_LIFETIME: Duration = Duration::from_secs(3_600);

/// Time for answers that are under way when the connection's life or the agent's ends.
pub const GRACE: Duration = Duration::from_secs(1);

/// Time for the pipeline to make a report.
pub const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Age up to which a report serves again.
pub const REPORT_AGE: Duration = Duration::from_millis(100);

/// Time to wait when the system has no file descriptor for a new connection.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Time for a client's first octet; who is silent for longer wants the statistics without asking.
pub const SILENCE: Duration = Duration::from_secs(1);
