//! Text generation on the tiny random language models.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use argos_engine::Error;
use argos_engine::causal::{CausalLm, Finished, Message, Options, Reason};

const PROMPT: &str = "The quick brown fox";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/models")
        .join(name)
}

fn load(name: &str) -> CausalLm {
    CausalLm::load(&folder(name), 100_000).unwrap()
}

fn greedy(max_tokens: usize) -> Options {
    Options {
        max_tokens: Some(max_tokens),
        temperature: Some(0.0),
        ..Options::default()
    }
}

fn complete(model: &CausalLm, prompt: &str, options: &Options) -> (String, Finished) {
    let mut text = String::new();
    let finished = model
        .complete(prompt, options, &mut |t| text += t, &|| false)
        .unwrap();
    (text, finished)
}

/// The first `max_tokens` tokens, each made by a fresh pass over everything before it. All tokens of
/// the tiny models are one character, so text and tokens are the same thing.
fn without_cache(model: &CausalLm, prompt: &str, max_tokens: usize) -> String {
    let mut text = prompt.to_owned();
    for _ in 0..max_tokens {
        text += &complete(model, &text, &greedy(1)).0;
    }
    text[prompt.len()..].to_owned()
}

#[test]
fn cache_gives_what_a_full_pass_gives() {
    if !super::runtime() {
        return;
    }
    for name in ["lm", "lm-fp16"] {
        let model = load(name);
        let (text, finished) = complete(&model, PROMPT, &greedy(20));
        assert_eq!(finished.prompt_tokens, PROMPT.len());
        assert!(!text.is_empty());
        assert_eq!(
            text,
            without_cache(&model, PROMPT, finished.completion_tokens),
            "{name}"
        );
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
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder("lm")).unwrap().flatten() {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let tokenizer = tokenizers::Tokenizer::from_file(folder("lm").join("tokenizer.json")).unwrap();
    let id = tokenizer.encode(&text[5..6], false).unwrap().get_ids()[0];
    let first = text.find(&text[5..6]).unwrap();
    std::fs::write(
        copy.path().join("generation_config.json"),
        format!("{{\"eos_token_id\": [1, {id}]}}"),
    )
    .unwrap();
    let model = CausalLm::load(copy.path(), 100_000).unwrap();
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
        .complete(&long, &greedy(1), &mut |_| {}, &|| false)
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
    let asked = Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 4
    };
    let mut text = String::new();
    let finished = model
        .complete(PROMPT, &greedy(50), &mut |t| text += t, &cancelled)
        .unwrap();
    assert_eq!(
        (finished.reason, finished.completion_tokens),
        (Reason::Cancelled, 4)
    );
    assert_eq!(text.len(), 4);
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
    let message = |role: &str, content: &str| Message {
        role: role.into(),
        content: content.into(),
    };
    let mut text = String::new();
    let messages = [message("user", "Hi")];
    let finished = model
        .chat(&messages, &greedy(8), &mut |t| text += t, &|| false)
        .unwrap();
    // <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n, special tokens counting one each.
    assert_eq!(finished.prompt_tokens, 1 + 5 + 2 + 1 + 1 + 1 + 10);
    let refused = |messages: &[Message], options: &Options| {
        model
            .chat(messages, options, &mut |_| {}, &|| false)
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&[], &greedy(1)).contains("no messages"));
    assert!(refused(&messages, &greedy(0)).contains("max_tokens"));
    let hot = Options {
        temperature: Some(9.0),
        ..Options::default()
    };
    assert!(refused(&messages, &hot).contains("temperature"));
}

#[test]
fn broken_graphs_are_errors() {
    if !super::runtime() {
        return;
    }
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder("lm")).unwrap().flatten() {
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let graph = copy.path().join("model.onnx");
    let whole = std::fs::read(&graph).unwrap();
    let load = || {
        CausalLm::load(copy.path(), 100_000)
            .unwrap_err()
            .to_string()
    };
    std::fs::write(&graph, &whole[..whole.len() / 2]).unwrap();
    assert!(load().contains("does not take the graph"), "{}", load());
    std::fs::write(&graph, b"").unwrap();
    load();
    std::fs::remove_file(&graph).unwrap();
    assert!(load().contains("no graph"), "{}", load());
    std::fs::write(&graph, &whole).unwrap();
    std::fs::write(copy.path().join("tokenizer.json"), "{").unwrap();
    assert!(load().contains("tokenizer.json"), "{}", load());
}
