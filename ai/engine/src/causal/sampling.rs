//! Choosing the next token: penalties, temperature, top-k, top-p, min-p, a seed that makes it repeatable.
//!
//! The order is that of transformers: penalties on the logits, then the temperature, then top-k, top-p and
//! min-p on what is left. Log-probabilities are the model's own, before any of that.

use std::collections::HashMap;

use crate::planner::decode::log_sum_exp;
use crate::{Error, Result};

/// How tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest token always; 1 samples the model's own distribution.
    pub temperature: f32,
    /// Only the likeliest so many are considered; 0 means all.
    pub top_k: usize,
    /// Only the likeliest that have this probability together are considered, within 0 and 1.
    pub top_p: f32,
    /// Only those at least so likely as this part of the likeliest are considered, within 0 and 1; 0 is off.
    pub min_p: f32,
    /// Divides the logits of tokens that stand in prompt or answer already (multiplies negative ones);
    /// 1 is off. As in Keskar and others, "CTRL" (2019).
    pub repetition_penalty: f32,
    /// Subtracted once from the logits of tokens that stand in the answer already.
    pub presence_penalty: f32,
    /// Subtracted for each time that a token stands in the answer already.
    pub frequency_penalty: f32,
    /// Same seed, same answer; `None` is different every time.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 50,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        }
    }
}

impl Sampling {
    /// The same, if it makes sense.
    pub(super) fn checked(self) -> Result<Self> {
        if !(0.0..=5.0).contains(&self.temperature) {
            return Err(Error::InvalidArguments(format!(
                "temperature must be within 0 and 5, not {}",
                self.temperature
            )));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::InvalidArguments(format!(
                "top_p must be above 0 and at most 1, not {}",
                self.top_p
            )));
        }
        for (name, value, range) in [
            ("min_p", self.min_p, 0.0..=1.0),
            ("repetition_penalty", self.repetition_penalty, 0.1..=10.0),
            ("presence_penalty", self.presence_penalty, -2.0..=2.0),
            ("frequency_penalty", self.frequency_penalty, -2.0..=2.0),
        ] {
            if !range.contains(&value) {
                return Err(Error::InvalidArguments(format!(
                    "{name} must be within {} and {}, not {value}",
                    range.start(),
                    range.end()
                )));
            }
        }
        Ok(self)
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast and good enough to draw tokens with.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: Option<u64>) -> Self {
        // Without a seed the time will do: nothing secret depends on it.
        let now = || {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos() as u64)
        };
        Self(seed.unwrap_or_else(now))
    }

    /// Uniform within 0 and 1, 1 excluded.
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// Chooses the tokens of one answer.
#[derive(Debug)]
pub(super) struct Sampler {
    sampling: Sampling,
    random: Random,
    /// How often each token stands in the answer, and whether it stands in the prompt; only where a penalty
    /// asks for it.
    seen: HashMap<u32, u32>,
}

impl Sampler {
    pub(super) fn new(sampling: Sampling, prompt: &[u32]) -> Self {
        let mut seen = HashMap::new();
        if sampling.repetition_penalty != 1.0 {
            seen.extend(prompt.iter().map(|t| (*t, 0)));
        }
        Self {
            sampling,
            random: Random::new(sampling.seed),
            seen,
        }
    }

    /// The next token. `logits` are changed.
    pub(super) fn next(&mut self, logits: &mut [f32]) -> u32 {
        let s = &self.sampling;
        for (token, count) in &self.seen {
            let Some(logit) = logits.get_mut(*token as usize) else {
                continue;
            };
            *logit = if *logit > 0.0 {
                *logit / s.repetition_penalty
            } else {
                *logit * s.repetition_penalty
            };
            if *count > 0 {
                *logit -= s.presence_penalty + s.frequency_penalty * *count as f32;
            }
        }
        let token = choose(logits, s, &mut self.random) as u32;
        if s.repetition_penalty != 1.0 || s.presence_penalty != 0.0 || s.frequency_penalty != 0.0 {
            *self.seen.entry(token).or_default() += 1;
        }
        token
    }
}

