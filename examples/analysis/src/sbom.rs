//! CycloneDX: from a file's bytes to its components. Only what says which packages are there is read.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    canonical,
    package::{Package, of_purl},
};

/// A package at a version, as an SBOM names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Component {
    /// The package URL, word for word.
    pub purl: String,
    /// The package.
    pub package: Package,
    /// The version.
    pub version: String,
}

/// What an SBOM says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sbom {
    /// What it is the list of.
    pub subject: Option<String>,
    /// Its components of registries that the feed speaks of, sorted, without repeats.
    pub components: Vec<Component>,
    /// Its other components.
    pub elsewhere: u64,
}

/// An SBOM as it lies in a folder.
#[derive(Clone, Debug)]
pub struct SbomFile {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub digest: String,
}

/// Why bytes are no SBOM.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// Not JSON.
    #[error("not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON of another kind.
    #[error("`bomFormat` is not `CycloneDX`")]
    NotCycloneDx,
    /// A version whose components may look otherwise.
    #[error("specification version {0} is not 1.x")]
    Version(String),
    /// A member that is not what the format says.
    #[error("{0}")]
    Schema(&'static str),
}

impl SbomFile {
    /// A file of that name with these bytes.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Vec<u8>) -> SbomFile {
        SbomFile { name: name.into(), digest: canonical::digest(&bytes), bytes }
    }

    /// All files of a folder that end in `.json`, by name.
    ///
    /// # Errors
    /// The folder or a file cannot be read.
    pub fn in_folder(dir: &Path) -> io::Result<Vec<SbomFile>> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(dir)? {
            paths.push(entry?.path());
        }
        paths.retain(|path| path.is_file() && path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        let named = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        paths.iter().map(|path| Ok(SbomFile::new(named(path), fs::read(path)?))).collect()
    }

    /// What it says.
    ///
    /// # Errors
    /// It is no SBOM.
    pub fn read(&self) -> Result<Sbom, SbomError> {
        Sbom::read(&self.bytes)
    }
}

impl Sbom {
    /// Reads CycloneDX JSON of any version 1.x, components inside components included.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn read(bytes: &[u8]) -> Result<Sbom, SbomError> {
        let root: Value = serde_json::from_slice(bytes).map_err(SbomError::NotJson)?;
        if root["bomFormat"] != "CycloneDX" {
            return Err(SbomError::NotCycloneDx);
        }
        let version = root["specVersion"].as_str().unwrap_or_default();
        if !version.starts_with("1.") {
            return Err(SbomError::Version(version.to_owned()));
        }
        let subject = root["metadata"]["component"]["name"].as_str().map(str::to_owned);
        let mut sbom = Sbom { subject, ..Sbom::default() };
        sbom.gather(&root["components"])?;
        sbom.components.sort();
        sbom.components.dedup();
        Ok(sbom)
    }

    fn gather(&mut self, components: &Value) -> Result<(), SbomError> {
        let list = match components {
            Value::Null => return Ok(()),
            Value::Array(list) => list,
            _ => return Err(SbomError::Schema("`components` is no list")),
        };
        for component in list {
            if !component.is_object() {
                return Err(SbomError::Schema("a component is no object"));
            }
            match component["purl"].as_str().and_then(|purl| Some((purl, of_purl(purl)?))) {
                Some((purl, (package, version))) => {
                    self.components.push(Component { purl: purl.to_owned(), package, version });
                }
                None => self.elsewhere += 1,
            }
            self.gather(&component["components"])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Sbom, SbomError};

    fn read(value: &serde_json::Value) -> Result<Sbom, SbomError> {
        Sbom::read(value.to_string().as_bytes())
    }

    #[test]
    fn components_are_found_at_any_depth_once() {
        let sbom = read(&json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": {"name": "own"}},
            "components": [
                {"purl": "pkg:cargo/b@1.0.0", "components": [{"purl": "pkg:pypi/A_b@2"}, {"name": "no purl"}]},
                {"purl": "pkg:cargo/b@1.0.0"}, {"purl": "pkg:npm/x@1.0.0"},
            ],
        }));
        let sbom = sbom.expect("reads");
        let found: Vec<&str> = sbom.components.iter().map(|component| component.package.name.as_str()).collect();
        assert_eq!((found, sbom.elsewhere, sbom.subject.as_deref()), (vec!["b", "a-b"], 2, Some("own")));
    }

    #[test]
    fn what_is_no_sbom_is_refused() {
        assert!(matches!(Sbom::read(b"{"), Err(SbomError::NotJson(_))));
        assert!(matches!(read(&json!({"spdxVersion": "SPDX-2.3"})), Err(SbomError::NotCycloneDx)));
        assert!(matches!(read(&json!({"bomFormat": "CycloneDX", "specVersion": "2.0"})), Err(SbomError::Version(_))));
        for components in [json!({}), json!([1])] {
            let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components});
            assert!(matches!(read(&sbom), Err(SbomError::Schema(_))));
        }
        assert_eq!(read(&json!({"bomFormat": "CycloneDX", "specVersion": "1.5"})).ok(), Some(Sbom::default()));
    }
}
