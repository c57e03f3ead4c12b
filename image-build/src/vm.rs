//! The image in QEMU.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::assemble;
use crate::context::Context;
use crate::tree::Tree;
use crate::values::{Resolution, Size};

const QEMU: &str = "qemu-system-x86_64";
/// QEMU's older than this lack options used here.
const OLDEST_QEMU: u32 = 8;
/// QEMU's displays that are windows, the better one first.
const WINDOWS: [&str; 2] = ["gtk", "sdl"];
/// UEFI firmware with its variables in one file, in the build tree (package ovmf).
const OVMF: &str = "/usr/share/ovmf/OVMF.fd";
/// How long a guest kernel may take to greet on the serial port before KVM counts as not working.
const KVM_PROBE: Duration = Duration::from_secs(8);

/// Options of `vm`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// No window: serve VNC on loopback, and the serial console here.
    #[arg(long)]
    pub headless: bool,
    /// Serve QEMU's monitor (QMP) on this Unix socket.
    #[arg(long, value_name = "SOCKET")]
    pub qmp: Option<PathBuf>,
    /// Serve the test profile's root shell on this Unix socket.
    #[arg(long, value_name = "SOCKET")]
    pub shell: Option<PathBuf>,
    /// Write the serial console to this file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    pub serial: Option<PathBuf>,
    /// Keep state on this disk (qcow2, made if missing) instead of output/argos.data.qcow2. The ISO
    /// uses none.
    #[arg(long, value_name = "FILE", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// Keep no state: a live boot.
    #[arg(long)]
    pub ephemeral: bool,
    /// Boot this medium by the firmware instead of the kernel directly.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub boot: Option<Medium>,
    /// Firmware for `--boot`.
    #[arg(long, value_enum, default_value_t = Firmware::Bios)]
    pub firmware: Firmware,
    /// Screen in pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub resolution: Option<Resolution>,
    /// Memory, for example 2G.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Processors.
    #[arg(long, value_name = "N")]
    pub cpus: Option<NonZeroU32>,
    /// How the processor is run; `auto` tries KVM with a trivial guest first.
    #[arg(long, value_enum, default_value_t = Accelerator::Auto)]
    pub accel: Accelerator,
    /// Give the guest a network (user mode). Without it, it is offline.
    #[arg(long)]
    pub network: bool,
    /// Draw with the host's GPU (virgl). Needs a window.
    #[arg(long, conflicts_with = "headless")]
    pub gl: bool,
    /// Words added to the kernel's command line. Not with `--boot`: the boot menu has its own words.
    #[arg(
        long,
        value_name = "WORDS",
        allow_hyphen_values = true,
        conflicts_with = "boot"
    )]
    pub append: Option<String>,
    /// Passed to QEMU as they are.
    #[arg(last = true, value_name = "QEMU ARGUMENTS")]
    pub qemu: Vec<OsString>,
}

/// What the firmware boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Medium {
    /// The disk image.
    Disk,
    /// The ISO in an optical drive.
    Cd,
    /// The ISO as a USB disk.
    Usb,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF.
    Uefi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Accelerator {
    Auto,
    Kvm,
    Tcg,
}

