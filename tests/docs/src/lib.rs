//! The documentation as tests see it: pages, their fenced blocks, the commands and links in them.
//!
//! Whoever owns a parser holds the documentation to it, in its own tests: [`check`] hands it every
//! block of a kind. What a block is stands behind its language:
//!
//! ````text
//! ```yaml unit                 has to be taken
//! ```yaml unit fails           has to be refused; a comment in its first line is part of why
//! ```yaml unit name=console@   words with `=` are for the test, see Block::value
//! ````
//!
//! Blocks of `sh` are no examples of a format: their commands are parsed, never run ([`commands`]).
//! This crate knows no format and depends on nothing. It panics where a test should fail.

use std::path::{Path, PathBuf};

/// What a block of YAML or JSON can be. Each kind has a test beside its parser; a block of no kind
/// would be looked at by nobody.
pub const KINDS: [&str; 13] = [
    "agent",
    "audit",
    "compositor",
    "image",
    "memory",
    "model",
    "part",
    "sandbox",
    "shell",
    "theme",
    "tool-provider",
    "unit",
    "wallpaper",
];

/// One page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Path below the repository: `docs/units.md`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Page that it is on.
    pub page: String,
    /// Line of the page that it begins on, without the fence.
    pub line: usize,
    /// `yaml`, `sh`; empty where the fence says nothing.
    pub language: String,
    /// The words behind the language.
    pub words: Vec<String>,
    /// What is in it.
    pub text: String,
}

/// A command in a block of `sh`.
#[derive(Debug, Clone)]
pub struct Command {
    /// Page and line, for messages.
    pub place: String,
    /// The program and its arguments.
    pub words: Vec<String>,
}

/// A link to something in this repository.
#[derive(Debug, Clone)]
pub struct Link {
    /// Page and line, for messages.
    pub place: String,
    /// The file that is meant, the page itself for `#heading`.
    pub file: PathBuf,
    /// The heading that is meant, as its anchor.
    pub anchor: Option<String>,
}

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every page: those in `docs`, and those at the top.
pub fn pages() -> Vec<Page> {
    let mut pages = Vec::new();
    for folder in ["", "docs"] {
        let path = repository().join(folder);
        let entries = std::fs::read_dir(&path)
            .unwrap_or_else(|error| panic!("{}: cannot be listed: {error}", path.display()));
        for entry in entries.flatten() {
            let file = entry.path();
            if file.extension().is_some_and(|ending| ending == "md") {
                let name = Path::new(folder).join(entry.file_name());
                pages.push(page(&name.display().to_string()));
            }
        }
    }
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    pages
}

/// One page by its path below the repository.
pub fn page(name: &str) -> Page {
    let text = std::fs::read_to_string(repository().join(name))
        .unwrap_or_else(|error| panic!("{name}: cannot be read: {error}"));
    Page {
        name: name.to_owned(),
        text,
    }
}

/// Every block of a kind, on all pages. There is at least one.
pub fn blocks(kind: &str) -> Vec<Block> {
    assert!(KINDS.contains(&kind), "`{kind}` is not among KINDS");
    let pages = pages();
    let blocks = pages.iter().flat_map(Page::blocks);
    let blocks: Vec<_> = blocks.filter(|b| b.kind() == Some(kind)).collect();
    assert!(
        !blocks.is_empty(),
        "no page has a block of the kind `{kind}`"
    );
    blocks
}

