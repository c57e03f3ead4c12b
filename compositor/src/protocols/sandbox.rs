//! Who may use which protocol, and how a sandbox gets a socket of its own.
//!
//! A client is one of three: *trusted* (it came in over the private socket), *ordinary* (over the
//! public one), or *sandboxed*: over a socket that a sandbox engine made by `security-context-v1`.
//! A protocol by which a program reaches beyond its own windows is a [`Privilege`]; [`Privilege::holder`]
//! is the one place that says who has it. A client that may not use a protocol does not see it, and
//! is thrown out if it guesses the global's name.

use smithay::{
    delegate_security_context,
    reexports::{
        calloop::{EventSource, Poll, PostAction, Readiness, Token, TokenFactory},
        wayland_server::{Client, DisplayHandle},
    },
    wayland::security_context::{
        SecurityContext, SecurityContextHandler, SecurityContextListenerSource,
        SecurityContextState,
    },
};

use crate::state::{ClientState, State};

/// What a protocol lets a program do beyond showing windows of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// Locking the session, and unlocking it.
    Locking,
    /// Panels, wallpapers and overlays around and above all windows.
    Panels,
    /// Reading and setting the clipboard without being used.
    Clipboard,
    /// Typing for other programs, and reading what is typed into them.
    Typing,
    /// Moving the pointer and clicking.
    Pointing,
    /// Knowing which windows there are.
    WindowList,
    /// Making sockets for sandboxes.
    Sandboxing,
    /// Seeing what is on the screen.
    Capture,
    /// Seeing and steering other clients' windows.
    Toplevels,
    /// Seeing and switching workspaces.
    Workspaces,
    /// Seeing and changing outputs.
    Outputs,
    /// Driving a display instead of the desktop.
    Leasing,
}

/// Who has a [`Privilege`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    /// What came in over the private socket.
    Trusted,
    /// Everything that is not in a sandbox.
    Unconfined,
}

impl Privilege {
    fn holder(self) -> Holder {
        match self {
            Self::Locking => Holder::Trusted,
            Self::Panels
            | Self::Clipboard
            | Self::Typing
            | Self::Pointing
            | Self::WindowList
            | Self::Sandboxing
            | Self::Capture
            | Self::Toplevels
            | Self::Workspaces
            | Self::Outputs
            | Self::Leasing => Holder::Unconfined,
        }
    }

    /// A filter for a global: the clients that see it.
    pub(crate) fn filter(
        self,
    ) -> impl for<'c> Fn(&'c Client) -> bool + Clone + Send + Sync + 'static {
        move |client: &Client| may(client, self)
    }
}

/// Whether a client has a privilege.
pub(crate) fn may(client: &Client, privilege: Privilege) -> bool {
    let Some(data) = client.get_data::<ClientState>() else {
        return false;
    };
    match privilege.holder() {
        Holder::Trusted => data.trusted,
        Holder::Unconfined => data.sandbox.is_none(),
    }
}

/// Whether a client came in over the private socket.
pub(crate) fn is_trusted(client: &Client) -> bool {
    client
        .get_data::<ClientState>()
        .is_some_and(|data| data.trusted)
}

/// Keeps the global alive.
#[derive(Debug)]
pub(crate) struct SandboxProtocols {
    _security_context: SecurityContextState,
}

impl SandboxProtocols {
    pub(crate) fn new(dh: &DisplayHandle) -> Self {
        Self {
            _security_context: SecurityContextState::new::<State, _>(
                dh,
                Privilege::Sandboxing.filter(),
            ),
        }
    }
}

/// The socket that a sandbox engine handed over. What is wrong with it ends it, and not the loop.
struct Listener(SecurityContextListenerSource);

impl EventSource for Listener {
    type Event = std::os::unix::net::UnixStream;
    type Metadata = ();
    type Ret = ();
    type Error = std::convert::Infallible;

    fn process_events<F>(
        &mut self,
        readiness: Readiness,
        token: Token,
        callback: F,
    ) -> Result<PostAction, Self::Error>
    where
        F: FnMut(Self::Event, &mut ()),
    {
        Ok(self
            .0
            .process_events(readiness, token, callback)
            .unwrap_or_else(|error| {
                tracing::warn!("a sandbox's socket takes no clients any more: {error}");
                PostAction::Remove
            }))
    }

    fn register(
        &mut self,
        poll: &mut Poll,
        factory: &mut TokenFactory,
    ) -> smithay::reexports::calloop::Result<()> {
        self.0.register(poll, factory)
    }

    fn reregister(
        &mut self,
        poll: &mut Poll,
        factory: &mut TokenFactory,
    ) -> smithay::reexports::calloop::Result<()> {
        self.0.reregister(poll, factory)
    }

    fn unregister(&mut self, poll: &mut Poll) -> smithay::reexports::calloop::Result<()> {
        self.0.unregister(poll)
    }
}

impl SecurityContextHandler for State {
    fn context_created(&mut self, source: SecurityContextListenerSource, context: SecurityContext) {
        tracing::info!(
            "a socket for the sandbox `{}` of {}",
            context.app_id.as_deref().unwrap_or("unnamed"),
            context
                .sandbox_engine
                .as_deref()
                .unwrap_or("an unnamed engine"),
        );
        let inserted = self
            .handle
            .insert_source(Listener(source), move |stream, (), state| {
                let data = ClientState {
                    sandbox: Some(context.clone()),
                    ..ClientState::default()
                };
                if let Err(error) = state.take_in(stream, data) {
                    tracing::warn!("a sandboxed client could not be taken in: {error}");
                }
            });
        if let Err(error) = inserted {
            tracing::warn!(
                "a sandbox engine's socket cannot be listened on: {}",
                error.error
            );
        }
    }
}

delegate_security_context!(State);
