//! Text generation on the tiny random language models.

use std::sync::mpsc::{Receiver, channel};

use argos_engine::Error;
use argos_engine::causal::{
    Budget, CausalLm, Class, Event, Finished, Limits, Message, Options, ParkedFolder, Prompt,
    Reason, Request,
};

use super::{copied, folder};

const PROMPT: &str = "The quick brown fox";

/// Attention that returns a longer cache, the same in half precision, attention in place, that with weights in int4
/// and everything else in half precision, and the first one as two branches of one graph.
const MODELS: [&str; 5] = ["lm", "lm-fp16", "lm-gqa", "lm-int4", "lm-merged"];

/// Weights in int8. What is computed for a token depends on the others in its pass: not one of [`MODELS`].
const INT8: &str = "lm-int8";

fn load_with(name: &str, limits: &Limits) -> CausalLm {
    CausalLm::load(&folder(name), limits).unwrap()
}

fn load(name: &str) -> CausalLm {
    load_with(name, &Limits::default())
}

fn greedy(max_tokens: usize) -> Options {
    Options {
        max_tokens: Some(max_tokens),
        temperature: Some(0.0),
        ..Options::default()
    }
}

fn text_request(prompt: &str, options: Options) -> Request {
    Request {
        options,
        ..Request::new(Prompt::Text(prompt.into()))
    }
}

fn complete(model: &CausalLm, prompt: &str, options: &Options) -> (String, Finished) {
    let mut text = String::new();
    let finished = model
        .answer(text_request(prompt, options.clone()), &mut |t| text += t)
        .unwrap();
    (text, finished)
}

/// Queues a request; its events come out of the channel.
fn start(model: &CausalLm, request: Request) -> Receiver<Event> {
    let (sink, events) = channel();
    model
        .submit(request, move |event| drop(sink.send(event)))
        .unwrap();
    events
}

fn finish(events: &Receiver<Event>) -> (String, Finished) {
    let mut text = String::new();
    loop {
        match events.recv().unwrap() {
            Event::Text { text: t, .. } => text += &t,
            Event::Finished(finished) => return (text, finished),
            Event::Failed(e) => panic!("{e}"),
        }
    }
}

/// Different prompts of different lengths.
fn prompts() -> Vec<String> {
    (0..11)
        .map(|n| {
            let words = ["alpha ", "beta-", "Gamma3 ", "d", "epsilon? "];
            (0..=n % 6).map(|k| words[(n + k) % 5]).collect()
        })
        .collect()
}

/// The tokens of a greedy answer.
fn tokens(model: &CausalLm, prompt: Prompt, max_tokens: usize) -> Vec<u32> {
    let options = Options {
        logprobs: Some(0),
        ignore_stop_tokens: true,
        ..greedy(max_tokens)
    };
    let events = start(
        model,
        Request {
            options,
            ..Request::new(prompt)
        },
    );
    let mut tokens = Vec::new();
    for event in events {
        match event {
            Event::Text { token, .. } => tokens.push(token.unwrap().id),
            Event::Finished(_) => break,
            Event::Failed(e) => panic!("{e}"),
        }
    }
    tokens
}

#[test]
fn cache_gives_what_a_full_pass_gives() {
    if !super::runtime() {
        return;
    }
    for name in MODELS {
        let limits = Limits {
            prefix_bytes: 0,
            ..Limits::default()
        };
        let model = load_with(name, &limits);
        let prompt = model.tokenize(PROMPT).unwrap();
        let answer = tokens(&model, Prompt::Tokens(prompt.clone()), 20);
        // Each token by a fresh pass over everything before it.
        let mut all = prompt;
        for token in &answer {
            let next = tokens(&model, Prompt::Tokens(all.clone()), 1);
            assert_eq!(next, [*token], "{name}");
            all.push(*token);
        }
        assert_eq!(answer.len(), 20);
    }
}

