//! `org.argos.Timers1`, and what happens when one goes off: a notification for the person, a word to
//! the agent that set it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argos_bus::timers::Timer;
use argos_bus::{Error, Result};
use jiff::Zoned;
use tokio::sync::{Notify, mpsc};
use tracing::{info, warn};
use zbus::Connection;
use zbus::object_server::SignalEmitter;

use super::{Refused, Timers, when};

/// Where it is served.
pub const PATH: &str = "/org/argos/Timers1";
/// Its name.
pub const NAME: &str = "org.argos.Timers1";
/// Longest text of a timer, in bytes.
const MOST_TEXT: usize = 2000;
/// Longest sleep: clocks are set, and machines sleep, which a sleeping task does not notice.
const NAP: Duration = Duration::from_secs(20);
/// How long is tried to show a notification: the desktop may be about to start.
const SHOWING: Duration = Duration::from_secs(600);
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(5);
/// Later than this it is said when it was due.
const LATE_MS: u64 = 60_000;

/// What tells the time, with its zone.
pub type Clock = Arc<dyn Fn() -> Zoned + Send + Sync>;

/// What is to be told to an agent: its name, and the text.
pub type Told = (String, String);

/// The timers and what they are kept with.
#[derive(Clone)]
pub struct Service {
    timers: Arc<Mutex<Timers>>,
    clock: Clock,
    changed: Arc<Notify>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// With timers as they were read, and a clock.
    pub fn new(timers: Timers, clock: Clock) -> Self {
        Self {
            timers: Arc::new(Mutex::new(timers)),
            clock,
            changed: Arc::default(),
        }
    }

    /// Serves the interface and takes the name.
    ///
    /// # Errors
    /// Somebody else has the name, or the bus is gone.
    pub async fn serve(&self, connection: &Connection) -> zbus::Result<()> {
        connection
            .object_server()
            .at(PATH, Server(self.clone()))
            .await?;
        connection.request_name(NAME).await
    }

