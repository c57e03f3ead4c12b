//! `argos model run`: a conversation with a language model in the terminal.
//!
//! The AI service computes; this keeps the conversation and sends all of it each time. Ctrl-C ends an answer,
//! which stays in the conversation as far as it came; at the prompt it takes back the line. Without a terminal
//! standard input is one prompt.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use argos_bus::ai::Ai1Proxy;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{SignalKind, signal};

use super::store::failed;
use crate::args::ModelRunArgs;
use crate::bus;
use crate::failure::{Failure, Result, Status};
use crate::output::{Output, Tone, lines};

/// Longest prompt from standard input, in bytes.
const MAX_INPUT: u64 = 1 << 20;

/// Begins and ends a prompt of several lines.
const FENCE: &str = "\"\"\"";

/// Lines that are remembered for the next time.
const HISTORY: usize = 1000;

const HELP: &str = "\
  /system TEXT   what the model is told first; without TEXT show it, with - none
  /clear         begin anew
  /save FILE     write the conversation, as JSON
  /bye           leave (also Ctrl-D)
  \"\"\"            begin and end a text of several lines
  Ctrl-C         end the answer";

pub(crate) fn run(out: Output, args: ModelRunArgs) -> Result {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(chat(out, args))
}

async fn chat(out: Output, args: ModelRunArgs) -> Result {
    let prompt = args.prompt.join(" ");
    let talks = prompt.is_empty() && std::io::stdin().is_terminal();
    if talks && out.json {
        return Err(
            Failure::new(Status::Failed, "a conversation has no form as JSON")
                .hint("say the prompt behind the model's name"),
        );
    }
    let bus = bus::system().await?;
    let mut session = Session {
        ai: Ai1Proxy::new(&bus).await?,
        out,
        model: args.model,
        options: options(args.max_tokens, args.temperature, args.seed),
        system: args.system,
        messages: Vec::new(),
    };
    if talks {
        return session.talk().await;
    }
    let prompt = if prompt.is_empty() || prompt == "-" {
        let mut text = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_INPUT + 1)
            .read_to_end(&mut text)?;
        if text.len() as u64 > MAX_INPUT {
            let text = format!("standard input is longer than {MAX_INPUT} bytes");
            return Err(Failure::new(Status::Failed, text));
        }
        String::from_utf8_lossy(&text).trim().to_owned()
    } else {
        prompt
    };
    if prompt.is_empty() {
        return Err(Failure::new(Status::Failed, "there is nothing to answer"));
    }
    match session.say(prompt).await? {
        End::Whole => Ok(()),
        End::Stopped => Err(Failure::silent(Status::Interrupted)),
    }
}

/// Options of `Generate`, those alone that were given.
fn options(max_tokens: Option<u32>, temperature: Option<f64>, seed: Option<u64>) -> Value {
    let mut options = json!({});
    for (name, value) in [
        ("max_tokens", max_tokens.map(Value::from)),
        ("temperature", temperature.map(Value::from)),
        ("seed", seed.map(Value::from)),
    ] {
        if let Some(value) = value {
            options[name] = value;
        }
    }
    options
}

/// How an answer ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    /// By Ctrl-C.
    Stopped,
}

struct Session {
    ai: Ai1Proxy<'static>,
    out: Output,
    model: String,
    options: Value,
    system: Option<String>,
    /// Of person and model in turn.
    messages: Vec<Value>,
}

