//! HTTP by hand: calls, callers and providers over raw sockets.

use std::{
    fmt::{self, Write as _},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::LONG;

/// A call as bytes.
#[derive(Clone)]
pub(crate) struct Call {
    line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self {
            line: format!("{method} {path} HTTP/1.1"),
            fields: vec![("Host".to_owned(), "gateway.example".to_owned())],
            body: Vec::new(),
        }
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).field(name, value)
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.field("Content-Length", &body.len().to_string())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.line);
        for (name, value) in &self.fields {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Any HTTP message as it came.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// What a caller is answered.
pub(crate) type Answer = Message;

impl Message {
    pub(crate) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name).into_iter();
        let value = values.next();
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let of_name = self
            .fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of an error of the gateway's.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.field("error-source"), Some("gateway"), "{self:?}");
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// Status and code.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status(), self.code())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {}",
            self.line,
            self.fields,
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// One end of a TCP connection that speaks HTTP by hand.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
    is_head: bool,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            is_head: false,
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes as long as the other side takes it.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn ask(&mut self, call: &Call) -> Answer {
        self.is_head = call.line.starts_with("HEAD ");
        self.write(&call.bytes());
        self.answer()
    }

    /// The next complete answer.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.head().expect("an answer");
        self.rest_of(head).expect("a complete answer")
    }

    /// The next answer, whose body may break off: `Err` has what there was.
    pub(crate) fn broken_answer(&mut self) -> Result<Answer, Answer> {
        let head = self.head().expect("an answer");
        self.rest_of(head)
    }

    /// The head of the next message; `None` when the connection ends first.
    pub(crate) fn head(&mut self) -> Option<Message> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if !self.fill() {
                return None;
            }
        };
        let text = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_owned(), value.trim().to_owned())
        });
        Some(Message {
            line,
            fields: fields.collect(),
            body: Vec::new(),
        })
    }

    fn rest_of(&mut self, mut message: Message) -> Result<Message, Message> {
        let is_answer = message.line.starts_with("HTTP/");
        let is_empty =
            is_answer && (self.is_head || matches!(message.status(), 100..=199 | 204 | 304));
        if is_empty {
            return Ok(message);
        }
        if message.values("transfer-encoding") == ["chunked"] {
            return self.chunks(message);
        }
        let length = message
            .field("content-length")
            .map(|text| text.parse::<usize>().unwrap());
        let Some(length) = length else {
            while is_answer && self.fill() {}
            message.body = std::mem::take(&mut self.buffer);
            return Ok(message);
        };
        while self.buffer.len() < length {
            if !self.fill() {
                message.body = std::mem::take(&mut self.buffer);
                return Err(message);
            }
        }
        message.body = self.buffer.drain(..length).collect();
        Ok(message)
    }

    fn chunks(&mut self, mut message: Message) -> Result<Message, Message> {
        loop {
            let Some(size) = self.line() else {
                return Err(message);
            };
            let size = usize::from_str_radix(&size, 16).unwrap();
            while self.buffer.len() < size + 2 {
                if !self.fill() {
                    return Err(message);
                }
            }
            message.body.extend(self.buffer.drain(..size));
            assert_eq!(self.buffer.drain(..2).collect::<Vec<_>>(), b"\r\n");
            if size == 0 {
                return Ok(message);
            }
        }
    }

    /// One chunk, as soon as it is there.
    pub(crate) fn chunk(&mut self) -> Vec<u8> {
        let size = usize::from_str_radix(&self.line().expect("a chunk"), 16).unwrap();
        while self.buffer.len() < size + 2 {
            assert!(self.fill(), "a whole chunk");
        }
        let chunk = self.buffer.drain(..size).collect();
        self.buffer.drain(..2);
        chunk
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// So many bytes, as soon as they are there.
    pub(crate) fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(
                self.fill(),
                "{count} bytes, but there are {}",
                self.buffer.len()
            );
        }
        self.buffer.drain(..count).collect()
    }

    /// A request with its body; `None` when the connection ends first.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let head = self.head()?;
        self.rest_of(head).ok()
    }

    /// Whether the other side closes, with nothing more to say.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    /// Whether the other side says nothing for this long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let outcome = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(LONG)).unwrap();
        outcome
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }

    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("reading: {error}"),
        }
    }
}

/// A provider's server, which does with each connection what the test says.
pub(crate) struct Provider {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Mutex<mpsc::Receiver<Message>>,
}

/// What a provider's connection may do.
pub(crate) struct Served {
    pub(crate) connection: Connection,
    /// Which connection it is, from 1.
    pub(crate) number: usize,
    seen: mpsc::Sender<Message>,
}

impl Served {
    /// The next request with its body, which the test sees too.
    pub(crate) fn request(&mut self) -> Option<Message> {
        let request = self.connection.request()?;
        let _ = self.seen.send(request.clone());
        Some(request)
    }

    /// The head of the next request, which the test sees too.
    pub(crate) fn head(&mut self) -> Option<Message> {
        let head = self.connection.head()?;
        let _ = self.seen.send(head.clone());
        Some(head)
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.connection.try_write(bytes.as_ref());
    }
}

/// An answer with a length.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Provider {
    pub(crate) fn new(serve: impl Fn(Served) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (seen, requests) = mpsc::channel();
        let (serve, count) = (Arc::new(serve), Arc::clone(&connections));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let (serve, seen) = (Arc::clone(&serve), seen.clone());
                let connection = Connection::over(stream);
                thread::spawn(move || {
                    serve(Served {
                        connection,
                        number,
                        seen,
                    });
                });
            }
        });
        Self {
            address,
            connections,
            requests: Mutex::new(requests),
        }
    }

    /// Answers every request on a connection with the same bytes.
    pub(crate) fn answering(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::new(move |mut served| {
            while served.request().is_some() {
                served.write(&answer);
            }
        })
    }

    /// Answers the first request of each connection with these bytes, and closes.
    pub(crate) fn answering_once(answer: impl AsRef<[u8]>) -> Self {
        let answer = answer.as_ref().to_vec();
        Self::new(move |mut served| {
            if served.request().is_some() {
                served.write(&answer);
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request that a provider's connection read.
    pub(crate) fn seen(&self) -> Message {
        self.requests
            .lock()
            .unwrap()
            .recv_timeout(LONG)
            .expect("a request")
    }

    /// Whether no request came besides those already seen.
    pub(crate) fn saw_nothing(&self) -> bool {
        self.requests.lock().unwrap().try_recv().is_err()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
