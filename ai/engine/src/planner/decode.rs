//! From the graph's raw outputs to a ranking of tools and a text range for each argument.
//!
//! Pure: no graph and no tokenizer here, so that it is tested with made-up logits. What the ranges
//! mean is the business of [`super::values`], what is done about it of [`super::decide`].

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use super::config::{Argument, Config};
use super::values::{QUOTES, tail};

/// The graph's outputs for one request.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// One logit a tool: `[T]`.
    pub tool_logits: &'a [f32],
    /// One logit a slot and token, row after row: `[K, S]`.
    pub slot_start: &'a [f32],
    /// As `slot_start`, for the last token: `[K, S]`.
    pub slot_end: &'a [f32],
}

/// A tool's index in [`Config::tools`] and its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Index.
    pub tool: usize,
    /// Calibrated probability over all tools, also those that are not allowed.
    pub probability: f32,
}

/// Every tool, the likeliest first.
///
/// The softmax runs over all tools and not only over the allowed ones: if what is meant is not
/// allowed, the rest must stay unlikely instead of being blown up to certainty.
pub fn rank(config: &Config, logits: &[f32]) -> Vec<Ranked> {
    let scaled: Vec<f32> = logits.iter().map(|l| l / config.temperature).collect();
    let log_total = log_sum_exp(scaled.iter().copied());
    let mut ranked: Vec<_> = scaled
        .iter()
        .enumerate()
        .map(|(tool, l)| Ranked {
            tool,
            probability: (l - log_total).exp(),
        })
        .collect();
    ranked.sort_by(|a, b| {
        b.probability
            .total_cmp(&a.probability)
            .then(a.tool.cmp(&b.tool))
    });
    ranked
}

/// Where an argument stands in the request.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Bytes of the request; empty where the argument is absent.
    pub range: Range<usize>,
    /// Probability of exactly this range (or of absence).
    pub probability: f32,
    /// Other ranges that are not unlikely, and their probabilities. They may mean the same: `off` and `turn off`.
    pub others: Vec<(Range<usize>, f32)>,
}

/// Ranges less likely than this are not looked at.
const UNLIKELY: f32 = 0.01;

/// Finds the arguments of a tool in `request`. `offsets` are the byte ranges of its tokens; special
/// tokens have empty ones. Arguments do not overlap: the surest is placed first.
///
/// A required argument that the model holds absent is absent here as well: what to do about it is
/// for the caller to decide.
pub fn spans(
    config: &Config,
    arguments: &BTreeMap<String, Argument>,
    heads: Heads<'_>,
    request: &str,
    offsets: &[Range<usize>],
) -> BTreeMap<String, Span> {
    let length = offsets.len();
    let edges = Edges::new(request, offsets);
    let mut used = vec![false; length];
    let mut open: Vec<_> = arguments.iter().collect();
    let mut placed = BTreeMap::new();
    while !open.is_empty() {
        let mut best: Option<(usize, Located)> = None;
        for (i, (_, argument)) in open.iter().enumerate() {
            let row = config
                .slots
                .iter()
                .position(|s| *s == argument.slot)
                .unwrap_or(0)
                * length;
            let start = &heads.slot_start[row..row + length];
            let end = &heads.slot_end[row..row + length];
            let found = locate(start, end, &edges, &used, offsets);
            if best
                .as_ref()
                .is_none_or(|(_, b)| found.span.probability > b.span.probability)
            {
                best = Some((i, found));
            }
        }
        let Some((i, found)) = best else { break };
        if let Some(tokens) = found.tokens {
            used[tokens].fill(true);
            // What says more about a value is no other's: "downloads" in "move a.txt from downloads to music".
            let end = found.span.range.end;
            let more = end..end + tail(open[i].1.kind, &request[end..]);
            for (token, at) in used.iter_mut().zip(offsets) {
                *token |= at.start >= more.start && at.end <= more.end && !at.is_empty();
            }
        }
        placed.insert(open.remove(i).0.clone(), found.span);
    }
    placed
}

/// The slot that points at another request in the same sentence. Models without it know of none.
pub const NEXT: &str = "next";

