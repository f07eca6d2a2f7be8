//! The phases, each on a stage of its own.

use std::time::Duration;

use anyhow::Result;
use orch_bench::clock;

use crate::bar;
use crate::finding::{Bar, Finding, Subject};
use crate::ground::Ground;
use crate::load::Tasks;
use crate::place::Commits;
use crate::upstream::Phase;
use crate::upstream::figures::{Figures, apart, off_the_mean};
use crate::upstream::history::{self, Lateness, lateness};
use crate::upstream::host::{Fate, Terms};
use crate::upstream::outage::{self, Watch};
use crate::upstream::row::Row;
use crate::upstream::stage::{Setting, Stage, TENANTS, until};

/// NVD's terms without a key.
const NVD: Terms = Terms { limit: 5, window_ms: 30_000 };
/// The same thirty times faster.
const FAST: Terms = Terms { limit: 5, window_ms: 1_000 };
/// How long all are refused.
const CUT: Duration = Duration::from_secs(2);
/// Before something happens to the upstream, it works for so long.
const BEFORE: Duration = Duration::from_secs(10);
/// After the ramp it is looked so much longer.
const AFTER: Duration = Duration::from_secs(10);
/// The part of the allowance that is wanted back after a cut.
const BACK: f64 = 0.9;
/// How long a breaker is open the first time.
const OPEN: Duration = Duration::from_secs(3);
/// Seconds after an outage whose requests are shown.
const RISING: Duration = Duration::from_secs(20);
/// The tenant that is told to come again in a year.
const SHUT_OUT: usize = 0;

/// How long phases last.
pub struct Lengths {
    fast: Duration,
    true_scale: Duration,
    ramp: Duration,
    dead: Duration,
}

impl Lengths {
    /// The usual ones, or quick ones.
    pub fn of(quick: bool) -> Self {
        let [fast, true_scale, ramp, dead] = if quick { [60, 120, 20, 20] } else { [300, 300, 60, 60] };
        let seconds = Duration::from_secs;
        Self { fast: seconds(fast), true_scale: seconds(true_scale), ramp: seconds(ramp), dead: seconds(dead) }
    }
}

/// Runs one.
pub async fn run(phase: Phase, ground: &Ground, lengths: &Lengths) -> Result<(Commits, Row)> {
    let (terms, length) = match phase {
        Phase::Fast | Phase::Year => (FAST, lengths.fast),
        Phase::TrueScale => (NVD, lengths.true_scale),
        Phase::Cut => (FAST, BEFORE + CUT + lengths.ramp + AFTER),
        Phase::Dead => (FAST, BEFORE + lengths.dead + RISING),
    };
    let mut stage = Stage::open(ground, Setting { terms, ramp: lengths.ramp, length }).await?;
    let row = match phase {
        Phase::Fast | Phase::TrueScale => steady(&mut stage, phase, length).await,
        Phase::Cut => cut(&mut stage, lengths).await,
        Phase::Year => year(&mut stage, length).await,
        Phase::Dead => dead(&mut stage, lengths).await,
    };
    let (commits, mut row) = (stage.commits.clone(), row?);
    let begun = stage.begun();
    row.late = lateness(&history::read(&stage.cluster, &begun).await?, &begun);
    stage.close().await?;
    Ok((commits, row))
}

/// A row of these figures; refusals that are nobody's doing but ours are shown.
fn row(phase: &'static str, stage: &Stage, figures: &Figures<'_>, seconds: Duration) -> Row {
    for refusal in figures.around_refusals() {
        eprintln!("{phase}: {refusal}");
    }
    let mut row = Row {
        phase,
        terms: stage.terms,
        seconds: seconds.as_secs_f64(),
        admitted: figures.count(Fate::Admitted),
        refused: figures.count(Fate::Over),
        used: figures.used(),
        shares: figures.shares(TENANTS),
        late: Lateness::default(),
        note: String::new(),
        per_second: Vec::new(),
        bars: Vec::new(),
    };
    row.find("requests beyond the terms", (row.refused as f64, "requests"), Bar::AtMost(bar::REFUSALS));
    row
}

