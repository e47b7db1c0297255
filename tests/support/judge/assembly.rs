//! The programs of probes, instruction by instruction (Documentation/bpf/standardization/instruction-set.rst).

use std::os::fd::RawFd;

use anyhow::Result;

use super::{btf::Btf, probe::Value};

/// The program of a probe: bytes for `BPF_PROG_LOAD`.
///
/// # Errors
/// When the kernel has other structures than those that are read here.
pub(super) fn program(btf: &Btf, queue: RawFd, namespaces: &[u32], values: &[Value]) -> Result<Vec<u8>> {
    let columns = i16::try_from(values.len() + 1)?;
    // The row ends at the stack's top; a slot for the namespace lies below it.
    let slot = |column: i16| 8 * (column - columns);
    let mut code = Assembly::default();
    code.copy(CONTEXT, 1);
    code.set(0, 0);
    (-1..columns).for_each(|column| code.store(slot(column), 0));
    code.leave_other_namespaces(btf, slot(-1), namespaces)?;
    code.call(KTIME_GET_NS);
    code.store(slot(0), 0);
    for (column, value) in (1..).zip(values) {
        match *value {
            Value::Argument(argument) => {
                code.argument(1, argument);
                code.store(slot(column), 1);
            }
            Value::Behind { argument, offset, len } => {
                code.argument(3, argument);
                code.read(slot(column), offset, len);
            }
        }
    }
    // A map's descriptor takes two instructions (BPF_PSEUDO_MAP_FD).
    code.push(0x18, registers(1, 1), 0, queue);
    code.push(0, 0, 0, 0);
    code.copy(2, FRAME);
    code.push(0x07, 2, 0, slot(0).into());
    code.set(3, 0);
    code.call(MAP_PUSH_ELEM);
    code.end();
    Ok(code.0.concat())
}

/// The registers' numbers in an instruction: target in the low half, source in the high one.
const fn registers(target: u8, source: u8) -> u8 {
    source << 4 | target
}

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [i0, i1, i2, i3] = immediate.to_ne_bytes();
    [code, registers, o0, o1, i0, i1, i2, i3]
}

/// Instructions as they grow.
#[derive(Default)]
struct Assembly(Vec<[u8; 8]>);

impl Assembly {
    fn push(&mut self, code: u8, registers: u8, offset: i16, immediate: i32) {
        self.0.push(instruction(code, registers, offset, immediate));
    }

    /// Into 64 bits of the stack.
    fn store(&mut self, slot: i16, source: u8) {
        self.push(0x7b, registers(FRAME, source), slot, 0);
    }

    /// A tracepoint's context is its arguments, in words of 64 bits.
    fn argument(&mut self, target: u8, argument: u8) {
        self.push(0x79, registers(target, CONTEXT), i16::from(argument) * 8, 0);
    }

    fn copy(&mut self, target: u8, source: u8) {
        self.push(0xbf, registers(target, source), 0, 0);
    }

    fn set(&mut self, target: u8, value: i32) {
        self.push(0xb7, target, 0, value);
    }

    fn end(&mut self) {
        self.set(0, 0);
        self.push(0x95, 0, 0, 0);
    }

    fn leave_other_namespaces(&mut self, btf: &Btf, scratch: i16, inodes: &[u32]) -> Result<()> {
        self.argument(3, 0);
        self.read(scratch, btf.field("sock", "__sk_common.skc_net.net")?.offset, 8);
        self.push(0x79, registers(3, FRAME), scratch, 0);
        self.read(scratch, btf.field("net", "ns.inum")?.offset, 4);
        self.push(0x61, registers(1, FRAME), scratch, 0);
        for (number, inode) in inodes.iter().enumerate() {
            // Past the other comparisons and the two instructions of the end.
            let rest = i16::try_from(inodes.len() - number - 1)?;
            self.push(0x16, 1, rest + 2, inode.cast_signed());
        }
        self.end();
        Ok(())
    }

    fn call(&mut self, helper: i32) {
        self.push(0x85, 0, 0, helper);
    }

    /// Reads `len` bytes at r3 + `offset` into a slot; what cannot be read is zero.
    fn read(&mut self, slot: i16, offset: u32, len: u8) {
        self.push(0x07, 3, 0, offset.cast_signed());
        self.copy(1, FRAME);
        self.push(0x07, 1, 0, slot.into());
        self.set(2, len.into());
        self.call(PROBE_READ_KERNEL);
    }
}

/// Registers: the one that keeps the context, and the frame pointer.
const CONTEXT: u8 = 6;
const FRAME: u8 = 10;

/// Helpers (linux/bpf.h).
const KTIME_GET_NS: i32 = 5;
const MAP_PUSH_ELEM: i32 = 87;
const PROBE_READ_KERNEL: i32 = 113;