/// Byte at which another request may begin in the same sentence, and how likely it does.
///
/// Only where it begins is asked: it ends where the sentence does.
pub fn next_request(
    config: &Config,
    heads: Heads<'_>,
    request: &str,
    offsets: &[Range<usize>],
) -> Option<(usize, f32)> {
    let row = config.slots.iter().position(|s| s == NEXT)? * offsets.len();
    let start = &heads.slot_start[row..row + offsets.len()];
    let edges = Edges::new(request, offsets);
    // The first word of a request is no second one.
    let first = offsets.iter().position(|o| !o.is_empty())?;
    let may = |i: usize| i == 0 || (edges.begins[i] && i > first);
    let total = log_sum_exp((0..start.len()).filter(|i| may(*i)).map(|i| start[i]));
    let best = (1..start.len())
        .filter(|i| may(*i))
        .max_by(|a, b| start[*a].total_cmp(&start[*b]))?;
    Some((offsets[best].start, (start[best] - total).exp()))
}

/// Which tokens may begin or end a value: neither words nor quotations are torn apart.
struct Edges {
    begins: Vec<bool>,
    ends: Vec<bool>,
}

impl Edges {
    fn new(request: &str, offsets: &[Range<usize>]) -> Self {
        let quoted = quotations(request);
        let torn = |at: usize| {
            inside_word(request, at) || quoted.iter().any(|q| q.start < at && at < q.end)
        };
        Self {
            begins: offsets
                .iter()
                .map(|o| !o.is_empty() && !torn(o.start))
                .collect(),
            ends: offsets
                .iter()
                .map(|o| !o.is_empty() && !torn(o.end))
                .collect(),
        }
    }
}

/// What holds the parts of a name together: `php8.3-fpm`, `wg-quick@wg0`, `~/src/a.c`, `9/14`.
const CONNECTORS: &str = "-._@#/\\+~=%&*$§:?";

/// What may stand at the beginning of a name as a part of it: `/etc`, `.bashrc`, `~/a`.
const LEADING: &str = "./\\~@$§*_";

/// Whether a value that begins or ends at byte `at` would tear a word or a name apart.
fn inside_word(request: &str, at: usize) -> bool {
    let Some((before, after)) = request.split_at_checked(at) else {
        return true;
    };
    let (Some(a), Some(b)) = (before.chars().next_back(), after.chars().next()) else {
        return false;
    };
    if a.is_whitespace() || b.is_whitespace() {
        return false;
    }
    if spaced(a) && spaced(b) {
        return true;
    }
    // "it's": a value may end before the apostrophe ("anna's"), but none begins behind it.
    let letter_before = before.chars().rev().nth(1).is_some_and(spaced);
    if matches!(a, '\'' | '’') && letter_before && spaced(b) {
        return true;
    }
    let connects = |c: &char| CONNECTORS.contains(*c);
    if !(connects(&a) || spaced(a)) || !(connects(&b) || spaced(b)) {
        return false;
    }
    // What stands around the connectors that `at` is among or next to.
    let left: Vec<char> = before.chars().rev().take_while(connects).collect();
    let right: Vec<char> = after.chars().take_while(connects).collect();
    let outer_left = before.chars().rev().nth(left.len());
    let outer_right = after.chars().nth(right.len());
    // A colon announces what follows, unless that is a number or a path.
    let announces = left.contains(&':') || right.contains(&':');
    let last = right.last().or(left.first()).copied();
    if announces && last == Some(':') && !outer_right.is_some_and(|c| c.is_ascii_digit()) {
        return false;
    }
    match (outer_left, outer_right) {
        (_, None) => false,
        (_, Some(r)) if !spaced(r) => false,
        (Some(l), Some(_)) if spaced(l) => true,
        // At the beginning of a name.
        _ => left.iter().chain(&right).all(|c| LEADING.contains(*c)),
    }
}

/// The inner ranges of what stands in quotation marks, unless that is all of the request.
pub(super) fn quotations(request: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = request[at..].chars().next() {
        let begin = at + c.len_utf8();
        let opens = request[..at].chars().next_back().is_none_or(|b| !spaced(b));
        let close = QUOTES
            .iter()
            .find(|pair| pair.0 == c && opens)
            .and_then(|pair| {
                // An apostrophe stands between letters; a mark that closes does not.
                request[begin..]
                    .match_indices(pair.1)
                    .map(|(n, _)| begin + n)
                    .find(|end| {
                        let next = request[end + pair.1.len_utf8()..].chars().next();
                        *end > begin && next.is_none_or(|n| !spaced(n))
                    })
            });
        at = match close {
            Some(end) => {
                found.push(begin..end);
                end + request[end..].chars().next().map_or(1, char::len_utf8)
            }
            None => begin,
        };
    }
    let whole = |q: &Range<usize>| {
        !request[..q.start].contains(spaced) && !request[q.end..].contains(spaced)
    };
    found.retain(|q| !whole(q));
    found
}

