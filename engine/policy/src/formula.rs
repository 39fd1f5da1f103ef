//! Formulas where documents hold them: a text, a script, or a file with one; each with the place it was read from.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use homeostat_model::{Impact, MetricName, Unit};
use miette::NamedSource;

use crate::{
    Catalogue, Expr, Formula, Node as Form,
    alignment::locate,
    fields::{Fields, text},
    language::{ExprContext, ExprProblem, ExprType, parse_condition, parse_script, parse_typed},
    mistake::Mistake,
    problem::Problem,
    report::Report,
    scripts::Scripts,
    yaml::{Node, Yaml},
};

/// The event that a policy's formulas may read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventRead {
    /// None: the policy has no `on`.
    No,
    /// The last one of its pattern.
    Last,
    /// None: it is its absence that the policy answers to.
    Absent,
}

/// What the formulas of a policy may speak of.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) catalogue: &'a Catalogue,
    /// The kind of the policy's resources. Without it names cannot be checked, and no formula is read: the kind is the
    /// problem to solve first.
    pub(crate) kind: Option<&'a str>,
    pub(crate) metrics: &'a BTreeMap<MetricName, Unit>,
    pub(crate) event: EventRead,
    pub(crate) scripts: &'a Scripts,
    /// What is known to hold whenever something is done.
    pub(crate) given: Option<&'a Formula>,
    /// Whether only literals are read, because a script has computed them.
    pub(crate) literal: bool,
    /// The greatest impact that anything may have; `None`: any.
    pub(crate) ceiling: Option<Impact>,
}

/// Where the text of a formula, or another part of a document, stands.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    source: Arc<NamedSource<String>>,
    /// The bytes in the source of the value that holds it.
    at: Range<usize>,
    /// That value, where it is not just what stands there.
    text: Option<String>,
    /// The formula's bytes therein.
    part: Range<usize>,
}

impl Written {
    /// The whole text of a value.
    pub(crate) fn whole(node: &Node, text: &str, report: &Report) -> Self {
        Self { source: report.source(), at: node.at.clone(), text: Some(text.to_owned()), part: 0..text.len() }
    }

    /// What stands at the bytes `at` of the file.
    pub(crate) fn here(at: &Range<usize>, report: &Report) -> Self {
        Self { source: report.source(), at: at.clone(), text: None, part: 0..at.len() }
    }

    /// A part of it.
    pub(crate) fn part(&self, part: Range<usize>) -> Self {
        Self { part, ..self.clone() }
    }

    /// The formula's text.
    pub(crate) fn text(&self) -> &str {
        self.value().get(self.part.clone()).unwrap_or_default()
    }

    fn value(&self) -> &str {
        self.text.as_deref().or_else(|| self.source.inner().get(self.at.clone())).unwrap_or_default()
    }

    /// The name and the content of the file.
    pub(crate) fn source(&self) -> &Arc<NamedSource<String>> {
        &self.source
    }

    /// `mistake` at these bytes of the formula's text.
    pub(crate) fn problem(&self, span: &Range<usize>, mistake: Mistake) -> Problem {
        let span = self.part.start + span.start..self.part.start + span.end;
        Problem::new(Arc::clone(&self.source), locate(self.source.inner(), &self.at, self.value(), &span), mistake)
    }

    /// `mistake` at the whole formula.
    pub(crate) fn problem_of_all(&self, mistake: Mistake) -> Problem {
        self.problem(&(0..self.part.len()), mistake)
    }
}

/// Something with formulas in it, and their places in the order in which it gives them.
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) places: Vec<Written>,
}

/// A condition: a text, `{script: ..}` or `{file: ..}`.
pub(crate) fn condition(node: &Node, name: &str, scope: &Scope<'_>, report: &mut Report) -> Option<(Formula, Written)> {
    if !matches!(node.value, Yaml::Map(_)) {
        let written = Written::whole(node, text(node, name, report)?, report);
        return parsed(written, scope, report, parse_condition)
            .map(|(expr, written)| (formula(expr, &written), written));
    }
    let (formula, written) = script_in(node, name, &["script", "file"], scope, report)?;
    if matches!(&formula.expr.node, Form::Script(script) if script.inputs.is_empty()) {
        let problem = "reads nothing, so it is always the same";
        report.push(written.problem_of_all(Mistake::ConstantCondition { problem }));
        return None;
    }
    Some((formula, written))
}

