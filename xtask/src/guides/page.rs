//! The fenced blocks of a page and what their info strings say.
//!
//! `sh run` runs and must end 0 (`exit=N`: its last command ends N); `sh background` runs on; `sh given` is what the
//! reader has and the runner provides; `sh elsewhere` is held by another area; `text expect` is what the block before prints.

use anyhow::{Result, bail};

/// What to do with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Run it, and wait.
    Run {
        /// The status that it must end with.
        exit: u8,
    },
    /// Start it; what it is expected to print says that it is ready.
    Background,
    /// The reader's own setting.
    Given,
    /// Not run here.
    Elsewhere,
}

/// A shell snippet.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence.
    pub line: usize,
    /// What to do with it.
    pub kind: Kind,
    /// The commands.
    pub text: String,
    /// What it prints; `…` stands for anything.
    pub expect: Option<String>,
}

/// A page's shell snippets, in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The snippets.
    pub blocks: Vec<Block>,
}

/// Any fenced block, in lists too: its line, its info string, its text.
pub fn fences(markdown: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, String)> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(info), None) => open = Some((index + 1, info.trim().to_owned(), String::new())),
            (Some(_), Some(block)) => found.push(block),
            (None, Some((at, info, text))) => open = Some((at, info, text + line + "\n")),
            (None, None) => {}
        }
    }
    found
}

impl Page {
    /// Reads a page. A shell snippet that says nothing about itself is an error: nothing is left out silently.
    pub fn read(markdown: &str) -> Result<Self> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut follows_run = false;
        for (line, info, text) in fences(markdown) {
            let words: Vec<&str> = info.split_whitespace().collect();
            match words.as_slice() {
                ["sh", rest @ ..] => blocks.push(Block { line, kind: kind(line, rest)?, text, expect: None }),
                ["text", "expect"] => match blocks.last_mut().filter(|_| follows_run) {
                    Some(block) => block.expect = Some(text),
                    None => bail!("line {line}: `text expect` must follow the snippet that prints it"),
                },
                _ => {}
            }
            let runs = blocks.last().is_some_and(|block| matches!(block.kind, Kind::Run { .. } | Kind::Background));
            follows_run = runs && words.first() == Some(&"sh");
        }
        Ok(Self { blocks })
    }
}

fn kind(line: usize, words: &[&str]) -> Result<Kind> {
    Ok(match words {
        ["run"] => Kind::Run { exit: 0 },
        ["run", exit] => match exit.strip_prefix("exit=").and_then(|text| text.parse().ok()) {
            Some(exit) => Kind::Run { exit },
            None => bail!("line {line}: `{exit}` is not `exit=N`"),
        },
        ["background"] => Kind::Background,
        ["given"] => Kind::Given,
        ["elsewhere"] => Kind::Elsewhere,
        _ => bail!("line {line}: a shell snippet is marked `run`, `background`, `given` or `elsewhere`"),
    })
}