#[test]
fn half_precision_says_nearly_the_same() {
    if !super::runtime() {
        return;
    }
    // Same weights, so that the first tokens agree although input names and logits' shape differ.
    let (full, half) = (load("lm"), load("lm-fp16"));
    assert_eq!(
        complete(&full, PROMPT, &greedy(3)).0,
        complete(&half, PROMPT, &greedy(3)).0
    );
}

#[test]
fn two_branches_say_what_one_says() {
    if !super::runtime() {
        return;
    }
    // Pieces of a prompt, of which the first one alone begins without a cache, and beginnings that are known.
    let limits = Limits {
        chunk: 7,
        ..Limits::default()
    };
    let (plain, merged) = (load("lm"), load_with("lm-merged", &limits));
    for prompt in prompts() {
        for prompt in [prompt.clone(), prompt + "and then some more of it"] {
            assert_eq!(
                complete(&merged, &prompt, &greedy(15)).0,
                complete(&plain, &prompt, &greedy(15)).0
            );
        }
    }
}

#[test]
fn int8_says_nearly_the_same() {
    if !super::runtime() {
        return;
    }
    // Weights of `lm`, rounded. It gives as many logits as it is told to.
    let limits = Limits {
        prefix_bytes: 0,
        ..Limits::default()
    };
    let (full, rounded) = (load_with("lm", &limits), load_with(INT8, &limits));
    let mut all = full.tokenize(PROMPT).unwrap();
    for n in 0..8 {
        let next = tokens(&full, Prompt::Tokens(all.clone()), 1);
        assert_eq!(
            tokens(&rounded, Prompt::Tokens(all.clone()), 1),
            next,
            "{n}"
        );
        all.extend(next);
    }
    // One by one, with a cache.
    let (text, finished) = complete(&rounded, PROMPT, &greedy(20));
    assert_eq!((text.len(), finished.completion_tokens), (20, 20));
    assert_eq!(complete(&rounded, PROMPT, &greedy(20)).0, text);
}

#[test]
fn stop_tokens_stop_strings_and_limits() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let (text, finished) = complete(&model, PROMPT, &greedy(12));
    assert_eq!(
        (finished.reason, finished.completion_tokens),
        (Reason::Length, 12)
    );

    // A stop string in the middle of what it says.
    let stop = text[5..7].to_owned();
    let at = text.find(&stop).unwrap();
    let options = Options {
        stop: vec![stop],
        ..greedy(12)
    };
    let (stopped, finished) = complete(&model, PROMPT, &options);
    assert_eq!(
        (stopped.as_str(), finished.reason),
        (&text[..at], Reason::Stop)
    );

    // The same model in a folder that calls the sixth token its end.
    let copy = copied("lm");
    let tokenizer = tokenizers::Tokenizer::from_file(folder("lm").join("tokenizer.json")).unwrap();
    let id = tokenizer.encode(&text[5..6], false).unwrap().get_ids()[0];
    let first = text.find(&text[5..6]).unwrap();
    std::fs::write(
        copy.path().join("generation_config.json"),
        format!("{{\"eos_token_id\": [1, {id}]}}"),
    )
    .unwrap();
    let model = CausalLm::load(copy.path(), &Limits::default()).unwrap();
    let (stopped, finished) = complete(&model, PROMPT, &greedy(12));
    assert_eq!(
        (stopped.as_str(), finished.reason),
        (&text[..first], Reason::Stop)
    );
}

#[test]
fn over_long_prompt_is_an_error_with_both_lengths_and_the_context_is_never_passed() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let long = "x".repeat(96);
    let error = model
        .answer(text_request(&long, greedy(1)), &mut |_| {})
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLong {
                tokens: 96,
                limit: 95,
                ..
            }
        ),
        "{error}"
    );
    let (_, finished) = complete(&model, &long[..90], &greedy(1000));
    assert!(
        finished.prompt_tokens + finished.completion_tokens <= 96,
        "{finished:?}"
    );
}

