//! The sockets of all hosts: which connection a packet is for, who listens, who has something to
//! send.
//!
//! Whoever has something to send is listed, so that sending looks at nobody else, however many
//! hosts and connections there are.
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use slab::Slab;

use super::HostId;
use super::connection::{Connection, Holder, Stage, Voice};
use super::packet::{End, Packet, Segment};

/// The ports from which dials leave: IANA's dynamic ones.
const DYNAMIC_PORT_MIN: u16 = 49_152;

/// A connection's number, good until its holder has closed it.
pub(super) type Key = usize;

/// The sockets of one host.
#[derive(Debug)]
struct Table {
    /// Connections that packets reach, by the own port and the other end.
    connections: BTreeMap<(u16, End), Key>,
    listeners: BTreeMap<u16, Listener>,
    next_port: u16,
}

/// A listening socket.
#[derive(Debug)]
struct Listener {
    /// Tells it from one that had its port before.
    number: u64,
    opened: VecDeque<Key>,
    waker: Option<Waker>,
}

/// The sockets of all hosts.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    connections: Slab<Connection>,
    tables: Vec<Table>,
    listeners_made: u64,
    /// Who has something to send, in the order in which that came about.
    unsent: Vec<Key>,
    /// Who is to be woken, once the engine is not in use.
    pub(super) woken: Vec<Waker>,
}

impl Sockets {
    /// Makes room for the next host.
    pub(super) fn add_host(&mut self) {
        self.tables.push(Table {
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            next_port: DYNAMIC_PORT_MIN,
        });
    }

    pub(super) fn connection(&mut self, key: Key) -> &mut Connection {
        &mut self.connections[key]
    }

    fn table(&mut self, host: HostId) -> &mut Table {
        &mut self.tables[host.0]
    }

    /// The number of the connection of the end `local` with the end `peer`.
    fn key(&self, local: End, peer: End) -> Option<Key> {
        self.tables[local.host.0].connections.get(&(local.port, peer)).copied()
    }

    /// The connection of the end `local` with the end `peer`.
    pub(super) fn find(&mut self, local: End, peer: End) -> Option<&mut Connection> {
        let key = self.key(local, peer)?;
        Some(&mut self.connections[key])
    }

    /// How many connections a host has, in whatever state.
    pub(super) fn count(&self, host: HostId) -> usize {
        self.tables[host.0].connections.len()
    }

    fn insert(&mut self, connection: Connection) -> Key {
        let (local, peer) = (connection.local, connection.peer);
        let key = self.connections.insert(connection);
        self.table(local.host).connections.insert((local.port, peer), key);
        self.list(key);
        key
    }

    /// Takes a connection out of its table: packets find it no more.
    fn unlink(&mut self, key: Key) {
        let Connection { local, peer, .. } = self.connections[key];
        self.table(local.host).connections.remove(&(local.port, peer));
    }

    fn remove(&mut self, key: Key) {
        self.unlink(key);
        self.connections.remove(key);
    }

    /// Notes that a connection may have something to send.
    fn list(&mut self, key: Key) {
        if !std::mem::replace(&mut self.connections[key].is_listed, true) {
            self.unsent.push(key);
        }
    }

