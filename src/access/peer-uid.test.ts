import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { until } from '../../test/end-to-end/poll.ts';
import { peerUid } from './peer-uid.ts';

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (from: string, to: string, uid: number, inode: number, state = '01'): string =>
  `   0: ${from} ${to} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 0000000000000000 20 4 30 10 -1\n`;
const connection = { remoteAddress: '127.0.0.1', remotePort: 40_000, localAddress: '127.0.0.1', localPort: 8080 };
const [client, server] = ['0100007F:9C40', '0100007F:1F90'];
const reading =
  (v4: string, v6 = header) =>
  (path: string) =>
    path.endsWith('6') ? v6 : v4;

describe('the table of sockets', () => {
  test("finds the peer's row, not the server's own", () => {
    const table = header + row(server, client, 0, 5) + row(client, server, 100_007, 6);
    assert.equal(peerUid(connection, reading(table)), 100_007);
  });

  test('ignores a socket without a process: its uid 0 is not root', () => {
    assert.equal(peerUid(connection, reading(header + row(client, server, 0, 0, '06'))), null);
    assert.equal(peerUid(connection, reading(header)), null);
    assert.equal(peerUid(connection, reading('')), null);
  });

  test('matches address and port: another address with the same port is another process', () => {
    const table = header + row('0200007F:9C40', server, 100_007, 6);
    assert.equal(peerUid(connection, reading(table)), null);
    assert.equal(peerUid({ ...connection, remoteAddress: '127.0.0.2' }, reading(table)), 100_007);
  });

  test('finds IPv6 connections, and IPv4 connections on an IPv6 socket', () => {
    const [six, sixServer] = ['00000000000000000000000001000000:9C40', '00000000000000000000000001000000:1F90'];
    const v6 = { ...connection, remoteAddress: '::1', localAddress: '::1' };
    assert.equal(peerUid(v6, reading(header, header + row(six, sixServer, 7, 6))), 7);
    const mapped = header + row(`0000000000000000FFFF0000${client}`, `0000000000000000FFFF0000${server}`, 8, 6);
    assert.equal(
      peerUid({ ...connection, remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' }, reading(header, mapped)),
      8,
    );
    assert.equal(peerUid({ ...connection, remotePort: undefined }, reading(mapped)), null);
  });
});

const isRoot = process.getuid?.() === 0;
const skip = process.platform !== 'linux' ? 'needs /proc' : isRoot ? false : 'needs root, to run a program as another user';

describe('a connection of a real process', { skip }, () => {
  let listener: Server;
  let accepted: Promise<Socket>;
  const children: ChildProcess[] = [];
  before(async () => {
    listener = createServer();
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    listener.close();
  });

  function connect(uid: number, script: string): ChildProcess {
    accepted = once(listener, 'connection').then(([socket]) => socket as Socket);
    const { port } = listener.address() as AddressInfo;
    const child = spawn('python3', ['-c', `import socket,time\ns=socket.create_connection(("127.0.0.1",${port}))\n${script}`], {
      uid,
      gid: uid,
    });
    children.push(child);
    return child;
  }

  test('has the user id of that process', async () => {
    connect(54_321, 'time.sleep(60)');
    const socket = await accepted;
    assert.equal(peerUid(socket), 54_321);
    socket.destroy();
  });

  test('has no user id after the process has ended', async () => {
    const child = connect(54_322, 's.sendall(b"GET / HTTP/1.1")');
    const socket = await accepted;
    await once(child, 'exit');
    await until('the socket has no owner', () => peerUid(socket) === null);
    socket.destroy();
  });
});
