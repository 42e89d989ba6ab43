/**
 * The user id of the process at the other end of a loopback connection, from Linux's table of sockets (proc(5), /proc/net/tcp).
 * A loopback connection has two sockets on this machine; the peer's is the one whose local address is our remote address.
 */
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';

/** The part of a socket that identifies the connection. */
export interface PeerSocket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
}

/** Null if unknown: not Linux, the peer has closed its socket, or its process has ended. */
export function peerUid(socket: PeerSocket, read: (path: string) => string = readTable): number | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined) return null;
  const [from, to] = [procAddresses(remoteAddress), procAddresses(localAddress)];
  for (const [index, table] of ['/proc/self/net/tcp', '/proc/self/net/tcp6'].entries()) {
    const [fromHex, toHex] = [from[index], to[index]];
    if (fromHex === undefined || toHex === undefined) continue;
    const uid = uidOf(read(table), `${fromHex}:${portHex(remotePort)} ${toHex}:${portHex(localPort)} `);
    if (uid !== null) return uid;
  }
  return null;
}

/**
 * A row: `sl local remote state queues timer retransmits uid timeout inode …`. A socket without an inode belongs to no
 * process any more; its uid is shown as 0, which does not mean root.
 */
function uidOf(table: string, addresses: string): number | null {
  const at = table.indexOf(addresses);
  if (at < 0) return null;
  const end = table.indexOf('\n', at);
  const [_local, _remote, _state, _queues, _timer, _retransmits, uid, _timeout, inode] = table
    .slice(at, end < 0 ? undefined : end)
    .trim()
    .split(/\s+/);
  return uid === undefined || inode === undefined || inode === '0' ? null : Number(uid);
}

/** The address in the formats of /proc/net/tcp and /proc/net/tcp6, each 32-bit word in machine byte order (little-endian). */
function procAddresses(address: string): readonly [string | undefined, string | undefined] {
  const bare = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (isIPv4(bare)) {
    const hex = bare
      .split('.')
      .toReversed()
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join('')
      .toUpperCase();
    return [hex, `0000000000000000FFFF0000${hex}`];
  }
  return address === '::1' ? [undefined, '00000000000000000000000001000000'] : [undefined, undefined];
}

function portHex(port: number): string {
  return port.toString(16).padStart(4, '0').toUpperCase();
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
