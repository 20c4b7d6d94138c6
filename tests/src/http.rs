//! A raw HTTP/1.1 client, for what SDKs refuse to send and for seeing exactly what comes back.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// Longer than any long poll; a server that does not answer fails the test.
const TIMEOUT: Duration = Duration::from_mins(1);

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers as they came.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; panics if it is none.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a UTF-8 body")
    }

    /// The body as JSON; panics if it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Requests to one loopback port, each over its own connection.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    port: u16,
}

impl Client {
    /// A client for 127.0.0.1:`port`.
    pub fn new(port: u16) -> Self {
        Self { port }
    }

    /// An SQS action in the JSON protocol.
    pub fn json(&self, action: &str, body: &str) -> Response {
        let target = format!("AmazonSQS.{action}");
        let headers = [("Content-Type", "application/x-amz-json-1.0"), ("X-Amz-Target", &target)];
        self.request("POST", "/", &headers, body.as_bytes())
    }

    /// An SQS action in the Query protocol, posted as a form; give `Action` (and `Version`) too.
    pub fn query(&self, parameters: &[(&str, &str)]) -> Response {
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        self.request("POST", "/", &headers, form(parameters).as_bytes())
    }

    /// Any request; `Host` and `Content-Length` are added unless given.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.connect().request(method, target, headers, body)
    }

    /// GET without headers.
    pub fn get(&self, target: &str) -> Response {
        self.request("GET", target, &[], b"")
    }

    /// Exactly these bytes; the first answer to them.
    pub fn raw(&self, bytes: &[u8]) -> Response {
        let mut connection = self.connect();
        connection.write(bytes);
        connection.read_response().expect("an answer")
    }

    /// A connection to keep.
    pub fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|e| panic!("127.0.0.1:{}: {e}", self.port))
    }

    /// The same, for servers that may be down.
    pub fn try_connect(&self) -> std::io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Connection { port: self.port, reader: BufReader::new(stream) })
    }
}

/// One connection, used for several requests.
#[derive(Debug)]
pub struct Connection {
    port: u16,
    reader: BufReader<TcpStream>,
}

impl Connection {
    /// Sends a request and reads its answer.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        self.try_request(method, target, headers, body).expect("an answer")
    }

    /// The same, for servers that may die meanwhile.
    pub fn try_request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Response> {
        let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !given("Host") {
            let _infallible = write!(head, "Host: 127.0.0.1:{}\r\n", self.port);
        }
        if !given("Content-Length") && !given("Transfer-Encoding") {
            let _infallible = write!(head, "Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            let _infallible = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        let stream = self.reader.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat())?;
        self.read_response()
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("to write");
    }

    /// Sends bytes as they are, to a server that may close meanwhile.
    pub fn try_write(&mut self, bytes: &[u8]) {
        let _closed = self.reader.get_mut().write_all(bytes);
    }

    /// Reads one answer.
    pub fn read_response(&mut self) -> std::io::Result<Response> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("status line {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| invalid(format!("header {line:?}")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut response = Response { status, headers, body: Vec::new() };
        response.body = self.body(&response)?;
        Ok(response)
    }

    /// True when the server has closed the connection and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.fill_buf(), Ok([]) | Err(_))
    }

    fn body(&mut self, response: &Response) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("Transfer-Encoding").is_some_and(|t| t.contains("chunked")) {
            loop {
                let line = self.line()?;
                let size = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
                    .map_err(|e| invalid(format!("chunk {line:?}: {e}")))?;
                (&mut self.reader).take(size).read_to_end(&mut body)?;
                let _line_end = self.line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let Some(length) = response.header("Content-Length") else {
            if response.status >= 200 && response.status != 204 && response.status != 304 {
                self.reader.read_to_end(&mut body)?;
            }
            return Ok(body);
        };
        let length: usize = length.parse().map_err(|e| invalid(format!("{length:?}: {e}")))?;
        body.resize(length, 0);
        self.reader.read_exact(&mut body)?;
        Ok(body)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// Parameters as a form body or a query string.
pub fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters.iter().map(|(n, v)| format!("{}={}", percent(n), percent(v)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes all but what RFC 3986 calls unreserved.
pub fn percent(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn invalid(what: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what)
}
