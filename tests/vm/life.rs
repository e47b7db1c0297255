//! The life of interfaces, their offloads and their queues, on this kernel.

use super::tell::judge_at_length;
use crate::live::{life, offload};

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn interfaces_come_and_go() {
    judge_at_length("an interface is renamed, joins and leaves a bridge", || {
        life::a_renamed_interface_is_captured_on_under_its_new_name();
        life::an_interface_that_joins_and_leaves_a_bridge_is_captured_on();
        ""
    });
    judge_at_length("an interface moves to another namespace and back", || {
        life::an_interface_that_moves_to_another_namespace_is_left_there_and_taken_back();
        ""
    });
    judge_at_length("--reattach: made anew, not there yet, another kind of link", || {
        life::an_interface_that_is_made_anew_is_attached_again_and_its_flows_go_on();
        life::an_interface_that_is_not_there_yet_is_waited_for();
        life::what_comes_back_as_something_else_is_refused_once_and_waited_for();
        ""
    });
}

#[test]
#[ignore = "for a guest of `cargo xtask vm`"]
fn counts_are_right_with_every_offload() {
    judge_at_length("MTU, queues, TSO and GRO: counts are the hosts' own", || {
        // A guest is slow: not every pair of them.
        offload::compare_all(&[("1500", "1"), ("9000", "4")]);
        ""
    });
}
