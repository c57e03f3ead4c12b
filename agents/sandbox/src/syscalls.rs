//! seccomp: which system calls a profile may make.
//!
//! One filter is installed, of three kinds of verdict:
//!
//! * `LETHAL` calls kill the process: only an attack makes them. So do i386 calls, and x32 calls (which
//!   carry the x86-64 architecture, but a bit in their number).
//! * What is not listed is `ENOSYS`, as on a kernel that never had it, which programs are written to
//!   cope with. `clone3` is one of those: its flags are in memory, where a filter cannot see them, and
//!   `clone` is what libraries fall back to.
//! * `EPERM` is for calls that exist everywhere but are not for this profile, and for arguments:
//!   namespaces in `clone`, socket families, `ioctl` commands, `prctl` options, memory files that could
//!   be run, set-user-id bits.
//!
//! Arguments are compared in the width the kernel uses: an `ioctl` command is 32 bits, whatever the
//! caller put into the upper half of the register.
//!
//! x86-64 only for now. Another architecture needs its own list of calls that exist there; it must
//! not start with none, so it does not compile.

use std::collections::BTreeMap;

use crate::Error;
use crate::filter::{Filter, Rule, Test, Verdict};
use crate::spec::Profile;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("argos-sandbox has a list of system calls for x86-64 only");

const NO: Verdict = Verdict::Errno(libc::EPERM);

/// Installs the filter of a profile on this process. Needs no_new_privs.
pub(crate) fn restrict(profile: Profile) -> Result<(), Error> {
    filter(profile).install()
}

/// Installs the filter of [`crate::seal`].
pub(crate) fn seal() -> Result<(), Error> {
    let rules = SEALED.iter().chain(SOCKETS);
    let filter = Filter {
        rules: rules.map(|call| (*call, Rule::Always(NO))).collect(),
        otherwise: Verdict::Allow,
    };
    filter.install()
}

fn filter(profile: Profile) -> Filter {
    let all = |calls: &'static [i64], verdict| {
        let rule = move |call: &i64| (*call, Rule::Always(verdict));
        calls.iter().map(rule)
    };
    // Where two lists name a call the later one holds.
    let mut rules: BTreeMap<i64, Rule> = all(ALLOWED, Verdict::Allow).collect();
    rules.extend(all(REFUSED, NO));
    match profile {
        Profile::Service => rules.extend(all(ALLOWED_SERVICE, Verdict::Allow)),
        // Its mode is in memory, where a filter cannot see a set-user-id bit. A worker runs our own
        // program, which needs it to open files beneath a folder.
        Profile::Agent => {
            rules.remove(&libc::SYS_openat2);
        }
        Profile::Worker => {}
    }

    // A namespace through clone would give back what the sandbox took.
    rules.insert(libc::SYS_clone, unless_any_bit(0, NAMESPACE_FLAGS));
    // A filter that hands its decisions to another process could be used to fool that process.
    const NEW_LISTENER: u32 = 8;
    rules.insert(libc::SYS_seccomp, unless_any_bit(1, NEW_LISTENER));
    rules.insert(libc::SYS_prctl, only(0, PRCTL_OPTIONS));
    if profile != Profile::Service {
        no_programs_of_its_own(&mut rules);
    }

    const UNIX: &[u64] = &[libc::AF_UNIX as u64];
    match profile {
        Profile::Agent => {
            rules.insert(libc::SYS_ioctl, only(1, IOCTL_COMMANDS));
            rules.insert(libc::SYS_socket, only(0, UNIX));
        }
        Profile::Worker => {
            rules.insert(libc::SYS_ioctl, only(1, IOCTL_COMMANDS));
            rules.extend(all(SOCKETS, NO));
        }
        Profile::Service => {
            rules.insert(
                libc::SYS_ioctl,
                Rule::If {
                    tests: vec![(1, one_of(IOCTL_INJECTION))],
                    then: NO,
                    otherwise: Verdict::Allow,
                },
            );
            const FAMILIES: &[u64] = &[
                libc::AF_UNIX as u64,
                libc::AF_INET as u64,
                libc::AF_INET6 as u64,
                libc::AF_NETLINK as u64,
            ];
            rules.insert(libc::SYS_socket, only(0, FAMILIES));
        }
    }
    rules.insert(libc::SYS_socketpair, only(0, UNIX));
    rules.extend(all(LETHAL, Verdict::Kill));
    Filter {
        rules,
        otherwise: Verdict::Errno(libc::ENOSYS),
    }
}

