//! Stop strings in a stream of text pieces: what might become one is held back.

/// Passes text on until a stop string appears.
#[derive(Debug)]
pub(super) struct StopFilter {
    stops: Vec<String>,
    held: String,
}

impl StopFilter {
    /// Empty stop strings are ignored.
    pub(super) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|s| !s.is_empty()).cloned().collect();
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes a piece; returns what may be shown now, and whether a stop string was reached. The stop
    /// string itself is not shown.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held += piece;
        if let Some(at) = self.stops.iter().filter_map(|s| self.held.find(s)).min() {
            let shown = self.held[..at].to_owned();
            self.held.clear();
            return (shown, true);
        }
        let keep = self
            .stops
            .iter()
            .map(|s| overlap(&self.held, s))
            .max()
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back when the stream ends.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// How many bytes at the end of `text` are a beginning of `stop`.
pub(super) fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(i, _)| i)
        .rev()
        .find(|i| text.ends_with(&stop[..*i]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "[ab\n]{0,30}",
            stops in proptest::collection::vec("[ab\n]{0,4}", 0..3),
            cuts in proptest::collection::vec(0usize..31, 0..6),
        ) {
            let at = stops.iter().filter(|s| !s.is_empty()).filter_map(|s| text.find(s.as_str())).min();
            let expected = &text[..at.unwrap_or(text.len())];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut filter = StopFilter::new(&stops);
            let (mut shown, mut stopped) = (String::new(), false);
            for pair in cuts.windows(2) {
                let (piece, stop) = filter.push(&text[pair[0]..pair[1]]);
                shown += &piece;
                if stop {
                    stopped = true;
                    break;
                }
            }
            if !stopped {
                shown += &filter.finish();
            }
            // A stop string that ends earlier may be met before one that begins earlier; either way
            // nothing of a stop string is shown.
            proptest::prop_assert_eq!(stopped, at.is_some());
            proptest::prop_assert!(shown.starts_with(expected) || expected.starts_with(&shown));
            for stop in stops.iter().filter(|s| !s.is_empty()) {
                proptest::prop_assert!(!shown.contains(stop.as_str()));
            }
        }
    }
}
