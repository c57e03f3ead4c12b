//! greetd's protocol from the greeter's side, as greetd-ipc(7) describes it.
//!
//! A message is its length, four bytes in the machine's order, and so many bytes of JSON. The
//! greeter asks one thing after the other, and each is answered by one message:
//!
//! | asked | answered |
//! |---|---|
//! | [`Request::CreateSession`], [`Request::PostAuthMessageResponse`] | a question or a message of PAM's, which wants a response; success, once all are answered; or an error |
//! | [`Request::StartSession`] | success: it starts when the greeter has ended; or an error |
//! | [`Request::CancelSession`] | success; after an error the session has to be cancelled before another is made |
//!
//! What greetd says is read on a thread of its own, so that its end is noticed although nothing was
//! asked. It is trusted with passwords, but not to be without faults: what is too long or is no
//! answer ends the connection.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::pam::Password;

/// The variable that names greetd's socket.
pub const VARIABLE: &str = "GREETD_SOCK";
/// The longest answer that is taken, in bytes.
const LONGEST: u32 = 64 << 10;
/// Room for a request with a password of the greatest length, each byte of it escaped: what is moved
/// to get more room stays in memory.
const ROOM: usize = 4096;
/// How long greetd may take to read what it is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a person answered; no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Password);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// What greetd is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Begins to log somebody in.
    CreateSession {
        /// The account.
        username: String,
    },
    /// Answers what PAM said.
    PostAuthMessageResponse {
        /// Nothing where it was no question.
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<Secret>,
    },
    /// Has the session start once the greeter has ended.
    StartSession {
        /// The words of a line for `sh`: greetd joins them with spaces.
        cmd: Vec<String>,
        /// Variables, each `NAME=value`.
        env: Vec<String>,
    },
    /// Gives up logging in.
    CancelSession,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Response {
    /// It is done.
    Success,
    /// It is not.
    Error {
        /// Whose fault it is.
        error_type: ErrorType,
        /// In words, though not in those of people.
        description: String,
    },
    /// PAM says something.
    AuthMessage {
        /// What is wanted for it.
        auth_message_type: Style,
        /// What it says.
        auth_message: String,
    },
}

/// Why something is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorType {
    /// Whoever wants to log in gave wrong answers.
    AuthError,
    /// Anything else.
    Error,
}

/// What PAM wants for what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// An answer that may be seen.
    Visible,
    /// An answer that may not.
    Secret,
    /// To be read.
    Info,
    /// To be read: something is wrong.
    Error,
}

/// What comes from the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The answer to what was asked last.
    Response(Response),
    /// Nothing comes any more: why.
    Gone(String),
}

/// Why nothing comes any more.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("greetd closed the connection")]
    Closed,
    #[error("greetd cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("greetd announces an answer of {0} bytes, and no answer has more than {LONGEST}")]
    TooLong(u32),
    #[error("greetd said what is no answer: {0}")]
    Malformed(serde_json::Error),
}

/// The connection to greetd.
#[derive(Debug)]
pub struct Daemon(UnixStream);

impl Daemon {
    /// Connects to the socket that greetd named in the environment. `tell` hears what it says.
    ///
    /// # Errors
    /// Why there is no greetd to talk to.
    pub fn connect(tell: impl Fn(Heard) + Send + 'static) -> Result<Self, String> {
        let path = std::env::var_os(VARIABLE).ok_or_else(|| {
            format!("{VARIABLE} is not set: greetd sets it for the greeter that it starts")
        })?;
        UnixStream::connect(&path)
            .and_then(|stream| Self::over(stream, tell))
            .map_err(|error| format!("greetd's socket {}: {error}", path.display()))
    }

    /// Talks over a socket that leads to greetd.
    ///
    /// # Errors
    /// The socket is broken, or there is no thread.
    pub fn over(stream: UnixStream, tell: impl Fn(Heard) + Send + 'static) -> io::Result<Self> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut from = stream.try_clone()?;
        std::thread::Builder::new()
            .name("greetd".into())
            .spawn(move || {
                loop {
                    match read(&mut from) {
                        Ok(response) => tell(Heard::Response(response)),
                        Err(broken) => return tell(Heard::Gone(broken.to_string())),
                    }
                }
            })?;
        Ok(Self(stream))
    }

    /// Asks for something; the answer comes from the thread.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub fn ask(&self, request: &Request) -> Result<(), String> {
        let message = message(request).map_err(|error| format!("no request: {error}"))?;
        (&self.0)
            .write_all(&message)
            .map_err(|error| format!("greetd cannot be asked: {error}"))
    }
}

fn message(request: &Request) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut message = Zeroizing::new(Vec::with_capacity(ROOM));
    message.extend([0; 4]);
    serde_json::to_writer(&mut *message, request)?;
    // A request is as long as what a person types and the settings say.
    let length = u32::try_from(message.len() - 4).unwrap_or(u32::MAX);
    message[..4].copy_from_slice(&length.to_ne_bytes());
    Ok(message)
}

