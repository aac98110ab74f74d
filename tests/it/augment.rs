//! Transforms through the public door: what a pipeline writes, and what it is told when that is wrong.

use biossl::base::{ConfigError, SignalKind, parse_table};
use biossl::learning::augment::{AugmentationConfig, TRANSFORMS};

fn read(text: &str) -> Result<AugmentationConfig, ConfigError> {
    let table = parse_table(text)?;
    AugmentationConfig::read(SignalKind::Eeg, table.get("augment").expect("the text has the key"))
}

#[test]
fn faults_are_told_at_their_place() {
    for (text, place, help) in [
        ("augment = { name = \"bandstop\" }", "{ name = \"bandstop\" }", "augment = ["),
        ("augment = [\"bandstop\"]", "\"bandstop\"", "augment = ["),
        ("augment = [{ name = \"temporal-cut\" }]", "\"temporal-cut\"", "`temporal-cutout`"),
        ("augment = [{ name = \"bandstop\", widht_hz = 3 }]", "widht_hz", "`width_hz`"),
        ("augment = [{ name = \"temporal-cutout\", fill = \"nose\" }]", "\"nose\"", ""),
        ("augment = [{ name = \"sensor-cutout\" }]", "{ name = \"sensor-cutout\" }", "probability = 0.3"),
        (
            "augment = [{ one_of = [{ name = \"bandstop\", probability = 1 }, { name = \"sensor-cutout\" }] }]",
            "1",
            "beside `one_of`",
        ),
        ("augment = [{ one_of = [{ name = \"bandstop\" }] }]", "[{ name = \"bandstop\" }]", "one_of = ["),
        ("augment = [{ one_of = [\"bandstop\", \"sensor-cutout\"] }]", "\"bandstop\"", "one_of = ["),
        ("augment = [{ name = \"bandstop\", one_of = [] }]", "name", "probability"),
        ("augment = [{ fill = \"zero\" }]", "{ fill = \"zero\" }", "temporal-cutout"),
    ] {
        let error = read(text).err().unwrap_or_else(|| panic!("{text} was read"));
        assert_eq!(&text[error.span.clone().expect("the place is known")], place, "{error:?}");
        assert!(error.help.unwrap_or_default().contains(help), "{text}");
    }
}

#[test]
fn what_is_left_out_has_the_default_of_the_kind() {
    let chain = read("augment = [{ name = \"temporal_cutout\", fill = \"noise\" }]").expect("a good list");
    let expected = serde_json::json!([
        { "name": "temporal-cutout", "low": 0.1, "high": 0.5, "fill": "noise", "probability": 1.0 }
    ]);
    assert_eq!(chain.resolved(), expected);
}

#[test]
fn default_numbers_are_those_of_the_methods_table() {
    let table = |kind| TRANSFORMS.entries.iter().map(|entry| (entry.defaults)(kind)).collect::<serde_json::Value>();
    assert_eq!(
        table(SignalKind::Eeg),
        serde_json::json!([
            { "delay_s": 0.25, "edge": "real", "probability": 1.0 },
            { "most": 0.3, "probability": 0.3 },
            { "width_hz": 6.0, "low_hz": 4.0, "high_hz": 40.0, "probability": 0.3 },
            { "most_deg": 20, "probability": 0.0 },
            { "most": 0.15, "probability": 0.0 },
            { "most": 0.3, "probability": 0.5 },
            { "low": 0.1, "high": 0.5, "fill": "zero", "probability": 1.0 },
            { "most": 0.3, "probability": 0.3 },
            { "most_deg": 40.0, "probability": 0.0 },
        ])
    );
    assert_eq!(
        table(SignalKind::Ecg),
        serde_json::json!([
            { "delay_s": 0.1, "edge": "real", "probability": 1.0 },
            { "most": 0.15, "probability": 0.3 },
            { "width_hz": 6.0, "low_hz": 3.0, "high_hz": 40.0, "probability": 0.3 },
            { "most_deg": 20, "probability": 0.0 },
            { "most": 0.15, "probability": 0.0 },
            { "most": 0.1, "probability": 0.5 },
            { "low": 0.1, "high": 0.4, "fill": "zero", "probability": 1.0 },
            { "most": 0.5, "probability": 0.2 },
            { "most_deg": 40.0, "probability": 0.0 },
        ])
    );
}

#[test]
fn a_saved_group_is_read_again() {
    let text = "augment = [{ probability = 0.5, one_of = [{ name = \"sensor_cutout\" }, { name = \"temporal-cutout\", low = 0.2 }] }]";
    let saved = read(text).expect("a good list").resolved();
    let expected = serde_json::json!([{ "probability": 0.5, "one_of": [
        { "name": "temporal-cutout", "low": 0.2, "high": 0.5, "fill": "zero" },
        { "name": "sensor-cutout", "most_deg": 40.0 },
    ] }]);
    assert_eq!(saved, expected);
    let again = biossl::base::toml_text(&serde_json::json!({ "augment": saved })).expect("a table");
    assert_eq!(read(&again).expect("as saved").resolved(), expected);
}
