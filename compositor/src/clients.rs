//! Clients' connections, and how they are read fairly.
//!
//! `wayland-backend` reads a client for as long as that sends, and meanwhile nothing else happens. So it never
//! gets a client's socket: it gets one end of a pair, and the other end is here, with the socket. What comes from
//! a client is handed on in portions, from one client after the other, until the time is up that a turn of the
//! loop has for requests; whoever is not through by then waits for the next turn, in the same order. A portion
//! is as large as can be expected to take its share of that time, so that a client whose requests are costly is
//! read slowly, and the others as before. What the backend says goes the other way.
//!
//! ```text
//! client ── socket ── here ── pair ── wayland-backend ── handlers
//! ```
//!
//! | a client | then |
//! |---|---|
//! | sends | its source puts it into the queue; it is served at the beginning of [`State::settle`] |
//! | hangs up | so does this end of the pair; the backend forgets it |
//! | broke a rule | the backend hangs up; what it said before is sent, and the socket closed |
//! | does not read | what does not fit into its socket and the pair ends it |
//!
//! The X server's connection is made by Smithay, which keeps both ends to itself, and does not pass here. What X
//! programs do to each other the X server has to see to, which reads them in turns; it draws a window anew only
//! when its last frame was shown, so that what reaches the compositor is what a well-behaved client sends. It has
//! limits as all have ([`Limits::X11`]).

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    ffi::CString,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    panic::{self, AssertUnwindSafe},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags,
    },
};
use smithay::reexports::{
    calloop::{
        Interest, Mode, PostAction, RegistrationToken,
        generic::Generic,
        timer::{TimeoutAction, Timer},
    },
    wayland_server::{
        Client, Display,
        backend::{ClientId, DisconnectReason},
    },
};

use crate::{
    limits::Limits,
    state::{ClientState, State},
};

/// How long requests may take in a turn of the loop: a frame at 60 Hz has 16 ms, and has to be drawn.
const TURN: Duration = Duration::from_millis(3);
/// How long a portion of one client's requests should take.
const SHARE: Duration = Duration::from_micros(500);
/// Most bytes in a portion. No message is longer.
const PORTION: usize = 4096;
/// Fewest bytes in a portion: the shortest message.
const LEAST: usize = 8;
/// Most bytes of what the backend says that are handed on at once, and kept for a client that does not read.
const ANSWER: usize = 1 << 13;
/// Portions of its last words that are thrown away: more than a socket has room for.
const LAST_WORDS: usize = 256;
/// Most descriptors that come with one message, as libraries send them.
const DESCRIPTORS: usize = 28;
/// How long a client rests that set a selection, and how many bytes of types rest a second: everybody who may paste
/// is told of each, and has to read that.
const SELECTION: Duration = Duration::from_millis(1);
const SELECTED_PER_SECOND: f64 = 4e6;
/// A client's objects are counted again after this long, for those that it did not make itself.
const RECOUNT: Duration = Duration::from_secs(1);
/// Who had more objects than these leaves memory behind that is worth giving back.
const MANY: usize = 4096;
/// Descriptors that a client passed between two looks at how many there are.
const LOOK: usize = 64;
/// `wl_display`'s error for want of memory.
const NO_MEMORY: u32 = 2;
/// Numbers from here on are the server's.
const OWN_NUMBERS: u32 = 0xff00_0000;

/// Finds the beginnings of messages in a stream of them.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; 8],
    /// Bytes of the head that came.
    have: usize,
    /// Bytes until the next head.
    rest: usize,
}

impl Messages {
    /// How many messages begin in what came next.
    fn count(&mut self, mut bytes: &[u8]) -> usize {
        let mut count = 0;
        while !bytes.is_empty() {
            let skipped = self.rest.min(bytes.len());
            self.rest -= skipped;
            bytes = &bytes[skipped..];
            let taken = (self.head.len() - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.head.len() {
                let [.., a, b, c, d] = self.head;
                let size = (u32::from_ne_bytes([a, b, c, d]) >> 16) as usize;
                self.rest = size.saturating_sub(self.head.len());
                self.have = 0;
                count += 1;
            }
        }
        count
    }

    /// Whether what came ends within a message.
    fn is_within(&self) -> bool {
        self.have > 0 || self.rest > 0
    }
}

/// What a client's socket had no room for.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// How handing on ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    /// There is no more.
    All,
    /// The client has to read first.
    Full,
    /// One of both hung up.
    Ended,
}

