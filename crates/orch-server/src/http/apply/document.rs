//! A document that declares something: which kinds there are, how one is read and shown, what its schema is.
//!
//! A kind more is a row more in `KINDS`.

use std::fmt;
use std::marker::PhantomData;

use orch_core::config::{ConfigDoc, ConfigKind};
use orch_core::{Code, Refusal, Timestamp};
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::access::Scope;
use crate::http::blackouts::BlackoutBody;
use crate::http::breakers::BreakerBody;
use crate::http::buckets::BucketBody;
use crate::http::declared::Declared;
use crate::http::graphs::GraphBody;
use crate::http::job_types::JobTypeBody;
use crate::http::json::parse_part;
use crate::http::projects::ProjectBody;
use crate::http::quotas::QuotaBody;
use crate::http::schedules::ScheduleBody;
use crate::http::sources::SourceBody;
use crate::http::words::Moment;

/// The member that names the kind. Not `kind`: a source has a member of that name.
const MEMBER: &str = "declare";

/// Members that only the server writes.
const READ_MEMBERS: [&str; 2] = ["version", "updated_at"];

/// The kinds, in the order in which they are written: what others may name comes before them.
pub const KINDS: &[Kind] = &[
    Kind::of::<ProjectBody>("project"),
    Kind::of::<JobTypeBody>("job_type"),
    Kind::of::<SourceBody>("source"),
    Kind::of::<BucketBody>("bucket"),
    Kind::of::<QuotaBody>("quota"),
    Kind::of::<BreakerBody>("breaker"),
    Kind::of::<BlackoutBody>("blackout"),
    Kind::of::<GraphBody>("graph"),
    Kind::of::<ScheduleBody>("schedule"),
];

/// A kind of document.
pub struct Kind {
    /// What a document calls it.
    pub word: &'static str,
    /// What the core calls it.
    pub kind: ConfigKind,
    /// What its writers need.
    pub scope: Scope,
    read: fn(&RawValue) -> Result<ConfigDoc, Refusal>,
    show: fn(&ConfigDoc) -> Value,
    schema: fn(&str) -> RefOr<Schema>,
    schemas: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word)
    }
}

impl Kind {
    const fn of<T: Declared + DeserializeOwned + ToSchema>(word: &'static str) -> Self {
        Self {
            word,
            kind: T::KIND,
            scope: T::SCOPE,
            read: read::<T>,
            show: show::<T>,
            schema: schema::<T>,
            schemas: schemas::<T>,
        }
    }

    /// The members of a document as callers write and read them, without those that only the server writes.
    pub fn show(&self, doc: &ConfigDoc) -> Value {
        (self.show)(doc)
    }
}

/// Reads a document: its place in the order of kinds, and what it says. Its members are not checked.
pub fn read_document(text: &RawValue) -> Result<(usize, ConfigDoc), Refusal> {
    let Head { declare } = parse_part(text)?;
    let Some(rank) = KINDS.iter().position(|kind| kind.word == declare) else {
        let words: Vec<_> = KINDS.iter().map(|kind| format!("`{}`", kind.word)).collect();
        let detail = format!("`{MEMBER}` names no kind; it must be one of {}", words.join(", "));
        return Err(Refusal::field(Code::InvalidField, MEMBER, detail));
    };
    (KINDS[rank].read)(text).map(|doc| (rank, doc))
}

/// What must be known of a document before the rest can be read.
#[derive(Deserialize)]
struct Head {
    declare: String,
}

fn read<T: Declared + DeserializeOwned>(text: &RawValue) -> Result<ConfigDoc, Refusal> {
    parse_part::<Headless<T>>(text).map(|Headless(body)| body.into_doc())
}

fn show<T: Declared>(doc: &ConfigDoc) -> Value {
    let shown = T::of_doc(doc.clone(), 0, Moment(Timestamp::ZERO));
    let mut shown = serde_json::to_value(shown).unwrap_or_default();
    if let Value::Object(members) = &mut shown {
        members.retain(|name, _| !READ_MEMBERS.contains(&name.as_str()));
    }
    shown
}

/// The schema of `T` with the member that names the kind.
fn schema<T: ToSchema>(word: &str) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(mut whole)) = T::schema() else { return T::schema() };
    let named = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word]));
    whole.properties.insert(MEMBER.to_owned(), named.into());
    whole.required.extend([MEMBER.to_owned(), "name".to_owned()]);
    whole.required.sort_unstable();
    whole.required.dedup();
    for example in whole.examples.iter_mut().chain(&mut whole.example) {
        example[MEMBER] = word.into();
    }
    RefOr::T(Schema::Object(whole))
}

fn schemas<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
}

/// The schema of a document of any kind.
#[derive(Debug)]
pub struct Document;

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        let start = OneOfBuilder::new().description(Some("A thing as its own route takes it, and which kind it is."));
        KINDS.iter().fold(start, |any, kind| any.item((kind.schema)(kind.word))).into()
    }
}

impl ToSchema for Document {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        KINDS.iter().for_each(|kind| (kind.schemas)(schemas));
    }
}

/// The schema of the words for kinds.
#[derive(Debug)]
pub struct KindWord;

impl PartialSchema for KindWord {
    fn schema() -> RefOr<Schema> {
        let words: Vec<&'static str> = KINDS.iter().map(|kind| kind.word).collect();
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl ToSchema for KindWord {}

/// A struct that was written as an object with the member that names the kind beside its own.
struct Headless<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Headless<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadlessVisitor(PhantomData)).map(Self)
    }
}

struct HeadlessVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for HeadlessVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(Skipping(map)))
    }
}

/// The members but for the one that names the kind.
struct Skipping<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Skipping<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let mut seed = seed;
        loop {
            match self.0.next_key_seed(Key(seed))? {
                None => return Ok(None),
                Some(Found::Member(key)) => return Ok(Some(key)),
                Some(Found::Head(unused)) => seed = unused,
            }
            self.0.next_value::<IgnoredAny>()?;
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

/// Reads a key for the struct, unless it is the one that names the kind. Within the seed, so that errors have a path.
struct Key<K>(K);

enum Found<K, V> {
    Member(V),
    Head(K),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<K> {
    type Value = Found<K, K::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Key<K> {
    type Value = Found<K, K::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        if name == MEMBER {
            return Ok(Found::Head(self.0));
        }
        self.0.deserialize(StrDeserializer::new(name)).map(Found::Member)
    }
}
