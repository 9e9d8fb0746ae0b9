//! The machine's own engine behind a filter: what a test takes away from it is really missing to whoever asks.

use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
};

/// Where the engine is.
const SOCKET: &str = "/var/run/docker.sock";

/// What happens to a request.
#[derive(Debug)]
pub enum Fate {
    /// The engine answers.
    Pass,
    /// The filter answers with a status and a text.
    Answer(u16, &'static str),
    /// The engine answers, and its JSON is changed on the way back.
    Changed(fn(&mut Value)),
    /// The request's JSON is changed before the engine gets it.
    Asked(fn(&mut Value)),
}

/// A filter: by method and path, without the version of the API.
pub type Filter = fn(&str, &str) -> Fate;

/// Starts a filtered engine; it ends with the process. Gives what `DOCKER_HOST` has to say.
///
/// # Errors
/// When there is no port.
pub fn engine(filter: Filter) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let host = format!("tcp://{}", listener.local_addr()?);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client that goes away in the middle is its own business.
            thread::spawn(move || serve(client, filter));
        }
    });
    Ok(host)
}

/// The head of a request, one request a connection, and what came of its body with it.
struct Request {
    line: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Request {
    fn read(client: &mut TcpStream) -> Result<Self> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 1 << 14]);
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            let count = client.read(&mut buffer)?;
            anyhow::ensure!(count > 0, "the client asks nothing");
            bytes.extend_from_slice(&buffer[..count]);
        };
        let head = String::from_utf8(bytes[..end].to_vec())?;
        let mut lines = head.lines().map(str::to_owned);
        let line = lines.next().context("a request has a first line")?;
        Ok(Self { line, headers: lines.collect(), body: bytes.split_off(end + 4) })
    }

    fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers.iter().filter_map(|header| header.split_once(':'));
        values.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Method, and path without the version of the API.
    fn asks(&self) -> (&str, &str) {
        let mut words = self.line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let versioned = path.starts_with("/v1.").then(|| path[1..].find('/').map(|at| &path[at + 1..])).flatten();
        (method, versioned.unwrap_or(path))
    }

    /// The request as the engine gets it: one a connection, unless it becomes a stream.
    fn head(&self, length: Option<usize>) -> String {
        let stream = self.header("upgrade").is_some();
        let kept = self.headers.iter().filter(|header| {
            let name = header.split(':').next().unwrap_or_default().to_ascii_lowercase();
            (stream || name != "connection") && (length.is_none() || name != "content-length")
        });
        let close = (!stream).then(|| "Connection: close".to_owned());
        let length = length.map(|length| format!("Content-Length: {length}"));
        let lines: Vec<_> = [&self.line].into_iter().chain(kept).cloned().chain(close).chain(length).collect();
        lines.join("\r\n") + "\r\n\r\n"
    }

    /// The whole body, where its length is told.
    fn whole(&mut self, client: &mut TcpStream) -> Result<()> {
        let length: usize = self.header("content-length").context("a body has a length")?.parse()?;
        let there = self.body.len();
        self.body.resize(length, 0);
        Ok(client.read_exact(&mut self.body[there..])?)
    }
}

fn serve(mut client: TcpStream, filter: Filter) -> Result<()> {
    let mut request = Request::read(&mut client)?;
    let (method, path) = request.asks();
    match filter(method, path) {
        Fate::Answer(status, text) => answer(&mut client, status, text.as_bytes()),
        Fate::Pass => pass(client, &request, None),
        Fate::Asked(change) => {
            request.whole(&mut client)?;
            let mut body: Value = serde_json::from_slice(&request.body)?;
            change(&mut body);
            request.body = serde_json::to_vec(&body)?;
            let length = request.body.len();
            pass(client, &request, Some(length))
        }
        Fate::Changed(change) => {
            let mut engine = UnixStream::connect(SOCKET)?;
            // An answer to the old protocol is never in pieces.
            request.line = request.line.replace("HTTP/1.1", "HTTP/1.0");
            engine.write_all(request.head(None).as_bytes())?;
            let mut text = Vec::new();
            engine.read_to_end(&mut text)?;
            let end = text.windows(4).position(|window| window == b"\r\n\r\n").context("an answer has a head")?;
            let mut body: Value = serde_json::from_slice(&text[end + 4..])?;
            change(&mut body);
            answer(&mut client, 200, &serde_json::to_vec(&body)?)
        }
    }
}

fn answer(client: &mut TcpStream, status: u16, body: &[u8]) -> Result<()> {
    let length = body.len();
    let kind = "Content-Type: application/json\r\nConnection: close";
    write!(client, "HTTP/1.1 {status} Filtered\r\n{kind}\r\nContent-Length: {length}\r\n\r\n")?;
    Ok(client.write_all(body)?)
}

/// Hands everything on, both ways, until both have ended.
fn pass(client: TcpStream, request: &Request, length: Option<usize>) -> Result<()> {
    let mut engine = UnixStream::connect(SOCKET)?;
    engine.write_all(request.head(length).as_bytes())?;
    engine.write_all(&request.body)?;
    let (client, engine) = (Arc::new(client), Arc::new(engine));
    let (from, to) = (Arc::clone(&client), Arc::clone(&engine));
    thread::spawn(move || {
        if length.is_none() {
            _ = io::copy(&mut &*from, &mut &*to);
            _ = to.shutdown(Shutdown::Write);
        }
    });
    _ = io::copy(&mut &*engine, &mut &*client);
    _ = client.shutdown(Shutdown::Both);
    Ok(())
}
