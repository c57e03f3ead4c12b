//! Warmer colours without a gamma table: what is drawn is multiplied, channel by channel.
//!
//! With GLES that is an [element](Pane) in front of all others that multiplies what is behind it. pixman's
//! frames only lay pixels over others, so there the scene is drawn into a [`Shade`] of its own, its damage
//! is multiplied there, and the output gets the result as one [`Sheet`]. Either way only what is damaged
//! is drawn.
#![allow(unsafe_code)]

use smithay::{
    backend::{
        allocator::Fourcc,
        renderer::{
            Bind, Color32F, Frame, Offscreen,
            damage::OutputDamageTracker,
            element::{Element, Id, Kind, RenderElement, RenderElementStates, render_elements},
            gles::{GlesError, GlesFrame, GlesRenderer, ffi},
            pixman::{PixmanError, PixmanFrame, PixmanRenderer, PixmanTexture},
            utils::{CommitCounter, DamageBag, DamageSet, DamageSnapshot, OpaqueRegions},
        },
    },
    output::Output,
    reexports::pixman::{FormatCode, Image},
    utils::{Buffer, Physical, Rectangle, Scale, Size, Transform},
};

use crate::{
    night::NEUTRAL,
    render::{Scene, Shown},
};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What is left of red, green and blue, of 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tint([u8; 3]);

impl Tint {
    /// The colour of a black body of so many kelvins, on a display whose white is that of 6500; none if
    /// nothing is changed by it. From 1700 to 6500.
    ///
    /// The place of the body in CIE's xy plane is by the cubic approximation of Kim, Kang, Cho and Kim
    /// (US patent 7024034, 2006).
    pub(crate) fn of(kelvin: f64) -> Option<Self> {
        let white = linear(f64::from(NEUTRAL));
        let body = linear(kelvin);
        let mut parts = [0.0; 3];
        for (part, (body, white)) in parts.iter_mut().zip(body.into_iter().zip(white)) {
            *part = (body / white).max(0.0);
        }
        let brightest = parts.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        // Multiplying encoded values by an encoded value is multiplying light.
        let encoded = parts.map(|part| (255.0 * (part / brightest).powf(1.0 / 2.2)).round() as u8);
        (encoded != [255; 3]).then_some(Self(encoded))
    }

    /// A gamma table of three ramps of `size` steps.
    pub(crate) fn table(self, size: u32) -> Vec<u16> {
        let last = u64::from(size.saturating_sub(1).max(1));
        let whole = u64::from(u16::MAX);
        self.0
            .into_iter()
            .flat_map(|part| {
                (0..u64::from(size))
                    .map(move |step| (step * whole * u64::from(part) / (last * 255)) as u16)
            })
            .collect()
    }

    fn colour(self) -> Color32F {
        let [r, g, b] = self.0.map(|part| f32::from(part) / 255.0);
        Color32F::new(r, g, b, 1.0)
    }

    /// Multiplies pixels, 0xRRGGBB each.
    fn multiply(self, pixels: &mut [u32]) {
        let [r, g, b] = self.0.map(u32::from);
        let part = |value: u32, by: u32| (value * by + 127) / 255;
        for pixel in pixels {
            let [_, red, green, blue] = pixel.to_be_bytes().map(u32::from);
            *pixel = 0xff00_0000 | part(red, r) << 16 | part(green, g) << 8 | part(blue, b);
        }
    }
}

/// Red, green and blue of a black body of so many kelvins, in light and not brighter than others of them.
fn linear(kelvin: f64) -> [f64; 3] {
    let t = kelvin.clamp(1667.0, 25_000.0);
    let (t2, t3) = (t * t, t * t * t);
    let x = if t < 4000.0 {
        -0.266_123_9e9 / t3 - 0.234_358_9e6 / t2 + 0.877_695_6e3 / t + 0.179_910
    } else {
        -3.025_846_9e9 / t3 + 2.107_037_9e6 / t2 + 0.222_634_7e3 / t + 0.240_390
    };
    let (x2, x3) = (x * x, x * x * x);
    let y = if t < 2222.0 {
        -1.106_381_4 * x3 - 1.348_110_20 * x2 + 2.185_558_32 * x - 0.202_196_83
    } else if t < 4000.0 {
        -0.954_947_6 * x3 - 1.374_185_93 * x2 + 2.091_370_15 * x - 0.167_488_67
    } else {
        3.081_758_0 * x3 - 5.873_386_70 * x2 + 3.751_129_97 * x - 0.370_014_83
    };
    // Of luminance 1, in the primaries of sRGB.
    let (cx, cz) = (x / y, (1.0 - x - y) / y);
    [
        3.240_454_2 * cx - 1.537_138_5 - 0.498_531_4 * cz,
        -0.969_266_0 * cx + 1.876_010_8 + 0.041_556_0 * cz,
        0.055_643_4 * cx - 0.204_025_9 + 1.057_225_2 * cz,
    ]
}

render_elements! {
    /// What GLES draws on an output.
    pub(crate) Tinted<=GlesRenderer>;
    /// What multiplies all that is behind it.
    Pane=Pane,
    /// The scene.
    Scene=Shown<GlesRenderer>,
}

