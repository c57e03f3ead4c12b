//! Whether a password is the person's: PAM is asked, on a thread of its own.
//!
//! The locker runs as the person, so PAM's modules do as well: `pam_unix` has the set-group-id helper
//! `unix_chkpwd` look, which answers for the asker's own account alone. Whatever goes wrong is no
//! "yes": [`Verdict::Right`] is said only where PAM said it.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;

use nonstick::conv::Exchange;
use nonstick::{AuthnFlags, Conversation, ErrorCode, Transaction, TransactionBuilder};
use zeroize::Zeroizing;

/// PAM's name for the locker: the file in `/etc/pam.d`.
const SERVICE: &str = "argos-lock";
/// Where PAM looks for it.
const FOLDERS: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

/// A password, gone from memory with the value.
pub type Password = Zeroizing<String>;

/// What PAM says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the person's.
    Right,
    /// It is not.
    Wrong,
    /// Nobody knows: why.
    Broken(String),
}

/// What comes from the thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Whether the account has a password at all.
    Needs(bool),
    /// To a [`Checker::check`].
    Verdict(Verdict),
}

/// The thread's end for whoever asks.
#[derive(Debug)]
pub struct Checker(mpsc::Sender<Password>);

impl Checker {
    /// Starts the thread for `account`. It says first whether the account has a password, then a
    /// verdict for each check.
    pub fn start(account: String, tell: impl Fn(Answer) + Send + 'static) -> Self {
        let (passwords, asked) = mpsc::channel::<Password>();
        let started = std::thread::Builder::new()
            .name("pam".into())
            .spawn(move || {
                match ask(&account, None) {
                    (Verdict::Broken(why), _) => tell(Answer::Verdict(Verdict::Broken(why))),
                    // Let in without being asked for anything: there is no password.
                    (verdict, asked) => tell(Answer::Needs(asked || verdict != Verdict::Right)),
                }
                for password in asked {
                    tell(Answer::Verdict(ask(&account, Some(password)).0));
                }
            });
        if let Err(error) = started {
            tracing::error!("no thread to check passwords on: {error}");
        }
        Self(passwords)
    }

    /// Checks a password; the verdict comes as an [`Answer`]. Errors: the thread is gone.
    pub fn check(&self, password: Password) -> Result<(), String> {
        self.0
            .send(password)
            .map_err(|_| "the thread that checks passwords is gone".to_owned())
    }
}

/// Gives one password, to whatever PAM asks for without echo.
struct Once {
    password: Option<Password>,
    asked: Rc<Cell<bool>>,
}

impl Conversation for Once {
    fn communicate(&self, messages: &[Exchange<'_>]) {
        for message in messages {
            match (message, &self.password) {
                (Exchange::MaskedPrompt(question), password) => {
                    self.asked.set(true);
                    question.set_answer(match password {
                        Some(password) => Ok(password.as_str().into()),
                        None => Err(ErrorCode::ConversationError),
                    });
                }
                (Exchange::Info(said), _) => said.set_answer(Ok(())),
                (Exchange::Error(said), _) => said.set_answer(Ok(())),
                (other, _) => other.set_error(ErrorCode::ConversationError),
            }
        }
    }
}

/// What PAM says to a password, or to none; and whether it asked for one.
fn ask(account: &str, password: Option<Password>) -> (Verdict, bool) {
    let asked = Rc::new(Cell::new(false));
    let broken = |why: String| (Verdict::Broken(why), false);
    // Without its file PAM takes that of `other`, which denies: nobody would know why.
    if !FOLDERS
        .iter()
        .any(|folder| Path::new(folder).join(SERVICE).is_file())
    {
        return broken(format!("there is no {}/{SERVICE}", FOLDERS[0]));
    }
    let conversation = Once {
        password,
        asked: Rc::clone(&asked),
    };
    let started = TransactionBuilder::new_with_service(SERVICE)
        .username(account)
        .build(conversation);
    let verdict = match started {
        Ok(mut transaction) => match transaction.authenticate(AuthnFlags::empty()) {
            Ok(()) => Verdict::Right,
            Err(error) => verdict(error, asked.get()),
        },
        Err(error) => Verdict::Broken(format!("PAM does not start: {error}")),
    };
    (verdict, asked.get())
}

/// What an error of PAM's means.
fn verdict(error: ErrorCode, asked: bool) -> Verdict {
    match error {
        ErrorCode::AuthenticationError
        | ErrorCode::MaxTries
        | ErrorCode::PermissionDenied
        | ErrorCode::CredentialsInsufficient => Verdict::Wrong,
        // We gave no answer on purpose.
        ErrorCode::ConversationError | ErrorCode::AuthTokError if asked => Verdict::Wrong,
        other => Verdict::Broken(format!("PAM says: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for error in [
            ErrorCode::AuthenticationError,
            ErrorCode::AuthInfoUnavailable,
            ErrorCode::ConversationError,
            ErrorCode::Ignore,
            ErrorCode::Abort,
            ErrorCode::NewAuthTokRequired,
        ] {
            for asked in [false, true] {
                assert_ne!(verdict(error, asked), Verdict::Right, "{error}");
            }
        }
        assert_eq!(
            verdict(ErrorCode::AuthenticationError, true),
            Verdict::Wrong
        );
        assert!(matches!(
            verdict(ErrorCode::AuthInfoUnavailable, true),
            Verdict::Broken(_)
        ));
    }

    #[test]
    fn a_machine_without_the_service_says_so() {
        if FOLDERS
            .iter()
            .any(|folder| Path::new(folder).join(SERVICE).is_file())
        {
            // Here it is set up, and the booted image tries it with real passwords.
            return;
        }
        let (tell, told) = mpsc::channel();
        let checker = Checker::start("nobody".into(), move |answer| tell.send(answer).unwrap());
        checker.check(Password::new("secret".into())).unwrap();
        for _ in 0..2 {
            let answer = told
                .recv_timeout(std::time::Duration::from_secs(60))
                .unwrap();
            assert!(
                matches!(&answer, Answer::Verdict(Verdict::Broken(why)) if why.contains("argos-lock")),
                "{answer:?}"
            );
        }
    }
}
