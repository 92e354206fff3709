//! TLS: which certificate authorities are trusted, and the agreement on a fresh stream.
use std::cell::OnceCell;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The certificate authorities a client trusts: the machine's unless others are given. They are
/// read at the first TLS connection, so a rehearsal, which has none, never reads them.
#[derive(Clone, Debug, Default)]
pub struct Trust(OnceCell<Arc<ClientConfig>>);

impl Trust {
    /// Trusts these and no others.
    #[must_use]
    pub fn only(authorities: RootCertStore) -> Self {
        Self(OnceCell::from(config(authorities)))
    }

    /// Agrees on TLS with whoever serves the name (a port after it is left out).
    pub(super) async fn wrap<S>(&self, stream: S, host_name: &str) -> Result<TlsStream<S>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = match host_name.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host_name,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` is no name a certificate can carry"))?;
        let config = Arc::clone(self.0.get_or_init(|| config(machine_authorities())));
        let agreed = TlsConnector::from(config).connect(name, stream).await;
        agreed.map_err(|error| format!("TLS as `{host}`: {error}"))
    }
}

/// The machine's authorities. Unreadable ones are left out: a certificate that needs one is then
/// refused, which says more than a program that does not start.
fn machine_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of this machine cannot be read");
    }
    store.add_parsable_certificates(found.certs);
    store
}

fn config(authorities: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring supports the default protocol versions")
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Arc::new(config)
}
