//! What is agreed on with PipeWire: the pictures' size and the most frames a second, memory, what goes with a frame.
//!
//! There is one format, `BGRx`: what the compositor writes as `Xrgb8888`. Its fourth byte means nothing, so nothing is
//! offered that would take it for opacity. The rate is variable: frames come when something changed.

use std::io::Cursor;

use pipewire::spa::param::ParamType;
use pipewire::spa::param::format::{FormatProperties, MediaSubtype, MediaType};
use pipewire::spa::param::format_utils::parse_format;
use pipewire::spa::param::video::{VideoFormat, VideoInfoRaw};
use pipewire::spa::pod::serialize::PodSerializer;
use pipewire::spa::pod::{ChoiceValue, Object, Pod, Property, Value};
use pipewire::spa::sys;
use pipewire::spa::utils::{Choice, ChoiceEnum, ChoiceFlags, Fraction, Id, Rectangle, SpaTypes};

/// As many frames a second are given where the consumer names no bound.
pub(crate) const FASTEST: u32 = 60;
/// How many pieces of memory there are: one that is shown, one that is written, and some for slow consumers.
const BUFFERS: (i32, i32, i32) = (4, 2, 8);

/// What a consumer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// The most frames a second, as a fraction; never nothing.
    pub(crate) most: (u32, u32),
}

impl Agreed {
    /// How long after a frame the next one may come, in nanoseconds.
    pub(crate) fn pause(&self) -> u64 {
        u64::from(self.most.1) * 1_000_000_000 / u64::from(self.most.0)
    }

    /// What a parsed format says.
    fn of(format: VideoFormat, size: Rectangle, most: Fraction) -> Option<Self> {
        let bound = most.num > 0 && most.denom > 0;
        (format == VideoFormat::BGRx && size.width > 0 && size.height > 0).then_some(Self {
            size: (size.width, size.height),
            most: if bound {
                (most.num, most.denom)
            } else {
                (FASTEST, 1)
            },
        })
    }
}

/// Reads what PipeWire settled on. Nothing, where that is not what was offered.
pub(crate) fn agreed(param: &Pod) -> Option<Agreed> {
    if parse_format(param).ok()? != (MediaType::Video, MediaSubtype::Raw) {
        return None;
    }
    let mut info = VideoInfoRaw::new();
    info.parse(param).ok()?;
    Agreed::of(info.format(), info.size(), info.max_framerate())
}

/// The formats that pictures of a size come in.
pub(crate) fn formats((width, height): (u32, u32)) -> Vec<u8> {
    let id = |key: FormatProperties, id: u32| Property::new(key.as_raw(), Value::Id(Id(id)));
    let rate = |num| Fraction { num, denom: 1 };
    bytes(Object {
        type_: SpaTypes::ObjectParamFormat.as_raw(),
        id: ParamType::EnumFormat.as_raw(),
        properties: vec![
            id(FormatProperties::MediaType, MediaType::Video.as_raw()),
            id(FormatProperties::MediaSubtype, MediaSubtype::Raw.as_raw()),
            id(FormatProperties::VideoFormat, VideoFormat::BGRx.as_raw()),
            Property::new(
                FormatProperties::VideoSize.as_raw(),
                Value::Rectangle(Rectangle { width, height }),
            ),
            Property::new(
                FormatProperties::VideoFramerate.as_raw(),
                Value::Fraction(rate(0)),
            ),
            Property::new(
                FormatProperties::VideoMaxFramerate.as_raw(),
                Value::Choice(ChoiceValue::Fraction(Choice(
                    ChoiceFlags::empty(),
                    ChoiceEnum::Range {
                        default: rate(FASTEST),
                        min: rate(1),
                        max: rate(FASTEST),
                    },
                ))),
            ),
        ],
    })
}

