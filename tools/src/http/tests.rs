//! Clients that ask well, badly, slowly, and all at once. The port is one that is free.

use super::*;

fn server() -> HttpServer {
    let pages = |path: &str| match path {
        "/here" => Some(Page::line(200, "hello")),
        "/long" => Some(Page::line(200, &"x".repeat(1_000_000))),
        "/ill" => Some(Page::line(503, "ill")),
        _ => None,
    };
    HttpServer::start(([127, 0, 0, 1], 0).into(), pages).unwrap()
}

fn connect(server: &HttpServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// The whole answer.
fn ask(server: &HttpServer, request: &[u8]) -> String {
    let mut stream = connect(server);
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pages_are_served_whole_with_their_length_and_the_connection_ends() {
    let server = server();
    let answer = ask(&server, b"GET /here?x=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nContent-Length: 6\r\n") && answer.contains("\r\nConnection: close\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    let long = ask(&server, b"GET /long HTTP/1.0\r\n\r\n");
    assert!(long.ends_with("x\n") && long.len() > 1_000_000);
    // RFC 9110, 9.3.2.
    let head = ask(&server, b"HEAD /here HTTP/1.1\r\n\r\n");
    assert!(head.contains("\r\nContent-Length: 6\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn what_cannot_be_answered_has_its_status() {
    let server = server();
    let long = format!("GET /here HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let many = format!("GET /here HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
    for (request, status) in [
        ("GET /elsewhere HTTP/1.1\r\n\r\n", 404),
        ("GET /ill HTTP/1.1\r\n\r\n", 503),
        ("POST /here HTTP/1.1\r\n\r\n", 405),
        ("\x16\x03\x01 HTTP/1.1\r\n\r\n", 400),
        (&long, 431),
        (&many, 431),
    ] {
        let answer = ask(&server, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[test]
fn who_is_slow_keeps_nobody_else_from_being_served() {
    let server = server();
    let slow: Vec<_> = (0..3 * MAX_CONNECTIONS)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(b"GET /here HT").unwrap();
            stream
        })
        .collect();
    assert!(ask(&server, b"GET /here HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    // The first have had to make room.
    let ends = (&slow[0]).read(&mut [0; 1]);
    assert!(matches!(ends, Ok(0) | Err(_)), "{ends:?}");
}

#[test]
fn who_sends_without_end_keeps_nobody_else_from_being_served() {
    let server = server();
    let mut senders = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(&server);
        senders.push(std::thread::spawn(move || {
            stream.write_all(b"GET /here HTTP/1.1\r\n\r\n").unwrap();
            while stream.write_all(&[0; 100_000]).is_ok() {}
        }));
    }
    for _ in 0..20 {
        assert!(ask(&server, b"GET /here HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200"));
    }
    drop(server);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_request_in_pieces_is_put_together() {
    let server = server();
    let mut stream = connect(&server);
    stream.set_nodelay(true).unwrap();
    for piece in [&b"GET /he"[..], b"re HTTP/1.1\r\n", b"\r\n"] {
        stream.write_all(piece).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello\n"), "{answer}");
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let server = server();
    assert!(HttpServer::start(server.address(), |_| None).is_err());
}
