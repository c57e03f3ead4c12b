//! Windows that are gone, on their way out.
//!
//! What a window showed is gone with its client's buffer, so a picture of it is taken just before that. Nothing else
//! knows of it: no input reaches it, no picture for others has it, and it ends with all other movements.

use std::time::Duration;

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            ImportAll, ImportMem, Renderer,
            element::{
                Kind,
                memory::{MemoryRenderBuffer, MemoryRenderBufferRenderElement},
            },
        },
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Physical, Point, Rectangle, Scale, Transform},
    wayland::{
        compositor::{BufferAssignment, SurfaceAttributes, add_pre_commit_hook, with_states},
        shell::xdg::ToplevelSurface,
    },
};

use crate::{
    animations::{Pace, SMALL},
    decoration::TitleBar,
    layout::{Rect, WindowId},
    motion::Motion,
    render::Element,
    state::State,
};

/// A window that is gone.
#[derive(Debug)]
pub(crate) struct Ghost {
    frame: Rect,
    /// Where its content was.
    client: Rect,
    content: MemoryRenderBuffer,
    /// All of its pixels.
    pixels: Rectangle<f64, Logical>,
    title_bar: Option<TitleBar>,
    /// How much of it is there, 1 to 0.
    way: Motion<1>,
}

impl Ghost {
    pub(crate) fn is_over(&self, moment: Duration) -> bool {
        self.way.is_over(moment)
    }

    /// Whether something of it is seen within `area`.
    pub(crate) fn is_in(&self, area: Rect, moment: Duration) -> bool {
        !self.is_over(moment) && self.frame.overlaps(area)
    }

    /// What is drawn of it on the output that covers `area`.
    pub(crate) fn elements<R>(
        &self,
        renderer: &mut R,
        area: Rect,
        scale: Scale<f64>,
        moment: Duration,
        list: &mut Vec<Element<R>>,
    ) where
        R: Renderer + ImportAll + ImportMem,
        R::TextureId: Clone + Send + 'static,
    {
        if !self.is_in(area, moment) {
            return;
        }
        let [there] = self.way.at(moment);
        let there = there.clamp(0.0, 1.0);
        let factor = SMALL + (1.0 - SMALL) * there;
        let frame = self.frame.to_f64();
        let middle = frame.loc + frame.size.to_point().downscale(2.0);
        let mut draw = |place: Rect, buffer: &MemoryRenderBuffer, pixels| {
            let at = middle + (place.loc.to_f64() - middle).upscale(factor) - area.loc.to_f64();
            let at: Point<f64, Physical> = at.to_physical(scale);
            let size = place.size.to_f64().upscale(factor).to_i32_ceil();
            match MemoryRenderBufferRenderElement::from_buffer(
                renderer,
                at,
                buffer,
                Some(there as f32),
                Some(pixels),
                Some(size),
                Kind::Unspecified,
            ) {
                Ok(element) => list.push(element.into()),
                Err(error) => tracing::warn!("a window that goes: {error}"),
            }
        };
        if let Some(bar) = &self.title_bar {
            let place = Rect::new(self.frame.loc, bar.size());
            draw(place, bar.buffer(), bar.pixels());
        }
        draw(self.client, &self.content, self.pixels);
    }
}

/// Whether a commit that is about to be carried out takes the content away.
fn takes_content(surface: &WlSurface) -> bool {
    with_states(surface, |states| {
        let mut attributes = states.cached_state.get::<SurfaceAttributes>();
        matches!(attributes.pending().buffer, Some(BufferAssignment::Removed))
    })
}

impl State {
    /// Watches a window for the commit that hides it.
    pub(crate) fn watch_for_farewell(toplevel: &ToplevelSurface) {
        add_pre_commit_hook::<Self, _>(toplevel.wl_surface(), |state, _, surface| {
            if state.pace().is_some()
                && takes_content(surface)
                && let Some(id) = state.windows.by_surface(surface).map(|managed| managed.id)
            {
                state.see_off(id);
            }
        });
    }

    /// A window is about to be gone: it is seen going, if things move at all.
    pub(crate) fn see_off(&mut self, id: WindowId) {
        let Some(pace) = self.pace() else {
            return;
        };
        let layout = &self.windows.layout;
        let (Some(frame), Some(client)) = (layout.frame(id), layout.client(id)) else {
            return;
        };
        let covered = layout
            .output_of(id)
            .is_some_and(|output| self.windows.overview.is_on(output));
        // One that is on its way somewhere would leap there first.
        let managed = self.windows.get(id);
        let moves = managed.is_none_or(|managed| managed.way.pose(pace.begins).is_some());
        if covered || moves || !layout.is_visible(id) {
            return;
        }
        let picture = match self.capture(id.0) {
            Ok(picture) => picture,
            Err(error) => return tracing::debug!("window {} goes unseen: {error}", id.0),
        };
        let size = (picture.width as i32, picture.height as i32);
        let content = MemoryRenderBuffer::from_slice(
            &picture.rgba,
            Fourcc::Abgr8888,
            size,
            1,
            Transform::Normal,
            None,
        );
        let bar = self.windows.layout.title_bar(id) > 0;
        let title_bar = self.windows.get_mut(id).and_then(|managed| {
            // It is painted anew should the window come back.
            managed.title_bar.take().filter(|_| bar)
        });
        let Pace { begins, length } = pace;
        self.windows.movements.ghosts.push(Ghost {
            frame,
            client,
            content,
            pixels: Rectangle::from_size((f64::from(size.0), f64::from(size.1)).into()),
            title_bar,
            way: Motion::new([1.0], [0.0], begins, length),
        });
        self.outputs.queue_all();
    }
}
