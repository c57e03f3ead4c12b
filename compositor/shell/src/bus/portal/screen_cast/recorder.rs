//! `argos-screencast`, the process that gives frames to PipeWire, as its parent sees it.
//!
//! It says what its streams are in lines (its own page has them), and ends when its input does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;

/// Names another program in its place.
const VARIABLE: &str = "ARGOS_SCREENCAST";
const PROGRAM: &str = "argos-screencast";
/// How long it may take until it has its streams.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the program is: beside this one, or where programs are.
///
/// # Errors
/// Why there is none.
pub(super) fn program() -> Result<PathBuf, String> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|own| own.with_file_name(PROGRAM));
    let there = |path: &PathBuf| path.is_file();
    match (named, beside) {
        (Some(named), _) if there(&named) => Ok(named),
        (Some(named), _) => Err(format!("{VARIABLE} is {}, which is no file", named.display())),
        (None, beside) => beside.filter(there).or_else(|| in_path(PROGRAM)).ok_or_else(|| {
            format!(
                "the screen cannot be recorded: {PROGRAM} is not installed; an image of the profile `portals` has it"
            )
        }),
    }
}

fn in_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&folders);
    folders.find_map(|folder| {
        let path = folder.join(name);
        path.is_file().then_some(path)
    })
}

/// A stream that PipeWire has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// Its node.
    pub(super) node: u32,
    /// Width and height in pixels.
    pub(super) size: (i32, i32),
}

/// What the process says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Stream(usize, Stream),
    Ended(usize),
}

impl Said {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let number = words.next()?.parse().ok()?;
        let said = match kind {
            "stream" => Self::Stream(
                number,
                Stream {
                    node: words.next()?.parse().ok()?,
                    size: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
                },
            ),
            "ended" => Self::Ended(number),
            _ => return None,
        };
        words.next().is_none().then_some(said)
    }
}

/// The process. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Recorder {
    _process: Child,
}

impl Recorder {
    /// Starts it, and waits for its streams: one for each source, in their order. The last thing that is returned
    /// comes when the process has ended.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn start(
        program: PathBuf,
        sources: Vec<String>,
        pointer: bool,
    ) -> Result<(Self, Vec<Stream>, oneshot::Receiver<()>), String> {
        let pointer = if pointer { "embedded" } else { "hidden" };
        let mut process = Command::new(&program)
            .args(["--pointer", pointer])
            .args(&sources)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let Some(output) = process.stdout.take() else {
            return Err(format!("{} has no output", program.display()));
        };
        let mut lines = BufReader::new(output).lines();
        let reading = streams(&mut lines, sources.len());
        let streams = match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Ok(streams)) => streams,
            Ok(Err(why)) => return Err(failed(&program, &why, &mut process).await),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                return Err(format!("{PROGRAM} has no streams after {seconds} seconds"));
            }
        };
        let (over, ended) = oneshot::channel();
        tokio::spawn(async move {
            // Each source that goes is said; the last one ends the process.
            while let Ok(Some(line)) = lines.next_line().await {
                tracing::debug!("{PROGRAM}: {line}");
            }
            // Who waited for it may be gone.
            let _ = over.send(());
        });
        Ok((Self { _process: process }, streams, ended))
    }
}

/// Reads until every stream is known.
async fn streams(
    lines: &mut Lines<BufReader<ChildStdout>>,
    count: usize,
) -> Result<Vec<Stream>, String> {
    let mut streams = vec![None; count];
    while streams.contains(&None) {
        let line = match lines.next_line().await {
            Ok(Some(line)) => line,
            Ok(None) => return Err("it ended".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        match Said::of(&line) {
            Some(Said::Stream(number, stream)) if number < count => streams[number] = Some(stream),
            Some(Said::Ended(_)) => return Err("what was chosen is gone".to_owned()),
            _ => return Err(format!("it said `{line}`")),
        }
    }
    Ok(streams.into_iter().flatten().collect())
}

/// Why a process gave no streams.
async fn failed(program: &Path, why: &str, process: &mut Child) -> String {
    let soon = tokio::time::timeout(Duration::from_secs(1), process.wait()).await;
    let program = program.display();
    match soon {
        // The dynamic linker's word for a library that is not there.
        Ok(Ok(status)) if status.code() == Some(127) => format!(
            "{program} cannot run ({status}): libpipewire-0.3 is missing, or another library; the log says which"
        ),
        Ok(Ok(status)) => format!("{program} gave no streams: {why} ({status}); the log says why"),
        _ => format!("{program} gave no streams: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_whole_or_not_at_all() {
        let stream = Stream {
            node: 51,
            size: (1280, 800),
        };
        assert_eq!(
            Said::of("stream 0 51 1280 800"),
            Some(Said::Stream(0, stream))
        );
        assert_eq!(Said::of("ended 3"), Some(Said::Ended(3)));
        for odd in [
            "",
            "stream",
            "stream 0 51 1280",
            "stream 0 51 1 2 3",
            "ended x",
            "begun 1",
        ] {
            assert_eq!(Said::of(odd), None, "{odd}");
        }
    }
}
