//! System calls by name, and which of their arguments are paths: what [`crate::trace`] needs to say
//! in words what it saw.

use crate::trace::Wanted;

macro_rules! names {
    ($($name:ident)*) => {
        &[$((libc::$name, stringify!($name))),*]
    };
}

/// What sandboxed programs are denied, or ask for paths with.
const NAMES: &[(i64, &str)] = names![
    SYS_open SYS_openat SYS_openat2 SYS_creat SYS_stat SYS_lstat SYS_newfstatat SYS_statx
    SYS_statfs SYS_access SYS_faccessat SYS_faccessat2 SYS_chdir SYS_mkdir SYS_mkdirat SYS_rmdir
    SYS_rename SYS_renameat SYS_renameat2 SYS_link SYS_linkat SYS_symlink SYS_symlinkat SYS_unlink
    SYS_unlinkat SYS_readlink SYS_readlinkat SYS_chmod SYS_fchmod SYS_fchmodat SYS_fchmodat2
    SYS_truncate SYS_utimensat SYS_utime SYS_utimes SYS_futimesat SYS_getxattr SYS_lgetxattr
    SYS_listxattr SYS_llistxattr SYS_inotify_add_watch SYS_execve SYS_execveat SYS_connect SYS_bind
    SYS_listen SYS_accept SYS_accept4 SYS_socket SYS_socketpair SYS_sendto SYS_sendmsg SYS_ioctl
    SYS_prctl SYS_clone SYS_clone3 SYS_fork SYS_vfork SYS_kill SYS_tkill SYS_tgkill SYS_mmap
    SYS_mprotect SYS_memfd_create SYS_write SYS_pwrite64 SYS_writev SYS_ftruncate SYS_fallocate
    SYS_dup SYS_dup2 SYS_dup3 SYS_fcntl SYS_pipe SYS_pipe2 SYS_setrlimit SYS_prlimit64 SYS_setpriority
    SYS_sched_setaffinity SYS_pidfd_open SYS_pidfd_send_signal SYS_seccomp SYS_rseq
    SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_process_madvise SYS_pidfd_getfd
    SYS_kcmp SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_io_uring_setup SYS_io_uring_enter
    SYS_io_uring_register SYS_keyctl SYS_add_key SYS_request_key SYS_kexec_load
    SYS_kexec_file_load SYS_init_module SYS_finit_module SYS_delete_module SYS_reboot SYS_swapon
    SYS_swapoff SYS_acct SYS_quotactl SYS_quotactl_fd SYS_mount SYS_umount2 SYS_pivot_root
    SYS_chroot SYS_open_tree SYS_move_mount SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick
    SYS_mount_setattr SYS_setns SYS_unshare SYS_open_by_handle_at SYS_fanotify_init SYS_iopl
    SYS_ioperm SYS_modify_ldt SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_clock_adjtime
    SYS_syslog SYS_vhangup SYS_lookup_dcookie SYS_chown SYS_fchown SYS_lchown SYS_fchownat
    SYS_mknod SYS_mknodat SYS_setuid SYS_setgid SYS_setreuid SYS_setregid SYS_setresuid
    SYS_setresgid SYS_setgroups SYS_setfsuid SYS_setfsgid SYS_capset SYS_sethostname
    SYS_setdomainname SYS_personality SYS_setxattr SYS_lsetxattr SYS_fsetxattr SYS_removexattr
    SYS_lremovexattr SYS_fremovexattr SYS_sched_setscheduler SYS_sched_setattr SYS_sched_setparam
    SYS_ioprio_set SYS_shmget SYS_shmat SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semctl
    SYS_semtimedop SYS_msgget SYS_msgsnd SYS_msgrcv SYS_msgctl SYS_mq_open SYS_mq_unlink SYS_sync
    SYS_syncfs SYS_name_to_handle_at SYS_mbind SYS_set_mempolicy SYS_get_mempolicy
];

