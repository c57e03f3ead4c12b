//! `ext-image-copy-capture-v1` and `ext-image-capture-source-v1`: recording an output, a window or the pointer,
//! frame by frame.
//!
//! A *session* tells the size that buffers need and has one frame at a time; what becomes of a frame is in
//! [`super::capture`]. Sources are outputs, and windows by their handles of `ext-foreign-toplevel-list-v1`. A
//! *cursor session* tells where the pointer is on a source, and has a session for the pointer's picture; who wants
//! the pointer in the frames has it painted into them instead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols::ext::{
            image_capture_source::v1::server::{
                ext_foreign_toplevel_image_capture_source_manager_v1::{
                    self, ExtForeignToplevelImageCaptureSourceManagerV1,
                },
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
    utils::{Buffer, Physical, Point, Rectangle, Size},
    wayland::foreign_toplevel_list::ForeignToplevelHandle,
};

use super::{
    capture::{self, Copied, Failure, Frame, Part, Pending, Target},
    sandbox::{Privilege, may},
};
use crate::{layout::WindowId, mirror::in_buffer, outputs::geometry, state::State};

const VERSION: u32 = 1;

pub(super) fn create_globals(dh: &DisplayHandle) {
    dh.create_global::<State, ExtOutputImageCaptureSourceManagerV1, ()>(VERSION, ());
    dh.create_global::<State, ExtForeignToplevelImageCaptureSourceManagerV1, ()>(VERSION, ());
    dh.create_global::<State, ExtImageCopyCaptureManagerV1, ()>(VERSION, ());
}

/// The sessions that are told of changes.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    list: Vec<ExtImageCopyCaptureSessionV1>,
    cursors: Vec<ExtImageCopyCaptureCursorSessionV1>,
}

/// What a source stands for: an output or a window, if it was one when the source was made.
#[derive(Debug)]
pub(crate) struct Source(Option<capture::Source>);

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

    /// Tells the client what buffers have to be, if that is news. While there is nothing to be seen, it stays as it
    /// was.
    fn tell(&self, session: &ExtImageCopyCaptureSessionV1, state: &State) {
        let mut inner = self.get();
        let Some(target) = inner.target.clone() else {
            return;
        };
        let size = state.picture(&target).map(|(size, _)| size);
        let Some(size) = size.filter(|_| size != inner.told) else {
            return;
        };
        inner.told = Some(size);
        session.buffer_size(size.w as u32, size.h as u32);
        session.shm_format(target.format());
        if let Some(targets) = state.backend.copy_targets() {
            let modifiers = targets.modifiers(target.fourcc());
            if !modifiers.is_empty() {
                let modifiers = modifiers.into_iter().flat_map(u64::to_ne_bytes).collect();
                session.dmabuf_device(targets.device.to_ne_bytes().to_vec());
                session.dmabuf_format(target.fourcc() as u32, modifiers);
            }
        }
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
#[derive(Debug)]
pub(crate) struct CursorSession {
    source: Option<capture::Source>,
    told: Mutex<CursorTold>,
}

/// Where a client was told that the pointer is.
#[derive(Debug, Default)]
struct CursorTold {
    /// Its capture session was made.
    used: bool,
    place: Option<Place>,
}

/// Where the pointer is on a source, in the pixels of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    position: Point<i32, Buffer>,
    hotspot: Point<i32, Physical>,
}

impl CursorSession {
    fn told(&self) -> MutexGuard<'_, CursorTold> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the client where the pointer is now, if that is news.
    fn tell(&self, session: &ExtImageCopyCaptureCursorSessionV1, now: Option<Place>) {
        let before = std::mem::replace(&mut self.told().place, now);
        let Some(now) = now else {
            if before.is_some() {
                session.leave();
            }
            return;
        };
        if before.is_none() {
            session.enter();
        }
        if before.map(|before| before.position) != Some(now.position) {
            session.position(now.position.x, now.position.y);
        }
        if before.map(|before| before.hotspot) != Some(now.hotspot) {
            session.hotspot(now.hotspot.x, now.hotspot.y);
        }
    }
}

impl State {
    /// Tells sessions of sizes that changed, of outputs and windows that are gone, and of the pointer.
    pub(super) fn tell_sessions(&mut self) {
        for session in &self.extensions.sessions.list {
            let Some(data) = session.data::<Session>() else {
                continue;
            };
            let gone = {
                let inner = data.get();
                let target = inner.target.as_ref();
                target.is_some_and(|target| self.output_of_source(&target.source).is_none())
            };
            if gone {
                data.stop(session);
            } else {
                data.tell(session, self);
            }
        }
        for session in &self.extensions.sessions.cursors {
            if let Some(data) = session.data::<CursorSession>() {
                let place = data
                    .source
                    .as_ref()
                    .and_then(|source| self.cursor_on(source));
                data.tell(session, place);
            }
        }
    }