/// The verb `vm`.
pub(crate) fn start(context: &Context, options: &Options) -> Result<ExitCode> {
    // What cannot work is said before anything is built.
    let live = matches!(options.boot, Some(Medium::Cd | Medium::Usb));
    if live {
        let iso = context.result("iso");
        ensure!(
            iso.exists(),
            "{}: not there yet; make it with `argos-image iso`",
            iso.display()
        );
    }
    ensure!(
        options.shell.is_none() || context.profiles.iter().any(|p| p == "test"),
        "--shell: only the test profile's image has a shell on the second serial port; use `argos-image --profile test vm --shell SOCKET`"
    );
    let screen = Screen::choose(options, has_display(), &HostQemu::look())?;
    if let Some(notice) = &screen.notice {
        eprintln!("argos-image: {notice}");
    }

    let results = ["vmlinuz", "initrd", "root.erofs", "disk.raw"].map(|s| context.result(s));
    if context.force > 0 || !results.iter().all(|f| f.exists()) {
        context.check()?;
        assemble::build(context)?;
    }
    context.uses(&context.output)?;
    let tree = Tree::build(context)?;
    let qemu = Qemu::new(context, &tree, &screen)?;
    for path in [&options.qmp, &options.shell, &options.serial, &options.data]
        .into_iter()
        .flatten()
    {
        if let Some(folder) = std::path::absolute(path)?.parent() {
            qemu.show(context, folder)?;
        }
    }
    let accelerated = match options.accel {
        Accelerator::Kvm => true,
        Accelerator::Tcg => false,
        Accelerator::Auto => {
            let works = kvm_works(context, &qemu)?;
            if !works {
                eprintln!(
                    "argos-image: KVM does not work here, so the processor is emulated (slow)"
                );
            }
            works
        }
    };

    let mut command = qemu.command(context);
    let c = &context.config.vm;
    command.args([
        "-nodefaults",
        "-machine",
        "q35",
        "-name",
        &context.config.name,
    ]);
    if accelerated {
        command.args(["-accel", "kvm", "-cpu", "host"]);
    } else {
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]);
    }
    command
        .args(["-smp", &options.cpus.unwrap_or(c.cpus).to_string()])
        .args(["-m", &options.memory.unwrap_or(c.memory).to_string()])
        .args([
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-keyboard-pci",
            "-device",
            "virtio-tablet-pci",
        ]);
    let Resolution { width, height } = options.resolution.unwrap_or(c.resolution);
    let gpu = if options.gl {
        "virtio-vga-gl"
    } else {
        "virtio-vga"
    };
    command.args([
        "-device",
        &format!("{gpu},id=gpu,edid=on,xres={width},yres={height}"),
    ]);

    boot_medium(context, options, &qemu.firmware(&tree), &mut command)?;
    // The ISO's menu leaves disks alone: one is attached only where somebody names it.
    if !options.ephemeral && (!live || options.data.is_some()) {
        let data = match &options.data {
            Some(path) => std::path::absolute(path)?,
            None => context.result("data.qcow2"),
        };
        if !data.exists() {
            make_data_disk(context, &tree, &data)?;
        }
        command.args([
            "-drive",
            &format!(
                "if=none,id=data,format=qcow2,discard=unmap,file={}",
                comma(&data)?
            ),
        ]);
        command.args(["-device", "virtio-blk-pci,drive=data,serial=argos-data"]);
    }
    if options.network {
        command.args([
            "-netdev",
            "user,id=net",
            "-device",
            "virtio-net-pci,netdev=net",
        ]);
    }
    // A sound card that nobody hears: there is a volume to set.
    command.args(["-audiodev", "none,id=quiet"]);
    command.args(["-device", "intel-hda"]);
    command.args(["-device", "hda-output,audiodev=quiet"]);
    consoles(options, &mut command)?;
    if let Some(kind) = screen.window {
        let gl = if options.gl { ",gl=on" } else { "" };
        command.args(["-display", &format!("{kind}{gl}")]);
    } else {
        let display = free_vnc_display()?;
        command.args(["-display", "none", "-vnc", &format!("127.0.0.1:{display}")]);
        eprintln!(
            "argos-image: the screen is at vnc://127.0.0.1:{}",
            5900 + display
        );
    }
    command.args(&options.qemu);
    // Ctrl-C reaches QEMU with us; its end is ours.
    let status = command.status().context("QEMU cannot be started")?;
    if let Some(signal) = status.signal() {
        eprintln!("argos-image: QEMU was ended by signal {signal}");
    }
    Ok(crate::compile::exit_code(status))
}

