//! The image in QEMU.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::assemble;
use crate::config::Resolution;
use crate::context::Context;
use crate::tree::Tree;

/// QEMU's older than this lack options used here.
const OLDEST_QEMU: u32 = 8;
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
    /// Keep state on this disk (qcow2, made if missing) instead of output/argos.data.qcow2.
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
    pub memory: Option<String>,
    /// Processors.
    #[arg(long, value_name = "N")]
    pub cpus: Option<u32>,
    /// How the processor is run; `auto` tries KVM with a trivial guest first.
    #[arg(long, value_enum, default_value_t = Accelerator::Auto)]
    pub accel: Accelerator,
    /// Give the guest a network (user mode). Without it, it is offline.
    #[arg(long)]
    pub network: bool,
    /// Draw with the host's GPU (virgl). Needs a window.
    #[arg(long, conflicts_with = "headless")]
    pub gl: bool,
    /// Words added to the kernel's command line.
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
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
    let results = ["vmlinuz", "initrd", "root.erofs", "disk.raw"].map(|s| context.result(s));
    if context.force > 0 || !results.iter().all(|f| f.exists()) {
        assemble::build(context)?;
    }
    if matches!(options.boot, Some(Medium::Cd | Medium::Usb)) {
        let iso = context.result("iso");
        ensure!(
            iso.exists(),
            "{}: not there yet; make it with `argos-image iso`",
            iso.display()
        );
    }
    context.uses(&context.output)?;
    let tree = Tree::build(context)?;
    let window = !options.headless
        && ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|v| std::env::var_os(v).is_some_and(|v| !v.is_empty()));
    if !window && !options.headless {
        eprintln!(
            "argos-image: there is no display here, so the screen is served by VNC (--headless)"
        );
    }
    let qemu = Qemu::find(context, &tree, window)?;
    for path in [&options.qmp, &options.shell, &options.serial, &options.data]
        .into_iter()
        .flatten()
    {
        if let Some(folder) = std::path::absolute(path)?.parent() {
            qemu.share(folder)?;
        }
    }
    let accelerated = match options.accel {
        Accelerator::Kvm => true,
        Accelerator::Tcg => false,
        Accelerator::Auto => kvm_works(context, &qemu)?,
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
        eprintln!("argos-image: KVM does not work here, so the processor is emulated (slow)");
        command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]);
    }
    command
        .args(["-smp", &options.cpus.unwrap_or(c.cpus).to_string()])
        .args(["-m", options.memory.as_deref().unwrap_or(&c.memory)])
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
        &format!("{gpu},edid=on,xres={width},yres={height}"),
    ]);

    boot_medium(context, options, &qemu.firmware(&tree), &mut command)?;
    if !options.ephemeral {
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
    consoles(options, &mut command)?;
    if window {
        command.args(["-display", &qemu.window(context, options.gl)?]);
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
        Some(_) if options.append.is_some() => {
            bail!("--append goes with the direct boot only; the boot menu has its own words")
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
            tree.share(folder)?;
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
                .args(["-euc", script, "sh", &context.config.vm.data_disk])
                .arg(&raw)
                .arg(file);
            context.steps.run(&mut command)
        },
    )
}

/// A QEMU that is new enough: the host's, or the build tree's.
#[derive(Debug)]
struct Qemu<'a> {
    /// `None`: the host's.
    tree: Option<&'a Tree>,
}

impl<'a> Qemu<'a> {
    fn find(context: &Context, tree: &'a Tree, window: bool) -> Result<Self> {
        let host = Self { tree: None };
        if host.version(context).is_some_and(|v| v >= OLDEST_QEMU) {
            return Ok(host);
        }
        // The tree's QEMU has no window: that would draw a whole toolkit into the tree.
        ensure!(
            !window,
            "a window needs the host's QEMU, version {OLDEST_QEMU} or later: `apt-get install qemu-system-x86 qemu-system-gui` (Debian 12: from backports); or use --headless"
        );
        let inside = Self { tree: Some(tree) };
        ensure!(
            inside.version(context).is_some(),
            "QEMU does not run in the build tree; `argos-image -ff clean` makes it anew"
        );
        Ok(inside)
    }

    fn command(&self, context: &Context) -> Command {
        match self.tree {
            None => Command::new("qemu-system-x86_64"),
            Some(tree) => tree.command(context, &context.top, "qemu-system-x86_64"),
        }
    }

    fn share(&self, folder: &Path) -> Result<()> {
        match self.tree {
            Some(tree) => tree.share(folder),
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

    fn version(&self, context: &Context) -> Option<u32> {
        let output = self.command(context).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split("version ")
            .nth(1)?
            .split('.')
            .next()?
            .parse()
            .ok()
    }

    fn window(&self, context: &Context, gl: bool) -> Result<String> {
        let output = self.command(context).args(["-display", "help"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let kind = ["gtk", "sdl"]
            .into_iter()
            .find(|k| text.lines().any(|l| l.trim() == *k));
        let kind = kind.context(
            "the host's QEMU has no window; `apt-get install qemu-system-gui`, or use --headless",
        )?;
        Ok(if gl {
            format!("{kind},gl=on")
        } else {
            kind.to_owned()
        })
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
