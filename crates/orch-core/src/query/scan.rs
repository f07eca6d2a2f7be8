//! Reading: a query's text to terms with a key and values. What keys mean is not known here.

use crate::limits;

use super::QueryError;

/// Characters of a term that an error shows.
const SHOWN_CHARS_MAX: usize = 64;

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// Without quotes.
    pub text: String,
    /// It stood in quotes, so that nothing in it has a meaning.
    pub quoted: bool,
}

/// `key:value,value`.
#[derive(Debug)]
pub(super) struct Term {
    pub key: String,
    pub values: Vec<Value>,
    written: String,
    position: usize,
}

impl Term {
    /// The refusal of this term.
    pub fn refused(&self, detail: impl Into<String>) -> QueryError {
        QueryError { term: self.written.clone(), position: self.position, detail: detail.into(), too_large: false }
    }

    /// The same where a limit was passed.
    pub fn too_large(&self, detail: impl Into<String>) -> QueryError {
        QueryError { too_large: true, ..self.refused(detail) }
    }
}

/// All terms of a text.
pub(super) fn terms(text: &str) -> Result<Vec<Term>, QueryError> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() as u64 > limits::QUERY_CHARS_MAX {
        let detail = format!("a query has at most {} characters; this has {}", limits::QUERY_CHARS_MAX, chars.len());
        return Err(QueryError { too_large: true, ..refused(&chars, 0, detail) });
    }
    let mut terms = Vec::new();
    let mut scan = Scan { chars: &chars, at: 0 };
    loop {
        scan.skip_space();
        if scan.at == chars.len() {
            return Ok(terms);
        }
        terms.push(scan.term()?);
    }
}

/// A refusal of the term that begins at `start`.
fn refused(chars: &[char], start: usize, detail: impl Into<String>) -> QueryError {
    let rest = chars[start..].iter().take_while(|c| !c.is_whitespace());
    QueryError {
        term: rest.take(SHOWN_CHARS_MAX).collect(),
        position: start + 1,
        detail: detail.into(),
        too_large: false,
    }
}

/// A place in a text.
struct Scan<'a> {
    chars: &'a [char],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn term(&mut self) -> Result<Term, QueryError> {
        let start = self.at;
        let key = self.take_while(|c| c != ':' && c != '"' && c != ',' && !c.is_whitespace());
        if key.is_empty() || self.peek() != Some(':') {
            return Err(refused(self.chars, start, "a term is `key:value`"));
        }
        let mut values = Vec::new();
        // A colon opens the first value, a comma each further one.
        while matches!(self.peek(), Some(':' | ',')) {
            self.at += 1;
            values.push(self.value(start)?);
        }
        let written = self.chars[start..self.at].iter().take(SHOWN_CHARS_MAX).collect();
        Ok(Term { key, values, written, position: start + 1 })
    }

    fn value(&mut self, start: usize) -> Result<Value, QueryError> {
        if self.peek() == Some('"') {
            self.at += 1;
            return self.quoted(start);
        }
        let text = self.take_while(|c| c != ',' && c != '"' && !c.is_whitespace());
        if self.peek() == Some('"') {
            return Err(refused(self.chars, start, "a quote may stand only around a whole value"));
        }
        if text.is_empty() {
            return Err(refused(self.chars, start, "a value is missing; an empty one is written `\"\"`"));
        }
        Ok(Value { text, quoted: false })
    }

    /// The rest of a quoted value. A backslash takes the meaning from what follows it.
    fn quoted(&mut self, start: usize) -> Result<Value, QueryError> {
        let mut text = String::new();
        loop {
            let c = self.peek().ok_or_else(|| refused(self.chars, start, "a quoted value is not closed"))?;
            self.at += 1;
            match c {
                '"' => break,
                '\\' => {
                    let escaped = self.peek().filter(|c| matches!(c, '"' | '\\'));
                    let wrong = || refused(self.chars, start, "a backslash may stand only before `\"` and `\\`");
                    text.push(escaped.ok_or_else(wrong)?);
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
        if self.peek().is_some_and(|c| c != ',' && !c.is_whitespace()) {
            return Err(refused(self.chars, start, "a quote may stand only around a whole value"));
        }
        Ok(Value { text, quoted: true })
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }
}
