//! What a program of the sandbox is confined to: a bubblewrap of its own inside the run's.
//!
//! It shares the run's network namespace and nothing else: user, PID, mount, IPC, UTS and cgroup
//! namespaces are its own, so that it sees no other process of the run. It has no capability, sees
//! only the files that it needs, and makes no system call that it has no use for.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Command,
};

use command_fds::{CommandFdExt as _, FdMapping};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare,
    SeccompCondition, SeccompFilter, SeccompRule, sock_filter,
};

use super::filesystem::{self, in_memory};
use crate::stack::{Service, programs::Programs};

/// Parts of `/proc` that change the kernel, and parts that tell of the machine.
const PROC_READ_ONLY: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
const PROC_FILES_HIDDEN: [&str; 8] = [
    "kallsyms",
    "kcore",
    "key-users",
    "keys",
    "kmsg",
    "latency_stats",
    "sched_debug",
    "timer_list",
];
const PROC_FOLDERS_HIDDEN: [&str; 3] = ["acpi", "driver", "scsi"];

const GIB: u64 = 1024 * 1024 * 1024;

/// The descriptors that bubblewrap reads from and writes to; it closes them before the program starts.
const STATUS_FD: i32 = 3;
const FIRST_FILTER_FD: i32 = 4;

/// A part of the run's file system that a program sees at the same place.
#[derive(Clone, Debug)]
pub enum Sees {
    /// Read-only.
    Read(PathBuf),
    /// Writable.
    Write(PathBuf),
    /// Writable, at another place.
    WriteAt(PathBuf, &'static str),
}

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of each process, in bytes.
    pub address_space: Option<u64>,
    /// Processes and threads together.
    pub processes: u32,
    /// The size of any file, its logs included, in bytes.
    pub file_size: u64,
    /// Of each process, in seconds.
    pub cpu_seconds: u32,
}

impl Limits {
    /// For the gateway. A process of it with a thousand connections has some 50 MiB. It has a process
    /// for each processor, each of which may have a pool of 32 threads.
    pub fn of_gateway() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processes = 256 + 34 * u32::try_from(processors).unwrap_or(1);
        Self {
            address_space: Some(2 * GIB),
            processes,
            file_size: GIB / 4,
            cpu_seconds: 600,
        }
    }

    /// For what stands round it: Go and Python reserve far more than they use.
    pub const OF_HELPERS: Self = Self {
        address_space: None,
        processes: 1024,
        file_size: GIB / 4,
        cpu_seconds: 600,
    };
}

#[derive(Clone, Debug)]
pub struct Spec {
    pub service: Service,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    /// What it sees of the run's files.
    pub sees: Vec<Sees>,
    pub limits: Limits,
}

#[derive(Clone, Debug)]
pub struct Tools {
    pub bwrap: PathBuf,
    /// `prlimit` of util-linux.
    pub prlimit: PathBuf,
    /// Whether bubblewrap can bound a folder in memory.
    pub bounded_memory: bool,
}

impl Tools {
    pub fn of(programs: &Programs) -> Self {
        Self {
            bwrap: programs.bwrap.clone(),
            prlimit: programs.prlimit.clone(),
            bounded_memory: programs.bounded_memory,
        }
    }
}

/// A command that starts a program confined, and where bubblewrap tells how that went: a JSON
/// document with `child-pid`, and after its end one with `exit-code`, but only if the program was
/// started at all.
pub struct Confined {
    /// To be spawned; it holds descriptors, so it is dropped after that.
    pub command: Command,
    /// The reading end.
    pub status: OwnedFd,
}

/// `spec` as a confined command with neither standard input, output nor error set.
///
/// # Errors
/// A descriptor that cannot be made.
pub fn command(tools: &Tools, spec: &Spec) -> io::Result<Confined> {
    let mut args = own_namespaces(spec.service.name());
    args.extend(file_system(tools, &spec.sees)?);
    start(tools, spec, args)
}

/// `spec` as a confined command in the user and PID namespaces of the running program `beside`:
/// it can send that a signal.
///
/// # Errors
/// Where there is no such process, or a descriptor that cannot be made.
pub fn command_beside(tools: &Tools, spec: &Spec, beside: u32) -> io::Result<Confined> {
    let namespace = |kind: &str| fs::File::open(format!("/proc/{beside}/ns/{kind}"));
    let (user, pid) = (namespace("user")?, namespace("pid")?);
    let (user_fd, pid_fd) = (FIRST_FILTER_FD + 8, FIRST_FILTER_FD + 9);
    let mut args: Vec<OsString> = [
        "--userns",
        &user_fd.to_string(),
        "--pidns",
        &pid_fd.to_string(),
    ]
    .map(OsString::from)
    .to_vec();
    args.extend(["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"].map(OsString::from));
    args.extend(file_system(tools, &spec.sees)?);
    start_with(
        tools,
        spec,
        args,
        vec![(user.into(), user_fd), (pid.into(), pid_fd)],
    )
}

