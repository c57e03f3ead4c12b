//! `ext-image-copy-capture-v1` and `ext-image-capture-source-v1`: recording an output, frame by frame.
//!
//! A *session* tells the size that buffers need and has one frame at a time; what becomes of a frame is in
//! [`super::capture`]. Sources are outputs. A source for windows needs the handles of
//! `ext-foreign-toplevel-list-v1`, which is not offered. Neither is a picture of the pointer by itself: such
//! a session is stopped at once, and who wants the pointer has it painted into the frames.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use smithay::{
    output::{Output, WeakOutput},
    reexports::{
        wayland_protocols::ext::{
            image_capture_source::v1::server::{
                ext_image_capture_source_v1::{self, ExtImageCaptureSourceV1},
                ext_output_image_capture_source_manager_v1::{
                    self, ExtOutputImageCaptureSourceManagerV1,
                },
            },
            image_copy_capture::v1::server::{
                ext_image_copy_capture_cursor_session_v1::{
                    self, ExtImageCopyCaptureCursorSessionV1,
                },
                ext_image_copy_capture_frame_v1::{
                    self, ExtImageCopyCaptureFrameV1, FailureReason,
                },
                ext_image_copy_capture_manager_v1::{self, ExtImageCopyCaptureManagerV1, Options},
                ext_image_copy_capture_session_v1::{self, ExtImageCopyCaptureSessionV1},
            },
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
            backend::ClientId, protocol::wl_buffer::WlBuffer,
        },
    },
    utils::{Buffer, Rectangle, Size},
};

use super::{
    capture::{self, Copied, FORMAT, Failure, Frame, Pending, Target},
    sandbox::{Privilege, may},
};
use crate::state::State;

const VERSION: u32 = 1;

pub(super) fn create_globals(dh: &DisplayHandle) {
    dh.create_global::<State, ExtOutputImageCaptureSourceManagerV1, ()>(VERSION, ());
    dh.create_global::<State, ExtImageCopyCaptureManagerV1, ()>(VERSION, ());
}

/// The sessions that are told of changes.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Vec<ExtImageCopyCaptureSessionV1>);

/// What a source stands for: an output, if it was one when the source was made.
#[derive(Debug)]
pub(crate) struct Source(Option<WeakOutput>);

/// A session's data, shared with its frames.
#[derive(Debug, Clone)]
pub(crate) struct Session(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// Nothing, once it is stopped.
    target: Option<Target>,
    /// The size that the client was told.
    told: Option<Size<i32, Buffer>>,
    seen: Option<u64>,
    has_frame: bool,
}

impl Session {
    fn new(target: Option<Target>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            target,
            told: None,
            seen: None,
            has_frame: false,
        })))
    }

    fn get(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the client what buffers have to be, if that is news.
    fn tell(&self, session: &ExtImageCopyCaptureSessionV1) {
        let mut inner = self.get();
        let size = inner.target.as_ref().and_then(Target::size);
        let Some(size) = size.filter(|_| size != inner.told) else {
            return;
        };
        inner.told = Some(size);
        session.buffer_size(size.w as u32, size.h as u32);
        session.shm_format(FORMAT);
        session.done();
    }

    fn stop(&self, session: &ExtImageCopyCaptureSessionV1) {
        self.get().target = None;
        session.stopped();
    }
}

/// A frame's data.
#[derive(Debug)]
pub(crate) struct FrameData {
    session: Session,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
enum Progress {
    Preparing(Option<WlBuffer>),
    Captured,
}

/// A cursor session's data.
#[derive(Debug, Default)]
pub(crate) struct CursorSession {
    /// Its capture session was made.
    used: AtomicBool,
}

impl State {
    /// Tells sessions of sizes that changed and of outputs that are gone.
    pub(super) fn tell_sessions(&mut self) {
        for session in &self.extensions.sessions.0 {
            let Some(data) = session.data::<Session>() else {
                continue;
            };
            let gone = {
                let inner = data.get();
                let target = inner.target.as_ref();
                target.is_some_and(|target| self.outputs.index_of(&target.output).is_none())
            };
            if gone {
                data.stop(session);
            } else {
                data.tell(session);
            }
        }
    }
}

impl GlobalDispatch<ExtOutputImageCaptureSourceManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ExtOutputImageCaptureSourceManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let manager = data_init.init(manager, ());
        state.extensions.captures.object_made(client, &manager);
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Capture)
    }
}

