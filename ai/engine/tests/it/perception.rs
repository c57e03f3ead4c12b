//! Perception models on graphs whose right answers are known.

use std::io::Cursor;
use std::path::Path;

use argos_engine::Error;
use argos_engine::perception::{
    Audio, ImageClassifier, ImageEmbedder, Picture, SpeechRecogniser, TextRecogniser,
};

use super::{copied, folder, poison};

const TONES: [f32; 4] = [400.0, 800.0, 1600.0, 3200.0];

fn plain(width: u32, height: u32, colour: [u8; 3]) -> Picture {
    Picture::from_rgb8(width, height, colour.repeat((width * height) as usize)).unwrap()
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Frames of 10 ms: a tone each, silence where there is none.
fn tones(tones: &[Option<usize>]) -> Vec<f32> {
    tones
        .iter()
        .flat_map(|tone| {
            (0..160).map(move |n| match tone {
                None => 0.0,
                Some(tone) => {
                    let turns = TONES[*tone] * n as f32 / 16_000.0;
                    0.8 * (2.0 * std::f32::consts::PI * turns).sin()
                }
            })
        })
        .collect()
}

/// a a silence a b b space c
const SAID: [Option<usize>; 9] = [
    Some(0),
    Some(0),
    None,
    Some(0),
    Some(1),
    Some(1),
    Some(3),
    Some(2),
    None,
];

#[test]
fn classifiers_name_the_mean_colour() {
    if !super::runtime() {
        return;
    }
    let model = ImageClassifier::load(&folder("colours")).unwrap();
    assert_eq!(model.labels(), ["red", "green", "blue"]);
    let found = model.classify(&plain(30, 20, [250, 20, 120]), 2).unwrap();
    let names: Vec<&str> = found.iter().map(|l| l.name.as_str()).collect();
    assert_eq!((names, found[0].index), (vec!["red", "blue"], 0));
    // Softmax of four times the colours from -1 to 1, worked out here.
    let powers = [250.0f32, 20.0, 120.0].map(|v| (4.0 * (v / 127.5 - 1.0)).exp());
    let right = powers[0] / powers.iter().sum::<f32>();
    assert!((found[0].score - right).abs() < 1e-4, "{found:?} {right}");
    let all = model.classify(&plain(8, 8, [0, 0, 200]), 50).unwrap();
    assert_eq!((all.len(), all[0].name.as_str()), (3, "blue"));
    assert!(model.classify(&plain(8, 8, [0; 3]), 0).is_err());
    // The middle alone counts: green stripes left and right are cut off.
    let pixels: Vec<u8> = (0..8)
        .flat_map(|_| {
            (0..40).flat_map(|x| {
                if (12..28).contains(&x) {
                    [255, 0, 0]
                } else {
                    [0, 255, 0]
                }
            })
        })
        .collect();
    let middle = Picture::from_rgb8(40, 8, pixels).unwrap();
    assert_eq!(model.classify(&middle, 1).unwrap()[0].name, "red");
    // From bytes.
    let mut png = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(9, 9, image::Rgb([10, 200, 10]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    let picture = Picture::decode(&png.into_inner()).unwrap();
    assert_eq!(model.classify(&picture, 1).unwrap()[0].name, "green");
}

#[test]
fn scores_and_channels_are_as_the_manifest_says() {
    if !super::runtime() {
        return;
    }
    let copy = copied("colours");
    let with = |rest: &str| {
        let yaml = format!("kind: image-classification\nlabels: labels.txt\n{rest}\n");
        write(copy.path(), "model.yaml", &yaml);
        let model = ImageClassifier::load(copy.path()).unwrap();
        model
            .classify(&plain(8, 8, [255, 0, 0]), 1)
            .unwrap()
            .remove(0)
    };
    let sigmoid = with("scores: sigmoid\nimage: {width: 8, height: 8}");
    assert!(
        (sigmoid.score - 1.0 / (1.0 + (-4.0f32).exp())).abs() < 1e-5,
        "{sigmoid:?}"
    );
    let raw =
        with("scores: probabilities\nimage: {width: 8, height: 8, scale: 0.001, resize: stretch}");
    assert!((raw.score - 1.02).abs() < 1e-5, "{raw:?}");
    let turned = with("image: {width: 8, height: 8, channels: bgr}");
    assert_eq!((turned.name.as_str(), turned.index), ("blue", 2));
}

#[test]
fn pictures_become_vectors() {
    if !super::runtime() {
        return;
    }
    let copy = copied("colours");
    let with = |rest: &str| {
        let yaml = format!("kind: image-embedding\nimage: {{width: 8, height: 8}}\n{rest}\n");
        write(copy.path(), "model.yaml", &yaml);
        ImageEmbedder::load(copy.path())
    };
    // Black has no direction: the first pass at load must not need one.
    let raw = with("normalise: false").unwrap();
    assert_eq!(raw.width(), 3);
    let vector = raw.embed(&plain(16, 8, [255, 0, 51])).unwrap();
    for (found, right) in vector.iter().zip([4.0, 0.0, 0.8]) {
        assert!((found - right).abs() < 1e-4, "{vector:?}");
    }
    let unit = with("").unwrap();
    let vector = unit.embed(&plain(16, 8, [150, 0, 200])).unwrap();
    for (found, right) in vector.iter().zip([0.6, 0.0, 0.8]) {
        assert!((found - right).abs() < 1e-4, "{vector:?}");
    }
    let error = unit.embed(&plain(8, 8, [0; 3])).unwrap_err().to_string();
    assert!(error.contains("no length"), "{error}");
    let error = with("embedding-width: 4").unwrap_err().to_string();
    assert!(
        error.contains("embedding-width in model.yaml is 4"),
        "{error}"
    );
}

#[test]
fn speech_is_read_from_samples_and_from_mel_bands() {
    if !super::runtime() {
        return;
    }
    let model = SpeechRecogniser::load(&folder("tones")).unwrap();
    let said = model
        .recognise(&Audio::from_samples(tones(&SAID)).unwrap())
        .unwrap();
    assert_eq!((said.text.as_str(), said.frames), ("aab c", 9));
    assert_eq!(
        (said.symbols[0].label, &said.symbols[0].frames),
        (1, &(0..2))
    );
    assert_eq!(
        (said.symbols[1].label, &said.symbols[1].frames),
        (1, &(3..4))
    );
    // As a file.
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut wav, spec).unwrap();
    for sample in tones(&SAID) {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
    let audio = Audio::from_wav(&wav.into_inner()).unwrap();
    assert_eq!(model.recognise(&audio).unwrap().text, "aab c");
    // Too short for the graph's own first window.
    let short = model.recognise(&Audio::from_samples(vec![0.1; 20]).unwrap());
    assert!(matches!(short, Err(Error::Inference { .. })), "{short:?}");
    // Each tone for 100 ms: frames overlap at the seams.
    let model = SpeechRecogniser::load(&folder("tones-mel")).unwrap();
    let slow: Vec<Option<usize>> = SAID.iter().flat_map(|t| [*t; 10]).collect();
    let said = model
        .recognise(&Audio::from_samples(tones(&slow)).unwrap())
        .unwrap();
    assert_eq!((said.text.as_str(), said.frames), ("aab c", 91));
    let silence = Audio::from_samples(vec![0.0; 16_000]).unwrap();
    assert_eq!(model.recognise(&silence).unwrap().text, "");
}

#[test]
fn mel_layouts_and_normalisation() {
    if !super::runtime() {
        return;
    }
    let copy = copied("tones-mel");
    let yaml = std::fs::read_to_string(copy.path().join("model.yaml")).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(yaml.contains(from));
        write(copy.path(), "model.yaml", &yaml.replace(from, to));
        SpeechRecogniser::load(copy.path()).unwrap_err().to_string()
    };
    let bands = refused("n-mels: 16", "n-mels: 17");
    assert!(
        bands.contains("`speech.mel.n-mels` is 17") && bands.contains("`features` is [-1, 16, -1]"),
        "{bands}"
    );
    let layout = refused("scale: htk", "scale: htk, layout: frames-bands");
    assert!(layout.contains("`frames` is any number"), "{layout}");
    let samples = refused("speech:", "ctc_: 1\nspeech:");
    assert!(samples.contains("ctc_"), "{samples}");
    write(
        copy.path(),
        "model.yaml",
        "kind: speech-recognition\nlabels: labels.txt\n",
    );
    let error = SpeechRecogniser::load(copy.path()).unwrap_err().to_string();
    assert!(
        error.contains("model.yaml makes it [batch, samples]"),
        "{error}"
    );
    // Louder or quieter is the same once it is normalised.
    let normalised = yaml.replace("speech:", "speech:\n  normalise: true");
    write(copy.path(), "model.yaml", &normalised);
    let model = SpeechRecogniser::load(copy.path()).unwrap();
    let text = |loud: f32| {
        let slow: Vec<Option<usize>> = SAID.iter().flat_map(|t| [*t; 10]).collect();
        let samples = tones(&slow).iter().map(|s| s * loud).collect();
        model
            .recognise(&Audio::from_samples(samples).unwrap())
            .unwrap()
            .text
    };
    assert_eq!(text(1.0), text(0.5));
}

/// A line of cells of four by eight pixels: upper half, lower half, both or nothing white.
fn line(cells: &str, zoom: u32) -> Picture {
    let (width, height) = (4 * cells.len() as u32 * zoom, 8 * zoom);
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let cell = cells.as_bytes()[(x / (4 * zoom)) as usize];
            let white = match cell {
                b'a' => y < height / 2,
                b'b' => y >= height / 2,
                b'c' => true,
                _ => false,
            };
            pixels.extend([if white { 255 } else { 0 }; 3]);
        }
    }
    Picture::from_rgb8(width, height, pixels).unwrap()
}

