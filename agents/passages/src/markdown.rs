//! Markdown in passages.

use crate::Passage;

/// A passage ends with the first paragraph that makes it longer than this, in bytes.
const LONG: usize = 700;

/// A file in pieces: paragraphs, lists, tables and blocks of code together as long as they are short
/// and under one heading.
#[must_use]
pub fn passages(file: &str, text: &str) -> Vec<Passage> {
    let mut found = Vec::new();
    let mut section: Vec<String> = Vec::new();
    let mut open: Option<Passage> = None;
    let mut fence: Option<&str> = None;
    // The head of the table that the line is in: its names and the line below them.
    let mut head: Vec<&str> = Vec::new();
    let end = |open: &mut Option<Passage>, found: &mut Vec<Passage>| {
        if let Some(mut passage) = open.take() {
            passage.text.truncate(passage.text.trim_end().len());
            found.push(passage);
        }
    };
    for (number, line) in (1..).zip(text.lines()) {
        if fence.is_none()
            && let Some(level) = heading(line)
        {
            end(&mut open, &mut found);
            section.truncate(level - 1);
            section.push(line[level..].trim().to_owned());
            continue;
        }
        match fence {
            Some(mark) if line.trim() == mark => fence = None,
            None if line.starts_with("```") => fence = Some("```"),
            _ => {}
        }
        if line.trim().is_empty()
            && fence.is_none()
            && open.as_ref().is_none_or(|o| o.text.len() > LONG)
        {
            end(&mut open, &mut found);
            continue;
        }
        let row = fence.is_none() && line.starts_with('|');
        let mut text = String::new();
        if !row {
            head.clear();
        } else if head.len() < 2 {
            head.push(line);
        } else if open.as_ref().is_some_and(|open| open.text.len() > LONG) {
            // A long table goes on in another passage, under the same head.
            end(&mut open, &mut found);
            text = format!("{}\n{}\n", head[0], head[1]);
        }
        let passage = open.get_or_insert_with(|| Passage {
            source: file.to_owned(),
            section: section.clone(),
            line: Some(number),
            text,
            ..Passage::default()
        });
        passage.text.push_str(line);
        passage.text.push('\n');
    }
    end(&mut open, &mut found);
    found
}

fn heading(line: &str) -> Option<usize> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    ((1..=6).contains(&level) && line[level..].starts_with(' ')).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_goes_on_under_its_head() {
        let rows: String = (0..60)
            .map(|n| format!("| key{n} | {} |\n", "words ".repeat(4)))
            .collect();
        let found = passages(
            "a.md",
            &format!("# One\n\n| key | what |\n|---|---|\n{rows}\nafter\n"),
        );
        assert!(found.len() > 2);
        for passage in &found {
            assert!(
                passage.text.starts_with("| key | what |\n|---|---|\n| key"),
                "{passage:?}"
            );
            assert!(passage.text.len() < 2 * LONG);
        }
        assert!(found.last().unwrap().text.ends_with("after"));
    }

    #[test]
    fn passages_know_where_they_stand_and_code_is_no_heading() {
        let text = "# One\n\nfirst\n\n## Two\n\n```sh\n# no heading\n```\n\nlast\n### Three\nx\n## Four\ny\n";
        let found = passages("a.md", text);
        let told: Vec<(&str, Option<usize>, String)> = found
            .iter()
            .map(|p| (p.text.as_str(), p.line, p.section.join(">")))
            .collect();
        assert_eq!(
            told,
            [
                ("first", Some(3), "One".to_owned()),
                (
                    "```sh\n# no heading\n```\n\nlast",
                    Some(7),
                    "One>Two".to_owned()
                ),
                ("x", Some(13), "One>Two>Three".to_owned()),
                ("y", Some(15), "One>Four".to_owned()),
            ]
        );
    }
}