impl Dispatch<ExtOutputImageCaptureSourceManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        _: &ExtOutputImageCaptureSourceManagerV1,
        request: ext_output_image_capture_source_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        if let ext_output_image_capture_source_manager_v1::Request::CreateSource {
            source,
            output,
        } = request
        {
            let output = Output::from_resource(&output).map(|output| output.downgrade());
            let source = data_init.init(source, Source(output));
            state.extensions.captures.object_made(client, &source);
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        _: &ExtOutputImageCaptureSourceManagerV1,
        (): &(),
    ) {
        state.capture_object_gone(&client);
    }
}

impl Dispatch<ExtImageCaptureSourceV1, Source> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ExtImageCaptureSourceV1,
        _: ext_image_capture_source_v1::Request,
        _: &Source,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request destroys it.
    }

    fn destroyed(state: &mut Self, client: ClientId, _: &ExtImageCaptureSourceV1, _: &Source) {
        state.capture_object_gone(&client);
    }
}

impl GlobalDispatch<ExtImageCopyCaptureManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ExtImageCopyCaptureManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let manager = data_init.init(manager, ());
        state.extensions.captures.object_made(client, &manager);
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Capture)
    }
}

impl Dispatch<ExtImageCopyCaptureManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        manager: &ExtImageCopyCaptureManagerV1,
        request: ext_image_copy_capture_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use ext_image_copy_capture_manager_v1::{Error, Request};
        match request {
            Request::CreateSession {
                session,
                source,
                options,
            } => {
                let pointer = match options {
                    WEnum::Value(options) => options.contains(Options::PaintCursors),
                    WEnum::Unknown(bits) => {
                        manager.post_error(Error::InvalidOption, format!("no option is {bits:#x}"));
                        false
                    }
                };
                let output = source
                    .data::<Source>()
                    .and_then(|source| source.0.as_ref()?.upgrade())
                    .filter(|output| state.outputs.index_of(output).is_some());
                let target = output.map(|output| Target { output, pointer });
                state.begin_session(session, target, client, data_init);
            }
            Request::CreatePointerCursorSession { session, .. } => {
                let session = data_init.init(session, CursorSession::default());
                state.extensions.captures.object_made(client, &session);
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, client: ClientId, _: &ExtImageCopyCaptureManagerV1, (): &()) {
        state.capture_object_gone(&client);
    }
}

impl State {
    fn begin_session(
        &mut self,
        session: New<ExtImageCopyCaptureSessionV1>,
        target: Option<Target>,
        client: &Client,
        data_init: &mut DataInit<'_, Self>,
    ) {
        let data = Session::new(target);
        let session = data_init.init(session, data.clone());
        self.extensions.captures.object_made(client, &session);
        if data.get().target.is_some() {
            data.tell(&session);
            self.extensions.sessions.0.push(session);
        } else {
            session.stopped();
        }
    }
}

impl Dispatch<ExtImageCopyCaptureCursorSessionV1, CursorSession> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        cursor: &ExtImageCopyCaptureCursorSessionV1,
        request: ext_image_copy_capture_cursor_session_v1::Request,
        data: &CursorSession,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use ext_image_copy_capture_cursor_session_v1::{Error, Request};
        if let Request::GetCaptureSession { session } = request {
            state.begin_session(session, None, client, data_init);
            if data.used.swap(true, Ordering::Relaxed) {
                cursor.post_error(
                    Error::DuplicateSession,
                    "a cursor session has one capture session",
                );
            }
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        _: &ExtImageCopyCaptureCursorSessionV1,
        _: &CursorSession,
    ) {
        state.capture_object_gone(&client);
    }
}

