//! Manual pages in passages, out of the plain text that `mandoc -T utf8` makes of them.
//!
//! That text has a heading in its first column (`.SH`) or its fourth (`.SS`), what stands under it five or
//! seven columns in, and what belongs to an option deeper. It is asked for in lines of [`WIDTH`] columns, so
//! that a paragraph is one line and whoever shows it breaks it.

use std::collections::HashMap;

use crate::Passage;

/// Columns of a line; the most that mandoc takes.
pub const WIDTH: usize = 1000;

/// The sections of the manual that answer questions of people: commands, files, overviews, administration.
/// Sections with a suffix (`7ssl`) belong to libraries.
pub const SECTIONS: [&str; 4] = ["1", "5", "7", "8"];

/// Headings that say nothing: most pages have them.
pub(crate) const ORDINARY: [&str; 9] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXAMPLES",
    "EXAMPLE",
    "FILES",
    "NOTES",
    "USAGE",
];

/// What no question is answered by.
const LEFT_OUT: [&str; 22] = [
    "ALGORITHM",
    "AUTHOR",
    "AUTHORS",
    "AVAILABILITY",
    "BUG REPORTS",
    "CAVEATS",
    "CLASSIFICATION",
    "COLOPHON",
    "COMPATIBILITY",
    "CONFORMING TO",
    "COPYRIGHT",
    "CREDENTIALS",
    "DISCLAIMER",
    "HISTORY",
    "LICENSE",
    "PORTABILITY",
    "REPORTING BUGS",
    "RETURN VALUES",
    "SEE ALSO",
    "SOURCE",
    "STANDARDS",
    "SUPPORT",
];

/// No passage is longer, in bytes: a list without a blank line is cut between two of its lines.
const LONGEST: usize = 1500;
/// Passages of one page. A page of more is split into longer ones; what stands beyond that is left out.
const MOST: usize = 60;

/// Pages that few ask for and that are reference from end to end, by how their names begin: programming
/// interfaces, terminals' codes, the kernel's traffic control and such. Their first [`BRIEF`] passages say
/// what they are for.
const BRIEFLY: [&str; 52] = [
    "arpd(",
    "bridge(",
    "captoinfo(",
    "cvtsudoers(",
    "dash(",
    "dcb",
    "debconf",
    "debugfs(",
    "devlink",
    "dpkg",
    "e2image(",
    "fc-cat(",
    "fc-pattern(",
    "fc-query(",
    "fc-scan(",
    "fc-validate(",
    "foot-ctlseqs(",
    "genl(",
    "greetd-ipc(",
    "infocmp(",
    "infotocap(",
    "init-d-script(",
    "invoke-rc.d(",
    "ip-fou(",
    "ip-ioam(",
    "ip-l2tp(",
    "ip-macsec(",
    "ip-mptcp(",
    "ip-mroute(",
    "ip-nexthop(",
    "ip-ntable(",
    "ip-sr(",
    "ip-token(",
    "ip-vrf(",
    "ip-xfrm(",
    "libaudit.conf(",
    "mawk-",
    "netconfig(",
    "perl(",
    "rdma",
    "scr_dump(",
    "semanage.conf(",
    "start-stop-daemon(",
    "sudo_logsrv",
    "sudo_plugin(",
    "sudoers_timestamp(",
    "tc",
    "terminfo(",
    "tic(",
    "tipc",
    "update-alternatives(",
    "vdpa",
];
const BRIEF: usize = 2;

/// Where a passage ends, in bytes.
#[derive(Clone, Copy)]
struct Bounds {
    /// Between two options where it is longer than this.
    options: usize,
    /// Between two paragraphs where it is longer than this.
    paragraphs: usize,
}

const BOUNDS: Bounds = Bounds {
    options: 400,
    paragraphs: 700,
};
/// Deepest column that a heading begins in, and longest heading.
const HEADING_COLUMN: usize = 4;
const LONGEST_HEADING: usize = 100;