#[test]
fn cancelled_between_tokens() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let request = text_request("x", greedy(80));
    let cancel = request.cancel.clone();
    let (sink, events) = channel();
    let mut texts = 0;
    model
        .submit(request, move |event| {
            // On the engine's thread, so that it is known which token is the last.
            texts += usize::from(matches!(event, Event::Text { .. }));
            if texts == 4 {
                cancel.cancel();
            }
            drop(sink.send(event));
        })
        .unwrap();
    let (text, finished) = finish(&events);
    assert_eq!(
        (finished.reason, finished.completion_tokens, text.len()),
        (Reason::Cancelled, 4, 4)
    );
    // Before its turn as well.
    let request = text_request("x", greedy(80));
    request.cancel.cancel();
    let (_, finished) = finish(&start(&model, request));
    assert_eq!(
        (finished.reason, finished.completion_tokens),
        (Reason::Cancelled, 0)
    );
}

#[test]
fn together_as_alone() {
    if !super::runtime() {
        return;
    }
    for name in MODELS {
        let alone: Vec<_> = {
            let model = load(name);
            prompts()
                .iter()
                .map(|p| complete(&model, p, &greedy(20)).0)
                .collect()
        };
        // Fewer slots than requests, and prompts in pieces.
        let limits = Limits {
            slots: 3,
            chunk: 4,
            prefix_bytes: 0,
            ..Limits::default()
        };
        let model = load_with(name, &limits);
        let running: Vec<_> = prompts()
            .iter()
            .map(|p| start(&model, text_request(p, greedy(20))))
            .collect();
        let together: Vec<_> = running.iter().map(|events| finish(events).0).collect();
        assert_eq!(together, alone, "{name}");
        let seen = model.statistics();
        let tokens = seen.completion_tokens;
        // lm-fp16 has no position_ids, and so one at a time decodes.
        assert_eq!(
            seen.decode_passes < tokens * 2 / 3,
            name != "lm-fp16",
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn common_beginnings_are_computed_once() {
    if !super::runtime() {
        return;
    }
    let beginning = "abcdefgh".repeat(8);
    for name in ["lm", "lm-gqa", "lm-int4"] {
        let alone = {
            let limits = Limits {
                prefix_bytes: 0,
                ..Limits::default()
            };
            let model = load_with(name, &limits);
            ["one", "two"].map(|end| complete(&model, &(beginning.clone() + end), &greedy(12)).0)
        };
        let model = load(name);
        let first = complete(&model, &(beginning.clone() + "one"), &greedy(12));
        assert_eq!((&first.0, first.1.cached_tokens), (&alone[0], 0));
        let second = complete(&model, &(beginning.clone() + "two"), &greedy(12));
        assert_eq!(
            (&second.0, second.1.cached_tokens),
            (&alone[1], 64),
            "{name}"
        );
        // Not for another owner, nor for the same one once it is forgotten.
        let request = |owner| Request {
            owner,
            ..text_request(&(beginning.clone() + "two"), greedy(12))
        };
        let (text, other) = finish(&start(&model, request(1)));
        assert_eq!((&text, other.cached_tokens), (&alone[1], 0));
        model.forget(0);
        let (_, forgotten) = finish(&start(&model, request(0)));
        assert_eq!(forgotten.cached_tokens, 0);
        // A prompt that is known to its last token needs that token's logits all the same.
        let (_, whole) = complete(&model, &beginning, &greedy(1));
        assert_eq!(whole.cached_tokens, 48);
    }
}

#[test]
fn a_person_does_not_wait_for_the_background_which_goes_on_where_it_was() {
    if !super::runtime() {
        return;
    }
    let parking = tempfile::tempdir().unwrap();
    // What is parked goes on with the same cache, so that this is exact for all.
    for name in MODELS.into_iter().chain([INT8]) {
        for parked_bytes in [0, 1 << 20] {
            let limits = Limits {
                slots: 1,
                parked_bytes,
                parked_folder: Some(ParkedFolder::new(parking.path(), 1 << 30)),
                prefix_bytes: 0,
                ..Limits::default()
            };
            let model = load_with(name, &limits);
            let (long, short) = (greedy(60), greedy(5));
            let alone = [
                complete(&model, PROMPT, &long).0,
                complete(&model, "Hello", &short).0,
            ];
            let of = |class, prompt, options: &Options| Request {
                class,
                ..text_request(prompt, options.clone())
            };
            let background = start(&model, of(Class::Background, PROMPT, &long));
            let mut text = match background.recv().unwrap() {
                Event::Text { text, .. } => text,
                other => panic!("{other:?}"),
            };
            let person = finish(&start(&model, of(Class::Person, "Hello", &short)));
            assert_eq!(person.0, alone[1], "{name}");
            let parked = model.statistics().parked;
            let (rest, _) = finish(&background);
            text += &rest;
            assert_eq!(text, alone[0], "{name} {parked_bytes}");
            // Unless the background was through already, which 60 tokens of a tiny model can be.
            assert!(parked <= 1);
        }
    }
}

#[test]
fn budgets_end_answers_and_refuse_prompts() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let budget = Budget::new(PROMPT.len() as u32 + 6);
    let request = || Request {
        budget: Some(budget.clone()),
        ..text_request(PROMPT, greedy(30))
    };
    let (text, finished) = finish(&start(&model, request()));
    assert_eq!(finished.reason, Reason::Budget);
    assert_eq!((text.len(), budget.left()), (7, 0));
    let error = model.submit(request(), |_| {}).unwrap_err().to_string();
    assert!(error.contains("budget"), "{error}");
    // What was refused costs nothing.
    let budget = Budget::new(PROMPT.len() as u32 - 1);
    let request = Request {
        budget: Some(budget.clone()),
        ..text_request(PROMPT, greedy(1))
    };
    assert!(model.submit(request, |_| {}).is_err());
    assert_eq!(budget.left(), PROMPT.len() as u32 - 1);
}

#[test]
fn without_room_to_park_a_person_is_served_and_the_others_keep_their_slot() {
    if !super::runtime() {
        return;
    }
    for name in MODELS {
        let limits = Limits {
            slots: 1,
            parked_bytes: 0,
            prefix_bytes: 0,
            ..Limits::default()
        };
        let model = load_with(name, &limits);
        let (long, short) = (greedy(60), greedy(5));
        let alone = [
            complete(&model, PROMPT, &long).0,
            complete(&model, "Hello", &short).0,
        ];
        let of = |class, prompt, options: &Options| Request {
            class,
            ..text_request(prompt, options.clone())
        };
        for class in [Class::Person, Class::Agent] {
            let before = model.statistics().parked;
            let background = start(&model, of(Class::Background, PROMPT, &long));
            let mut text = match background.recv().unwrap() {
                Event::Text { text, .. } => text,
                other => panic!("{other:?}"),
            };
            let other = finish(&start(&model, of(class, "Hello", &short)));
            assert_eq!(other.0, alone[1], "{name}");
            text += &finish(&background).0;
            // Computed again or never stopped: it says the same.
            assert_eq!(text, alone[0], "{name} {class:?}");
            let parked = model.statistics().parked - before;
            assert!(
                parked <= u64::from(class == Class::Person),
                "{name} {class:?}"
            );
        }
    }
}

#[test]
fn log_probabilities_come_with_each_token() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let options = Options {
        logprobs: Some(3),
        ..greedy(6)
    };
    let events = start(&model, text_request(PROMPT, options));
    let mut tokens = Vec::new();
    while let Ok(Event::Text { text, token }) = events.recv() {
        let token = token.unwrap();
        assert_eq!(token.text, text);
        tokens.push(token);
    }
    assert_eq!(tokens.len(), 6);
    for token in tokens {
        // Greedy: what was chosen is the likeliest.
        assert_eq!((token.top.len(), token.top[0].0), (3, token.id));
        assert!((token.top[0].2 - token.logprob).abs() < 1e-6);
        assert!(token.top[0].2 >= token.top[1].2 && token.top[1].2 >= token.top[2].2);
        let sum: f32 = token.top.iter().map(|t| t.2.exp()).sum();
        assert!(token.logprob < 0.0 && sum <= 1.0001, "{token:?}");
    }
    let many = Options {
        logprobs: Some(21),
        ..greedy(1)
    };
    let refused = model.submit(text_request(PROMPT, many), |_| {});
    assert!(refused.unwrap_err().to_string().contains("at most 20"));
}

#[test]
fn too_many_requests_are_refused_and_counted_out_again() {
    if !super::runtime() {
        return;
    }
    let limits = Limits {
        slots: 1,
        requests: 2,
        ..Limits::default()
    };
    let model = load_with("lm", &limits);
    let running = [(), ()].map(|()| start(&model, text_request(PROMPT, greedy(70))));
    let refused = model.submit(text_request(PROMPT, greedy(1)), |_| {});
    // Both may be through already on a slow day.
    if let Err(error) = refused {
        assert!(matches!(error, Error::Busy { requests: 2, .. }), "{error}");
    }
    for events in &running {
        finish(events);
    }
    complete(&model, PROMPT, &greedy(1));
}

/// A copy of `lm` whose last weights are no numbers.
fn broken_numbers() -> tempfile::TempDir {
    let copy = copied("lm");
    super::poison(copy.path(), "head", 0, f32::NAN);
    copy
}

#[test]
fn numbers_that_are_none_fail_the_request_and_nothing_else() {
    if !super::runtime() {
        return;
    }
    let copy = broken_numbers();
    let model = CausalLm::load(copy.path(), &Limits::default()).unwrap();
    for _ in 0..3 {
        let error = model
            .answer(text_request(PROMPT, greedy(5)), &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains("NaN"), "{error}");
    }
}

#[test]
fn what_does_not_fit_into_memory_is_refused_before_it_is_loaded() {
    if !super::runtime() {
        return;
    }
    let limits = Limits {
        memory_bytes: Some(10 << 20),
        ..Limits::default()
    };
    let error = CausalLm::load(&folder("lm"), &limits).unwrap_err();
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    // Room for the weights and one request of 512 tokens, 512 bytes each.
    let limits = Limits {
        memory_bytes: Some((64 << 20) + (1 << 20)),
        ..Limits::default()
    };
    let model = load_with("lm-gqa", &limits);
    assert_eq!(model.slots(), 1);
}

#[test]
fn sampling_is_repeatable_by_seed() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let with = |seed| Options {
        max_tokens: Some(30),
        temperature: Some(1.5),
        seed: Some(seed),
        ..Options::default()
    };
    let first = complete(&model, PROMPT, &with(1)).0;
    assert_eq!(first, complete(&model, PROMPT, &with(1)).0);
    assert_ne!(first, complete(&model, PROMPT, &with(2)).0);
}

