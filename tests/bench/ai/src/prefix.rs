//! What a beginning of 1,000 tokens costs that was computed before.

use anyhow::Result;
use argos_engine::causal::Class;
use clap::Args;

use crate::ours::{limits, load, request, stranger, submit};
use crate::table::{Bar, judge, median};
use crate::{Common, tokens};

const BEGINNING: usize = 1000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let common = &options.common;
    let mut holds = true;
    for shape in &common.shapes {
        for precision in ["int4", "fp32"] {
            let folder = common.models.join(shape).join(format!("onnx-{precision}"));
            let model = load(&folder, &limits(common.threads))?;
            let (mut first, mut again, mut token) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..=common.rounds {
                let owner = stranger();
                let ask = |prompt: Vec<u32>, owner| {
                    submit(&model, request(prompt, 2, owner, Class::Agent))?.wait()
                };
                let prompt = tokens(round, BEGINNING);
                let new = ask(prompt.clone(), owner)?;
                let known = ask(prompt, owner)?;
                if round > 0 {
                    first.push(new.first());
                    token.push(new.last() - new.first());
                    again.push(known.first());
                }
            }
            // The first token itself costs a pass, with or without a beginning.
            let (first, again, token) = (median(&first), median(&again), median(&token));
            println!(
                "\n{shape} {precision}: {BEGINNING} tokens {:.1} ms, again {:.1} ms, of which a pass for one \
                 token {:.1} ms",
                first * 1e3,
                again * 1e3,
                token * 1e3
            );
            holds &= judge(
                "repeated beginning, of the first time",
                again / first,
                Bar::AtMost(0.05),
            );
        }
    }
    Ok(holds)
}