fn boot_medium(
    context: &Context,
    options: &Options,
    ovmf: &Path,
    command: &mut Command,
) -> Result<()> {
    if options.boot.is_some() && options.firmware == Firmware::Uefi {
        // OVMF's code with volatile variables: nothing here keeps boot entries.
        command.arg("-bios").arg(ovmf);
    }
    match options.boot {
        None => {
            let mut words = vec!["console=tty0", "console=ttyS0", "argos.root=auto"];
            words.extend(
                context
                    .config
                    .kernel_command_line
                    .iter()
                    .map(String::as_str),
            );
            words.extend(options.append.as_deref());
            command
                .arg("-kernel")
                .arg(context.result("vmlinuz"))
                .arg("-initrd")
                .arg(context.result("initrd"))
                .args(["-append", &words.join(" ")]);
            read_only_disk(&context.result("disk.raw"), "virtio-blk-pci", command)?;
        }
        Some(Medium::Disk) => {
            read_only_disk(&context.result("disk.raw"), "virtio-blk-pci", command)?;
        }
        Some(Medium::Usb) => {
            command.args(["-device", "qemu-xhci"]);
            read_only_disk(&context.result("iso"), "usb-storage", command)?;
        }
        Some(Medium::Cd) => {
            command.args([
                "-drive",
                &format!(
                    "if=none,id=root,format=raw,media=cdrom,readonly=on,file={}",
                    comma(&context.result("iso"))?
                ),
            ]);
            command.args(["-device", "ide-cd,drive=root,bootindex=1"]);
        }
    }
    Ok(())
}

fn read_only_disk(file: &Path, device: &str, command: &mut Command) -> Result<()> {
    // Read-only devices need no overlay, and QEMU's savevm leaves them alone.
    command.args([
        "-drive",
        &format!(
            "if=none,id=root,format=raw,readonly=on,file={}",
            comma(file)?
        ),
    ]);
    command.args(["-device", &format!("{device},drive=root,bootindex=1")]);
    Ok(())
}

fn consoles(options: &Options, command: &mut Command) -> Result<()> {
    match &options.serial {
        Some(file) => {
            command.args([
                "-serial",
                &format!("file:{}", comma(&std::path::absolute(file)?)?),
            ]);
        }
        None if std::io::stdin().is_terminal() => {
            eprintln!(
                "argos-image: the serial console is here; Ctrl-A X ends the machine, Ctrl-A C opens QEMU's monitor"
            );
            command.args(["-serial", "mon:stdio"]);
        }
        None => {
            command
                .args([
                    "-chardev",
                    "stdio,id=console,signal=off",
                    "-serial",
                    "chardev:console",
                ])
                .stdin(Stdio::null());
        }
    }
    if let Some(socket) = &options.shell {
        let socket = fresh_socket(socket)?;
        command.args([
            "-chardev",
            &format!("socket,id=shell,path={socket},server=on,wait=off"),
            "-serial",
            "chardev:shell",
        ]);
    }
    if let Some(socket) = &options.qmp {
        let socket = fresh_socket(socket)?;
        command.args(["-qmp", &format!("unix:{socket},server=on,wait=off")]);
    }
    Ok(())
}

fn fresh_socket(path: &Path) -> Result<String> {
    use std::os::unix::fs::FileTypeExt;
    let path = std::path::absolute(path)?;
    if let Ok(meta) = path.symlink_metadata() {
        ensure!(
            meta.file_type().is_socket(),
            "{}: is there already and is no socket",
            path.display()
        );
        std::fs::remove_file(&path)?;
    }
    comma(&path)
}

/// QEMU's option lists double a comma inside a value.
fn comma(path: &Path) -> Result<String> {
    Ok(path
        .to_str()
        .with_context(|| format!("{}: is not UTF-8", path.display()))?
        .replace(',', ",,"))
}

fn free_vnc_display() -> Result<u16> {
    (0..100)
        .find(|n| TcpListener::bind(("127.0.0.1", 5900 + n)).is_ok())
        .context("no port from 5900 to 5999 is free on loopback for VNC")
}

/// An empty ext4 disk labelled `argos-data`, which the initrd finds by its label.
fn make_data_disk(context: &Context, tree: &Tree, file: &Path) -> Result<()> {
    context.steps.step(
        "data-disk",
        &format!("make the data disk {}", file.display()),
        || {
            let folder = file.parent().unwrap_or(Path::new("/"));
            tree.show(context, folder)?;
            let raw = file.with_extension("raw.partial");
            let script = r#"
truncate -s "$1" "$2"
mkfs.ext4 -q -L argos-data -m 0 -E lazy_itable_init=1,lazy_journal_init=1 "$2"
qemu-img convert -q -O qcow2 "$2" "$3.partial"
rm "$2"
mv "$3.partial" "$3"
"#;
            let mut command = tree.command(context, &context.top, "sh");
            command
                .args(["-euc", script, "sh"])
                .arg(context.config.vm.data_disk.to_string())
                .arg(&raw)
                .arg(file);
            context.steps.run(&mut command)
        },
    )
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()))
}