/// A script that computes a response: a text, or `{file: ..}`.
pub(crate) fn script(node: &Node, scope: &Scope<'_>, report: &mut Report) -> Option<(Formula, Written)> {
    match &node.value {
        Yaml::Map(_) => script_in(node, "script", &["file"], scope, report),
        _ => {
            let written = Written::whole(node, text(node, "script", report)?, report);
            parsed(written, scope, report, parse_script).map(|(expr, written)| (formula(expr, &written), written))
        }
    }
}

/// An expression of any type.
pub(crate) fn typed(written: Written, scope: &Scope<'_>, report: &mut Report) -> Option<(Formula, ExprType, Written)> {
    let ((expr, found), written) = parsed(written, scope, report, parse_typed)?;
    Some((formula(expr, &written), found, written))
}

/// A mapping that holds a script in one of the ways `ways`.
fn script_in(
    node: &Node,
    name: &str,
    ways: &[&'static str],
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<(Formula, Written)> {
    let mut fields = Fields::open(node, name, report)?;
    let mut given = ways.iter().filter_map(|way| Some((*way, fields.take(way)?))).collect::<Vec<_>>().into_iter();
    let (first, second) = (given.next(), given.next());
    let misspelt = fields.keys().any(|key| !ways.contains(&key.text.as_str()));
    if first.is_none() && !misspelt {
        fields.missing("file", Some(format!("write `{name}: {{file: NAME.rhai}}`")), report);
    }
    if second.is_some() {
        report.add(fields.key_at("file"), Mistake::Exclusive { one: "script", other: "file" });
    }
    fields.finish(report);
    let (way, node) = first.filter(|_| second.is_none())?;
    let given = text(node, way, report)?;
    let written = if way == "file" { file(node, given, scope, report)? } else { Written::whole(node, given, report) };
    parsed(written, scope, report, parse_script).map(|(expr, written)| (formula(expr, &written), written))
}

fn file(node: &Node, given: &str, scope: &Scope<'_>, report: &mut Report) -> Option<Written> {
    match scope.scripts.find(report.source().name(), given) {
        Ok(source) => {
            let all = 0..source.inner().len();
            Some(Written { source, at: all.clone(), text: None, part: all })
        }
        Err(help) => {
            let help = help.or(Some("put the file beside the policy; its name ends in `.rhai`".into()));
            report.add(node.at.clone(), Mistake::UnknownFile { file: given.into(), help });
            None
        }
    }
}

type Parse<T> = fn(&str, &ExprContext<'_>) -> Result<T, Vec<ExprProblem>>;

fn parsed<T>(written: Written, scope: &Scope<'_>, report: &mut Report, parse: Parse<T>) -> Option<(T, Written)> {
    if written.text().trim().is_empty() {
        report.push(written.problem_of_all(Mistake::EmptyFormula));
        return None;
    }
    if scope.literal {
        report.push(written.problem_of_all(Mistake::NotALiteral { given: written.text().chars().take(64).collect() }));
        return None;
    }
    let event = scope.event == EventRead::Last;
    let context = ExprContext { catalogue: scope.catalogue, kind: scope.kind?, metrics: scope.metrics, event };
    match parse(written.text(), &context) {
        Ok(parsed) => Some((parsed, written)),
        Err(problems) => {
            for ExprProblem { mistake, span } in problems {
                let mistake = match mistake {
                    Mistake::EventWithoutOn { attribute } if scope.event == EventRead::Absent => {
                        Mistake::EventOfAbsence { attribute }
                    }
                    other => other,
                };
                report.push(written.problem(&span, mistake));
            }
            None
        }
    }
}

fn formula(expr: Expr, written: &Written) -> Formula {
    Formula { text: written.text().to_owned(), expr }
}
