//! `argos model bench`: how fast a language model reads and writes on this machine.
//!
//! The model runs in this process with the engine that the service has, so that nothing else is measured and
//! neither a bus nor special rights are needed. Prompts are random tokens: nothing of them can be remembered.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use argos_engine::causal::{CausalLm, Event, Limits, Options, Prompt, Request};
use argos_engine::library;
use argos_engine::registry::Kind;
use serde_json::{Value, json};

use super::import::unusable;
use super::store;
use crate::args::ModelBenchArgs;
use crate::failure::{Failure, Result, Status};
use crate::output::{Cell, Output, Tone};

pub(crate) fn run(out: Output, args: &ModelBenchArgs) -> Result {
    let folder = store::find(&args.model, args.directory.as_deref())?;
    let description = library::describe(&folder, None).map_err(unusable)?;
    if description.kind != Kind::CausalLm {
        let text = format!(
            "{} is a {}; only language models are measured",
            args.model, description.kind
        );
        return Err(Failure::new(Status::Failed, text));
    }
    super::find_runtime();
    let most = args.streams.iter().copied().max().unwrap_or(1);
    let context = args.prompt + args.tokens;
    let limits = Limits {
        slots: most,
        // One counts for a moment longer than it runs.
        requests: 2 * most,
        context: context + 1,
        // What is remembered would not be measured.
        prefix_bytes: 0,
        threads: args.threads,
        ..Limits::default()
    };
    let start = Instant::now();
    let model = CausalLm::load(&folder, &limits).map_err(unusable)?;
    let loaded = start.elapsed();
    if model.context() < context {
        let text = format!(
            "{} takes {} tokens together, and {} and {} are {context}",
            args.model,
            model.context(),
            args.prompt,
            args.tokens
        );
        return Err(Failure::new(Status::Failed, text).hint("smaller --prompt or --tokens"));
    }
    if model.slots() < most && !out.json {
        eprintln!(
            "argos: memory is short: {} of {most} streams run at once, the others wait",
            model.slots()
        );
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    // What is computed the first time only: memory is got, weights are packed.
    measure(
        &model,
        1,
        args.prompt.min(16),
        2.min(args.tokens.max(1)),
        &mut random,
    )?;
    let mut results = Vec::new();
    for &streams in &args.streams {
        let mut runs = Vec::new();
        for _ in 0..args.repeat {
            runs.push(measure(
                &model,
                streams,
                args.prompt,
                args.tokens,
                &mut random,
            )?);
        }
        results.push((streams, runs));
    }
    show(out, args, &model, loaded, &results)
}

/// What one run took, in tokens a second and milliseconds.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// All prompts, until the last stream had its first token.
    prefill: f64,
    /// All answers, from the last first token on. `None` where nothing came after it.
    decode: Option<f64>,
    /// Until a stream had its first token, the middle one of them.
    first_ms: f64,
    /// The whole of it.
    total_ms: f64,
}

/// Times at which a stream got tokens.
type Times = Vec<Duration>;

fn measure(
    model: &CausalLm,
    streams: usize,
    prompt: usize,
    tokens: usize,
    random: &mut Random,
) -> Result<Run> {
    let (sender, receiver) = channel();
    let prompts: Vec<Vec<u32>> = (0..streams)
        .map(|_| {
            (0..prompt)
                .map(|_| random.token(model.vocabulary()))
                .collect()
        })
        .collect();
    let start = Instant::now();
    for (at, tokens_in) in prompts.into_iter().enumerate() {
        let options = Options {
            max_tokens: Some(tokens),
            temperature: Some(0.0),
            ignore_stop_tokens: true,
            ..Options::default()
        };
        let request = Request {
            options,
            owner: at as u64,
            ..Request::new(Prompt::Tokens(tokens_in))
        };
        model
            .submit(request, sink(sender.clone(), start))
            .map_err(unusable)?;
    }
    drop(sender);
    let mut all: Vec<Times> = Vec::new();
    for stream in receiver {
        all.push(stream.map_err(unusable)?);
    }
    if all.len() < streams || all.iter().any(|times| times.len() != tokens) {
        let text = "the engine ended a stream early; nothing can be said of its speed";
        return Err(Failure::new(Status::Failed, text));
    }
    Ok(Run::of(&all, prompt))
}

/// Collects the times of a stream and sends them when it ends.
fn sink(
    sender: Sender<argos_engine::Result<Times>>,
    start: Instant,
) -> impl FnMut(Event) + Send + 'static {
    let mut times = Times::new();
    move |event| match event {
        Event::Text { .. } => times.push(start.elapsed()),
        Event::Finished(finished) => {
            // What was held back for half a character is given out at the end.
            times.resize(finished.completion_tokens, start.elapsed());
            let _ = sender.send(Ok(std::mem::take(&mut times)));
        }
        Event::Failed(error) => drop(sender.send(Err(error))),
    }
}

