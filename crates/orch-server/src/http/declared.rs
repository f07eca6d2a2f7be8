//! What sources, job types and projects have in common: versioned documents with a name.
//! Their members are in their own files.

use std::borrow::Cow;
use std::marker::PhantomData;

use axum::http::header::{ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use orch_core::config::{self, ConfigDoc, ConfigKind};
use orch_core::graph::Step;
use orch_core::{Code, Refusal, Timestamp};
use orch_dispatch::Answer;
use orch_dispatch::answer::ConfigFound;
use orch_dispatch::command::{Command, Expect, Read};
use orch_engine::PayloadSchema;
use serde::{Deserialize as _, Deserializer, Serialize, de};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, SchemaType};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::BASE;
use super::cursor::List;
use super::error::Problem;
use super::graphs;
use super::json::{Json, check_depth};
use super::query::Query;
use super::words::{Moment, PageOut};
use super::workers::reports::EmptyOut;
use super::{page_of, unexpected};
use crate::access::{Caller, Scope, require};
use crate::state::AppState;

/// A kind of declared thing in its wire form, which is the same in and out.
pub trait Declared: Serialize + Sized {
    /// Its kind.
    const KIND: ConfigKind;
    /// What it is called.
    const NAME: &'static str;
    /// Its path segment.
    const PATH: &'static str;
    /// What changing it needs.
    const SCOPE: Scope = Scope::Operate;

    /// Its name.
    fn name(&self) -> &str;
    /// Gives it a name.
    fn set_name(&mut self, name: String);
    /// The document, read members left out.
    fn into_doc(self) -> ConfigDoc;
    /// The wire form of a document; `None` for one of another kind.
    fn of_doc(doc: ConfigDoc, version: u64, updated_at: Moment) -> Option<Self>;
}

/// The schema of a declared thing that is to be made: it must have a name.
#[derive(Debug)]
pub struct New<T>(PhantomData<T>);

/// The schema of a declared thing as shown: with all of its members.
#[derive(Debug)]
pub struct Full<T>(PhantomData<T>);

/// The schema of `T` with more members required; `which` chooses them among those that it has.
fn with_required<T: ToSchema>(which: impl Fn(&str) -> bool) -> RefOr<Schema> {
    let RefOr::T(Schema::Object(whole)) = T::schema() else { return T::schema() };
    let required = whole.properties.into_keys().filter(|member| which(member));
    // Without a type of its own: an object without members would be read as one that has none.
    let required = required.fold(ObjectBuilder::new().schema_type(SchemaType::AnyValue), ObjectBuilder::required);
    let all = AllOfBuilder::new().item(Ref::from_schema_name(T::name())).item(required);
    all.examples(whole.examples.into_iter().chain(whole.example)).into()
}

fn schemas_of<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

impl<T: ToSchema> PartialSchema for New<T> {
    fn schema() -> RefOr<Schema> {
        with_required::<T>(|member| member == "name")
    }
}

impl<T: ToSchema> ToSchema for New<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}New", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas_of::<T>(schemas);
    }
}

impl<T: ToSchema> PartialSchema for Full<T> {
    fn schema() -> RefOr<Schema> {
        with_required::<T>(|_| true)
    }
}

impl<T: ToSchema> ToSchema for Full<T> {
    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Out", T::name()))
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas_of::<T>(schemas);
    }
}

/// For `deserialize_with`: a name may be left out where the path has it, but not be empty.
pub fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() { Err(de::Error::custom("a name must not be empty")) } else { Ok(name) }
}

/// Lists documents by name.
pub async fn list<T: Declared>(app: &AppState, caller: &Caller, query: Query) -> Result<Json<PageOut<T>>, Problem> {
    require(caller, Scope::Read)?;
    let list = List::new(T::PATH, app.engine().incarnation().await?, caller.tenant(), &[]);
    let mut params = query.open()?;
    let page = params.page::<String>(&list)?;
    params.finish()?;
    let read = Read::Configs { tenant: caller.tenant(), kind: T::KIND };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::Configs(found) = answer else { return Err(unexpected(&answer)) };
    let items = found.into_iter().filter_map(shown::<T>).collect();
    Ok(Json(page_of(items, &list, page, |item: &T| item.name().to_owned())))
}

/// Gets the current version.
pub async fn get<T: Declared>(app: &AppState, caller: &Caller, name: &str, query: Query) -> Result<Response, Problem> {
    require(caller, Scope::Read)?;
    query.none()?;
    let found = find::<T>(app, caller, name).await?.ok_or_else(|| Problem::not_found(T::NAME))?;
    answer::<T>(StatusCode::OK, found)
}

