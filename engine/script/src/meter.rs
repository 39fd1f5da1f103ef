//! Counts what an evaluation uses up: operations, and the bytes of every variable that is read.
//!
//! Rhai's own count is copied when a native function such as `map` calls back, and the copy is dropped. Neither is there any
//! count of how much an operation goes through. Here are both, per thread: an evaluation never leaves its thread.

use std::cell::{Cell, RefCell};

use rhai::{Array, Dynamic, FnPtr, Map};

use crate::budget::{MAX_BYTES_READ, MAX_OPERATIONS, MAX_VALUE_DEPTH};

/// Bytes of an element beside what it points to.
const ELEMENT_BYTES: usize = 16;
/// Bytes of an entry of a map: its name, and its part of a node.
const ENTRY_BYTES: usize = 48;
/// Bytes of a list, map or function itself, which are kept behind a pointer.
const CONTAINER_BYTES: usize = 96;

/// Why the meter ended an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Too many operations.
    Operations,
    /// Too many bytes read.
    Bytes,
    /// Too deep a value.
    Depth,
    /// A function needs what its caller holds; Rhai sleeps for 50 ms before it says so, once.
    Waiting,
}

thread_local! {
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static CUT: Cell<Option<Cut>> = const { Cell::new(None) };
    static SHARES: Cell<bool> = const { Cell::new(false) };
    /// What closures share with their surroundings; it may hold itself, which reference counts never free.
    static SHARED: RefCell<Vec<Dynamic>> = const { RefCell::new(Vec::new()) };
}

/// Begins an evaluation on this thread.
pub(crate) fn reset() {
    OPERATIONS.set(0);
    BYTES.set(0);
    CUT.set(None);
}

/// Why the evaluation was ended, if the meter did it.
pub(crate) fn cut() -> Option<Cut> {
    CUT.get()
}

/// Counts an operation; whether there was one left.
#[inline]
pub(crate) fn operation() -> Result<(), Cut> {
    let operations = OPERATIONS.get() + 1;
    OPERATIONS.set(operations);
    if operations > MAX_OPERATIONS { Err(end(Cut::Operations)) } else { Ok(()) }
}

/// Counts that a variable is read.
pub(crate) fn read(value: &Dynamic) -> Result<(), Cut> {
    if value.is_shared() {
        SHARES.set(true);
        SHARED.with_borrow_mut(|shared| shared.push(value.clone()));
    }
    let mut bytes = BYTES.get();
    let counted = weigh(value, 0, &mut bytes);
    BYTES.set(bytes);
    counted.map_err(end)
}

/// Empties what closures shared, so that nothing holds itself any more. The result has to be taken out before.
pub(crate) fn release() {
    if !SHARES.take() {
        return;
    }
    for mut value in SHARED.take() {
        if let Some(mut inner) = value.write_lock::<Dynamic>() {
            // What was in it is dropped after the lock is given back: it may hold this very value.
            let emptied = std::mem::replace(&mut *inner, Dynamic::UNIT);
            drop(inner);
            drop(emptied);
        }
    }
}

fn end(cut: Cut) -> Cut {
    if CUT.get().is_none() {
        CUT.set(Some(cut));
    }
    cut
}

/// Adds the bytes of `value` and all that is in it. It stops at the bound, so that what is shared in many places, and counted
/// in each, ends as well.
fn weigh(value: &Dynamic, depth: usize, bytes: &mut usize) -> Result<(), Cut> {
    *bytes += ELEMENT_BYTES;
    if value.is_shared() {
        let inner = value.read_lock::<Dynamic>().ok_or(Cut::Waiting)?;
        weigh_inside(&inner, depth, bytes)?;
    } else {
        weigh_inside(value, depth, bytes)?;
    }
    if *bytes > MAX_BYTES_READ { Err(Cut::Bytes) } else { Ok(()) }
}

fn weigh_inside(value: &Dynamic, depth: usize, bytes: &mut usize) -> Result<(), Cut> {
    if value.is_float() || value.is_bool() || value.is_int() {
        return Ok(());
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        *bytes += text.len();
        return Ok(());
    }
    if depth == MAX_VALUE_DEPTH {
        return Err(Cut::Depth);
    }
    *bytes += CONTAINER_BYTES;
    if let Some(list) = value.read_lock::<Array>() {
        list.iter().try_for_each(|element| weigh(element, depth + 1, bytes))
    } else if let Some(map) = value.read_lock::<Map>() {
        map.iter().try_for_each(|(key, element)| {
            *bytes += ENTRY_BYTES + key.len();
            weigh(element, depth + 1, bytes)
        })
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        function.iter_curry().try_for_each(|held| weigh(held, depth + 1, bytes))
    } else {
        Ok(())
    }
}
