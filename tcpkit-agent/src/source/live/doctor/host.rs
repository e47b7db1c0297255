//! The kernel, what this process may do, and what its clock costs.

use super::{
    super::{LiveError, object, privilege, sys},
    Finding, line,
};

/// Looks at the host.
pub(super) fn examine() -> Vec<Finding> {
    let mut findings = vec![Finding::good("kernel", sys::kernel())];
    findings.push(capabilities());
    findings.push(bpf());
    findings.push(types());
    findings.extend([compiler(), lockdown(), clock()].into_iter().flatten());
    findings
}

fn capabilities() -> Finding {
    let missing = privilege::missing();
    if missing.is_empty() {
        return Finding::good("capabilities", "what eBPF capture needs is there");
    }
    Finding::trouble(
        "capabilities",
        format!("{} missing: --backend auto falls back to libpcap", missing.join(", ")),
    )
    .advise("run as root, or setcap cap_bpf,cap_net_admin,cap_perfmon+ep on the program")
}

/// Found by making a ring buffer, whatever the kernel's number says.
fn bpf() -> Finding {
    let refused = match sys::lift_memory_lock() {
        None => privilege::try_bpf(),
        limit => privilege::try_bpf().map_err(|error| error.about_locked_memory(limit)),
    };
    match (refused, object::embedded()) {
        (Err(LiveError::Forbidden { refusal }), _) => {
            Finding::trouble("bpf(2)", format!("refused: {refusal}"))
                .advise("allow bpf in the container's seccomp profile, and run in the host's user namespace")
        }
        (Err(error), _) => Finding::trouble("bpf(2)", error.to_string()),
        (Ok(()), Err(error)) => Finding::trouble("eBPF object", error.to_string()),
        (Ok(()), Ok(_)) => Finding::good("bpf(2)", "ring buffers can be made"),
    }
}

fn types() -> Finding {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    if std::path::Path::new(PATH).exists() {
        return Finding::good("kernel types", PATH);
    }
    Finding::trouble(
        "kernel types",
        format!("{PATH} is missing: the kernel was built without CONFIG_DEBUG_INFO_BTF"),
    )
    .advise("use a distribution's kernel, or --backend pcap")
}

/// Without it every frame is looked at by an interpreter.
fn compiler() -> Option<Finding> {
    const PATH: &str = "/proc/sys/net/core/bpf_jit_enable";
    match line(PATH)?.as_str() {
        "0" => Some(
            Finding::loss("BPF compiler", "off: each frame costs several times as much")
                .advise("sysctl net.core.bpf_jit_enable=1"),
        ),
        _ => Some(Finding::good("BPF compiler", "on")),
    }
}

fn lockdown() -> Option<Finding> {
    let modes = line("/sys/kernel/security/lockdown")?;
    let mode = modes.split_once('[')?.1.split_once(']')?.0;
    Some(match mode {
        "none" => Finding::good("lockdown", "none"),
        "confidentiality" => {
            Finding::note("lockdown", "confidentiality: XDP on kernels before 5.18 is not possible, TC is")
        }
        mode => Finding::good("lockdown", mode),
    })
}

/// Frames are stamped by `bpf_ktime_get_ns`, which reads the clock source.
fn clock() -> Option<Finding> {
    let source = line("/sys/devices/system/clocksource/clocksource0/current_clocksource")?;
    if matches!(
        source.as_str(),
        "tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page" | "xen"
    ) {
        return Some(Finding::good("clock source", source));
    }
    let finding = Finding::loss(
        "clock source",
        format!("{source}: reading it takes about a microsecond for each frame"),
    );
    Some(finding.advise("find out why the kernel gave up the TSC: dmesg | grep -i -e tsc -e clocksource"))
}
