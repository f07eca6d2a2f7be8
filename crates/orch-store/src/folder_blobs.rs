//! Uploaded artifacts' bytes as files in a folder, for `orch dev`.
//!
//! Laid out as `tenant/ab/abcd…` with the media type beside it in `abcd….type`. Digests are checked by the caller.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use orch_core::ids::TenantNo;
use orch_core::port::{BlobStore, StoreError};

/// Uploaded bytes in a folder.
#[derive(Debug)]
pub struct FolderBlobs {
    root: PathBuf,
    written: AtomicU64,
}

impl FolderBlobs {
    /// Opens the folder; makes it if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|source| unavailable(&root, &source))?;
        Ok(Self { root, written: AtomicU64::new(0) })
    }

    fn place(&self, tenant: TenantNo, sha256: &str) -> Option<PathBuf> {
        let digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        digest.then(|| self.root.join(tenant.0.to_string()).join(&sha256[..2]).join(sha256))
    }
}

#[async_trait]
impl BlobStore for FolderBlobs {
    async fn blob_put(&self, tenant: TenantNo, sha256: &str, media_type: &str, bytes: Bytes) -> Result<(), StoreError> {
        let path = self
            .place(tenant, sha256)
            .ok_or_else(|| StoreError::Corrupt(format!("`{sha256}` is no SHA-256 in hexadecimal")))?;
        let turn = self.written.fetch_add(1, Ordering::Relaxed);
        let media_type = media_type.to_owned();
        blocking(move || put(&path, &bytes, &media_type, turn).map_err(|source| unavailable(&path, &source))).await
    }

    async fn blob_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<(String, Bytes)>, StoreError> {
        let Some(path) = self.place(tenant, sha256) else { return Ok(None) };
        blocking(move || get(&path).map_err(|source| unavailable(&path, &source))).await
    }
}

/// The media type first, so that whoever finds the bytes finds it too.
fn put(path: &Path, bytes: &[u8], media_type: &str, turn: u64) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().ok_or_else(|| io::Error::other("a digest's path has a folder"))?;
    fs::create_dir_all(folder)?;
    write_whole(&path.with_extension("type"), media_type.as_bytes(), turn)?;
    write_whole(path, bytes, turn)?;
    File::open(folder)?.sync_all()
}

/// A reader sees the whole file or none: it gets its name after its bytes are on the disk.
fn write_whole(path: &Path, bytes: &[u8], turn: u64) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{turn}.part", std::process::id()));
    let part = PathBuf::from(name);
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

fn get(path: &Path) -> io::Result<Option<(String, Bytes)>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let media_type = fs::read_to_string(path.with_extension("type"))?;
    Ok(Some((media_type, bytes.into())))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| StoreError::Unavailable(format!("the blob folder's thread ended: {source}")))?
}

fn unavailable(path: &Path, source: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {source}", path.display()))
}
