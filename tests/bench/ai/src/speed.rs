//! Prefill, decoding, many streams, memory and loading.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::engine::{Engine, Memory, Order, Single, Streams};
use crate::table::{Bar, judge, median, ratio};
use crate::{Common, tokens};

/// The peer that takes requests as they come, of any length. On a processor the others batch only prompts of one
/// length that begin together and end together: no server can be made of that.
const SERVER: &str = "llama.cpp";

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Folder that `peers/install` filled.
    #[arg(long)]
    peers: PathBuf,
    /// `int4`, `fp32`.
    #[arg(long, value_delimiter = ',', default_values_t = ["int4".to_owned(), "fp32".to_owned()])]
    precisions: Vec<String>,
    /// Tokens of the single prompt.
    #[arg(long, default_value_t = 256)]
    prompt: usize,
    /// Tokens of every answer.
    #[arg(long, default_value_t = 128)]
    new: usize,
    /// How many streams at once.
    #[arg(long, value_delimiter = ',', default_values_t = [8, 32])]
    streams: Vec<usize>,
}

/// Many streams at once.
#[derive(Debug, Clone, Copy)]
struct Load {
    streams: usize,
    /// Tokens that all prompts begin with.
    shared: usize,
    /// Tokens after them.
    own: usize,
}

const LOADS: [Load; 4] = [
    Load {
        streams: 8,
        shared: 0,
        own: 32,
    },
    Load {
        streams: 8,
        shared: 256,
        own: 32,
    },
    Load {
        streams: 32,
        shared: 0,
        own: 32,
    },
    Load {
        streams: 32,
        shared: 256,
        own: 32,
    },
];

impl Options {
    fn loads(&self) -> impl Iterator<Item = (usize, &'static Load)> {
        let wanted = |(_, load): &(usize, &Load)| self.streams.contains(&load.streams);
        LOADS.iter().enumerate().filter(wanted)
    }
}

impl Load {
    /// Every round's are new, so that nobody remembers them.
    fn prompts(self, round: usize) -> Vec<Vec<u32>> {
        let beginning = tokens(1000 + round, self.shared);
        (0..self.streams)
            .map(|n| {
                let mut prompt = beginning.clone();
                prompt.extend(tokens(2000 + round * 64 + n, self.own));
                prompt
            })
            .collect()
    }

    fn title(self) -> String {
        let Self {
            streams,
            shared,
            own,
        } = self;
        if shared == 0 {
            format!("{streams} streams, {own} tokens")
        } else {
            format!("{streams} streams, {shared} shared + {own} tokens")
        }
    }
}

/// What one engine did, by round.
#[derive(Debug)]
struct Seen {
    engine: Engine,
    prefill: Vec<f64>,
    decode: Vec<f64>,
    /// Tokens a second from asking to the last token: of a short prompt alone, then of each load.
    alone: Vec<f64>,
    through: [Vec<f64>; LOADS.len()],
    /// Median and longest time to the first token.
    first: [Vec<(f64, f64)>; LOADS.len()],
}

impl Seen {
    fn new(engine: Engine) -> Self {
        Self {
            engine,
            prefill: Vec::new(),
            decode: Vec::new(),
            alone: Vec::new(),
            through: Default::default(),
            first: Default::default(),
        }
    }

    fn single(&mut self, prompt: Vec<u32>, new: usize) -> Result<()> {
        let length = prompt.len() as f64;
        let found: Single = self.engine.ask(&Order::Single { prompt, new })?;
        self.prefill.push(length / found.first_s);
        self.decode.push((new - 1) as f64 / found.decode_s);
        Ok(())
    }

    fn alone(&mut self, prompt: Vec<u32>, new: usize) -> Result<()> {
        let found: Single = self.engine.ask(&Order::Single { prompt, new })?;
        self.alone
            .push(new as f64 / (found.first_s + found.decode_s));
        Ok(())
    }

