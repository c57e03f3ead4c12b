//! The machine's sleep, by `org.freedesktop.login1` on the system bus: asked for when nobody is there, and
//! held up until the session is locked, whoever asked.
//!
//! A *delay* lock is taken while the settings want that. When login1 says that the machine is about to
//! sleep, the session is locked, and the delay is let go of once no screen shows anything of it; login1
//! waits no longer than it says. After the sleep the next one is taken. Runs on the thread of
//! [`crate::bus`] and ends with the compositor.

use std::time::{Duration, Instant};

use argos_bus::power;
use futures_util::StreamExt;
use smithay::reexports::calloop::channel as calloop;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::OwnedFd;

use crate::{
    bus::{Order, Request, Snapshot},
    bus_socket::Awaited,
};

/// A login1 that was there for this long is soon there again.
const LASTING: Duration = Duration::from_secs(10);

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;
    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

/// Serves until the compositor ends; comes back when the bus does.
pub(crate) async fn follow(
    requests: calloop::Sender<Request>,
    mut snapshot: watch::Receiver<Snapshot>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut bus = Awaited::system();
    let mut warned = false;
    loop {
        bus.begin();
        let since = Instant::now();
        let served = match zbus::Connection::system().await {
            Ok(connection) => {
                warned = false;
                serve(&connection, &requests, &mut snapshot, &mut orders).await
            }
            Err(error) => Err(error),
        };
        let Err(error) = served else { return };
        if since.elapsed() > LASTING {
            bus.reached();
        }
        if !warned {
            tracing::info!(
                "no login1 on the system bus: {error}; until it is there the session is not locked \
                 before the machine sleeps"
            );
            warned = true;
        }
        let again = bus.another();
        tokio::pin!(again);
        loop {
            tokio::select! {
                () = &mut again => break,
                order = orders.recv() => match order {
                    Some(order) => tracing::warn!("{order:?}: there is no login1 that could be asked"),
                    None => return,
                },
            }
        }
    }
}

/// Serves until the compositor ends.
async fn serve(
    connection: &zbus::Connection,
    requests: &calloop::Sender<Request>,
    snapshot: &mut watch::Receiver<Snapshot>,
    orders: &mut mpsc::Receiver<Order>,
) -> zbus::Result<()> {
    let login = LoginProxy::new(connection).await?;
    let mut coming = login.receive_prepare_for_sleep().await?;
    let mut delay: Option<OwnedFd> = None;
    let mut asleep = false;
    let wants = |snapshot: &Snapshot| snapshot.lock_before_sleep;
    loop {
        let wanted = wants(&snapshot.borrow_and_update());
        if !wanted {
            delay = None;
        } else if delay.is_none() && !asleep {
            let why = "the screen is locked first";
            delay = Some(
                login
                    .inhibit("sleep", "argos-compositor", why, "delay")
                    .await?,
            );
        }
        tokio::select! {
            changed = wait_for_other(snapshot, wanted) => if !changed { return Ok(()) },
            order = orders.recv() => match order {
                Some(Order::Suspend) => {
                    // It returns when the machine is awake again, and who holds it up is heard meanwhile.
                    let connection = connection.clone();
                    tokio::spawn(async move {
                        if let Err(refusal) = power::sleep(&connection).await {
                            tracing::warn!("the machine does not sleep: {refusal}");
                        }
                    });
                }
                None => return Ok(()),
            },
            signal = coming.next() => {
                let Some(signal) = signal else {
                    return Err(zbus::Error::Failure("the system bus is gone".to_owned()));
                };
                asleep = *signal.args()?.start();
                if asleep && delay.is_some() {
                    lock(requests).await;
                    delay = None;
                }
            }
        }
    }
}

/// Returns when the settings want something else; `false` when the compositor ends.
async fn wait_for_other(snapshot: &mut watch::Receiver<Snapshot>, wanted: bool) -> bool {
    let other = snapshot.wait_for(|snapshot| snapshot.lock_before_sleep != wanted);
    other.await.is_ok()
}