/// The name of the page that a file holds: `foot.ini.5.gz` is `foot.ini(5)`. `None`: none of [`SECTIONS`].
#[must_use]
pub fn page_of(file: &str) -> Option<String> {
    let (name, section) = file.trim_end_matches(".gz").rsplit_once('.')?;
    let fits = !name.is_empty() && SECTIONS.contains(&section);
    fits.then(|| format!("{name}({section})"))
}

/// A page in pieces: its name and synopsis, and what stands under each heading.
#[must_use]
pub fn passages(page: &str, formatted: &str) -> Vec<Passage> {
    let lines = plain(formatted);
    let brief = BRIEFLY.iter().any(|name| page.starts_with(name));
    let most = if brief { BRIEF } else { MOST };
    let mut bounds = BOUNDS;
    loop {
        let mut found = split(page, &lines, bounds);
        if found.len() > most && !brief && bounds.options < LONGEST {
            bounds.options += bounds.options / 2;
            bounds.paragraphs = bounds.paragraphs.max(bounds.options).min(LONGEST);
            continue;
        }
        found.truncate(most);
        return found;
    }
}

fn split(page: &str, lines: &[String], bounds: Bounds) -> Vec<Passage> {
    let mut splitter = Splitter {
        source: page,
        title: title(lines),
        bounds,
        found: Vec::new(),
        open: None,
        section: Vec::new(),
        base: usize::MAX,
        tag: None,
    };
    let mut above: Option<&str> = None;
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let body = line.trim();
        if body.is_empty() {
            above = None;
            continue;
        }
        if indent <= HEADING_COLUMN && body.len() <= LONGEST_HEADING {
            splitter.heading(indent, body);
            above = None;
            continue;
        }
        let next = lines.get(at + 1).map_or("", String::as_str);
        let deeper = !next.trim().is_empty() && next.len() - next.trim_start().len() > indent;
        splitter.line(indent, body, above, deeper);
        above = Some(line);
    }
    splitter.end();
    splitter.found
}

/// Says of files' pages what the program is that they belong to, where their title names it: that `foot.ini`
/// is the configuration of `foot` tells nobody that `foot` is a terminal.
pub fn explain(passages: &mut [Passage]) {
    let mut programs: HashMap<String, String> = HashMap::new();
    for passage in passages.iter().filter(|p| !p.title.is_empty()) {
        if let Some((name, "1)" | "8)")) = passage.source.rsplit_once('(') {
            programs
                .entry(name.to_owned())
                .or_insert_with(|| passage.title.clone());
        }
    }
    for passage in passages.iter_mut().filter(|p| p.source.ends_with("(5)")) {
        let named = |c: char| c.is_alphanumeric() || "_.+-".contains(c);
        let title = passage.title.to_lowercase();
        let mut words = title.split(|c| !named(c));
        if let Some((name, told)) = words.find_map(|word| programs.get_key_value(word)) {
            passage.title = format!("{} ({name}: {told})", passage.title);
        }
    }
}

struct Splitter<'a> {
    source: &'a str,
    title: String,
    bounds: Bounds,
    found: Vec<Passage>,
    open: Option<Passage>,
    section: Vec<String>,
    /// Where text begins under this heading.
    base: usize,
    /// The option that deeper lines belong to.
    tag: Option<String>,
}