/// Log-probability of `token`, and of the `count` likeliest, by the model's own distribution.
pub(super) fn log_probabilities(
    logits: &[f32],
    token: u32,
    count: usize,
) -> (f32, Vec<(u32, f32)>) {
    let total = log_sum_exp(logits.iter().copied());
    let of = |i: u32| {
        logits
            .get(i as usize)
            .map_or(f32::NEG_INFINITY, |l| l - total)
    };
    let mut likeliest: Vec<u32> = (0..logits.len() as u32).collect();
    let descending = |a: &u32, b: &u32| of(*b).total_cmp(&of(*a)).then(a.cmp(b));
    if count < likeliest.len() && count > 0 {
        likeliest.select_nth_unstable_by(count - 1, descending);
    }
    likeliest.truncate(count);
    likeliest.sort_unstable_by(descending);
    let top = likeliest.into_iter().map(|i| (i, of(i))).collect();
    (of(token), top)
}

/// The first of the greatest, NaN aside; 0 where there is nothing else. In two passes that take many numbers
/// at a time: it is asked for each token, of a hundred thousand numbers.
fn likeliest(logits: &[f32]) -> usize {
    const LANES: usize = 16;
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let mut greatest = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (most, value) in greatest.iter_mut().zip(chunk) {
            *most = if *value > *most { *value } else { *most };
        }
    }
    let all = greatest.iter().chain(rest).copied();
    let most = all.fold(f32::NEG_INFINITY, f32::max);
    let inside = |chunk: &[f32; LANES]| chunk.iter().fold(false, |found, l| found | (*l == most));
    let before = chunks.iter().position(inside).unwrap_or(chunks.len()) * LANES;
    let place = logits[before..].iter().position(|l| *l == most);
    place.map_or(0, |n| before + n)
}

