//! Writing films.

use std::fs::File;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::time::Duration;

use crate::{CODEC, TRACK, id};

/// Cues are that far apart at least, in milliseconds.
const BETWEEN_CUES: u64 = 1000;
/// A size of eight bytes that says that it is not known yet.
const UNKNOWN: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// Where a film is written to.
pub trait Storage: Write + Seek {
    /// Makes it that long, which is shorter than it is.
    ///
    /// # Errors
    /// When it cannot be changed.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Storage for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

impl Storage for Cursor<Vec<u8>> {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.get_mut()
            .truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// A film that is being written.
#[derive(Debug)]
pub struct Writer<S> {
    storage: S,
    /// Where the next element goes.
    end: u64,
    /// Where the segment's content begins; positions in the film are counted from there.
    content: u64,
    /// Where the rooms for the seek head and for the duration are.
    seek_head: u64,
    duration: u64,
    /// Time and position of clusters.
    cues: Vec<(u64, u64)>,
    /// The time of the last picture, in milliseconds.
    last: Option<u64>,
}

impl<S: Storage> Writer<S> {
    /// Begins a film of pictures of that size in an empty storage.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(storage: S, (width, height): (u32, u32)) -> io::Result<Self> {
        let mut head = Vec::new();
        element(&mut head, id::EBML, &ebml());
        put_id(&mut head, id::SEGMENT);
        head.extend(UNKNOWN);
        let content = head.len() as u64;
        let seek_head = content;
        void(&mut head, seek_head_to(0).len());
        let (info, room) = info();
        element(&mut head, id::INFO, &info);
        let duration = (head.len() - info.len() + room) as u64;
        element(&mut head, id::TRACKS, &tracks(width, height));
        let mut writer = Self {
            storage,
            end: 0,
            content,
            seek_head,
            duration,
            cues: Vec::new(),
            last: None,
        };
        writer.append(&head)?;
        Ok(writer)
    }

    /// Adds a picture that is shown from then on. Times do not go back: one that does is that of the picture before.
    ///
    /// # Errors
    /// When it cannot be written. The film then is what it was before, and can be finished.
    pub fn picture(&mut self, at: Duration, jpeg: &[u8]) -> io::Result<()> {
        let at = milliseconds(at).max(self.last.unwrap_or(0));
        let mut time = Vec::new();
        unsigned(&mut time, id::TIMESTAMP, at);
        let mut cluster = Vec::with_capacity(jpeg.len() + 64);
        // Track, no time beside the cluster's, a key frame.
        let block = [0x80 | TRACK, 0, 0, 0x80];
        let length = block.len() + jpeg.len();
        let mut head = Vec::new();
        put_id(&mut head, id::SIMPLE_BLOCK);
        put_size(&mut head, length as u64);
        put_id(&mut cluster, id::CLUSTER);
        put_size(&mut cluster, (time.len() + head.len() + length) as u64);
        for part in [&time[..], &head, &block, jpeg] {
            cluster.extend_from_slice(part);
        }
        let position = self.end - self.content;
        self.append(&cluster)?;
        let due = |last: &(u64, u64)| at >= last.0 + BETWEEN_CUES;
        if self.cues.last().is_none_or(due) {
            self.cues.push((at, position));
        }
        self.last = Some(at);
        Ok(())
    }

    /// Ends the film, which is that long. Cues are left out where there is no room for them.
    ///
    /// # Errors
    /// When it cannot be written. What was there before can be played all the same.
    pub fn finish(mut self, length: Duration) -> io::Result<S> {
        let cues_at = self.end - self.content;
        if !self.cues.is_empty() && self.append(&self.cues()).is_ok() {
            let seek_head = seek_head_to(cues_at);
            self.overwrite(self.seek_head, &seek_head)?;
        }
        // A film of no time is one of a moment: zero is not allowed.
        let length = milliseconds(length).max(self.last.unwrap_or(0)).max(1);
        let mut duration = Vec::new();
        element(&mut duration, id::DURATION, &(length as f64).to_be_bytes());
        self.overwrite(self.duration, &duration)?;
        let size = (self.end - self.content) | 1 << 56;
        self.overwrite(self.content - 8, &size.to_be_bytes())?;
        self.storage.flush()?;
        Ok(self.storage)
    }

    /// Writes behind what is there, all of it or nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self
            .storage
            .seek(SeekFrom::Start(self.end))
            .and_then(|_| self.storage.write_all(bytes));
        if let Err(error) = written {
            // If that fails as well, readers leave out what is not whole.
            let _ = self.storage.cut(self.end);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn overwrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.storage.seek(SeekFrom::Start(at))?;
        self.storage.write_all(bytes)
    }