fn read(from: &mut impl Read) -> Result<Response, Broken> {
    let broken = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Broken::Closed,
        _ => Broken::Unreadable(error),
    };
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(broken)?;
    let length = u32::from_ne_bytes(length);
    if length > LONGEST {
        return Err(Broken::TooLong(length));
    }
    let mut text = vec![0; length as usize];
    from.read_exact(&mut text).map_err(broken)?;
    serde_json::from_slice(&text).map_err(Broken::Malformed)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// A connection, greetd's end of it, and what the greeter hears.
    fn pair() -> (Daemon, UnixStream, Receiver<Heard>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_read_timeout(Some(LIMIT)).unwrap();
        let (tell, heard) = channel();
        // The test may have ended before the thread.
        let daemon = Daemon::over(ours, move |said| drop(tell.send(said))).unwrap();
        (daemon, theirs, heard)
    }

    fn say(to: &mut UnixStream, text: &str) {
        to.write_all(&(text.len() as u32).to_ne_bytes()).unwrap();
        to.write_all(text.as_bytes()).unwrap();
    }

    fn gone(heard: &Receiver<Heard>) -> String {
        match heard.recv_timeout(LIMIT).unwrap() {
            Heard::Gone(why) => why,
            said => panic!("{said:?}"),
        }
    }

    #[test]
    fn requests_are_as_the_protocol_has_them() {
        let (daemon, mut theirs, _heard) = pair();
        let answer = |text: &str| Some(Secret(Password::new(text.to_owned())));
        let requests = [
            Request::CreateSession {
                username: "ada".into(),
            },
            Request::PostAuthMessageResponse {
                response: answer("pass \"wörd\""),
            },
            Request::PostAuthMessageResponse { response: None },
            Request::StartSession {
                cmd: vec!["argos-session".into()],
                env: vec![],
            },
            Request::CancelSession,
        ];
        let texts = [
            r#"{"type":"create_session","username":"ada"}"#,
            r#"{"type":"post_auth_message_response","response":"pass \"wörd\""}"#,
            r#"{"type":"post_auth_message_response"}"#,
            r#"{"type":"start_session","cmd":["argos-session"],"env":[]}"#,
            r#"{"type":"cancel_session"}"#,
        ];
        for (request, expected) in requests.iter().zip(texts) {
            daemon.ask(request).unwrap();
            let mut length = [0; 4];
            theirs.read_exact(&mut length).unwrap();
            let mut text = vec![0; u32::from_ne_bytes(length) as usize];
            theirs.read_exact(&mut text).unwrap();
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }

    #[test]
    fn the_longest_password_is_written_without_being_moved() {
        let password = Secret(Password::new("\u{1}".repeat(511)));
        let request = Request::PostAuthMessageResponse {
            response: Some(password),
        };
        let message = message(&request).unwrap();
        assert!(message.len() > 6 * 511);
        assert_eq!(message.capacity(), ROOM);
    }

    #[test]
    fn answers_are_heard_in_their_order_and_then_the_end() {
        let (_daemon, mut theirs, heard) = pair();
        say(
            &mut theirs,
            r#"{"type":"auth_message","auth_message_type":"secret","auth_message":"Password: "}"#,
        );
        // What later versions add is no fault.
        say(&mut theirs, r#"{"type":"success","more":1}"#);
        say(
            &mut theirs,
            r#"{"type":"error","error_type":"auth_error","description":"no"}"#,
        );
        drop(theirs);
        let expected = [
            Response::AuthMessage {
                auth_message_type: Style::Secret,
                auth_message: "Password: ".into(),
            },
            Response::Success,
            Response::Error {
                error_type: ErrorType::AuthError,
                description: "no".into(),
            },
        ];
        for response in expected {
            let said = heard.recv_timeout(LIMIT).unwrap();
            assert_eq!(said, Heard::Response(response));
        }
        assert!(gone(&heard).contains("closed"));
        assert!(heard.recv().is_err(), "nothing after the end");
    }

    #[test]
    fn what_is_no_answer_is_the_end_and_costs_nothing() {
        for (bytes, why) in [
            (u32::MAX.to_ne_bytes().to_vec(), "4294967295 bytes"),
            ((LONGEST + 1).to_ne_bytes().to_vec(), "65537 bytes"),
            (framed("{"), "no answer"),
            (framed("[[[[[[[["), "no answer"),
            (framed(&"[".repeat(LONGEST as usize)), "no answer"),
            (framed(r#"{"type":"welcome"}"#), "no answer"),
            (
                framed(r#"{"type":"error","error_type":"auth_error"}"#),
                "no answer",
            ),
            (framed("\u{0}\u{0}"), "no answer"),
            (framed(""), "no answer"),
        ] {
            let (_daemon, mut theirs, heard) = pair();
            theirs.write_all(&bytes).unwrap();
            let said = gone(&heard);
            assert!(said.contains(why), "{said}");
        }
    }

    fn framed(text: &str) -> Vec<u8> {
        let mut bytes = (text.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(text.as_bytes());
        bytes
    }

    #[test]
    fn an_answer_that_breaks_off_is_the_end() {
        for cut in [1, 4, 10] {
            let (daemon, mut theirs, heard) = pair();
            theirs
                .write_all(&framed(r#"{"type":"success"}"#)[..cut])
                .unwrap();
            drop(theirs);
            assert!(gone(&heard).contains("closed"));
            let why = daemon.ask(&Request::CancelSession).unwrap_err();
            assert!(why.contains("cannot be asked"), "{why}");
        }
    }

    #[test]
    fn nothing_that_is_printed_has_the_answer() {
        let request = Request::PostAuthMessageResponse {
            response: Some(Secret(Password::new("hunter2".to_owned()))),
        };
        assert!(!format!("{request:?}").contains("hunter"));
    }
}