    fn load(&mut self, which: usize, prompts: Vec<Vec<u32>>, new: usize) -> Result<()> {
        let count = prompts.len() * new;
        let found: Streams = self.engine.ask(&Order::Streams { prompts, new })?;
        self.through[which].push(count as f64 / found.total_s);
        let longest = found.first_s.iter().copied().fold(0.0, f64::max);
        self.first[which].push((median(&found.first_s), longest));
        Ok(())
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut holds = true;
    for shape in &options.common.shapes {
        for precision in &options.precisions {
            holds &= measure(options, shape, precision)?;
        }
    }
    Ok(holds)
}

fn measure(options: &Options, shape: &str, precision: &str) -> Result<bool> {
    let Options { common, peers, .. } = options;
    let folder = common.models.join(shape);
    let onnx = folder.join(format!("onnx-{precision}"));
    let int4 = precision == "int4";
    let gguf = folder.join(if int4 { "q4_0.gguf" } else { "f32.gguf" });
    let threads = common.threads;
    let mut engines = vec![
        Engine::ours(&onnx, threads)?,
        Engine::peer("genai", peers, &onnx, threads)?,
        Engine::peer("llama.cpp", peers, &gguf, threads)?,
    ];
    if !int4 {
        engines.push(Engine::peer(
            "transformers",
            peers,
            &folder.join("hf"),
            threads,
        )?);
    }
    let mut all: Vec<Seen> = engines.into_iter().map(Seen::new).collect();
    // Nobody's first pass counts.
    for seen in &mut all {
        let prompt = tokens(1, options.prompt);
        let _: Single = seen.engine.ask(&Order::Single { prompt, new: 4 })?;
    }
    for round in 0..common.rounds {
        for seen in &mut all {
            seen.single(tokens(10 + round, options.prompt), options.new)?;
        }
        for seen in &mut all {
            seen.alone(tokens(500 + round, LOADS[0].own), options.new)?;
        }
        for (which, load) in options.loads() {
            for seen in &mut all {
                seen.load(which, load.prompts(round), options.new)?;
            }
        }
    }
    report(options, shape, precision, &mut all)
}

fn report(options: &Options, shape: &str, precision: &str, all: &mut [Seen]) -> Result<bool> {
    println!(
        "\n{shape} {precision}: {} threads, {} rounds, {} tokens a prompt, {} an answer",
        options.common.threads, options.common.rounds, options.prompt, options.new
    );
    println!(
        "{:<14}{:>10}{:>10}{:>10}{:>12}{:>12}",
        "", "prefill/s", "decode/s", "load s", "MiB loaded", "MiB at end"
    );
    for seen in all.iter_mut() {
        let loaded = seen.engine.loaded;
        let Memory { memory } = seen.engine.ask(&Order::Memory)?;
        println!(
            "{:<14}{:>10.1}{:>10.1}{:>10.2}{:>12}{:>12}",
            seen.engine.name,
            median(&seen.prefill),
            median(&seen.decode),
            loaded.load_s,
            loaded.memory >> 20,
            memory >> 20
        );
    }
    println!(
        "{:<44}{:<14}{:>10}{:>12}{:>14}",
        "tokens a second, first token", "", "tokens/s", "median s", "longest s"
    );
    for (which, load) in options.loads() {
        for seen in all.iter() {
            let pick = |f: fn(&(f64, f64)) -> f64| {
                median(&seen.first[which].iter().map(f).collect::<Vec<_>>())
            };
            println!(
                "{:<44}{:<14}{:>10.1}{:>12.3}{:>14.3}",
                load.title(),
                seen.engine.name,
                median(&seen.through[which]),
                pick(|t| t.0),
                pick(|t| t.1)
            );
        }
    }
    let (ours, peers) = (&all[0], &all[1..]);
    let mut holds = true;
    if precision == "int4" {
        let decode = |n: usize| ratio(&ours.decode, &peers[n].decode);
        holds &= judge(
            "decode at one stream, of onnxruntime-genai",
            decode(0),
            Bar::AtLeast(0.97),
        );
        holds &= judge(
            "decode at one stream, of llama.cpp",
            decode(1),
            Bar::AtLeast(1.2),
        );
    }
    for (which, load) in options.loads() {
        if which == 0 {
            let own = ratio(&ours.through[0], &ours.alone);
            holds &= judge("8 streams, of our one", own, Bar::AtLeast(2.5));
        }
        for peer in peers {
            let value = ratio(&ours.through[which], &peer.through[which]);
            let what = format!("{}, of {}", load.title(), peer.engine.name);
            if which == 0 && peer.engine.name == SERVER {
                holds &= judge(&what, value, Bar::AtLeast(1.2));
            } else {
                println!("{what:<64} {value:>7.3}");
            }
        }
    }
    Ok(holds)
}
