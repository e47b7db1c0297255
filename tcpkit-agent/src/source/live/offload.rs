//! What attaching XDP changes on an interface: said before, and put back after.

use std::{
    fmt::{self, Display, Formatter},
    sync::Arc,
};

use super::device::{self, Control, Device};

/// Offloads of one interface, as far as it tells.
#[derive(Debug)]
pub(super) struct Offloads {
    // It keeps to the network namespace in which it was opened, whoever asks later.
    control: Arc<Control>,
    // Names change, and are used again.
    index: u32,
    values: [Option<u32>; SETTINGS.len()],
    queues: Option<u32>,
}

impl Offloads {
    /// As they are now, and the interface's present name; `None` if it is gone.
    fn read(control: &Arc<Control>, index: u32) -> Option<(Self, String)> {
        let name = control.name(index)?;
        let masked = |setting: Setting| value(control, &name, setting.ask).map(|value| value & setting.mask);
        let values = SETTINGS.map(masked);
        let queues = queues(control, &name);
        Some((Self { control: Arc::clone(control), index, values, queues }, name))
    }

    /// What is no longer as it was, in words; nothing, if the interface is gone.
    pub(super) fn changes(&self) -> Vec<String> {
        let Some((now, name)) = Self::read(&self.control, self.index) else { return Vec::new() };
        let mut changes = Vec::new();
        for (index, setting) in SETTINGS.iter().enumerate() {
            if let (Some(was), Some(is)) = (self.values[index], now.values[index])
                && was != is
            {
                changes.push(format!("{} of {name} went from {} to {}", setting.name, state(was), state(is)));
            }
        }
        if let (Some(was), Some(is)) = (self.queues, now.queues)
            && was != is
        {
            changes.push(format!("{name} has {is} queues instead of {was}"));
        }
        changes
    }

    /// Puts back what is no longer as it was; gives what could not be.
    pub(super) fn restore(&self) -> Vec<String> {
        let Some((now, name)) = Self::read(&self.control, self.index) else { return Vec::new() };
        for (index, setting) in SETTINGS.iter().enumerate() {
            let (Some(was), Some(is)) = (self.values[index], now.values[index]) else { continue };
            if was != is {
                // The flags come in one word: those of others stay as they are.
                let others = value(&self.control, &name, setting.ask).unwrap_or(0) & !setting.mask;
                let mut request = Value { command: setting.tell, data: was | others };
                // Whether it took is seen below.
                let _ = self.control.ethtool(&name, &mut request);
            }
        }
        self.changes()
    }
}

impl Display for Offloads {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (setting, value) in SETTINGS.iter().zip(self.values) {
            if let Some(value) = value {
                write!(formatter, "{} {}, ", setting.name, state(value))?;
            }
        }
        match self.queues {
            Some(queues) => write!(formatter, "{queues} queues"),
            None => formatter.write_str("queues unknown"),
        }
    }
}

/// The interfaces that XDP on this one may change: itself, the other end of a veth where it is in sight, and the parts
/// of a bond, which run the program for it.
pub(super) fn affected(device: &Device) -> Vec<Offloads> {
    let Ok(control) = Control::open().map(Arc::new) else { return Vec::new() };
    let mut affected = vec![device.index];
    if device.driver.as_deref() == Some("veth") {
        affected.extend(device.peer);
    }
    if device.spreads {
        affected.extend(device::parts(device.index));
    }
    affected.into_iter().filter_map(|index| Offloads::read(&control, index)).map(|(read, _)| read).collect()
}

const fn state(value: u32) -> &'static str {
    if value == 0 { "off" } else { "on" }
}

/// One offload: how to ask for it and how to tell it (linux/ethtool.h).
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    ask: u32,
    tell: u32,
    mask: u32,
}

/// `ETH_FLAG_LRO` among the flags of `ETHTOOL_GFLAGS`.
const FLAG_LRO: u32 = 1 << 15;

const SETTINGS: [Setting; 6] = [
    Setting { name: "receive checksum offload", ask: 0x14, tell: 0x15, mask: 1 },
    Setting { name: "transmit checksum offload", ask: 0x16, tell: 0x17, mask: 1 },
    Setting { name: "TSO", ask: 0x1e, tell: 0x1f, mask: 1 },
    Setting { name: "GSO", ask: 0x23, tell: 0x24, mask: 1 },
    Setting { name: "GRO", ask: 0x2b, tell: 0x2c, mask: 1 },
    Setting { name: "LRO", ask: 0x25, tell: 0x26, mask: FLAG_LRO },
];

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

fn value(control: &Control, name: &str, command: u32) -> Option<u32> {
    let mut value = Value { command, data: 0 };
    control.ethtool(name, &mut value).ok().map(|()| value.data)
}

fn queues(control: &Control, name: &str) -> Option<u32> {
    channels(control, name).map(|(now, _)| now)
}

/// Receive queues as set, and the most that there can be.
pub(super) fn channels(control: &Control, name: &str) -> Option<(u32, u32)> {
    /// `struct ethtool_channels`: the maxima, then what is set.
    #[repr(C)]
    struct Channels {
        command: u32,
        most: [u32; 4],
        receive: u32,
        transmit: u32,
        other: u32,
        combined: u32,
    }
    const ETHTOOL_GCHANNELS: u32 = 0x3c;
    let mut channels =
        Channels { command: ETHTOOL_GCHANNELS, most: [0; 4], receive: 0, transmit: 0, other: 0, combined: 0 };
    control.ethtool(name, &mut channels).ok()?;
    let [receive, _transmit, _other, combined] = channels.most;
    Some((channels.combined + channels.receive, combined.max(receive)))
}

/// Frames that the receive ring holds, and the most that it could.
pub(super) fn receive_ring(control: &Control, name: &str) -> Option<(u32, u32)> {
    /// `struct ethtool_ringparam`: the maxima, then what is set.
    #[repr(C)]
    struct Rings {
        command: u32,
        most: [u32; 4],
        now: [u32; 4],
    }
    const ETHTOOL_GRINGPARAM: u32 = 0x10;
    let mut rings = Rings { command: ETHTOOL_GRINGPARAM, most: [0; 4], now: [0; 4] };
    control.ethtool(name, &mut rings).ok()?;
    (rings.most[0] > 0).then_some((rings.now[0], rings.most[0]))
}

/// Each offload and whether it is on; `None` where the interface is gone.
pub(super) fn describe(index: u32) -> Option<Vec<(&'static str, bool)>> {
    let control = Control::open().map(Arc::new).ok()?;
    let (offloads, _) = Offloads::read(&control, index)?;
    let known = SETTINGS.iter().zip(offloads.values);
    Some(known.filter_map(|(setting, value)| Some((setting.name, value? != 0))).collect())
}
