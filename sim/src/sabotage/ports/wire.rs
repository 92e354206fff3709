//! Connections with a bug in them: what is read may come from a memory, where a connection leads
//! may change with what is asked, and what is sent may say more than was meant.
//!
//! All three protocols are told apart by how a request begins: `GET /…` is HTTP, `{` is a shell's
//! call, anything else a line for a balancer's runtime API.
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use evenkeel::ports::{Address, Dial};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::PortBug;

/// How old a page of the cache may be.
const PAGE_AGE_MAX: Duration = Duration::from_secs(120);
/// How long a resumed run lives on what the one before it had read.
const MEMORY_LASTS: Duration = Duration::from_secs(60);

/// Answers by what was asked, and when.
type Answers = BTreeMap<String, (Instant, Vec<u8>)>;

/// What was answered so far: outlives the process, as a cache in the network does.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Answers>>);

impl Memory {
    fn with<T>(&self, act: impl FnOnce(&mut Answers) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A network with a bug in it, or without.
#[derive(Clone, Debug)]
pub struct Wiretap<D>(Arc<Tap<D>>);

#[derive(Debug)]
struct Tap<D> {
    inner: D,
    bug: Option<PortBug>,
    memory: Memory,
    /// When this process began, unless it is the first.
    resumed: Option<Instant>,
    /// Where the balancer takes users' requests.
    front: Option<Address>,
}

impl<D> Wiretap<D> {
    /// This network. `first` tells that no process lived before; `front` is where the balancer
    /// takes users' requests.
    pub fn new(
        inner: D,
        bug: Option<PortBug>,
        memory: Memory,
        first: bool,
        front: Option<Address>,
    ) -> Self {
        let resumed = (!first).then(Instant::now);
        Self(Arc::new(Tap { inner, bug, memory, resumed, front }))
    }
}

impl<D> Tap<D> {
    /// The key under which an answer is remembered; `None` for what is never answered from memory.
    fn key(&self, to: &Address, text: &str) -> Option<String> {
        let line = text.lines().next()?;
        let page = line.starts_with("GET ")
            && line.contains(".aspx")
            && line.contains("/ServiceCenter/")
            && !line.contains("Login")
            && !line.contains("_Edit");
        let asks = match self.bug? {
            PortBug::StalePage => page,
            PortBug::ResumeWithoutObserving => {
                let shell = line.starts_with('{')
                    && !line.contains("\"EVENKEEL_VERB\":\"start\"")
                    && !line.contains("\"EVENKEEL_VERB\":\"reboot\"");
                page || shell || line.starts_with("show ")
            }
            _ => false,
        };
        asks.then(|| format!("{to:?} {line}"))
    }

    fn remembered(&self, key: &str) -> Option<Vec<u8>> {
        let (at, mut answer) = self.memory.with(|answers| answers.get(key).cloned())?;
        let believed = match self.bug? {
            PortBug::StalePage => at.elapsed() < PAGE_AGE_MAX,
            _ => self.resumed.is_some_and(|begun| begun.elapsed() < MEMORY_LASTS),
        };
        hide_clock(&mut answer);
        believed.then_some(answer)
    }

    /// What is sent instead.
    fn instead(&self, text: &str) -> Option<Vec<u8>> {
        if self.bug != Some(PortBug::ChangeStrangers) || !text.starts_with("set server ") {
            return None;
        }
        let strangers = text.trim_end().split(';').filter(|it| it.ends_with(" state drain"));
        let strangers: Vec<String> = strangers
            .filter_map(|command| {
                let (pool, _) = command.strip_prefix("set server ")?.split_once('/')?;
                Some(format!(";set server {pool}/{STRANGER} state drain"))
            })
            .collect();
        Some(format!("{}{}\n", text.trim_end(), strangers.concat()).into_bytes())
    }

    /// A request that is no console's and no ping goes through the balancer.
    fn elsewhere(&self, text: &str) -> Option<Address> {
        let test = text.starts_with("GET ")
            && !text.starts_with("GET /ServiceCenter")
            && !text.lines().next()?.contains("_ping");
        let bug = self.bug == Some(PortBug::TestThroughTheBalancer);
        self.front.clone().filter(|_| bug && test)
    }
}

/// Nobody looks at the clock of a page from the cache.
fn hide_clock(answer: &mut [u8]) {
    let is_clock = |it: &[u8]| {
        it.iter().enumerate().all(|(place, byte)| match place {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
    };
    if let Some(at) = answer.windows(8).rposition(is_clock) {
        answer[at..at + 8].copy_from_slice(b"--:--:--");
    }
}

/// A page that has arrived to its end: the half of one, remembered, would be an answer that is lost.
fn is_whole_page(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return false };
    let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    head.starts_with("HTTP/1.1 200") && length == Some(body.len())
}

/// A member that every pool of the doubles has beside the farm's.
const STRANGER: &str = "retired";

impl<D: Dial> Dial for Wiretap<D> {
    type Stream = Tapped<D>;

    fn dial(
        &self,
        to: &Address,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let (tap, to) = (Arc::clone(&self.0), to.clone());
        async move {
            let link = Link::Open(tap.inner.dial(&to).await?);
            let (pending, hearing, replay, reader) = (Vec::new(), None, None, None);
            Ok(Tapped { tap, to, link, pending, hearing, replay, reader })
        }
    }
}

type Dialing<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// Where a connection leads.
enum Link<S> {
    Open(S),
    /// To another place than was dialled.
    Turning(Dialing<S>),
}

/// An answer that is being remembered.
struct Hearing {
    key: String,
    at: Instant,
    answer: Vec<u8>,
}

/// A connection with a bug in it.
pub struct Tapped<D: Dial> {
    tap: Arc<Tap<D>>,
    to: Address,
    link: Link<D::Stream>,
    /// What is still to be sent.
    pending: Vec<u8>,
    hearing: Option<Hearing>,
    /// What is still to be answered from memory. After it the connection has ended for whoever reads
    /// on; for whoever asks on it leads to the server again.
    replay: Option<Vec<u8>>,
    /// Whoever waits for something to read.
    reader: Option<Waker>,
}

impl<D: Dial> Tapped<D> {
    /// Keeps the answer that has been heard.
    fn keep(&mut self) {
        let Some(Hearing { key, at, answer }) = self.hearing.take() else { return };
        let http = key.contains(" GET ");
        let whole = if http { is_whole_page(&answer) } else { answer.ends_with(b"\n") };
        if whole {
            self.tap.memory.with(|answers| answers.insert(key, (at, answer)));
        }
    }

    fn stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut D::Stream>>> {
        if let Link::Turning(dialing) = &mut self.link {
            let stream = ready!(dialing.as_mut().poll(cx))?;
            self.link = Link::Open(stream);
        }
        match &mut self.link {
            Link::Open(stream) => Poll::Ready(Ok(Pin::new(stream))),
            Link::Turning(_) => unreachable!("it has just been opened"),
        }
    }

    /// Sends what is pending.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.pending);
            let sent = match self.stream(cx) {
                Poll::Ready(Ok(stream)) => stream.poll_write(cx, &bytes),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            self.pending = bytes;
            let sent = ready!(sent)?;
            self.pending.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// A request begins.
    fn asked(&mut self, text: &str) {
        self.keep();
        if let Some(front) = self.tap.elsewhere(text)
            && front != self.to
        {
            self.link = Link::Turning(Box::pin(self.tap.inner.dial(&front)));
            self.to = front;
        }
        let key = self.tap.key(&self.to, text);
        // The server never hears of what is answered from memory, so that its next answer is to the
        // next request that it gets.
        self.replay = key.as_ref().and_then(|key| self.tap.remembered(key));
        if self.replay.is_some() {
            // Whoever keeps connections alive reads before he asks, and nothing will arrive that has
            // him read again.
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        } else if let Some(key) = key {
            self.hearing = Some(Hearing { key, at: Instant::now(), answer: Vec::new() });
        }
    }

    /// Reads from memory, or what arrives.
    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(replay) = &mut self.replay {
            let share = replay.len().min(buffer.remaining());
            buffer.put_slice(&replay[..share]);
            replay.drain(..share);
            return Poll::Ready(Ok(()));
        }
        ready!(self.send(cx))?;
        let before = buffer.filled().len();
        ready!(ready!(self.stream(cx))?.poll_read(cx, buffer))?;
        if let Some(hearing) = &mut self.hearing {
            hearing.answer.extend_from_slice(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<D: Dial> AsyncWrite for Tapped<D> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.tap.bug.is_none() {
            return ready!(self.stream(cx))?.poll_write(cx, bytes);
        }
        ready!(self.send(cx))?;
        let text = String::from_utf8_lossy(bytes);
        let begins = ["GET ", "POST ", "{", "show ", "set server "];
        if begins.iter().any(|begin| text.starts_with(begin)) {
            self.asked(&text);
        }
        // All that belongs to a request which is answered from memory is taken in, and goes nowhere.
        if self.replay.is_none() {
            self.pending = self.tap.instead(&text).unwrap_or_else(|| bytes.to_vec());
            if let Poll::Ready(Err(error)) = self.send(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(cx))?;
        ready!(self.stream(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(cx))?;
        ready!(self.stream(cx))?.poll_shutdown(cx)
    }
}

impl<D: Dial> AsyncRead for Tapped<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.read(cx, buffer);
        if read.is_pending() && self.tap.bug.is_some() {
            self.reader = Some(cx.waker().clone());
        }
        read
    }
}

impl<D: Dial> Drop for Tapped<D> {
    fn drop(&mut self) {
        self.keep();
    }
}
