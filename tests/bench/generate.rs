//! Sends the smallest frames out of an interface, at a share of the most that the kernel can.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tcpkit_tests::generator::{Generator, smallest_frame};

/// Frames that one call makes, dropped ones included: some tenths of a second.
const FRAMES_PER_CALL: u32 = 1 << 18;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
struct Order {
    interface: String,
    /// Of the frames that are made, how many leave: above 0, at most 1.
    share: f64,
    seconds: f64,
    /// A power of two, at most 65,536.
    flows: u32,
}

/// Sends until the time is over; says how long it took.
#[expect(clippy::disallowed_methods, reason = "a rate is frames per second of the real clock")]
pub(crate) fn run(options: &[String]) -> Result<Value> {
    let order = Order::parse(options)?;
    let index = fs::read_to_string(format!("/sys/class/net/{}/ifindex", order.interface))
        .with_context(|| format!("there is no interface {}", order.interface))?;
    let index: u32 = index.trim().parse().context("the interface's index is no number")?;
    let generator = Generator::thinned(index, order.flows, smallest_frame(), order.share)
        .context("the kernel refuses the generator")?;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs_f64(order.seconds) {
        generator.send(FRAMES_PER_CALL).context("the kernel sends nothing")?;
    }
    Ok(json!({ "seconds": begin.elapsed().as_secs_f64() }))
}

impl Order {
    fn parse(options: &[String]) -> Result<Self> {
        let mut order = Self { interface: String::new(), share: 0.0, seconds: 0.0, flows: 0 };
        for pair in options.chunks(2) {
            let [name, value] = pair else { bail!("{} has no value", pair[0]) };
            let wrong = || format!("{name} {value}: not a number");
            match name.as_str() {
                "--interface" => order.interface.clone_from(value),
                "--share" => order.share = value.parse().with_context(wrong)?,
                "--seconds" => order.seconds = value.parse().with_context(wrong)?,
                "--flows" => order.flows = value.parse().with_context(wrong)?,
                _ => bail!("{name}: no such option"),
            }
        }
        let is_share = order.share > 0.0 && order.share <= 1.0;
        let is_time = order.seconds > 0.0 && order.seconds <= 3600.0;
        if order.interface.is_empty() || !is_share || !is_time {
            bail!("generate wants an interface, a share above 0 and up to 1, and seconds up to an hour");
        }
        if !order.flows.is_power_of_two() || order.flows > 65_536 {
            bail!("--flows {}: a power of two up to 65536 is wanted", order.flows);
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn an_order_is_whole_or_refused() {
        assert!(Order::parse(&words("--interface a --share 0.5 --seconds 1 --flows 64")).is_ok());
        for line in
            ["", "--interface a", "--share 2 --interface a --seconds 1 --flows 64", "--share x", "--share"]
        {
            assert!(Order::parse(&words(line)).is_err(), "{line}");
        }
        assert!(Order::parse(&words("--interface a --share 1 --seconds 1 --flows 63")).is_err());
    }
}
