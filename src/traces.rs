//! Traces over OTLP: each plan is a trace, made from the records that the journal keeps.
//!
//! ```text
//!   finding opened  --> a trace of its own: the finding, and a span for each clause (a signal with its values, the event)
//!                                ^
//!                                | links, each with the clause's text and values
//!   plan made       --> the plan's trace: its root span, until the plan has finished
//!   step dispatched -->   a child, until the step has finished
//! ```
//!
//! An event that carries a `traceparent` (the distributed tracing extension of CloudEvents) is linked to directly as well: the
//! plan is then found from the trace of whoever sent the event.
//!
//! Invariant: nobody waits for the collector. Spans go through a bounded queue to a thread of their own; what does not fit is
//! dropped, and the log says so.
//! Invariant: what is remembered of findings and plans is bounded.

mod collector;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use homeostat_model::{
    Clause, Entry, Evidence, FindingRef, Mode, Plan, PlanId, PlanResult, Record, StepId, StepResult, Timestamp, Value,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
        Tracer, TracerProvider,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider, Span},
};
use serde::Deserialize;

use crate::report::Failure;

/// Findings whose causes are remembered, and plans whose spans are open. Hundreds are a disaster; beyond this the oldest one's
/// causes are not linked to, or its spans end early.
const REMEMBERED: usize = 10_000;

/// How long the end of the program waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where traces go.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TracesConfig {
    /// The collector's OTLP over HTTP, such as `http://127.0.0.1:4318`; `/v1/traces` is added where there is no path.
    pub(crate) endpoint: String,
}

/// Turns records into spans.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    causes: BTreeMap<FindingRef, Vec<Link>>,
    plans: BTreeMap<PlanId, Open>,
}

/// A plan that has not finished.
struct Open {
    plan: Plan,
    context: Context,
    steps: BTreeMap<StepId, Span>,
}

