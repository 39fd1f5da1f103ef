//! Locks whose holder never leaves something half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks it. What a panic of somebody else left is whole: nothing in this crate panics half-way under a lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
