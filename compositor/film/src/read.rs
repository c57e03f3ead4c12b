//! Finding the pictures of a film again: of one that [`crate::write`] made, whole or cut off anywhere. It is no reader of
//! everything that Matroska allows.

use std::time::Duration;

use crate::{CODEC, TRACK, id};

/// What is in a film.
#[derive(Debug, Clone, PartialEq)]
pub struct Film<'a> {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// How long it is, if that was written.
    pub duration: Option<Duration>,
    /// In the order in which they are shown.
    pub pictures: Vec<Picture<'a>>,
    /// Where some of them are.
    pub cues: Vec<Cue>,
    /// Whether it was ended: its size is known, and all of it is there.
    pub whole: bool,
}

/// A picture of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture<'a> {
    /// From when on it is shown.
    pub at: Duration,
    /// Its file.
    pub jpeg: &'a [u8],
    /// Where its cluster begins, in bytes.
    pub offset: usize,
    /// Where its cluster ends.
    pub end: usize,
}

/// Where a picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cue {
    /// From when on it is shown.
    pub at: Duration,
    /// Where its cluster begins, in bytes.
    pub offset: usize,
}

/// Reads a film. A cluster that is not whole is left out.
///
/// # Errors
/// What is wrong with its head; or that a whole cluster has no picture in it.
pub fn read(bytes: &[u8]) -> Result<Film<'_>, String> {
    let mut top = Elements::new(bytes, 0);
    let head = top.next().filter(|e| e.id == id::EBML && e.whole);
    let head = head.ok_or("it does not begin with EBML")?;
    let kind = head.inside().find(|e| e.id == id::DOC_TYPE);
    if kind.map(|kind| kind.content) != Some(&b"matroska"[..]) {
        return Err("it is no Matroska".to_owned());
    }
    let segment = top.next().filter(|e| e.id == id::SEGMENT);
    let segment = segment.ok_or("it has no segment")?;
    let mut film = Film {
        width: 0,
        height: 0,
        duration: None,
        pictures: Vec::new(),
        cues: Vec::new(),
        whole: segment.known && segment.whole,
    };
    for part in segment.inside().filter(|part| part.whole) {
        match part.id {
            id::INFO => film.duration = duration(&part),
            id::TRACKS => (film.width, film.height) = size(&part)?,
            id::CLUSTER => film.pictures.push(picture(&part)?),
            id::CUES => film.cues = cues(&part, segment.at),
            _ => {}
        }
    }
    if film.width == 0 || film.height == 0 {
        return Err("it has no track".to_owned());
    }
    Ok(film)
}

fn duration(info: &Element<'_>) -> Option<Duration> {
    let duration = info.inside().find(|e| e.id == id::DURATION)?;
    let length = f64::from_be_bytes(duration.content.try_into().ok()?);
    Duration::try_from_secs_f64(length / 1000.0).ok()
}

fn size(tracks: &Element<'_>) -> Result<(u32, u32), String> {
    let track = tracks.inside().find(|e| e.id == id::TRACK_ENTRY);
    let track = track.ok_or("it has no track")?;
    let codec = track.inside().find(|e| e.id == id::CODEC_ID);
    if codec.map(|codec| codec.content) != Some(CODEC.as_bytes()) {
        return Err(format!("its track is not {CODEC}"));
    }
    let video = track.inside().find(|e| e.id == id::VIDEO);
    let video = video.ok_or("its track is no video")?;
    let length = |id| {
        let length = video.inside().find(|e| e.id == id)?.unsigned()?;
        u32::try_from(length).ok()
    };
    length(id::PIXEL_WIDTH)
        .zip(length(id::PIXEL_HEIGHT))
        .ok_or_else(|| "its video has no size".to_owned())
}

fn picture<'a>(cluster: &Element<'a>) -> Result<Picture<'a>, String> {
    let wrong = || format!("the cluster at {} has no picture", cluster.offset);
    let time = cluster.inside().find(|e| e.id == id::TIMESTAMP);
    let time = time.and_then(|time| time.unsigned()).ok_or_else(wrong)?;
    let block = cluster.inside().find(|e| e.id == id::SIMPLE_BLOCK);
    let block = block.filter(|block| block.whole).ok_or_else(wrong)?;
    let [track, 0, 0, _, jpeg @ ..] = block.content else {
        return Err(wrong());
    };
    if *track != 0x80 | TRACK {
        return Err(wrong());
    }
    Ok(Picture {
        at: Duration::from_millis(time),
        jpeg,
        offset: cluster.offset,
        end: cluster.at + cluster.content.len(),
    })
}

fn cues(cues: &Element<'_>, content: usize) -> Vec<Cue> {
    let points = cues.inside().filter(|e| e.id == id::CUE_POINT);
    let found = points.filter_map(|point| {
        let time = point.inside().find(|e| e.id == id::CUE_TIME)?.unsigned()?;
        let place = point.inside().find(|e| e.id == id::CUE_TRACK_POSITIONS)?;
        let position = place
            .inside()
            .find(|e| e.id == id::CUE_CLUSTER_POSITION)?
            .unsigned()?;
        Some(Cue {
            at: Duration::from_millis(time),
            offset: content.checked_add(usize::try_from(position).ok()?)?,
        })
    });
    found.collect()
}

/// An element, and where it is in the whole file.
#[derive(Debug, Clone, Copy)]
struct Element<'a> {
    id: u32,
    /// What is there of its content.
    content: &'a [u8],
    /// Where it begins, and where its content does.
    offset: usize,
    at: usize,
    /// Whether its size was written, and whether all of it is there.
    known: bool,
    whole: bool,
}

impl<'a> Element<'a> {
    fn inside(&self) -> Elements<'a> {
        Elements::new(self.content, self.at)
    }

    fn unsigned(&self) -> Option<u64> {
        (self.content.len() <= 8).then(|| {
            let bytes = self.content.iter();
            bytes.fold(0, |value, byte| value << 8 | u64::from(*byte))
        })
    }
}

/// The elements that stand one after the other.
#[derive(Debug, Clone)]
struct Elements<'a> {
    left: &'a [u8],
    /// Where that begins in the file.
    offset: usize,
}

impl<'a> Elements<'a> {
    fn new(left: &'a [u8], offset: usize) -> Self {
        Self { left, offset }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (id, id_length) = number(self.left, 4, false)?;
        let (size, size_length) = number(&self.left[id_length..], 8, true)?;
        let head = id_length + size_length;
        let content = &self.left[head..];
        // All bits set: it ends with what is around it.
        let known = size != (1 << (7 * size_length)) - 1;
        let size = usize::try_from(size).ok().filter(|_| known);
        let there = size.unwrap_or(content.len()).min(content.len());
        let element = Element {
            id: u32::try_from(id).ok()?,
            content: &content[..there],
            offset: self.offset,
            at: self.offset + head,
            known,
            whole: size.is_none_or(|size| size <= content.len()),
        };
        self.left = &content[there..];
        self.offset += head + there;
        Some(element)
    }
}

/// A number whose first byte says how long it is, with that mark or without; and its length.
fn number(bytes: &[u8], longest: usize, without: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > longest {
        return None;
    }
    let value = bytes
        .get(..length)?
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    let mark = 1_u64 << (7 * length);
    Some((if without { value & !mark } else { value }, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_film_is_said() {
        for (bytes, why) in [
            (&b""[..], "EBML"),
            (b"RIFF....", "EBML"),
            (b"\x1A\x45\xDF\xA3\x87\x42\x82\x84webm", "Matroska"),
            (b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska", "segment"),
        ] {
            let said = read(bytes).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
