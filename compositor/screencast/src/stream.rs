//! The producer: a `pw_stream` of video whose memory is made here.
//!
//! PipeWire calls back from [`PipeWire::turn`] only, and from calls into it. What it says is kept until the program's
//! turn, so that nothing is called while something else is going on. Only what has to be answered at once is: memory
//! that is wanted or given back, and what it has to be like.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;

use anyhow::Context;
use pipewire::context::ContextRc;
use pipewire::core::{CoreRc, Listener, PW_ID_CORE};
use pipewire::loop_::Timeout;
use pipewire::main_loop::MainLoopRc;
use pipewire::properties::properties;
use pipewire::spa::buffer::DataFlags;
use pipewire::spa::param::ParamType;
use pipewire::spa::sys;
use pipewire::spa::utils::Direction;
use pipewire::stream::{StreamFlags, StreamListener, StreamRc, StreamState};
use pipewire::sys::pw_buffer;
use rustix::fs::{MemfdFlags, SealFlags, memfd_create};

use crate::format::{self, Agreed};
use crate::source::{Copied, LARGEST};

/// What a node is until it has an id.
const NO_NODE: u32 = u32::MAX;
/// The memory may be mapped, which the flags of `spa_data` say.
const MAPPABLE: u32 = 1 << 3;

/// The connection to PipeWire.
pub(crate) struct PipeWire {
    // In the order in which they are let go.
    _listener: Listener,
    core: CoreRc,
    _context: ContextRc,
    main_loop: MainLoopRc,
    lost: Rc<RefCell<Option<String>>>,
}

impl PipeWire {
    /// # Errors
    /// When PipeWire does not run.
    pub(crate) fn connect() -> anyhow::Result<Self> {
        const ABSENT: &str =
            "PipeWire does not run in this session; start its unit: argos start --user pipewire";
        let main_loop = MainLoopRc::new(None).context("PipeWire's library fails")?;
        let context = ContextRc::new(&main_loop, None)
            .context("PipeWire's library fails; is the package libpipewire-0.3-common there?")?;
        let core = context.connect_rc(None).context(ABSENT)?;
        let lost = Rc::new(RefCell::new(None));
        let told = Rc::clone(&lost);
        let listener = core
            .add_listener_local()
            .error(move |id, _, _, message| {
                if id == PW_ID_CORE {
                    *told.borrow_mut() = Some(message.to_owned());
                } else {
                    tracing::warn!("PipeWire: {message}");
                }
            })
            .register();
        Ok(Self {
            _listener: listener,
            core,
            _context: context,
            main_loop,
            lost,
        })
    }

    /// Readable when there is something for [`Self::turn`].
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.main_loop.loop_().fd()
    }

    /// Takes in what PipeWire says.
    pub(crate) fn turn(&self, timeout: Timeout) {
        self.main_loop.loop_().iterate(timeout);
    }

    /// Why the connection is of no use any more, if it is not.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.borrow().clone()
    }
}

/// One picture's memory. The compositor writes it and the consumer reads it.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Never that of another one.
    pub(crate) number: u64,
    descriptor: OwnedFd,
    size: (u32, u32),
    buffer: NonNull<pw_buffer>,
}

impl Memory {
    fn new(number: u64, size: (u32, u32), buffer: NonNull<pw_buffer>) -> rustix::io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let descriptor = memfd_create("argos-screencast", flags)?;
        rustix::fs::ftruncate(&descriptor, bytes(size).into())?;
        // Nobody who has it mapped can be harmed by another who makes it smaller.
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&descriptor, seals)?;
        Ok(Self {
            number,
            descriptor,
            size,
            buffer,
        })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.size
    }
}

/// The size of a picture in memory. It fits: sides end at [`LARGEST`].
fn bytes((width, height): (u32, u32)) -> u32 {
    width * 4 * height
}

/// What PipeWire said of a stream.
#[derive(Debug, Default)]
struct Told {
    streaming: bool,
    connected: bool,
    failed: Option<String>,
    agreed: Option<Agreed>,
    /// Becomes more with each agreement and each time a consumer begins to take frames.
    begun: u64,
    memory: Vec<Memory>,
    /// Memory that was taken and not given back yet, by its number.
    taken: Option<u64>,
    /// Numbers of memory that is gone.
    gone: Vec<u64>,
    last: u64,
}

