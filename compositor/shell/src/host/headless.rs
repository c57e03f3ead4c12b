//! Widgets drawn into memory, without a compositor: for tests and for pictures of single parts.

use std::time::Instant;

use iced_core::renderer::Headless as _;
use iced_core::{Color, Event, Pixels, Rectangle, Size, mouse, renderer, widget, window};
use iced_runtime::user_interface::{Cache, UserInterface};

use super::{Element, Renderer, render};

/// What a widget tree looked like.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// Physical pixels.
    pub size: Size<u32>,
    /// Four bytes a pixel: red, green, blue, alpha (premultiplied).
    pub rgba: Vec<u8>,
    /// Every text and where it was laid out, in logical pixels.
    pub texts: Vec<(String, Rectangle)>,
}

/// Draws `view` by CPU at `size` logical pixels and `scale`, over `ground`.
pub fn draw<M>(
    view: Element<'_, M>,
    size: Size<u32>,
    scale: f32,
    ground: Color,
    text: Color,
) -> Drawn {
    let mut renderer = render::cpu::renderer();
    draw_with(&mut renderer, view, size, scale, ground, text)
}

/// A renderer for [`draw_with`] on the GPU, a software one if that is what there is; `None` without any.
pub fn gpu() -> Option<Renderer> {
    let text = Pixels(crate::theme::TEXT);
    zbus::block_on(Renderer::new(crate::fonts::UI, text, Some("wgpu")))
}

/// The same as [`draw`] with a renderer that was made before.
pub fn draw_with<M>(
    renderer: &mut Renderer,
    view: Element<'_, M>,
    size: Size<u32>,
    scale: f32,
    ground: Color,
    text: Color,
) -> Drawn {
    let (mut ui, texts) = lay_out(view, size, renderer);
    ui.draw(
        renderer,
        &iced_core::Theme::Dark,
        &renderer::Style { text_color: text },
        mouse::Cursor::Unavailable,
    );
    let size = render::physical(size, f64::from(scale));
    let rgba = renderer.screenshot(size, scale, ground);
    Drawn { size, rgba, texts }
}

/// Every text of `view` at `size` logical pixels, and where it was laid out.
pub fn texts<M>(view: Element<'_, M>, size: Size<u32>) -> Vec<(String, Rectangle)> {
    lay_out(view, size, &mut render::cpu::renderer()).1
}

fn lay_out<'a, M>(
    view: Element<'a, M>,
    size: Size<u32>,
    renderer: &mut Renderer,
) -> (
    UserInterface<'a, M, iced_core::Theme, Renderer>,
    Vec<(String, Rectangle)>,
) {
    let bounds = Size::new(size.width as f32, size.height as f32);
    let mut ui = UserInterface::build(view, bounds, Cache::new(), renderer);
    let redraw = Event::Window(window::Event::RedrawRequested(Instant::now()));
    let _ = ui.update(
        &[redraw],
        mouse::Cursor::Unavailable,
        renderer,
        &mut iced_core::clipboard::Null,
        &mut Vec::new(),
    );
    let mut texts = Texts::default();
    ui.operate(renderer, &mut texts);
    (ui, texts.0)
}

#[derive(Default)]
struct Texts(Vec<(String, Rectangle)>);

impl widget::Operation for Texts {
    fn traverse(&mut self, operate: &mut dyn FnMut(&mut dyn widget::Operation)) {
        operate(self);
    }

    fn text(&mut self, _: Option<&widget::Id>, bounds: Rectangle, text: &str) {
        self.0.push((text.to_owned(), bounds));
    }
}