/// Whether a character belongs to a word of a script that puts spaces between words. Chinese,
/// Japanese and Korean do not, so there any character may begin a value.
fn spaced(c: char) -> bool {
    (c.is_alphanumeric() || c == '_') && !('\u{2E80}'..='\u{FFDC}').contains(&c) && c < '\u{20000}'
}

/// A range in bytes and in tokens; no tokens where the argument is absent.
struct Located {
    span: Span,
    tokens: Option<RangeInclusive<usize>>,
}

/// The likeliest range of one slot, or absence, which the model says by pointing at the first token.
fn locate(
    start: &[f32],
    end: &[f32],
    edges: &Edges,
    used: &[bool],
    offsets: &[Range<usize>],
) -> Located {
    let may_begin = |i: usize| i == 0 || (edges.begins[i] && !used[i]);
    let may_end = |i: usize| i == 0 || (edges.ends[i] && !used[i]);
    let indices = || 0..start.len();
    let start_total = log_sum_exp(indices().filter(|i| may_begin(*i)).map(|i| start[i]));
    let end_total = log_sum_exp(indices().filter(|i| may_end(*i)).map(|i| end[i]));
    // Beginning and end are told apart from each other; what they say together is only about those ranges that
    // there can be.
    let mut possible = vec![(start[0] - start_total + end[0] - end_total, None)];
    // Where a value may have begun that has not met another one's words since.
    let mut openings: Vec<usize> = Vec::new();
    for i in 1..start.len() {
        if used[i] || offsets[i].is_empty() {
            // A value does not reach over another one.
            openings.clear();
            continue;
        }
        if edges.begins[i] {
            openings.push(i);
        }
        if !edges.ends[i] {
            continue;
        }
        for first in openings.iter().copied() {
            let score = start[first] - start_total + end[i] - end_total;
            possible.push((score, Some((first, i))));
        }
    }
    let total = log_sum_exp(possible.iter().map(|(score, _)| *score));
    // The first of equals, so that absence wins where nothing speaks for a range.
    let best = possible
        .iter()
        .copied()
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .unwrap_or((0.0, None));
    let bytes = |(first, last): (usize, usize)| offsets[first].start..offsets[last].end;
    let likely = possible
        .iter()
        .filter(|(score, at)| *at != best.1 && score - total > UNLIKELY.ln())
        .filter_map(|(score, at)| at.map(|at| (bytes(at), (score - total).exp())));
    Located {
        span: Span {
            range: best.1.map_or(0..0, bytes),
            probability: (best.0 - total).exp(),
            others: likely.collect(),
        },
        tokens: best.1.map(|(first, last)| first..=last),
    }
}

