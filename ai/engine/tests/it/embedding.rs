//! Embedding models and rerankers on graphs whose right answers are known.

use std::path::Path;

use argos_engine::Error;
use argos_engine::causal::Limits;
use argos_engine::embedding::{EmbedOptions, Embedder, Purpose};
use argos_engine::manifest::Pooling;
use argos_engine::provider::{self, Provider};
use argos_engine::registry::{Kind, Loaded, Registry, State};
use argos_engine::reranker::Reranker;

use super::{copied, folder, poison};

fn load(folder: &Path) -> Embedder {
    Embedder::load(folder).unwrap_or_else(|e| panic!("{e}"))
}

fn refused(folder: &Path) -> String {
    match Embedder::load(folder) {
        Err(e @ Error::Model { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

fn embed(model: &Embedder, texts: &[&str]) -> Vec<Vec<f32>> {
    model.embed(texts, &EmbedOptions::default()).unwrap()
}

#[track_caller]
fn near(found: &[f32], expected: &[f32]) {
    let same = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(same, "{found:?} is not {expected:?}");
}

/// The sum of the vectors of `[CLS]`, `[SEP]` and the words, at length one.
fn expected(words: [f32; 4]) -> Vec<f32> {
    let sum = [words[0], words[1], words[2], words[3] + 0.75];
    let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
    sum.iter().map(|v| v / length).collect()
}

#[test]
fn vectors_are_the_mean_of_the_words() {
    if !super::runtime() {
        return;
    }
    let model = load(&folder("embedding"));
    assert_eq!(
        (
            model.width(),
            model.max_tokens(),
            model.pooling(),
            model.normalises()
        ),
        (4, 8, Some(Pooling::Mean), true)
    );
    let texts = ["Red", "grass grass sky", "blue red", "", "rose"];
    let vectors = embed(&model, &texts);
    let right = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.8, 0.7, 0.5],
        [1.0, 0.0, 1.0, 0.0],
        [0.0; 4],
        [0.8, 0.2, 0.0, 0.0],
    ];
    for (vector, right) in vectors.iter().zip(right) {
        near(vector, &expected(right));
    }
    // In company as alone, and as a graph that pools itself.
    let pooled = load(&folder("embedding-pooled"));
    assert_eq!((pooled.pooling(), pooled.max_tokens()), (None, 16));
    for (text, vector) in texts.iter().zip(&vectors) {
        near(&embed(&model, &[text])[0], vector);
        near(&embed(&pooled, &[text])[0], vector);
    }
    assert!(embed(&model, &[]).is_empty());
    // More than one pass, in the order in which they came.
    let many: Vec<&str> = (0..100)
        .map(|n| ["red", "green sky", "blue"][n % 3])
        .collect();
    for (n, vector) in embed(&model, &many).iter().enumerate() {
        near(vector, &embed(&model, &[many[n]])[0]);
    }
}

#[test]
fn settings_overrule_what_the_folder_says() {
    if !super::runtime() {
        return;
    }
    let copy = copied("embedding");
    let with = |yaml: &str| {
        write(
            copy.path(),
            "model.yaml",
            &format!("kind: embedding\n{yaml}"),
        );
        load(copy.path())
    };
    let raw = |yaml: &str| embed(&with(&format!("normalise: false\n{yaml}")), &["red sky"]);
    near(&raw("")[0], &[0.25, 0.0, 0.175, 0.2625]);
    near(&raw("pooling: cls")[0], &[0.0, 0.0, 0.0, 0.5]);
    near(&raw("pooling: last")[0], &[0.0, 0.0, 0.0, 0.25]);
    near(&raw("pooling: max")[0], &[1.0, 0.0, 0.7, 0.5]);
    // The folder's own prompt, then the manifest's.
    let of = |model: &Embedder, text: &str, purpose| {
        let options = EmbedOptions {
            purpose,
            truncate: false,
        };
        model.embed(&[text], &options).unwrap().remove(0)
    };
    let model = with("");
    let plain = |text| embed(&model, &[text]).remove(0);
    near(&of(&model, "red", Purpose::Query), &plain("query: red"));
    near(&of(&model, "red", Purpose::Document), &plain("red"));
    let other = with("query-prefix: 'sky '\ndocument-prefix: 'grass '");
    near(&of(&other, "red", Purpose::Query), &plain("sky red"));
    near(&of(&other, "red", Purpose::Document), &plain("grass red"));
    near(&of(&other, "red", Purpose::Similarity), &plain("red"));
    assert_eq!(with("max-tokens: 5").max_tokens(), 5);
    // Never more than there are positions.
    assert_eq!(with("max-tokens: 500").max_tokens(), 16);
}

#[test]
fn too_long_is_an_error_with_both_lengths_or_cut_when_asked() {
    if !super::runtime() {
        return;
    }
    let model = load(&folder("embedding"));
    let text = "red sky grass rose blue green red";
    let error = model.embed(&["red", text], &EmbedOptions::default());
    assert!(
        matches!(
            error,
            Err(Error::TooLong {
                tokens: 9,
                limit: 8,
                ..
            })
        ),
        "{error:?}"
    );
    let cut = EmbedOptions {
        truncate: true,
        ..EmbedOptions::default()
    };
    let vectors = model.embed(&[text, "red"], &cut).unwrap();
    near(
        &vectors[0],
        &embed(&model, &["red sky grass rose blue green"])[0],
    );
    near(&vectors[1], &embed(&model, &["red"])[0]);
    // Not even tokenised.
    let endless = "red ".repeat(1 << 20);
    let error = model.embed(&[&endless], &EmbedOptions::default());
    assert!(
        matches!(error, Err(Error::TooLong { limit: 8, .. })),
        "{error:?}"
    );
    let vectors = model.embed(&[&endless], &cut).unwrap();
    near(&vectors[0], &embed(&model, &["red red red red red red"])[0]);
}

#[test]
fn folders_that_do_not_fit_say_why() {
    if !super::runtime() {
        return;
    }
    let broken = |change: &dyn Fn(&Path)| {
        let copy = copied("embedding");
        change(copy.path());
        refused(copy.path())
    };
    let graph = std::fs::read(folder("embedding").join("model.onnx")).unwrap();
    let cut = broken(&|f| std::fs::write(f.join("model.onnx"), &graph[..300]).unwrap());
    assert!(cut.contains("cannot be read"), "{cut}");
    let foreign = broken(&|f| {
        std::fs::copy(folder("lm").join("model.onnx"), f.join("model.onnx")).unwrap();
    });
    assert!(foreign.contains("past_key_values"), "{foreign}");
    let logits = broken(&|f| {
        std::fs::copy(folder("reranker").join("model.onnx"), f.join("model.onnx")).unwrap();
    });
    assert!(
        logits.contains("`logits`") && logits.contains("last_hidden_state"),
        "{logits}"
    );
    // Twelve words in the graph, 98 in the tokenizer.
    let tokenizer = broken(&|f| {
        std::fs::copy(
            folder("lm").join("tokenizer.json"),
            f.join("tokenizer.json"),
        )
        .unwrap();
    });
    assert!(
        tokenizer.contains("tokens up to 97") && tokenizer.contains("do not fit"),
        "{tokenizer}"
    );
    let nan = broken(&|f| poison(f, "vectors", 4 * 11, f32::NAN));
    assert!(nan.contains("NaN"), "{nan}");
    let pooling = broken(&|f| {
        write(
            f,
            "1_Pooling/config.json",
            r#"{"pooling_mode": "weightedmean"}"#,
        );
    });
    assert!(pooling.contains("weightedmean"), "{pooling}");
    let none = broken(&|f| std::fs::remove_file(f.join("1_Pooling/config.json")).unwrap());
    assert!(none.contains("pooling: mean"), "{none}");
    let dense = broken(&|f| {
        write(
            f,
            "modules.json",
            r#"[{"type": "sentence_transformers.models.Dense"}]"#,
        );
    });
    assert!(dense.contains("Dense"), "{dense}");
    let width = broken(&|f| write(f, "model.yaml", "kind: embedding\nembedding-width: 5\n"));
    assert!(
        width.contains("embedding-width in model.yaml is 5"),
        "{width}"
    );
    let key = broken(&|f| write(f, "model.yaml", "kind: embedding\nscores: softmax\n"));
    assert!(key.contains("`scores` does nothing"), "{key}");
    let outside = broken(&|f| write(f, "model.yaml", "kind: embedding\ngraph: ../model.onnx\n"));
    assert!(outside.contains("outside the folder"), "{outside}");
    let endless = broken(&|f| {
        for file in ["config.json", "sentence_bert_config.json"] {
            write(f, file, r#"{"max_seq_length": 1e30}"#);
        }
    });
    assert!(endless.contains("write max-tokens"), "{endless}");
}

#[test]
fn vectors_that_are_none_fail_the_texts_and_nothing_else() {
    if !super::runtime() {
        return;
    }
    let copy = copied("embedding");
    // Of the word `red`.
    poison(copy.path(), "vectors", 4 * 4, f32::INFINITY);
    let model = load(copy.path());
    let error = model.embed(&["sky", "red"], &EmbedOptions::default());
    assert!(
        matches!(&error, Err(Error::Inference { reason, .. }) if reason.contains("inf")),
        "{error:?}"
    );
    near(&embed(&model, &["sky"])[0], &expected([0.0, 0.0, 0.7, 0.3]));
}

#[test]
fn rerankers_score_by_what_they_were_made_for() {
    if !super::runtime() {
        return;
    }
    let model = Reranker::load(&folder("reranker")).unwrap();
    assert_eq!(model.max_tokens(), 12);
    let documents = ["red grass", "sky sky", "blue", "grass sky blue", ""];
    let scores = model.rank("red grass blue", &documents, false).unwrap();
    // The logistic function of the words in common, less one and a half.
    let right = [0.5, -1.5, -0.5, 0.5, -1.5].map(|logit: f32| 1.0 / (1.0 + (-logit).exp()));
    near(&scores, &right);
    assert!(model.rank("red", &[], false).unwrap().is_empty());
    let long = "red ".repeat(10);
    let error = model.rank("red", &["red", &long], false);
    assert!(
        matches!(
            error,
            Err(Error::TooLong {
                tokens: 14,
                limit: 12,
                ..
            })
        ),
        "{error:?}"
    );
    // Eight of ten words are left.
    near(
        &model.rank("red", &[&long], true).unwrap(),
        &[1.0 / (1.0 + (-6.5f32).exp())],
    );
    let error = model.rank(&long, &["red"], true);
    assert!(
        matches!(error, Err(Error::TooLong { limit: 12, .. })),
        "{error:?}"
    );
    let copy = copied("embedding");
    write(copy.path(), "model.yaml", "kind: reranker\n");
    let error = Reranker::load(copy.path()).unwrap_err().to_string();
    assert!(
        error.contains("`last_hidden_state`") && error.contains("logits"),
        "{error}"
    );
}

/// A number of `/proc`'s tables, in bytes.
#[cfg(target_os = "linux")]
fn number<'t>(mut lines: impl Iterator<Item = &'t str>, name: &str) -> u64 {
    let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
    let kib: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    kib << 10
}

#[cfg(target_os = "linux")]
#[test]
fn weights_beside_the_graph_are_mapped_and_not_copied() {
    if !super::runtime() {
        return;
    }
    let copy = copied("mapped");
    let file = copy.path().join("vectors.bin");
    // For each word a vector with a one of its own; all the others are nothing, and nothing on the disk.
    let rows: Vec<u8> = (0..12)
        .flat_map(|word| (0..64).flat_map(move |n| f32::from(u8::from(n == word)).to_ne_bytes()))
        .collect();
    std::fs::write(&file, rows).unwrap();
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    let size = 1 << 30;
    open.set_len(size).unwrap();

    let anonymous = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        number(status.lines(), "RssAnon:")
    };
    let before = anonymous();
    let model = load(copy.path());
    let found = embed(&model, &["red"]).remove(0);
    let third = 1.0 / 3.0f32.sqrt();
    // [CLS], [SEP], red.
    let mut wanted = vec![0.0; 64];
    wanted[2..5].fill(third);
    near(&found, &wanted);
    // Other tests take memory meanwhile, but not as much as a copy would.
    let more = anonymous().saturating_sub(before);
    assert!(more < size / 2, "{} MiB more", more >> 20);

    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let name = copy.path().file_name().unwrap().to_str().unwrap();
    let end = format!("{name}/vectors.bin");
    let mut lines = maps.lines().skip_while(|line| !line.ends_with(&end));
    lines
        .next()
        .unwrap_or_else(|| panic!("{end} is not mapped"));
    let lines: Vec<_> = lines.take(12).collect();
    assert!(number(lines.iter().copied(), "Size:") >= size, "{lines:?}");
    let there = number(lines.iter().copied(), "Rss:");
    assert!((1..size / 8).contains(&there), "{there} bytes are resident");
    drop(model);

    // More than there is memory is refused before anything is read of it.
    if open.set_len(8 << 40).is_ok() {
        let error = Embedder::load(copy.path()).unwrap_err();
        assert!(
            matches!(error, Error::Memory { needed, .. } if needed > 8 << 40),
            "{error}"
        );
    }
}

#[test]
fn the_registry_loads_them_all_and_knows_their_memory() {
    if !super::runtime() {
        return;
    }
    let limits = Limits {
        slots: 3,
        context: 50,
        ..Limits::default()
    };
    let registry = Registry::new(vec![folder("")]).with_limits(move |info| {
        assert_eq!(info.kind, Some(Kind::CausalLm));
        limits.clone()
    });
    let kinds = [
        ("colours", Kind::ImageClassification),
        ("embedding", Kind::Embedding),
        // Nothing but its outputs says so.
        ("embedding-pooled", Kind::Embedding),
        ("lm", Kind::CausalLm),
        ("reranker", Kind::Reranker),
        ("stripes", Kind::TextRecognition),
        ("tones", Kind::SpeechRecognition),
        ("tones-mel", Kind::SpeechRecognition),
    ];
    let before = registry.memory_bytes();
    for (id, kind) in kinds {
        assert_eq!(registry.info(id).unwrap().kind, Some(kind), "{id}");
        let loaded = registry.load(id, &|_| {}).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(loaded.kind(), kind);
        if let Loaded::CausalLm(model) = loaded {
            assert_eq!((model.slots(), model.context()), (3, 50));
        }
        let info = registry.info(id).unwrap();
        assert_eq!(
            (&info.state, info.provider),
            (&State::Ready, Some(Provider::Cpu))
        );
        let memory = info.memory_bytes.unwrap();
        let passes = if kind == Kind::CausalLm { 64 } else { 16 };
        let range = passes << 20..(passes + 2) << 20;
        assert!(range.contains(&memory), "{id}: {memory}");
    }
    assert_eq!(before, 0);
    assert!(registry.memory_bytes() > 8 * (16 << 20));
    // What passes take, logits of fifty tokens, and three slots of fifty tokens of 256 bytes with a copy of each.
    let graph = std::fs::metadata(folder("lm").join("model.onnx"))
        .unwrap()
        .len();
    let lm = registry.info("lm").unwrap().memory_bytes.unwrap();
    let rest = lm - (64 << 20) - graph - graph / 8;
    assert_eq!(rest, 50 * 98 * 4 + 3 * 2 * 50 * 256);
    registry.unload("lm", &|_| {}).unwrap();
    assert_eq!(registry.info("lm").unwrap().memory_bytes, None);
    // Limits of one call are before those of all.
    let one = Limits {
        slots: 1,
        ..Limits::default()
    };
    let Ok(Loaded::CausalLm(model)) = registry.load_with("lm", &one, &|_| {}) else {
        panic!("it was loaded before");
    };
    assert_eq!((model.slots(), model.context()), (1, 96));
    let seen = registry.known();
    assert!(seen.iter().any(|i| i.id == "lm" && i.state == State::Ready));
}

#[test]
fn execution_providers_are_named_or_chosen() {
    if !super::runtime() {
        return;
    }
    let available = provider::available().unwrap();
    assert!(available.contains(&Provider::Cpu), "{available:?}");
    let copy = copied("embedding");
    let with = |names: &str| {
        let yaml = format!("kind: embedding\nexecution-providers: [{names}]\n");
        write(copy.path(), "model.yaml", &yaml);
        Embedder::load(copy.path())
    };
    with("cpu").unwrap();
    assert_eq!(provider::of(copy.path()), Some(Provider::Cpu));
    if !available.contains(&Provider::OpenVino) {
        with("openvino, cpu").unwrap();
        let error = with("openvino").unwrap_err();
        assert!(
            matches!(&error, Error::Provider { wanted, available, .. } if wanted == "openvino" && available.contains("cpu")),
            "{error}"
        );
    }
    let error = with("gpu").unwrap_err().to_string();
    assert!(error.contains("unknown value `gpu`"), "{error}");
}
