//! The programs. Whatever becomes of a frame, it goes on, unchanged.

use aya_ebpf::{
    bindings::xdp_action::XDP_PASS,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::{debug, info, warn};
use tcpkit_common::{counter::Counter, record::Hook};

use crate::{
    Skip, count,
    hook::{Frame, LinearXdp},
    maps,
    maps::setting,
    observe,
};

/// Native XDP on the way in: wire frames.
#[xdp(frags)]
pub fn xdp_ingress(context: XdpContext) -> u32 {
    run(&context, Hook::XdpIngress);
    XDP_PASS
}

/// The same where the kernel knows no frames in several pieces, before 5.18.
#[xdp]
pub fn xdp_linear(context: XdpContext) -> u32 {
    run(&LinearXdp::new(context), Hook::XdpIngress);
    XDP_PASS
}

/// TC on the way in: what GRO made.
#[classifier]
pub fn tc_ingress(context: TcContext) -> i32 {
    run(&context, Hook::TcIngress);
    NEXT
}

/// TC on the way out: before segmentation.
#[classifier]
pub fn tc_egress(context: TcContext) -> i32 {
    run(&context, Hook::TcEgress);
    NEXT
}

/// `TC_ACT_UNSPEC` (linux/pkt_cls.h) and `TCX_NEXT` (linux/bpf.h): ask the classifiers behind this one.
const NEXT: i32 = -1;

/// Gives every frame exactly one fate.
#[inline(always)]
fn run<F: Frame>(frame: &F, hook: Hook) {
    let index = frame.interface_index();
    let Some(interface) = maps::interface(index, hook) else {
        if setting!(log_level) >= WARN {
            warn!(frame, "frame of interface {}, which nobody asked for", index);
        }
        return;
    };
    let Some(row) = maps::row(interface.slot, hook) else { return };
    if setting!(log_level) >= INFO && row[Counter::Recorded as usize] == 0 {
        info!(frame, "hook {} of interface {} works: {} bytes", hook as u8, index, frame.frame_len());
    }
    match observe::frame(frame, hook, interface, row) {
        Ok(()) => count::one(row, Counter::Recorded),
        Err(skip) => {
            count::one(row, skip.counter());
            explain(frame, skip, index);
        }
    }
}

/// Tells the operator why a frame has no record, if asked.
#[inline(always)]
fn explain<F: Frame>(frame: &F, skip: Skip, index: u32) {
    match skip {
        Skip::Filtered if setting!(log_level) >= DEBUG => {
            debug!(frame, "no record of a frame on interface {}: {}", index, skip.as_str());
        }
        Skip::RingFull | Skip::HelperFailed if setting!(log_level) >= WARN => {
            warn!(frame, "no record of a frame on interface {}: {}", index, skip.as_str());
        }
        _ => {}
    }
}

/// Levels of aya-log.
const WARN: u32 = 2;
const INFO: u32 = 3;
const DEBUG: u32 = 4;