impl Told {
    fn wants(&mut self, buffer: NonNull<pw_buffer>) -> Result<(), String> {
        let agreed = self.agreed.ok_or("memory is wanted before a format")?;
        self.last += 1;
        let memory = Memory::new(self.last, agreed.size, buffer)
            .map_err(|error| format!("there is no memory for a frame: {error}"))?;
        // SAFETY: PipeWire hands out a buffer that stays until `remove_buffer`, as PipeWire's documentation of
        // `add_buffer` has it, with the data that were asked for; whether there are any is looked at first. With
        // `ALLOC_BUFFERS` it is the program's to fill in.
        unsafe {
            let spa = buffer.as_ref().buffer;
            if spa.is_null() || (*spa).n_datas == 0 || (*spa).datas.is_null() {
                return Err("a buffer has no room for data".to_owned());
            }
            let data = &mut *(*spa).datas;
            if data.type_ & (1 << sys::SPA_DATA_MemFd) == 0 {
                return Err("the consumer does not take shared memory".to_owned());
            }
            data.type_ = sys::SPA_DATA_MemFd;
            data.flags = DataFlags::READWRITE.bits() | MAPPABLE;
            data.fd = memory.descriptor.as_raw_fd().into();
            data.mapoffset = 0;
            data.maxsize = bytes(agreed.size);
            data.data = std::ptr::null_mut();
        }
        self.memory.push(memory);
        Ok(())
    }

    fn gives_back(&mut self, buffer: NonNull<pw_buffer>) {
        let Some(at) = self.memory.iter().position(|m| m.buffer == buffer) else {
            return;
        };
        let memory = self.memory.swap_remove(at);
        if self.taken == Some(memory.number) {
            self.taken = None;
        }
        self.gone.push(memory.number);
    }
}

/// A stream of video.
pub(crate) struct Video {
    // In the order in which they are let go.
    _listener: StreamListener<()>,
    stream: StreamRc,
    told: Rc<RefCell<Told>>,
    frames: u64,
}

impl Video {
    /// A stream of pictures of this size.
    ///
    /// # Errors
    /// When PipeWire does not take it.
    pub(crate) fn new(pipewire: &PipeWire, name: &str, size: (u32, u32)) -> anyhow::Result<Self> {
        let refused = "PipeWire takes no stream";
        let about = properties! {
            "media.class" => "Video/Source",
            "media.role" => "Screen",
            "media.name" => name,
            "node.name" => "argos-screencast",
            "node.description" => name,
        };
        let stream =
            StreamRc::new(pipewire.core.clone(), "argos-screencast", about).context(refused)?;
        let told = Rc::new(RefCell::new(Told::default()));
        let (states, params) = (Rc::clone(&told), Rc::clone(&told));
        let (wanted, unwanted) = (Rc::clone(&told), Rc::clone(&told));
        let listener = stream
            .add_local_listener::<()>()
            .state_changed(move |_, (), _, state| {
                let mut told = states.borrow_mut();
                let before = told.streaming;
                told.streaming = state == StreamState::Streaming;
                match state {
                    StreamState::Paused => told.connected = true,
                    StreamState::Streaming if !before => told.begun += 1,
                    StreamState::Unconnected if told.connected => {
                        told.failed = Some("PipeWire let go of it".to_owned());
                    }
                    StreamState::Error(why) => told.failed = Some(why),
                    _ => {}
                }
            })
            .param_changed(move |stream, (), id, param| {
                if id != ParamType::Format.as_raw() {
                    return;
                }
                let agreed = param.and_then(format::agreed);
                {
                    let mut told = params.borrow_mut();
                    told.agreed = agreed;
                    told.begun += 1;
                }
                let Some(agreed) = agreed else { return };
                if agreed.size.0 > LARGEST || agreed.size.1 > LARGEST {
                    return;
                }
                let answers = [
                    format::memory(agreed.size),
                    format::header(),
                    format::transform(),
                ];
                let mut answers = answers.each_ref().map(|bytes| format::pod(bytes));
                if let Err(error) = stream.update_params(&mut answers) {
                    params.borrow_mut().failed = Some(error.to_string());
                }
            })
            .add_buffer(move |_, (), buffer| {
                let mut told = wanted.borrow_mut();
                if let Some(buffer) = NonNull::new(buffer)
                    && let Err(why) = told.wants(buffer)
                {
                    told.failed = Some(why);
                }
            })
            .remove_buffer(move |_, (), buffer| {
                if let Some(buffer) = NonNull::new(buffer) {
                    unwanted.borrow_mut().gives_back(buffer);
                }
            })
            .register()
            .context(refused)?;
        let formats = format::formats(size);
        let flags = StreamFlags::DRIVER | StreamFlags::ALLOC_BUFFERS | StreamFlags::NO_CONVERT;
        stream
            .connect(Direction::Output, None, flags, &mut [format::pod(&formats)])
            .context(refused)?;
        Ok(Self {
            _listener: listener,
            stream,
            told,
            frames: 0,
        })
    }

