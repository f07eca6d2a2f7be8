//! Artifacts by digest: upload and download. The digest is the name, and it is checked.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use orch_core::{Code, limits};
use sha2::{Digest as _, Sha256};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::Problem;
use super::fields::{check_sha256, check_text};
use super::json::{Json, read};
use super::query::Query;
use super::segment::Segment;
use super::texts::Sha256Text;
use super::words::ArtifactBody;
use crate::access::{Caller, Scope, require_any};
use crate::state::AppState;

/// The routes of artifacts.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(get_artifact, put_artifact))
}

/// Bytes of any kind, about which a schema says nothing.
#[derive(Debug)]
pub struct AnyBytes;

impl PartialSchema for AnyBytes {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }
}

impl ToSchema for AnyBytes {}

/// Bytes as they are sent.
#[derive(Debug)]
pub struct SentBytes;

impl PartialSchema for SentBytes {
    fn schema() -> RefOr<Schema> {
        let format = Some(SchemaFormat::KnownFormat(KnownFormat::Binary));
        ObjectBuilder::new().schema_type(Type::String).format(format).into()
    }
}

impl ToSchema for SentBytes {}

/// Uploads an artifact; its SHA-256 is its name.
#[utoipa::path(
    put, path = "/artifacts/{sha256}", tag = "artifacts",
    params(("sha256" = inline(Sha256Text), Path, description = "64 lower-case hexadecimal digits")),
    request_body(content = inline(SentBytes), content_type = "application/octet-stream", description = "The bytes, at most 64 MiB; their media type is kept"),
    responses(
        (status = 201, body = ArtifactBody, description = "It is kept"),
        (status = 200, body = ArtifactBody, description = "It was there already"),
    )
)]
pub async fn put_artifact(
    State(app): State<AppState>,
    caller: Caller,
    Segment(sha256): Segment,
    query: Query,
    request: Request,
) -> Result<(StatusCode, Json<ArtifactBody>), Problem> {
    require_any(&caller, &[Scope::Worker, Scope::Submit])?;
    query.none()?;
    check_sha256("sha256", &sha256)?;
    let media_type = media_type(request.headers())?;
    let _room = app.uploads().acquire().await.map_err(|error| Problem::internal(&error.to_string()))?;
    let bytes = read(request, limits::ARTIFACT_BYTES_MAX, "artifact_bytes_max").await?;
    let size_bytes = bytes.len() as u64;
    if digest(bytes.clone()).await? != sha256 {
        let detail = "the SHA-256 of the bytes is not the one in the path";
        return Err(Problem::field(Code::DigestMismatch, "sha256", detail));
    }
    let known = app.engine().blobs().blob_get(caller.tenant(), &sha256).await?;
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    let media_type = match known {
        Some((first, _)) => first,
        None => {
            app.engine().blobs().blob_put(caller.tenant(), &sha256, &media_type, bytes).await?;
            media_type
        }
    };
    Ok((status, Json(ArtifactBody { uri: format!("artifact:{sha256}"), media_type, sha256, size_bytes })))
}

fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok("application/octet-stream".to_owned()) };
    let refused = |_| Problem::field(Code::InvalidField, "Content-Type", "the media type must be visible ASCII");
    let media_type = value.to_str().map_err(refused)?;
    check_text("Content-Type", media_type, limits::NAME_CHARS_MAX)?;
    Ok(media_type.to_owned())
}

/// Off the threads that serve: 64 MiB take a while.
async fn digest(bytes: Bytes) -> Result<String, Problem> {
    let hashed = tokio::task::spawn_blocking(move || hex::encode(Sha256::digest(&bytes)));
    hashed.await.map_err(|error| Problem::internal(&error.to_string()))
}

/// Downloads an artifact that was uploaded in this tenant.
#[utoipa::path(
    get, path = "/artifacts/{sha256}", tag = "artifacts",
    params(("sha256" = inline(Sha256Text), Path, description = "64 lower-case hexadecimal digits")),
    responses((status = 200, body = inline(AnyBytes), content_type = "*/*", description = "The bytes, under the media type they were uploaded with"))
)]
pub async fn get_artifact(
    State(app): State<AppState>,
    caller: Caller,
    Segment(sha256): Segment,
    query: Query,
) -> Result<Response, Problem> {
    require_any(&caller, &[Scope::Read, Scope::Worker])?;
    query.none()?;
    check_sha256("sha256", &sha256).map_err(|_| Problem::not_found("artifact"))?;
    let found = app.engine().blobs().blob_get(caller.tenant(), &sha256).await?;
    let (media_type, bytes) = found.ok_or_else(|| Problem::not_found("artifact"))?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, HeaderValue::try_from(media_type).unwrap_or(plain));
    // Somebody's bytes: never to be run by a browser that comes across them.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if let Ok(etag) = HeaderValue::try_from(format!("\"{sha256}\"")) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}
