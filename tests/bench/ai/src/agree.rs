//! Whether the answers are those of transformers, token for token, however they were computed.

use std::path::PathBuf;

use anyhow::{Result, bail};
use argos_engine::causal::{CausalLm, Class, Limits, Request};
use clap::Args;

use crate::engine::{Engine, Reference};
use crate::ours::{Pending, limits, load, request, stranger, submit};
use crate::{Common, tokens};

/// Where the two best logits are closer than this, rounding decides, and the answers may part.
const CLEAR: f64 = 1e-3;
const NEW: usize = 48;
/// Tokens that half of the prompts begin with.
const SHARED: usize = 200;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Folder that `peers/install` filled.
    #[arg(long)]
    peers: PathBuf,
    /// How many prompts.
    #[arg(long, default_value_t = 24)]
    prompts: usize,
}

/// How the answers are computed.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// One after the other.
    Alone,
    /// All at once, eight in each pass.
    Together,
    /// In two slots, with more urgent requests that send them out of these.
    Preempted,
    /// On beginnings that were computed by others.
    Reused,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let common = &options.common;
    let mut holds = true;
    for shape in &common.shapes {
        let folder = common.models.join(shape);
        let prompts: Vec<Vec<u32>> = (0..options.prompts).map(prompt).collect();
        let mut reference = Engine::peer(
            "transformers",
            &options.peers,
            &folder.join("hf"),
            common.threads,
        )?;
        let expected = prompts
            .iter()
            .map(|p| reference.reference(p, NEW))
            .collect::<Result<Vec<_>>>()?;
        drop(reference);
        for way in [Way::Alone, Way::Together, Way::Preempted, Way::Reused] {
            let slots = if matches!(way, Way::Preempted) { 2 } else { 8 };
            let limits = Limits {
                slots,
                ..limits(common.threads)
            };
            let model = load(&folder.join("onnx-fp32"), &limits)?;
            let answers = answer(&model, way, &prompts)?;
            let (mut same, mut unclear, mut wrong) = (0, 0, 0);
            for (found, expected) in answers.iter().zip(&expected) {
                match compare(found, expected) {
                    Comparison::Same(count) => same += count,
                    Comparison::Unclear(count) => {
                        same += count;
                        unclear += 1;
                    }
                    Comparison::Wrong(at) => {
                        wrong += 1;
                        println!(
                            "  token {at}: {} instead of {}",
                            found[at], expected.tokens[at]
                        );
                    }
                }
            }
            let statistics = model.statistics();
            println!(
                "{shape} fp32 {way:?}: {same} tokens of {} answers the same, {unclear} answers part where \
                 rounding decides, {wrong} wrong; parked {} times, {} tokens of prompts reused",
                answers.len(),
                statistics.parked,
                statistics.cached_tokens
            );
            let done = match way {
                Way::Preempted => statistics.parked > 0,
                Way::Reused => statistics.cached_tokens > 0,
                Way::Alone | Way::Together => true,
            };
            if !done {
                bail!("{way:?} was not what happened");
            }
            holds &= wrong == 0;
        }
    }
    Ok(holds)
}

/// Of different lengths; every other one begins with the same tokens.
fn prompt(n: usize) -> Vec<u32> {
    let mut prompt = if n % 2 == 1 {
        tokens(7, SHARED)
    } else {
        Vec::new()
    };
    prompt.extend(tokens(100 + n, 3 + n * 37 % 300));
    prompt
}

fn answer(model: &CausalLm, way: Way, prompts: &[Vec<u32>]) -> Result<Vec<Vec<u32>>> {
    let owner = stranger();
    let ask = |prompt: &Vec<u32>, owner, class| -> Result<Pending> {
        let mut wish: Request = request(prompt.clone(), NEW, owner, class);
        wish.options.logprobs = Some(0);
        submit(model, wish)
    };
    let tokens = |pending: Pending| Ok(pending.wait()?.tokens);
    match way {
        Way::Alone => prompts
            .iter()
            .map(|p| tokens(ask(p, stranger(), Class::Agent)?))
            .collect(),
        Way::Together => {
            let all: Vec<Pending> = prompts
                .iter()
                .map(|p| ask(p, stranger(), Class::Agent))
                .collect::<Result<_>>()?;
            all.into_iter().map(tokens).collect()
        }
        Way::Preempted => {
            let all: Vec<Pending> = prompts
                .iter()
                .map(|p| ask(p, stranger(), Class::Background))
                .collect::<Result<_>>()?;
            for seed in 0..prompts.len() {
                tokens(ask(
                    &crate::tokens(900 + seed, 20),
                    stranger(),
                    Class::Person,
                )?)?;
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            all.into_iter().map(tokens).collect()
        }
        Way::Reused => {
            for prompt in prompts {
                tokens(ask(prompt, owner, Class::Agent)?)?;
            }
            let all: Vec<Pending> = prompts
                .iter()
                .map(|p| ask(p, owner, Class::Agent))
                .collect::<Result<_>>()?;
            all.into_iter().map(tokens).collect()
        }
    }
}

enum Comparison {
    /// So many tokens, all of them.
    Same(usize),
    /// They part after so many, where the two best are too close to tell.
    Unclear(usize),
    /// They part here though they should not.
    Wrong(usize),
}

fn compare(found: &[u32], expected: &Reference) -> Comparison {
    let parted = found.iter().zip(&expected.tokens).position(|(a, b)| a != b);
    match parted {
        None if found.len() == expected.tokens.len() => Comparison::Same(found.len()),
        None => Comparison::Wrong(found.len().min(expected.tokens.len()) - 1),
        Some(at) if expected.gaps[at] <= CLEAR => Comparison::Unclear(at),
        Some(at) => Comparison::Wrong(at),
    }
}
