//! What is wrong with a TOML file, without quoting it: its lines may hold secrets.

use std::path::Path;

/// The file, the line, and what is wrong there.
pub fn tell(path: &Path, text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| format!(", line {}", before.matches('\n').count() + 1)).unwrap_or_default();
    format!("{} is wrong{line}: {}", path.display(), error.message().replace('\n', ", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_named_and_not_quoted() {
        let text = "a = 1\nb = s3cret\n";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let told = tell(Path::new("x.toml"), text, &error);
        assert!(told.starts_with("x.toml is wrong, line 2: ") && !told.contains("s3cret"), "{told}");
    }
}
