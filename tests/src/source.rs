//! The project's own source as text, for the rules that it keeps.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the project.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Its path from the project's root.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Returns the project's root.
///
/// # Panics
///
/// If this package does not lie in the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package has a parent").to_path_buf()
}

/// Returns every file below the root with one of these endings; what was built or downloaded is left out.
#[must_use]
pub fn files(endings: &[&str]) -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root(), endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// A test as documents name it, such as `` `tests/tests/stock.rs::a_test` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTest {
    file: String,
    name: String,
}

impl NamedTest {
    /// Returns the tests that a text names.
    #[must_use]
    pub fn in_text(text: &str) -> Vec<Self> {
        let named = text.split('`').skip(1).step_by(2).filter_map(|code| {
            let (file, name) = code.split_once(".rs::")?;
            Some(Self { file: format!("{file}.rs"), name: name.to_owned() })
        });
        named.collect()
    }

    /// Says what is wrong with the name, `None` where there is such a test.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Self { file, name } = self;
        let Ok(text) = fs::read_to_string(root().join(file)) else {
            return Some(format!("there is no {file}"));
        };
        let Some((before, _)) = text.split_once(&format!("fn {name}(")) else {
            return Some(format!("{file} has no {name}"));
        };
        let lines = before.lines().rev().map(str::trim);
        let above = lines.skip_while(|line| matches!(*line, "" | "async" | "pub"));
        let above: Vec<&str> =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//")).collect();
        let has = |attribute: &str| above.iter().any(|line| line.contains(attribute));
        let runs = (has("test]") || has("::test(")) && !has("ignore");
        (!runs).then(|| format!("{name} of {file} is no test that runs"))
    }
}

impl SourceFile {
    /// Returns the lines before the tests that stand in the file.
    #[must_use]
    pub fn without_tests(&self) -> Vec<&str> {
        self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").collect()
    }

    /// Says whether the file holds tests only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
    }

    /// Returns the longest function as its first line and its length in lines.
    ///
    /// A function ends at the brace that stands as deep as it began, which holds for formatted code.
    #[must_use]
    pub fn longest_function(&self) -> Option<(usize, usize)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let starts = lines.iter().enumerate().filter(|(_, line)| is_function(line));
        let lengths = starts.filter_map(|(at, line)| {
            // A declaration without a body ends with a semicolon.
            let opens = lines[at..].iter().find(|line| line.ends_with(['{', ';']))?;
            if opens.ends_with(';') {
                return None;
            }
            let depth = line.len() - line.trim_start().len();
            let end = format!("{}}}", " ".repeat(depth));
            let length = lines[at..].iter().position(|line| *line == end)?;
            Some((at + 1, length + 1))
        });
        lengths.max_by_key(|(_, length)| *length)
    }
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "pub" | "async" | "const" | "unsafe") || word.starts_with("pub(")
    });
    words.next() == Some("fn") && !line.trim_end().ends_with('}')
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<SourceFile>) {
    let entries = fs::read_dir(folder).expect("the project can be read");
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(
                name.as_str(),
                "target" | ".git" | ".cache" | "golden" | "corpus" | "artifacts"
            ) {
                collect(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(root()).expect("it lies below the root");
            found.push(SourceFile { path: path.to_string_lossy().into_owned(), text });
        }
    }
}
