//! What programs of the desktop stand before: a compositor without a screen.

use std::sync::mpsc;
use std::time::Duration;

use argos_compositor::backend::headless::{self, Headless};
use argos_compositor::bus::Link;
use argos_compositor::config::{Config, Idle};
use argos_compositor::smithay::reexports::calloop::{EventLoop, channel};
use argos_compositor::{State, state};

/// How long a test waits for the other side, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Something to be done in the compositor.
type Job = Box<dyn FnOnce(&mut State) + Send>;

/// A compositor on a thread of its own; it ends with this, if nothing ends it before.
pub(super) struct Compositor {
    jobs: channel::Sender<Job>,
    /// Says when it has ended.
    pub(super) over: mpsc::Receiver<()>,
}

impl Compositor {
    /// `begin` is done before all else.
    pub(super) fn new(
        idle: Idle,
        backend: impl FnOnce() -> Headless + Send + 'static,
        begin: impl FnOnce(&mut State) + Send + 'static,
    ) -> Self {
        let (jobs, wanted) = channel::channel::<Job>();
        let (tell, over) = mpsc::channel();
        std::thread::spawn(move || {
            let mut event_loop = EventLoop::try_new().unwrap();
            let (link, _shell, _orders) = Link::detached();
            let config = Config {
                idle,
                ..Config::default()
            };
            let mut state = State::new(&event_loop, config, Box::new(backend()), link).unwrap();
            headless::add_output(&mut state, "one", 1280, 800);
            let handle = event_loop.handle();
            let added = handle.insert_source(wanted, |event, (), state| {
                if let channel::Event::Msg(job) = event {
                    job(state);
                }
            });
            added.unwrap();
            begin(&mut state);
            state::run(&mut event_loop, &mut state).unwrap();
            // The test may be over.
            let _ = tell.send(());
        });
        Self { jobs, over }
    }

    /// Something is looked up, or done, in the compositor.
    pub(super) fn does<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> T {
        let (sender, answer) = mpsc::channel();
        let job = move |state: &mut State| {
            // The test may have failed meanwhile.
            let _ = sender.send(job(state));
        };
        self.jobs.send(Box::new(job)).unwrap();
        answer.recv_timeout(PATIENCE).expect("the compositor runs")
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.jobs.send(Box::new(|state| state.stop()));
        let _ = self.over.recv_timeout(PATIENCE);
    }
}
