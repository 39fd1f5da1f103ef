//! Files and the documents in them.

use std::ops::Range;

use crate::{mistake::Mistake, report::Report};

/// Largest file that is read, in bytes. A policy has about 1 KiB, so this is the whole policy set of a large site in one
/// file; a file beyond it is a recording or an image that got into the folder by accident.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// Most documents in one file: what fits into [`MAX_FILE_BYTES`] when every document is a whole policy.
pub const MAX_DOCUMENTS: usize = 1_000;

/// A file: its name for messages, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The name, as it is to appear in messages.
    pub name: String,
    /// The content.
    pub text: String,
}

/// Longest line that is read, in bytes: twice the longest expression. A person can find no place in a longer one, and what draws
/// problems cannot draw one beyond column 65,535.
pub const MAX_LINE_BYTES: usize = 8 * 1024;

/// The documents of `text`, as byte ranges; says so when there is too much of it. One that has too long a line is left out.
///
/// YAML forbids `---` and `...` at the start of a line inside of any scalar, so that the split is exact, and a broken
/// document cannot take the others with it.
pub(crate) fn documents(text: &str, report: &mut Report) -> Vec<Range<usize>> {
    if text.len() > MAX_FILE_BYTES {
        report.add(0..0, Mistake::FileTooLarge { bytes: text.len(), limit: MAX_FILE_BYTES });
        return Vec::new();
    }
    let mut documents = Vec::new();
    let mut start = 0;
    let mut offset = 0;
    let mut content = false;
    let mut readable = true;
    let end = |documents: &mut Vec<Range<usize>>, range, readable: &mut bool| {
        if std::mem::replace(readable, true) {
            documents.push(range);
        }
    };
    for line in text.split_inclusive('\n') {
        let (begins, ends) = (is_marker(line, "---"), is_marker(line, "..."));
        if begins && content {
            end(&mut documents, start..offset, &mut readable);
            start = offset;
            content = false;
        }
        if line.len() > MAX_LINE_BYTES {
            report.add(offset..offset, Mistake::LineTooLong { bytes: line.len(), limit: MAX_LINE_BYTES });
            readable = false;
        }
        offset += line.len();
        if ends {
            end(&mut documents, start..offset, &mut readable);
            start = offset;
            content = false;
        } else {
            // Directives and comments before `---` belong to the document that it begins.
            let trimmed = line.trim_start_matches('\u{feff}').trim();
            content |= begins || !(trimmed.is_empty() || trimmed.starts_with('#') || line.starts_with('%'));
        }
    }
    if start < offset {
        end(&mut documents, start..offset, &mut readable);
    }
    if let Some(first) = documents.get(MAX_DOCUMENTS) {
        report.add(first.start..first.start, Mistake::TooManyDocuments { limit: MAX_DOCUMENTS });
        documents.truncate(MAX_DOCUMENTS);
    }
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_where_yaml_does() {
        for (text, expected) in [
            ("", &[][..]),
            ("a: 1\n", &["a: 1\n"]),
            ("---\na: 1\n---\nb: 2", &["---\na: 1\n", "---\nb: 2"]),
            ("# head\n%YAML 1.2\n---\na: 1\n", &["# head\n%YAML 1.2\n---\na: 1\n"]),
            ("a: 1\n...\n# tail\nb: 2\n", &["a: 1\n...\n", "# tail\nb: 2\n"]),
            ("a: |\n  ---\n  x\n--- \nb: 1\n", &["a: |\n  ---\n  x\n", "--- \nb: 1\n"]),
            ("a: ---b\n---c: 1\n", &["a: ---b\n---c: 1\n"]),
            ("---\r\na: 1\r\n---\r\nb: 2\r\n", &["---\r\na: 1\r\n", "---\r\nb: 2\r\n"]),
        ] {
            let mut report = Report::new(&SourceText { name: "f".into(), text: text.into() });
            let found: Vec<_> = documents(text, &mut report).into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn a_document_with_too_long_a_line_is_left_out_alone() {
        let long = "x".repeat(MAX_LINE_BYTES);
        for (text, expected, line) in [
            (format!("a: 1\n---\nb: {long}\n---\nc: 1\n"), vec!["a: 1\n", "---\nc: 1\n"], 3),
            (format!("--- {long}\n...\nc: 1"), vec!["c: 1"], 1),
            (format!("c: 1\n--- {long}"), vec!["c: 1\n"], 2),
            (format!("a: {}\n", &long[4..]), vec![], 0),
        ] {
            let mut report = Report::new(&SourceText { name: "f".into(), text: text.clone() });
            let found: Vec<_> = documents(&text, &mut report).into_iter().map(|range| &text[range]).collect();
            let told: Vec<_> = report.into_problems().iter().map(|problem| (problem.code(), problem.line())).collect();
            if line == 0 {
                assert_eq!((found, told), (vec![&text[..]], vec![]), "exactly as long as is read");
            } else {
                assert_eq!((found, told), (expected, vec![("homeostat::policy::line_too_long".to_owned(), line)]));
            }
        }
    }

    #[test]
    fn too_much_is_said_and_the_rest_is_kept() {
        let text = "---\na: 1\n".repeat(MAX_DOCUMENTS + 2);
        let mut report = Report::new(&SourceText { name: "f".into(), text: text.clone() });
        assert_eq!(documents(&text, &mut report).len(), MAX_DOCUMENTS);
        let problems = report.into_problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].code(), "homeostat::policy::too_many_documents");
        assert_eq!(problems[0].line(), 2 * MAX_DOCUMENTS + 1);
    }
}