/// Returns when no screen shows anything of the session any more, or cannot be locked.
async fn lock(requests: &calloop::Sender<Request>) {
    let (answer, answered) = oneshot::channel();
    if requests.send(Request::Lock(answer)).is_err() {
        return;
    }
    if let Ok(Err(error)) = answered.await {
        tracing::warn!("the machine sleeps unlocked: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    /// A login1 that sleeps at once, and says what happens.
    struct Login {
        said: mpsc::UnboundedSender<String>,
        /// Told when the delay is let go of.
        ready: Arc<Notify>,
    }

    #[zbus::interface(name = "org.freedesktop.login1.Manager")]
    impl Login {
        fn inhibit(&self, what: &str, who: &str, _why: &str, mode: &str) -> OwnedFd {
            self.said.send(format!("{who} {mode} {what}")).unwrap();
            let (ours, theirs) = std::io::pipe().unwrap();
            let (said, ready) = (self.said.clone(), Arc::clone(&self.ready));
            std::thread::spawn(move || {
                let mut byte = [0];
                // The other end is closed, which is all that is waited for.
                let _ = std::io::Read::read(&mut { ours }, &mut byte);
                let _ = said.send("let go".to_owned());
                ready.notify_one();
            });
            std::os::fd::OwnedFd::from(theirs).into()
        }

        async fn suspend(
            &self,
            _interactive: bool,
            #[zbus(signal_emitter)] emitter: zbus::object_server::SignalEmitter<'_>,
        ) {
            self.said.send("suspend".to_owned()).unwrap();
            Self::prepare_for_sleep(&emitter, true).await.unwrap();
            self.ready.notified().await;
            self.said.send("sleeps".to_owned()).unwrap();
            Self::prepare_for_sleep(&emitter, false).await.unwrap();
        }

        #[zbus(signal)]
        async fn prepare_for_sleep(
            emitter: &zbus::object_server::SignalEmitter<'_>,
            start: bool,
        ) -> zbus::Result<()>;
    }

    #[tokio::test]
    async fn the_session_is_locked_before_the_machine_sleeps() {
        let (said, mut heard) = mpsc::unbounded_channel();
        let login = Login {
            said: said.clone(),
            ready: Arc::default(),
        };
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let server = zbus::connection::Builder::unix_stream(ours)
            .server(zbus::Guid::generate())
            .p2p()
            .serve_at("/org/freedesktop/login1", login);
        let client = zbus::connection::Builder::unix_stream(theirs).p2p();
        let (_server, client) = tokio::try_join!(server.build(), client.build()).unwrap();

        let (requests, channel) = calloop::channel();
        let (orders, wanted) = mpsc::channel(1);
        let snapshot = watch::Sender::new(Snapshot {
            lock_before_sleep: true,
            ..Snapshot::default()
        });
        std::thread::spawn(move || {
            while let Ok(Request::Lock(answer)) = channel.recv() {
                said.send("locked".to_owned()).unwrap();
                answer.send(Ok(())).unwrap();
            }
        });
        let mut watched = snapshot.subscribe();
        let mut wanted = wanted;
        let serving =
            tokio::spawn(async move { serve(&client, &requests, &mut watched, &mut wanted).await });
        let next = async |heard: &mut mpsc::UnboundedReceiver<String>| heard.recv().await.unwrap();
        const TAKEN: &str = "argos-compositor delay sleep";
        assert_eq!(next(&mut heard).await, TAKEN);
        orders.send(Order::Suspend).await.unwrap();
        for expected in ["suspend", "locked", "let go", "sleeps", TAKEN] {
            assert_eq!(next(&mut heard).await, expected);
        }
        // The settings do not want it any more.
        snapshot.send_modify(|snapshot| snapshot.lock_before_sleep = false);
        assert_eq!(next(&mut heard).await, "let go");
        drop(orders);
        drop(snapshot);
        serving.await.unwrap().unwrap();
    }
}
