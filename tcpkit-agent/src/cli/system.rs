//! What a command line may depend on besides its words.

use std::io::IsTerminal as _;

use super::{config::Live, failure::Failure};

/// The system that the agent runs on, as far as options are concerned; a test makes its own.
#[derive(Clone, Debug, Default)]
pub struct System {
    /// Names of the network interfaces there are, in alphabetical order.
    pub interfaces: Vec<String>,
    /// Cores that this process may use.
    pub cores: u32,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
}

impl System {
    /// This system, now.
    #[must_use]
    pub fn current() -> Self {
        Self {
            interfaces: interfaces(),
            cores: std::thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Refuses an interface that this system does not have; libpcap's `any` stands for all that it has.
    ///
    /// # Errors
    /// One line that names those there are.
    pub fn require(&self, interface: &str) -> Result<(), Failure> {
        if interface == Live::EVERY_INTERFACE || self.interfaces.iter().any(|known| known == interface) {
            return Ok(());
        }
        Err(Failure::run(format!("interface {interface}"))
            .because("does not exist")
            .hint(format!("there are: {}", self.list())))
    }

    /// The interfaces in one line, for messages.
    #[must_use]
    pub fn list(&self) -> String {
        if self.interfaces.is_empty() { "none".to_owned() } else { self.interfaces.join(", ") }
    }
}

/// Names of the interfaces of this network namespace; none where /proc is not there.
///
/// /sys/class/net would show those of the namespace in which sysfs was mounted.
fn interfaces() -> Vec<String> {
    names(&std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default())
}

/// Names from `/proc/net/dev` (proc_net(5)): two lines of heading, then one interface a line up to the colon.
fn names(table: &str) -> Vec<String> {
    let mut names: Vec<String> =
        table.lines().skip(2).filter_map(|line| Some(line.rsplit_once(':')?.0.trim().to_owned())).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linux_has_a_loopback_interface_and_a_core() {
        let system = System::current();
        assert!(system.interfaces.iter().any(|name| name == "lo"), "{system:?}");
        assert!(system.cores >= 1);
    }

    #[test]
    fn names_stand_before_the_colon_and_are_sorted() {
        let table = "Inter-| Receive\n face |bytes\n    lo: 1 2 3\n  eth0.7: 4 5 6\nbr:0: 7 8\n";
        assert_eq!(names(table), ["br:0", "eth0.7", "lo"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn a_system_without_interfaces_says_so() {
        assert_eq!(System::default().list(), "none");
    }
}