/// The elements of a scene for GLES, with what tints them in front.
pub(crate) fn tinted(
    scene: &Scene<'_>,
    renderer: &mut GlesRenderer,
    output: &Output,
) -> Vec<Tinted> {
    let size = upright(output).unwrap_or_default();
    let pane = scene
        .glass
        .filter
        .clone()
        .map(|filter| Tinted::Pane(Pane { filter, size }));
    let elements = scene.elements(renderer, output);
    pane.into_iter()
        .chain(elements.into_iter().map(Tinted::Scene))
        .collect()
}

/// The size of an output as a person sees it.
pub(crate) fn upright(output: &Output) -> Option<Size<i32, Physical>> {
    let size = output.current_mode()?.size;
    Some(output.current_transform().transform_size(size))
}

/// A tint as something that is drawn: one of another colour is another thing, so that all of it is drawn anew.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) tint: Tint,
    id: Id,
}

impl From<Tint> for Filter {
    fn from(tint: Tint) -> Self {
        Self {
            tint,
            id: Id::new(),
        }
    }
}

/// A coloured pane before everything.
#[derive(Debug)]
pub(crate) struct Pane {
    filter: Filter,
    size: Size<i32, Physical>,
}

impl Element for Pane {
    fn id(&self) -> &Id {
        &self.filter.id
    }

    fn current_commit(&self) -> CommitCounter {
        CommitCounter::default()
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        Rectangle::from_size((1.0, 1.0).into())
    }

    fn geometry(&self, _: Scale<f64>) -> Rectangle<i32, Physical> {
        Rectangle::from_size(self.size)
    }

    fn kind(&self) -> Kind {
        Kind::Unspecified
    }
}

impl RenderElement<GlesRenderer> for Pane {
    fn draw(
        &self,
        frame: &mut GlesFrame<'_, '_>,
        _: Rectangle<f64, Buffer>,
        dst: Rectangle<i32, Physical>,
        damage: &[Rectangle<i32, Physical>],
        _: &[Rectangle<i32, Physical>],
    ) -> Result<(), GlesError> {
        frame.with_context(|gl| {
            // SAFETY: the context is current, and the call only sets how fragments are blended.
            unsafe { gl.BlendFuncSeparate(ffi::ZERO, ffi::SRC_COLOR, ffi::ZERO, ffi::ONE) }
        })?;
        let drawn = GlesFrame::draw_solid(frame, dst, damage, self.filter.tint.colour());
        frame.with_context(|gl| {
            // SAFETY: as above; this is how frames begin.
            unsafe { gl.BlendFunc(ffi::ONE, ffi::ONE_MINUS_SRC_ALPHA) }
        })?;
        drawn
    }
}

/// The tinted picture of an output, kept from frame to frame.
#[derive(Debug)]
pub(crate) struct Shade {
    id: Id,
    image: Image<'static, 'static>,
    tracker: OutputDamageTracker,
    damage: DamageBag<i32, Buffer>,
    size: Size<i32, Physical>,
    scale: f64,
    tint: Tint,
    /// Nothing was drawn into it yet, or in another tint.
    stale: bool,
}

impl Shade {
    fn new(
        renderer: &mut PixmanRenderer,
        size: Size<i32, Physical>,
        scale: f64,
        tint: Tint,
    ) -> Result<Self, PixmanError> {
        Ok(Self {
            id: Id::new(),
            image: renderer.create_buffer(Fourcc::Xrgb8888, (size.w, size.h).into())?,
            tracker: OutputDamageTracker::new(size, scale, Transform::Normal),
            damage: DamageBag::default(),
            size,
            scale,
            tint,
            stale: true,
        })
    }

    fn multiply(&mut self, damage: &[Rectangle<i32, Physical>]) {
        let stride = self.image.stride() / size_of::<u32>();
        let rows = self.image.height();
        // SAFETY: the image owns so many rows of so many bytes and is borrowed alone here.
        let pixels = unsafe { std::slice::from_raw_parts_mut(self.image.data(), stride * rows) };
        for rect in damage {
            let Some(rect) = rect.intersection(Rectangle::from_size(self.size)) else {
                continue;
            };
            let (left, width) = (rect.loc.x as usize, rect.size.w as usize);
            for row in rect.loc.y..rect.loc.y + rect.size.h {
                let from = row as usize * stride + left;
                self.tint.multiply(&mut pixels[from..from + width]);
            }
        }
    }
}

/// A scene that was drawn already, for one frame.
#[derive(Debug)]
pub(crate) struct Sheet {
    id: Id,
    texture: PixmanTexture,
    size: Size<i32, Physical>,
    damage: DamageSnapshot<i32, Buffer>,
}