/// The QEMU that a person has installed, if any.
#[derive(Debug, Clone, Copy, Default)]
struct HostQemu {
    version: Option<u32>,
    /// The window it can open.
    window: Option<&'static str>,
}

impl HostQemu {
    fn look() -> Self {
        let said = |words: &[&str]| {
            let output = Command::new(QEMU).args(words).output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let version = said(&["--version"]).and_then(|text| version(&text));
        let displays = said(&["-display", "help"]).unwrap_or_default();
        Self {
            version,
            window: WINDOWS
                .into_iter()
                .find(|kind| displays.lines().any(|line| line.trim() == *kind)),
        }
    }

    fn fits(&self) -> bool {
        self.version.is_some_and(|v| v >= OLDEST_QEMU)
    }
}

fn version(text: &str) -> Option<u32> {
    let number = text.split("version ").nth(1)?.split('.').next()?;
    number.parse().ok()
}

/// Whose QEMU draws the screen, and where.
#[derive(Debug, PartialEq, Eq)]
struct Screen {
    /// The host's QEMU runs, else the build tree's.
    host: bool,
    /// QEMU's name of the window; none: VNC.
    window: Option<&'static str>,
    /// What a person who may have expected a window is told.
    notice: Option<String>,
}

impl Screen {
    fn choose(options: &Options, display: bool, host: &HostQemu) -> Result<Self> {
        let fits = host.fits();
        let window = host.window.filter(|_| fits && display && !options.headless);
        let notice = if options.headless || window.is_some() {
            None
        } else if !display {
            Some("there is no display here, so the screen is served by VNC (--headless)".into())
        } else {
            // The tree's QEMU has no window: that would draw a whole toolkit into the tree.
            let lack = match host.version {
                None => "there is none".into(),
                Some(version) if !fits => format!("this is version {version}"),
                Some(_) => "this one has none built in".into(),
            };
            Some(format!(
                "a window needs the host's QEMU, {OLDEST_QEMU} or later ({lack}): `apt-get install qemu-system-x86 qemu-system-gui` (Debian 12: from backports); the screen is served by VNC instead"
            ))
        };
        ensure!(
            !options.gl || window.is_some(),
            "--gl draws in a window: {}",
            notice.unwrap_or_default()
        );
        Ok(Self {
            host: fits,
            window,
            notice,
        })
    }
}

/// The QEMU that runs.
#[derive(Debug)]
struct Qemu<'a> {
    /// `None`: the host's.
    tree: Option<&'a Tree>,
}

impl<'a> Qemu<'a> {
    fn new(context: &Context, tree: &'a Tree, screen: &Screen) -> Result<Self> {
        if screen.host {
            return Ok(Self { tree: None });
        }
        let inside = Self { tree: Some(tree) };
        let output = inside.command(context).arg("--version").output()?;
        ensure!(
            version(&String::from_utf8_lossy(&output.stdout)).is_some(),
            "QEMU does not run in the build tree; `argos-image -ff clean` makes it anew"
        );
        Ok(inside)
    }

    fn command(&self, context: &Context) -> Command {
        match self.tree {
            None => Command::new(QEMU),
            Some(tree) => tree.command(context, &context.top, QEMU),
        }
    }

    fn show(&self, context: &Context, folder: &Path) -> Result<()> {
        match self.tree {
            Some(tree) => tree.show(context, folder),
            None => Ok(()),
        }
    }

    /// The build tree's OVMF, as this QEMU sees it.
    fn firmware(&self, tree: &Tree) -> PathBuf {
        match self.tree {
            Some(_) => OVMF.into(),
            None => tree.inside(Path::new(OVMF)),
        }
    }
}