impl Traces {
    /// Sends traces to where `config` says, or else the environment variables of OpenTelemetry; `None` when neither does.
    ///
    /// # Errors
    /// When the endpoint is not one.
    pub(crate) fn start(config: Option<&TracesConfig>) -> Result<Option<Self>, Failure> {
        let Some(exporter) = collector::exporter(config)? else { return Ok(None) };
        let resource = Resource::builder()
            .with_service_name("homeostat")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Some(Self::with(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    fn with(provider: SdkTracerProvider) -> Self {
        let tracer = provider.tracer("homeostat");
        Self { provider, tracer, causes: BTreeMap::new(), plans: BTreeMap::new() }
    }

    /// Takes in what was decided.
    pub(crate) fn take(&mut self, record: &Record) {
        let at = moment(record.at);
        match &record.entry {
            Entry::FindingOpened { finding, evidence } => self.opened(finding, evidence, at),
            Entry::FindingClosed { finding, .. } => {
                self.causes.remove(finding);
            }
            Entry::PlanMade(plan) => self.made(plan, at),
            Entry::StepDispatched { plan, step, key } => {
                let Some(open) = self.plans.get_mut(plan) else { return };
                let Some(step) = open.plan.step(*step) else { return };
                let undone = step.compensation.as_deref().filter(|_| key.attempt().undo);
                let action = undone.unwrap_or(&step.action);
                let builder = self
                    .tracer
                    .span_builder(format!("{} {}", action.verb(), step.resource))
                    .with_kind(SpanKind::Client)
                    .with_start_time(at)
                    .with_attributes([
                        KeyValue::new("homeostat.step", key.to_string()),
                        KeyValue::new("homeostat.resource", step.resource.to_string()),
                        KeyValue::new("homeostat.adapter", step.adapter.to_string()),
                        KeyValue::new("homeostat.action", action.to_string()),
                        KeyValue::new("homeostat.reason", step.reason.clone()),
                    ]);
                open.steps.insert(step.id, builder.start_with_context(&self.tracer, &open.context));
            }
            Entry::StepFinished { plan, step, result } => {
                let span = self.plans.get_mut(plan).and_then(|open| open.steps.remove(step));
                if let Some(mut span) = span {
                    if let StepResult::Done { observed } = result {
                        span.set_attribute(KeyValue::new("homeostat.observed", observed.clone()));
                    }
                    span.set_status(step_status(result));
                    span.end_with_timestamp(at);
                }
            }
            Entry::PlanFinished { plan, result } => {
                if let Some(open) = self.plans.remove(plan) {
                    open.end(plan_status(result), at);
                }
            }
            _ => {}
        }
    }

    /// Ends what is open and sends what waits, for a moment at most.
    pub(crate) fn close(mut self, at: Timestamp) {
        for open in std::mem::take(&mut self.plans).into_values() {
            open.end(Status::error("homeostat ended before the plan had finished"), moment(at));
        }
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_WORDS) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    fn opened(&mut self, finding: &FindingRef, evidence: &Evidence, at: SystemTime) {
        let mut whole = self
            .tracer
            .span_builder(format!("finding {finding}"))
            .with_start_time(at)
            .with_attributes([
                KeyValue::new("homeostat.policy", finding.policy.to_string()),
                KeyValue::new("homeostat.resource", finding.resource.to_string()),
            ])
            .start_with_context(&self.tracer, &Context::new());
        let context = Context::new().with_remote_span_context(whole.span_context().clone());
        let mut links = Vec::new();
        for clause in &evidence.clauses {
            let attributes = attributes_of(clause);
            let builder = self.tracer.span_builder(clause.text.clone()).with_start_time(at);
            let mut span = builder.with_attributes(attributes.clone()).start_with_context(&self.tracer, &context);
            links.push(Link::new(span.span_context().clone(), attributes.clone(), 0));
            links.extend(sender(clause).map(|sender| Link::new(sender, attributes, 0)));
            span.end_with_timestamp(at);
        }
        whole.end_with_timestamp(at);
        if self.causes.len() >= REMEMBERED {
            self.causes.pop_first();
        }
        self.causes.insert(finding.clone(), links);
    }

    fn made(&mut self, plan: &Plan, at: SystemTime) {
        let finding = FindingRef { policy: plan.policy.clone(), resource: plan.subject.clone() };
        let span = self
            .tracer
            .span_builder(format!("plan {} {}", plan.response, plan.subject))
            .with_start_time(at)
            .with_links(self.causes.get(&finding).cloned().unwrap_or_default())
            .with_attributes([
                KeyValue::new("homeostat.plan", plan.id.to_string()),
                KeyValue::new("homeostat.policy", plan.policy.to_string()),
                KeyValue::new("homeostat.resource", plan.subject.to_string()),
                KeyValue::new("homeostat.mode", plan.mode.to_string()),
                KeyValue::new("homeostat.rung", i64::from(plan.rung)),
                KeyValue::new("homeostat.because", plan.evidence.to_string()),
                KeyValue::new("homeostat.effect", plan.effect.clone()),
            ])
            .start_with_context(&self.tracer, &Context::new());
        let open = Open { plan: plan.clone(), context: Context::new().with_span(span), steps: BTreeMap::new() };
        if plan.mode < Mode::Approve {
            // It is shown, and that is all.
            return open.end(Status::Unset, at);
        }
        if self.plans.len() >= REMEMBERED
            && let Some((_, oldest)) = self.plans.pop_first()
        {
            oldest.end(Status::Unset, at);
        }
        self.plans.insert(plan.id, open);
    }
}

impl Open {
    fn end(self, status: Status, at: SystemTime) {
        for mut step in self.steps.into_values() {
            step.set_status(Status::error("nobody has said what became of it"));
            step.end_with_timestamp(at);
        }
        let span = self.context.span();
        span.set_status(status);
        span.end_with_timestamp(at);
    }
}

fn attributes_of(clause: &Clause) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("homeostat.clause", clause.text.clone()),
        KeyValue::new("homeostat.truth", clause.truth.to_string()),
    ];
    let values = clause.values.iter().map(|(name, value)| {
        let value = match value {
            Some(Value::Text(text)) => text.to_string(),
            Some(value) => value.to_string(),
            None => "unknown".to_owned(),
        };
        KeyValue::new(format!("homeostat.value.{name}"), value)
    });
    attributes.extend(values);
    attributes
}

/// The span from which an event was sent, when it says so.
fn sender(clause: &Clause) -> Option<SpanContext> {
    let (_, value) = clause.values.iter().find(|(name, _)| name == "traceparent")?;
    match value {
        Some(Value::Text(text)) => parse_traceparent(text),
        _ => None,
    }
}

/// Reads a `traceparent` of W3C Trace Context, level 1.
fn parse_traceparent(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let hexadecimal = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hexadecimal(version, 2) || !hexadecimal(trace, 32) || !hexadecimal(span, 16) || !hexadecimal(flags, 2) {
        return None;
    }
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

fn step_status(result: &StepResult) -> Status {
    match result {
        StepResult::Done { .. } => Status::Ok,
        StepResult::Refused { reason } => Status::error(format!("refused: {reason}")),
        StepResult::Failed { reason } => Status::error(reason.clone()),
        StepResult::Cancelled => Status::error("called off"),
        StepResult::Unknown { reason } => Status::error(format!("nobody knows whether it was done: {reason}")),
    }
}

fn plan_status(result: &PlanResult) -> Status {
    match result {
        PlanResult::Succeeded => Status::Ok,
        PlanResult::Failed { step, reason } => Status::error(format!("step {step}: {reason}")),
        PlanResult::Unverified { reason } => Status::error(format!("it did not help: {reason}")),
        PlanResult::Cancelled { reason } => Status::error(format!("called off: {reason}")),
        PlanResult::Expired { reason } => Status::error(format!("expired: {reason}")),
    }
}

fn moment(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::parse_traceparent;

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let good = format!("00-{trace}-{span}-01");
        let read = parse_traceparent(&good).unwrap();
        assert_eq!((read.trace_id().to_string(), read.span_id().to_string()), (trace.to_owned(), span.to_owned()));
        assert!(read.is_sampled() && read.is_remote());
        let later = format!("01-{trace}-{span}-00-more");
        assert!(parse_traceparent(&later).is_some(), "a later version may have more");
        for bad in [
            String::new(),
            "00".into(),
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-1"),
            format!("00-{span}-{trace}-01"),
        ] {
            assert_eq!(parse_traceparent(&bad), None, "{bad}");
        }
    }
}
