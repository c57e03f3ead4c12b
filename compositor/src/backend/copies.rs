//! Pictures that GLES copies into clients' buffers, without their passing through memory.
#![allow(unsafe_code)]

use smithay::{
    backend::{
        allocator::Fourcc,
        drm::{DrmNode, NodeType},
        renderer::{
            Bind, Blit, Offscreen, TextureFilter,
            gles::{GlesError, GlesRenderbuffer, GlesRenderer},
        },
    },
    utils::Rectangle,
};

use crate::dmabuf::Targets;

/// The buffers into which a renderer copies. None, where it cannot: what does it came with the third version of GLES.
pub(super) fn targets(renderer: &mut GlesRenderer, node: DrmNode) -> Option<Targets> {
    if let Err(error) = try_copying(renderer) {
        tracing::info!("pictures go through memory, since the GPU cannot copy them: {error}");
        return None;
    }
    let formats = renderer.egl_context().dmabuf_render_formats().iter();
    let formats = formats.copied().collect();
    // What only draws needs nothing more than the node for that.
    let render = node.node_with_type(NodeType::Render).and_then(Result::ok);
    Some(Targets {
        device: render.unwrap_or(node).dev_id(),
        formats,
    })
}

/// Copies a pixel.
fn try_copying(renderer: &mut GlesRenderer) -> Result<(), GlesError> {
    let mut new = || {
        Offscreen::<GlesRenderbuffer>::create_buffer(
            &mut *renderer,
            Fourcc::Abgr8888,
            (1, 1).into(),
        )
    };
    let (mut one, mut other) = (new()?, new()?);
    let from = renderer.bind(&mut one)?;
    let mut to = renderer.bind(&mut other)?;
    let pixel = Rectangle::from_size((1, 1).into());
    renderer.blit(&from, &mut to, pixel, pixel, TextureFilter::Nearest)
}

/// Waits until the GPU has done what it was told: a client that hears of its copy may read it by other means.
pub(super) fn finish(renderer: &mut GlesRenderer) -> Result<(), GlesError> {
    // SAFETY: the context is current while this runs, and the call has no arguments.
    renderer.with_context(|gl| unsafe { gl.Finish() })
}