/// The memory that pictures of a size need.
pub(crate) fn memory((width, height): (u32, u32)) -> Vec<u8> {
    let int = |key: u32, value: i32| Property::new(key, Value::Int(value));
    let choice = |key: u32, choice| {
        Property::new(
            key,
            Value::Choice(ChoiceValue::Int(Choice(ChoiceFlags::empty(), choice))),
        )
    };
    let (default, min, max) = BUFFERS;
    let stride = width * 4;
    let kinds = 1 << sys::SPA_DATA_MemFd;
    bytes(Object {
        type_: SpaTypes::ObjectParamBuffers.as_raw(),
        id: ParamType::Buffers.as_raw(),
        properties: vec![
            choice(
                sys::SPA_PARAM_BUFFERS_buffers,
                ChoiceEnum::Range { default, min, max },
            ),
            int(sys::SPA_PARAM_BUFFERS_blocks, 1),
            int(sys::SPA_PARAM_BUFFERS_size, (stride * height) as i32),
            int(sys::SPA_PARAM_BUFFERS_stride, stride as i32),
            choice(
                sys::SPA_PARAM_BUFFERS_dataType,
                ChoiceEnum::Flags {
                    default: kinds,
                    flags: vec![kinds],
                },
            ),
        ],
    })
}

/// That a frame says when it is from.
pub(crate) fn header() -> Vec<u8> {
    meta(sys::SPA_META_Header, size_of::<sys::spa_meta_header>())
}

/// That a frame says how its rows lie.
pub(crate) fn transform() -> Vec<u8> {
    meta(
        sys::SPA_META_VideoTransform,
        size_of::<sys::spa_meta_videotransform>(),
    )
}

fn meta(kind: u32, size: usize) -> Vec<u8> {
    bytes(Object {
        type_: SpaTypes::ObjectParamMeta.as_raw(),
        id: ParamType::Meta.as_raw(),
        properties: vec![
            Property::new(sys::SPA_PARAM_META_type, Value::Id(Id(kind))),
            Property::new(sys::SPA_PARAM_META_size, Value::Int(size as i32)),
        ],
    })
}

fn bytes(object: Object) -> Vec<u8> {
    let written = PodSerializer::serialize(Cursor::new(Vec::new()), &Value::Object(object));
    let (cursor, _) = written.expect("memory takes all that is written");
    cursor.into_inner()
}

/// The same as PipeWire reads it.
pub(crate) fn pod(bytes: &[u8]) -> &Pod {
    Pod::from_bytes(bytes).expect("what was just written is whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_understood() {
        // The range's default stands for the choice, as where nobody wants another.
        let offered = formats((1280, 800));
        let agreed = agreed(pod(&offered)).expect("it is our own");
        assert_eq!(agreed.size, (1280, 800));
        assert_eq!(agreed.most, (FASTEST, 1));
        assert_eq!(super::agreed(pod(&memory((1280, 800)))), None);
    }

    #[test]
    fn frames_come_as_seldom_as_the_consumer_wants() {
        let size = Rectangle {
            width: 2,
            height: 1,
        };
        let of = |num, denom| Agreed::of(VideoFormat::BGRx, size, Fraction { num, denom });
        assert_eq!(of(25, 1).map(|agreed| agreed.pause()), Some(40_000_000));
        assert_eq!(
            of(30_000, 1001).map(|agreed| agreed.pause()),
            Some(33_366_666)
        );
        // Without a bound it is ours.
        for (num, denom) in [(0, 1), (1, 0), (0, 0)] {
            assert_eq!(of(num, denom).map(|agreed| agreed.most), Some((FASTEST, 1)));
        }
    }

    #[test]
    fn what_was_not_offered_is_not_agreed_on() {
        let (one, none) = (
            Rectangle {
                width: 1,
                height: 1,
            },
            Rectangle {
                width: 1,
                height: 0,
            },
        );
        let most = Fraction { num: 30, denom: 1 };
        assert_eq!(Agreed::of(VideoFormat::RGBA, one, most), None);
        assert_eq!(Agreed::of(VideoFormat::BGRx, none, most), None);
    }
}
