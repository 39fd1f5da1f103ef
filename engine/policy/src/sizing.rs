//! `resize`: how much a resource is to have, as literals or as formulas.

use std::ops::Range;

use homeostat_model::{Change, Quantity, Resizing, Response, Unit};

use crate::{
    Arithmetic, Attribute, Expr, Figure, Input, Node, Prescription, Sizing, SizingChange,
    fields::{Fields, text},
    formula::{Placed, Scope, Written, typed},
    language::ExprType,
    mistake::Mistake,
    report::Report,
    response::missing,
    yaml,
};

/// What can be resized, and how it is written.
struct Resizable {
    name: &'static str,
    min: &'static str,
    max: &'static str,
    unit: Unit,
    example: &'static str,
}

const VCPUS: Resizable =
    Resizable { name: "vcpus", min: "minVcpus", max: "maxVcpus", unit: Unit::None, example: "vcpus: +2" };
const MEMORY: Resizable =
    Resizable { name: "memory", min: "minMemory", max: "maxMemory", unit: Unit::Bytes, example: "memory: +25%" };

/// Reads the parameters of `resize`.
pub(crate) fn resize(
    at: &Range<usize>,
    fields: Option<&mut Fields<'_>>,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<Prescription>> {
    let Some(fields) = fields else {
        report.add(at.clone(), Mistake::ResizeNothing);
        return None;
    };
    let before = report.found();
    let vcpus = sizing(fields, &VCPUS, scope, report);
    let memory = sizing(fields, &MEMORY, scope, report);
    if report.found() > before {
        return None;
    }
    if vcpus.is_none() && memory.is_none() {
        report.add(at.clone(), Mistake::ResizeNothing);
        return None;
    }
    let split = |found: Option<Placed<Sizing>>| found.map_or((None, Vec::new()), |one| (Some(one.value), one.places));
    let ((vcpus, mut places), (memory, more)) = (split(vcpus), split(memory));
    places.extend(more);
    let value = if places.is_empty() {
        let (vcpus, memory) = (vcpus.as_ref().and_then(fixed), memory.as_ref().and_then(fixed));
        Prescription::Fixed(Response::Resize { vcpus, memory })
    } else {
        Prescription::Resize { vcpus, memory }
    };
    Some(Placed { value, places })
}

/// The same without formulas; `None` when there are some.
fn fixed(sizing: &Sizing) -> Option<Resizing> {
    let number = |figure: &Figure| match figure {
        Figure::Number(number) => Some(*number),
        Figure::Formula(_) => None,
    };
    let change = match &sizing.change {
        SizingChange::To(figure) => Change::To(number(figure)?),
        SizingChange::By(figure, sign) => Change::By(sign * number(figure)?),
        SizingChange::ByShare(figure, sign) => Change::ByShare(sign * number(figure)?),
    };
    Some(Resizing { change, min: sizing.min.as_ref().and_then(number), max: sizing.max.as_ref().and_then(number) })
}

fn sizing(fields: &mut Fields<'_>, what: &Resizable, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<Sizing>> {
    let (wanted, min_node, max_node) = (fields.take(what.name), fields.take(what.min), fields.take(what.max));
    let min = min_node.map(|node| bound(node, what.min, what.unit, scope, report));
    let max = max_node.map(|node| bound(node, what.max, what.unit, scope, report));
    let Some(wanted) = wanted else {
        for (node, name) in [(min_node, what.min), (max_node, what.max)] {
            if node.is_some() {
                let help = format!("`{name}` bounds a change: write `{}`", what.example);
                missing("resize", what.name, &help, &fields.key_at(name), report);
            }
        }
        return None;
    };
    let Placed { value: change, mut places } = change(wanted, what, scope, report)?;
    let mut taken = |bound: Option<Option<Placed<Figure>>>| match bound {
        None => Some(None),
        Some(found) => {
            let found = found?;
            places.extend(found.places);
            Some(Some(found.value))
        }
    };
    let sizing = Sizing { change, min: taken(min)?, max: taken(max)? };
    check_bounds(&sizing, what, (wanted, min_node), report);
    Some(Placed { value: sizing, places })
}

