//! Pages: questionnaires for participants, ballots for voters, the booth of verifiable elections, health and metrics for the operator, the post
//! office of the demonstration.
//!
//! In charge of HTTP: routes, guards, headers. Reads the store; acts only through what it is handed. Never knows a
//! mail's bytes. To add a page: a file with its `router`, and a template in `templates/pages/<language>/`.

pub mod account;
mod assets;
pub mod booth;
mod caller;
pub mod cases;
mod connection;
pub mod election;
mod failed;
pub mod guard;
pub mod health;
pub mod pages;
pub mod post_office;
pub mod provider;
pub mod qr;
mod questionnaire;
mod same_site;
pub mod survey;

use std::net::SocketAddr;

use tokio::net::TcpListener;

pub use connection::serve;

/// Why the pages could not be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}; choose another address under [web] listen")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Takes the address; port 0 takes a free one.
///
/// # Errors
/// The address cannot be listened on.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, WebError> {
    TcpListener::bind(address).await.map_err(|source| WebError::Listen { address, source })
}