    /// Where the pointer is on a source. Nothing where nothing of its picture is on it, and while the session is
    /// locked.
    fn cursor_on(&self, source: &capture::Source) -> Option<Place> {
        if self.is_locked() {
            return None;
        }
        let output = self.output_of_source(source)?;
        let scale = output.current_scale().fractional_scale();
        let area = match source {
            capture::Source::Output(output) => geometry(output),
            capture::Source::Window(id) => self.windows.layout.client(*id)?,
        };
        let content = Target {
            source: source.clone(),
            part: Part::Content { pointer: false },
        };
        let (whole, transform) = self.picture(&content)?;
        let (size, hotspot) = self.cursor.image(scale)?;
        let at = self.pointer_at - area.loc.to_f64();
        let at: Point<i32, Physical> = at.to_physical(scale).to_i32_round();
        let upright = transform.transform_size(Size::from((whole.w, whole.h)));
        let image = Rectangle::new(at - hotspot, size);
        image.overlaps(Rectangle::from_size(upright)).then(|| {
            let position = in_buffer(Rectangle::new(at, (0, 0).into()), transform, upright).loc;
            Place { position, hotspot }
        })
    }
}

impl GlobalDispatch<ExtForeignToplevelImageCaptureSourceManagerV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        client: &Client,
        manager: New<ExtForeignToplevelImageCaptureSourceManagerV1>,
        (): &(),
        data_init: &mut DataInit<'_, Self>,
    ) {
        let manager = data_init.init(manager, ());
        state.extensions.captures.object_made(client, &manager);
    }

    fn can_view(client: Client, (): &()) -> bool {
        may(&client, Privilege::Capture) && may(&client, Privilege::WindowList)
    }
}

impl Dispatch<ExtForeignToplevelImageCaptureSourceManagerV1, ()> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        _: &ExtForeignToplevelImageCaptureSourceManagerV1,
        request: ext_foreign_toplevel_image_capture_source_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        data_init: &mut DataInit<'_, Self>,
    ) {
        if let ext_foreign_toplevel_image_capture_source_manager_v1::Request::CreateSource {
            source,
            toplevel_handle,
        } = request
        {
            let window = ForeignToplevelHandle::from_resource(&toplevel_handle)
                .and_then(|handle| handle.user_data().get::<WindowId>().copied());
            let source = data_init.init(source, Source(window.map(capture::Source::Window)));
            state.extensions.captures.object_made(client, &source);
        }
    }

    fn destroyed(
        state: &mut Self,
        client: ClientId,
        _: &ExtForeignToplevelImageCaptureSourceManagerV1,
        (): &(),
    ) {
        state.capture_object_gone(&client);
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
            let output = Output::from_resource(&output).map(capture::Source::Output);
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
                let target = state.source(&source).map(|source| Target {
                    source,
                    part: Part::Content { pointer },
                });
                state.begin_session(session, target, client, data_init);
            }
            // All pointers are the seat's one.
            Request::CreatePointerCursorSession {
                session, source, ..
            } => {
                let data = CursorSession {
                    source: state.source(&source),
                    told: Mutex::default(),
                };
                let session = data_init.init(session, data);
                state.extensions.captures.object_made(client, &session);
                state.extensions.sessions.cursors.push(session);
            }
            _ => {}
        }
    }

    fn destroyed(state: &mut Self, client: ClientId, _: &ExtImageCopyCaptureManagerV1, (): &()) {
        state.capture_object_gone(&client);
    }
}

impl State {
    /// What a client's source stands for, if that is still there.
    fn source(&self, source: &ExtImageCaptureSourceV1) -> Option<capture::Source> {
        let source = source.data::<Source>()?.0.clone()?;
        self.output_of_source(&source)?;
        Some(source)
    }

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
        let target = data.get().target.clone();
        if let Some(target) = target {
            if target.part == Part::Cursor
                && let Some(output) = self.output_of_source(&target.source)
            {
                self.cursor
                    .prepare(output.current_scale().fractional_scale());
            }
            data.tell(&session, self);
            self.extensions.sessions.list.push(session);
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
            let target = data.source.clone().map(|source| Target {
                source,
                part: Part::Cursor,
            });
            state.begin_session(session, target, client, data_init);
            if std::mem::replace(&mut data.told().used, true) {
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
        session: &ExtImageCopyCaptureCursorSessionV1,
        _: &CursorSession,
    ) {
        let sessions = &mut state.extensions.sessions.cursors;
        sessions.retain(|other| other != session);
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
        let sessions = &mut state.extensions.sessions.list;
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
                if let Err(why) = state.check_copy(&buffer, size, &target, false) {
                    tracing::debug!("a frame of {target:?}: {why}");
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