    /// Rings what is due, for ever. What an agent is to be told goes into `told`.
    pub async fn run(self, connection: Connection, told: mpsc::Sender<Told>) {
        loop {
            let due = self.lock().ring(self.now_ms());
            for timer in due {
                tokio::spawn(self.clone().ring(connection.clone(), told.clone(), timer));
            }
            let next = self.lock().next();
            let sleeping = async {
                match next {
                    Some(due) => {
                        let wait = Duration::from_millis(due.saturating_sub(self.now_ms()));
                        tokio::time::sleep(wait.min(NAP)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleeping => {}
                () = self.changed.notified() => {}
            }
        }
    }

    async fn ring(self, connection: Connection, told: mpsc::Sender<Told>, timer: Timer) {
        info!("{} {} goes off", timer.kind, timer.id);
        if let Ok(emitter) = SignalEmitter::new(&connection, PATH)
            && let Err(e) = Server::fired(&emitter, timer.clone()).await
        {
            warn!(
                "that {} {} went off was not announced: {e}",
                timer.kind, timer.id
            );
        }
        let words = words(&timer, &(self.clock)());
        if !timer.agent.is_empty() {
            let text = format!("{}: {}", words.summary, words.body);
            // The receiver ends only with the process.
            let _ = told.send((timer.agent.clone(), text)).await;
        }
        let since = tokio::time::Instant::now();
        while let Err(e) = show(&connection, &words).await {
            if since.elapsed() >= SHOWING {
                warn!("{} {} could not be shown: {e}", timer.kind, timer.id);
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        match self.lock().remove(timer.id) {
            // Taken back while it rang.
            Ok(_) | Err(Refused::Unknown(_)) => {}
            Err(e) => warn!("{} {} may go off again: {e}", timer.kind, timer.id),
        }
    }

    fn add(&self, kind: &str, agent: String, text: String, due: &Zoned) -> Result<Timer> {
        if text.len() > MOST_TEXT {
            return Err(Error::LimitReached(format!(
                "the text has {} bytes; the most is {MOST_TEXT}",
                text.len()
            )));
        }
        let added = self.lock().add(Timer {
            id: 0,
            kind: kind.to_owned(),
            agent,
            text: one_line(&text),
            set_ms: self.now_ms(),
            due_ms: milliseconds(due),
        });
        self.changed.notify_one();
        added.map_err(refused)
    }

    fn now_ms(&self) -> u64 {
        milliseconds(&(self.clock)())
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(why: Refused) -> Error {
    let text = why.to_string();
    match why {
        Refused::TooMany(_) => Error::LimitReached(text),
        Refused::Unknown(_) => Error::NotFound(text),
        Refused::NotKept(_) => Error::Failed(text),
    }
}

fn milliseconds(time: &Zoned) -> u64 {
    u64::try_from(time.timestamp().as_millisecond()).unwrap_or(0)
}

/// Agents write these; they are shown as one line.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.trim().to_owned()
}

/// What is shown when one goes off.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    summary: String,
    body: String,
}

fn words(timer: &Timer, now: &Zoned) -> Words {
    let local = |ms: u64| {
        i64::try_from(ms)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .map(|t| t.to_zoned(now.time_zone().clone()))
    };
    let mut body = if timer.text.is_empty() {
        local(timer.set_ms).map_or_else(
            || "Time is up".to_owned(),
            |set| format!("Time is up; set at {}", set.strftime("%H:%M")),
        )
    } else {
        timer.text.clone()
    };
    if milliseconds(now).saturating_sub(timer.due_ms) > LATE_MS
        && let Some(due) = local(timer.due_ms)
    {
        body = format!("{body} (was due {})", due.strftime("%Y-%m-%d %H:%M"));
    }
    let summary = match (timer.kind.as_str(), timer.agent.as_str()) {
        ("timer", "") => "Timer".to_owned(),
        ("timer", agent) => format!("Timer of {agent}"),
        (_, "") => "Reminder".to_owned(),
        (_, agent) => format!("Reminder of {agent}"),
    };
    Words { summary, body }
}

/// Shows a notification that stays until the person takes it away.
async fn show(connection: &Connection, words: &Words) -> zbus::Result<()> {
    let actions: [&str; 0] = [];
    let hints: HashMap<&str, zbus::Variant<'_>> = HashMap::new();
    connection
        .call_method(
            Some("org.freedesktop.Notifications"),
            "/org/freedesktop/Notifications",
            Some("org.freedesktop.Notifications"),
            "Notify",
            &(
                "ArgOS",
                0_u32,
                "",
                &words.summary,
                &words.body,
                &actions[..],
                hints,
                0_i32,
            ),
        )
        .await
        .map(|_| ())
}

struct Server(Service);

#[zbus::interface(name = "org.argos.Timers1")]
impl Server {
    async fn set_timer(&self, agent: String, duration: String, label: String) -> Result<Timer> {
        let due = when::after(&duration, &(self.0.clock)()).map_err(Error::InvalidArguments)?;
        self.0.add("timer", agent, label, &due)
    }

    async fn add_reminder(&self, agent: String, when: String, text: String) -> Result<Timer> {
        let due = when::at(&when, &(self.0.clock)()).map_err(Error::InvalidArguments)?;
        if text.trim().is_empty() {
            return Err(Error::InvalidArguments(
                "it does not say of what to remind".to_owned(),
            ));
        }
        self.0.add("reminder", agent, text, &due)
    }

    async fn list(&self) -> Result<Vec<Timer>> {
        Ok(self.0.lock().all())
    }

    async fn cancel(&self, id: u64) -> Result<()> {
        self.0.lock().remove(id).map_err(refused)?;
        self.0.changed.notify_one();
        Ok(())
    }

    #[zbus(signal)]
    async fn fired(emitter: &SignalEmitter<'_>, timer: Timer) -> zbus::Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(kind: &str, agent: &str, text: &str, due_ms: u64) -> Timer {
        Timer {
            id: 1,
            kind: kind.into(),
            agent: agent.into(),
            text: text.into(),
            set_ms: 0,
            due_ms,
        }
    }

    #[test]
    fn the_words_say_whose_it_is_and_whether_it_is_late() {
        let now = jiff::Timestamp::from_millisecond(3_600_000)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC);
        let told = |timer: &Timer| {
            let words = words(timer, &now);
            format!("{} / {}", words.summary, words.body)
        };
        assert_eq!(
            told(&timer("timer", "", "", 3_600_000)),
            "Timer / Time is up; set at 00:00"
        );
        assert_eq!(
            told(&timer("reminder", "scout", "Call Anna", 60_000)),
            "Reminder of scout / Call Anna (was due 1970-01-01 00:01)"
        );
        assert_eq!(one_line(" a\nb\u{7}c "), "a b c");
    }
}
