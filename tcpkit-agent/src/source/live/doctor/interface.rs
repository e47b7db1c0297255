//! One interface: which hooks it allows, what its offloads do to the numbers, and where it loses frames.

use super::{
    super::{
        LiveError,
        device::{Control, Device},
        offload,
        standing::Master,
    },
    Finding, line, trial,
};

/// Looks at an interface; tries to capture from it, where the host allows that.
pub(super) fn examine(name: &str, can_capture: bool) -> Vec<Finding> {
    let device = match Device::find(name) {
        Ok(device) => device,
        Err(error @ LiveError::UnknownInterface { .. }) => {
            return vec![Finding::trouble("interface", error.to_string())];
        }
        Err(error) => return vec![Finding::trouble("interface", error.to_string())],
    };
    let mut findings = vec![state(&device), hook(&device)];
    findings.extend(place(&device));
    findings.extend(offload::describe(device.index).map(|offloads| offloads_of(&device, &offloads)));
    if let Ok(control) = Control::open() {
        findings.extend(queues(&device, &control));
        findings.extend(ring(&device, &control));
    }
    findings.extend(losses(name));
    if can_capture && device.is_up() {
        findings.push(trial::attach(name));
    }
    findings
}

fn state(device: &Device) -> Finding {
    let read = |what: &str| line(&format!("/sys/class/net/{}/{what}", device.name));
    let speed = read("speed").and_then(|speed| speed.parse::<u32>().ok()).filter(|speed| *speed > 0);
    let speed = speed.map(|speed| format!(", {speed} Mbit/s")).unwrap_or_default();
    let mtu = read("mtu").map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
    let driver = device.driver.as_deref().map(|driver| format!(", driver {driver}")).unwrap_or_default();
    if device.is_up() {
        return Finding::good("interface", format!("up{speed}{mtu}{driver}"));
    }
    Finding::note(
        "interface",
        format!("down or without a carrier{mtu}{driver}: nothing comes until it is up"),
    )
    .advise(format!("ip link set {} up", device.name))
}

fn hook(device: &Device) -> Finding {
    match device.link() {
        Err(error) => Finding::trouble("link layer", error.to_string()),
        Ok(_) if device.is_loopback() => {
            Finding::note("hook", "TC on the way in only: on loopback each packet would be seen twice")
        }
        Ok(_) if device.is_tap() => Finding::good(
            "hook",
            "no addresses, so a tap: native XDP on the way in where the driver has it, else TC",
        ),
        Ok(_) => {
            Finding::good("hook", "TC both ways: the host's own traffic goes here (--hook xdp asks for XDP)")
        }
    }
}

fn place(device: &Device) -> Option<Finding> {
    if device.spreads {
        return Some(Finding::good("bond", "its parts' frames are seen here, each once"));
    }
    let master = Master::of(device.index)?;
    let name = master.name;
    Some(if master.spreads {
        Finding::note("bond", format!("part of {name}: a flow may use other parts too"))
            .advise(format!("capture on {name}"))
    } else {
        Finding::note("bridge", format!("port of {name}: what is forwarded passes a second port too"))
    })
}

/// Super-segments are one frame each for TC; what they stand for is counted by the kernel's own word.
fn offloads_of(device: &Device, offloads: &[(&'static str, bool)]) -> Finding {
    let on: Vec<_> = offloads.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    let merges = on.iter().any(|name| matches!(*name, "TSO" | "GSO" | "GRO" | "LRO"));
    if on.contains(&"LRO") {
        return Finding::note(
            "offloads",
            format!("{}: LRO merges segments without saying how many they were", on.join(", ")),
        )
        .advise(format!("ethtool -K {} lro off", device.name));
    }
    if merges {
        let meaning = "one frame may stand for several segments; tcpkit counts the segments by gso_size";
        return Finding::good("offloads", format!("{}: {meaning}", on.join(", ")));
    }
    let on = if on.is_empty() { "none".to_owned() } else { on.join(", ") };
    Finding::good("offloads", format!("{on}: frames are as on the wire"))
}

fn queues(device: &Device, control: &Control) -> Option<Finding> {
    let (now, most) = offload::channels(control, &device.name)?;
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    if now >= most.min(cores) {
        return Some(Finding::good("queues", format!("{now} of {most}, {cores} cores")));
    }
    let finding = Finding::loss(
        "queues",
        format!("{now} of {most}, {cores} cores: one core takes more than its share, and loses frames first"),
    );
    Some(finding.advise(format!("ethtool -L {} combined {}", device.name, most.min(cores))))
}

fn ring(device: &Device, control: &Control) -> Option<Finding> {
    let (now, most) = offload::receive_ring(control, &device.name)?;
    if now >= most {
        return Some(Finding::good("receive ring", format!("{now} of {most} frames")));
    }
    let finding = Finding::note(
        "receive ring",
        format!("{now} of {most} frames: a burst that is longer is lost in the NIC"),
    );
    Some(finding.advise(format!("ethtool -G {} rx {most}", device.name)))
}

/// What the interface lost before any hook, since it exists.
fn losses(name: &str) -> Option<Finding> {
    let read =
        |counter: &str| line(&format!("/sys/class/net/{name}/statistics/{counter}"))?.parse::<u64>().ok();
    let lost: Vec<_> = ["rx_missed_errors", "rx_fifo_errors", "rx_over_errors", "rx_crc_errors"]
        .into_iter()
        .filter_map(|counter| {
            read(counter).filter(|count| *count > 0).map(|count| format!("{counter} {count}"))
        })
        .collect();
    let packets = read("rx_packets")?;
    if lost.is_empty() {
        return Some(Finding::good("lost before us", format!("nothing of {packets} frames")));
    }
    let finding = Finding::loss(
        "lost before us",
        format!(
            "{} beside {packets} frames, since the interface exists: no capture sees these",
            lost.join(", ")
        ),
    );
    Some(finding.advise(format!("a longer receive ring, more queues; see ethtool -S {name}")))
}
