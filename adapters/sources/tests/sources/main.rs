//! What comes in, as tables of good and bad, over real sockets, files and pipes.

// A test's helper may unwrap as the test itself does: clippy knows it by this attribute.
#[cfg(test)]
mod cloud_events;
#[cfg(test)]
mod deliveries;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod hook;
#[cfg(test)]
mod lines;
#[cfg(test)]
#[path = "../prompb.rs"]
mod prompb;
#[cfg(test)]
mod promql;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod remote_write;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod scrape;
#[cfg(test)]
mod told;
#[cfg(test)]
mod webhook;
