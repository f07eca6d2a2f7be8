//! What `orch` understands, asked of the program itself: the page that says so, and whether other pages name what it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::clean;
use super::page::fences;
use crate::process::capture;

/// How the page is made.
pub const AGAIN: &str = "UPDATE=1 cargo xtask test --area guides";

/// Help texts by command, as `orch job list`.
#[derive(Debug)]
pub struct Reference {
    texts: BTreeMap<String, String>,
    order: Vec<String>,
}

impl Reference {
    /// Asks the program, command by command.
    pub fn ask(orch: &Path) -> Result<Self> {
        let mut reference = Self { texts: BTreeMap::new(), order: Vec::new() };
        let mut open = vec![Vec::<String>::new()];
        while let Some(words) = open.pop() {
            let text = capture(clean(orch).args(&words).arg("--help"))?;
            let mut under: Vec<_> = subcommands(&text);
            under.reverse();
            open.extend(under.into_iter().map(|name| [words.as_slice(), &[name]].concat()));
            let name = [&["orch".to_owned()], words.as_slice()].concat().join(" ");
            reference.order.push(name.clone());
            reference.texts.insert(name, text);
        }
        Ok(reference)
    }

    #[cfg(test)]
    pub fn planted(texts: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<_, _> = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Self { order: texts.keys().cloned().collect(), texts }
    }

    /// The page: every command with its help. Options that all commands share are shown once.
    pub fn page(&self) -> String {
        let mut page = format!(
            "<!-- @generated from `orch --help` by `{AGAIN}`; do not edit. -->\n\n# Command line\n\n\
             The options under *Connection* hold for every command and are shown once.\n\
             Exit codes: 0 done, 1 error, 2 the job or run did not succeed, 3 timed out waiting, 4 credentials, 5 not found, 6 conflict.\n"
        );
        for name in &self.order {
            let text = &self.texts[name];
            let text = if name == "orch" { text } else { text.split("\nConnection:\n").next().unwrap_or(text) };
            let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
            // Writing to a string does not fail.
            let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n"));
        }
        page
    }

    /// Commands and flags that a page names, in shell snippets and inline code, and that do not exist.
    pub fn unknown(&self, markdown: &str) -> Vec<String> {
        let mut findings = Vec::new();
        for line in shell_lines(markdown) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for at in (0..words.len()).filter(|at| is_called(&words, *at)) {
                findings.extend(self.unknown_in(&words[at + 1..]));
            }
        }
        findings
    }

    fn unknown_in(&self, words: &[&str]) -> Vec<String> {
        let mut name = "orch".to_owned();
        let mut findings = Vec::new();
        let mut after_flag = false;
        for word in words {
            if matches!(*word, "|" | "&" | "&&" | "||" | ";" | ">" | "#" | "…") {
                break;
            }
            let word = word.trim_end_matches([')', ';', ',', '.']);
            let text = self.texts.get(&name).map_or("", String::as_str);
            let next = format!("{name} {word}");
            if self.texts.contains_key(&next) {
                name = next;
            } else if let Some(flag) = word.strip_prefix("--") {
                let flag = format!("--{}", flag.split('=').next().unwrap_or(flag));
                let has = text.split_whitespace().any(|found| found.trim_end_matches([',', ']']) == flag);
                if !has {
                    findings.push(format!("`{name}` has no {flag}"));
                }
            } else if !subcommands(text).is_empty() && !word.starts_with('-') && !after_flag {
                findings.push(format!("there is no `{next}`"));
                break;
            }
            // It may be the flag's value.
            after_flag = word.starts_with('-');
        }
        findings
    }
}

/// The program stands where a command does, and is no argument of another one.
fn is_called(words: &[&str], at: usize) -> bool {
    let (word, before) = (words[at], at.checked_sub(1).map_or(";", |before| words[before]));
    let begins =
        before.ends_with(';') || matches!(before, "|" | "&" | "&&" | "||" | "until" | "while" | "if" | "do" | "!");
    (word == "orch" && begins) || word.ends_with("$(orch")
}

/// Lines of shell snippets, and inline code that begins with the program.
fn shell_lines(markdown: &str) -> Vec<String> {
    let shell = fences(markdown).into_iter().filter(|(_, info, _)| info.split_whitespace().next() == Some("sh"));
    let mut lines: Vec<String> =
        shell.flat_map(|(_, _, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut fenced = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines
                .extend(line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("orch ")).map(str::to_owned));
        }
    }
    lines
}

/// The names under `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let after = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = after.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}
