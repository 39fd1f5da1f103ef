//! A data centre in a process of its own, driven through a unix socket: it outlives the programs that drive it.
//!
//! ```text
//!   homeostat run --- RemoteCentre --- one connection a question ---> serve --- SimAdapter --- DataCentre
//!                          ^------ a connection that stays: observations ------'
//! ```
//!
//! JSON lines both ways: the client writes one question, the server answers with one line, or with several while it is observed or a
//! step is being done. A step goes on when its client goes away, as at any real system.

mod address;
mod client;
mod lines;
mod protocol;
mod server;

pub use address::{CentreAddress, InvalidAddress};
pub use client::RemoteCentre;
pub use protocol::Statement;
pub use server::serve;
