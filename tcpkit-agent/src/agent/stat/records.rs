//! Live packets one by one, by libpcap: for what no sum of the kernel tells.

use std::time::Duration;

use crate::{
    cli::Failure,
    source::{Block, InterfaceTable, LiveOptions, PcapLive},
    wire::{Frame, LinkType},
};

/// An interface whose packets are looked at.
pub(in crate::agent) struct Packets {
    name: String,
    live: PcapLive,
    block: Block,
}

impl Packets {
    /// Begins to capture.
    ///
    /// # Errors
    /// libpcap's reason.
    pub(in crate::agent) fn open(interface: &str, filter: &str, promiscuous: bool) -> anyhow::Result<Self> {
        let filter = filter.trim();
        let options = LiveOptions {
            interface: interface.to_owned(),
            snaplen: SNAPLEN,
            buffer_bytes: Some(BUFFER_BYTES),
            filter: (!filter.is_empty()).then(|| filter.to_owned()),
            promiscuous,
            immediate: false,
        };
        let live = PcapLive::open(&options, &mut InterfaceTable::default())?;
        Ok(Self { name: interface.to_owned(), live, block: Block::default() })
    }

    /// How its frames begin.
    pub(in crate::agent) const fn link_type(&self) -> LinkType {
        self.live.link_type()
    }

    /// Hands over what came, and waits for it at most so long.
    ///
    /// # Errors
    /// The interface disappeared; what the taker says.
    pub(in crate::agent) fn take(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&Frame<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.live.fill(&mut self.block, wait)?;
        self.block.frames.iter().try_for_each(|frame| each(&self.block.frame(frame)))
    }

    /// Says how many packets the kernel had no room for, and how many there were.
    pub(in crate::agent) fn lost(&mut self) -> (u64, u64) {
        self.live.statistics().map_or((0, 0), |statistics| (statistics.dropped, statistics.received))
    }

    /// A warning where packets were lost; no figure includes them.
    pub(in crate::agent) fn loss(&mut self) -> Option<String> {
        let (lost, received) = self.lost();
        let name = &self.name;
        (lost > 0).then(|| {
            Failure::run(format!("tcpkit: warning: interface {name}"))
                .because(format!("{lost} of {received} packets were lost by the capture and are not counted"))
                .to_string()
        })
    }
}

/// Headers up to TCP's options, behind tags.
const SNAPLEN: u32 = 160;

const BUFFER_BYTES: u32 = 16 << 20;
