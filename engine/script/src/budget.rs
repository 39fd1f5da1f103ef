//! The bounds of a script and of its evaluation, each with the reason of its number.

use std::fmt;

/// Bytes of a source: some four hundred lines, more than a person reviews as part of a policy.
pub(crate) const MAX_SOURCE_BYTES: usize = 16 * 1024;
/// Operations of one evaluation, those of all functions that it calls included; a condition takes tens.
pub(crate) const MAX_OPERATIONS: u64 = 10_000;
/// Bytes of the values of variables, each time one is read: a list of 256 numbers 500 times. A pass over them costs up to 10 ns
/// a byte (numbers that are written out, lists that are compared), so this is some 20 ms; copies of them make up the memory.
pub(crate) const MAX_BYTES_READ: usize = 2 * 1024 * 1024;
/// Calls within calls. Conditions have no reason to recurse.
pub(crate) const MAX_CALL_LEVELS: usize = 16;
/// Nesting of one expression, at the top and within functions: deeper ones threaten the stack of the parser.
pub(crate) const MAX_EXPRESSION_DEPTH: usize = 64;
/// Values within values, and functions that hold functions: deeper ones threaten the stack of whoever goes through them.
pub(crate) const MAX_VALUE_DEPTH: usize = 32;
/// Bytes of one text: as long as the longest condition.
pub(crate) const MAX_STRING_BYTES: usize = 4 * 1024;
/// Bytes of a text that is written out in the source, which no variable holds, so that its reading is not counted:
/// 10,000 passes over it are 20 ms.
pub(crate) const MAX_LITERAL_BYTES: usize = 256;
/// Elements of one array or map: more than a resource has labels.
pub(crate) const MAX_COLLECTION: usize = 256;
/// Variables in scope at a time.
pub(crate) const MAX_VARIABLES: usize = 128;
/// Inputs of a script: half of the variables, so that as many are left to it.
pub(crate) const MAX_INPUTS: usize = MAX_VARIABLES / 2;
/// Functions that a script may define, closures included.
pub(crate) const MAX_FUNCTIONS: usize = 32;
/// Lists and maps within those that a script gives: deeper than any action's parameters.
pub(crate) const MAX_RESULT_DEPTH: usize = 8;

/// What a script used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// Its operations: it loops, or does too much for one evaluation.
    Operations,
    /// Its memory: texts, lists, maps, variables, or the bytes of all that it reads.
    Memory,
    /// Its depth: calls within calls, expressions within expressions, values within values.
    Depth,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operations => "operations",
            Self::Memory => "memory",
            Self::Depth => "depth",
        })
    }
}
