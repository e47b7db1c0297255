//! A seccomp profile such as containers have: one system call is refused, all others are allowed.

use std::io;

/// Refuses this system call to the calling thread and to all that it becomes.
///
/// Safe between fork and exec: it allocates nothing and takes no lock.
///
/// # Errors
/// The kernel's refusal.
pub fn refuse(system_call: libc::c_long, errno: i32) -> io::Result<()> {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // seccomp_data.nr is the first word (linux/seccomp.h).
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, system_call as u32)
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let profile = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the profile and its program outlive the calls, which copy them.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const profile)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
