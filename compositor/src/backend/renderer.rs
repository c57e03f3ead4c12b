//! Which renderer: the CPU (pixman) or a GPU (GLES).
//!
//! The choice is made before EGL is touched: loading Mesa's software GL costs seconds and a hundred
//! megabytes, only to draw slower than pixman does. A render node proves nothing (virtio-gpu has
//! one without 3D), so the driver itself is asked.
#![allow(unsafe_code)]

use std::os::fd::{AsFd, AsRawFd};

use smithay::reexports::drm::Device;

/// What draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RendererKind {
    /// The CPU.
    Pixman,
    /// A GPU by OpenGL ES.
    Gles,
}

impl RendererKind {
    /// As the bus and the logs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pixman => "pixman",
            Self::Gles => "gles",
        }
    }

    /// What `ARGOS_RENDERER` says, if it says anything.
    pub fn forced() -> Option<Self> {
        match std::env::var("ARGOS_RENDERER").ok()?.as_str() {
            "pixman" => Some(Self::Pixman),
            "gles" => Some(Self::Gles),
            "" => None,
            other => {
                tracing::warn!(
                    "ARGOS_RENDERER={other}: there are `pixman` and `gles`; choosing by device"
                );
                None
            }
        }
    }

    /// What suits the device.
    pub fn for_device<D: Device + AsFd>(device: &D) -> Self {
        let driver = device
            .get_driver()
            .ok()
            .map(|d| d.name().to_string_lossy().into_owned());
        let kind = Self::for_driver(driver.as_deref().unwrap_or(""), || virtio_has_3d(device));
        tracing::info!(
            "driver {}: drawing with {}",
            driver.as_deref().unwrap_or("?"),
            kind.name()
        );
        kind
    }

    /// What suits a driver; `virtio_3d` is asked only for virtio-gpu.
    fn for_driver(driver: &str, virtio_3d: impl FnOnce() -> bool) -> Self {
        match driver {
            "virtio_gpu" if virtio_3d() => Self::Gles,
            // Drivers that show pictures and cannot draw them.
            "virtio_gpu" | "bochs" | "bochs-drm" | "cirrus" | "qxl" | "simpledrm" | "ast"
            | "mgag200" | "hyperv_drm" | "vboxvideo" | "vkms" | "udl" | "gud" | "efidrm"
            | "vesadrm" | "ofdrm" | "hibmc" | "" => Self::Pixman,
            _ => Self::Gles,
        }
    }
}

/// `struct drm_virtgpu_getparam` of the kernel's `virtgpu_drm.h`.
#[repr(C)]
struct GetParam {
    param: u64,
    value: u64,
}

const VIRTGPU_PARAM_3D_FEATURES: u64 = 1;
/// `DRM_IOWR(DRM_COMMAND_BASE + DRM_VIRTGPU_GETPARAM, struct drm_virtgpu_getparam)`.
const GETPARAM: libc::c_ulong = (3 << 30)
    | ((size_of::<GetParam>() as libc::c_ulong) << 16)
    | ((b'd' as libc::c_ulong) << 8)
    | 0x43;

/// Whether the host gives a virtio-gpu device 3D (virgl or Venus).
fn virtio_has_3d(device: &impl AsFd) -> bool {
    let mut value: u32 = 0;
    let mut request = GetParam {
        param: VIRTGPU_PARAM_3D_FEATURES,
        value: (&raw mut value) as u64,
    };
    // SAFETY: the ioctl reads `request` and writes one 32-bit integer to the address in
    // `request.value`; both outlive the call. The caller knows the driver is virtio-gpu.
    let result = unsafe { libc::ioctl(device.as_fd().as_raw_fd(), GETPARAM, &raw mut request) };
    result == 0 && value != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_used_where_there_is_one() {
        assert_eq!(
            RendererKind::for_driver("virtio_gpu", || false),
            RendererKind::Pixman
        );
        assert_eq!(
            RendererKind::for_driver("virtio_gpu", || true),
            RendererKind::Gles
        );
        assert_eq!(
            RendererKind::for_driver("simpledrm", || unreachable!()),
            RendererKind::Pixman
        );
        assert_eq!(
            RendererKind::for_driver("i915", || unreachable!()),
            RendererKind::Gles
        );
    }

    #[test]
    fn the_request_is_the_kernels() {
        assert_eq!(GETPARAM, 0xc010_6443);
    }
}
