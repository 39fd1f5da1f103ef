//! An engine behind an encrypted connection, on which both sides show a certificate.

use std::{path::Path, process::Command, sync::Arc};

use homeostat_container::{ContainerAdapter, ContainerConfig, TlsConfig};
use homeostat_port::Adapter;
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use crate::bench::variable;

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate for `localhost` and one for a client by it; and a client's by nobody who is known.
fn certificates(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    for authority in ["ca", "other"] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ),
        );
    }
    for (name, authority) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
        openssl(folder, &format!("req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        openssl(
            folder,
            &format!(
                "x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -extfile names -out {name}.pem"
            ),
        );
    }
}

/// Passes encrypted connections on to the socket of an engine; gives its port.
async fn terminator(folder: &Path, socket: String) -> u16 {
    let certificate = |name: &str| CertificateDer::from_pem_file(folder.join(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let clients = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate("server.pem")], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut engine = UnixStream::connect(socket).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut engine).await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the test bed: cargo xtask test"]
async fn an_engine_is_driven_over_tls_and_only_with_the_right_certificates() {
    let folder = Path::new(&variable("HOMEOSTAT_TEST_DIR")).join(format!("tls-{}", std::process::id()));
    certificates(&folder);
    let port = terminator(&folder, variable("HOMEOSTAT_TEST_DOCKER").trim_start_matches("unix://").into()).await;
    let adapter = |ca: &str, client: &str| {
        let file = |name: String| folder.join(name);
        let tls = TlsConfig {
            ca: file(format!("{ca}.pem")),
            cert: file(format!("{client}.pem")),
            key: file(format!("{client}.key")),
        };
        let config = ContainerConfig {
            endpoint: Some(format!("tcp://127.0.0.1:{port}")),
            tls: Some(tls),
            ..ContainerConfig::default()
        };
        ContainerAdapter::connect(config).unwrap()
    };
    let found = adapter("ca", "client").discover().await.unwrap();
    assert!(found.iter().any(|resource| resource.id.kind() == "host"), "{found:?}");
    for (ca, client) in [("other", "client"), ("ca", "stranger"), ("ca", "nobody")] {
        let refused = adapter(ca, client).discover().await;
        assert!(refused.is_err(), "{ca} {client}: {refused:?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