/// Refuses literals that contradict each other.
fn check_bounds(
    sizing: &Sizing,
    what: &Resizable,
    (wanted, min_node): (&yaml::Node, Option<&yaml::Node>),
    report: &mut Report,
) {
    let number = |figure: &Option<Figure>| match figure {
        Some(Figure::Number(number)) => Some(*number),
        _ => None,
    };
    let (min, max) = (number(&sizing.min), number(&sizing.max));
    if let (Some(min), Some(max), Some(node)) = (min, max, min_node)
        && min > max
    {
        let (min, max) = (amount(min, what.unit), amount(max, what.unit));
        report.add(node.at.clone(), Mistake::MinAboveMax { what: what.name, min, max });
        return;
    }
    let SizingChange::To(Figure::Number(target)) = &sizing.change else { return };
    let bound = match (min, max) {
        (Some(min), _) if *target < min => format!("`{}` is {}", what.min, amount(min, what.unit)),
        (_, Some(max)) if *target > max => format!("`{}` is {}", what.max, amount(max, what.unit)),
        _ => return,
    };
    let wanted_text = amount(*target, what.unit);
    let mistake = Mistake::TargetOutOfBounds { what: what.name, wanted: wanted_text, bound, example: what.example };
    report.add(wanted.at.clone(), mistake);
}

/// Bytes as people write them, where they come out even.
fn amount(number: f64, unit: Unit) -> String {
    const SCALES: [(&str, f64); 4] =
        [("Ti", 1_099_511_627_776.0), ("Gi", 1_073_741_824.0), ("Mi", 1_048_576.0), ("Ki", 1024.0)];
    let scale = SCALES.iter().find(|(_, scale)| unit == Unit::Bytes && number >= *scale && number % scale == 0.0);
    scale.map_or(number.to_string(), |(suffix, scale)| format!("{}{suffix}", number / scale))
}

/// An amount greater than zero, in the base unit.
fn bound(
    node: &yaml::Node,
    name: &'static str,
    unit: Unit,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<Figure>> {
    let given = text(node, name, report)?;
    match given.parse::<Quantity>() {
        Ok(quantity) if quantity.unit == unit && quantity.number > 0.0 => Some(literal(quantity.number)),
        Err(_) if is_formula(given, scope) => {
            let (figure, found) = formula(Written::whole(node, given, report), scope, report)?;
            let cores = unit == Unit::None && figure.cores == 1 && found == ExprType::Number(Unit::Ratio);
            let fits = cores || fits(found, unit, scope) || refuse(&figure, name, unit, found, report);
            fits.then_some(figure.value)
        }
        _ => {
            let help =
                Some(format!("write {}", if unit == Unit::Bytes { "an amount such as `2Gi`" } else { "a number" }));
            let reason = format!("`{name}` is `{given}`, which is not an amount greater than zero");
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
            None
        }
    }
}

/// `+2`, `-1`, `4`, `+25%`, `+512Mi`, `2Gi`; after the sign, or without one, also an expression.
fn change(node: &yaml::Node, what: &Resizable, scope: &Scope<'_>, report: &mut Report) -> Option<Placed<SizingChange>> {
    let given = text(node, what.name, report)?;
    let (sign, rest) = match given.strip_prefix('-') {
        Some(rest) => (Some(-1.0), rest),
        None => given.strip_prefix('+').map_or((None, given), |rest| (Some(1.0), rest)),
    };
    let amount = rest.parse::<Quantity>();
    if amount.is_err() && is_formula(rest, scope) {
        let start = given.len() - rest.len();
        let written = Written::whole(node, given, report).part(start..given.len());
        return computed(written, sign, what, scope, report);
    }
    let change = match (amount.ok(), sign) {
        (Some(Quantity { number, unit: Unit::Ratio }), Some(sign)) => {
            SizingChange::ByShare(Figure::Number(number), sign)
        }
        (Some(Quantity { number, unit }), Some(sign)) if unit == what.unit => {
            SizingChange::By(Figure::Number(number), sign)
        }
        (Some(Quantity { number, unit }), None) if unit == what.unit && number > 0.0 => {
            SizingChange::To(Figure::Number(number))
        }
        _ => {
            let help = match what.unit {
                Unit::Bytes => "write `2Gi` (to that amount), `+512Mi` (by it) or `+25%` (of what it has)",
                _ => "write `4` (to that many), `+2` (by them) or `+25%` (of what it has)",
            };
            let reason = format!("`{}` is `{given}`, which is not a change", what.name);
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help: Some(help.into()) });
            return None;
        }
    };
    match &change {
        SizingChange::By(Figure::Number(0.0), _) | SizingChange::ByShare(Figure::Number(0.0), _) => {
            report.add(node.at.clone(), Mistake::NoChange { what: what.name, example: what.example });
            None
        }
        SizingChange::ByShare(Figure::Number(share), -1.0) if *share >= 1.0 => {
            let allowed = "a share above -100%".to_owned();
            let what = format!("`{}`", what.name);
            report.add(node.at.clone(), Mistake::OutOfRange { what, given: given.into(), allowed });
            None
        }
        _ => Some(Placed { value: change, places: Vec::new() }),
    }
}

