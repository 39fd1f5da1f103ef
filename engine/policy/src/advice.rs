//! What is said about every mistake besides its message: what the marked place is, and what to do.

use miette::Diagnostic;

use crate::mistake::Mistake;

impl Mistake {
    /// What the marked place is.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::UnknownField { .. }
            | Self::UnknownWord { .. }
            | Self::UnknownKind { .. }
            | Self::UnknownEvent { .. }
            | Self::UnknownFunction { .. }
            | Self::UnknownMetric { .. }
            | Self::UnknownAttribute { .. }
            | Self::UnknownDocumentKind { .. }
            | Self::UnknownApiVersion { .. }
            | Self::UnknownPlaceholder { .. }
            | Self::UnknownFile { .. }
            | Self::UnknownTimeZone { .. }
            | Self::UnknownResource { .. } => "not known",
            Self::DuplicateField { .. }
            | Self::DuplicatePolicy { .. }
            | Self::DuplicateGuard { .. }
            | Self::DuplicateMetric { .. }
            | Self::DuplicateValue { .. }
            | Self::DuplicateResource { .. } => "again here",
            Self::FirstDeclared { .. } => "the first one",
            Self::OtherCondition { .. } => "the other one",
            Self::AboveGuard { .. } => "never done",
            Self::OtherCeiling { .. } => "too low for it",
            Self::Oscillation { .. } => "one of the two",
            Self::MissingField { .. } | Self::NoTrigger | Self::ExpressionSyntax { .. } => "missing here",
            Self::Unterminated { .. } => "begins here",
            Self::WrongType { expected, .. } | Self::WrongOperand { expected, .. } => expected,
            Self::NotACondition { .. } => "a truth is needed",
            Self::Contradiction { .. } => "never true",
            Self::RedundantClause { .. } => "without effect",
            Self::NotInAggregate { .. } => "not here",
            _ => "here",
        }
    }

    /// What to do about it. Where nothing better is known than the sort of mistake, that decides.
    pub(crate) fn advice(&self) -> String {
        if let Some(help) = Diagnostic::help(self) {
            return help.to_string();
        }
        match self {
            Self::UnknownField { .. } => "remove it".into(),
            Self::MissingField { field, .. } => format!("add `{field}: ..`"),
            Self::WrongType { expected, .. } => match *expected {
                "a mapping" => "write `{name: value, ..}`, or a line `name: value` for each, indented".into(),
                "a list" => "write `[first, second]`, or a line `- value` for each".into(),
                "a plain value" => "write one word, number or text in quotes".into(),
                other => format!("write {other}"),
            },
            Self::YamlSyntax { .. } => "check the quotes, brackets and indentation here and just before".into(),
            Self::ExpressionSyntax { expected, .. } => format!("add {expected}, or remove what is too much"),
            Self::UnknownKind { .. } | Self::UnknownMetric { .. } => {
                "check its name, or connect the system that provides it".into()
            }
            Self::UnknownEvent { .. } => {
                "check its name, connect the system that reports it, or name it under `events` of the configuration"
                    .into()
            }
            Self::UnknownAttribute { .. } => "check its name; texts are written in double quotes".into(),
            Self::ImpossibleResponse { .. } => "choose another response, or connect a system that can do it".into(),
            Self::TypeMismatch { .. } => "compare and calculate with values of one type".into(),
            Self::WrongOperand { expected, .. } => format!("make it {expected}"),
            Self::ReservedWord { .. } => "choose another name".into(),
            Self::InvalidLiteral { what, .. } => format!("write it as {what}"),
            _ => "correct the value".into(),
        }
    }
}
