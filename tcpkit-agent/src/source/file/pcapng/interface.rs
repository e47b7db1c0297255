//! An interface as a section of a pcapng file describes it (draft-ietf-opsawg-pcapng §4.2): link type (2), reserved
//! (2), snap length (4), options.

use super::options::Options;
use crate::{
    source::{
        error::Damage,
        file::scan::{u16_at, u32_at},
    },
    time::Timestamp,
    wire::{InterfaceId, LinkType},
};

/// What the rest of the section must know of an interface.
pub(super) struct SectionInterface {
    pub(super) id: InterfaceId,
    pub(super) link_type: LinkType,
    /// Most bytes of a frame; `None` without a limit.
    pub(super) snaplen: Option<u32>,
    clock: Clock,
    drops: Drops,
}

/// An interface description block, decoded.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) link_type: LinkType,
    pub(super) snaplen: Option<u32>,
    pub(super) name: Option<String>,
    clock: Clock,
}

/// How the time stamps of an interface count.
#[derive(Clone, Copy, Debug)]
struct Clock {
    resolution: Resolution,
    /// Added to every time stamp.
    offset_ns: i64,
}

/// What one tick of a time stamp is.
#[derive(Clone, Copy, Debug)]
enum Resolution {
    /// This many nanoseconds.
    Nanoseconds(u64),
    /// A nanosecond has this many.
    PerNanosecond(u64),
    /// A second has two to this power.
    PowerOfTwo(u32),
}

/// Frames lost on an interface, told in two ways that overlap.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
    /// Sum of what single frames say.
    by_frames: u64,
    /// The latest total of the statistics.
    by_statistics: u64,
}

impl Description {
    /// Decodes the block's body.
    pub(super) fn parse<const BIG: bool>(body: &[u8]) -> Result<Self, Damage> {
        if body.len() < FIXED_LEN {
            return Err(Damage::corrupt("an interface description is too short,"));
        }
        let snaplen = u32_at::<BIG>(body, 4);
        let mut description = Self {
            link_type: LinkType(u16_at::<BIG>(body, 0)),
            snaplen: (snaplen != 0).then_some(snaplen),
            name: None,
            clock: Clock { resolution: Resolution::Nanoseconds(1_000), offset_ns: 0 },
        };
        for option in Options::<BIG>::new(&body[FIXED_LEN..]) {
            let option = option.map_err(|overlong| {
                Damage::corrupt(format_args!(
                    "an interface description has an option {} of {} bytes, which it cannot hold,",
                    overlong.code, overlong.len
                ))
            })?;
            description.take_option::<BIG>(option.code, option.value)?;
        }
        Ok(description)
    }

    fn take_option<const BIG: bool>(&mut self, code: u16, value: &[u8]) -> Result<(), Damage> {
        match code {
            IF_NAME => self.name = Some(String::from_utf8_lossy(value).into_owned()),
            IF_TSRESOL => {
                let &[resolution] = value else {
                    return Err(Damage::corrupt("an interface's if_tsresol is not one byte long,"));
                };
                self.clock.resolution = Resolution::parse(resolution)?;
            }
            IF_TSOFFSET => {
                let Ok(seconds) = <[u8; 8]>::try_from(value) else {
                    return Err(Damage::corrupt("an interface's if_tsoffset is not eight bytes long,"));
                };
                let seconds = if BIG { i64::from_be_bytes(seconds) } else { i64::from_le_bytes(seconds) };
                self.clock.offset_ns = seconds.saturating_mul(1_000_000_000);
            }
            _ => {}
        }
        Ok(())
    }

    /// The interface under the number that the capture knows it by.
    pub(super) fn numbered(&self, id: InterfaceId) -> SectionInterface {
        SectionInterface {
            id,
            link_type: self.link_type,
            snaplen: self.snaplen,
            clock: self.clock,
            drops: Drops::default(),
        }
    }
}

impl SectionInterface {
    /// The point in time that a time stamp of this interface, in two halves, stands for.
    #[inline]
    pub(super) fn timestamp(&self, high: u32, low: u32) -> Timestamp {
        let ticks = u64::from(high) << 32 | u64::from(low);
        Timestamp(self.clock.resolution.nanoseconds(ticks).saturating_add(self.clock.offset_ns))
    }

    /// Takes what a frame says was lost before it; returns by how much the interface's loss grew.
    pub(super) fn dropped_before_frame(&mut self, frames: u64) -> u64 {
        let before = self.drops.total();
        self.drops.by_frames = self.drops.by_frames.saturating_add(frames);
        self.drops.total() - before
    }

    /// Takes the total of the statistics; returns by how much the interface's loss grew.
    pub(super) fn dropped_in_all(&mut self, frames: u64) -> u64 {
        let before = self.drops.total();
        self.drops.by_statistics = self.drops.by_statistics.max(frames);
        self.drops.total() - before
    }
}

impl Drops {
    fn total(self) -> u64 {
        self.by_frames.max(self.by_statistics)
    }
}

impl Resolution {
    /// Decodes `if_tsresol`: the exponent of ten or, with the highest bit set, of two; always negative.
    fn parse(option: u8) -> Result<Self, Damage> {
        let exponent = u32::from(option & 0x7f);
        match (option & 0x80 != 0, exponent) {
            (false, 0..=9) => Ok(Self::Nanoseconds(10_u64.pow(9 - exponent))),
            (false, 10..=19) => Ok(Self::PerNanosecond(10_u64.pow(exponent - 9))),
            (true, 0..=63) => Ok(Self::PowerOfTwo(exponent)),
            (binary, _) => Err(Damage::unsupported(format_args!(
                "an interface counts time in units of {}^-{exponent} s, finer than the 10^-19 or 2^-63 supported,",
                if binary { 2 } else { 10 }
            ))),
        }
    }

    /// Nanoseconds, rounded down; a time beyond the year 2262 stays there.
    #[inline]
    fn nanoseconds(self, ticks: u64) -> i64 {
        let nanoseconds = match self {
            Self::Nanoseconds(factor) => ticks.saturating_mul(factor),
            Self::PerNanosecond(divisor) => ticks / divisor,
            Self::PowerOfTwo(exponent) => {
                u64::try_from((u128::from(ticks) * 1_000_000_000) >> exponent).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(nanoseconds).unwrap_or(i64::MAX)
    }
}

const FIXED_LEN: usize = 8;

const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

#[cfg(test)]
mod tests {
    use super::Resolution;

    #[test]
    fn resolutions_of_ten_and_of_two_become_nanoseconds() {
        let nanoseconds = |option, ticks| Resolution::parse(option).unwrap().nanoseconds(ticks);
        assert_eq!(nanoseconds(0, 3), 3_000_000_000);
        assert_eq!(nanoseconds(6, 3), 3_000);
        assert_eq!(nanoseconds(9, 3), 3);
        assert_eq!(nanoseconds(12, 3_999), 3);
        assert_eq!(nanoseconds(0x80 | 10, 1_536), 1_500_000_000);
        assert_eq!(nanoseconds(0x80 | 63, 1 << 62), 500_000_000);
        assert_eq!(nanoseconds(0, u64::MAX), i64::MAX);
        assert!(Resolution::parse(20).is_err());
        assert!(Resolution::parse(0x80 | 64).is_err());
    }
}
