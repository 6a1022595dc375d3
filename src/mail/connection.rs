//! A connection to a mail server: TCP with no delay and keep-alive, bare or under TLS. Shared by IMAP and SMTP.
//!
//! In charge of reaching the server and of whom to trust. Speaks no mail protocol.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::limits;

/// Silence after which the system asks whether the other side is still there, in seconds.
const KEEPALIVE_SECONDS: u64 = 60;

/// Why no connection came about. Each text says what to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Name unknown, connection refused, no route.
    #[error("{host}:{port} cannot be reached ({why}); is the mail server running, and are host and port right?")]
    Unreachable {
        /// Host as configured.
        host: String,
        /// Port as configured.
        port: u16,
        /// What the system said.
        why: String,
    },
    /// No answer in [`limits::CONNECT_SECONDS`].
    #[error("{host}:{port} did not answer within {} s; is a firewall between?", limits::CONNECT_SECONDS)]
    TimedOut {
        /// Host as configured.
        host: String,
        /// Port as configured.
        port: u16,
    },
    /// The server's certificate is not one we trust for that host.
    #[error(
        "the certificate of {host} is not trusted ({why}); name its certificate authority with ca_file, or mend host"
    )]
    Certificate {
        /// Host as configured.
        host: String,
        /// What is wrong with the certificate.
        why: String,
    },
    /// TLS failed otherwise.
    #[error("no TLS with {host} ({why}); does the port speak TLS at once (tls) or after STARTTLS (starttls)?")]
    Tls {
        /// Host as configured.
        host: String,
        /// What failed.
        why: String,
    },
    /// Our own list of trusted authorities cannot be read.
    #[error("{file}: {why}; ca_file wants a PEM file with at least one certificate")]
    Authorities {
        /// The file, or the name of the system's store.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A connection, bare or under TLS.
#[derive(Debug)]
pub enum Wire {
    /// Bare TCP: before STARTTLS, or to a server on this machine.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// The address of the server.
    ///
    /// # Errors
    /// When the connection is already gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Wire::Plain(tcp) => tcp.peer_addr(),
            Wire::Tls(tls) => tls.get_ref().0.peer_addr(),
        }
    }
}

/// Whom to trust: the certificates in `ca_file`, or those of the operating system.
///
/// # Errors
/// [`ConnectError::Authorities`] when the file cannot be read or holds no certificate.
pub fn trust(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, ConnectError> {
    let mut roots = RootCertStore::empty();
    let complain = |file: &Path, why: String| ConnectError::Authorities { file: file.to_owned(), why };
    match ca_file {
        Some(file) => {
            let certificates =
                CertificateDer::pem_file_iter(file).map_err(|error| complain(file, error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| complain(file, error.to_string()))?;
                roots.add(certificate).map_err(|error| complain(file, error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(complain(file, "it holds no certificate".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let store = Path::new("the system's certificate store");
                return Err(complain(store, "it is empty; install ca-certificates".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the protocol versions that rustls enables")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A TCP connection that sends at once and notices a dead peer.
///
/// # Errors
/// [`ConnectError::Unreachable`] or [`ConnectError::TimedOut`].
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let unreachable =
        |error: io::Error| ConnectError::Unreachable { host: host.to_owned(), port, why: error.to_string() };
    let patience = Duration::from_secs(limits::CONNECT_SECONDS);
    let tcp = timeout(patience, TcpStream::connect((host, port)))
        .await
        .map_err(|_| ConnectError::TimedOut { host: host.to_owned(), port })?
        .map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let pace = Duration::from_secs(KEEPALIVE_SECONDS);
    let keepalive = TcpKeepalive::new().with_time(pace).with_interval(pace);
    SockRef::from(&tcp).set_tcp_keepalive(&keepalive).map_err(unreachable)?;
    Ok(tcp)
}

/// Puts TLS over a connection and checks that the certificate is for `host`.
///
/// # Errors
/// [`ConnectError::Certificate`], [`ConnectError::Tls`] or [`ConnectError::TimedOut`].
pub async fn secure(tcp: TcpStream, host: &str, trust: Arc<ClientConfig>) -> Result<Wire, ConnectError> {
    let failed = |why: String| ConnectError::Tls { host: host.to_owned(), why };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    let port = tcp.peer_addr().map_or(0, |address| address.port());
    let patience = Duration::from_secs(limits::CONNECT_SECONDS);
    match timeout(patience, TlsConnector::from(trust).connect(name, tcp)).await {
        Err(_) => Err(ConnectError::TimedOut { host: host.to_owned(), port }),
        Ok(Ok(tls)) => Ok(Wire::Tls(Box::new(tls))),
        Ok(Err(error)) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(why)) => {
                Err(ConnectError::Certificate { host: host.to_owned(), why: why.to_string() })
            }
            _ => Err(failed(error.to_string())),
        },
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