impl Row {
    fn find(&mut self, what: &str, figure: (f64, &'static str), bar: Bar) {
        let what = format!("{}: {what}", self.phase);
        self.bars.push(Finding::new(Subject::Upstream, what, figure, bar));
    }

    fn find_used(&mut self) {
        let used = self.used * 100.0;
        self.find("part of the allowance that was used", (used, "%"), Bar::AtLeast(bar::ALLOWANCE * 100.0));
    }
}

/// Nothing happens to the upstream.
async fn steady(stage: &mut Stage, phase: Phase, length: Duration) -> Result<Row> {
    let first = stage.begin().await?;
    until(first + length).await;
    let arrivals = stage.upstream.arrivals();
    let figures = stage.figures(&arrivals, first, first + length);
    if phase == Phase::Fast {
        let mut row = row("fast", stage, &figures, length);
        row.find_used();
        let off = off_the_mean(&row.shares) * 100.0;
        row.find("farthest share from the mean", (off, "%"), Bar::AtMost(bar::SHARE_OFF * 100.0));
        return Ok(row);
    }
    let mut row = row("true scale", stage, &figures, length);
    row.find_used();
    // What is allowed at first goes to whoever asked first: nobody else did.
    let all_wait = stage.figures(&arrivals, first + stage.terms.window() / 2, first + length);
    row.shares = all_wait.shares(TENANTS);
    row.note = "shares from when all wait".to_owned();
    row.find("shares apart", (apart(&row.shares), "requests"), Bar::AtMost(bar::SHARES_APART));
    Ok(row)
}

/// It refuses all for a moment.
async fn cut(stage: &mut Stage, lengths: &Lengths) -> Result<Row> {
    let first = stage.begin().await?;
    until(first + BEFORE).await;
    let over = clock::elapsed() + CUT;
    stage.upstream.cut(CUT);
    let end = over + lengths.ramp + AFTER;
    until(end).await;
    let (least, cuts) = stage.cuts().await?;
    let arrivals = stage.upstream.arrivals();
    let mut row = row("cut", stage, &stage.figures(&arrivals, first, end), end - first);
    let after = stage.figures(&arrivals, over, end);
    let refused = stage.figures(&arrivals, first, end).count(Fate::Cut);
    row.note = format!("refused by the cut: {refused}; {cuts} cuts, to {least} ‰ at least; seconds from its end");
    row.per_second = after.per_second();
    let back = after.back_at(BACK).map_or(f64::INFINITY, |time| time.as_secs_f64());
    let bar = Bar::AtMost(lengths.ramp.as_secs_f64());
    row.find("back to 90 % of the allowance after a cut of 2 s", (back, "s"), bar);
    Ok(row)
}

/// One tenant is told to come again in a year.
async fn year(stage: &mut Stage, length: Duration) -> Result<Row> {
    let first = stage.begin().await?;
    until(first + BEFORE).await;
    stage.upstream.close_to(SHUT_OUT);
    let from = clock::elapsed();
    until(from + length - BEFORE).await;
    let end = from + length - BEFORE;
    let arrivals = stage.upstream.arrivals();
    let mut row = row("year", stage, &stage.figures(&arrivals, from, end), end - from);
    row.find_used();
    let mut others = row.shares.clone();
    let theirs = others.remove(SHUT_OUT);
    row.note = format!("tenant {SHUT_OUT} was told to come again in a year: {theirs} requests");
    let off = off_the_mean(&others) * 100.0;
    row.find("farthest share of the others from their mean", (off, "%"), Bar::AtMost(bar::SHARE_OFF * 100.0));
    Ok(row)
}

/// Nobody can connect to it.
async fn dead(stage: &mut Stage, lengths: &Lengths) -> Result<Row> {
    outage::declare(&stage.cluster, OPEN).await?;
    let first = stage.begin().await?;
    let (watch, mut looking) = (Watch::default(), Tasks::new());
    watch.begin(&stage.cluster, &mut looking)?;
    until(first + BEFORE).await;
    let died = clock::elapsed();
    stage.upstream.die().await;
    until(died + lengths.dead).await;
    stage.upstream.rise().await?;
    let rose = clock::elapsed();
    until(rose + RISING).await;
    if let Some(ended) = looking.try_join_next() {
        ended??;
    }
    looking.abort_all();
    let begun: Vec<_> = stage.begun().into_iter().filter(|it| it.at >= died).collect();
    let asked = begun.iter().filter(|it| it.at < rose).count();
    let found = watch.judge(&history::read(&stage.cluster, &begun).await?);
    let arrivals = stage.upstream.arrivals();
    let mut row = row("dead", stage, &stage.figures(&arrivals, first, rose + RISING), rose + RISING - first);
    row.per_second = stage.figures(&arrivals, rose, rose + RISING).per_second();
    row.note = format!(
        "dead for {} s: {asked} attempts, {} failures, {} tries spent before breakers opened; {} intervals; seconds from its return",
        lengths.dead.as_secs(),
        found.failures,
        found.tries_before,
        found.intervals
    );
    row.find("attempts in an open interval, at most", (found.probes_max as f64, "attempts"), Bar::AtMost(bar::PROBES));
    row.find("tries spent while open", (found.tries as f64, "tries"), Bar::AtMost(bar::TRIES_OPEN));
    let opened = found.intervals as f64;
    row.find("intervals in which a breaker was open", (opened, "intervals"), Bar::AtLeast(TENANTS as f64));
    Ok(row)
}
