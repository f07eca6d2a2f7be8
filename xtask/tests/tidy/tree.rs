//! The files of the tree, read once per test; build output and hidden folders are not part of it.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file.
#[derive(Debug)]
pub struct Text {
    /// From the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Text {
    /// One that exists only in a test of a rule.
    pub fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Numbered lines, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// True for files that are only compiled for tests.
    pub fn is_test(&self) -> bool {
        let name = self.name();
        self.path.split('/').any(|part| part == "tests") || name == "tests.rs" || name.ends_with("_tests.rs")
    }
}

/// The workspace's root.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in the root because the workspace lists it so").to_owned()
}

/// All text files whose name ends in one of `endings`.
pub fn files(endings: &[&str]) -> Vec<Text> {
    let mut found = Vec::new();
    walk(&root(), &root(), endings, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// The names in one folder, sorted; empty when it is not there.
pub fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn walk(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<Text>) {
    for entry in fs::read_dir(folder).expect("the folder is readable because it was just listed").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && !matches!(name.as_str(), ".ci" | ".cargo");
        if hidden || matches!(name.as_str(), "target" | "node_modules") {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).expect("it lies under the root because the walk began there");
            // What is being written at this moment may be gone again; what is not text has no lines to check.
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            found.push(Text { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
}
