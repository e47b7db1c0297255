use crate::protocol::{Protocol, sql::captured::lines};

#[test]
fn show() {
    for (keep, skip) in [(9_999, 0), (202, 0), (9_999, 5)] {
        println!("== {keep} {skip}");
        for line in lines(Protocol::MySql, 3306, "made__mariadb-session.pcap", keep, skip) {
            println!("{line}");
        }
    }
}
