//! Medians, and ratios against their bars.

/// The middle value; of an even number the upper of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of what was measured in the same round.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a / b).collect();
    median(&ratios)
}

/// Which side of the bar is good.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// Prints a ratio beside its bar; whether it holds.
pub(crate) fn judge(what: &str, value: f64, bar: Bar) -> bool {
    let (holds, sign, limit) = match bar {
        Bar::AtLeast(limit) => (value >= limit, "≥", limit),
        Bar::AtMost(limit) => (value <= limit, "≤", limit),
    };
    let verdict = if holds { "holds" } else { "MISSED" };
    println!("{what:<64} {value:>7.3}  bar {sign} {limit:<5} {verdict}");
    holds
}
