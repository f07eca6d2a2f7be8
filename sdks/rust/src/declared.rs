//! What sources, job types and projects have in common: versioned documents with a name.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::Error;
use crate::page::Page;
use crate::transport::{Call, segment};

/// How often an upsert begins anew when others change the same document.
const UPSERT_TRIES: u32 = 5;
/// Members that only the server writes.
const READ_MEMBERS: [&str; 2] = ["version", "updated_at"];

/// The one of that name.
pub async fn get<T: DeserializeOwned>(client: &Client, path: &str, name: &str) -> Result<T, Error> {
    client.call(Call::get(format!("{path}/{}", segment(name)))).await
}

/// A page.
pub async fn list<T: DeserializeOwned>(client: &Client, path: &str, cursor: Option<&str>) -> Result<Page<T>, Error> {
    client.call(Call::get(path).maybe_query("cursor", cursor)).await
}

/// Replaces the whole document.
pub async fn update<T: Serialize, U: DeserializeOwned>(
    client: &Client,
    path: &str,
    name: &str,
    wanted: &T,
    version: Option<u64>,
) -> Result<U, Error> {
    let mut call = Call::put(format!("{path}/{}", segment(name))).json(&written(wanted)?)?;
    if let Some(version) = version {
        call = call.if_match(version);
    }
    client.call(call).await
}

/// Makes the document, or lays the members that are set over the one that is there.
pub async fn upsert<T: Serialize + DeserializeOwned>(
    client: &Client,
    path: &str,
    name: &str,
    wanted: &T,
) -> Result<T, Error> {
    let set = written(wanted)?;
    let mut tries = 1;
    loop {
        match upsert_once(client, path, name, &set).await {
            Err(error) if tries < UPSERT_TRIES && matches!(error.status(), Some(409 | 412 | 428)) => tries += 1,
            Err(error) => return Err(error),
            Ok(value) => return decode(path, value),
        }
    }
}

async fn upsert_once(client: &Client, path: &str, name: &str, set: &Map<String, Value>) -> Result<Value, Error> {
    let found: Map<String, Value> = match get(client, path, name).await {
        Ok(found) => found,
        Err(error) if error.status() == Some(404) => return client.call(Call::post(path).json(set)?.keyed(None)).await,
        Err(error) => return Err(error),
    };
    if set.iter().all(|(member, value)| found.get(member) == Some(value)) {
        return Ok(Value::Object(found));
    }
    let version = found.get("version").and_then(Value::as_u64);
    let mut merged = found;
    merged.extend(set.clone());
    update(client, path, name, &merged, version).await
}

/// The members that are ours to write.
fn written<T: Serialize>(document: &T) -> Result<Map<String, Value>, Error> {
    let Value::Object(mut members) = serde_json::to_value(document).map_err(Error::Encode)? else {
        return Err(Error::Settings("a declared thing is an object".to_owned()));
    };
    READ_MEMBERS.iter().for_each(|member| drop(members.remove(*member)));
    Ok(members)
}

/// Deletes the document, whatever its version.
pub async fn delete(client: &Client, path: &str, name: &str) -> Result<(), Error> {
    client.send(Call::delete(format!("{path}/{}", segment(name)))).await.map(drop)
}

/// A document as it was answered.
pub fn decode<T: DeserializeOwned>(path: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|source| Error::Decode { call: format!("PUT {path}"), source })
}