/// What a line at the prompt asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Nothing,
    Say(&'a str),
    /// A text of several lines begins with this.
    Begin(&'a str),
    Help,
    Clear,
    System(&'a str),
    Save(&'a str),
    Bye,
    Unknown(&'a str),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Self {
        let line = line.trim();
        if let Some(text) = line.strip_prefix(FENCE) {
            return match text.strip_suffix(FENCE) {
                Some(text) => Self::say(text),
                None => Self::Begin(text),
            };
        }
        let Some(command) = line.strip_prefix('/') else {
            return Self::say(line);
        };
        let (name, rest) = command
            .split_once(char::is_whitespace)
            .unwrap_or((command, ""));
        match (name, rest.trim()) {
            ("help" | "?", _) => Self::Help,
            ("clear", _) => Self::Clear,
            ("system", text) => Self::System(text),
            ("save", file) => Self::Save(file),
            ("bye" | "quit" | "exit", _) => Self::Bye,
            _ => Self::Unknown(name),
        }
    }

    fn say(text: &'a str) -> Self {
        match text.trim() {
            "" => Self::Nothing,
            text => Self::Say(text),
        }
    }
}

impl Session {
    /// Reads lines and answers them until the person leaves.
    async fn talk(&mut self) -> Result {
        let configuration = rustyline::Config::builder()
            .max_history_size(HISTORY)
            .and_then(|b| b.history_ignore_dups(true))
            .map_err(terminal)?
            .history_ignore_space(true)
            .auto_add_history(true)
            .build();
        let mut editor = DefaultEditor::with_config(configuration).map_err(terminal)?;
        let history = history_file();
        if let Some(file) = &history {
            // There is none the first time.
            let _ = editor.load_history(file);
        }
        self.out.line(
            self.out
                .paint("/help says what there is; Ctrl-D leaves", Tone::Faint),
        )?;
        let left = self.lines(&mut editor).await;
        if let Some(file) = &history {
            remember(&mut editor, file);
        }
        left
    }

    async fn lines(&mut self, editor: &mut DefaultEditor) -> Result {
        loop {
            let line = match editor.readline("> ") {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => return Ok(()),
                Err(e) => return Err(terminal(e)),
            };
            let said = match Line::parse(&line) {
                Line::Nothing => continue,
                Line::Say(text) => text.to_owned(),
                Line::Begin(first) => match several(editor, first)? {
                    Some(text) => text,
                    None => continue,
                },
                Line::Bye => return Ok(()),
                Line::Help => {
                    self.out.line(HELP)?;
                    continue;
                }
                Line::Clear => {
                    self.messages.clear();
                    self.out.line("forgotten")?;
                    continue;
                }
                Line::System(text) => {
                    match text {
                        "" => {}
                        "-" => self.system = None,
                        text => self.system = Some(text.to_owned()),
                    }
                    let told = self.system.as_deref().unwrap_or("nothing is said first");
                    self.out.line(lines(told))?;
                    continue;
                }
                Line::Save(file) => {
                    match self.save(file) {
                        Ok(()) => self.out.line(format!("saved in {file}"))?,
                        Err(failure) => crate::complain(&failure),
                    }
                    continue;
                }
                Line::Unknown(name) => {
                    self.out.line(format!(
                        "there is no /{}; /help says what there is",
                        lines(name)
                    ))?;
                    continue;
                }
            };
            match self.say(said).await {
                Ok(_) => {}
                // The conversation goes on without what could not be answered.
                Err(failure) if failure.is_broken_pipe() => return Err(failure),
                Err(failure) => crate::complain(&failure),
            }
        }
    }

    /// Has the conversation with `text` answered. What fails leaves the conversation as it was.
    async fn say(&mut self, text: String) -> Result<End> {
        self.messages.push(json!({"role": "user", "content": text}));
        let mut answer = String::new();
        let result = self.answer(&mut answer).await;
        match &result {
            Ok(End::Stopped) if answer.is_empty() => drop(self.messages.pop()),
            Ok(_) => self
                .messages
                .push(json!({"role": "assistant", "content": answer})),
            Err(_) => drop(self.messages.pop()),
        }
        result
    }

    async fn answer(&self, answer: &mut String) -> Result<End> {
        let first = self
            .system
            .iter()
            .map(|text| json!({"role": "system", "content": text}));
        let messages: Vec<Value> = first.chain(self.messages.iter().cloned()).collect();
        let messages = json!(messages).to_string();
        let options = self.options.to_string();
        // From here on Ctrl-C is for the answer.
        let mut interrupts = signal(SignalKind::interrupt())?;
        let (reader, writer) = std::io::pipe()?;
        let writer = std::os::fd::OwnedFd::from(writer);
        let asked = self
            .ai
            .generate(&self.model, &messages, &options, writer.into());
        tokio::select! {
            asked = asked => asked?,
            // The service sees that nobody reads.
            _ = interrupts.recv() => return self.stopped(),
        }
        let reader = Receiver::from_owned_fd(reader.into())?;
        let mut events = BufReader::new(reader).lines();
        loop {
            let line = tokio::select! {
                line = events.next_line() => line?,
                _ = interrupts.recv() => return self.stopped(),
            };
            let Some(line) = line else {
                return Err(super::cut_off());
            };
            let event: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
            super::show_event(self.out, &event)?;
            if let Some(text) = event["text"].as_str() {
                answer.push_str(text);
            }
            if let Some(done) = event.get("done") {
                self.ended(done)?;
                return Ok(End::Whole);
            }
        }
    }

    fn stopped(&self) -> Result<End> {
        self.newline()?;
        Ok(End::Stopped)
    }

    fn ended(&self, done: &Value) -> Result {
        self.newline()?;
        if done["reason"] == "length" && std::io::stderr().is_terminal() {
            let tokens = &done["completion_tokens"];
            eprintln!(
                "(the answer ends here after {tokens} tokens: --max-tokens, or the context is full)"
            );
        }
        Ok(())
    }

    fn newline(&self) -> Result {
        if self.out.json {
            Ok(())
        } else {
            self.out.line("")
        }
    }

    fn save(&self, file: &str) -> Result {
        if file.is_empty() {
            return Err(Failure::new(
                Status::Failed,
                "/save needs the name of a file",
            ));
        }
        let path = Path::new(file);
        let value = json!({"model": self.model, "system": self.system, "messages": self.messages});
        let mut text = serde_json::to_vec_pretty(&value).map_err(std::io::Error::from)?;
        text.push(b'\n');
        // A conversation is nobody else's business, and nothing is written over.
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(&text))
            .map_err(|e| failed("cannot write", path, &e))
    }
}

/// Reads on to the closing fence; `None` where the person took it back.
fn several(editor: &mut DefaultEditor, first: &str) -> Result<Option<String>> {
    let mut text = first.to_owned();
    loop {
        let line = match editor.readline("… ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(None),
            Err(e) => return Err(terminal(e)),
        };
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(last) = line.trim_end().strip_suffix(FENCE) {
            text.push_str(last);
            let text = text.trim().to_owned();
            return Ok(Some(text).filter(|text| !text.is_empty()));
        }
        text.push_str(&line);
    }
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::new(Status::Failed, format!("the terminal failed: {error}"))
}

/// Where lines are remembered: the person's state, as the XDG base directories have it.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("argos/model-history"))
}

/// Writes the history; where that fails the next time begins without it.
fn remember(editor: &mut DefaultEditor, file: &Path) {
    let folder = file.parent().unwrap_or(Path::new("/"));
    if std::fs::create_dir_all(folder).is_ok() {
        let _ = editor.save_history(file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_or_are_commands() {
        for (line, meant) in [
            ("  hello ", Line::Say("hello")),
            ("", Line::Nothing),
            ("\"\"\"one\"\"\"", Line::Say("one")),
            ("\"\"\"one", Line::Begin("one")),
            ("\"\"\"", Line::Begin("")),
            ("/system You are brief. ", Line::System("You are brief.")),
            ("/system", Line::System("")),
            ("/save a b.json", Line::Save("a b.json")),
            ("/clear", Line::Clear),
            ("/bye", Line::Bye),
            ("/?", Line::Help),
            ("/etc/passwd is what?", Line::Unknown("etc/passwd")),
        ] {
            assert_eq!(Line::parse(line), meant, "{line:?}");
        }
    }

    #[test]
    fn only_what_was_given_is_an_option() {
        assert_eq!(options(None, None, None), json!({}));
        assert_eq!(
            options(Some(3), Some(0.0), None),
            json!({"max_tokens": 3, "temperature": 0.0})
        );
    }
}
