//! The part of CommonMark that answers of agents use: paragraphs, lists, headings, code, emphasis.
//!
//! Not a full parser: what it does not know is shown as it was written, never left out.

/// A block of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Running text.
    Paragraph(Vec<Span>),
    /// A heading.
    Heading(Vec<Span>),
    /// An item of a list and what stands before it (`•`, `3.`).
    Item(String, Vec<Span>),
    /// Lines to be shown exactly.
    Code(String),
}

/// Text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// How it is shown.
    pub style: Style,
}

/// How a span is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As ordinary text.
    Plain,
    /// Stronger.
    Strong,
    /// Exactly, in a fixed-width font.
    Code,
}

/// Splits `text` into blocks.
pub fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut lines = text.lines();
    fn end(paragraph: &mut String, blocks: &mut Vec<Block>) {
        if !paragraph.is_empty() {
            blocks.push(Block::Paragraph(spans(paragraph)));
            paragraph.clear();
        }
    }
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if let Some(fence) = ["```", "~~~"]
            .into_iter()
            .find(|fence| trimmed.starts_with(fence))
        {
            end(&mut paragraph, &mut blocks);
            let code: Vec<&str> = lines
                .by_ref()
                .take_while(|l| !l.trim_start().starts_with(fence))
                .collect();
            blocks.push(Block::Code(code.join("\n")));
        } else if trimmed.is_empty() {
            end(&mut paragraph, &mut blocks);
        } else if let Some(heading) = heading(trimmed) {
            end(&mut paragraph, &mut blocks);
            blocks.push(Block::Heading(spans(heading)));
        } else if let Some((mark, item)) = item(trimmed) {
            end(&mut paragraph, &mut blocks);
            blocks.push(Block::Item(mark, spans(item)));
        } else {
            if !paragraph.is_empty() {
                paragraph.push('\n');
            }
            paragraph.push_str(line.trim_end());
        }
    }
    end(&mut paragraph, &mut blocks);
    blocks
}

/// The text alone, a line for each block: for where there is room for one style only.
pub fn plain(text: &str) -> String {
    let whole = |spans: &[Span]| {
        spans
            .iter()
            .map(|span| span.text.as_str())
            .collect::<String>()
    };
    let blocks = parse(text);
    let lines = blocks.iter().map(|block| match block {
        Block::Paragraph(spans) | Block::Heading(spans) => whole(spans),
        Block::Item(mark, spans) => format!("{mark} {}", whole(spans)),
        Block::Code(code) => code.clone(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(' ')).then(|| rest.trim())
}

fn item(line: &str) -> Option<(String, &str)> {
    for mark in ["- ", "* ", "+ "] {
        if let Some(rest) = line.strip_prefix(mark) {
            return Some(("•".to_owned(), rest));
        }
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line[digits..].strip_prefix(". ")?;
    (1..=4)
        .contains(&digits)
        .then(|| (format!("{}.", &line[..digits]), rest))
}

/// Splits a line into spans: `` `code` `` and `**strong**`.
fn spans(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut rest = text;
    let mut plain = String::new();
    while !rest.is_empty() {
        let styled = [("`", Style::Code), ("**", Style::Strong)]
            .into_iter()
            .find_map(|(mark, style)| {
                let inner = rest.strip_prefix(mark)?;
                let end = inner.find(mark).filter(|end| *end > 0)?;
                Some((style, &inner[..end], &inner[end + mark.len()..]))
            });
        match styled {
            Some((style, inner, after)) => {
                if !plain.is_empty() {
                    spans.push(Span {
                        text: std::mem::take(&mut plain),
                        style: Style::Plain,
                    });
                }
                spans.push(Span {
                    text: inner.to_owned(),
                    style,
                });
                rest = after;
            }
            None => {
                let next = rest.chars().next().map_or(rest.len(), char::len_utf8);
                plain.push_str(&rest[..next]);
                rest = &rest[next..];
            }
        }
    }
    if !plain.is_empty() {
        spans.push(Span {
            text: plain,
            style: Style::Plain,
        });
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Span> {
        vec![Span {
            text: text.into(),
            style: Style::Plain,
        }]
    }

    #[test]
    fn blocks_are_told_apart() {
        let text =
            "# Title\nTwo\nlines.\n\n- one\n- two\n3. three\n```sh\nls  -l\n# no heading\n```\nEnd";
        assert_eq!(
            parse(text),
            [
                Block::Heading(plain("Title")),
                Block::Paragraph(plain("Two\nlines.")),
                Block::Item("•".into(), plain("one")),
                Block::Item("•".into(), plain("two")),
                Block::Item("3.".into(), plain("three")),
                Block::Code("ls  -l\n# no heading".into()),
                Block::Paragraph(plain("End")),
            ]
        );
    }

    #[test]
    fn styles_inside_a_line() {
        let spans = spans("see `~/Docs` and **this** *that* ä`");
        let seen: Vec<(&str, Style)> = spans.iter().map(|s| (s.text.as_str(), s.style)).collect();
        assert_eq!(
            seen,
            [
                ("see ", Style::Plain),
                ("~/Docs", Style::Code),
                (" and ", Style::Plain),
                ("this", Style::Strong),
                (" *that* ä`", Style::Plain),
            ]
        );
    }

    #[test]
    fn the_text_alone_has_no_marks() {
        let text = "# Found\nIn **letters/landlord.odt**, see `~/Docs`.\n- *.odt\n2. two";
        assert_eq!(
            super::plain(text),
            "Found\nIn letters/landlord.odt, see ~/Docs.\n• *.odt\n2. two"
        );
        assert_eq!(super::plain("2 * 3 and **open"), "2 * 3 and **open");
    }

    #[test]
    fn nothing_is_lost_where_marks_are_left_open() {
        for text in [
            "**open",
            "`open",
            "``",
            "****",
            "```\nnever closed",
            "#no",
            "-no",
            "1.no",
            "*",
        ] {
            let blocks = parse(text);
            assert!(!blocks.is_empty(), "{text:?}");
        }
    }
}
