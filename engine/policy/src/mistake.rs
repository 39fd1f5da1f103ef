//! Every mistake that can be made in a document, with its code, its message and what to do about it.
//!
//! Codes are for good: people look them up and programs match on them. Messages may become better.

use std::ops::Range;

use homeostat_model::Impact;
use miette::Diagnostic;
use thiserror::Error;

/// A mistake, without its place.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub(crate) enum Mistake {
    // Files and YAML.
    #[error("the file has {bytes} bytes, at most {limit} are read")]
    #[diagnostic(
        code(homeostat::policy::file_too_large),
        help("split it, or move what is not policy out of the folder")
    )]
    FileTooLarge { bytes: usize, limit: usize },

    #[error("the line has {bytes} bytes, at most {limit} are read; its document was left out")]
    #[diagnostic(code(homeostat::policy::line_too_long), help("write it on several lines"))]
    LineTooLong { bytes: usize, limit: usize },

    #[error("the file has more than {limit} documents; this one and those after it were not read")]
    #[diagnostic(code(homeostat::policy::too_many_documents), help("split the file"))]
    TooManyDocuments { limit: usize },

    #[error("this is not YAML: {reason}")]
    #[diagnostic(code(homeostat::policy::yaml_syntax))]
    YamlSyntax {
        reason: String,
        #[help]
        help: Option<String>,
    },

    #[error("the document is too large or too deeply nested")]
    #[diagnostic(
        code(homeostat::policy::yaml_limit),
        help("a document has at most {depth} levels and {nodes} values, aliases included")
    )]
    YamlLimit { depth: usize, nodes: usize },

    #[error("`{given}` is not an API version that is known here")]
    #[diagnostic(code(homeostat::policy::unknown_api_version), help("write `apiVersion: {known}`"))]
    UnknownApiVersion { given: String, known: &'static str },

    #[error("`{given}` is not a kind of document")]
    #[diagnostic(code(homeostat::policy::unknown_document_kind))]
    UnknownDocumentKind {
        given: String,
        #[help]
        help: Option<String>,
    },

    // Fields.
    #[error("{of} has no field `{field}`")]
    #[diagnostic(code(homeostat::policy::unknown_field))]
    UnknownField {
        of: String,
        field: String,
        #[help]
        help: Option<String>,
    },

    #[error("{of} lacks `{field}`")]
    #[diagnostic(code(homeostat::policy::missing_field))]
    MissingField {
        of: String,
        field: &'static str,
        #[help]
        help: Option<String>,
    },

    #[error("`{field}` is given twice")]
    #[diagnostic(code(homeostat::policy::duplicate_field), help("keep one of them"))]
    DuplicateField { field: String },

    #[error("{what} is {found}, but {expected} is needed")]
    #[diagnostic(code(homeostat::policy::wrong_type))]
    WrongType { what: String, expected: &'static str, found: &'static str },

    #[error("{reason}")]
    #[diagnostic(code(homeostat::policy::invalid_value))]
    InvalidValue {
        reason: String,
        #[help]
        help: Option<String>,
    },

    #[error("{what} is {given}, which is out of range")]
    #[diagnostic(code(homeostat::policy::out_of_range), help("write {allowed}"))]
    OutOfRange { what: String, given: String, allowed: String },

    #[error("`{given}` is not {what}")]
    #[diagnostic(code(homeostat::policy::unknown_word))]
    UnknownWord {
        what: &'static str,
        given: String,
        #[help]
        help: Option<String>,
    },

    // Policies.
    #[error("there is another policy named `{name}`")]
    #[diagnostic(
        code(homeostat::policy::duplicate_policy),
        help("rename one of them; only the first was loaded, from {first}")
    )]
    DuplicatePolicy { name: String, first: String },

    #[error("there is another guard named `{name}`")]
    #[diagnostic(
        code(homeostat::policy::duplicate_guard),
        help("rename one of them; only the first was loaded, from {first}")
    )]
    DuplicateGuard { name: String, first: String },

    #[error("the policy is promoted to nothing more than its mode, which is `{mode}`")]
    #[diagnostic(
        code(homeostat::policy::no_promotion),
        help("begin with `mode: recommend` or `mode: approve`, or remove `promote`")
    )]
    NoPromotion { mode: String },

    #[error("`{response}` {what}, and the ceiling of the policy is {ceiling}")]
    #[diagnostic(
        code(homeostat::policy::above_ceiling),
        help("it would be passed over each time; remove it, or write `ceiling: {needed}`")
    )]
    AboveCeiling { response: String, what: &'static str, ceiling: String, needed: String },

    #[error(
        "`{response}` {what}, and the ceiling of guard `{guard}`, which guards all that the policy selects, is {ceiling}"
    )]
    #[diagnostic(
        code(homeostat::policy::above_guard),
        severity(Warning),
        help("it would be passed over each time; remove it, or let the guard have `ceiling: {needed}` or select less")
    )]
    AboveGuard { response: String, what: &'static str, guard: String, ceiling: Impact, needed: Impact },

    #[error("guard `{name}` has this ceiling")]
    #[diagnostic(severity(Advice))]
    OtherCeiling { name: String },

    #[error("the guard forbids nothing")]
    #[diagnostic(
        code(homeostat::policy::empty_guard),
        help("say what it limits, for example `budgets: [{{scope: host, max: 1}}]`")
    )]
    EmptyGuard,

    #[error("`{name}` is declared here")]
    #[diagnostic(severity(Advice))]
    FirstDeclared { name: String },

    #[error("{how}")]
    #[diagnostic(
        code(homeostat::policy::oscillation),
        severity(Warning),
        help(
            "leave more room between the two conditions than one response changes, give both selectors that exclude each other, or \
             let one policy do both"
        )
    )]
    Oscillation { how: String },

    #[error("`{name}` acts on this")]
    #[diagnostic(severity(Advice))]
    OtherCondition { name: String },

    #[error("the metric `{name}` is declared twice")]
    #[diagnostic(code(homeostat::policy::duplicate_metric), help("keep one of them"))]
    DuplicateMetric { name: String },

    #[error("the policy never does anything: it has neither `on` nor `when`")]
    #[diagnostic(
        code(homeostat::policy::no_trigger),
        help("add an event type (`on: vm.crashed`), a condition (`when: ..`), or both")
    )]
    NoTrigger,

    #[error("`for` makes no sense with `on`: an event does not last")]
    #[diagnostic(
        code(homeostat::policy::for_with_on),
        help("remove `for`, or remove `on` and state a condition that lasts")
    )]
    ForWithOn,

    #[error("`then` is empty, so nothing would be done")]
    #[diagnostic(
        code(homeostat::policy::empty_then),
        help("list what to do, for example `- restart` or `- notify: {{message: \"..\"}}`")
    )]
    EmptyThen,

    #[error("this entry of `then` {problem}")]
    #[diagnostic(
        code(homeostat::policy::one_response),
        help(
            "every entry is one response, such as `- restart` or `- resize: {{vcpus: +2}}`; several become several entries"
        )
    )]
    OneResponse { problem: &'static str },

    #[error("`resize` changes neither `vcpus` nor `memory`")]
    #[diagnostic(code(homeostat::policy::resize_nothing), help("add `vcpus: +2`, `memory: +25%`, or both"))]
    ResizeNothing,

    #[error("`{what}` changes nothing")]
    #[diagnostic(code(homeostat::policy::no_change), help("write a change such as `{example}`"))]
    NoChange { what: &'static str, example: &'static str },

    #[error("the smallest {what} ({min}) is greater than the greatest ({max})")]
    #[diagnostic(code(homeostat::policy::min_above_max), help("exchange them"))]
    MinAboveMax { what: &'static str, min: String, max: String },

    #[error("`{placeholder}` is not something that a message can hold")]
    #[diagnostic(
        code(homeostat::policy::unknown_placeholder),
        help("`${{resource}}`, `${{policy}}` and expressions such as `${{state}}` are replaced")
    )]
    UnknownPlaceholder { placeholder: String },

    #[error("no connected system has resources of the kind `{kind}`")]
    #[diagnostic(code(homeostat::policy::unknown_kind))]
    UnknownKind {
        kind: String,
        #[help]
        help: Option<String>,
    },

    #[error("nothing reports an event `{event}` of a {kind}")]
    #[diagnostic(code(homeostat::policy::unknown_event))]
    UnknownEvent {
        event: String,
        kind: String,
        #[help]
        help: Option<String>,
    },

    #[error("`{response}` cannot be done to a {kind}: {reason}")]
    #[diagnostic(code(homeostat::policy::impossible_response))]
    ImpossibleResponse {
        response: String,
        kind: String,
        reason: String,
        #[help]
        help: Option<String>,
    },

    // Expressions: their text.
    #[error("the expression has {bytes} bytes, at most {limit} are read")]
    #[diagnostic(code(homeostat::policy::expression_too_long), help("split the policy in two"))]
    ExpressionTooLong { bytes: usize, limit: usize },

    #[error("the expression is nested more than {limit} levels deep")]
    #[diagnostic(code(homeostat::policy::expression_too_deep), help("take it apart, or remove parentheses"))]
    ExpressionTooDeep { limit: usize },

    #[error("{expected} is missing: here is {found}")]
    #[diagnostic(code(homeostat::policy::expression_syntax))]
    ExpressionSyntax {
        expected: &'static str,
        found: String,
        #[help]
        help: Option<String>,
    },

    #[error("this {what} does not end")]
    #[diagnostic(code(homeostat::policy::unterminated), help("add {closing} at its end"))]
    Unterminated { what: &'static str, closing: &'static str },

    #[error("`{literal}` is not {what}")]
    #[diagnostic(code(homeostat::policy::invalid_literal))]
    InvalidLiteral {
        literal: String,
        what: &'static str,
        #[help]
        help: Option<String>,
    },

    // Expressions: what they read.
    #[error("there is no function `{name}`")]
    #[diagnostic(code(homeostat::policy::unknown_function), help("did you mean `{near}`?"))]
    UnknownFunction { name: String, near: &'static str },

    #[error("`{function}` {problem}")]
    #[diagnostic(code(homeostat::policy::wrong_arguments), help("write `{example}`"))]
    WrongArguments { function: &'static str, problem: &'static str, example: String },

    #[error("the window of {window} is out of range")]
    #[diagnostic(code(homeostat::policy::window_out_of_range), help("a window is longer than 0 and at most {limit}"))]
    WindowOutOfRange { window: String, limit: String },

    #[error("`{metric}` is not a metric that is known of a {kind}")]
    #[diagnostic(code(homeostat::policy::unknown_metric))]
    UnknownMetric {
        metric: String,
        kind: String,
        #[help]
        help: Option<String>,
    },

    #[error("a {kind} has no attribute `{attribute}`")]
    #[diagnostic(code(homeostat::policy::unknown_attribute))]
    UnknownAttribute {
        attribute: String,
        kind: String,
        #[help]
        help: Option<String>,
    },

    #[error("`{attribute}` reads an event, but the policy has no `on`")]
    #[diagnostic(code(homeostat::policy::event_without_on), help("add the event's type: `on: vm.crashed`"))]
    EventWithoutOn { attribute: String },

    #[error("`{word}` is a word of the language and cannot be used like this")]
    #[diagnostic(code(homeostat::policy::reserved_word))]
    ReservedWord {
        word: String,
        #[help]
        help: Option<String>,
    },

    // Expressions: their types.
    #[error("`{operator}` cannot be applied to {left} and {right}")]
    #[diagnostic(code(homeostat::policy::type_mismatch))]
    TypeMismatch {
        operator: &'static str,
        left: &'static str,
        right: &'static str,
        #[help]
        help: Option<String>,
    },

    #[error("{operand} is {found}, but {expected} is needed")]
    #[diagnostic(code(homeostat::policy::wrong_operand))]
    WrongOperand {
        operand: String,
        found: &'static str,
        expected: &'static str,
        #[help]
        help: Option<String>,
    },

    #[error("`{operator}` puts {left} and {right} together, which are different units")]
    #[diagnostic(code(homeostat::policy::unit_mismatch), help("{help}"))]
    UnitMismatch { operator: &'static str, left: String, right: String, help: String },

    #[error("the condition is {found}, but a truth is needed")]
    #[diagnostic(
        code(homeostat::policy::not_a_condition),
        help("compare it with something, such as `.. > 85%` or `.. == \"running\"`")
    )]
    NotACondition { found: &'static str },

    #[error("this {problem}")]
    #[diagnostic(
        code(homeostat::policy::constant_condition),
        help("read something of the resource, such as `avg(\"cpu.utilization\", 5m)` or `state`, or remove it")
    )]
    ConstantCondition { problem: &'static str },

    #[error("Rhai refuses the script: {reason}")]
    #[diagnostic(
        code(homeostat::policy::script),
        help(
            "signals and attributes are known by their names here, everything else is Rhai; its book says what it offers"
        )
    )]
    ScriptRefused { reason: String },

    #[error("{what} cannot stand inside of an aggregate")]
    #[diagnostic(code(homeostat::policy::not_in_aggregate), help("{help}"))]
    NotInAggregate { what: String, help: &'static str },

    #[error("`{set}` {problem}")]
    #[diagnostic(code(homeostat::policy::wrong_aggregate), help("{help}"))]
    WrongAggregate { set: String, problem: &'static str, help: String },

    #[error("the policy is about each {kind} itself: no {kind} runs on a {kind}")]
    #[diagnostic(code(homeostat::policy::relative_to_itself), help("leave `{kind}.` out"))]
    RelativeToItself { kind: String },

    #[error("`{clause}` can never be true here: {reason}")]
    #[diagnostic(code(homeostat::policy::contradiction), help("{help}"))]
    Contradiction { clause: String, reason: String, help: &'static str, other: Range<usize> },

    #[error("`{clause}` changes nothing: {reason}")]
    #[diagnostic(code(homeostat::policy::redundant_clause), help("remove it, or say what it was meant to"))]
    RedundantClause { clause: String, reason: String, other: Range<usize> },

    #[error("`{clause}` or `{first}` always holds, whatever the value is")]
    #[diagnostic(
        code(homeostat::policy::tautology),
        help("to ask whether there is a value at all, write `!absent(.., 5m)`")
    )]
    Tautology { clause: String, first: String, other: Range<usize> },

    #[error("`{clause}` is {verdict}: {reason}")]
    #[diagnostic(code(homeostat::policy::beyond_bounds), help("compare it with a value that it can have"))]
    BeyondBounds { clause: String, verdict: &'static str, reason: String },

    #[error("`{never}` is never evaluated: `{left}` is always known")]
    #[diagnostic(code(homeostat::policy::useless_otherwise), help("remove `??` and what follows it"))]
    UselessOtherwise { left: String, never: String },

    // Tests of policies.
    #[error("`{text}` is not a part of a series")]
    #[diagnostic(
        code(homeostat::policy::invalid_series),
        help(
            "write `0.5` (one value), `0.5x3` (four times), `1+0.5x3` (1, 1.5, 2, 2.5), `_` (none) or `_x3` (three times none)"
        )
    )]
    InvalidSeries { text: String },

    #[error("the test has more than {limit} values")]
    #[diagnostic(
        code(homeostat::policy::too_many_values),
        help("shorten the series, or give the values as a recording in `input`")
    )]
    TooManyValues { limit: usize },

    #[error("the test has no resource `{id}`")]
    #[diagnostic(code(homeostat::policy::unknown_resource))]
    UnknownResource {
        id: String,
        #[help]
        help: Option<String>,
    },

    #[error("the resource `{id}` is given twice")]
    #[diagnostic(code(homeostat::policy::duplicate_resource), help("keep one of them"))]
    DuplicateResource { id: String },

    #[error("`input` replaces `{field}`; both are given")]
    #[diagnostic(code(homeostat::policy::input_and_series), help("remove one of them"))]
    InputAndSeries { field: &'static str },

    #[error("the expectations are not in the order of their time: {at} comes after {before}")]
    #[diagnostic(code(homeostat::policy::unordered_expectations), help("sort them by `at`"))]
    UnorderedExpectations { at: String, before: String },

    #[error("nothing is expected here, so the test cannot fail")]
    #[diagnostic(code(homeostat::policy::empty_expectation), help("add {fields}"))]
    EmptyExpectation { fields: &'static str },

    // Policies: their scripts and formulas.
    #[error("there is no script `{file}` here")]
    #[diagnostic(code(homeostat::policy::unknown_file))]
    UnknownFile {
        file: String,
        #[help]
        help: Option<String>,
    },

    #[error("`{one}` and `{other}` are both given")]
    #[diagnostic(code(homeostat::policy::exclusive_fields), help("remove one of them"))]
    Exclusive { one: &'static str, other: &'static str },

    #[error("`{given}` is an expression, but what a script returns is read as it is")]
    #[diagnostic(
        code(homeostat::policy::not_a_literal),
        help("compute it in the script, and return the number or the text")
    )]
    NotALiteral { given: String },

    #[error("`{attribute}` reads an event, but the policy answers to the absence of one")]
    #[diagnostic(
        code(homeostat::policy::event_of_absence),
        help("remove it, or ask for it in `where`: what did not happen has no details")
    )]
    EventOfAbsence { attribute: String },

    #[error("`clear` can hold while `when` does: the finding would open and close all the time")]
    #[diagnostic(
        code(homeostat::policy::flapping),
        help("let `clear` ask for clearly less than `when`, for example `.. < 60%` where `when` asks for `.. > 85%`")
    )]
    Flapping,

    // Policies: what they select, and when.
    #[error("nothing is ever selected: {reason}")]
    #[diagnostic(
        code(homeostat::policy::never_selects),
        help("remove one of the two; everything that is said about a label has to hold")
    )]
    NeverSelects { reason: String },

    #[error("`{operator}` takes {taken}")]
    #[diagnostic(code(homeostat::policy::label_values), help("{help}"))]
    LabelValues { operator: &'static str, taken: &'static str, help: &'static str },

    #[error("`{value}` is listed twice")]
    #[diagnostic(code(homeostat::policy::duplicate_value), help("keep one of them"))]
    DuplicateValue { value: String },

    #[error("this is nested more than {limit} levels deep")]
    #[diagnostic(code(homeostat::policy::nested_too_deep), help("{help}"))]
    NestedTooDeep { limit: usize, help: &'static str },

    #[error("`{given}` is not a time zone")]
    #[diagnostic(code(homeostat::policy::unknown_time_zone), help("{help}"))]
    UnknownTimeZone { given: String, help: String },

    #[error("`{field}` makes no sense with `on`: an event does not last")]
    #[diagnostic(
        code(homeostat::policy::lasting_with_on),
        help("remove `{field}`; the finding ends when the event was answered")
    )]
    LastingWithOn { field: &'static str },

    #[error("`on` {problem}")]
    #[diagnostic(
        code(homeostat::policy::event_pattern),
        help(
            "write one of `on: vm.crashed`, `on: {{event: vm.crashed, count: 3, within: 10m}}`, `on: {{sequence: [..], within: 10m}}`, \
             `on: {{all: [..], within: 10m}}` and `on: {{absent: .., for: 5m}}`"
        )
    )]
    EventPattern { problem: &'static str },

    #[error("{problem}")]
    #[diagnostic(code(homeostat::policy::count_and_within), help("{help}"))]
    CountAndWithin { problem: &'static str, help: &'static str },

    // Policies: what they do.
    #[error("`else` has no `if`")]
    #[diagnostic(
        code(homeostat::policy::else_without_if),
        help("add `if: ..` beside it; a response that is tried when others do not help is an entry of its own")
    )]
    ElseWithoutIf,

    #[error("the policy has {found} responses, at most {limit} are read")]
    #[diagnostic(
        code(homeostat::policy::too_many_responses),
        help("split the policy, or let a script choose the response")
    )]
    TooManyResponses { found: usize, limit: usize },

    #[error("this response is never tried: {reason}")]
    #[diagnostic(code(homeostat::policy::unreachable_response), help("remove it, or change one of the two conditions"))]
    UnreachableResponse { reason: String },

    #[error("`{what}` is {wanted}, but {bound}")]
    #[diagnostic(
        code(homeostat::policy::target_out_of_bounds),
        help("change one of the two, or write a change such as `{example}`")
    )]
    TargetOutOfBounds { what: &'static str, wanted: String, bound: String, example: &'static str },

    #[error("here is an expression or a script, but nothing in it")]
    #[diagnostic(code(homeostat::policy::empty_formula), help("write it, or remove the field"))]
    EmptyFormula,

    // Tests of policies: what they were given later.
    #[error("`{text}` is not a value that a series can have")]
    #[diagnostic(code(homeostat::policy::unsupported_value), help("{help}"))]
    UnsupportedValue { text: String, help: &'static str },

    #[error("`{id}` {state} at {at}")]
    #[diagnostic(code(homeostat::policy::inventory_out_of_step))]
    InventoryOutOfStep {
        id: String,
        state: &'static str,
        at: String,
        #[help]
        help: Option<String>,
    },
}