    /// Its node, once PipeWire has it.
    pub(crate) fn node(&self) -> Option<u32> {
        let connected = self.told.borrow().connected;
        let node = self.stream.node_id();
        (connected && node != NO_NODE).then_some(node)
    }

    /// Why it is of no use any more, if it is not.
    pub(crate) fn failed(&self) -> Option<String> {
        self.told.borrow().failed.clone()
    }

    /// What a consumer wants, while one takes frames; and a number that another beginning has not.
    pub(crate) fn wanted(&self) -> Option<(Agreed, u64)> {
        let told = self.told.borrow();
        told.agreed
            .filter(|_| told.streaming)
            .map(|agreed| (agreed, told.begun))
    }

    /// Its pictures are of another size from now on.
    ///
    /// # Errors
    /// When PipeWire does not take that.
    pub(crate) fn resize(&self, size: (u32, u32)) -> anyhow::Result<()> {
        let formats = format::formats(size);
        self.stream
            .update_params(&mut [format::pod(&formats)])
            .context("PipeWire takes no other size")
    }

    /// Takes memory for a frame, the same as before if that was not filled, and does something with it. Nothing,
    /// where all of it is with consumers.
    pub(crate) fn take<T>(&self, does: impl FnOnce(&Memory) -> T) -> Option<T> {
        if self.told.borrow().taken.is_none() {
            // SAFETY: nothing is assumed of the pointer but that it is null or that of a buffer of this stream.
            let buffer = NonNull::new(unsafe { self.stream.dequeue_raw_buffer() })?;
            let mut told = self.told.borrow_mut();
            let memory = told.memory.iter().find(|memory| memory.buffer == buffer);
            told.taken = Some(memory?.number);
        }
        let told = self.told.borrow();
        let memory = told.memory.iter().find(|m| Some(m.number) == told.taken);
        memory.map(does)
    }

    /// Gives consumers the memory that was taken: there is a frame in it. Whether that was still wanted.
    pub(crate) fn give(&mut self, copied: Copied) -> bool {
        let buffer = {
            let mut told = self.told.borrow_mut();
            let Some(number) = told.taken.take() else {
                return false;
            };
            let memory = told.memory.iter().find(|memory| memory.number == number);
            let Some(memory) = memory else { return false };
            self.frames += 1;
            let (width, _) = memory.size;
            // SAFETY: the buffer was not given back, or it would not be in `memory`, so it is whole and the program's
            // since it was taken; its data were looked at when it came. `spa_buffer_find_meta_data` returns null or
            // room of at least the size that is asked for.
            unsafe {
                let spa = memory.buffer.as_ref().buffer;
                let data = &mut *(*spa).datas;
                if let Some(chunk) = data.chunk.as_mut() {
                    chunk.offset = 0;
                    chunk.size = bytes(memory.size);
                    chunk.stride = (width * 4) as i32;
                    chunk.flags = 0;
                }
                let find = |kind, size| sys::spa_buffer_find_meta_data(spa, kind, size);
                let header = find(sys::SPA_META_Header, size_of::<sys::spa_meta_header>())
                    .cast::<sys::spa_meta_header>();
                if let Some(header) = header.as_mut() {
                    header.flags = 0;
                    header.offset = 0;
                    header.pts = copied.time as i64;
                    header.dts_offset = 0;
                    header.seq = self.frames;
                }
                let transform = find(
                    sys::SPA_META_VideoTransform,
                    size_of::<sys::spa_meta_videotransform>(),
                )
                .cast::<sys::spa_meta_videotransform>();
                if let Some(transform) = transform.as_mut() {
                    transform.transform = copied.transform;
                }
            }
            memory.buffer
        };
        // SAFETY: it was dequeued from this stream, and not given back since.
        unsafe { self.stream.queue_raw_buffer(buffer.as_ptr()) };
        true
    }

    /// Numbers of memory that is gone, each once.
    pub(crate) fn gone(&self) -> Vec<u64> {
        std::mem::take(&mut self.told.borrow_mut().gone)
    }

    /// Consumers hear that there is no more.
    pub(crate) fn close(&self) {
        if let Err(error) = self.stream.disconnect() {
            tracing::debug!("a stream was gone already: {error}");
        }
    }
}