#[test]
fn chat_uses_the_template_and_refuses_nonsense() {
    if !super::runtime() {
        return;
    }
    let model = load("lm");
    let message = |role: &str, content: &str| Message::new(role, content);
    let chat = |messages: &[Message], options: Options| Request {
        options,
        ..Request::new(Prompt::Chat(messages.to_vec()))
    };
    let messages = [message("user", "Hi")];
    let (_, finished) = finish(&start(&model, chat(&messages, greedy(8))));
    // <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n, special tokens counting one each.
    assert_eq!(finished.prompt_tokens, 1 + 5 + 2 + 1 + 1 + 1 + 10);
    // Contents are text: twelve characters, and no turn of somebody else.
    let messages = [message("user", "<|im_start|>")];
    let (_, finished) = finish(&start(&model, chat(&messages, greedy(8))));
    assert_eq!(finished.prompt_tokens, 1 + 5 + 12 + 1 + 1 + 1 + 10);
    let refused = |request: Request| model.submit(request, |_| {}).unwrap_err().to_string();
    assert!(refused(chat(&[], greedy(1))).contains("no messages"));
    assert!(refused(chat(&messages, greedy(0))).contains("max_tokens"));
    let strange = Request::new(Prompt::Tokens(vec![5, 98]));
    assert!(refused(strange).contains("token 98"));
    let hot = Options {
        temperature: Some(9.0),
        ..Options::default()
    };
    assert!(refused(chat(&messages, hot)).contains("temperature"));
}