impl Sheet {
    /// A picture of that size as an element. It must be gone before the picture changes or goes.
    pub(crate) fn of(
        id: &Id,
        image: &Image<'static, 'static>,
        size: Size<i32, Physical>,
        damage: &DamageBag<i32, Buffer>,
    ) -> Result<Self, Cause> {
        // SAFETY: the caller sees to it that the pixels outlive the sheet and are not written meanwhile.
        let view = unsafe {
            Image::from_raw_mut(
                FormatCode::X8R8G8B8,
                image.width(),
                image.height(),
                image.data(),
                image.stride(),
                false,
            )
        };
        Ok(Self {
            id: id.clone(),
            texture: PixmanTexture::from(view?),
            size,
            damage: damage.snapshot(),
        })
    }
}

impl Element for Sheet {
    fn id(&self) -> &Id {
        &self.id
    }

    fn current_commit(&self) -> CommitCounter {
        self.damage.current_commit()
    }

    fn src(&self) -> Rectangle<f64, Buffer> {
        Rectangle::from_size((f64::from(self.size.w), f64::from(self.size.h)).into())
    }

    fn geometry(&self, _: Scale<f64>) -> Rectangle<i32, Physical> {
        Rectangle::from_size(self.size)
    }

    fn damage_since(
        &self,
        scale: Scale<f64>,
        commit: Option<CommitCounter>,
    ) -> DamageSet<i32, Physical> {
        let Some(damage) = self.damage.damage_since(commit) else {
            return DamageSet::from_slice(&[self.geometry(scale)]);
        };
        let physical = damage.into_iter().map(|rect| {
            Rectangle::new(
                (rect.loc.x, rect.loc.y).into(),
                (rect.size.w, rect.size.h).into(),
            )
        });
        physical.collect()
    }

    fn opaque_regions(&self, scale: Scale<f64>) -> OpaqueRegions<i32, Physical> {
        OpaqueRegions::from_slice(&[self.geometry(scale)])
    }
}

impl RenderElement<PixmanRenderer> for Sheet {
    fn draw(
        &self,
        frame: &mut PixmanFrame<'_, '_>,
        src: Rectangle<f64, Buffer>,
        dst: Rectangle<i32, Physical>,
        damage: &[Rectangle<i32, Physical>],
        opaque_regions: &[Rectangle<i32, Physical>],
    ) -> Result<(), PixmanError> {
        frame.render_texture_from_to(
            &self.texture,
            src,
            dst,
            damage,
            opaque_regions,
            Transform::Normal,
            1.0,
        )
    }
}

/// Draws what changed of a scene into the shade of its output, in this tint. The sheet must be gone before the
/// shade is used again.
pub(crate) fn shaded(
    kept: &mut Option<Shade>,
    renderer: &mut PixmanRenderer,
    scene: &Scene<'_>,
    output: &Output,
    tint: Tint,
) -> Result<(Sheet, RenderElementStates), Cause> {
    let size = upright(output).ok_or("the output has no mode")?;
    let scale = output.current_scale().fractional_scale();
    let fits = |shade: &Shade| shade.size == size && shade.scale == scale;
    let shade = match kept.take().filter(fits) {
        Some(shade) => kept.insert(shade),
        None => kept.insert(Shade::new(renderer, size, scale, tint)?),
    };
    shade.stale |= shade.tint != tint;
    shade.tint = tint;
    // Should anything go wrong from here, all of it is drawn the next time.
    let stale = std::mem::replace(&mut shade.stale, true);
    let elements = scene.elements(renderer, output);
    let (damage, states) = {
        let mut frame = renderer.bind(&mut shade.image)?;
        let result = shade.tracker.render_output(
            renderer,
            &mut frame,
            usize::from(!stale),
            &elements,
            scene.ground(),
        )?;
        (result.damage.cloned(), result.states)
    };
    if let Some(damage) = damage {
        shade.multiply(&damage);
        shade.damage.add(damage.into_iter().map(|rect| {
            Rectangle::new(
                (rect.loc.x, rect.loc.y).into(),
                (rect.size.w, rect.size.h).into(),
            )
        }));
    }
    shade.stale = false;
    let sheet = Sheet::of(&shade.id, &shade.image, shade.size, &shade.damage)?;
    Ok((sheet, states))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmer_light_has_less_blue_and_daylight_changes_nothing() {
        assert_eq!(Tint::of(f64::from(NEUTRAL)), None);
        let mut last = [255; 3];
        for kelvin in (1700..6400).rev().step_by(100) {
            let Tint(now) = Tint::of(f64::from(kelvin)).unwrap();
            assert_eq!(now[0], 255, "{kelvin}");
            assert!(now[1] <= last[1] && now[2] <= last[2], "{kelvin}: {now:?}");
            assert!(now[2] <= now[1], "{kelvin}: {now:?}");
            last = now;
        }
        let Tint([_, green, blue]) = Tint::of(4000.0).unwrap();
        assert!((200..225).contains(&green) && (155..185).contains(&blue));
    }

    #[test]
    fn a_table_ends_where_the_tint_does() {
        let table = Tint([255, 128, 0]).table(3);
        assert_eq!(table, [0, 32767, 65535, 0, 16448, 32896, 0, 0, 0]);
        let mut pixels = [0x00ff_ffff, 0x0040_2010];
        Tint([255, 128, 0]).multiply(&mut pixels);
        assert_eq!(pixels, [0xffff_8000, 0xff40_1000]);
    }
}
