//! A supervisor that speaks the real control protocol, has a list of units, and answers as a test
//! says.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use argos_control::server::Connection;
use argos_control::{Reply, Request, UnitState, UnitStatus};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a test answers, one reply after the other; none leaves the request open.
pub(crate) type Answer = dyn Fn(&Request) -> Vec<Reply> + Send + Sync;

/// Every request, in the order in which they came.
pub(crate) struct Supervisor {
    requests: mpsc::Receiver<Request>,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

impl Supervisor {
    /// Listens at `socket`.
    pub(crate) fn new(
        socket: &Path,
        answer: impl Fn(&Request) -> Vec<Reply> + Send + Sync + 'static,
    ) -> Self {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(socket).unwrap();
        let (report, requests) = mpsc::channel();
        let answer: Arc<Answer> = Arc::new(answer);
        let connections = Arc::new(Mutex::new(Vec::new()));
        let opened = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                opened.lock().unwrap().push(stream.try_clone().unwrap());
                let (report, answer) = (report.clone(), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &report, &*answer));
            }
        });
        Self {
            requests,
            connections,
        }
    }

    /// Cuts everybody off, as one that is killed does; the next one is there at once.
    pub(crate) fn cut_off(&self) {
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// The next request that is more than looking.
    pub(crate) fn next(&self) -> Request {
        loop {
            let request = self
                .requests
                .recv_timeout(PATIENCE)
                .expect("the supervisor is asked");
            if !is_look(&request) {
                return request;
            }
        }
    }

    /// Nothing but looking comes for a while.
    pub(crate) fn is_left_alone(&self) -> bool {
        let mut rest =
            std::iter::from_fn(|| self.requests.recv_timeout(Duration::from_millis(300)).ok());
        rest.all(|request| is_look(&request))
    }
}

/// Whether a request changes nothing.
fn is_look(request: &Request) -> bool {
    matches!(
        request,
        Request::Status | Request::Subscribe | Request::Unit { .. }
    )
}

fn serve(stream: UnixStream, report: &mpsc::Sender<Request>, answer: &Answer) {
    let mut peer = Connection::new(stream).unwrap();
    loop {
        let mut fds = [rustix::event::PollFd::new(
            &peer,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut fds, None).unwrap();
        if peer.receive().is_err() {
            return;
        }
        while let Ok(Some((request, _))) = peer.next() {
            // What is answered is settled before the test hears of the request, and so before what it does
            // then; but a subscription's answer may wait for that.
            let waits = matches!(request, Request::Subscribe);
            let settled = (!waits).then(|| answer(&request));
            let _ = report.send(request.clone());
            for reply in settled.unwrap_or_else(|| answer(&request)) {
                if peer.send(&reply).is_err() {
                    return;
                }
            }
        }
    }
}

pub(crate) fn unit(name: &str, state: UnitState) -> UnitStatus {
    UnitStatus {
        name: name.to_owned(),
        description: String::new(),
        kind: "service".to_owned(),
        wanted: true,
        state,
        detail: String::new(),
        pid: 4242,
        restarts: 0,
        since_ms: 0,
    }
}
