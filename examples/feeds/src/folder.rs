//! A folder of feeds on disk: which documents it has, and their bytes.
//! It reads only what is a document of a feed or the hash beside one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::feed::Feed;

/// A document in a feed's list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its path, with the feed's name in front and `/` between the parts.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Lists a feed's documents in byte order of their paths; none where the feed's folder is absent.
///
/// # Errors
/// A folder that cannot be read, or a name that is not UTF-8.
pub fn list(dir: &Path, feed: Feed) -> io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    let mut open = vec![feed.name().to_owned()];
    while let Some(folder) = open.pop() {
        let children = match fs::read_dir(dir.join(&folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder == feed.name() => break,
            children => children?,
        };
        for child in children {
            let child = child?;
            let name = child.file_name().into_string();
            let name = name.map_err(|name| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{folder}: {name:?} is not UTF-8"))
            })?;
            let path = format!("{folder}/{name}");
            let metadata = child.metadata()?;
            if metadata.is_dir() && !name.starts_with('.') {
                open.push(path);
            } else if metadata.is_file() && Feed::of_path(&path) == Some(feed) {
                listed.push(Listed { path, size: metadata.len() });
            }
        }
    }
    listed.sort();
    Ok(listed)
}

/// The file of a document or of the hash beside one; `None` for any other path.
#[must_use]
pub fn file(dir: &Path, path: &str) -> Option<PathBuf> {
    let document = match Feed::of_path(path) {
        Some(_) => path,
        None => path.strip_suffix(".sha512")?,
    };
    let feed = Feed::of_path(document)?;
    let known = path == document || feed.hash_path(document).as_deref() == Some(path);
    known.then(|| dir.join(path))
}

/// Reads a document or the hash beside one; `None` if there is no such file.
///
/// # Errors
/// A file that cannot be read.
pub fn read(dir: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = file(dir, path) else { return Ok(None) };
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::file;

    #[test]
    fn only_documents_and_their_hashes_have_a_file() {
        let dir = Path::new("feeds");
        for path in ["rustsec/crates/a/R.md", "pypa/a/P.yaml", "kev/k.json", "csaf/a.json", "csaf/a.json.sha512"] {
            assert_eq!(file(dir, path), Some(dir.join(path)), "{path}");
        }
        for path in [
            "README.md",
            "rustsec/../secret.md",
            "/etc/passwd",
            "pypa//etc/a.yaml",
            "kev/k.json.sha512",
            "csaf/a.sha512",
            "pypa/.id-allocator",
            "other/a.json",
        ] {
            assert_eq!(file(dir, path), None, "{path}");
        }
    }
}