#[test]
fn lines_of_text_are_read_at_any_size() {
    if !super::runtime() {
        return;
    }
    let model = TextRecogniser::load(&folder("stripes")).unwrap();
    for zoom in [1, 3] {
        assert_eq!(
            model.recognise(&line("aa-abc.cc", zoom)).unwrap().text,
            "aabcc"
        );
        assert_eq!(model.recognise(&line("....", zoom)).unwrap().text, "");
    }
    let long = model.recognise(&line(&"a".repeat(101), 1));
    let error = long.unwrap_err().to_string();
    assert!(
        error.contains("404 pixels wide") && error.contains("at most 400"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_the_graph_names_the_key() {
    if !super::runtime() {
        return;
    }
    let classifier = |change: &dyn Fn(&Path)| {
        let copy = copied("colours");
        change(copy.path());
        match ImageClassifier::load(copy.path()) {
            Err(e @ Error::Model { .. }) => e.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let image = |image: &str| {
        let yaml = format!("kind: image-classification\nlabels: labels.txt\nimage: {{{image}}}\n");
        classifier(&|f| write(f, "model.yaml", &yaml))
    };
    let width = image("width: 9, height: 8");
    assert!(
        width.contains("`image.width` is 9") && width.contains("`pixels` is [-1, 3, 8, 8]"),
        "{width}"
    );
    assert!(image("width: 8, height: 7").contains("`image.height` is 7"));
    assert!(image("width: 8, height: 8, channels: grey").contains("`image.channels` is 1"));
    assert!(image("width: 8, height: 8, layout: nhwc").contains("`image.height` is 8"));
    assert!(image("width: 2147483648, height: 8").contains("image.width is 2147483648"));
    assert!(image("width: 8, height: 8, std: [-0.5]").contains("image.std is -0.5"));
    let labels = classifier(&|f| write(f, "labels.txt", "red\ngreen\n"));
    assert!(
        labels.contains("`labels` has 2") && labels.contains("`logits` has 3 columns"),
        "{labels}"
    );
    let missing = classifier(&|f| std::fs::remove_file(f.join("labels.txt")).unwrap());
    assert!(missing.contains("labels.txt"), "{missing}");
    let kind = classifier(&|f| write(f, "model.yaml", "kind: embedding\n"));
    assert!(
        kind.contains("kind embedding and not image-classification"),
        "{kind}"
    );
    let nan = classifier(&|f| poison(f, "weight", 0, f32::NAN));
    assert!(nan.contains("NaN") || nan.contains("nan"), "{nan}");
    let infinite = classifier(&|f| poison(f, "weight", 0, f32::INFINITY));
    assert!(infinite.contains("first pass fails"), "{infinite}");
    let graph = std::fs::read(folder("colours").join("model.onnx")).unwrap();
    for length in (0..graph.len()).step_by(7) {
        classifier(&|f| std::fs::write(f.join("model.onnx"), &graph[..length]).unwrap());
    }
    let several = classifier(&|f| {
        std::fs::copy(folder("embedding").join("model.onnx"), f.join("model.onnx")).unwrap();
    });
    assert!(several.contains("have one"), "{several}");

    let stripes = |from: &str, to: &str| {
        let copy = copied("stripes");
        let yaml = std::fs::read_to_string(copy.path().join("model.yaml")).unwrap();
        write(copy.path(), "model.yaml", &yaml.replace(from, to));
        TextRecogniser::load(copy.path()).unwrap_err().to_string()
    };
    assert!(stripes("grey", "rgb").contains("`image.channels` is 3"));
    assert!(stripes("image:", "ctc: {blank: 4}\nimage:").contains("`ctc.blank` is 4"));
    let height = stripes("height: 8", "height: 4294967296");
    assert!(
        height.contains("model.yaml:3:") && height.contains("invalid u32"),
        "{height}"
    );
    let copy = copied("tones");
    write(copy.path(), "labels.txt", "-\na\n|\n");
    let error = SpeechRecogniser::load(copy.path()).unwrap_err().to_string();
    assert!(
        error.contains("`labels` has 3") && error.contains("5 columns"),
        "{error}"
    );
}