#[allow(clippy::cast_precision_loss)]
impl Run {
    fn of(streams: &[Times], prompt: usize) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let per_second =
            |tokens: usize, time: Duration| tokens as f64 / time.as_secs_f64().max(1e-9);
        let mut firsts: Vec<Duration> = streams.iter().filter_map(|t| t.first().copied()).collect();
        firsts.sort();
        let ends = streams.iter().filter_map(|t| t.last().copied());
        let total = ends.max().unwrap_or_default();
        let reading = firsts.last().copied().unwrap_or_default();
        let after = streams
            .iter()
            .flatten()
            .filter(|time| **time > reading)
            .count();
        Self {
            prefill: per_second(streams.len() * prompt, reading),
            decode: (after > 0).then(|| per_second(after, total.saturating_sub(reading))),
            first_ms: firsts.get(firsts.len() / 2).copied().map_or(0.0, ms),
            total_ms: ms(total),
        }
    }
}

/// Median, least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// `None` where there is no value.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => return None,
            n if n % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        Some(Self {
            median,
            least: values[0],
            most: values[values.len() - 1],
        })
    }

    fn json(self) -> Value {
        let short = |value: f64| (value * 100.0).round() / 100.0;
        json!({"median": short(self.median), "min": short(self.least), "max": short(self.most)})
    }

    fn text(self) -> String {
        format!("{:.1} ({:.1} to {:.1})", self.median, self.least, self.most)
    }
}

fn show(
    out: Output,
    args: &ModelBenchArgs,
    model: &CausalLm,
    loaded: Duration,
    results: &[(usize, Vec<Run>)],
) -> Result {
    let spreads = |runs: &[Run]| {
        let of =
            |value: fn(&Run) -> Option<f64>| Spread::of(runs.iter().filter_map(value).collect());
        [
            of(|r| Some(r.prefill)),
            of(|r| r.decode),
            of(|r| Some(r.first_ms)),
            of(|r| Some(r.total_ms)),
        ]
    };
    if out.json {
        let rows: Vec<_> = results
            .iter()
            .map(|(streams, runs)| {
                let [prefill, decode, first, total] = spreads(runs).map(|s| s.map(Spread::json));
                json!({"streams": streams, "prefill_tokens_per_second": prefill,
                    "decode_tokens_per_second": decode, "first_token_ms": first, "total_ms": total})
            })
            .collect();
        return out.value(&json!({
            "model": args.model,
            "prompt_tokens": args.prompt,
            "answer_tokens": args.tokens,
            "repeat": args.repeat,
            "slots": model.slots(),
            "load_ms": u64::try_from(loaded.as_millis()).unwrap_or(u64::MAX),
            "results": rows,
        }));
    }
    let about = format!(
        "{}: prompts of {} tokens, answers of {}, {} runs; loaded in {} ms",
        args.model,
        args.prompt,
        args.tokens,
        args.repeat,
        loaded.as_millis()
    );
    out.line(out.paint(&about, Tone::Faint))?;
    let rows: Vec<_> = results
        .iter()
        .map(|(streams, runs)| {
            let [prefill, decode, first, _] =
                spreads(runs).map(|s| s.map_or_else(|| "-".to_owned(), Spread::text));
            [
                Cell::from(streams.to_string()),
                prefill.into(),
                decode.into(),
                first.into(),
            ]
        })
        .collect();
    out.table(
        [
            "STREAMS",
            "PREFILL tokens/s",
            "DECODE tokens/s",
            "FIRST TOKEN ms",
        ],
        &rows,
    )
}

/// xorshift64*: the same prompts in every process, no two alike in one.
struct Random(u64);

impl Random {
    fn token(&mut self, below: usize) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        (high % below.max(1) as u64) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_spreads() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[]), None);
        let s = |median, least, most| {
            Some(Spread {
                median,
                least,
                most,
            })
        };
        assert_eq!(spread(&[3.0, 1.0, 2.0]), s(2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 2.0]), s(3.0, 2.0, 4.0));
    }

    #[test]
    fn speeds_are_those_of_the_clock() {
        let at = |ms: &[u64]| {
            ms.iter()
                .map(|t| Duration::from_millis(*t))
                .collect::<Times>()
        };
        // Two prompts of 10 tokens are read after 200 ms; four tokens follow in 100 ms.
        let run = Run::of(&[at(&[100, 250, 300]), at(&[200, 250, 300])], 10);
        assert!((run.prefill - 100.0).abs() < 1e-6, "{run:?}");
        assert!((run.decode.unwrap() - 40.0).abs() < 1e-6, "{run:?}");
        assert!((run.first_ms - 200.0).abs() < 1e-6 && (run.total_ms - 300.0).abs() < 1e-6);
        assert_eq!(Run::of(&[at(&[100])], 10).decode, None);
    }
}