#[test]
fn broken_graphs_are_errors() {
    if !super::runtime() {
        return;
    }
    let copy = copied("lm");
    let graph = copy.path().join("model.onnx");
    let whole = std::fs::read(&graph).unwrap();
    let load = || {
        CausalLm::load(copy.path(), &Limits::default())
            .unwrap_err()
            .to_string()
    };
    std::fs::write(&graph, &whole[..whole.len() / 2]).unwrap();
    assert!(load().contains("cannot be read"), "{}", load());
    std::fs::write(&graph, b"").unwrap();
    load();
    std::fs::remove_file(&graph).unwrap();
    assert!(load().contains("no graph"), "{}", load());
    std::fs::write(&graph, &whole).unwrap();
    std::fs::write(copy.path().join("tokenizer.json"), "{").unwrap();
    assert!(load().contains("tokenizer.json"), "{}", load());
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Requests of all classes and owners, long and short, alike and not, in slots that are too few, with a
/// prefix cache that is too small, parked in memory and on disk, some cancelled: whatever comes through
/// says what it says alone.
#[test]
fn in_any_company_as_alone() {
    if !super::runtime() {
        return;
    }
    let parking = tempfile::tempdir().unwrap();
    for (name, longest, block_bytes) in [
        ("lm", 80, 64 * 256),
        ("lm-gqa", 300, 64 * 512),
        ("lm-int4", 300, 64 * 256),
    ] {
        let alone = load_with(
            name,
            &Limits {
                prefix_bytes: 0,
                ..Limits::default()
            },
        );
        let limits = Limits {
            slots: 3,
            chunk: 37,
            prefix_bytes: 5 * block_bytes,
            parked_bytes: 20_000,
            parked_folder: Some(ParkedFolder::new(parking.path(), 1 << 30)),
            ..Limits::default()
        };
        let model = load_with(name, &limits);
        let mut dice = Dice(11);
        let mut cached = 0;
        // Whether a request is parked depends on when the next one comes: on a busy machine not the first time.
        for _ in 0..20 {
            let mut running = Vec::new();
            for _ in 0..60 {
                // Beginnings that come again.
                let prompt: String = (0..1 + dice.roll(longest))
                    .map(|n| char::from(b'a' + (n % (2 + dice.0 as usize % 2)) as u8))
                    .collect();
                let options = Options {
                    ignore_stop_tokens: true,
                    ..greedy(1 + dice.roll(15))
                };
                let request = Request {
                    class: [Class::Person, Class::Agent, Class::Background][dice.roll(3)],
                    owner: dice.roll(2) as u64,
                    ..text_request(&prompt, options.clone())
                };
                let cancel = (dice.roll(6) == 0).then(|| request.cancel.clone());
                running.push((start(&model, request), prompt, options));
                if let Some(cancel) = cancel {
                    cancel.cancel();
                }
                if dice.roll(4) == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(dice.roll(8) as u64));
                }
            }
            for (events, prompt, options) in running {
                let (text, finished) = finish(&events);
                let expected = complete(&alone, &prompt, &options).0;
                if finished.reason == Reason::Cancelled {
                    assert!(expected.starts_with(&text), "{name} {prompt:?}");
                } else {
                    assert_eq!(text, expected, "{name} {prompt:?} {options:?}");
                }
                cached += finished.cached_tokens;
            }
            if cached > 0 && model.statistics().parked > 0 {
                break;
            }
        }
        let seen = model.statistics();
        assert!(cached > 0 && seen.parked > 0, "{name}: {cached} {seen:?}");
        assert!(seen.prefix_bytes <= limits.prefix_bytes);
        assert_eq!((seen.running, seen.waiting), (0, 0));
    }
}