/// Whether a guest kernel really starts under KVM. The device node alone proves nothing: under some
/// hypervisors it is there and guests die at once. The answer holds until the host's next boot.
fn kvm_works(context: &Context, qemu: &Qemu<'_>) -> Result<bool> {
    if !Path::new("/dev/kvm").exists() {
        return Ok(false);
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let memo = context.cache.join("kvm-probe");
    if let Ok(text) = std::fs::read_to_string(&memo)
        && let Some(answer) = text.strip_prefix(boot.as_str())
    {
        return Ok(answer == "works");
    }
    let works = context
        .steps
        .step("kvm-probe", "try a guest kernel under KVM", || {
            probe(context, qemu)
        })?;
    std::fs::write(
        memo,
        format!("{boot}{}", if works { "works" } else { "fails" }),
    )?;
    Ok(works)
}

fn probe(context: &Context, qemu: &Qemu<'_>) -> Result<bool> {
    let mut child = qemu
        .command(context)
        .args([
            "-nodefaults",
            "-machine",
            "q35",
            "-accel",
            "kvm",
            "-cpu",
            "host",
            "-m",
            "256",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(["-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c"])
        .arg("-kernel")
        .arg(context.result("vmlinuz"))
        // Without a root the kernel panics right after it has come up: that is all that is asked.
        .args(["-append", "console=ttyS0 panic=-1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("QEMU cannot be started")?;
    let mut output = child.stdout.take().context("QEMU's output is not there")?;
    let (send, greeted) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::Read;
        let mut text = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(n @ 1..) = output.read(&mut piece) {
            text.extend_from_slice(&piece[..n]);
            if String::from_utf8_lossy(&text).contains("Kernel panic - not syncing: VFS") {
                let _ = send.send(());
                return;
            }
        }
    });
    let deadline = Instant::now() + KVM_PROBE;
    let works = loop {
        if greeted.recv_timeout(Duration::from_millis(100)).is_ok() {
            break true;
        }
        if Instant::now() > deadline || child.try_wait()?.is_some() {
            break greeted.try_recv().is_ok();
        }
    };
    let _ = child.kill();
    let _ = child.wait();
    Ok(works)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(words: &[&str], display: bool, host: HostQemu) -> Result<Screen> {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            options: Options,
        }
        let line = <Line as clap::Parser>::parse_from([&["vm"], words].concat());
        Screen::choose(&line.options, display, &host)
    }

    fn host(version: u32, window: Option<&'static str>) -> HostQemu {
        HostQemu {
            version: Some(version),
            window,
        }
    }

    #[test]
    fn a_window_is_opened_where_display_and_qemu_allow_it() {
        let screen = choose(&[], true, host(9, Some("gtk"))).unwrap();
        assert_eq!((screen.host, screen.window), (true, Some("gtk")));
        assert_eq!(screen.notice, None);
    }

    #[test]
    fn without_a_fit_qemu_a_display_gets_vnc_and_one_line_that_says_why() {
        for (qemu, own, lack) in [
            (HostQemu::default(), false, "there is none"),
            (host(7, Some("gtk")), false, "this is version 7"),
            (host(9, None), true, "none built in"),
        ] {
            let screen = choose(&[], true, qemu).unwrap();
            assert_eq!((screen.host, screen.window), (own, None), "{qemu:?}");
            let notice = screen.notice.unwrap();
            assert!(
                notice.contains(lack) && notice.contains("qemu-system-gui"),
                "{notice}"
            );
            assert!(!notice.contains('\n'));
            let error = choose(&["--gl"], true, qemu).unwrap_err().to_string();
            assert!(
                error.contains("--gl") && error.contains("qemu-system-gui"),
                "{error}"
            );
        }
    }

    #[test]
    fn headless_asks_for_nothing_and_hears_nothing() {
        for display in [true, false] {
            let screen = choose(&["--headless"], display, HostQemu::default()).unwrap();
            assert_eq!((screen.window, screen.notice), (None, None));
        }
        let screen = choose(&[], false, host(9, Some("sdl"))).unwrap();
        assert!(screen.host && screen.window.is_none());
        assert!(screen.notice.unwrap().contains("no display"));
    }

    #[test]
    fn versions() {
        assert_eq!(
            version("QEMU emulator version 10.0.2 (Debian 1:10.0.2)\n"),
            Some(10)
        );
        assert_eq!(version(""), None);
    }
}
