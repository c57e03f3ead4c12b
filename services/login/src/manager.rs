//! `org.freedesktop.login1.Manager`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use argos_control::Client;
use tracing::{info, warn};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, OwnedObjectPath, interface};

use crate::error::{Error, Result};
use crate::inhibit::{DELAY_LIMIT, Inhibitors, Lock, Mode};
use crate::objects::{self, SEAT};
use crate::sessions::{Caller, Sessions};

/// Bus name.
pub(crate) const NAME: &str = "org.freedesktop.login1";
/// Object path.
pub(crate) const PATH: &str = "/org/freedesktop/login1";

/// The object on the bus.
#[derive(Debug)]
pub(crate) struct Manager {
    sessions: Sessions,
    /// The greeter's user id.
    greeter: Option<u32>,
    inhibitors: Inhibitors,
    control: PathBuf,
    power_state: PathBuf,
    shutting_down: Arc<AtomicBool>,
    sleeping: Arc<AtomicBool>,
}

/// How a machine can be shut down.
#[derive(Debug, Clone, Copy)]
enum Shutdown {
    PowerOff,
    Reboot,
}

/// Says that something is under way for as long as it lives, so that it happens once at a time.
#[derive(Debug)]
struct Underway(Arc<AtomicBool>);

impl Underway {
    fn begin(flag: &Arc<AtomicBool>, what: &str) -> Result<Self> {
        if flag.swap(true, Ordering::SeqCst) {
            return Err(Error::OperationInProgress(format!(
                "{what} is under way already"
            )));
        }
        Ok(Self(Arc::clone(flag)))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Manager {
    /// `greeter` is the user id of the greeter's account, if there is one.
    pub(crate) fn new(
        sessions: Sessions,
        control: PathBuf,
        power_state: PathBuf,
        greeter: Option<u32>,
    ) -> Self {
        Self {
            sessions,
            greeter,
            inhibitors: Inhibitors::default(),
            control,
            power_state,
            shutting_down: Arc::default(),
            sleeping: Arc::default(),
        }
    }

    /// Root and the person at the seat have the machine's power in their hands; while nobody is logged
    /// in, the greeter, for whoever is there.
    fn may_power(&self, caller: Caller) -> bool {
        let at_seat = self.sessions.at_seat();
        caller.uid == 0
            || at_seat.is_some_and(|session| session.uid == caller.uid)
            || (self.sessions.list().is_empty() && self.greeter == Some(caller.uid))
    }

    fn check_power(&self, caller: Caller, what: &str) -> Result<()> {
        if self.may_power(caller) {
            return Ok(());
        }
        Err(Error::AccessDenied(format!(
            "{what}: uid {} is neither root nor the person at the seat, nor the greeter while nobody is logged in",
            caller.uid
        )))
    }

    async fn shut_down(
        &self,
        how: Shutdown,
        caller: Caller,
        connection: &Connection,
    ) -> Result<()> {
        self.check_power(caller, "shutting down")?;
        self.inhibitors.check("shutdown")?;
        let underway = Underway::begin(&self.shutting_down, "shutting down")?;
        info!(
            "{how:?} asked for by uid {} (pid {})",
            caller.uid, caller.pid
        );
        let emitter = objects::manager_emitter(connection)?;
        Self::prepare_for_shutdown(&emitter, true).await?;
        self.inhibitors
            .wait_for_delays("shutdown", DELAY_LIMIT)
            .await;
        let control = self.control.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut client = Client::connect(control)?;
            match how {
                Shutdown::PowerOff => client.poweroff(),
                Shutdown::Reboot => client.reboot(),
            }
        });
        let result = match asked.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        drop(underway);
        warn!("PID 1 does not shut down: {result}");
        Self::prepare_for_shutdown(&emitter, false).await?;
        Err(Error::Failed(format!("PID 1 does not shut down: {result}")))
    }

    fn can_power(&self, caller: Caller) -> String {
        if self.may_power(caller) { "yes" } else { "no" }.to_owned()
    }
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    /// Every session: name, uid, account, seat, object.
    fn list_sessions(&self) -> Vec<(String, u32, String, String, OwnedObjectPath)> {
        let sessions = self.sessions.list().into_iter();
        sessions
            .map(|s| {
                (
                    s.id.clone(),
                    s.uid,
                    s.user.clone(),
                    SEAT.to_owned(),
                    s.path(),
                )
            })
            .collect()
    }