impl Dispatch<ExtImageCopyCaptureSessionV1, Session> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        session: &ExtImageCopyCaptureSessionV1,
        request: ext_image_copy_capture_session_v1::Request,
        data: &Session,
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        use ext_image_copy_capture_session_v1::{Error, Request};
        if let Request::CreateFrame { frame } = request {
            let frame = data_init.init(
                frame,
                FrameData {
                    session: data.clone(),
                    progress: Mutex::new(Progress::Preparing(None)),
                },
            );
            state.extensions.captures.object_made(client, &frame);
            if std::mem::replace(&mut data.get().has_frame, true) {
                session.post_error(
                    Error::DuplicateFrame,
                    "a session has one frame at a time; destroy the one before",
                );
            }
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        session: &ExtImageCopyCaptureSessionV1,
        _: &Session,
    ) {
        let sessions = &mut state.extensions.sessions.0;
        sessions.retain(|other| other != session);
        state.capture_object_gone(&client);
    }
}

impl Dispatch<ExtImageCopyCaptureFrameV1, FrameData> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        frame: &ExtImageCopyCaptureFrameV1,
        request: ext_image_copy_capture_frame_v1::Request,
        data: &FrameData,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use ext_image_copy_capture_frame_v1::{Error, Request};
        let mut progress = data.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let attached = match (&mut *progress, &request) {
            (_, Request::Destroy) => return,
            (Progress::Preparing(attached), _) => attached,
            (Progress::Captured, _) => {
                frame.post_error(Error::AlreadyCaptured, "the frame was captured already");
                return;
            }
        };
        match request {
            Request::AttachBuffer { buffer } => *attached = Some(buffer),
            // The whole buffer is written in any case.
            Request::DamageBuffer {
                x,
                y,
                width,
                height,
            } if x < 0 || y < 0 || width <= 0 || height <= 0 => frame.post_error(
                Error::InvalidBufferDamage,
                format!("{width}x{height} at {x}, {y} is no part of a buffer"),
            ),
            Request::Capture => {
                let Some(buffer) = attached.take() else {
                    frame.post_error(Error::NoBuffer, "no buffer is attached");
                    return;
                };
                *progress = Progress::Captured;
                let waiting = Waiting {
                    frame: frame.clone(),
                    session: data.session.clone(),
                };
                let inner = data.session.get();
                let Some((target, size)) = inner.target.clone().zip(inner.told) else {
                    waiting.failed(Failure::Stopped);
                    return;
                };
                if let Err(why) = capture::check(&buffer, size) {
                    tracing::debug!("a frame of {}: {why}", target.output.name());
                    waiting.failed(Failure::Constraints);
                    return;
                }
                let copy = Pending {
                    target,
                    whole: size,
                    region: Rectangle::from_size(size),
                    buffer,
                    waits: true,
                    frame: Box::new(waiting),
                };
                state.extensions.captures.push(client, copy);
            }
            _ => {}
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        _: &ExtImageCopyCaptureFrameV1,
        data: &FrameData,
    ) {
        data.session.get().has_frame = false;
        state.capture_object_gone(&client);
    }
}

/// A frame that is being captured.
#[derive(Debug)]
struct Waiting {
    frame: ExtImageCopyCaptureFrameV1,
    session: Session,
}

impl Frame for Waiting {
    fn is_alive(&self) -> bool {
        self.frame.is_alive()
    }

    fn seen(&self) -> Option<u64> {
        self.session.get().seen
    }

    fn copied(&self, copy: &Copied) {
        self.session.get().seen = Some(copy.version);
        self.frame.transform(copy.transform.into());
        for rect in &copy.changed {
            let (loc, size) = (rect.loc, rect.size);
            self.frame.damage(loc.x, loc.y, size.w, size.h);
        }
        let (high, low, nanoseconds) = copy.split_time();
        self.frame.presentation_time(high, low, nanoseconds);
        self.frame.ready();
    }

    fn failed(&self, why: Failure) {
        self.frame.failed(match why {
            Failure::Unknown => FailureReason::Unknown,
            Failure::Constraints => FailureReason::BufferConstraints,
            Failure::Stopped => FailureReason::Stopped,
        });
    }
}