    /// Whether anybody has something to send.
    pub(super) fn is_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes the list of those who have something to send; give it back emptied, for its room.
    pub(super) fn take_unsent(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.unsent)
    }

    pub(super) fn give_back(&mut self, emptied: Vec<Key>) {
        debug_assert!(
            emptied.is_empty() && self.unsent.is_empty(),
            "sending makes nothing to send"
        );
        self.unsent = emptied;
    }

    /// What a listed connection has to send. One that is gone has nothing.
    pub(super) fn next_packet(&mut self, key: Key) -> Option<(Packet, Voice)> {
        let connection = self.connections.get_mut(key)?;
        connection.is_listed = false;
        let segment = connection.next_segment(&mut self.woken)?;
        let Connection { local: from, peer: to, voice, .. } = *connection;
        if connection.holder == Holder::Kernel && connection.is_over() {
            self.remove(key);
        }
        Some((Packet { from, to, segment }, voice))
    }

    /// Opens a connection; its SYN leaves with the next sending.
    ///
    /// # Errors
    /// All ports are in use for connections to that end.
    pub(super) fn dial(&mut self, host: HostId, peer: End) -> io::Result<Key> {
        let port = self.free_port(host, Some(peer))?;
        let local = End { host, port };
        Ok(self.insert(Connection::new(local, peer, Stage::Dialled, Holder::Stream)))
    }

    fn free_port(&mut self, host: HostId, peer: Option<End>) -> io::Result<u16> {
        let table = self.table(host);
        for _ in DYNAMIC_PORT_MIN..=u16::MAX {
            let port = table.next_port;
            table.next_port = port.checked_add(1).unwrap_or(DYNAMIC_PORT_MIN);
            let is_used = peer.is_some_and(|peer| table.connections.contains_key(&(port, peer)));
            if !is_used && !table.listeners.contains_key(&port) {
                return Ok(port);
            }
        }
        Err(ErrorKind::AddrNotAvailable.into())
    }

    /// Listens on a port, 0 for any. As with SO_REUSEADDR, connections that were accepted there
    /// before are no obstacle.
    ///
    /// # Errors
    /// Somebody listens there.
    pub(super) fn listen(&mut self, host: HostId, port: u16) -> io::Result<(u16, u64)> {
        let port = if port == 0 { self.free_port(host, None)? } else { port };
        if self.table(host).listeners.contains_key(&port) {
            return Err(ErrorKind::AddrInUse.into());
        }
        self.listeners_made += 1;
        let number = self.listeners_made;
        let listener = Listener { number, opened: VecDeque::new(), waker: None };
        self.table(host).listeners.insert(port, listener);
        Ok((port, number))
    }

    /// The next connection of a listening socket.
    pub(super) fn poll_accept(
        &mut self,
        (at, number): (End, u64),
        context: &Context<'_>,
    ) -> Poll<io::Result<Key>> {
        let listener = self.table(at.host).listeners.get_mut(&at.port);
        let Some(listener) = listener.filter(|listener| listener.number == number) else {
            // Its host crashed: only somebody else's task can still hold it.
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        let Some(key) = listener.opened.pop_front() else {
            listener.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        self.connections[key].holder = Holder::Stream;
        Poll::Ready(Ok(key))
    }

    /// Closes a listening socket. Who waits to be accepted is reset, who is half open forgotten.
    pub(super) fn close_listener(&mut self, (at, number): (End, u64)) -> Vec<Packet> {
        let table = self.table(at.host);
        if table.listeners.get(&at.port).is_none_or(|listener| listener.number != number) {
            return Vec::new();
        }
        table.listeners.remove(&at.port);
        let here = self.tables[at.host.0].connections.iter();
        let here: Vec<Key> =
            here.filter(|((port, _), _)| *port == at.port).map(|(_, key)| *key).collect();
        let mut resets = Vec::new();
        for key in here {
            let Connection { local, peer, stage, holder, .. } = self.connections[key];
            if holder == Holder::Listener {
                resets.push(Packet::reset(local, peer));
                self.remove(key);
            } else if stage == Stage::HalfOpen {
                self.remove(key);
            }
        }
        resets
    }

    /// Closes a connection for its program: in order, or by a reset where something unread would
    /// be thrown away. What was written before must have been sent then.
    pub(super) fn close(&mut self, key: Key) -> Option<Packet> {
        let connection = &mut self.connections[key];
        match connection.stage {
            Stage::Broken(_) => {
                self.connections.remove(key);
                None
            }
            Stage::Dialled | Stage::HalfOpen => {
                self.remove(key);
                None
            }
            Stage::Open if connection.has_unread() => {
                let reset = Packet::reset(connection.local, connection.peer);
                self.remove(key);
                Some(reset)
            }
            Stage::Open => {
                connection.orphan();
                if connection.is_over() {
                    self.remove(key)
                } else {
                    self.list(key)
                }
                None
            }
        }
    }

    /// Something was written, ended, or read that the other side must hear of.
    pub(super) fn touch(&mut self, key: Key) {
        if self.connections[key].stage == Stage::Open {
            self.list(key);
        }
    }

    /// A packet has arrived; what its receiver's kernel answers by itself.
    pub(super) fn receive(&mut self, packet: Packet) -> Option<Packet> {
        let Packet { from, to, segment } = packet;
        let known = self.key(to, from);
        match (segment, known) {
            (Segment::Syn, known) => {
                // Its sender has forgotten the connection that had these ends.
                if let Some(key) = known {
                    self.break_off(key, ErrorKind::ConnectionReset);
                }
                let is_open = self.tables[to.host.0].listeners.contains_key(&to.port);
                if !is_open {
                    return Some(Packet::reset(to, from));
                }
                self.insert(Connection::new(to, from, Stage::HalfOpen, Holder::Kernel));
                None
            }
            (Segment::Reset, known) => {
                if let Some(key) = known {
                    self.break_off(key, self.connections[key].reset_error());
                }
                None
            }
            (Segment::SynAck, Some(key)) => {
                self.connections[key].open(&mut self.woken);
                self.list(key);
                None
            }
            (Segment::Data { bytes, end, read_bytes }, Some(key)) => {
                self.receive_data(key, bytes, end, read_bytes)
            }
            (Segment::SynAck | Segment::Data { .. }, None) => Some(Packet::reset(to, from)),
        }
    }

    fn receive_data(
        &mut self,
        key: Key,
        bytes: Bytes,
        end: bool,
        read_bytes: usize,
    ) -> Option<Packet> {
        if self.connections[key].stage == Stage::HalfOpen {
            self.hand_over(key);
        }
        let connection = &mut self.connections[key];
        let is_orphan = connection.holder == Holder::Kernel;
        if is_orphan && !bytes.is_empty() {
            // Nobody will read it, and its sender must be told.
            let reset = Packet::reset(connection.local, connection.peer);
            self.remove(key);
            return Some(reset);
        }
        connection.receive(bytes, end, read_bytes, &mut self.woken);
        let (is_over, is_unsent) = (connection.is_over(), connection.has_unsent());
        if is_orphan && is_over {
            self.remove(key);
        } else if is_unsent {
            self.list(key);
        }
        None
    }

    /// A half-open connection has become open: its listener gets it.
    fn hand_over(&mut self, key: Key) {
        let connection = &mut self.connections[key];
        connection.stage = Stage::Open;
        connection.holder = Holder::Listener;
        let End { host, port } = connection.local;
        let listener = self.tables[host.0].listeners.get_mut(&port);
        let listener = listener.expect("half-open connections go with their listener");
        listener.opened.push_back(key);
        self.woken.extend(listener.waker.take());
    }

    /// Breaks a connection off at this end.
    pub(super) fn break_off(&mut self, key: Key, error: ErrorKind) {
        self.unlink(key);
        let connection = &mut self.connections[key];
        connection.break_off(Some(error), &mut self.woken);
        if connection.holder == Holder::Kernel {
            self.connections.remove(key);
        }
    }

    /// The kernel gives up on a connection whose other end does not answer.
    pub(super) fn give_up(&mut self, local: End, peer: End) {
        if let Some(key) = self.key(local, peer) {
            self.break_off(key, ErrorKind::TimedOut);
        }
    }

    /// The same, where the end waits for an acknowledgement that was not sent again.
    pub(super) fn give_up_waiting(&mut self, local: End, peer: End) {
        let waits =
            self.find(local, peer).is_some_and(|it| it.stage == Stage::HalfOpen || it.has_unsent());
        if waits {
            self.give_up(local, peer);
        }
    }

    /// Forgets every socket of a host that lost its power. Programs that still hold one are about
    /// to be dropped.
    pub(super) fn purge(&mut self, host: HostId) {
        let table = self.table(host);
        table.listeners.clear();
        for key in std::mem::take(&mut table.connections).into_values() {
            let connection = &mut self.connections[key];
            if connection.holder == Holder::Stream {
                connection.break_off(None, &mut self.woken);
            } else {
                self.connections.remove(key);
            }
        }
    }

    /// Connections with a host that only their kernels hold.
    pub(super) fn orphans_of(&self, host: HostId) -> Vec<(End, End)> {
        let connections = self.tables.iter().flat_map(|table| table.connections.values());
        connections
            .map(|key| &self.connections[*key])
            .filter(|connection| connection.peer.host == host && is_orphan(connection))
            .map(|connection| (connection.local, connection.peer))
            .collect()
    }

    /// Frees a connection that only its kernel holds, if it is still there.
    pub(super) fn free_orphan(&mut self, local: End, peer: End) {
        let key = self.key(local, peer);
        if let Some(key) = key.filter(|key| is_orphan(&self.connections[*key])) {
            self.remove(key);
        }
    }
}

fn is_orphan(connection: &Connection) -> bool {
    connection.holder == Holder::Kernel && connection.stage == Stage::Open
}
