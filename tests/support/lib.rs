//! What the scenarios share: running `tcpkit`, private network namespaces, real servers, captures.

pub mod generator;
pub mod left_out;
pub mod live;
pub mod netns;
pub mod run;
pub mod server;
pub mod test_run;
pub mod traffic;
pub mod wait;
