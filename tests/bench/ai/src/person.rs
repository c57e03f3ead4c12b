//! How long a person waits for the first token while eight streams run in the background.

use anyhow::Result;
use argos_engine::causal::{Class, Limits};
use clap::Args;

use crate::ours::{limits, load, request, stranger, submit};
use crate::table::{Bar, judge, median};
use crate::{Common, tokens};

const STREAMS: usize = 8;
const PROMPT: usize = 512;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

/// What the streams in the background are doing when the person comes.
#[derive(Debug, Clone, Copy)]
enum Busy {
    Decoding,
    Prefilling,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let common = &options.common;
    let mut holds = true;
    for shape in &common.shapes {
        let folder = common.models.join(shape).join("onnx-int4");
        let limits = limits(common.threads);
        let model = load(&folder, &limits)?;
        let first = |prompt: Vec<u32>| -> Result<f64> {
            let pending = submit(&model, request(prompt, 1, stranger(), Class::Person))?;
            Ok(pending.wait()?.first())
        };
        first(tokens(0, PROMPT))?;
        for busy in [Busy::Decoding, Busy::Prefilling] {
            let (mut idle, mut chunk, mut beside) = (Vec::new(), Vec::new(), Vec::new());
            for round in 0..common.rounds {
                chunk.push(first(tokens(100 + round, Limits::default().chunk))?);
                idle.push(first(tokens(200 + round, PROMPT))?);
                let length = match busy {
                    Busy::Decoding => 16,
                    Busy::Prefilling => 1500,
                };
                let background = (0..STREAMS)
                    .map(|n| {
                        let prompt = tokens(300 + round * STREAMS + n, length);
                        let wish = request(prompt, 500, stranger(), Class::Background);
                        let cancel = wish.cancel.clone();
                        Ok((submit(&model, wish)?, cancel))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let runs = || model.statistics().running == STREAMS;
                while !runs() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                if matches!(busy, Busy::Decoding) {
                    // All prompts are short: by then they are computed.
                    std::thread::sleep(std::time::Duration::from_millis(700));
                }
                beside.push(first(tokens(400 + round, PROMPT))?);
                background.iter().for_each(|(_, cancel)| cancel.cancel());
                for (pending, _) in background {
                    pending.wait()?;
                }
            }
            let (idle, chunk, beside) = (median(&idle), median(&chunk), median(&beside));
            println!(
                "\n{shape} int4, {STREAMS} streams {busy:?}: first token of a prompt of {PROMPT} tokens {:.0} ms \
                 alone, {:.0} ms beside them; a chunk {:.0} ms",
                idle * 1e3,
                beside * 1e3,
                chunk * 1e3
            );
            holds &= judge(
                "beside, less one chunk, of alone",
                (beside - chunk) / idle,
                Bar::AtMost(1.3),
            );
        }
    }
    Ok(holds)
}
