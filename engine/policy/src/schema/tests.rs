use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde_json::Value;

use super::schema;
use crate::{Catalogue, SourceText, UnknownMetrics, fields::asked, load, load_tests};

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files below `path`.
#[expect(clippy::disallowed_methods, reason = "the documents are files, so that people can read them")]
fn files(path: &Path) -> Vec<SourceText> {
    let mut found = Vec::new();
    for entry in path.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "rhai") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(SourceText { name: path.to_str().unwrap().to_owned(), text });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// The documents of a file that are ours, as an editor sees them.
fn documents(source: &SourceText) -> Vec<(String, Value)> {
    let texts = source.text.split("---\n").filter(|text| !text.trim().is_empty());
    let parsed = texts.filter_map(|text| Some((text.to_owned(), serde_saphyr::from_str::<Value>(text).ok()?)));
    parsed.filter(|(text, _)| text.contains("kind: Pol") || text.contains("kind: Guard\n")).collect()
}

fn validator() -> Validator {
    jsonschema::draft202012::meta::validate(&schema()).unwrap();
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn good_documents_are_accepted() {
    let validator = validator();
    let mut seen = 0;
    for root in ["../../policies", "../../examples", "tests/good"] {
        for source in files(&folder(root)) {
            for (_, document) in documents(&source) {
                let told: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
                assert_eq!(told, Vec::<String>::new(), "{}", source.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen} documents");
}

/// Sorts of problems that an editor can see without knowing what is connected.
const SHAPES: [&str; 15] = [
    "unknown_field",
    "unknown_word",
    "missing_field",
    "wrong_type",
    "unknown_api_version",
    "unknown_document_kind",
    "no_trigger",
    "empty_then",
    "one_response",
    "resize_nothing",
    "else_without_if",
    "event_pattern",
    "count_and_within",
    "label_values",
    "exclusive_fields",
];

#[test]
fn documents_of_a_wrong_shape_are_refused() {
    let validator = validator();
    let mut refused = BTreeSet::new();
    for source in files(&folder("tests/broken")) {
        for (text, document) in documents(&source) {
            let single = [SourceText { name: source.name.clone(), text }];
            let catalogue = Catalogue::new(UnknownMetrics::Allow);
            let problems = load(&single, &catalogue).problems.into_iter().chain(load_tests(&single).1);
            // Words of the expression language are none of the schema's.
            let in_expression = |line: usize| {
                let lines = single[0].text.lines().take(line).collect::<Vec<_>>();
                lines.iter().rev().take(2).any(|line| line.trim_start().starts_with("when: "))
            };
            let codes: BTreeSet<String> = problems
                .filter(|problem| !problem.code().ends_with("unknown_word") || !in_expression(problem.line()))
                .map(|problem| problem.code())
                .collect();
            let shapes = SHAPES.iter().filter(|shape| codes.iter().any(|code| code.ends_with(*shape)));
            for shape in shapes {
                assert!(!validator.is_valid(&document), "{shape} passes: {document}");
                refused.insert(*shape);
            }
        }
    }
    let never: Vec<_> = SHAPES.iter().filter(|shape| !refused.contains(*shape)).collect();
    assert_eq!(never, Vec::<&&str>::new(), "without a case");
}

type Titles = BTreeMap<String, BTreeSet<String>>;

/// The fields of every object in `part` of the schema, by its title.
fn fields_of(part: &Value, root: &Value, seen: &mut BTreeSet<String>, titles: &mut Titles) {
    match part {
        Value::Object(entries) => {
            if let Some(name) = entries.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next())
                && seen.insert(name.to_owned())
            {
                fields_of(&root["$defs"][name], root, seen, titles);
            }
            if let (Some(Value::String(title)), Some(Value::Object(fields))) =
                (entries.get("title"), entries.get("properties"))
            {
                titles.entry(title.clone()).or_default().extend(fields.keys().cloned());
            }
            entries.values().for_each(|part| fields_of(part, root, seen, titles));
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields_of(part, root, seen, titles)),
        _ => {}
    }
}

fn in_schema(branch: &str) -> Titles {
    let root = schema();
    let mut titles = Titles::new();
    fields_of(&root[branch], &root, &mut BTreeSet::new(), &mut titles);
    titles
}

/// The fields that the readers asked for, by what they call the mapping.
fn asked_for() -> Titles {
    let mut titles = Titles::new();
    for (of, names) in asked::taken() {
        // The same form in several places has one title, and a mapping without fields none.
        let title = match of.as_str() {
            "clear" | "where" | "if" | "that" => "when".to_owned(),
            "to" => "capacity".to_owned(),
            _ => of,
        };
        if !names.is_empty() {
            titles.entry(title).or_default().extend(names.iter().map(ToString::to_string));
        }
    }
    titles
}

#[test]
fn every_field_that_is_read_is_in_the_schema_and_no_other() {
    let sources = [files(&folder("tests/good")), files(&folder("tests/shared"))].concat();
    let catalogue = Catalogue::new(UnknownMetrics::Allow);
    asked::taken();
    let problems = load(&sources, &catalogue).problems;
    assert_eq!(problems.len(), 0, "{problems:?}");
    assert_eq!(asked_for(), in_schema("else"), "policies");
    assert_eq!(load_tests(&sources).1.len(), 0);
    let mut tests = asked_for();
    // Of a policy in the same folder, only the head is read.
    tests.retain(|title, _| in_schema("then").contains_key(title));
    assert_eq!(tests, in_schema("then"), "tests of policies");
}
