//! One source and its stream: when a frame is asked for, and what becomes of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use wayland_client::QueueHandle;
use wayland_client::protocol::wl_buffer::WlBuffer;

use crate::source::{Desk, Failure, Key, Wanted};
use crate::stream::{PipeWire, Video};

/// After a failure that may pass, the next frame is asked for so much later.
const AGAIN: Duration = Duration::from_millis(250);

/// One source and its stream.
pub(crate) struct Cast {
    key: Key,
    name: String,
    state: State,
    /// Lines for the portal that were not said yet.
    news: Vec<News>,
    /// When the next frame may be asked for.
    due: Instant,
}

/// How far it is.
enum State {
    /// The compositor has not said yet how large the pictures are.
    Sizeless,
    /// It has a stream.
    Streamed(Box<Streamed>),
    /// The source is gone.
    Over,
}

struct Streamed {
    video: Video,
    /// The size that is offered.
    size: (u32, u32),
    known: bool,
    /// Memory as the compositor knows it, by number.
    buffers: HashMap<u64, WlBuffer>,
    /// The consumer's beginning that frames are for.
    begun: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Stream(u32, (u32, u32)),
    Ended,
}

impl Cast {
    /// # Errors
    /// When the source is not there.
    pub(crate) fn new(
        wanted: &Wanted,
        pointer: bool,
        desk: &mut Desk,
        qh: &QueueHandle<Desk>,
    ) -> anyhow::Result<Self> {
        let (Wanted::Output(name) | Wanted::Window(name)) = wanted;
        Ok(Self {
            key: desk.open(wanted, pointer, qh)?,
            name: name.clone(),
            state: State::Sizeless,
            news: Vec::new(),
            due: Instant::now(),
        })
    }

    /// Whether nothing more comes of it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether PipeWire has its stream, or needs none any more.
    pub(crate) fn is_known(&self) -> bool {
        match &self.state {
            State::Sizeless => false,
            State::Streamed(streamed) => streamed.known,
            State::Over => true,
        }
    }

    /// What the portal is to hear.
    pub(crate) fn news(&mut self, number: usize) -> Vec<String> {
        let line = |news| match news {
            News::Stream(node, (width, height)) => {
                format!("stream {number} {node} {width} {height}")
            }
            News::Ended => format!("ended {number}"),
        };
        self.news.drain(..).map(line).collect()
    }

    /// Does what is due, and returns when something is by itself.
    ///
    /// # Errors
    /// When PipeWire has no use for the stream.
    pub(crate) fn turn(
        &mut self,
        desk: &mut Desk,
        pipewire: &PipeWire,
        qh: &QueueHandle<Desk>,
        now: Instant,
    ) -> anyhow::Result<Option<Instant>> {
        if self.is_over() {
            return Ok(None);
        }
        if desk.is_stopped(self.key) {
            if let State::Streamed(streamed) = &mut self.state {
                streamed.end();
            }
            self.state = State::Over;
            self.news.push(News::Ended);
            desk.close(self.key);
            return Ok(None);
        }
        let size = desk.size(self.key);
        if matches!(self.state, State::Sizeless) {
            let Some(size) = size else { return Ok(None) };
            self.state = State::Streamed(Box::new(Streamed {
                video: Video::new(pipewire, &self.name, size)?,
                size,
                known: false,
                buffers: HashMap::new(),
                begun: 0,
            }));
        }
        let State::Streamed(streamed) = &mut self.state else {
            return Ok(None);
        };
        if let Some(why) = streamed.video.failed() {
            anyhow::bail!("the stream of {} fails: {why}", self.name);
        }
        for number in streamed.video.gone() {
            if let Some(buffer) = streamed.buffers.remove(&number) {
                buffer.destroy();
            }
        }
        if !streamed.known
            && let Some(node) = streamed.video.node()
        {
            streamed.known = true;
            self.news.push(News::Stream(node, streamed.size));
        }
        if let Some(size) = size.filter(|size| *size != streamed.size) {
            streamed.video.resize(size)?;
            streamed.size = size;
        }
        let Some((agreed, begun)) = streamed.video.wanted() else {
            desk.drop_frame(self.key);
            return Ok(None);
        };
        if streamed.begun != begun {
            // Whoever begins now has seen nothing yet.
            streamed.begun = begun;
            desk.renew(self.key, qh);
        }
        match desk.outcome(self.key) {
            Some(Ok(copied)) => {
                if streamed.video.give(copied) {
                    self.due = now + Duration::from_nanos(agreed.pause());
                }
            }
            // The session says how large it is now.
            Some(Err(Failure::Size | Failure::Passing)) => self.due = now + AGAIN,
            Some(Err(Failure::Stopped)) | None => {}
        }
        if desk.is_copying(self.key) || desk.size(self.key) != Some(agreed.size) {
            return Ok(None);
        }
        if now < self.due {
            return Ok(Some(self.due));
        }
        let buffers = &mut streamed.buffers;
        let buffer = streamed.video.take(|memory| {
            let buffer = buffers.entry(memory.number);
            buffer.or_insert_with(|| desk.buffer(memory, qh)).clone()
        });
        Ok(match buffer {
            Some(buffer) => {
                desk.copy(self.key, &buffer, qh);
                None
            }
            // Consumers give memory back without a word.
            None => Some(now + Duration::from_nanos(agreed.pause())),
        })
    }
}

impl Streamed {
    fn end(&mut self) {
        self.video.close();
        for (_, buffer) in self.buffers.drain() {
            buffer.destroy();
        }
    }
}