/// Files that would run, or run as somebody else, although nothing that the sandbox may write is to:
/// memory files are on no mount and beneath no Landlock rule; and a set-user-id bit means nothing
/// inside, but the workspace is also seen from outside, where it would lend the person's rights to
/// every other user.
fn no_programs_of_its_own(rules: &mut BTreeMap<i64, Rule>) {
    const MFD_NOEXEC_SEAL: u32 = 8;
    const SET_ID: u32 = libc::S_ISUID | libc::S_ISGID;
    const MAKING: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;
    rules.insert(
        libc::SYS_memfd_create,
        Rule::If {
            tests: vec![(1, Test::AnyBit(MFD_NOEXEC_SEAL))],
            then: Verdict::Allow,
            otherwise: NO,
        },
    );
    for (call, mode) in [
        (libc::SYS_chmod, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_fchmodat2, 2),
        (libc::SYS_mkdir, 1),
        (libc::SYS_mkdirat, 2),
        (libc::SYS_creat, 1),
    ] {
        rules.insert(call, unless_any_bit(mode, SET_ID));
    }
    for (call, flags, mode) in [(libc::SYS_open, 1, 2), (libc::SYS_openat, 2, 3)] {
        rules.insert(
            call,
            Rule::If {
                tests: vec![(flags, Test::AnyBit(MAKING)), (mode, Test::AnyBit(SET_ID))],
                then: NO,
                otherwise: Verdict::Allow,
            },
        );
    }
}

/// `EPERM` for any other value of an argument.
fn only(argument: u8, values: &[u64]) -> Rule {
    Rule::If {
        tests: vec![(argument, one_of(values))],
        then: Verdict::Allow,
        otherwise: NO,
    }
}

/// `EPERM` where an argument has any of the bits.
fn unless_any_bit(argument: u8, bits: u32) -> Rule {
    Rule::If {
        tests: vec![(argument, Test::AnyBit(bits))],
        then: NO,
        otherwise: Verdict::Allow,
    }
}

fn one_of(values: &[u64]) -> Test {
    Test::OneOf(values.iter().map(|value| *value as u32).collect())
}

/// Every namespace there is.
const NAMESPACE_FLAGS: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Terminal and file commands that ask, or change what only the caller sees.
const IOCTL_COMMANDS: &[u64] = &[
    libc::TCGETS,
    0x802c_542a, // TCGETS2
    libc::TIOCGWINSZ,
    libc::TIOCGPGRP,
    libc::FIONREAD,
    libc::FIONBIO,
    libc::FIOCLEX,
    libc::FIONCLEX,
];

/// Commands that put input into a terminal, or take it over.
const IOCTL_INJECTION: &[u64] = &[
    libc::TIOCSTI,
    libc::TIOCLINUX,
    libc::TIOCCONS,
    libc::TIOCSETD,
];

const PRCTL_OPTIONS: &[u64] = &[
    libc::PR_SET_PDEATHSIG as u64,
    libc::PR_GET_PDEATHSIG as u64,
    libc::PR_GET_DUMPABLE as u64,
    libc::PR_SET_DUMPABLE as u64,
    libc::PR_GET_KEEPCAPS as u64,
    libc::PR_SET_NAME as u64,
    libc::PR_GET_NAME as u64,
    libc::PR_GET_SECCOMP as u64,
    libc::PR_SET_SECCOMP as u64,
    libc::PR_CAPBSET_READ as u64,
    libc::PR_GET_SECUREBITS as u64,
    libc::PR_SET_TIMERSLACK as u64,
    libc::PR_GET_TIMERSLACK as u64,
    libc::PR_SET_CHILD_SUBREAPER as u64,
    libc::PR_GET_CHILD_SUBREAPER as u64,
    libc::PR_SET_NO_NEW_PRIVS as u64,
    libc::PR_GET_NO_NEW_PRIVS as u64,
    libc::PR_SET_THP_DISABLE as u64,
    libc::PR_GET_THP_DISABLE as u64,
    libc::PR_CAP_AMBIENT as u64,
    libc::PR_GET_SPECULATION_CTRL as u64,
    libc::PR_SET_VMA as u64,
];

