//! The arithmetic on packets that are made up; whole captures are held against tcpstat's own output elsewhere.

use std::convert::Infallible;

use super::*;

/// Everything that was written, by descriptor in the order of writing.
#[derive(Default)]
struct Written(Vec<(i32, String)>);

impl Outlet for Written {
    type Error = Infallible;

    fn write(&mut self, descriptor: i32, bytes: &[u8]) -> Result<(), Infallible> {
        let text = String::from_utf8_lossy(bytes);
        match self.0.last_mut() {
            Some((last, all)) if *last == descriptor => all.push_str(&text),
            _ => self.0.push((descriptor, text.into_owned())),
        }
        Ok(())
    }

    fn end_of_line(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn packet(micros: i64, size: u32) -> Counted {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    Counted { seconds, micros, size, network: Network::V4, transport: Transport::Tcp }
}

fn run(options: StatOptions, packets: &[Counted]) -> (String, Result<(), Stopped<Infallible>>) {
    let mut out = Written::default();
    let mut stat = Stat::new(options);
    let fed = packets.iter().try_for_each(|packet| stat.on_packet(packet, &mut out));
    let ended = fed.and_then(|()| stat.finish(&mut out));
    let text = out.0.iter().map(|(descriptor, text)| match descriptor {
        1 => text.clone(),
        other => format!("<{other}>{text}"),
    });
    (text.collect(), ended)
}

fn lines(format: &str) -> StatOptions {
    StatOptions { interval: 1.0, format: Format::parse(format.as_bytes(), false), ..StatOptions::default() }
}

#[test]
fn a_packet_on_the_edge_belongs_to_the_earlier_interval_and_gaps_are_filled() {
    let packets = [packet(1_000_000, 60), packet(2_000_000, 60), packet(4_500_000, 100)];
    let (text, ended) = run(lines(r"%S %n %N %b\n"), &packets);
    assert_eq!(text, "2 2 120 960.00\n3 0 0 0.00\n4 0 0 0.00\n5 1 100 800.00\n");
    assert_eq!(ended, Ok(()));
}

#[test]
fn lines_go_to_the_descriptors_that_the_format_names() {
    let (text, _) =
        run(lines(r"a%%b%q\t\q\\%n|%2err %n%1 out%300.%99999999999999999999!\n"), &[packet(1, 9)]);
    assert_eq!(text, "a%%b%q\tq\\1|<2>err 1 out.<-1>!\n".replace("1 out", "1").replace("1.", "1 out."));
}

#[test]
fn strict_is_what_the_manual_promises() {
    let packets = [packet(1_000_000, 1_000), packet(1_500_000, 1_000)];
    let bandwidth = |strict| StatOptions {
        action: Action::Bandwidth,
        limit: 1.0,
        interval: 1.0,
        strict,
        ..StatOptions::default()
    };
    let share = |strict| run(bandwidth(strict), &packets).0.split('(').nth(2).unwrap().to_owned();
    assert!(share(false).starts_with("50.00%"), "{}", share(false));
    assert!(share(true).starts_with("100.00%"), "{}", share(true));
    let strict = StatOptions { format: Format::parse(b"%%", true), ..StatOptions::default() };
    assert_eq!(run(strict, &packets).0, "%");
}

#[test]
fn what_has_no_end_stops_after_a_megabyte() {
    let alone = StatOptions { seconds: 3.0, ..StatOptions::default() };
    let (text, ended) = run(alone, &[packet(1_700_000_000_000_000, 60)]);
    assert_eq!(ended, Err(Stopped::Endless));
    assert!(text.starts_with("Time:1700000000\tn=1\tavg=60.00\tstddev=0.00\tbps=inf\n"), "{text:.80}");
    assert!(text.len() > ENDLESS_BYTES && text.len() < ENDLESS_BYTES + 200);
    let tiny = StatOptions { interval: 1e-9, action: Action::Account, ..StatOptions::default() };
    let packets = [packet(1_700_000_000_000_000, 60), packet(1_700_000_001_000_000, 60)];
    assert_eq!(run(tiny, &packets), (String::new(), Err(Stopped::Endless)));
    let silent = StatOptions { interval: 0.1, skips_empty: true, ..StatOptions::default() };
    let millennia = [packet(1_700_000_000_000_000, 60), packet(9_200_000_000_000_000, 60)];
    let (text, ended) = run(silent, &millennia);
    assert_eq!((text.lines().count(), ended), (1, Err(Stopped::Endless)));
}

#[test]
fn a_request_ends_the_interval_at_the_next_packet() {
    let mut out = Written::default();
    let mut stat = Stat::new(StatOptions { interval: -1.0, ..lines(r"%s %n\n") });
    stat.on_packet(&packet(10_000_000, 60), &mut out).unwrap();
    stat.ask();
    stat.on_packet(&packet(12_000_000, 60), &mut out).unwrap();
    stat.finish(&mut out).unwrap();
    assert_eq!(out.0[0].1.lines().count(), 2, "{:?}", out.0);
}

#[test]
fn short_frames_are_read_with_what_the_one_before_left() {
    let mut decoder = Decoder::new(Link::Ethernet, false);
    let mut frame = [0_u8; 80];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14 + 9] = 17;
    decoder.take(&frame);
    assert_eq!((decoder.network(), decoder.transport(Network::V4)), (Network::V4, Transport::Udp));
    decoder.take(&frame[..20]);
    assert_eq!((decoder.network(), decoder.transport(Network::V4)), (Network::V4, Transport::Udp));
    assert_eq!(decoder.size(10), 10_u32.wrapping_sub(14));
}
