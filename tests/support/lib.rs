//! What the scenarios share: running `tcpkit`, private network namespaces, real servers, captures.

pub mod generator;
pub mod netns;
pub mod run;
pub mod test_run;
pub mod traffic;