/// Logarithm of the sum of exponentials, without overflow. `-inf` for nothing.
pub(crate) fn log_sum_exp(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let highest = values.clone().fold(f32::NEG_INFINITY, f32::max);
    if !highest.is_finite() {
        return highest;
    }
    highest + values.map(|v| (v - highest).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::super::test_data::*;
    use super::*;

    fn find(request: &str, tool: &str, marks: &[(&str, &str)]) -> BTreeMap<String, Option<String>> {
        let config = config();
        let made = made_up(&config, request, tool, 9.0, marks);
        let found = spans(
            &config,
            &config.tool_slots[tool],
            made.heads(),
            request,
            &made.offsets,
        );
        found
            .into_iter()
            .map(|(k, s)| {
                (
                    k,
                    (!s.range.is_empty()).then(|| request[s.range].to_owned()),
                )
            })
            .collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn ranking_is_a_probability_and_temperature_flattens_it() {
        let mut config = config();
        let logits: Vec<f32> = (0..config.tools.len()).map(|i| i as f32).collect();
        let ranked = rank(&config, &logits);
        assert_eq!(ranked[0].tool, config.tools.len() - 1);
        assert!((ranked.iter().map(|r| r.probability).sum::<f32>() - 1.0).abs() < 1e-5);
        config.temperature = 10.0;
        assert!(rank(&config, &logits)[0].probability < ranked[0].probability);
    }

    #[test]
    fn spans_are_found_and_absent_ones_are_empty() {
        let found = find(
            "find taxes in my documents",
            "files.search",
            &[("query", "taxes")],
        );
        assert_eq!(found["query"], some("taxes"));
        assert_eq!(found["path"], None);
    }

    #[test]
    fn arguments_do_not_overlap() {
        // Both slots point at the same words; the second has to go elsewhere or be absent.
        let found = find(
            "move a.txt to b.txt",
            "files.move",
            &[
                ("path", "a.txt"),
                ("destination", "a.txt"),
                ("destination", "b.txt"),
            ],
        );
        assert_eq!(found["from"], some("a.txt"));
        assert_eq!(found["to"], some("b.txt"));
    }

    #[test]
    fn words_stay_whole_and_text_is_cut_at_characters() {
        // `Straße` is cut into pieces by the made-up tokenizer; pointing at one gives the whole word.
        let request = "list the folder Straße🙂 now";
        let config = config();
        let mut made = made_up(&config, request, "files.list", 9.0, &[]);
        made.split_word(request, "Straße🙂", 3);
        made.point(&config, "path", request, "Straße🙂");
        let found = spans(
            &config,
            &config.tool_slots["files.list"],
            made.heads(),
            request,
            &made.offsets,
        );
        assert_eq!(&request[found["path"].range.clone()], "Straße🙂");
    }

    #[test]
    fn names_and_quotations_stay_whole() {
        // A value is asked for that begins or ends at each byte: where does that tear something apart?
        let edges = |request: &str| -> String {
            let quoted = quotations(request);
            let torn = |at: usize| {
                inside_word(request, at) || quoted.iter().any(|q| q.start < at && at < q.end)
            };
            let mut marked = String::new();
            for (at, c) in request.char_indices() {
                if at > 0 && !torn(at) {
                    marked.push('|');
                }
                marked.push(c);
            }
            marked.replace("| |", " ")
        };
        for (request, marked) in [
            ("php8.3-fpm wg-quick@wg0", "php8.3-fpm wg-quick@wg0"),
            ("anna's file.", "anna|'s file|."),
            ("cat /etc/fstab, ~/a.c!", "cat /etc/fstab|, ~/a.c|!"),
            ("scout: slide 9/14", "scout|: slide 9/14"),
            ("scout:go at 7:30", "scout|:|go at 7:30"),
            ("https://a.org/b?c=d", "https://a.org/b?c=d"),
            ("put \"oat milk\" in", "put \"|oat milk|\" in"),
            ("say 'don't go' now", "say '|don't go|' now"),
            ("it's 7:30", "it|'s 7:30"),
            ("\"open it\"", "\"|open it|\""),
            ("c++ and 打开", "c|+|+ and 打|开"),
        ] {
            let found = edges(request);
            assert_eq!(found, marked, "{request}");
        }
    }

    #[test]
    fn scripts_without_spaces_may_be_cut() {
        let request = "打开文件夹文档";
        let config = config();
        let mut made = made_up(&config, request, "files.list", 9.0, &[]);
        made.split_characters(request);
        made.point(&config, "path", request, "文档");
        let found = spans(
            &config,
            &config.tool_slots["files.list"],
            made.heads(),
            request,
            &made.offsets,
        );
        assert_eq!(&request[found["path"].range.clone()], "文档");
    }

    proptest::proptest! {
        #[test]
        fn any_logits_give_ranges_inside_the_request(
            request in "\\PC{1,40}",
            numbers in proptest::collection::vec(-20f32..20.0, 1..64),
        ) {
            let config = config();
            let mut made = made_up(&config, &request, "files.move", 0.0, &[]);
            for (i, v) in made.start.iter_mut().chain(made.end.iter_mut()).enumerate() {
                *v = numbers[i % numbers.len()] + (i as f32 * 0.7).sin();
            }
            let arguments = &config.tool_slots["files.move"];
            let found = spans(&config, arguments, made.heads(), &request, &made.offsets);
            proptest::prop_assert_eq!(found.len(), arguments.len());
            for span in found.values() {
                proptest::prop_assert!(request.get(span.range.clone()).is_some());
                proptest::prop_assert!((0.0..=1.0001).contains(&span.probability));
            }
            let (from, to) = (&found["from"].range, &found["to"].range);
            proptest::prop_assert!(from.is_empty() || to.is_empty() || from.end <= to.start || to.end <= from.start);
        }
    }
}
