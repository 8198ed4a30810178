//! A small HTTP server that answers as a script says, and keeps what it received.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned, crypto::aws_lc_rs::default_provider,
    pki_types::PrivateKeyDer,
};

use crate::ACCESS_TOKEN;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What to answer; `None` closes the connection without an answer.
type Script = dyn Fn(&Received, usize) -> Option<Answer> + Send + Sync;

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a script gives")]
pub(crate) fn answer(status: u16, body: &str) -> Option<Answer> {
    Some(Answer {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    })
}

/// A server on a port of its own; its thread ends with the process of the test.
pub(crate) struct Server {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    pub(crate) fn start(
        script: impl Fn(&Received, usize) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let (server, listener) = Self::bind("http");
        let log = Arc::clone(&server.received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &script, &log);
            }
        });
        server
    }

    /// Over https with a certificate of an authority of its own: the server, and the authority as PEM.
    pub(crate) fn https(status: u16, body: &'static str) -> (Self, String) {
        let (config, authority) = tls();
        let (server, listener) = Self::bind("https");
        let log = Arc::clone(&server.received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let stream = StreamOwned::new(connection, stream.unwrap());
                serve(stream, &move |_, _| answer(status, body), &log);
            }
        });
        (server, authority)
    }

    fn bind(scheme: &str) -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("{scheme}://localhost:{port}");
        let received = Arc::default();
        (Self { url, received }, listener)
    }

    /// Answers everything alike.
    pub(crate) fn answering(status: u16, body: &'static str) -> Self {
        Self::start(move |_, _| answer(status, body))
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn tls() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (Arc::new(config), authority.pem())
}

fn serve(stream: impl Read + Write, script: &Script, log: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read_request(&mut reader) else {
        return;
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let Some(answer) = script(&request, before) else {
        return;
    };
    let mut text = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    for (name, value) in answer.headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    write!(
        text,
        "Content-Length: {}\r\n\r\n{}",
        answer.body.len(),
        answer.body
    )
    .unwrap();
    let mut stream = reader.into_inner();
    // Who has what it wanted, or does not trust this server, may be gone.
    let _ = stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush());
}

fn read_request(reader: &mut impl BufRead) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Received {
        method,
        target,
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}

/// The token server at `/oauth2/default`, and this for every other path.
pub(crate) fn gateway(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> Server {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Server::start(move |request, _| {
        if request.target.starts_with("/oauth2/default/v1/token") {
            let token = format!(
                r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{ACCESS_TOKEN}","scope":"anonymous"}}"#
            );
            return answer(200, &token);
        }
        Some(Answer {
            status,
            headers: headers.clone(),
            body: body.to_owned(),
        })
    })
}