/// A system call's name, or its number where it is a rare one.
pub(crate) fn name(number: i64) -> String {
    NAMES
        .iter()
        .find(|(known, _)| *known == number)
        .map_or_else(
            || format!("system call {number}"),
            |(_, name)| name.trim_start_matches("SYS_").to_owned(),
        )
}

/// Calls that libraries try first and do without.
pub(crate) fn is_asked_for_by_habit(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_clone3 | libc::SYS_openat2 | libc::SYS_rseq | libc::SYS_name_to_handle_at
    )
}

/// Where a call has its path, the folder that the path is beneath, and its flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathArgument {
    pub(crate) argument: usize,
    pub(crate) folder: Option<usize>,
    flags: Option<usize>,
    wanted: Wanted,
}

impl PathArgument {
    /// What the call wants with the path.
    pub(crate) fn wanted(&self, arguments: &[u64; 6]) -> Wanted {
        const WRITES: i32 = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
        match self.flags {
            Some(at) if arguments[at] as i32 & WRITES != 0 => Wanted::Write,
            _ => self.wanted,
        }
    }
}

/// The path argument of a call. Of two paths the one that is written to.
pub(crate) fn path_of(number: i64) -> Option<PathArgument> {
    use Wanted::{Execute, Read, Write};
    let (argument, folder, flags, wanted) = match number {
        libc::SYS_open => (0, None, Some(1), Read),
        libc::SYS_openat => (1, Some(0), Some(2), Read),
        libc::SYS_openat2 => (1, Some(0), None, Read),
        libc::SYS_execve => (0, None, None, Execute),
        libc::SYS_execveat => (1, Some(0), None, Execute),
        libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_statfs
        | libc::SYS_access
        | libc::SYS_chdir
        | libc::SYS_readlink
        | libc::SYS_getxattr
        | libc::SYS_lgetxattr
        | libc::SYS_listxattr
        | libc::SYS_llistxattr => (0, None, None, Read),
        libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_faccessat
        | libc::SYS_faccessat2
        | libc::SYS_readlinkat
        | libc::SYS_inotify_add_watch => (1, Some(0), None, Read),
        libc::SYS_creat
        | libc::SYS_mkdir
        | libc::SYS_rmdir
        | libc::SYS_unlink
        | libc::SYS_chmod
        | libc::SYS_truncate
        | libc::SYS_utime
        | libc::SYS_utimes
        | libc::SYS_mknod
        | libc::SYS_chown
        | libc::SYS_lchown
        | libc::SYS_setxattr
        | libc::SYS_lsetxattr => (0, None, None, Write),
        libc::SYS_mkdirat
        | libc::SYS_unlinkat
        | libc::SYS_fchmodat
        | libc::SYS_fchmodat2
        | libc::SYS_utimensat
        | libc::SYS_futimesat
        | libc::SYS_mknodat
        | libc::SYS_fchownat => (1, Some(0), None, Write),
        libc::SYS_rename | libc::SYS_link | libc::SYS_symlink => (1, None, None, Write),
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => (3, Some(2), None, Write),
        libc::SYS_symlinkat => (2, Some(1), None, Write),
        _ => return None,
    };
    Some(PathArgument {
        argument,
        folder,
        flags,
        wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_their_names() {
        assert_eq!(name(libc::SYS_ptrace), "ptrace");
        assert_eq!(name(9999), "system call 9999");
    }

    #[test]
    fn an_open_that_creates_is_a_write() {
        let open = path_of(libc::SYS_openat).unwrap();
        let with = |flags: i32| open.wanted(&[0, 0, flags as u64, 0, 0, 0]);
        assert_eq!(with(libc::O_RDONLY), Wanted::Read);
        assert_eq!(with(libc::O_RDONLY | libc::O_TRUNC), Wanted::Write);
        assert_eq!(with(libc::O_CREAT | libc::O_WRONLY), Wanted::Write);
    }
}
