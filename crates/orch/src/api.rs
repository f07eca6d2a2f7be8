//! `orch api METHOD PATH`: any call of the API by hand.

use orch_client::{Client, Error, RawRequest};

use crate::failure::Failure;
use crate::input::text;
use crate::output::Output;

/// The call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GET, POST, PUT, PATCH or DELETE.
    method: String,
    /// The path after the API's base, with its query: '/jobs?state=failed'.
    path: String,
    /// The body: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,
    /// What the body is.
    #[arg(long, default_value = "application/json", value_name = "TYPE")]
    media_type: String,
    /// The idempotency key: makes a creating call safe to repeat for 24 hours.
    #[arg(long)]
    key: Option<String>,
    /// A header; may be repeated.
    #[arg(long = "header", value_name = "NAME:VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
}

/// Sends the call and prints the body of the answer, a problem's too.
pub async fn run(args: Args, client: &Client, output: &Output) -> Result<(), Failure> {
    let mut request = RawRequest::new(&args.method, &args.path);
    if let Some(data) = &args.data {
        request = request.body(text(data, "the body")?, &args.media_type);
    }
    if let Some(key) = &args.key {
        request = request.header("idempotency-key", key);
    }
    for (name, value) in &args.headers {
        request = request.header(name, value);
    }
    let answer = client.raw(&request).await?;
    output.body(&answer.body)?;
    match answer.problem {
        Some(problem) => Err(Error::Problem(problem).into()),
        None => Ok(()),
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is NAME:VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