impl Splitter<'_> {
    fn heading(&mut self, indent: usize, text: &str) {
        // A page's name and how it is called are read together.
        let together = self.section == ["NAME"] && text == "SYNOPSIS";
        if together {
            if let Some(open) = &mut self.open {
                open.text.push('\n');
            }
            return;
        }
        self.end();
        self.section.truncate(usize::from(indent > 0));
        self.section.push(text.to_owned());
        self.base = usize::MAX;
        self.tag = None;
    }

    fn line(&mut self, indent: usize, body: &str, above: Option<&str>, deeper: bool) {
        if self
            .section
            .first()
            .is_none_or(|s| LEFT_OUT.contains(&s.as_str()))
        {
            return;
        }
        self.base = self.base.min(indent);
        let long = self.open.as_ref().map_or(0, |open| open.text.len());
        let starts = above.is_none();
        if long + body.len() > LONGEST
            || (starts
                && (long > self.bounds.paragraphs
                    || (long > self.bounds.options && indent == self.base)))
        {
            self.end();
        }
        if indent == self.base {
            self.tag = deeper.then(|| body.to_owned());
        }
        let open = self.open.get_or_insert_with(|| Passage {
            source: self.source.to_owned(),
            title: self.title.clone(),
            section: self.section.clone(),
            ..Passage::default()
        });
        if open.text.is_empty()
            && indent > self.base
            && let Some(tag) = &self.tag
        {
            open.section.push(cut(tag, LONGEST_HEADING).to_owned());
        }
        let goes_on = above.is_some_and(|above| {
            above.chars().count() > WIDTH * 9 / 10
                && above.len() - above.trim_start().len() == indent
        });
        if goes_on {
            open.text.pop();
            open.text.push(' ');
        } else {
            if starts && !open.text.is_empty() && !open.text.ends_with("\n\n") {
                open.text.push('\n');
            }
            let depth = indent.saturating_sub(self.base).min(24);
            open.text.extend(std::iter::repeat_n(' ', depth));
        }
        open.text.push_str(cut(body, LONGEST));
        open.text.push('\n');
    }

    fn end(&mut self) {
        if let Some(mut passage) = self.open.take() {
            passage.text.truncate(passage.text.trim_end().len());
            self.found.push(passage);
        }
    }
}

/// The lines between header and footer, without the marks of bold and underlined letters.
fn plain(formatted: &str) -> Vec<String> {
    let mut lines: Vec<String> = formatted.lines().map(unmarked).collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines.pop();
    let header = lines.iter().position(|line| !line.trim().is_empty());
    lines.drain(..header.map_or(0, |at| at + 1));
    lines
}

/// A terminal prints `a`, goes back and prints it again for a bold one, `_` first for an underlined one.
/// Wide gaps come of the wide lines.
fn unmarked(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut blanks = 0;
    for c in line.chars() {
        match c {
            '\u{8}' => {
                out.pop();
            }
            '\u{a0}' | ' ' => {
                blanks += 1;
                if blanks <= 24 || out.trim().is_empty() {
                    out.push(' ');
                }
                continue;
            }
            c if c.is_control() => {}
            c => out.push(c),
        }
        blanks = 0;
    }
    out
}

