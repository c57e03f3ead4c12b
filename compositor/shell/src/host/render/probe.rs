//! Is there a GPU? Answered from sysfs, before any graphics library is loaded.
//!
//! Loading Mesa's software Vulkan or GL driver costs seconds and more than 100 MB on the machines
//! that need the CPU path most, so it must not be touched to find out. A render node alone proves
//! nothing: virtio-gpu has one without any 3D behind it. The kernel's driver name, and for
//! virtio-gpu its first feature bit (`VIRTIO_GPU_F_VIRGL`), do.

use std::path::Path;

/// How the shell is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// tiny-skia into shared memory.
    Cpu,
    /// wgpu.
    Gpu,
}

/// Overrides the probe: `cpu` or `wgpu`.
pub const VARIABLE: &str = "ARGOS_SHELL_RENDERER";

/// Kernel drivers that have real hardware behind them. Others (vgem, bochs, simpledrm, vkms, …)
/// are drawn to by the CPU.
const HARDWARE: [&str; 17] = [
    "amdgpu",
    "apple-drm",
    "asahi",
    "etnaviv",
    "i915",
    "lima",
    "msm",
    "msm_dpu",
    "nouveau",
    "nvidia",
    "nvidia-drm",
    "panfrost",
    "panthor",
    "radeon",
    "v3d",
    "vc4-drm",
    "xe",
];

/// Decides by `value` of [`VARIABLE`], else by the render nodes below `drm` (`/sys/class/drm`).
pub fn choose(value: Option<&str>, drm: &Path) -> Choice {
    match value {
        Some("cpu") => return Choice::Cpu,
        Some("wgpu" | "gpu") => return Choice::Gpu,
        Some(other) => tracing::warn!("{VARIABLE}={other}: neither `cpu` nor `wgpu`; probing"),
        None => {}
    }
    let nodes = std::fs::read_dir(drm).into_iter().flatten().flatten();
    let mut nodes = nodes.filter(|n| n.file_name().to_string_lossy().starts_with("renderD"));
    if nodes.any(|node| is_hardware(&node.path().join("device"))) {
        Choice::Gpu
    } else {
        Choice::Cpu
    }
}

fn is_hardware(device: &Path) -> bool {
    let Ok(driver) = std::fs::read_link(device.join("driver")) else {
        return false;
    };
    let driver = driver
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    if driver == "virtio_gpu" {
        // One character a bit, lowest first.
        return std::fs::read(device.join("features"))
            .is_ok_and(|bits| bits.first() == Some(&b'1'));
    }
    HARDWARE.contains(&driver.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(drm: &Path, name: &str, driver: &str, features: &str) {
        let device = drm.join(name).join("device");
        std::fs::create_dir_all(&device).unwrap();
        std::os::unix::fs::symlink(Path::new("/drivers").join(driver), device.join("driver"))
            .unwrap();
        std::fs::write(device.join("features"), features).unwrap();
    }

    #[test]
    fn virtio_counts_only_with_virgl() {
        let drm = tempfile::tempdir().unwrap();
        node(drm.path(), "renderD128", "virtio_gpu", "0100\n");
        assert_eq!(choose(None, drm.path()), Choice::Cpu);
        node(drm.path(), "renderD129", "virtio_gpu", "1100\n");
        assert_eq!(choose(None, drm.path()), Choice::Gpu);
    }

    #[test]
    fn only_known_hardware_counts() {
        let drm = tempfile::tempdir().unwrap();
        node(drm.path(), "renderD128", "vgem", "");
        node(drm.path(), "card0", "i915", "");
        assert_eq!(choose(None, drm.path()), Choice::Cpu);
        node(drm.path(), "renderD129", "i915", "");
        assert_eq!(choose(None, drm.path()), Choice::Gpu);
        assert_eq!(choose(Some("cpu"), drm.path()), Choice::Cpu);
    }

    #[test]
    fn no_drm_at_all_means_the_cpu_and_the_variable_wins() {
        assert_eq!(choose(None, Path::new("/nonexistent")), Choice::Cpu);
        assert_eq!(choose(Some("wgpu"), Path::new("/nonexistent")), Choice::Gpu);
    }
}