/// Creates one; a key makes the repetition of the call harmless.
pub async fn create<T: Declared>(
    app: &AppState,
    caller: &Caller,
    query: Query,
    keyed: bool,
    body: T,
) -> Result<Response, Problem> {
    require(caller, T::SCOPE)?;
    query.none()?;
    let (name, doc) = (body.name().to_owned(), body.into_doc());
    let problem = match put(app, caller, doc.clone(), Expect::Absent).await {
        Ok((version, _)) => return created::<T>(app, caller, doc, version).await,
        Err(problem) => problem,
    };
    // The ledger keeps no key here: that the first version says the same is what a replay looks like.
    if keyed && problem.code() == Code::StateConflict {
        let first = find::<T>(app, caller, &name).await?.filter(|found| found.version == 1 && found.doc == doc);
        if let Some(found) = first {
            return answer::<T>(StatusCode::OK, found);
        }
    }
    Err(problem)
}

/// Creates one or, with `If-Match`, replaces the current version.
pub async fn replace<T: Declared>(
    app: &AppState,
    caller: &Caller,
    name: &str,
    query: Query,
    headers: &HeaderMap,
    mut body: T,
) -> Result<Response, Problem> {
    require(caller, T::SCOPE)?;
    query.none()?;
    if body.name().is_empty() {
        body.set_name(name.to_owned());
    }
    if body.name() != name {
        let detail = format!("`name` is not the name in the path; a {} keeps its name", T::NAME);
        return Err(Problem::field(Code::InvalidField, "name", detail));
    }
    let doc = body.into_doc();
    // What cannot be acceptable is told before what is there is looked at.
    check(&doc, app.engine().now())?;
    let expect = expect(headers)?;
    if expect == Expect::Any && find::<T>(app, caller, name).await?.is_none() {
        return Err(Problem::new(Code::VersionConflict, format!("there is no {} of this name to match", T::NAME)));
    }
    match put(app, caller, doc.clone(), expect).await {
        Ok((version, true)) => created::<T>(app, caller, doc, version).await,
        Ok((version, false)) => {
            let found = current::<T>(app, caller, doc, version).await?;
            answer::<T>(StatusCode::OK, found)
        }
        Err(problem) if expect == Expect::Absent && problem.code() == Code::StateConflict => {
            let detail = format!("this {} exists: name its version with If-Match, as its ETag has it", T::NAME);
            Err(Problem::new(Code::VersionRequired, detail))
        }
        Err(problem) => Err(problem),
    }
}

/// Deletes the current version, or the one that `If-Match` names.
pub async fn delete<T: Declared>(
    app: &AppState,
    caller: &Caller,
    name: &str,
    query: Query,
    headers: &HeaderMap,
) -> Result<Json<EmptyOut>, Problem> {
    require(caller, T::SCOPE)?;
    query.none()?;
    // Nothing has a name that cannot be, whatever else is asked.
    config::check_name("name", name).map_err(|_| Problem::not_found(T::NAME))?;
    let expect = if headers.contains_key(IF_MATCH) { expect(headers)? } else { Expect::Any };
    let (tenant, kind, name, actor) = (caller.tenant(), T::KIND, name.to_owned(), caller.actor(None));
    match app.engine().command(Command::DeleteConfig { tenant, kind, name, expect, actor }).await.map_err(Problem::from)
    {
        Ok(_) => Ok(Json(EmptyOut {})),
        Err(problem) if problem.code() == Code::NotFound => Err(Problem::not_found(T::NAME)),
        Err(problem) => Err(problem),
    }
}

/// What `If-Match` asks for; without it, that there is none yet.
pub(super) fn expect(headers: &HeaderMap) -> Result<Expect, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(Expect::Absent) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Expect::Any);
    }
    let version = text.strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"')).and_then(|n| n.parse().ok());
    let refused = || Problem::new(Code::VersionConflict, "If-Match must be one ETag as this server makes them, or `*`");
    version.map(Expect::Version).ok_or_else(refused)
}

pub(super) async fn put(
    app: &AppState,
    caller: &Caller,
    doc: ConfigDoc,
    expect: Expect,
) -> Result<(u64, bool), Problem> {
    check(&doc, app.engine().now())?;
    let kind = doc.kind();
    let answered = app.engine().command(Command::PutConfig { tenant: caller.tenant(), doc, expect }).await;
    let answer =
        answered.map_err(|error| Problem::from(error).map_fields(|field| Some(field_on_the_wire(kind, field))))?;
    let Answer::Config { version, created } = answer else { return Err(unexpected(&answer)) };
    Ok((version, created))
}

/// A field that the engine blames, as the document has it.
pub(super) fn field_on_the_wire(kind: ConfigKind, field: &str) -> String {
    match kind {
        ConfigKind::Graph => graphs::field_on_the_wire(field),
        // What is wrong with the graph that it names is wrong with the name.
        ConfigKind::Schedule if field.starts_with("run.steps") => "run.graph".to_owned(),
        _ => field.to_owned(),
    }
}

/// All that can be said of a document without looking at what is declared.
pub(super) fn check(doc: &ConfigDoc, now: Timestamp) -> Result<(), Refusal> {
    check_members(doc, now).map_err(|refusal| match doc {
        ConfigDoc::Graph(_) => graphs::as_on_the_wire(refusal),
        _ => refusal,
    })
}