/// What stands behind the dash in the section NAME.
fn title(lines: &[String]) -> String {
    let name = lines
        .iter()
        .skip_while(|line| line.as_str() != "NAME")
        .skip(1);
    let name: Vec<&str> = name
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .map(|line| line.trim())
        .collect();
    let name = name.join(" ");
    let told = [" — ", " – ", " - "]
        .iter()
        .find_map(|dash| name.split_once(dash))
        .map_or("", |(_, told)| told);
    cut(told.trim(), 200).to_owned()
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
LAMP(1)                    General Commands Manual                    LAMP(1)

N\u{8}NA\u{8}AM\u{8}ME\u{8}E
     l\u{8}la\u{8}am\u{8}mp\u{8}p – switch the lamp

S\u{8}SY\u{8}YN\u{8}NO\u{8}OP\u{8}PS\u{8}SI\u{8}IS\u{8}S
     l\u{8}la\u{8}am\u{8}mp\u{8}p [-\u{8}-c\u{8}c _\u{8}c_\u{8}o_\u{8}l_\u{8}o_\u{8}u_\u{8}r]

DESCRIPTION
     LONG
     on one line.

OPTIONS
   Light
     -c colour
         Its colour.

         MORE

         It is red where none is named.

     -q
         Quiet.

SEE ALSO
     candle(1)

Debian                            May 1, 2025                         LAMP(1)
";

    fn page() -> Vec<Passage> {
        let long = "a word and another one, ".repeat(WIDTH / 24);
        let more = "still more of it. ".repeat(45);
        passages(
            "lamp(1)",
            &PAGE.replace("LONG", &long).replace("MORE", &more),
        )
    }

    #[test]
    fn a_page_is_split_at_its_headings_and_options() {
        let found = page();
        assert!(
            found
                .iter()
                .all(|p| p.source == "lamp(1)" && p.title == "switch the lamp" && p.line.is_none())
        );
        let told: Vec<(String, &str)> = found
            .iter()
            .map(|p| (p.section.join(">"), p.text.as_str()))
            .collect();
        assert_eq!(told[0].0, "NAME");
        assert_eq!(told[0].1, "lamp – switch the lamp\n\nlamp [-c colour]");
        // The line was broken because it was full, not because it ended.
        assert_eq!(told[1].0, "DESCRIPTION");
        assert!(told[1].1.ends_with("another one, on one line."), "{told:?}");
        assert_eq!(told[2].0, "OPTIONS>Light");
        assert!(
            told[2].1.starts_with("-c colour\n    Its colour."),
            "{told:?}"
        );
        // What goes on about an option says about which one.
        assert_eq!(told[3].0, "OPTIONS>Light>-c colour");
        assert!(told[3].1.contains("It is red"), "{told:?}");
        assert!(told.last().unwrap().1.contains("Quiet."));
        assert!(found.iter().all(|p| !p.text.contains("candle")), "{told:?}");
    }

    #[test]
    fn pages_are_named_by_their_files() {
        assert_eq!(page_of("foot.ini.5.gz").as_deref(), Some("foot.ini(5)"));
        assert_eq!(page_of("ls.1").as_deref(), Some("ls(1)"));
        for other in [
            "EVP_MD.7ssl.gz",
            "printf.3.gz",
            "README",
            ".1",
            "editrc.5edit",
        ] {
            assert_eq!(page_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_page_has_longer_passages() {
        let options: String = (0..400)
            .map(|n| format!("     -{n}\n         {}\n\n", "what it does. ".repeat(22)))
            .collect();
        let text = format!("X(1)\n\nNAME\n     x - y\n\nOPTIONS\n{options}\nend\n");
        let found = passages("x(1)", &text);
        assert_eq!(found.len(), MOST);
        assert!(found[1].text.len() > 2 * BOUNDS.options);
        // Reference that few ask for is named, no more.
        assert_eq!(passages("tc-x(8)", &text).len(), BRIEF);
    }

    #[test]
    fn a_file_says_whose_it_is() {
        let page = |source: &str, title: &str| Passage {
            source: source.into(),
            title: title.into(),
            ..Passage::default()
        };
        let mut passages = [
            page("foot(1)", "Wayland terminal emulator"),
            page("foot.ini(5)", "configuration file for foot(1)"),
            page("fstab(5)", "static information about the filesystems"),
            page("other(7)", "about foot"),
        ];
        explain(&mut passages);
        let titles: Vec<&str> = passages.iter().map(|p| p.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "Wayland terminal emulator",
                "configuration file for foot(1) (foot: Wayland terminal emulator)",
                "static information about the filesystems",
                "about foot",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn anything_is_split_and_bounded(text in "([ a-zé\u{8}-]{0,40}\n){0,60}", lines in 0usize..200) {
            let text = format!("{text}HEAD\n{}", "     a line of a list\n".repeat(lines));
            let found = passages("x(1)", &text);
            proptest::prop_assert!(found.len() <= MOST);
            for passage in found {
                proptest::prop_assert!(passage.text.len() <= 2 * LONGEST);
            }
        }
    }
}
