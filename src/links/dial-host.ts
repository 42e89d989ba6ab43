/** Opens links between two hosts. The home names the other host and its address. */
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { messageOf, PlatformError } from '../errors.ts';
import { openLink } from './link-attempt.ts';
import { certificatesOf, type LinkIdentity, provenPeer } from './link-peer.ts';
import { linkProtocols } from './protocols.ts';

export interface HostDial {
  readonly clock: Clock;
  /** The name of the other host: its certificate must have it. */
  readonly host: string;
  /** `HOST:PORT` */
  readonly address: string;
  readonly identity: LinkIdentity;
  /** For connection, handshake and answer, in milliseconds. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/** Resolves with a paused link to the host. Rejects with `unavailable`. */
export async function dialHost({ clock, host, address, identity, limitMs, signal }: HostDial): Promise<TLSSocket> {
  const { cert, key, authorities } = identity;
  // The certificate of a host is for clients alone, so that no host can pass for a node. TLS would refuse it here for that; the check requires
  // an issuer of the cluster, a time at which it is valid, and the one name that is expected. The handshake proves the private key.
  const tls = { cert, key, ca: authorities, rejectUnauthorized: false };
  const check = (socket: TLSSocket): string | null => otherHostReason(socket, host, authorities, clock.wallMs());
  const tried = await openLink({ clock, address, tls, check, introduction: { kind: 'peer', protocols: linkProtocols }, limitMs, signal });
  if (typeof tried !== 'string' && 'ok' in tried.answer) return tried.socket;
  if (typeof tried === 'string') throw new PlatformError('unavailable', `host ${host} at ${address} cannot be reached: ${tried}`);
  tried.socket.on('error', () => undefined).destroy();
  const reason = 'refused' in tried.answer ? String(tried.answer.refused) : 'it serves no other hosts';
  throw new PlatformError('unavailable', `host ${host} at ${address} refused the link: ${reason}`);
}

/** Why the other side is not the host; null if it is. */
function otherHostReason(socket: TLSSocket, host: string, authorities: string, wallMs: number): string | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return 'it has no certificate';
  try {
    const { role, name } = provenPeer(certificate, certificatesOf(authorities), wallMs);
    return role === 'host' && name === host ? null : `it is the ${role} ${name}`;
  } catch (error) {
    return messageOf(error);
  }
}