/// Gives every block of a kind to its parser; what is marked `fails` has to be refused.
pub fn check(kind: &str, mut parse: impl FnMut(&Block) -> Result<(), String>) {
    let wrong: Vec<String> = blocks(kind)
        .iter()
        .filter_map(|block| {
            let place = block.place();
            match (parse(block), block.expected()) {
                (Ok(()), None) => None,
                (Err(why), None) => Some(format!("{place}: {why}")),
                (Ok(()), Some(_)) => Some(format!("{place}: `fails`, and is taken")),
                (Err(why), Some(part)) if why.contains(part) => None,
                (Err(why), Some(part)) => {
                    Some(format!("{place}: refused, but not for `{part}`: {why}"))
                }
            }
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// The commands of a program in blocks of `sh`, on all pages. There is at least one.
pub fn commands(program: &str) -> Vec<Command> {
    let mut found = Vec::new();
    for block in pages().iter().flat_map(Page::blocks) {
        if block.language != "sh" {
            continue;
        }
        for (at, line) in block.text.lines().enumerate() {
            for mut words in shell_words(line) {
                let is_before = |word: &String| word == "sudo" || word.contains('=');
                let skipped = words.iter().take_while(|word| is_before(word)).count();
                words.drain(..skipped);
                let name = words.first().and_then(|first| first.rsplit('/').next());
                if name == Some(program) {
                    let place = format!("{}:{}", block.page, block.line + at);
                    found.push(Command { place, words });
                }
            }
        }
    }
    assert!(!found.is_empty(), "no page shows a command of `{program}`");
    found
}

impl Page {
    /// Its fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in (1..).zip(self.text.lines()) {
            let fence = line.trim_start().strip_prefix("```");
            match (&mut open, fence) {
                (None, None) => {}
                (None, Some(info)) => {
                    let mut words = info.split_whitespace().map(str::to_owned);
                    open = Some(Block {
                        page: self.name.clone(),
                        line: number + 1,
                        language: words.next().unwrap_or_default(),
                        words: words.collect(),
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
        }
        assert!(open.is_none(), "{}: a fenced block does not end", self.name);
        blocks
    }

    /// Its links, apart from those that lead out of the repository.
    pub fn links(&self) -> Vec<Link> {
        let here = repository().join(&self.name);
        let folder = here.parent().unwrap_or(&here).to_owned();
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            // What stands in backticks is shown and leads nowhere.
            let plain: String = line.split('`').step_by(2).collect();
            for rest in plain.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                let (file, anchor) = match target.split_once('#') {
                    Some((file, anchor)) => (file, Some(anchor.to_owned())),
                    None => (target, None),
                };
                links.push(Link {
                    place: format!("{}:{number}", self.name),
                    file: if file.is_empty() {
                        here.clone()
                    } else {
                        folder.join(file)
                    },
                    anchor,
                });
            }
        }
        links
    }

    /// What its headings are linked to by.
    pub fn anchors(&self) -> Vec<String> {
        self.prose()
            .filter(|(_, line)| line.starts_with('#'))
            .map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
            .collect()
    }

    /// Its lines outside of fenced blocks, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fenced && !fence
        })
    }
}

impl Block {
    /// What it is, where it is one of [`KINDS`] or ought to be.
    pub fn kind(&self) -> Option<&str> {
        let is_data = matches!(self.language.as_str(), "yaml" | "json");
        self.words.first().filter(|_| is_data).map(String::as_str)
    }

    /// Page and line, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// The value of a word `KEY=VALUE`.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.words
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// Whether it has to be refused.
    pub fn must_fail(&self) -> bool {
        self.words.iter().any(|word| word == "fails")
    }

    /// A part of the message that refuses it; `None` if it has to be taken.
    fn expected(&self) -> Option<&str> {
        let comment = self.text.lines().next()?.strip_prefix("# ");
        self.must_fail().then(|| comment.unwrap_or_default())
    }
}

/// A heading's anchor, as code hosts make it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        })
        .collect()
}

/// The commands of a line, each as its words: quotes hold words together, `|`, `;`, `&`, `<` and
/// `>` end a command, `#` ends the line.
fn shell_words(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '<' | '>' | ' ') => {
                let last = commands.len() - 1;
                commands[last].extend(word.take());
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str) -> Page {
        Page {
            name: "docs/x.md".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn blocks_know_their_place_and_words() {
        let page =
            example("Text\n\n```yaml unit fails name=a@\n# why\nkind: x\n```\n```\nplain\n```\n");
        let blocks = page.blocks();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].place(), "docs/x.md:4");
        assert_eq!(blocks[0].kind(), Some("unit"));
        assert_eq!(blocks[0].value("name"), Some("a@"));
        assert_eq!(blocks[0].value("nam"), None);
        assert_eq!(blocks[0].expected(), Some("why"));
        assert_eq!(blocks[1].kind(), None);
        assert_eq!(blocks[1].text, "plain\n");
    }

    #[test]
    fn links_are_those_of_the_prose() {
        let page = example(
            "# A `b` C\n[x](y.md#z) [w](https://w) `[n](o)`\n```\n[n](o)\n```\n[s](#a-b-c)\n",
        );
        let links = page.links();
        assert_eq!(links.len(), 2, "{links:?}");
        assert!(links[0].file.ends_with("docs/y.md"));
        assert_eq!(links[0].anchor.as_deref(), Some("z"));
        assert!(links[1].file.ends_with("docs/x.md"));
        assert_eq!(page.anchors(), ["a-b-c"]);
    }

    #[test]
    fn commands_are_split_as_a_shell_does() {
        assert_eq!(
            shell_words("a 'b c' \"d\" '' | e>f # g"),
            [vec!["a", "b c", "d", ""], vec!["e"], vec!["f"]]
        );
    }

    #[test]
    fn every_block_has_a_language_and_data_has_a_kind() {
        for block in pages().iter().flat_map(Page::blocks) {
            let known = match block.language.as_str() {
                "sh" | "text" => true,
                "yaml" | "json" => block.kind().is_some_and(|kind| KINDS.contains(&kind)),
                _ => false,
            };
            assert!(
                known,
                "{}: write `sh`, `text`, or `yaml` or `json` and one of {}",
                block.place(),
                KINDS.join(", ")
            );
        }
    }
}