/// The next token by its logits. NaN is never chosen; an empty slice gives 0.
pub(super) fn choose(logits: &[f32], sampling: &Sampling, random: &mut Random) -> usize {
    let logit = |i: usize| {
        if logits[i].is_nan() {
            f32::NEG_INFINITY
        } else {
            logits[i]
        }
    };
    let likeliest = likeliest(logits);
    if logits.is_empty() {
        return 0;
    }
    if sampling.temperature <= 0.0 || sampling.top_k == 1 || !logit(likeliest).is_finite() {
        return likeliest;
    }
    let mut candidates: Vec<usize> = (0..logits.len()).collect();
    let descending = |a: &usize, b: &usize| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b));
    if sampling.top_k > 0 && sampling.top_k < candidates.len() {
        candidates.select_nth_unstable_by(sampling.top_k - 1, descending);
        candidates.truncate(sampling.top_k);
    }
    candidates.sort_unstable_by(descending);
    let scaled: Vec<f32> = candidates
        .iter()
        .map(|i| logit(*i) / sampling.temperature)
        .collect();
    let total = log_sum_exp(scaled.iter().copied());
    let mut nucleus = Vec::new();
    let mut sum = 0.0;
    for s in scaled {
        let probability = (s - total).exp();
        // Descending: whoever follows is less likely still.
        if nucleus
            .first()
            .is_some_and(|first| probability < sampling.min_p * first)
        {
            break;
        }
        nucleus.push(probability);
        sum += probability;
        if sum >= sampling.top_p {
            break;
        }
    }
    let mut draw = random.unit() * sum;
    for (i, probability) in nucleus.iter().enumerate() {
        draw -= probability;
        if draw < 0.0 {
            return candidates[i];
        }
    }
    candidates[nucleus.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(logits: &[f32], sampling: Sampling) -> Vec<usize> {
        let mut random = Random::new(Some(7));
        let mut counts = vec![0; logits.len()];
        for _ in 0..10_000 {
            counts[choose(logits, &sampling, &mut random)] += 1;
        }
        counts
    }

    fn at(temperature: f32, top_k: usize, top_p: f32) -> Sampling {
        Sampling {
            temperature,
            top_k,
            top_p,
            ..Sampling::default()
        }
    }

    #[test]
    fn zero_temperature_is_greedy_and_ties_go_to_the_first() {
        assert_eq!(counts(&[1.0, 3.0, 3.0], at(0.0, 0, 1.0)), [0, 10_000, 0]);
        assert_eq!(
            counts(&[f32::NAN, -1.0, f32::NEG_INFINITY], at(0.0, 0, 1.0)),
            [0, 10_000, 0]
        );
        for place in 0..40 {
            let mut logits = [-2.0; 40];
            (logits[place], logits[39]) = (-1.0, -1.0);
            logits[(place + 3) % 39] = f32::NAN;
            assert_eq!(likeliest(&logits), place);
        }
        assert_eq!(likeliest(&[f32::NAN; 3]), 0);
    }

    #[test]
    fn samples_follow_the_distribution() {
        // Probabilities 0.1, 0.2, 0.7.
        let logits = [0.1f32.ln(), 0.2f32.ln(), 0.7f32.ln()];
        let found = counts(&logits, at(1.0, 0, 1.0));
        for (count, expected) in found.iter().zip([1000.0, 2000.0, 7000.0]) {
            assert!((*count as f64 - expected).abs() < 200.0, "{found:?}");
        }
        let colder = counts(&logits, at(0.5, 0, 1.0));
        assert!(colder[2] > found[2], "{colder:?}");
    }

    #[test]
    fn top_k_and_top_p_cut_the_tail() {
        let logits = [0.1f32.ln(), 0.2f32.ln(), 0.7f32.ln()];
        assert_eq!(counts(&logits, at(1.0, 2, 1.0))[0], 0);
        let nucleus = counts(&logits, at(1.0, 0, 0.8));
        assert_eq!(nucleus[0], 0);
        assert!(nucleus[1] > 1500);
        assert_eq!(counts(&logits, at(1.0, 0, 0.5)), [0, 0, 10_000]);
    }

    #[test]
    fn min_p_is_measured_by_the_likeliest() {
        let logits = [0.1f32.ln(), 0.2f32.ln(), 0.7f32.ln()];
        let with = |min_p| Sampling {
            min_p,
            ..at(1.0, 0, 1.0)
        };
        let found = counts(&logits, with(0.2));
        assert!(found[0] == 0 && found[1] > 1500, "{found:?}");
        assert_eq!(counts(&logits, with(0.5)), [0, 0, 10_000]);
    }

    #[test]
    fn penalties_count_what_was_said() {
        let said = |sampling: Sampling, prompt: &[u32]| {
            let mut sampler = Sampler::new(sampling, prompt);
            (0..4)
                .map(|_| sampler.next(&mut [1.0, 1.5, 1.9]))
                .collect::<Vec<_>>()
        };
        let plain = at(0.0, 0, 1.0);
        assert_eq!(said(plain, &[2]), [2, 2, 2, 2]);
        let presence = Sampling {
            presence_penalty: 0.5,
            ..plain
        };
        assert_eq!(said(presence, &[2]), [2, 1, 2, 2]);
        let frequency = Sampling {
            frequency_penalty: 0.3,
            ..plain
        };
        assert_eq!(said(frequency, &[]), [2, 2, 1, 2]);
        let repetition = Sampling {
            repetition_penalty: 1.5,
            ..plain
        };
        assert_eq!(said(repetition, &[2])[0], 1);
    }

    #[test]
    fn log_probabilities_are_the_models_own() {
        let logits = [0.1f32.ln() + 3.0, 0.2f32.ln() + 3.0, 0.7f32.ln() + 3.0];
        let (of, top) = log_probabilities(&logits, 0, 2);
        assert!((of - 0.1f32.ln()).abs() < 1e-5);
        assert_eq!(top.iter().map(|t| t.0).collect::<Vec<_>>(), [2, 1]);
        assert!((top[0].1 - 0.7f32.ln()).abs() < 1e-5);
        assert_eq!(log_probabilities(&logits, 1, 0).1, []);
        assert_eq!(log_probabilities(&logits, 1, 9).1.len(), 3);
    }

    #[test]
    fn seed_repeats() {
        let draw = |seed| {
            let mut random = Random::new(Some(seed));
            (0..20)
                .map(|_| choose(&[0.0; 100], &at(1.0, 0, 1.0), &mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