fn own_namespaces(host: &str) -> Vec<OsString> {
    [
        "--unshare-user",
        "--uid",
        "0",
        "--gid",
        "0",
        "--unshare-pid",
        "--as-pid-1",
        "--unshare-ipc",
        "--unshare-uts",
        "--hostname",
        host,
        "--unshare-cgroup-try",
    ]
    .map(OsString::from)
    .to_vec()
}

fn file_system(tools: &Tools, sees: &[Sees]) -> io::Result<Vec<OsString>> {
    let mut args = filesystem::Arguments::new(tools.bounded_memory);
    args.system()?;
    args.add(["--ro-bind", "/etc", "/etc", "--proc", "/proc"]);
    for name in PROC_READ_ONLY {
        let path = format!("/proc/{name}");
        args.add(["--ro-bind-try", &path, &path]);
    }
    for name in PROC_FILES_HIDDEN.map(|name| format!("/proc/{name}")) {
        if Path::new(&name).exists() {
            args.add(["--ro-bind", "/dev/null", &name]);
        }
    }
    for name in PROC_FOLDERS_HIDDEN.map(|name| format!("/proc/{name}")) {
        if Path::new(&name).exists() {
            args.add(["--tmpfs", &name, "--remount-ro", &name]);
        }
    }
    args.devices_of_around();
    for one in sees {
        match one {
            Sees::Read(path) => args.mount("--ro-bind", path, path),
            Sees::Write(path) => args.mount("--bind", path, path),
            Sees::WriteAt(from, to) => args.mount("--bind", from, Path::new(to)),
        }
    }
    args.add(["--remount-ro", "/", "--chdir", "/", "--cap-drop", "ALL"]);
    Ok(args.into_vec())
}

fn start(tools: &Tools, spec: &Spec, args: Vec<OsString>) -> io::Result<Confined> {
    start_with(tools, spec, args, Vec::new())
}

fn start_with(
    tools: &Tools,
    spec: &Spec,
    args: Vec<OsString>,
    more: Vec<(OwnedFd, i32)>,
) -> io::Result<Confined> {
    let (status, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let mut passed = vec![(write, STATUS_FD)];
    passed.extend(more);
    let mut command = Command::new(&tools.bwrap);
    command
        .args(args)
        .args(["--json-status-fd", &STATUS_FD.to_string()]);
    for (program, fd) in filters()?.iter().zip(FIRST_FILTER_FD..) {
        command.args(["--add-seccomp-fd", &fd.to_string()]);
        passed.push((in_memory("seccomp", &bytes(program))?, fd));
    }
    command
        .arg("--")
        .args(limited(tools, spec.limits))
        .arg(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)));
    let mappings = passed
        .into_iter()
        .map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect();
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(Confined { command, status })
}

fn limited(tools: &Tools, limits: Limits) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec![tools.prlimit.clone().into()];
    if let Some(bytes) = limits.address_space {
        args.push(format!("--as={bytes}").into());
    }
    args.push(format!("--nproc={}", limits.processes).into());
    args.push(format!("--fsize={}", limits.file_size).into());
    args.push(format!("--cpu={}", limits.cpu_seconds).into());
    args.extend(["--memlock=65536", "--msgqueue=0", "--"].map(OsString::from));
    args
}

fn bytes(program: &BpfProgram) -> Vec<u8> {
    program
        .iter()
        .flat_map(|one| {
            let mut bytes = Vec::with_capacity(8);
            bytes.extend(one.code.to_ne_bytes());
            bytes.extend([one.jt, one.jf]);
            bytes.extend(one.k.to_ne_bytes());
            bytes
        })
        .collect()
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filters: of several that answer a call, any that refuses counts.
fn filters() -> io::Result<Vec<BpfProgram>> {
    let program = |rules: Rules, errno: u32| -> io::Result<BpfProgram> {
        let arch = std::env::consts::ARCH
            .try_into()
            .map_err(io::Error::other)?;
        SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(errno),
            arch,
        )
        .and_then(TryInto::try_into)
        .map_err(io::Error::other)
    };
    let (refused, absent, done) = (refused(), absent(), done());
    Ok(vec![
        without_x32(program(
            refused.map_err(io::Error::other)?,
            libc::EPERM.unsigned_abs(),
        )?),
        program(absent, libc::ENOSYS.unsigned_abs())?,
        program(done.map_err(io::Error::other)?, 0)?,
    ])
}

/// The x32 calls of an x86_64 kernel have numbers of their own, which no rule names.
fn without_x32(mut program: BpfProgram) -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    if cfg!(target_arch = "x86_64") {
        let instruction = |code, jt, jf, k| sock_filter { code, jt, jf, k };
        let load_number = instruction(0x20, 0, 0, 0);
        let skip_unless = instruction(0x35, 0, 1, X32);
        let no_such_call = instruction(0x06, 0, 0, 0x0005_0000 | libc::ENOSYS.unsigned_abs());
        program.splice(0..0, [load_number, skip_unless, no_such_call]);
    }
    program
}

