//! What the documentation shows is what the program takes: every YAML block in it loads, and its tests pass.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, path::Path};

    use crate::program::{homeostat, printed, root, scratch};

    /// Files with blocks, and how many documents of each kind are in them: so none is passed over, nor lost unseen.
    const PAGES: [(&str, &[(&str, usize)]); 2] = [
        ("README.md", &[("Configuration", 1), ("Policy", 1)]),
        ("policies/README.md", &[("Guard", 4), ("Policy", 10), ("PolicyTest", 2)]),
    ];

    #[test]
    fn every_document_of_the_documentation_loads_and_its_tests_pass() {
        for (page, expected) in PAGES {
            let documents = documents(&fs::read_to_string(root().join(page)).unwrap());
            let mut found: BTreeMap<&str, usize> = BTreeMap::new();
            for document in &documents {
                *found.entry(field(document, "kind").unwrap_or("none")).or_default() += 1;
            }
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "documents of {page}");
            try_out(page, &documents);
        }
    }

    /// The documents of all blocks, each as it stands there.
    fn documents(page: &str) -> Vec<String> {
        let (mut documents, mut block) = (Vec::new(), None::<String>);
        for line in page.lines() {
            match &mut block {
                Some(text) if line.trim_start().starts_with("```") => {
                    documents.extend(text.split("---\n").map(str::to_owned));
                    block = None;
                }
                Some(text) => *text += &format!("{line}\n"),
                None if ["```yaml", "```yml"].iter().any(|fence| line.trim_start().starts_with(fence)) => {
                    block = Some(String::new());
                }
                None => {}
            }
        }
        assert_eq!(block, None, "a block does not end");
        documents
    }

    /// Of the field `name` of a document or of its metadata, the value.
    fn field<'a>(document: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = document.split_once(&format!("{name}: "))?;
        rest.split([',', '}', '\n']).next()
    }

    /// Policies lie beside the tests under their names; a configuration finds the policies of the checkout.
    fn try_out(page: &str, documents: &[String]) {
        let folder = scratch();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (mut policies, mut tests) = (0, 0);
        for document in documents {
            assert!(document.lines().any(|line| line == "apiVersion: homeostat.dev/v1alpha1"), "{page}: {document}");
            match field(document, "kind") {
                Some(kind @ ("Policy" | "Guard")) => {
                    let file = path(&format!("{}.yaml", field(document, "name").unwrap()));
                    assert!(!Path::new(&file).exists(), "{page} has two policies {file}");
                    fs::write(file, document).unwrap();
                    policies += usize::from(kind == "Policy");
                }
                Some("PolicyTest") => {
                    fs::write(path(&format!("{tests}.test.yaml")), document).unwrap();
                    tests += 1;
                }
                _ => configuration(document),
            }
        }
        // As they would run, and as backtests and tests take them.
        let plural = if policies == 1 { "policy" } else { "policies" };
        for arguments in [&["check"][..], &["check", "--allow-unknown-metrics"]] {
            let (status, told) = printed(&homeostat(&[arguments, &[&path("")]].concat()));
            assert_eq!(status, 0, "{page}: {told}");
            assert!(told.starts_with(&format!("{policies} {plural} in ")), "{page}: {told}");
        }
        if tests > 0 {
            let (status, told) = printed(&homeostat(&["test", &path("")]));
            assert_eq!(status, 0, "{page}: {told}");
            assert!(told.ends_with(&format!("{tests} passed, 0 failed\n")), "{page}: {told}");
        }
    }

    fn configuration(document: &str) {
        let folder = scratch();
        fs::create_dir(folder.path().join("policies")).unwrap();
        for entry in fs::read_dir(root().join("policies")).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                continue;
            }
            fs::copy(&file, folder.path().join("policies").join(file.file_name().unwrap())).unwrap();
        }
        fs::write(folder.path().join("token"), "of-the-webhook\n").unwrap();
        fs::write(folder.path().join("homeostat.yaml"), document).unwrap();
        let (status, told) = printed(&homeostat(&["check", folder.path().to_str().unwrap()]));
        assert_eq!(status, 0, "{told}");
    }
}
