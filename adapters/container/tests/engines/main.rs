//! The adapter against real engines. The test bed provides them: `cargo xtask test`, or by hand
//! `eval "$(cargo xtask testbed --detach)"` and then `cargo test -p homeostat-container -- --ignored`.

// A test's helper may unwrap as the test itself does: clippy knows it by this attribute.
#[cfg(test)]
mod bench;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod deeds;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod moves;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod ways;
