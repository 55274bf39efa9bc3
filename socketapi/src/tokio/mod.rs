//! The same sockets for asynchronous programs: the names are those of the blocking types, the calls that wait are `async`.
//!
//! ```
//! use socketapi::tokio::{SctpListener, SctpStream};
//! use socketapi::{SendInfo, Stack, Transport};
//! use std::time::Duration;
//! use tokio::time::timeout;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let stack = Stack::builder().transport(Transport::Udp).address([127, 0, 0, 1]).udp_port(0).build()?;
//!     let listener = SctpListener::bind(&stack, "127.0.0.1:5002")?;
//!     let server = tokio::spawn(async move {
//!         let (stream, _peer) = listener.accept().await?;
//!         while let Some(message) = stream.recv_message().await? {
//!             let info = SendInfo::new().stream(message.info.stream);
//!             stream.send_bytes(message.into_bytes(), &info).await?;
//!         }
//!         Ok::<(), socketapi::Error>(())
//!     });
//!     let client = SctpStream::connect(&stack, "127.0.0.1:5002").await?;
//!     client.send(b"hello", &SendInfo::new().stream(3)).await?;
//!     // A deadline is the runtime's: a call that it cuts off has done nothing.
//!     let echo = timeout(Duration::from_secs(5), client.recv_message()).await??.ok_or("the server left")?;
//!     assert_eq!((echo.info.stream, &echo.into_bytes()[..]), (3, &b"hello"[..]));
//!     client.shutdown()?;
//!     client.wait_ended().await?;
//!     server.await??;
//!     Ok(())
//! }
//! ```
//!
//! # Who reads the network
//!
//! The stack's own thread, which wakes the tasks; what a task sends leaves before its call returns. So these types work
//! under any flavour of runtime, need none of its drivers, and associations live on while no task is polled. In fact nothing
//! but [`AsyncRead`](::tokio::io::AsyncRead), [`AsyncWrite`](::tokio::io::AsyncWrite) and the fairness towards other tasks is
//! tokio's: under another executor they work too. The price is one more change of threads for each message than a
//! blocking call has, which reads the network itself: see `docs/rust-api.md` for figures.
//!
//! # Giving calls up
//!
//! A future may be dropped at any time, by `select!` or `timeout` or with its task. Each call does what it does in one step,
//! in the `poll` that returns `Ready`: before that it has done nothing.
//!
//! | call | when it is dropped before it is done |
//! |---|---|
//! | `send`, `send_bytes`, `send_default` | nothing of the message is sent |
//! | `recv`, `recv_message` | no message is lost; notifications that were passed over are |
//! | `receive`, `peek` | nothing is lost |
//! | `accept` | the association waits for the next call |
//! | `connect` | the set-up is given up |
//! | `wait_connected`, `wait_ended` | nothing changes |
//! | `finish` | the shut-down goes on; the stream is closed |
//! | `read` and `write` of tokio's traits | as `recv` and `send` |
//!
//! # Back-pressure
//!
//! `send` waits while the association's send buffer is full, as the peer or the network takes no more. On a one-to-many
//! socket each association has a buffer of its own: one that is full stops nobody else. The peer in turn is held up by its
//! window when nobody reads here.
//!
//! # What still blocks
//!
//! Host names are resolved by blocking calls: give addresses ([`SocketAddr`](std::net::SocketAddr)). Dropping the last handle
//! of a [`Stack`](crate::Stack) waits for associations to end ([`StackBuilder::linger`](crate::StackBuilder::linger)), and
//! dropping a socket does where [`Options::set_linger`](crate::Options::set_linger) says so.

mod bytes_view;
mod halves;
mod listener;
mod one_to_many;
mod stream;

pub use halves::{ReadHalf, ReuniteError, WriteHalf};
pub use listener::SctpListener;
pub use one_to_many::SctpSocket;
pub use stream::SctpStream;

use ::tokio::task::coop::cooperative;

use crate::base::Base;
use crate::{AssociationId, Error, Message, Received, SendInfo};
use bytes::Bytes;

/// What all kinds of sockets have in common. `cooperative` lets other tasks run when one is never short of messages.
impl Base {
    async fn send_async(
        &self,
        association: AssociationId,
        payload: Bytes,
        info: &SendInfo,
    ) -> Result<(), Error> {
        let options = self.send_options(info);
        cooperative(self.socket.send_async(Some(association), options, payload)).await
    }

    async fn receive_async(&self) -> Result<Option<Received>, Error> {
        let delivery = cooperative(self.socket.receive_async(usize::MAX)).await?;
        Ok(delivery.map(|delivery| self.received(delivery)))
    }

    async fn peek_async(&self) -> Result<Option<Received>, Error> {
        let delivery = cooperative(self.socket.peek_async()).await?;
        Ok(delivery.map(|delivery| self.received(delivery)))
    }

    async fn receive_message_async(&self, limit: usize) -> Result<Option<Message>, Error> {
        while let Some(delivery) = cooperative(self.socket.receive_async(limit)).await? {
            if let Some(message) = self.received(delivery).into_message() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}