fn check_members(doc: &ConfigDoc, now: Timestamp) -> Result<(), Refusal> {
    doc.check()?;
    check_texts(doc)?;
    match doc {
        ConfigDoc::JobType(config::JobType { payload_schema: Some(text), .. }) => {
            PayloadSchema::compile(text).map(drop)
        }
        // The owner looks, too; a calendar that takes long to never come is refused before it gets there.
        ConfigDoc::Blackout(doc) => orch_dispatch::blackout::check(doc, now),
        ConfigDoc::Schedule(doc) => orch_dispatch::schedule::check(doc, now),
        ConfigDoc::Graph(doc) => graphs::check_name(&doc.name),
        _ => Ok(()),
    }
}

/// Free texts, whose content the core does not look at.
fn check_texts(doc: &ConfigDoc) -> Result<(), Refusal> {
    use super::fields::{check_count, check_message, check_text};
    use orch_core::limits;
    let described = |text: &str| check_message("description", text, limits::ERROR_MESSAGE_CHARS_MAX);
    let source = match doc {
        ConfigDoc::JobType(doc) => return described(&doc.description),
        ConfigDoc::Project(doc) => return described(&doc.description),
        ConfigDoc::Bucket(doc) => return described(&doc.description),
        ConfigDoc::Quota(doc) => return described(&doc.description),
        ConfigDoc::Breaker(doc) => return described(&doc.description),
        ConfigDoc::Blackout(doc) => return described(&doc.description),
        ConfigDoc::Schedule(doc) => {
            described(&doc.description)?;
            let payload = doc.job.iter().map(|job| ("job.payload", &job.payload));
            let mut texts = payload.chain(doc.run.iter().map(|run| ("run.inputs", &run.inputs)));
            return texts.try_for_each(|(field, text)| check_depth(field, text.as_bytes()));
        }
        ConfigDoc::Graph(doc) => {
            described(&doc.description)?;
            let payload = |step: &Step| step.payload.clone().unwrap_or_default();
            let mut numbered = doc.steps.iter().map(payload).enumerate();
            return numbered
                .try_for_each(|(place, text)| check_depth(&format!("steps[{place}].payload"), text.as_bytes()));
        }
        ConfigDoc::Source(doc) => doc,
    };
    described(&source.description)?;
    check_text("kind", &source.kind, limits::NAME_CHARS_MAX)?;
    for (field, text) in [("host", &source.host), ("auth_ref", &source.auth_ref)] {
        check_text(field, text.as_deref().unwrap_or_default(), limits::LABEL_VALUE_CHARS_MAX)?;
    }
    check_count("egress_allow", source.egress_allow.len(), limits::PAGE_MAX, "entries")?;
    for (place, host) in source.egress_allow.iter().enumerate() {
        check_text(&format!("egress_allow[{place}]"), host, limits::LABEL_VALUE_CHARS_MAX)?;
    }
    for (key, value) in &source.labels {
        check_text(&format!("labels.{key}"), value, limits::LABEL_VALUE_CHARS_MAX)?;
    }
    Ok(())
}

pub(super) async fn find<T: Declared>(
    app: &AppState,
    caller: &Caller,
    name: &str,
) -> Result<Option<ConfigFound>, Problem> {
    let read = Read::Config { tenant: caller.tenant(), kind: T::KIND, name: name.to_owned() };
    let answer = app.engine().command(Command::Read(read)).await?;
    let Answer::ConfigFound(found) = answer else { return Err(unexpected(&answer)) };
    Ok(found)
}

/// The version just written, with its time; the caller's own words if somebody was quicker to write the next.
async fn current<T: Declared>(
    app: &AppState,
    caller: &Caller,
    doc: ConfigDoc,
    version: u64,
) -> Result<ConfigFound, Problem> {
    let found = find::<T>(app, caller, doc.name()).await?;
    let same = found.filter(|found| found.version == version);
    Ok(same.unwrap_or_else(|| ConfigFound { doc, version, at: app.engine().now() }))
}

async fn created<T: Declared>(
    app: &AppState,
    caller: &Caller,
    doc: ConfigDoc,
    version: u64,
) -> Result<Response, Problem> {
    let segment: String = doc.name().replace('/', "%2F").replace(':', "%3A");
    let found = current::<T>(app, caller, doc, version).await?;
    let mut response = answer::<T>(StatusCode::CREATED, found)?;
    if let Ok(location) = HeaderValue::try_from(format!("{BASE}/{}/{segment}", T::PATH)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

fn shown<T: Declared>(found: ConfigFound) -> Option<T> {
    T::of_doc(found.doc, found.version, Moment(found.at))
}

fn answer<T: Declared>(status: StatusCode, found: ConfigFound) -> Result<Response, Problem> {
    let etag = HeaderValue::try_from(format!("\"v{}\"", found.version));
    let body = shown::<T>(found).ok_or_else(|| Problem::internal("a document of another kind"))?;
    let mut response = (status, Json(body)).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(ETAG, etag);
    }
    Ok(response)
}