type Built<T> = Result<T, seccompiler::BackendError>;

fn when(conditions: &[(u8, Length, Compare, u64)]) -> Built<SeccompRule> {
    SeccompRule::new(
        conditions
            .iter()
            .map(|(arg, length, compare, value)| {
                SeccompCondition::new(*arg, length.clone(), compare.clone(), *value)
            })
            .collect::<Built<_>>()?,
    )
}

/// What would change the system, look into other processes, or make namespaces.
fn refused() -> Built<Rules> {
    let always = [
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_adjtimex,
        libc::SYS_bpf,
        libc::SYS_chroot,
        libc::SYS_clock_adjtime,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_fanotify_init,
        libc::SYS_finit_module,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fsopen,
        libc::SYS_fspick,
        libc::SYS_init_module,
        libc::SYS_kcmp,
        libc::SYS_kexec_file_load,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_mount,
        libc::SYS_mount_setattr,
        libc::SYS_move_mount,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_open_tree,
        libc::SYS_perf_event_open,
        libc::SYS_pidfd_getfd,
        libc::SYS_pivot_root,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_ptrace,
        libc::SYS_quotactl,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_setdomainname,
        libc::SYS_sethostname,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_syslog,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_userfaultfd,
        libc::SYS_vhangup,
    ];
    let mut rules: Rules = always.into_iter().map(|call| (call, Vec::new())).collect();
    let bits = |arg, mask: i32, value: i32| {
        let (mask, value) = (mask.unsigned_abs().into(), value.unsigned_abs().into());
        when(&[(arg, Length::Dword, Compare::MaskedEq(mask), value)])
    };
    let namespaces = [
        libc::CLONE_NEWCGROUP,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWUTS,
    ];
    let new_namespace = namespaces.into_iter().map(|flag| bits(0, flag, flag));
    rules.insert(libc::SYS_clone, new_namespace.collect::<Built<_>>()?);
    let kinds = [libc::S_IFBLK, libc::S_IFCHR];
    let device = |arg| {
        let kind = |kind: u32| {
            let mask = u64::from(libc::S_IFMT);
            when(&[(arg, Length::Dword, Compare::MaskedEq(mask), kind.into())])
        };
        kinds.into_iter().map(kind).collect::<Built<Vec<_>>>()
    };
    rules.insert(libc::SYS_mknodat, device(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, device(1)?);
    // Not all of them belong to a network namespace: AF_VSOCK reaches the host of a virtual machine.
    let families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let other = families.map(|family| {
        let family = family.unsigned_abs().into();
        (0, Length::Dword, Compare::Ne, family)
    });
    rules.insert(libc::SYS_socket, vec![when(&other)?]);
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing = typing.map(|request| when(&[(1, Length::Dword, Compare::Eq, request)]));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Built<_>>()?);
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_ioperm, libc::SYS_iopl].map(|call| (call, Vec::new())));
    Ok(rules)
}

/// What a program goes without where the kernel does not have it: it asks by an older call, whose
/// arguments a filter can read.
fn absent() -> Rules {
    [
        libc::SYS_clone3,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_uring_setup,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect()
}

/// What a program of root does to become another user, and to go over its limits: there is only one
/// user in its namespace, and no capability. It is told that it was done, as its configuration asks.
fn done() -> Built<Rules> {
    let mut calls = vec![
        libc::SYS_fchown,
        libc::SYS_fchownat,
        libc::SYS_setgid,
        libc::SYS_setgroups,
        libc::SYS_setpriority,
        libc::SYS_setregid,
        libc::SYS_setresgid,
        libc::SYS_setresuid,
        libc::SYS_setreuid,
        libc::SYS_setuid,
    ];
    #[cfg(target_arch = "x86_64")]
    calls.extend([libc::SYS_chown, libc::SYS_lchown]);
    let mut rules: Rules = calls.into_iter().map(|call| (call, Vec::new())).collect();
    let limits = [libc::RLIMIT_CORE, libc::RLIMIT_NOFILE];
    let own = limits.map(|limit| when(&[(0, Length::Dword, Compare::Eq, limit.into())]));
    rules.insert(libc::SYS_setrlimit, own.into_iter().collect::<Built<_>>()?);
    let of_process = limits.map(|limit| {
        when(&[
            (1, Length::Dword, Compare::Eq, limit.into()),
            (2, Length::Qword, Compare::Ne, 0),
        ])
    });
    rules.insert(
        libc::SYS_prlimit64,
        of_process.into_iter().collect::<Built<_>>()?,
    );
    Ok(rules)
}