    /// Everybody who is logged in: uid, account, object.
    fn list_users(&self) -> Vec<(u32, String, OwnedObjectPath)> {
        let sessions = self.sessions.list().into_iter();
        sessions
            .map(|s| (s.uid, s.user, objects::user_path(s.uid)))
            .collect()
    }

    /// The one seat.
    fn list_seats(&self) -> Vec<(String, OwnedObjectPath)> {
        vec![(SEAT.to_owned(), objects::seat_path())]
    }

    /// A session's object.
    fn get_session(&self, id: &str) -> Result<OwnedObjectPath> {
        Ok(self.sessions.by_id(id)?.path())
    }

    /// The session of whoever owns a process (0: the caller).
    #[zbus(name = "GetSessionByPID")]
    async fn get_session_by_pid(
        &self,
        pid: u32,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedObjectPath> {
        let uid = if pid == 0 {
            Caller::of(connection, &header).await?.uid
        } else {
            owner_of(pid)?
        };
        let session = self.sessions.by_uid(uid);
        Ok(session
            .map_err(|error| Error::NoSessionForPid(format!("pid {pid}: {error}")))?
            .path())
    }

    /// A person's object.
    fn get_user(&self, uid: u32) -> Result<OwnedObjectPath> {
        self.sessions
            .by_uid(uid)
            .map(|session| objects::user_path(session.uid))
    }

    /// A seat's object.
    fn get_seat(&self, id: &str) -> Result<OwnedObjectPath> {
        if id == SEAT {
            Ok(objects::seat_path())
        } else {
            Err(Error::NoSuchSeat(format!(
                "there is no seat `{id}`, only `{SEAT}`"
            )))
        }
    }

    /// Takes a lock that lasts until the descriptor is closed.
    async fn inhibit(
        &self,
        what: &str,
        who: &str,
        why: &str,
        mode: &str,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd> {
        let caller = Caller::of(connection, &header).await?;
        let lock = Lock::new(what, who, why, mode, caller.uid, caller.pid)?;
        let preparing = match lock.mode {
            Mode::Block => false,
            Mode::Delay => {
                self.shutting_down.load(Ordering::SeqCst) || self.sleeping.load(Ordering::SeqCst)
            }
        };
        if preparing {
            let text = "it is too late to delay what is under way".to_owned();
            return Err(Error::OperationInProgress(text));
        }
        info!(
            "{who} (pid {}) inhibits {} ({mode}): {why}",
            caller.pid,
            lock.what()
        );
        let given = self.inhibitors.take(lock)?;
        // Whoever reads the properties hears of each change until the lock is gone again.
        let emitter = objects::manager_emitter(connection)?;
        self.block_inhibited_changed(&emitter).await?;
        self.delay_inhibited_changed(&emitter).await?;
        let connection = connection.clone();
        let mut changes = self.inhibitors.changes();
        tokio::spawn(async move {
            if changes.changed().await.is_ok()
                && let Ok(this) = connection.object_server().interface::<_, Self>(PATH).await
            {
                let this_ref = this.get().await;
                // Nobody is left to hear it only if the bus is gone.
                let _ = this_ref.block_inhibited_changed(&emitter).await;
                let _ = this_ref.delay_inhibited_changed(&emitter).await;
            }
        });
        Ok(given.into())
    }

    /// Every lock: what, who, why, mode, uid, pid.
    fn list_inhibitors(&self) -> Vec<(String, String, String, String, u32, u32)> {
        let locks = self.inhibitors.list().into_iter();
        locks
            .map(|lock| {
                let (what, mode) = (lock.what(), lock.mode.as_str().to_owned());
                (what, lock.who, lock.why, mode, lock.uid, lock.pid)
            })
            .collect()
    }

    /// Switches the machine off. Nobody is asked, whatever `interactive` says.
    async fn power_off(
        &self,
        interactive: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let _ = interactive;
        let caller = Caller::of(connection, &header).await?;
        self.shut_down(Shutdown::PowerOff, caller, connection).await
    }

    /// Restarts the machine. Nobody is asked, whatever `interactive` says.
    async fn reboot(
        &self,
        interactive: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let _ = interactive;
        let caller = Caller::of(connection, &header).await?;
        self.shut_down(Shutdown::Reboot, caller, connection).await
    }

    /// Puts the machine to sleep; returns when it is awake again.
    async fn suspend(
        &self,
        interactive: bool,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<()> {
        let _ = interactive;
        let caller = Caller::of(connection, &header).await?;
        self.check_power(caller, "putting the machine to sleep")?;
        if !can_sleep(&self.power_state) {
            let text = format!("{} does not offer `mem`", self.power_state.display());
            return Err(Error::SleepVerbNotSupported(text));
        }
        self.inhibitors.check("sleep")?;
        let underway = Underway::begin(&self.sleeping, "going to sleep")?;
        info!("sleep asked for by uid {} (pid {})", caller.uid, caller.pid);
        let emitter = objects::manager_emitter(connection)?;
        Self::prepare_for_sleep(&emitter, true).await?;
        self.inhibitors.wait_for_delays("sleep", DELAY_LIMIT).await;
        let state = self.power_state.clone();
        // Returns after the machine woke up.
        let slept = tokio::task::spawn_blocking(move || std::fs::write(state, "mem")).await;
        // Over before anybody hears that it is.
        drop(underway);
        Self::prepare_for_sleep(&emitter, false).await?;
        match slept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::Failed(format!("the kernel does not sleep: {error}"))),
            Err(error) => Err(Error::Failed(error.to_string())),
        }
    }

    /// `yes` or `no`.
    async fn can_power_off(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        Ok(self.can_power(Caller::of(connection, &header).await?))
    }

    /// `yes` or `no`.
    async fn can_reboot(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        Ok(self.can_power(Caller::of(connection, &header).await?))
    }

    /// `yes`, `no` or `na` (the machine cannot).
    async fn can_suspend(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String> {
        if !can_sleep(&self.power_state) {
            return Ok("na".to_owned());
        }
        Ok(self.can_power(Caller::of(connection, &header).await?))
    }

    /// Not offered: always `na`.
    fn can_hibernate(&self) -> String {
        "na".to_owned()
    }

    /// What is blocked now, joined by colons.
    #[zbus(property)]
    fn block_inhibited(&self) -> String {
        self.inhibitors.kinds(Mode::Block)
    }

    /// What is delayed now, joined by colons.
    #[zbus(property)]
    fn delay_inhibited(&self) -> String {
        self.inhibitors.kinds(Mode::Delay)
    }

    /// How long a delay may last, in microseconds.
    #[zbus(property(emits_changed_signal = "const"), name = "InhibitDelayMaxUSec")]
    fn inhibit_delay_max(&self) -> u64 {
        u64::try_from(DELAY_LIMIT.as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether a shutdown is under way.
    #[zbus(property(emits_changed_signal = "false"))]
    fn preparing_for_shutdown(&self) -> bool {
        self.shutting_down.load(Ordering::SeqCst)
    }

    /// Whether the machine is going to sleep.
    #[zbus(property(emits_changed_signal = "false"))]
    fn preparing_for_sleep(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst)
    }

    /// A session began.
    #[zbus(signal)]
    pub(crate) async fn session_new(
        emitter: &SignalEmitter<'_>,
        id: &str,
        path: OwnedObjectPath,
    ) -> zbus::Result<()>;

    /// A session is over.
    #[zbus(signal)]
    pub(crate) async fn session_removed(
        emitter: &SignalEmitter<'_>,
        id: &str,
        path: OwnedObjectPath,
    ) -> zbus::Result<()>;

    /// The machine is about to shut down (`true`), or does not after all (`false`).
    #[zbus(signal)]
    async fn prepare_for_shutdown(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;

    /// The machine is about to sleep (`true`), or is awake again (`false`).
    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;
}

/// Whether the kernel offers suspend to RAM.
fn can_sleep(power_state: &Path) -> bool {
    std::fs::read_to_string(power_state)
        .is_ok_and(|states| states.split_ascii_whitespace().any(|state| state == "mem"))
}

/// The uid that a process runs as.
fn owner_of(pid: u32) -> Result<u32> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(format!("/proc/{pid}"));
    found
        .map(|metadata| metadata.uid())
        .map_err(|error| Error::NoSessionForPid(format!("there is no process {pid}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeter_has_power_while_nobody_is_logged_in() {
        const GREETER: u32 = 978;
        let sessions = Sessions::default();
        let manager = |greeter| {
            let nowhere = PathBuf::from("/nonexistent");
            Manager::new(sessions.clone(), nowhere.clone(), nowhere, greeter)
        };
        let caller = |uid| Caller { uid, pid: 1 };
        let (with, without) = (manager(Some(GREETER)), manager(None));
        assert!(with.may_power(caller(GREETER)));
        assert!(!with.may_power(caller(1000)));
        assert!(!without.may_power(caller(GREETER)));
        sessions.apply("user@54321", true, 5);
        assert!(!with.may_power(caller(GREETER)));
        sessions.apply("user@54321", false, 0);
        assert!(with.may_power(caller(GREETER)));
    }
}