/// A change whose amount is an expression. A ratio after a sign is a share of what it has, as with literals.
fn computed(
    written: Written,
    sign: Option<f64>,
    what: &Resizable,
    scope: &Scope<'_>,
    report: &mut Report,
) -> Option<Placed<SizingChange>> {
    let (figure, found) = formula(written, scope, report)?;
    // `capacity.vcpus * 50%` is a number of processors, though a number times a ratio is a ratio in general.
    let cores = what.unit == Unit::None && figure.cores == 1;
    let found = if cores && found == ExprType::Number(Unit::Ratio) { ExprType::Number(Unit::None) } else { found };
    let share = sign.is_some() && found == ExprType::Number(Unit::Ratio);
    if !share && !fits(found, what.unit, scope) {
        refuse(&figure, what.name, what.unit, found, report);
        return None;
    }
    let Placed { value: figure, places } = figure.value;
    let value = match sign {
        None => SizingChange::To(figure),
        Some(sign) if share => SizingChange::ByShare(figure, sign),
        Some(sign) => SizingChange::By(figure, sign),
    };
    Some(Placed { value, places })
}

/// A figure that is computed, and where it stands.
struct Computed {
    value: Placed<Figure>,
    written: Written,
    /// How often processors are a factor of it, less how often they divide it.
    cores: i8,
}

fn formula(written: Written, scope: &Scope<'_>, report: &mut Report) -> Option<(Computed, ExprType)> {
    let (formula, found, written) = typed(written, scope, report)?;
    let cores = cores(&formula.expr);
    let value = Placed { value: Figure::Formula(formula), places: vec![written.clone()] };
    Some((Computed { value, written, cores }, found))
}

fn cores(expr: &Expr) -> i8 {
    match &expr.node {
        Node::Input(Input::Attribute(_, Attribute::Vcpus)) => 1,
        Node::Input(Input::Aggregate(aggregate)) if !aggregate.fold.of_truths() => cores(&aggregate.each),
        Node::Negate(inner) => cores(inner),
        Node::Arithmetic(Arithmetic::Multiply, left, right) => cores(left).saturating_add(cores(right)),
        Node::Arithmetic(Arithmetic::Divide, left, right) => cores(left).saturating_sub(cores(right)),
        Node::Arithmetic(_, left, right) | Node::Otherwise(left, right) => cores(left).max(cores(right)),
        _ => 0,
    }
}

fn literal(number: f64) -> Placed<Figure> {
    Placed { value: Figure::Number(number), places: Vec::new() }
}

/// Whether a text that is no literal was meant as an expression: what a script returns never is, and one that has no name
/// in it (`-1`, `2 Gi`) is a slip of the pen.
fn is_formula(given: &str, scope: &Scope<'_>) -> bool {
    let number = given.trim_start_matches(['+', '-']).trim();
    if number.parse::<Quantity>().is_ok() {
        return false;
    }
    let glued = |(number, unit): (&str, &str)| format!("{number}{unit}").parse::<Quantity>().is_ok();
    !scope.literal && !given.trim().is_empty() && !number.split_once(' ').is_some_and(glued)
}

/// Whether an expression can be that many. A number without a unit can be bytes only where units are not known: what loads
/// where everything is connected has to load in a backtest too.
fn fits(found: ExprType, unit: Unit, scope: &Scope<'_>) -> bool {
    match found {
        ExprType::Any => true,
        ExprType::Number(Unit::None) if scope.catalogue.allows_unknown() => true,
        found => found == ExprType::Number(unit),
    }
}

/// Says that an expression is of the wrong type; always false.
fn refuse(figure: &Computed, name: &str, unit: Unit, found: ExprType, report: &mut Report) -> bool {
    let (expected, help) = match unit {
        Unit::Bytes => ("a number of bytes", "give it a unit: `.. * 1Mi`, `512Mi`"),
        _ => ("a number without a unit", "compute cores: `capacity.vcpus * 2`"),
    };
    let operand = format!("`{name}`");
    let found = described(found);
    let mistake = Mistake::WrongOperand { operand, found, expected, help: Some(help.into()) };
    report.push(figure.written.problem_of_all(mistake));
    false
}

fn described(found: ExprType) -> &'static str {
    match found {
        ExprType::Truth => "a truth",
        ExprType::Number(Unit::None) => "a number",
        ExprType::Number(Unit::Ratio) => "a ratio",
        ExprType::Number(Unit::Bytes) => "a number of bytes",
        ExprType::Number(Unit::Seconds) => "a number of seconds",
        ExprType::Number(Unit::Watts) => "a number of watts",
        ExprType::Text => "a text",
        ExprType::Any => "anything",
    }
}
