//! What was said, in one file: JSON lines, appended and synced one by one.
//!
//! A line that a power cut tore is ended and left where it is; reading skips what is no message. So
//! at most the message that was being written is lost, and it was never shown as sent.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use argos_bus::agents::ChatMessage;

/// Messages of one conversation that are kept in memory. All are kept on disk.
pub const KEPT: usize = 1000;
/// Longest line that is taken for a message, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// The conversations.
#[derive(Debug)]
pub struct Chat {
    path: PathBuf,
    file: File,
    last_id: u64,
    by_agent: HashMap<String, Vec<ChatMessage>>,
    skipped: usize,
}

impl Chat {
    /// Opens the file and reads what was said before.
    ///
    /// # Errors
    /// It cannot be made, read or written.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut chat = Self {
            path: path.to_owned(),
            file: file.try_clone()?,
            last_id: 0,
            by_agent: HashMap::new(),
            skipped: 0,
        };
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        let mut whole = true;
        loop {
            line.clear();
            if reader
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut line)?
                == 0
            {
                break;
            }
            whole = line.ends_with(b"\n");
            match serde_json::from_slice::<ChatMessage>(&line) {
                Ok(message) if whole => {
                    chat.last_id = chat.last_id.max(message.id);
                    chat.keep(message);
                }
                _ => chat.skipped += 1,
            }
        }
        if !whole {
            chat.file.seek(SeekFrom::End(0))?;
            chat.file.write_all(b"\n")?;
        }
        chat.file.sync_all()?;
        Ok(chat)
    }

    /// Lines of the file that were no messages.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Gives a message its number and writes it. It is on disk when this returns.
    ///
    /// # Errors
    /// It could not be written, and was not said then.
    pub fn say(&mut self, message: ChatMessage) -> std::io::Result<ChatMessage> {
        let message = ChatMessage {
            id: self.last_id + 1,
            ..message
        };
        let mut line = serde_json::to_vec(&message)?;
        line.push(b'\n');
        let before = self.file.metadata()?.len();
        if let Err(e) = self
            .file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
        {
            // Half a line would spoil the next one; if this fails too, reading mends it.
            let _ = self.file.set_len(before);
            return Err(std::io::Error::new(
                e.kind(),
                format!("{}: {e}", self.path.display()),
            ));
        }
        self.last_id = message.id;
        self.keep(message.clone());
        Ok(message)
    }

    /// The last `limit` messages of a conversation, oldest first.
    pub fn history(&self, agent: &str, limit: usize) -> Vec<ChatMessage> {
        let all = self.by_agent.get(agent).map_or(&[][..], Vec::as_slice);
        all[all.len().saturating_sub(limit)..].to_vec()
    }

    /// Messages of the person at the end of each conversation that have no answer.
    pub fn unanswered(&self) -> Vec<(String, u64)> {
        let mut open = Vec::new();
        for (agent, messages) in &self.by_agent {
            let answered: Vec<u64> = messages.iter().map(|m| m.in_reply_to).collect();
            open.extend(
                messages
                    .iter()
                    .rev()
                    .take(8)
                    .filter(|m| m.role == "person" && !answered.contains(&m.id))
                    .map(|m| (agent.clone(), m.id)),
            );
        }
        open.sort_by_key(|(_, id)| *id);
        open
    }

    fn keep(&mut self, message: ChatMessage) {
        let messages = self.by_agent.entry(message.agent.clone()).or_default();
        messages.push(message);
        if messages.len() > KEPT {
            messages.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, in_reply_to: u64, text: &str) -> ChatMessage {
        ChatMessage {
            id: 0,
            in_reply_to,
            agent: "steward".into(),
            role: role.into(),
            text: text.into(),
            when_ms: 1,
        }
    }

    #[test]
    fn numbers_rise_over_restarts_and_torn_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/chat.jsonl");
        let mut chat = Chat::open(&path).unwrap();
        assert_eq!(chat.say(message("person", 0, "one")).unwrap().id, 1);
        assert_eq!(chat.say(message("agent", 1, "two\nlines")).unwrap().id, 2);
        drop(chat);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"id\":3,\"in_")
            .unwrap();
        let mut chat = Chat::open(&path).unwrap();
        assert_eq!(chat.skipped(), 1);
        assert_eq!(chat.say(message("person", 0, "three")).unwrap().id, 3);
        let chat = Chat::open(&path).unwrap();
        let texts: Vec<String> = chat
            .history("steward", 10)
            .into_iter()
            .map(|m| m.text)
            .collect();
        assert_eq!(texts, ["one", "two\nlines", "three"]);
        assert_eq!(chat.history("steward", 1)[0].text, "three");
        assert_eq!(chat.unanswered(), [("steward".to_owned(), 3)]);
    }
}