/// Everything that reaches another endpoint by a name.
const SOCKETS: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// What a sealed process gives up beyond its profile: programs, and changes to files by name.
/// Opening files is Landlock's part.
const SEALED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_chmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_utimensat,
    libc::SYS_utimes,
    libc::SYS_utime,
    libc::SYS_futimesat,
];

/// Calls that only an attack makes in here. They kill.
const LETHAL: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    467, // open_tree_attr
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
];

/// Calls that ordinary programs try now and then, and must be told no.
const REFUSED: &[i64] = &[
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_ioprio_set,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// What a service may do beyond an agent: own files, change its user, schedule.
const ALLOWED_SERVICE: &[i64] = &[
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_ioprio_set,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_name_to_handle_at,
];

/// What every profile may do.
const ALLOWED: &[i64] = &[
    // Files by descriptor.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fchmod,
    libc::SYS_getdents,
    libc::SYS_getdents64,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_readahead,
    libc::SYS_fadvise64,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    // Files by name; the root and Landlock say which.
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_creat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_access,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_chmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_utimensat,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_inotify_init,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_pkey_mprotect,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    libc::SYS_brk,
    libc::SYS_memfd_create,
    libc::SYS_membarrier,
    462, // mseal
    // Waiting.
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_select,
    libc::SYS_pselect6,
    libc::SYS_epoll_create,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_wait,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd,
    libc::SYS_eventfd2,
    libc::SYS_signalfd,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_pipe,
    libc::SYS_pipe2,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    454, // futex_wake
    455, // futex_wait
    456, // futex_requeue
    libc::SYS_pause,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_alarm,
    libc::SYS_getitimer,
    libc::SYS_setitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    libc::SYS_restart_syscall,
    // Clocks and facts.
    libc::SYS_time,
    libc::SYS_gettimeofday,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_prlimit64,
    libc::SYS_getrandom,
    libc::SYS_getcpu,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_getattr,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_ioprio_get,
    // Processes, threads, signals; the process namespace says whose.
    libc::SYS_clone,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getpgid,
    libc::SYS_getpgrp,
    libc::SYS_setpgid,
    libc::SYS_getsid,
    libc::SYS_setsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_arch_prctl,
    libc::SYS_prctl,
    // More walls may always be added.
    libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    // Sockets; `refused` says which.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_compiles_within_the_kernels_limit() {
        for profile in [Profile::Agent, Profile::Worker, Profile::Service] {
            let program = filter(profile).compile().unwrap();
            assert!(program.len() < 1024, "{profile:?}: {}", program.len());
        }
    }

    /// Filters that are put on top of each other: each call gets the most severe verdict, and of
    /// several numbers that of the last list. That is what the lists mean, said the slow way.
    #[test]
    fn the_filter_says_what_the_lists_say() {
        for profile in [Profile::Agent, Profile::Worker, Profile::Service] {
            let service = profile == Profile::Service;
            let filter = filter(profile);
            for call in 0..600 {
                let rule = filter.rules.get(&call);
                if matches!(rule, Some(Rule::If { .. })) {
                    assert!(ALLOWED.contains(&call), "{call}");
                    continue;
                }
                let refused = (REFUSED.contains(&call)
                    && !(service && ALLOWED_SERVICE.contains(&call)))
                    || (profile == Profile::Worker && SOCKETS.contains(&call));
                let allowed = (ALLOWED.contains(&call)
                    && !(profile == Profile::Agent && call == libc::SYS_openat2))
                    || (service && ALLOWED_SERVICE.contains(&call));
                let expected = if LETHAL.contains(&call) {
                    Verdict::Kill
                } else if refused {
                    NO
                } else if allowed {
                    Verdict::Allow
                } else {
                    filter.otherwise
                };
                let said = rule.map_or(filter.otherwise, |rule| match rule {
                    Rule::Always(verdict) => *verdict,
                    Rule::If { .. } => unreachable!("looked at above"),
                });
                assert_eq!(said, expected, "{profile:?} {call}");
            }
        }
    }

    #[test]
    fn nothing_is_both_allowed_and_lethal() {
        for call in LETHAL {
            assert!(!ALLOWED.contains(call), "{call}");
            assert!(!ALLOWED_SERVICE.contains(call), "{call}");
        }
        assert!(!ALLOWED.contains(&libc::SYS_clone3));
    }
}