    fn cues(&self) -> Vec<u8> {
        let mut points = Vec::new();
        for (time, position) in &self.cues {
            let mut place = Vec::new();
            unsigned(&mut place, id::CUE_TRACK, TRACK.into());
            unsigned(&mut place, id::CUE_CLUSTER_POSITION, *position);
            let mut point = Vec::new();
            unsigned(&mut point, id::CUE_TIME, *time);
            element(&mut point, id::CUE_TRACK_POSITIONS, &place);
            element(&mut points, id::CUE_POINT, &point);
        }
        let mut cues = Vec::new();
        element(&mut cues, id::CUES, &points);
        cues
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn ebml() -> Vec<u8> {
    let mut content = Vec::new();
    unsigned(&mut content, id::EBML_VERSION, 1);
    unsigned(&mut content, id::EBML_READ_VERSION, 1);
    unsigned(&mut content, id::EBML_MAX_ID_LENGTH, 4);
    unsigned(&mut content, id::EBML_MAX_SIZE_LENGTH, 8);
    element(&mut content, id::DOC_TYPE, b"matroska");
    unsigned(&mut content, id::DOC_TYPE_VERSION, 4);
    // Simple blocks came with 2.
    unsigned(&mut content, id::DOC_TYPE_READ_VERSION, 2);
    content
}

/// What is said of the whole film, and where in it the room for its duration is.
fn info() -> (Vec<u8>, usize) {
    let mut content = Vec::new();
    // Nanoseconds.
    unsigned(&mut content, id::TIMESTAMP_SCALE, 1_000_000);
    element(&mut content, id::MUXING_APP, b"argos-film");
    element(&mut content, id::WRITING_APP, b"ArgOS");
    let room = content.len();
    let mut duration = Vec::new();
    element(&mut duration, id::DURATION, &0_f64.to_be_bytes());
    void(&mut content, duration.len());
    (content, room)
}

fn tracks(width: u32, height: u32) -> Vec<u8> {
    let mut video = Vec::new();
    unsigned(&mut video, id::PIXEL_WIDTH, width.into());
    unsigned(&mut video, id::PIXEL_HEIGHT, height.into());
    let mut track = Vec::new();
    unsigned(&mut track, id::TRACK_NUMBER, TRACK.into());
    unsigned(&mut track, id::TRACK_UID, TRACK.into());
    // A video.
    unsigned(&mut track, id::TRACK_TYPE, 1);
    unsigned(&mut track, id::FLAG_LACING, 0);
    element(&mut track, id::CODEC_ID, CODEC.as_bytes());
    element(&mut track, id::VIDEO, &video);
    let mut content = Vec::new();
    element(&mut content, id::TRACK_ENTRY, &track);
    content
}

/// A seek head that leads to the cues. Its length is always the same.
fn seek_head_to(cues: u64) -> Vec<u8> {
    let mut seek = Vec::new();
    element(&mut seek, id::SEEK_ID, &id::CUES.to_be_bytes());
    element(&mut seek, id::SEEK_POSITION, &cues.to_be_bytes());
    let mut entry = Vec::new();
    element(&mut entry, id::SEEK, &seek);
    let mut head = Vec::new();
    element(&mut head, id::SEEK_HEAD, &entry);
    head
}

/// Room for something of that length, head included: from 2 to 127 bytes.
fn void(out: &mut Vec<u8>, length: usize) {
    element(out, id::VOID, &vec![0; length - 2]);
}

fn element(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_id(out, id);
    put_size(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn unsigned(out: &mut Vec<u8>, id: u32, value: u64) {
    let bytes = value.to_be_bytes();
    let zeros = (value.leading_zeros() / 8).min(7) as usize;
    element(out, id, &bytes[zeros..]);
}

fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[(id.leading_zeros() / 8) as usize..]);
}

/// A size in as few bytes as it takes; all bits set would mean that it is not known.
fn put_size(out: &mut Vec<u8>, size: u64) {
    let length = (1..8)
        .find(|length| size < (1 << (7 * length)) - 1)
        .unwrap_or(8);
    let marked = size | 1 << (7 * length);
    out.extend_from_slice(&marked.to_be_bytes()[8 - length..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read;

    /// A film of those pictures: when, and what.
    fn film(pictures: &[(u64, Vec<u8>)], length: Option<u64>) -> Vec<u8> {
        let mut writer = Writer::new(Cursor::new(Vec::new()), (640, 480)).unwrap();
        for (at, jpeg) in pictures {
            writer.picture(Duration::from_millis(*at), jpeg).unwrap();
        }
        match length {
            Some(length) => writer.finish(Duration::from_millis(length)).unwrap(),
            None => writer.storage,
        }
        .into_inner()
    }

    fn times(pictures: &[(u64, Vec<u8>)]) -> Vec<(Duration, &[u8])> {
        let mut last = 0;
        let told = pictures.iter().map(|(at, jpeg)| {
            last = last.max(*at);
            (Duration::from_millis(last), jpeg.as_slice())
        });
        told.collect()
    }

    #[test]
    fn sizes_and_numbers_are_as_short_as_they_can_be() {
        for (size, bytes) in [
            (0, &[0x80][..]),
            (126, &[0xFE]),
            // 0xFF would mean unknown.
            (127, &[0x40, 0x7F]),
            (16_382, &[0x7F, 0xFE]),
            (16_383, &[0x20, 0x3F, 0xFF]),
            (0x0F_FFFF, &[0x2F, 0xFF, 0xFF]),
        ] {
            let mut out = Vec::new();
            put_size(&mut out, size);
            assert_eq!(out, bytes, "{size}");
        }
        for (value, bytes) in [
            (0, &[0xE7, 0x81, 0][..]),
            (255, &[0xE7, 0x81, 255]),
            (256, &[0xE7, 0x82, 1, 0]),
        ] {
            let mut out = Vec::new();
            unsigned(&mut out, id::TIMESTAMP, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let pictures = [
            (0, vec![1; 10]),
            (400, vec![2; 300]),
            // Times do not go back.
            (300, vec![3; 20_000]),
            (1500, Vec::new()),
        ];
        let bytes = film(&pictures, Some(2250));
        let film = read(&bytes).unwrap();
        assert_eq!((film.width, film.height), (640, 480));
        assert_eq!(film.duration, Some(Duration::from_millis(2250)));
        let read: Vec<_> = film.pictures.iter().map(|p| (p.at, p.jpeg)).collect();
        assert_eq!(read, times(&pictures));
        // The first one and the first one a second later, where they are.
        let found: Vec<_> = film.cues.iter().map(|cue| (cue.at, cue.offset)).collect();
        let there = |number: usize| (film.pictures[number].at, film.pictures[number].offset);
        assert_eq!(found, [there(0), there(3)]);
        assert!(film.whole);
    }

    #[test]
    fn a_film_without_pictures_is_none_that_breaks_a_reader() {
        let bytes = film(&[], Some(0));
        let film = read(&bytes).unwrap();
        assert_eq!(film.duration, Some(Duration::from_millis(1)));
        assert!(film.pictures.is_empty() && film.cues.is_empty() && film.whole);
    }

    /// A storage that is full at some length.
    struct Small(Cursor<Vec<u8>>, u64);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.1.saturating_sub(self.0.position());
            let fits = bytes.len().min(usize::try_from(room).unwrap());
            if fits == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.write(&bytes[..fits])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    impl Storage for Small {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.0.cut(length)
        }
    }

    #[test]
    fn where_the_disk_is_full_the_film_ends_with_its_last_whole_picture() {
        let whole = film(&[(0, vec![1; 100]), (5000, vec![2; 100])], Some(6000)).len() as u64;
        let mut refused = 0;
        for room in 0..whole {
            let small = Small(Cursor::new(Vec::new()), room);
            let Ok(mut writer) = Writer::new(small, (640, 480)) else {
                continue;
            };
            let mut written = 0;
            for at in [0, 5000] {
                let added = writer.picture(Duration::from_millis(at), &[7; 100]);
                match added {
                    Ok(()) => written += 1,
                    Err(error) => {
                        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                        refused += 1;
                        break;
                    }
                }
            }
            let bytes = writer.finish(Duration::from_millis(6000)).unwrap().0;
            let film = read(bytes.get_ref()).unwrap();
            assert!(film.whole, "at {room} of {whole}");
            assert_eq!(film.pictures.len(), written, "at {room} of {whole}");
            assert_eq!(film.duration, Some(Duration::from_millis(6000)));
        }
        assert!(refused > 100);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn cut_off_anywhere_all_whole_pictures_are_still_found(
            pictures in prop::collection::vec(
                (0_u64..100_000, prop::collection::vec(any::<u8>(), 0..300)),
                0..6,
            ),
            ended in any::<bool>(),
        ) {
            let bytes = film(&pictures, ended.then_some(100_000));
            let all = read(&bytes).unwrap();
            let ends: Vec<_> = all.pictures.iter().map(|p| p.end).collect();
            let wanted = times(&pictures);
            prop_assert_eq!(ends.len(), wanted.len());
            let head = all.pictures.first().map_or(bytes.len(), |first| first.offset);
            for length in 0..=bytes.len() {
                let Ok(film) = read(&bytes[..length]) else {
                    prop_assert!(length < head, "{} bytes are no film", length);
                    continue;
                };
                let there = ends.iter().filter(|end| **end <= length).count();
                let found: Vec<_> = film.pictures.iter().map(|p| (p.at, p.jpeg)).collect();
                prop_assert_eq!(&found[..], &wanted[..there], "{} bytes", length);
            }
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..400) {
            let mut film = film(&[(0, vec![9; 200]), (1000, vec![8; 50])], Some(2000));
            let at = at.min(film.len());
            let end = (at + bytes.len()).min(film.len());
            film[at..end].copy_from_slice(&bytes[..end - at]);
            let _ = read(&film);
            let _ = read(&bytes);
        }
    }
}
