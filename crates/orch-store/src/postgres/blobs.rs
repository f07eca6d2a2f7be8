//! Uploaded artifacts' bytes as chunks in PostgreSQL, for `orch serve`.
//!
//! Digests are checked by the caller.

use async_trait::async_trait;
use bytes::Bytes;
use orch_core::ids::TenantNo;
use orch_core::port::{BlobStore, StoreError};
use sqlx::postgres::{PgBindIterExt, PgPool};

use super::session::{for_tenant, store_error};
use crate::codec::{limit, small};

/// A chunk; larger ones would make a reader hold more than it sends.
const CHUNK_BYTES: usize = 256 << 10;

/// Uploaded bytes in PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresBlobs {
    keepers: PgPool,
    requests: PgPool,
}

impl PostgresBlobs {
    pub(super) fn new(keepers: PgPool, requests: PgPool) -> Self {
        Self { keepers, requests }
    }
}

#[async_trait]
impl BlobStore for PostgresBlobs {
    async fn blob_put(&self, tenant: TenantNo, sha256: &str, media_type: &str, bytes: Bytes) -> Result<(), StoreError> {
        // An empty blob is one empty chunk.
        let empty = bytes.is_empty().then_some(&b""[..]);
        sqlx::query(include_str!("../../sql/postgres/blob/put.sql"))
            .bind(small(tenant.0))
            .bind(sha256)
            .bind(media_type)
            .bind(limit(bytes.len()))
            .bind(bytes.chunks(CHUNK_BYTES).chain(empty).bind_iter())
            .execute(&self.keepers)
            .await
            .map(drop)
            .map_err(store_error)
    }

    async fn blob_get(&self, tenant: TenantNo, sha256: &str) -> Result<Option<(String, Bytes)>, StoreError> {
        let chunks: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(include_str!("../../sql/postgres/blob/get.sql"))
            .bind(small(tenant.0))
            .bind(sha256)
            .fetch_all(&mut *for_tenant(&self.requests, tenant).await?)
            .await
            .map_err(store_error)?;
        let Some((media_type, size_bytes, _)) = chunks.first() else { return Ok(None) };
        let (media_type, size_bytes) = (media_type.clone(), *size_bytes);
        let bytes = chunks.iter().map(|(_, _, bytes)| bytes.as_slice()).collect::<Vec<_>>().concat();
        if limit(bytes.len()) != size_bytes {
            return Err(StoreError::Corrupt(format!("blob {sha256} has {} of {size_bytes} bytes", bytes.len())));
        }
        Ok(Some((media_type, bytes.into())))
    }
}
