//! What the programs ask of a frame, whichever hook shows it.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    helpers::generated::{
        bpf_probe_read_kernel, bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
    },
    programs::{TcContext, XdpContext},
};
use tcpkit_common::record::Hook;

use crate::{
    bounded::{at_least_one, at_most, distance, sum},
    filter::{filter_tc, filter_xdp, filter_xdp_linear},
};

/// A frame at a hook. Nothing here can change it.
pub trait Frame: EbpfContext {
    /// Bytes of the whole frame, without the tag in metadata.
    fn frame_len(&self) -> u32;
    /// Interface of the hook.
    fn interface_index(&self) -> u32;
    /// The part that lies in one piece, as packet pointers: start and end.
    fn linear(&self) -> (usize, usize);
    /// Payload bytes per wire segment of a super-segment; 0 on an ordinary frame, as every frame before an skb is.
    #[inline(always)]
    fn gso_size(&self) -> u32 {
        0
    }
    /// Wire segments as the kernel counted them; 0 where it did not.
    #[inline(always)]
    fn gso_segs(&self) -> u32 {
        0
    }
    /// The tag in metadata: EtherType (0 when there is none) and tag. Only an skb has such metadata.
    #[inline(always)]
    fn vlan(&self) -> (u16, u16) {
        (0, 0)
    }
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
    fn ask(&self, frame_len: u32, _egress: u32) -> u64 {
        filter_xdp(self.ctx, frame_len)
    }

    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, len: u64) -> bool {
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_xdp_load_bytes(self.ctx, offset, to.cast(), at_least_one(len) as u32) == 0 }
    }
}

/// A frame at XDP before Linux 5.18: always in one piece, and without the helpers that read it in pieces.
pub struct LinearXdp(XdpContext);

impl LinearXdp {
    #[inline(always)]
    pub fn new(context: XdpContext) -> Self {
        Self(context)
    }
}

impl EbpfContext for LinearXdp {
    #[inline(always)]
    fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

impl Frame for LinearXdp {
    #[inline(always)]
    fn frame_len(&self) -> u32 {
        distance(self.0.data(), self.0.data_end()) as u32
    }

    #[inline(always)]
    fn interface_index(&self) -> u32 {
        self.0.interface_index()
    }

    #[inline(always)]
    fn linear(&self) -> (usize, usize) {
        self.0.linear()
    }

    #[inline(always)]
    fn ask(&self, frame_len: u32, _egress: u32) -> u64 {
        filter_xdp_linear(self.0.ctx, frame_len)
    }

    /// The verifier would want packet bytes read in steps of constant size. The helper takes any address and reads what
    /// is there; that it is the frame's is checked here.
    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, len: u64) -> bool {
        let offset = at_most::<MAX_LINEAR>(u64::from(offset));
        let len = at_least_one(len);
        if sum(offset, len) > u64::from(self.frame_len()) {
            return false;
        }
        let from = (self.0.data() + offset as usize) as *const c_void;
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_probe_read_kernel(to.cast(), len as u32, from) == 0 }
    }
}

/// No frame in one piece is longer: XDP wants it within a page.
const MAX_LINEAR: u32 = 0x7fff;

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
