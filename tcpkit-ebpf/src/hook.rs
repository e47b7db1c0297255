//! What the programs ask of a frame, whichever hook shows it.

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use tcpkit_common::record::Hook;

use crate::{
    bounded::at_least_one,
    filter::{filter_tc, filter_xdp},
};

/// A frame at a hook. Nothing here can change it.
pub trait Frame: EbpfContext {
    /// Bytes of the whole frame, without the tag in metadata.
    fn frame_len(&self) -> u32;
    /// Interface of the hook.
    fn interface_index(&self) -> u32;
    /// The part that lies in one piece, as packet pointers: start and end.
    fn linear(&self) -> (usize, usize);
    /// Payload bytes per wire segment of a super-segment; 0 on an ordinary frame.
    fn gso_size(&self) -> u32;
    /// Wire segments as the kernel counted them; 0 where it did not.
    fn gso_segs(&self) -> u32;
    /// The tag in metadata: EtherType (0 when there is none) and tag.
    fn vlan(&self) -> (u16, u16);
    /// Asks the filter.
    fn ask(&self, frame_len: u32, egress: u32) -> u64;
    /// Copies `len` bytes, at least one, from `offset` on to `to`; false when the helper refuses.
    ///
    /// # Safety
    /// `to` points to `len` writable bytes.
    unsafe fn copy(&self, offset: u32, to: *mut u8, len: u64) -> bool;
}

/// What a hook says of a frame beside its bytes. Asked once: each answer is a helper call or a few loads.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Bytes of the whole frame, without the tag in metadata.
    pub frame_len: u32,
    /// Payload bytes per wire segment of a super-segment; 0 on an ordinary frame.
    pub gso_size: u32,
    /// The tag in metadata: EtherType (0 when there is none) and tag.
    pub vlan: (u16, u16),
}

impl Shape {
    /// The shape of this frame.
    #[inline(always)]
    pub fn of<F: Frame>(frame: &F, frame_len: u32) -> Self {
        Self { frame_len, gso_size: frame.gso_size(), vlan: frame.vlan() }
    }
}

impl Frame for XdpContext {
    #[inline(always)]
    fn frame_len(&self) -> u32 {
        // SAFETY: the context is the one that the kernel gave.
        unsafe { bpf_xdp_get_buff_len(self.ctx) as u32 }
    }

    #[inline(always)]
    fn interface_index(&self) -> u32 {
        // SAFETY: as above; the verifier translates the field.
        unsafe { (*self.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn linear(&self) -> (usize, usize) {
        (self.data(), self.data_end())
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn gso_segs(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn vlan(&self) -> (u16, u16) {
        (0, 0)
    }

    #[inline(always)]
    fn ask(&self, frame_len: u32, _egress: u32) -> u64 {
        filter_xdp(self.ctx, frame_len)
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, len: u64) -> bool {
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_xdp_load_bytes(self.ctx, offset, to.cast(), at_least_one(len) as u32) == 0 }
    }
}

impl Frame for TcContext {
    #[inline(always)]
    fn frame_len(&self) -> u32 {
        self.len()
    }

    #[inline(always)]
    fn interface_index(&self) -> u32 {
        // SAFETY: the context is the one that the kernel gave; the verifier translates the field.
        unsafe { (*self.skb.skb).ifindex }
    }

    #[inline(always)]
    fn linear(&self) -> (usize, usize) {
        (self.data(), self.data_end())
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb.skb).gso_size }
    }

    #[inline(always)]
    fn gso_segs(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.skb.skb).gso_segs }
    }

    #[inline(always)]
    fn vlan(&self) -> (u16, u16) {
        // SAFETY: as above.
        let (present, protocol, tci) =
            unsafe { ((*self.skb.skb).vlan_present, (*self.skb.skb).vlan_proto, (*self.skb.skb).vlan_tci) };
        if present == 0 { (0, 0) } else { (u16::from_be(protocol as u16), tci as u16) }
    }

    #[inline(always)]
    fn ask(&self, frame_len: u32, egress: u32) -> u64 {
        filter_tc(self.skb.skb, frame_len, egress)
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, len: u64) -> bool {
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_skb_load_bytes(self.as_ptr(), offset, to.cast(), at_least_one(len) as u32) == 0 }
    }
}

/// Whether frames leave at this hook, as the filter's `inbound` and `outbound` mean it.
#[inline(always)]
pub fn is_egress(hook: Hook) -> bool {
    matches!(hook, Hook::TcEgress)
}
