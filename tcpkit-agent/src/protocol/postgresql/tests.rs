use crate::protocol::{Protocol, sql::captured::lines};

#[test]
fn show() {
    for (keep, skip) in [(9_999, 0), (202, 0), (9_999, 9)] {
        println!("== {keep} {skip}");
        for line in lines(Protocol::PostgreSql, 5432, "made__postgresql-session.pcap", keep, skip) {
            println!("{line}");
        }
    }
}