/// What was handed on of a client's requests.
#[derive(Debug, Default)]
struct Portion {
    bytes: usize,
    messages: usize,
    descriptors: usize,
    /// It begins or ends within a message.
    is_cut: bool,
}

/// One client.
#[derive(Debug)]
struct Connection {
    client: Client,
    socket: UnixStream,
    /// Our end of the pair.
    ours: UnixStream,
    token: RegistrationToken,
    /// It is in the queue.
    queued: bool,
    /// It is not read for a while.
    rests: bool,
    /// Its socket is full, and watched.
    full: bool,
    kept: Kept,
    messages: Messages,
    /// Nanoseconds that a byte of its requests takes.
    cost: f64,
    /// Messages until its objects are counted.
    uncounted: usize,
    counted: Instant,
    /// The most objects that it had.
    most: usize,
    /// Descriptors that it passed.
    descriptors: usize,
}

/// Reads once: how many bytes came.
fn receive(
    from: &UnixStream,
    into: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let got = rustix::net::recvmsg(from, &mut [IoSliceMut::new(into)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if got.flags.contains(ReturnFlags::CTRUNC) {
        // Some are lost; what they belonged to cannot be known.
        return Err(rustix::io::Errno::PROTO);
    }
    Ok(got.bytes)
}

/// Writes once: how many bytes went.
fn send(to: &UnixStream, bytes: &[u8], descriptors: &[OwnedFd]) -> rustix::io::Result<usize> {
    let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(rustix::io::Errno::TOOBIG);
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(to, &[IoSlice::new(bytes)], &mut control, flags)
}

impl Connection {
    /// How many bytes it may have read at once.
    fn portion(&self) -> usize {
        let bytes = SHARE.as_nanos() as f64 / self.cost.max(1.0);
        (bytes as usize).clamp(LEAST, PORTION)
    }

    /// What a portion took. Who becomes costly is noticed at once, who becomes cheap after a while.
    fn took(&mut self, time: Duration, bytes: usize) {
        let cost = time.as_nanos() as f64 / bytes.max(1) as f64;
        self.cost = cost.max((3.0 * self.cost + cost) / 4.0);
    }

    /// Hands a portion of its requests to the backend. Nothing where it has said nothing.
    ///
    /// # Errors
    /// When it hung up.
    fn hand_in(&mut self) -> io::Result<Option<Portion>> {
        let mut bytes = [0; PORTION];
        let mut descriptors = Vec::new();
        let size = self.portion();
        let count = match receive(&self.socket, &mut bytes[..size], &mut descriptors) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes = &bytes[..count];
        let began_within = self.messages.is_within();
        let messages = self.messages.count(bytes);
        let portion = Portion {
            bytes: count,
            messages,
            descriptors: descriptors.len(),
            is_cut: began_within || self.messages.is_within(),
        };
        let mut sent = 0;
        while sent < count {
            // The backend has read all that came before, so there is room for a portion.
            sent += send(&self.ours, &bytes[sent..], &descriptors)?;
            descriptors.clear();
        }
        Ok(Some(portion))
    }

    /// Hands on what the backend says.
    fn hand_out(&mut self) -> Passed {
        use rustix::io::Errno;
        loop {
            if !self.kept.bytes.is_empty() {
                let sent = send(&self.socket, &self.kept.bytes, &self.kept.descriptors);
                if let Some(end) = self.went(sent) {
                    return end;
                }
                continue;
            }
            let mut bytes = [0; ANSWER];
            let mut descriptors = Vec::new();
            let count = match receive(&self.ours, &mut bytes, &mut descriptors) {
                Ok(0) => return Passed::Ended,
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Passed::All,
                Err(_) => return Passed::Ended,
            };
            // Reading stops short of the space only where there is no more, or behind descriptors.
            let all = count < bytes.len() && descriptors.is_empty();
            let bytes = &bytes[..count];
            let sent = send(&self.socket, bytes, &descriptors);
            if sent != Ok(count) {
                self.kept = Kept {
                    bytes: bytes.to_vec(),
                    descriptors,
                };
                if let Some(end) = self.went(sent) {
                    return end;
                }
            } else if all {
                return Passed::All;
            }
        }
    }

    /// Throws away what it said and nobody reads any more: closing the socket with that in it would keep the client
    /// from reading why.
    fn let_speak(&self) {
        let mut bytes = [0; PORTION];
        for _ in 0..LAST_WORDS {
            if !matches!(receive(&self.socket, &mut bytes, &mut Vec::new()), Ok(1..)) {
                break;
            }
        }
    }

    /// So much of what is kept was sent. Returns how that ends handing on, if it does.
    fn went(&mut self, sent: rustix::io::Result<usize>) -> Option<Passed> {
        use rustix::io::Errno;
        match sent {
            Ok(count) => {
                self.kept.bytes.drain(..count);
                self.kept.descriptors.clear();
                None
            }
            Err(Errno::INTR) => None,
            Err(Errno::AGAIN) => Some(Passed::Full),
            Err(_) => Some(Passed::Ended),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Connections {
    server: Rc<RefCell<Display<State>>>,
    list: HashMap<u64, Connection>,
    /// Those that have said something, in the order in which it is read.
    queue: VecDeque<u64>,
    next: u64,
    /// How long the client that is served is to rest afterwards.
    rest: Duration,
}

impl Connections {
    pub(crate) fn new(server: Rc<RefCell<Display<State>>>) -> Self {
        Self {
            server,
            list: HashMap::new(),
            queue: VecDeque::new(),
            next: 0,
            rest: Duration::ZERO,
        }
    }

    /// The client that is served set a selection with so many bytes of types.
    pub(crate) fn selected(&mut self, bytes: usize) {
        self.rest += SELECTION + Duration::from_secs_f64(bytes as f64 / SELECTED_PER_SECOND);
    }

    fn enqueue(&mut self, key: u64) {
        if let Some(connection) = self.list.get_mut(&key)
            && !connection.rests
            && !std::mem::replace(&mut connection.queued, true)
        {
            self.queue.push_back(key);
        }
    }
}

impl State {
    /// Takes a client in over a connected socket.
    pub(crate) fn take_in(&mut self, socket: UnixStream, data: ClientState) -> io::Result<Client> {
        let (ours, theirs) = UnixStream::pair()?;
        let watched = socket.try_clone()?;
        let key = self.connections.next;
        self.connections.next += 1;
        let source = Generic::new(watched, Interest::READ, Mode::Level);
        let token = self
            .handle
            .insert_source(source, move |_, _, state| {
                state.connections.enqueue(key);
                Ok(PostAction::Continue)
            })
            .map_err(|error| io::Error::other(error.error))?;
        let client = self
            .display
            .insert_client(theirs, Arc::new(data))
            .inspect_err(|_| self.handle.remove(token))?;
        let connection = Connection {
            uncounted: Limits::of(&client).objects / 16,
            client: client.clone(),
            socket,
            ours,
            token,
            queued: false,
            rests: false,
            full: false,
            kept: Kept::default(),
            messages: Messages::default(),
            cost: 0.0,
            counted: Instant::now(),
            most: 0,
            descriptors: 0,
        };
        self.connections.list.insert(key, connection);
        Ok(client)
    }

    /// Carries out what clients ask, for as long as a turn has time for it.
    pub(crate) fn serve_clients(&mut self) {
        let begin = Instant::now();
        while begin.elapsed() < TURN
            && let Some(key) = self.connections.queue.pop_front()
        {
            if let Some(connection) = self.connections.list.get_mut(&key) {
                connection.queued = false;
                if self.serve_client(key) {
                    self.connections.enqueue(key);
                }
            }
        }
    }

    /// Carries out a portion of what a client asks. Returns whether there may be more.
    fn serve_client(&mut self, key: u64) -> bool {
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return false;
        };
        let begin = Instant::now();
        let size = connection.portion();
        let portion = match connection.hand_in() {
            Ok(Some(portion)) => portion,
            Ok(None) => return false,
            Err(_) => {
                self.turn.urgent = true;
                // The backend sees that as the client's end, which it is.
                let _ = connection.ours.shutdown(Shutdown::Write);
                let id = connection.client.id();
                self.dispatch(id);
                self.hang_up(key);
                return false;
            }
        };
        let id = connection.client.id();
        let cut = portion.is_cut;
        self.connections.rest = Duration::ZERO;
        self.turn.plain = 0;
        self.dispatch(id);
        self.turn.portions += 1;
        if cut || self.turn.plain != portion.messages || portion.descriptors > 0 {
            self.turn.urgent = true;
        }
        let rest = std::mem::take(&mut self.connections.rest);
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return false;
        };
        connection.took(begin.elapsed(), portion.bytes);
        connection.uncounted = connection.uncounted.saturating_sub(portion.messages);
        if connection.uncounted == 0 || connection.counted.elapsed() > RECOUNT {
            self.count_objects(key);
        }
        if portion.descriptors > 0 {
            self.count_descriptors(key, portion.descriptors);
        }
        let more = portion.bytes == size;
        if more {
            // Answers to much more would not fit into the pair.
            self.hand_out(key);
        }
        if !rest.is_zero() {
            self.rest(key, rest);
        }
        more
    }

    /// Leaves a client unread for a while.
    fn rest(&mut self, key: u64, time: Duration) {
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return;
        };
        let token = connection.token;
        let timer = self
            .handle
            .insert_source(Timer::from_duration(time), move |_, (), state| {
                if let Some(connection) = state.connections.list.get_mut(&key) {
                    connection.rests = false;
                    if let Err(error) = state.handle.enable(&connection.token) {
                        tracing::warn!("a client is not listened to, and sent away: {error}");
                        state.hang_up(key);
                    }
                }
                TimeoutAction::Drop
            });
        if timer.is_ok() && self.handle.disable(&token).is_ok() {
            connection.rests = true;
        }
    }

    /// Has the backend read what it was handed. What is wrong with it is the client's end, of which the pair tells.
    ///
    /// The generated code that turns messages into requests panics where a text is null that must not be, before
    /// anything of ours has run, and the backend lets such a message pass. That is the client's end as well, and
    /// not everybody's; so is a panic of our own while one client is served.
    fn dispatch(&mut self, client: ClientId) {
        let server = Rc::clone(&self.connections.server);
        let mut server = server.borrow_mut();
        let mut serve = |state: &mut Self| {
            let _ = server
                .backend()
                .dispatch_single_client(state, client.clone());
        };
        if panic::catch_unwind(AssertUnwindSafe(|| serve(self))).is_err() {
            tracing::error!("a client's request cannot be served; the client is ended");
            self.turn.urgent = true;
            self.display
                .backend_handle()
                .kill_client(client.clone(), DisconnectReason::ConnectionClosed);
            // The backend lets go of those that were ended when it has served one.
            serve(self);
        }
    }

    /// Hands on what was said to clients.
    pub(crate) fn answer_clients(&mut self) {
        let list = &self.connections.list;
        let waits = list.iter().filter(|(_, connection)| !connection.full);
        let (keys, mut ends): (Vec<_>, Vec<_>) = waits
            .map(|(key, connection)| (*key, PollFd::new(&connection.ours, PollFlags::IN)))
            .unzip();
        if !matches!(rustix::event::poll(&mut ends, Some(&Timespec::default())), Ok(ready) if ready > 0)
        {
            return;
        }
        let ready: Vec<_> = keys
            .into_iter()
            .zip(ends)
            .filter_map(|(key, end)| (!end.revents().is_empty()).then_some(key))
            .collect();
        for key in ready {
            self.hand_out(key);
        }
    }

    fn hand_out(&mut self, key: u64) {
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return;
        };
        match connection.hand_out() {
            Passed::All => connection.full = false,
            Passed::Ended => self.hang_up(key),
            Passed::Full if connection.full => {}
            Passed::Full => {
                connection.full = true;
                let watched = connection.socket.try_clone();
                let inserted = watched.map_err(io::Error::other).and_then(|socket| {
                    let source = Generic::new(socket, Interest::WRITE, Mode::Level);
                    self.handle
                        .insert_source(source, move |_, _, state| {
                            state.hand_out(key);
                            let connection = state.connections.list.get(&key);
                            Ok(match connection {
                                Some(connection) if connection.full => PostAction::Continue,
                                _ => PostAction::Remove,
                            })
                        })
                        .map_err(|error| io::Error::other(error.error))
                });
                if let Err(error) = inserted {
                    tracing::warn!("a client is not waited for, and sent away: {error}");
                    self.hang_up(key);
                }
            }
        }
    }

    /// The connection is of no use any more.
    fn hang_up(&mut self, key: u64) {
        let Some(connection) = self.connections.list.remove(&key) else {
            return;
        };
        self.handle.remove(connection.token);
        connection.let_speak();
        let id = connection.client.id();
        let most = connection.most;
        drop(connection);
        self.dispatch(id);
        if most > MANY {
            self.give_memory_back();
        }
    }

    /// Has the C library give back what it keeps of memory that is not used any more, in a while.
    #[allow(unsafe_code)]
    fn give_memory_back(&self) {
        let timer = Timer::from_duration(Duration::from_secs(1));
        let inserted = self.handle.insert_source(timer, |_, (), _| {
            // SAFETY: the function has no conditions; it looks only at memory that nobody uses.
            unsafe {
                libc::malloc_trim(0);
            }
            TimeoutAction::Drop
        });
        if let Err(error) = inserted {
            tracing::warn!("memory is not given back: {}", error.error);
        }
    }

    /// Ends a client that has more objects than it may, or numbers them too high. Between two counts a client makes
    /// at most as many as are left to it, or a sixteenth of all: counting costs little for each.
    fn count_objects(&mut self, key: u64) {
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return;
        };
        let limits = Limits::of(&connection.client);
        let (mut count, mut highest, mut offers, mut display) = (0, 0, 0, None);
        let handle = self.display.backend_handle();
        let counted = handle.with_all_objects_for(connection.client.id(), |object| {
            count += 1;
            let number = object.protocol_id();
            if number < OWN_NUMBERS {
                highest = highest.max(number);
            } else if object.interface().name.contains("_offer") {
                offers += 1;
            }
            if number == 1 {
                display = Some(object);
            }
        });
        if counted.is_err() {
            return;
        }
        connection.counted = Instant::now();
        connection.most = connection.most.max(count);
        let left = limits.objects.saturating_sub(count);
        connection.uncounted = left.max(limits.objects / 16);
        let why = if count > limits.objects {
            format!(
                "objects: more than the {} that one client may have",
                limits.objects
            )
        } else if offers > limits.offers {
            format!(
                "offers that it did not destroy: more than the {} that one client may have",
                limits.offers
            )
        } else if highest > limits.numbers {
            format!(
                "objects: numbered beyond {}; use numbers again",
                limits.numbers
            )
        } else {
            return;
        };
        tracing::warn!("a client is sent away: {why}");
        if let (Some(display), Ok(why)) = (display, CString::new(why)) {
            handle.post_error(display, NO_MEMORY, why);
        }
        let id = connection.client.id();
        self.dispatch(id);
    }

    /// A client passed descriptors. If the compositor is about to have no more, whoever passed most goes: what no
    /// request takes stays in the backend.
    fn count_descriptors(&mut self, key: u64, more: usize) {
        let Some(connection) = self.connections.list.get_mut(&key) else {
            return;
        };
        let before = connection.descriptors;
        connection.descriptors += more;
        if before / LOOK == connection.descriptors / LOOK {
            return;
        }
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        if limit.is_none_or(|limit| (open as u64) < limit / 4 * 3) {
            return;
        }
        let most = self
            .connections
            .list
            .iter()
            .max_by_key(|(_, connection)| connection.descriptors);
        if let Some((key, connection)) = most.map(|(key, connection)| (*key, connection)) {
            tracing::warn!(
                "a client is sent away: it passed {} descriptors, and {open} are open",
                connection.descriptors
            );
            self.hang_up(key);
        }
        for connection in self.connections.list.values_mut() {
            connection.descriptors /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: u32) -> Vec<u8> {
        let mut bytes = 3_u32.to_ne_bytes().to_vec();
        bytes.extend((size << 16 | 5).to_ne_bytes());
        bytes.resize(size as usize, 7);
        bytes
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let stream: Vec<u8> = [8, 12, 8, 4096, 16, 60_000, 8]
            .into_iter()
            .flat_map(message)
            .collect();
        for cut in [1, 3, 7, 8, 9, 100, 4096, usize::MAX] {
            let mut messages = Messages::default();
            let count: usize = stream
                .chunks(cut.min(stream.len()))
                .map(|part| messages.count(part))
                .sum();
            assert_eq!(count, 7, "in parts of {cut} bytes");
            assert!(!messages.is_within());
        }
    }

    #[test]
    fn a_size_that_no_message_has_is_the_shortest() {
        let mut messages = Messages::default();
        assert_eq!(messages.count(&[0; 24]), 3);
    }
}
