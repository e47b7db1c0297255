//! Onto interfaces and off again, by each way that this kernel has.

use tcpkit_agent::source::live::{HookChoice, LiveCapture, LiveOptions};
use tcpkit_common::record::Hook;
use tcpkit_tests::{
    attached::{Attached, has_tcx},
    netns::Namespace,
};

use super::tell::{feature, judge, judge_at_length};

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn what_is_attached_sees_all_and_leaves_nothing_behind() {
    let remark =
        "classifiers by clsact; a small process takes them off within a second when the agent is killed";
    let (value, remark) = if has_tcx() { ("yes", "") } else { ("no", remark) };
    feature("TCX (6.6)", value, remark);
    judge_at_length("TC, clsact and native XDP count what the interface and TCP count", || {
        crate::kernel::live::counters_agree_with_the_interface_and_with_tcp();
        ""
    });
    judge("another filter takes over at TC, clsact and native XDP, and no frame is lost", || {
        crate::kernel::refilter::takes_over_everywhere();
        ""
    });
    judge("nothing stays attached after SIGKILL: TC, clsact, XDP", || {
        crate::kernel::live::nothing_stays_attached_after_sigkill();
        ""
    });
    judge_at_length("nothing stays attached when SIGINT or SIGKILL end the agent", || {
        crate::live::attach::nothing_stays_attached_after(&[libc::SIGINT, libc::SIGKILL]);
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn programs_and_classifiers_of_others_are_left_alone() {
    judge_at_length("another's clsact, filters and XDP program stay", || {
        crate::kernel::live::a_foreign_clsact_and_its_filters_stay();
        crate::kernel::live::a_foreign_xdp_program_stays_and_tc_is_used();
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn where_native_xdp_is_refused_tc_stands_in_and_says_why() {
    let namespace = Namespace::new("noxdp").unwrap();
    namespace.ip(&["link", "add", "dummy0", "type", "dummy"]).unwrap();
    namespace.ip(&["link", "add", "bridge0", "type", "bridge"]).unwrap();
    for name in ["dummy0", "bridge0"] {
        namespace.ip(&["link", "set", name, "up"]).unwrap();
    }
    judge("XDP refused: TC, and the reason", || {
        let refused =
            [("dummy0", "the driver has none"), ("bridge0", "the driver has none"), ("lo", "loopback")];
        let interfaces = refused.map(|(name, _)| name.to_owned()).to_vec();
        let options = LiveOptions { interfaces, hook: HookChoice::Xdp, ..LiveOptions::default() };
        let capture = namespace.enter(|| LiveCapture::open(options)).unwrap().unwrap();
        for ((name, reason), interface) in refused.into_iter().zip(capture.interfaces()) {
            let is_told = |note: &String| {
                note.starts_with(&format!("{name}: ")) && note.contains(reason) && note.contains("using TC")
            };
            assert!(capture.notes().iter().any(is_told), "{name}: {:?}", capture.notes());
            assert_eq!(interface.hooks[0], Hook::TcIngress, "{name}");
        }
        drop(capture);
        for (name, _) in refused {
            assert_eq!(Attached::now(&namespace, name), Attached::NONE, "{name}");
        }
        ""
    });
}
